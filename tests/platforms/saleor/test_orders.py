"""Orders of Saleor in our words: who, what, how much, and what is not told."""

from __future__ import annotations

import pytest

from plugin.domain.errors import Refused, RetryLater
from plugin.domain.money import Money
from plugin.domain.orders import RefundRoute, RefundStage
from plugin.ports import OrderQuery
from plugin.stores.saleor import SaleorStore
from tests.platforms.saleor.books import money
from tests.platforms.saleor.deliveries import refunded
from tests.platforms.saleor.fake import FakeSaleor

ADA = OrderQuery(emails=("Ada@Example.com",))


def test_a_customers_orders_are_found_with_one_call_newest_first(
    fake: FakeSaleor, store: SaleorStore
) -> None:
    fake.books.add_user("ada@example.com")
    first, second = fake.books.sell(4900), fake.books.sell(1200)
    fake.books.sell(100, email="bob@example.com")
    found = store.find_orders(ADA)
    assert [order.ref.ref for order in found] == [second["order"], first["order"]]
    assert len(fake.paths) == 1
    order = found[1]
    assert (order.number, order.email, order.name) == ("1", "ada@example.com", "Ada Made-Up")
    assert order.contact is not None
    assert [line.title for line in order.lines] == ["Sourdough Course"]
    assert [line.product for line in order.lines] == ["ProductVariant:7"]
    [payment] = order.payments
    assert (payment.label, payment.captured, payment.refunded) == (
        "Visa …4242",
        Money(4900, "EUR"),
        Money(0, "EUR"),
    )
    assert payment.route is RefundRoute.BY_API


def test_an_address_is_asked_for_as_typed_and_in_small_letters(
    fake: FakeSaleor, store: SaleorStore
) -> None:
    fake.books.sell(4900, email="Ada@Example.com")
    assert len(store.find_orders(ADA)) == 1
    assert fake.calls[0].variables == {"emails": ["Ada@Example.com", "ada@example.com"]}


@pytest.mark.parametrize("number", ["1", "#1", " 1 "])
def test_an_order_is_found_by_its_number(fake: FakeSaleor, store: SaleorStore, number: str) -> None:
    sale = fake.books.sell(4900)
    [order] = store.find_orders(OrderQuery(number=number))
    assert order.ref.ref == sale["order"]


def test_an_order_is_found_by_its_id_and_read_again(fake: FakeSaleor, store: SaleorStore) -> None:
    sale = fake.books.sell(4900)
    [order] = store.find_orders(OrderQuery(number=sale["order"]))
    assert store.read_order(order.ref.ref) == order


@pytest.mark.parametrize(
    "query", [OrderQuery(), OrderQuery(number="#"), OrderQuery(number="9" * 10)]
)
def test_nothing_to_look_for_is_found_without_a_call(
    fake: FakeSaleor, store: SaleorStore, query: OrderQuery
) -> None:
    assert store.find_orders(query) == ()
    assert fake.paths == []


def test_what_is_not_there_is_not_found(store: SaleorStore) -> None:
    assert store.find_orders(OrderQuery(number="Order:404")) == ()
    assert store.find_orders(OrderQuery(number="404")) == ()


def test_shipping_is_a_line_of_its_own_and_the_parts_make_the_whole(
    fake: FakeSaleor, store: SaleorStore
) -> None:
    sale = fake.books.sell(4900, shipping=501)
    refunded(fake.books, sale["id"], 1000)
    order = store.read_order(sale["order"])
    assert order is not None
    assert [line.paid.minor for line in order.lines] == [4399, 501]
    assert sum(line.refunded.minor for line in order.lines) == 1000
    assert order.lines[1].title == "Shipping"


def test_a_free_line_of_an_order_that_was_paid_for_all_the_same_carries_it(
    fake: FakeSaleor, store: SaleorStore
) -> None:
    sale = fake.books.sell(4900)
    kept = fake.books.orders[sale["order"]]
    kept["lines"][0]["totalPrice"] = {"gross": money(0, "EUR")}
    order = store.read_order(sale["order"])
    assert order is not None
    assert [line.paid.minor for line in order.lines] == [4900]
    kept["lines"] = []
    order = store.read_order(sale["order"])
    assert order is not None
    assert [line.title for line in order.lines] == ["Order"]


