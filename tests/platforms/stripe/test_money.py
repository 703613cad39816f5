"""Stripe keeps the money contract, and its own words are understood."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from plugin.domain.errors import OutcomeUnknown, Refused, RetryLater
from plugin.domain.money import Money
from plugin.domain.orders import PaymentRef
from plugin.domain.refunds import Ambiguous, Declined, Found, Pending, Succeeded
from plugin.stores.stripe import StripeStore
from tests.contracts.money import MoneyContract, MoneyWorld, Trouble, a_refund
from tests.platforms.stripe.books import StripeError
from tests.platforms.stripe.conftest import INSTALLATION, store_at
from tests.platforms.stripe.fake import FakeStripe

_FAULTS = {
    Trouble.DROPPED_BEFORE_PAYING: "drop_before",
    Trouble.SILENT_AFTER_PAYING: "drop_after",
    Trouble.ERROR_AFTER_PAYING: "error_after",
    Trouble.LATE_ANSWER: "slow",
    Trouble.UNREADABLE_ANSWER: "html",
    Trouble.CUT_ANSWER: "truncated",
    Trouble.ANSWER_OF_ANOTHER: "wrong_refund",
    Trouble.BUSY: "rate_limited",
    Trouble.DOWN: "unavailable",
}


@dataclass
class StripeWorld:
    fake: FakeStripe
    store: StripeStore
    honours_key: bool = True

    def sell(self, amount: Money) -> PaymentRef:
        charge = self.fake.books.sell(amount.minor, amount.currency.lower())
        return PaymentRef(INSTALLATION, charge["id"])

    def paid_back(self, payment: PaymentRef) -> Sequence[int]:
        return [entry["amount"] for entry in self.fake.books.moved(payment.ref)]

    def trouble_next(self, trouble: Trouble) -> None:
        if trouble is Trouble.LATE_ANSWER:
            self.store = store_at(self.fake.url, total_seconds=1)
        self.fake.fail(_FAULTS[trouble], seconds=30)

    def pend_next(self) -> None:
        self.fake.books.outcome = "pending"

    def fail_later(self, gateway_ref: str) -> None:
        self.fake.books.settle(gateway_ref, "failed")

    def dispute(self, payment: PaymentRef) -> None:
        self.fake.books.dispute(payment.ref)

    def expire_key(self) -> None:
        self.fake.key_state = "expired"


class TestMoney(MoneyContract):
    @pytest.fixture
    def world(self, fake: FakeStripe, store: StripeStore) -> MoneyWorld:
        return StripeWorld(fake, store)


@pytest.fixture
def payment(fake: FakeStripe) -> PaymentRef:
    return PaymentRef(INSTALLATION, fake.books.sell(4900)["id"])


def test_the_call_carries_key_version_reference_and_no_reason(
    fake: FakeStripe, store: StripeStore, payment: PaymentRef
) -> None:
    refund = a_refund(payment, 1500)
    store.refund(refund)
    [(method, path, headers, body)] = fake.calls
    assert (method, path) == ("POST", "/v1/refunds")
    assert headers["Idempotency-Key"] == refund.key
    assert headers["Stripe-Version"] == "2025-02-24.acacia"
    assert headers["Authorization"] == "Bearer rk_test_made_up"
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert body == (
        f"charge={payment.ref}&amount=1500"
        f"&metadata%5Bmakegood_refund%5D={refund.id}&metadata%5Bmakegood_key%5D={refund.key}"
    )


def test_a_payment_intent_is_refunded_as_one(
    fake: FakeStripe, store: StripeStore, payment: PaymentRef
) -> None:
    intent = PaymentRef(INSTALLATION, fake.books.get(payment.ref)["payment_intent"])
    refund = a_refund(intent, 1500)
    assert isinstance(store.refund(refund), Succeeded)
    assert isinstance(store.look_up(refund), Found)
    assert [entry["amount"] for entry in fake.books.moved(payment.ref)] == [1500]


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        ("pending", Pending),
        ("requires_action", Pending),
        ("failed", Declined),
        ("canceled", Declined),
    ],
)
def test_each_status_of_a_refund_has_its_answer(
    fake: FakeStripe, store: StripeStore, payment: PaymentRef, status: str, answer: type
) -> None:
    fake.books.outcome = status
    refund = a_refund(payment, 1500)
    assert isinstance(store.refund(refund), answer)
    found = store.look_up(refund)
    assert isinstance(found, Found)
    assert isinstance(found.answer, answer)


def test_a_status_we_have_no_word_for_is_unknown_and_looked_up_again(
    fake: FakeStripe, store: StripeStore, payment: PaymentRef
) -> None:
    fake.books.outcome = "on_the_moon"
    refund = a_refund(payment, 1500)
    with pytest.raises(OutcomeUnknown):
        store.refund(refund)
    with pytest.raises(RetryLater):
        store.look_up(refund)


def test_the_bank_reference_is_handed_on(store: StripeStore, payment: PaymentRef) -> None:
    answer = store.refund(a_refund(payment, 1500))
    assert isinstance(answer, Succeeded)
    assert answer.trace == "24011336022000000000001"


def test_a_failed_refund_gives_the_banks_reason(
    fake: FakeStripe, store: StripeStore, payment: PaymentRef
) -> None:
    refund = a_refund(payment, 1500)
    answer = store.refund(refund)
    assert isinstance(answer, Succeeded)
    fake.books.settle(answer.gateway_ref, "failed", "lost_or_stolen_card")
    assert store.look_up(refund) == Found(Declined("lost_or_stolen_card"))


@pytest.mark.parametrize(
    ("status", "code"), [("needs_response", "charge_disputed"), ("lost", "charge_disputed")]
)
def test_a_dispute_is_declined_with_stripes_word(
    fake: FakeStripe, store: StripeStore, payment: PaymentRef, status: str, code: str
) -> None:
    fake.books.dispute(payment.ref, status)
    assert store.refund(a_refund(payment, 1500)) == Declined(code)


def test_an_inquiry_may_still_be_refunded(
    fake: FakeStripe, store: StripeStore, payment: PaymentRef
) -> None:
    fake.books.dispute(payment.ref, "warning_needs_response")
    assert isinstance(store.refund(a_refund(payment, 4900)), Succeeded)


def test_too_much_is_declined_in_words_that_name_the_amount(
    store: StripeStore, payment: PaymentRef
) -> None:
    assert store.refund(a_refund(payment, 4901)) == Declined("amount_invalid")


def test_a_payment_stripe_does_not_know_is_declined_and_its_look_up_proves_nothing(
    store: StripeStore,
) -> None:
    refund = a_refund(PaymentRef(INSTALLATION, "ch_unknown"), 1500)
    assert store.refund(refund) == Declined("resource_missing")
    with pytest.raises(RetryLater, match="look_up_refused: resource_missing"):
        store.look_up(refund)


def test_an_amount_stripe_cannot_write_is_declined_without_a_call(
    fake: FakeStripe, store: StripeStore, payment: PaymentRef
) -> None:
    assert store.refund(a_refund(payment, 1500, currency="LYD")) == Declined("amount_not_writable")
    assert fake.calls == []


def test_our_own_refund_after_its_key_died_is_adopted(
    fake: FakeStripe, store: StripeStore, payment: PaymentRef
) -> None:
    refund = a_refund(payment, 4900)
    first = store.refund(refund)
    fake.forget_keys()
    assert store.refund(refund) == first
    assert len(fake.books.moved(payment.ref)) == 1


def test_refunded_by_somebody_else_is_declined(
    fake: FakeStripe, store: StripeStore, payment: PaymentRef
) -> None:
    fake.books.refund({"charge": payment.ref})
    assert store.refund(a_refund(payment, 4900)) == Declined("charge_already_refunded")


def test_already_refunded_stays_unknown_while_nobody_tells_by_whom(
    fake: FakeStripe, store: StripeStore, payment: PaymentRef
) -> None:
    fake.books.refund({"charge": payment.ref})
    fake.fail("unavailable", on="GET /v1/refunds")
    with pytest.raises(OutcomeUnknown, match="charge_already_refunded"):
        store.refund(a_refund(payment, 4900))


def test_two_refunds_under_one_reference_are_for_a_person(
    fake: FakeStripe, store: StripeStore, payment: PaymentRef
) -> None:
    refund = a_refund(payment, 2450)
    store.refund(refund)
    fake.forget_keys()
    store.refund(refund)
    assert store.look_up(refund) == Ambiguous(2)
    with pytest.raises(OutcomeUnknown, match="several_refunds_match"):
        store.refund(replace(refund, attempt=2))


def test_our_reference_on_another_amount_is_for_a_person(
    fake: FakeStripe, store: StripeStore, payment: PaymentRef
) -> None:
    refund = a_refund(payment, 1500)
    store.refund(refund)
    assert store.look_up(replace(refund, amount=Money(1600, "EUR"))) == Ambiguous(1)


def test_a_full_page_without_ours_is_for_a_person(
    fake: FakeStripe, store: StripeStore, payment: PaymentRef
) -> None:
    for _ in range(101):
        fake.books.refund({"charge": payment.ref, "amount": "1"})
    assert store.look_up(a_refund(payment, 1500)) == Ambiguous(0)


def test_one_key_with_another_amount_may_have_paid_and_is_unknown(
    fake: FakeStripe, store: StripeStore, payment: PaymentRef
) -> None:
    refund = a_refund(payment, 1500)
    store.refund(refund)
    with pytest.raises(OutcomeUnknown, match="key_used_otherwise"):
        store.refund(replace(refund, amount=Money(1600, "EUR")))
    assert [entry["amount"] for entry in fake.books.moved()] == [1500]


def test_a_call_that_still_runs_makes_the_same_call_unknown(
    fake: FakeStripe, payment: PaymentRef
) -> None:
    hurried, patient = store_at(fake.url, total_seconds=1), store_at(fake.url)
    refund = a_refund(payment, 1500)
    fake.fail("slow", seconds=30)
    with pytest.raises(OutcomeUnknown):
        hurried.refund(refund)
    with pytest.raises(OutcomeUnknown, match="refund_running"):
        patient.refund(refund)
    assert isinstance(patient.look_up(refund), Found)
    assert len(fake.books.moved()) == 1


def test_a_kept_error_is_played_back_and_only_a_look_up_settles_it(
    fake: FakeStripe, store: StripeStore, payment: PaymentRef
) -> None:
    refund = a_refund(payment, 1500)
    fake.fail("error_after")
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            store.refund(refund)
    assert isinstance(store.look_up(refund), Found)
    assert len(fake.books.moved()) == 1


def test_many_at_once_with_one_key_pay_once(fake: FakeStripe, payment: PaymentRef) -> None:
    refund = a_refund(payment, 1500)
    outcomes: list[object] = []

    def send() -> None:
        try:
            outcomes.append(store_at(fake.url).refund(refund))
        except OutcomeUnknown as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 8
    assert len(fake.books.moved()) == 1


@pytest.mark.parametrize("fault", ["empty", "wrong_refund"])
def test_an_answer_that_is_not_of_this_refund_is_unknown(
    fake: FakeStripe, store: StripeStore, payment: PaymentRef, fault: str
) -> None:
    fake.fail(fault)
    with pytest.raises(OutcomeUnknown):
        store.refund(a_refund(payment, 1500))


def test_a_key_that_no_header_can_carry_is_a_definitive_no(
    fake: FakeStripe, payment: PaymentRef
) -> None:
    store = store_at(fake.url, api_key="rk_live_é")
    with pytest.raises(Refused, match="key_unusable") as caught:
        store.refund(a_refund(payment, 1500))
    assert "rk_live" not in str(caught.value)
    with pytest.raises(RetryLater, match="look_up_refused: key_unusable"):
        store.look_up(a_refund(payment, 1500))
    assert fake.calls == []


def test_a_missing_right_is_refused_by_name(
    fake: FakeStripe, store: StripeStore, payment: PaymentRef
) -> None:
    fake.denied = ["POST /v1/refunds"]
    with pytest.raises(Refused, match="right_missing"):
        store.refund(a_refund(payment, 1500))


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"amount": "100", "charge": "ch_1", "speed": "fast"}, "parameter_unknown"),
        ({"amount": "1e3", "charge": "ch_1"}, "parameter_invalid_integer"),
        ({"amount": "100"}, "parameter_missing"),
    ],
)
def test_the_fake_refuses_what_stripe_would_refuse(
    fake: FakeStripe, form: dict[str, str], code: str
) -> None:
    with pytest.raises(StripeError, match=code):
        fake.books.refund(form)
