"""Saleor keeps the money contract, and each of its own words about refunds is understood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from plugin.domain.errors import OutcomeUnknown, Refused, RetryLater
from plugin.domain.money import Money
from plugin.domain.orders import PaymentRef
from plugin.domain.refunds import Ambiguous, Declined, Found, NotFound, Pending, Succeeded
from plugin.stores.saleor import SaleorStore
from tests.contracts.money import MoneyContract, MoneyWorld, Trouble, a_refund
from tests.platforms.saleor.books import Thing, money
from tests.platforms.saleor.conftest import INSTALLATION, store_at
from tests.platforms.saleor.fake import FakeSaleor

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
class SaleorWorld:
    fake: FakeSaleor
    store: SaleorStore
    honours_key: bool = True

    def sell(self, amount: Money) -> PaymentRef:
        return PaymentRef(INSTALLATION, self.fake.books.sell(amount.minor, amount.currency)["id"])

    def paid_back(self, payment: PaymentRef) -> Sequence[int]:
        return self.fake.books.moved(payment.ref)

    def trouble_next(self, trouble: Trouble) -> None:
        if trouble is Trouble.LATE_ANSWER:
            self.store = store_at(self.fake.url, total_seconds=1)
        self.fake.fail(_FAULTS[trouble])

    def pend_next(self) -> None:
        self.fake.books.outcome = "PENDING"

    def fail_later(self, gateway_ref: str) -> None:
        self.fake.books.settle(gateway_ref, "REVERSE")

    def dispute(self, payment: PaymentRef) -> None:
        self.fake.books.tell(payment.ref, "CHARGE_BACK", 4900, "bank-1")

    def expire_key(self) -> None:
        self.fake.token = "another"


class TestMoney(MoneyContract):
    @pytest.fixture
    def world(self, fake: FakeSaleor, store: SaleorStore) -> MoneyWorld:
        return SaleorWorld(fake, store)


@pytest.fixture
def payment(fake: FakeSaleor) -> PaymentRef:
    return PaymentRef(INSTALLATION, fake.books.sell(4900)["id"])


def operations(fake: FakeSaleor) -> list[str]:
    return [call.operation for call in fake.calls]


def test_a_refund_takes_three_calls_and_carries_our_key_as_its_reason(
    fake: FakeSaleor, store: SaleorStore, payment: PaymentRef
) -> None:
    refund = a_refund(payment, 1500)
    store.refund(refund)
    assert operations(fake) == ["MakegoodTransaction", "MakegoodGrant", "MakegoodRequest"]
    assert fake.calls[1].variables["input"] == {
        "transactionId": payment.ref,
        "amount": "15.00",
        "reason": refund.key,
    }
    assert len(fake.paths) == 3


def test_a_payment_app_that_answers_later_is_pending_until_it_tells(
    fake: FakeSaleor, store: SaleorStore, payment: PaymentRef
) -> None:
    fake.books.outcome = "PENDING"
    refund = a_refund(payment, 1500)
    answer = store.refund(refund)
    assert isinstance(answer, Pending)
    fake.books.settle(answer.gateway_ref, "SUCCESS")
    assert store.look_up(refund) == Found(Succeeded(answer.gateway_ref))


def test_a_payment_app_that_says_no_later_declines(
    fake: FakeSaleor, store: SaleorStore, payment: PaymentRef
) -> None:
    fake.books.outcome = "PENDING"
    refund = a_refund(payment, 1500)
    answer = store.refund(refund)
    assert isinstance(answer, Pending)
    fake.books.settle(answer.gateway_ref, "FAILURE")
    assert store.look_up(refund) == Found(Declined("refund_failed"))
    assert store.refund(refund) == Declined("refund_failed")
    assert fake.books.moved(payment.ref) == []


@pytest.mark.parametrize("fault", ["drop_before", "unavailable"])
def test_a_grant_that_never_came_is_tried_again_and_nothing_was_asked_for(
    fake: FakeSaleor, store: SaleorStore, payment: PaymentRef, fault: str
) -> None:
    refund = a_refund(payment, 1500)
    fake.fail(fault, on="MakegoodGrant")
    with pytest.raises(RetryLater, match="grant_unanswered"):
        store.refund(refund)
    assert isinstance(store.refund(refund), Succeeded)
    assert fake.books.moved(payment.ref) == [1500]


@pytest.mark.parametrize("fault", ["drop_after", "error_after", "html", "empty"])
def test_a_grant_without_an_answer_is_found_and_used_by_the_next_try(
    fake: FakeSaleor, store: SaleorStore, payment: PaymentRef, fault: str
) -> None:
    refund = a_refund(payment, 1500)
    fake.fail(fault, on="MakegoodGrant")
    with pytest.raises(RetryLater):
        store.refund(refund)
    assert store.look_up(refund) == NotFound()
    assert isinstance(store.refund(refund), Succeeded)
    assert len(fake.books.grants) == 1
    assert operations(fake).count("MakegoodGrant") == 1


@pytest.mark.parametrize("settled", ["SUCCESS", "PENDING"])
def test_one_grant_that_is_requested_twice_pays_once(
    fake: FakeSaleor, store: SaleorStore, payment: PaymentRef, settled: str
) -> None:
    refund = a_refund(payment, 1500)
    fake.fail("drop_before")
    with pytest.raises(OutcomeUnknown):
        store.refund(refund)
    [grant] = fake.books.grants
    fake.books.outcome = settled
    request = fake.books.request

    def overtaken(ref: str) -> object:
        request(ref)  # our first request arrives only now
        return request(ref)

    fake.books.request = overtaken  # type: ignore[assignment,method-assign] # one late arrival
    with pytest.raises(OutcomeUnknown, match="refund_"):
        store.refund(refund)
    found = store.look_up(refund)
    assert isinstance(found, Found)
    assert not isinstance(found.answer, Declined)
    assert fake.books.moved(payment.ref) == ([1500] if settled == "SUCCESS" else [])
    assert list(fake.books.grants) == [grant]


def test_an_error_inside_the_answer_of_a_request_is_unknown(
    fake: FakeSaleor, store: SaleorStore, payment: PaymentRef
) -> None:
    refund = a_refund(payment, 1500)
    fake.fail("error_inside")
    with pytest.raises(OutcomeUnknown, match="PermissionDenied"):
        store.refund(refund)
    assert isinstance(store.look_up(refund), Found)


def test_no_right_to_request_is_refused_and_pays_nothing(
    fake: FakeSaleor, store: SaleorStore, payment: PaymentRef
) -> None:
    fake.fail("denied")
    with pytest.raises(Refused, match="key_refused"):
        store.refund(a_refund(payment, 1500))
    assert fake.books.moved(payment.ref) == []


def test_a_shop_without_an_app_that_refunds_leaves_it_to_a_person(
    fake: FakeSaleor, store: SaleorStore, payment: PaymentRef
) -> None:
    fake.books.has_payment_app = False
    refund = a_refund(payment, 1500)
    code = "missing_transaction_action_request_webhook"
    assert store.refund(refund) == Declined(code, by_hand=True)
    # Saleor writes a failed event for it all the same: it is found as a no, not as money.
    assert store.look_up(refund) == Found(Declined("refund_failed"))


def test_a_transaction_that_offers_no_refund_is_for_a_person_and_nothing_is_granted(
    fake: FakeSaleor, store: SaleorStore, payment: PaymentRef
) -> None:
    fake.books.transactions[payment.ref]["offers"] = False
    assert store.refund(a_refund(payment, 1500)) == Declined("refund_not_offered", by_hand=True)
    assert operations(fake) == ["MakegoodTransaction"]


def test_more_than_is_charged_is_never_sent_since_saleor_would_cut_it_down(
    fake: FakeSaleor, store: SaleorStore, payment: PaymentRef
) -> None:
    assert store.refund(a_refund(payment, 4901)) == Declined("amount_greater_than_available")
    assert operations(fake) == ["MakegoodTransaction"]


def test_saleors_own_no_to_a_grant_is_declined(
    fake: FakeSaleor, store: SaleorStore, payment: PaymentRef
) -> None:
    fake.books.orders.clear()
    assert store.refund(a_refund(payment, 1500)) == Declined("not_found")


def test_a_charged_back_payment_is_declined_even_where_something_is_left(
    fake: FakeSaleor, store: SaleorStore, payment: PaymentRef
) -> None:
    fake.books.tell(payment.ref, "CHARGE_BACK", 1000, "bank-1")
    assert store.refund(a_refund(payment, 1500)) == Declined("charged_back")


def test_another_currency_and_a_part_that_saleor_cannot_write_are_declined(
    fake: FakeSaleor, store: SaleorStore, payment: PaymentRef
) -> None:
    dinars = PaymentRef(INSTALLATION, fake.books.sell(1200, "RSD")["id"])
    assert store.refund(a_refund(payment, 1500, currency="USD")) == Declined("other_currency")
    assert store.refund(a_refund(dinars, 150, currency="RSD")) == Declined("amount_not_writable")
    assert isinstance(store.refund(a_refund(dinars, 100000, currency="RSD")), Succeeded)
    assert fake.books.moved(dinars.ref) == [1000]


def test_what_is_no_transaction_is_for_a_person_and_its_look_up_proves_nothing(
    store: SaleorStore,
) -> None:
    refund = a_refund(PaymentRef(INSTALLATION, "Payment:9"), 1500)
    assert store.refund(refund) == Declined("not_a_transaction", by_hand=True)
    with pytest.raises(RetryLater, match="not_a_transaction"):
        store.look_up(refund)


def test_a_transaction_without_an_order_is_for_a_person(
    fake: FakeSaleor, store: SaleorStore, payment: PaymentRef
) -> None:
    fake.books.transactions[payment.ref]["order"] = None
    expected = Declined("transaction_without_order", by_hand=True)
    assert store.refund(a_refund(payment, 1500)) == expected


def test_two_refunds_under_one_reference_are_for_a_person(
    fake: FakeSaleor, store: SaleorStore, payment: PaymentRef
) -> None:
    refund = a_refund(payment, 1500)
    store.refund(refund)
    order = fake.books.transactions[payment.ref]["order"]
    wanted = {"transactionId": payment.ref, "amount": "15.00", "reason": refund.key}
    grant, _ = fake.books.grant(order, wanted)
    assert grant is not None
    fake.books.request(grant["id"])
    assert store.look_up(refund) == Ambiguous(2)
    with pytest.raises(OutcomeUnknown, match="several_refunds_match"):
        store.refund(replace(refund, attempt=2))


def test_our_reference_on_another_amount_is_for_a_person(
    store: SaleorStore, payment: PaymentRef
) -> None:
    refund = a_refund(payment, 1500)
    store.refund(refund)
    assert store.look_up(replace(refund, amount=Money(1600, "EUR"))) == Ambiguous(1)


def test_a_tenth_attempt_is_not_taken_for_the_first(
    store: SaleorStore, payment: PaymentRef, fake: FakeSaleor
) -> None:
    refund = a_refund(payment, 1500)
    answer = store.refund(replace(refund, attempt=10))
    assert isinstance(answer, Succeeded)
    fake.books.settle(answer.gateway_ref, "REVERSE")
    assert store.look_up(refund) == NotFound()


def test_a_grant_of_another_amount_is_never_requested(
    fake: FakeSaleor, store: SaleorStore, payment: PaymentRef
) -> None:
    granted = fake.books.granted_refund

    def another(grant: Thing) -> Thing:
        return {**granted(grant), "amount": money(4900, "EUR")}

    fake.books.granted_refund = another  # type: ignore[method-assign] # one wrong answer
    with pytest.raises(RetryLater, match="answer_of_another_refund"):
        store.refund(a_refund(payment, 1500))
    assert "MakegoodRequest" not in operations(fake)


def test_events_of_two_currencies_are_not_added_up(
    fake: FakeSaleor, store: SaleorStore, payment: PaymentRef
) -> None:
    fake.books.tell(payment.ref, "CHARGE_BACK", 100, "bank-1")
    fake.books.tell(payment.ref, "CHARGE_BACK", 100, "bank-2")["amount"] = money(100, "USD")
    with pytest.raises(RetryLater, match="answer_malformed"):
        store.refund(a_refund(payment, 1500))


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        ("PENDING", "SUCCESS", Succeeded),
        ("PENDING", "FAILURE", Pending),
        ("FAILURE", "SUCCESS", Succeeded),
        ("NEW_WORD", "INFO", Pending),
    ],
)
def test_money_that_an_event_says_went_counts_before_the_status_does(
    fake: FakeSaleor,
    store: SaleorStore,
    payment: PaymentRef,
    status: str,
    kind: str,
    expected: type,
) -> None:
    fake.books.outcome = "PENDING"
    refund = a_refund(payment, 1500)
    answer = store.refund(refund)
    assert isinstance(answer, Pending)
    fake.books.settle(answer.gateway_ref, kind)

    def lagging(grant: Thing) -> str:
        del grant
        return status

    fake.books.status = lagging  # type: ignore[method-assign] # behind its events
    found = store.look_up(refund)
    assert isinstance(found, Found)
    assert isinstance(found.answer, expected)