def test_several_transactions_are_several_payments(fake: FakeSaleor, store: SaleorStore) -> None:
    sale = fake.books.sell(4900)
    card = fake.books.charge(sale["order"], 100, "EUR")
    refunded(fake.books, card["id"], 100)
    order = store.read_order(sale["order"])
    assert order is not None
    assert [(one.captured.minor, one.refunded.minor) for one in order.payments] == [
        (4900, 0),
        (100, 100),
    ]


def test_a_refund_of_ours_that_waits_is_seen_and_not_counted_twice(
    fake: FakeSaleor, store: SaleorStore
) -> None:
    fake.books.outcome = "PENDING"
    sale = fake.books.sell(4900)
    refunded(fake.books, sale["id"], 1000, "mg-abc-a1")
    refunded(fake.books, sale["id"], 300, "somebody else")
    order = store.read_order(sale["order"])
    assert order is not None
    [payment] = order.payments
    assert (payment.captured.minor, payment.refunded.minor) == (4900, 300)
    assert [(seen.reference, seen.state) for seen in order.refunds] == [
        ("mg-abc-a1", RefundStage.PENDING),
        (None, RefundStage.PENDING),
    ]


def test_what_the_bank_took_back_is_held_as_disputed(fake: FakeSaleor, store: SaleorStore) -> None:
    sale = fake.books.sell(4900)
    fake.books.tell(sale["id"], "CHARGE_BACK", 900, "bank-1")
    order = store.read_order(sale["order"])
    assert order is not None
    [payment] = order.payments
    assert (payment.captured.minor, payment.disputed.minor) == (4900, 900)
    assert payment.dispute_open


def test_a_transaction_without_refunds_is_for_a_person_and_one_all_back_is_not(
    fake: FakeSaleor, store: SaleorStore
) -> None:
    sale = fake.books.sell(4900)
    sale["offers"] = False
    order = store.read_order(sale["order"])
    assert order is not None
    assert order.payments[0].route is RefundRoute.BY_HAND
    fake.books.tell(sale["id"], "REFUND_SUCCESS", 4900, "psp-9")
    order = store.read_order(sale["order"])
    assert order is not None
    assert order.payments[0].route is RefundRoute.BY_API


def test_a_payment_of_the_old_kind_is_for_a_person(fake: FakeSaleor, store: SaleorStore) -> None:
    sale = fake.books.sell(4900)
    fake.books.transactions.clear()
    fake.books.orders[sale["order"]]["payments"] = [
        {"id": "Payment:1", "gateway": "mirumee.stripe", "capturedAmount": money(4900, "EUR")},
        {"id": "Payment:2", "gateway": "mirumee.stripe", "capturedAmount": None},
    ]
    order = store.read_order(sale["order"])
    assert order is not None
    [payment] = order.payments
    assert (payment.ref.ref, payment.route) == ("Payment:1", RefundRoute.BY_HAND)
    assert payment.captured == Money(4900, "EUR")


def test_an_order_that_nothing_was_paid_for_is_left_out(
    fake: FakeSaleor, store: SaleorStore
) -> None:
    sale = fake.books.sell(4900)
    fake.books.transactions.clear()
    assert store.read_order(sale["order"]) is None


def test_what_is_not_told_stays_unknown(fake: FakeSaleor, store: SaleorStore) -> None:
    sale = fake.books.sell(4900)
    fake.books.orders[sale["order"]] |= {"userEmail": None, "billingAddress": None}
    plain = fake.books.transaction

    def without_details(ref: str, *, with_order: bool = True) -> object:
        told = plain(ref, with_order=with_order)
        return told and {**told, "paymentMethodDetails": None}

    fake.books.transaction = without_details  # type: ignore[method-assign,assignment] # an older payment app
    order = store.read_order(sale["order"])
    assert order is not None
    assert (order.email, order.name, order.contact) == ("", "", None)
    assert order.payments[0].label == "Credit card"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [("html", RetryLater), ("empty", RetryLater), ("unavailable", RetryLater), ("denied", Refused)],
)
def test_what_cannot_be_read_is_told_apart(
    fake: FakeSaleor, store: SaleorStore, fault: str, expected: type[Exception]
) -> None:
    fake.fail(fault, on="MakegoodOrdersByEmail")
    with pytest.raises(expected):
        store.find_orders(ADA)
