"""Shopify keeps the money contract, and only a transaction says that money moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from plugin.domain.errors import OutcomeUnknown, Refused, RetryLater
from plugin.domain.money import Money
from plugin.domain.orders import PaymentRef
from plugin.domain.refunds import (
    Ambiguous,
    Declined,
    Found,
    NotFound,
    Pending,
    Refund,
    RefundAnswer,
    Succeeded,
)
from plugin.platforms.shopify_words import note_of, order_and_transaction, payment_ref
from plugin.stores.shopify import ShopifyStore
from tests.contracts.money import MoneyContract, MoneyWorld, Trouble, a_refund
from tests.platforms.shopify.books import Thing, bag
from tests.platforms.shopify.conftest import INSTALLATION, store_at
from tests.platforms.shopify.fake import WAIT, FakeShopify, ref_of

_FAULTS = {
    Trouble.DROPPED_BEFORE_PAYING: "drop_before",
    Trouble.SILENT_AFTER_PAYING: "drop_after",
    Trouble.ERROR_AFTER_PAYING: "error_after",
    Trouble.LATE_ANSWER: "slow",
    Trouble.UNREADABLE_ANSWER: "html",
    Trouble.CUT_ANSWER: "truncated",
    Trouble.ANSWER_OF_ANOTHER: "wrong_refund",
    Trouble.BUSY: "throttled",
    Trouble.DOWN: "unavailable",
}


def first_payment(order: Thing, place: int = 0) -> PaymentRef:
    return payment_ref(INSTALLATION, ref_of(order), ref_of(order["transactions"][place]))


def transaction(payment: PaymentRef) -> str:
    named = order_and_transaction(payment)
    assert named is not None
    return named[1]


@dataclass
class ShopifyWorld:
    fake: FakeShopify
    store: ShopifyStore
    honours_key: bool = True

    def sell(self, amount: Money) -> PaymentRef:
        return first_payment(self.fake.books.sell(amount))

    def paid_back(self, payment: PaymentRef) -> Sequence[int]:
        return self.fake.books.paid_back(transaction(payment))

    def trouble_next(self, trouble: Trouble) -> None:
        if trouble is Trouble.LATE_ANSWER:
            self.store = store_at(self.fake.url, total_seconds=1)
        self.fake.fail(_FAULTS[trouble])

    def pend_next(self) -> None:
        self.fake.books.outcome = "PENDING"

    def fail_later(self, gateway_ref: str) -> None:
        self.fake.books.settle(gateway_ref, "FAILURE")

    def dispute(self, payment: PaymentRef) -> None:
        named = order_and_transaction(payment)
        assert named is not None
        self.fake.books.dispute(f"gid://shopify/Order/{named[0]}")

    def expire_key(self) -> None:
        self.fake.key_state = "expired"


class TestMoney(MoneyContract):
    @pytest.fixture
    def world(self, fake: FakeShopify, store: ShopifyStore) -> MoneyWorld:
        return ShopifyWorld(fake, store)


@pytest.fixture
def order(fake: FakeShopify) -> Thing:
    return fake.books.sell(Money(4900, "EUR"))


@pytest.fixture
def payment(order: Thing) -> PaymentRef:
    return first_payment(order)


def test_a_refund_takes_two_calls_and_a_look_up_one_beside_the_days_token(
    fake: FakeShopify, store: ShopifyStore, payment: PaymentRef
) -> None:
    store.refund(a_refund(payment, 1500))
    assert [name for name, _, _ in fake.calls] == ["token", "RefundState", "CreateRefund"]
    fake.calls.clear()
    store_at(fake.url).look_up(a_refund(payment, 1500))
    assert [name for name, _, _ in fake.calls] == ["RefundState"]


def test_the_mutation_names_payment_amount_currency_and_mark_and_nothing_else(
    fake: FakeShopify, store: ShopifyStore, order: Thing, payment: PaymentRef
) -> None:
    refund = a_refund(payment, 1500)
    store.refund(refund)
    assert fake.named("CreateRefund") == [
        {
            "input": {
                "orderId": order["id"],
                "currency": "EUR",
                "note": note_of(refund.id, refund.key),
                "notify": False,
                "transactions": [
                    {
                        "orderId": order["id"],
                        "parentId": order["transactions"][0]["id"],
                        "gateway": "shopify_payments",
                        "kind": "REFUND",
                        "amount": "15.00",
                    }
                ],
            },
            "key": refund.key,
        }
    ]


def test_each_payment_of_an_order_is_refunded_by_its_own_gateway(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    order = fake.books.sell(Money(3000, "EUR"), Money(1900, "EUR"))
    order["transactions"][1] |= {"gateway": "gift_card", "formattedGateway": "Gift card"}
    card, gift = first_payment(order), first_payment(order, 1)
    assert isinstance(store.refund(a_refund(gift, 1900)), Succeeded)
    assert fake.books.paid_back(transaction(gift)) == [1900]
    assert fake.books.paid_back(transaction(card)) == []
    assert fake.named("CreateRefund")[0]["input"]["transactions"][0]["gateway"] == "gift_card"
    assert isinstance(store.refund(a_refund(card, 3001)), Declined)
    assert isinstance(store.refund(a_refund(card, 3000)), Succeeded)


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        ("SUCCESS", Succeeded),
        ("PENDING", Pending),
        ("AWAITING_RESPONSE", Pending),
        ("UNKNOWN", Pending),
        ("FAILURE", Declined),
        ("ERROR", Declined),
        ("A_NEW_STATUS", Pending),
    ],
)
def test_the_transactions_status_is_the_answer(
    fake: FakeShopify, store: ShopifyStore, payment: PaymentRef, status: str, answer: type
) -> None:
    fake.books.outcome = status
    refund = a_refund(payment, 1500)
    first = store.refund(refund)
    assert isinstance(first, answer)
    assert store.look_up(refund) == Found(first)


def test_a_failure_is_named_by_its_code(
    fake: FakeShopify, store: ShopifyStore, payment: PaymentRef
) -> None:
    fake.books.outcome = "FAILURE"
    assert store.refund(a_refund(payment, 1500)) == Declined("card_declined")
    fake.books.outcome = "ERROR"
    assert store.refund(a_refund(payment, 1500, plan="plan-2")) == Declined("error")


def test_a_refund_that_is_there_is_not_sent_again_even_with_a_new_key(
    fake: FakeShopify, store: ShopifyStore, payment: PaymentRef
) -> None:
    first = store.refund(a_refund(payment, 1500))
    assert store.refund(replace(a_refund(payment, 1500), attempt=2)) == first
    assert len(fake.named("CreateRefund")) == 1


@pytest.mark.parametrize("kind", ["internal", "denied_below"])
def test_an_error_after_the_mutation_ran_is_unknown(
    fake: FakeShopify, store: ShopifyStore, payment: PaymentRef, kind: str
) -> None:
    refund = a_refund(payment, 1500)
    fake.fail(kind)
    with pytest.raises(OutcomeUnknown):
        store.refund(refund)
    assert isinstance(store.look_up(refund), Found)


@pytest.mark.parametrize(
    ("errors", "expected", "code"),
    [
        ([{"extensions": {"code": "ACCESS_DENIED"}}], Refused, "right_missing"),
        (
            [{"path": ["refundCreate"], "extensions": {"code": "ACCESS_DENIED"}}],
            Refused,
            "right_missing",
        ),
        ([{"extensions": {"code": "MAX_COST_EXCEEDED"}}], Refused, "query_too_costly"),
        ([{"extensions": {"code": "SHOP_INACTIVE"}}], Refused, "shop_unavailable"),
        ([{"extensions": {"code": "THROTTLED"}}], RetryLater, "throttled"),
        ([{"message": "x"}], OutcomeUnknown, "server_error"),
        ([{"extensions": {"code": "A word, and more"}}], OutcomeUnknown, "server_error"),
        (
            [{"extensions": {"code": "THROTTLED"}}, {"extensions": {"code": "TIMEOUT"}}],
            OutcomeUnknown,
            "server_error",
        ),
        ("Not Found", OutcomeUnknown, "answer_malformed"),
    ],
)
def test_each_top_level_error_has_its_meaning(
    fake: FakeShopify,
    store: ShopifyStore,
    payment: PaymentRef,
    errors: list[Thing],
    expected: type[Exception],
    code: str,
) -> None:
    refund = a_refund(payment, 1500)
    store.look_up(refund)

    def answer(variables: Thing) -> Thing:
        fake.errors = errors
        return {"order": {**fake.books.orders[variables["id"]], "suggestedRefund": None}}

    fake.__dict__["_refund_state"] = answer
    with pytest.raises(expected) as caught:
        store.refund(refund)
    assert getattr(caught.value, "code", "") == code
    assert "more" not in str(caught.value)


def test_a_throttled_call_waits_until_its_points_are_back(
    fake: FakeShopify, store: ShopifyStore, payment: PaymentRef
) -> None:
    fake.fail("throttled")
    with pytest.raises(RetryLater) as caught:
        store.refund(a_refund(payment, 1500))
    assert caught.value.after_seconds == WAIT  # (392 - 42) / 50


@pytest.mark.parametrize(
    ("cost", "seconds"),
    [
        ({"requestedQueryCost": 392}, 1),
        ({"requestedQueryCost": 10, "throttleStatus": {"restoreRate": 0}}, 1),
        ({"requestedQueryCost": 900, "throttleStatus": {"restoreRate": 1}}, 60),
        ({"throttleStatus": {"currentlyAvailable": 900.5, "restoreRate": 100}}, 1),
    ],
)
def test_a_throttled_call_that_tells_odd_costs_waits_a_little(
    fake: FakeShopify, store: ShopifyStore, payment: PaymentRef, cost: Thing, seconds: int
) -> None:
    fake.cost = cost
    fake.fail("throttled")
    with pytest.raises(RetryLater) as caught:
        store.refund(a_refund(payment, 1500))
    assert caught.value.after_seconds == seconds


@pytest.mark.parametrize("on", ["token", "RefundState"])
@pytest.mark.parametrize("kind", ["drop_before", "unavailable", "busy"])
def test_trouble_before_the_mutation_sends_nothing(
    fake: FakeShopify, store: ShopifyStore, payment: PaymentRef, on: str, kind: str
) -> None:
    fake.fail(kind, on=on)
    with pytest.raises(RetryLater):
        store.refund(a_refund(payment, 1500))
    assert fake.named("CreateRefund") == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"manualPaymentGateway": True}, "taken_by_hand"),
        ({"kind": "AUTHORIZATION"}, "payment_not_found"),
        ({"status": "FAILURE"}, "payment_not_found"),
        ({"amountSet": bag(Money(4900, "USD"))}, "currency_of_another_payment"),
    ],
)
def test_what_cannot_be_refunded_is_declined_before_it_is_sent(
    fake: FakeShopify,
    store: ShopifyStore,
    order: Thing,
    payment: PaymentRef,
    change: Thing,
    code: str,
) -> None:
    order["transactions"][0] |= change
    assert store.refund(a_refund(payment, 1500)) == Declined(code)
    assert fake.named("CreateRefund") == []


def test_payments_that_are_not_there_are_declined(
    fake: FakeShopify, store: ShopifyStore, order: Thing
) -> None:
    other = PaymentRef(INSTALLATION, "ch_123")
    assert store.refund(a_refund(other, 1)) == Declined("payment_not_of_this_store")
    assert store.look_up(a_refund(other, 1)) == NotFound()
    gone = PaymentRef(INSTALLATION, f"{ref_of(order)}-1")
    assert store.refund(a_refund(gone, 1)) == Declined("payment_not_found")
    unknown = PaymentRef(INSTALLATION, "1-1")
    assert store.refund(a_refund(unknown, 1)) == Declined("order_not_found")
    assert store.look_up(a_refund(unknown, 1)) == Ambiguous(0)
    assert fake.named("CreateRefund") == []


def test_what_shopify_suggests_at_the_most_is_the_most(
    fake: FakeShopify, store: ShopifyStore, payment: PaymentRef
) -> None:
    fake.books.most = 1000
    assert store.refund(a_refund(payment, 1001)) == Declined("amount_too_large")
    assert isinstance(store.refund(a_refund(payment, 1000)), Succeeded)


@pytest.mark.parametrize(
    ("status", "kind", "blocks"),
    [
        ("NEEDS_RESPONSE", "CHARGEBACK", True),
        ("UNDER_REVIEW", "CHARGEBACK", True),
        ("LOST", "CHARGEBACK", True),
        ("A_NEW_STATUS", "CHARGEBACK", True),
        ("WON", "CHARGEBACK", False),
        ("PREVENTED", "CHARGEBACK", False),
        ("CLOSED", "INQUIRY", False),
    ],
)
def test_a_dispute_blocks_while_money_is_held(
    fake: FakeShopify, store: ShopifyStore, order: Thing, status: str, kind: str, *, blocks: bool
) -> None:
    fake.books.dispute(order["id"], status, kind)
    answer = store.refund(a_refund(first_payment(order), 1500))
    assert isinstance(answer, Declined if blocks else Succeeded)


def _user_error(message: str, fields: list[object] | None) -> Thing:
    error = {"message": message, "field": fields}
    return {"refundCreate": {"refund": None, "userErrors": [error]}}


def _refusing(
    fake: FakeShopify, store: ShopifyStore, payment: PaymentRef, answer: Thing
) -> RefundAnswer:
    fake.__dict__["_create_refund"] = lambda _variables: answer
    return store.refund(a_refund(payment, 1500))


def test_a_user_error_is_a_definitive_no_and_its_words_go_nowhere(
    fake: FakeShopify, store: ShopifyStore, payment: PaymentRef
) -> None:
    said = _user_error("ada@example.com is too poor", ["transactions", "0", "amount"])
    assert _refusing(fake, store, payment, said) == Declined("no_transactions_0_amount")
    unnamed = _user_error("No", None)
    assert _refusing(fake, store, payment, unnamed) == Declined("no_reason_named")
    odd = _user_error("No", ["ada@example.com", 1])
    assert _refusing(fake, store, payment, odd) == Declined("no_reason_named")


@pytest.mark.parametrize(
    "answer",
    [
        _user_error("A request with this idempotency key is in progress", ["key"]),
        {"refundCreate": {"refund": None, "userErrors": []}},
        {"refundCreate": None},
        {
            "refundCreate": {
                "refund": {"id": "gid://shopify/Refund/1", "note": None, "transactions": []},
                "userErrors": [],
            }
        },
    ],
)
def test_an_answer_that_says_neither_is_unknown(
    fake: FakeShopify, store: ShopifyStore, payment: PaymentRef, answer: Thing
) -> None:
    with pytest.raises(OutcomeUnknown):
        _refusing(fake, store, payment, answer)


def _refund_with(refund: Refund, transactions: list[Thing]) -> Thing:
    made = {
        "id": "gid://shopify/Refund/1",
        "note": note_of(refund.id, refund.key),
        "transactions": transactions,
    }
    return {"refundCreate": {"refund": made, "userErrors": []}}


def test_a_refund_without_the_transaction_we_asked_for_is_unknown(
    fake: FakeShopify, store: ShopifyStore, order: Thing, payment: PaymentRef
) -> None:
    refund = a_refund(payment, 1500)
    back = {
        **fake.books.payment(Money(1500, "EUR")),
        "kind": "REFUND",
        "parentTransaction": {"id": order["transactions"][0]["id"]},
    }
    assert isinstance(_refusing(fake, store, payment, _refund_with(refund, [back])), Succeeded)
    for odd in (
        [],
        [back, back],
        [{**back, "amountSet": bag(Money(1600, "EUR"))}],
        [{**back, "parentTransaction": {"id": "gid://shopify/OrderTransaction/1"}}],
        [{**back, "parentTransaction": None}],
        [{**back, "kind": "VOID"}],
        [{**back, "id": "1"}],
    ):
        with pytest.raises(OutcomeUnknown):
            _refusing(fake, store, payment, _refund_with(refund, odd))


def test_a_look_up_that_cannot_be_sure_asks_a_person(
    fake: FakeShopify, store: ShopifyStore, order: Thing, payment: PaymentRef
) -> None:
    refund = a_refund(payment, 1500)
    store.refund(refund)
    [made] = order["refunds"]
    order["refunds"] = [made, made]
    assert store.look_up(refund) == Ambiguous(2)
    with pytest.raises(OutcomeUnknown):
        store.refund(refund)
    order["refunds"] = [{**made, "transactions": []}]
    assert store.look_up(refund) == Ambiguous(1)
    theirs = {**made, "note": "Customer asked"}
    order["refunds"] = [theirs] * 49
    assert store.look_up(refund) == NotFound()
    order["refunds"] = [theirs] * 50
    assert store.look_up(refund) == Ambiguous(0)


def test_a_malformed_order_sends_nothing(
    fake: FakeShopify, store: ShopifyStore, order: Thing, payment: PaymentRef
) -> None:
    order["transactions"][0]["amountSet"]["presentmentMoney"]["amount"] = "49,00"
    with pytest.raises(RetryLater):
        store.refund(a_refund(payment, 1500))
    assert fake.named("CreateRefund") == []
