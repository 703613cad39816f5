"""Shopify's orders become ours: payments by transaction, lines by share, nothing guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.domain.errors import InvalidInput, RetryLater
from plugin.domain.money import Money
from plugin.domain.orders import Order, RefundRoute, RefundStage
from plugin.platforms.shopify_words import id_of, read_amount
from plugin.platforms.strict_json import Reader
from plugin.ports import OrderQuery
from plugin.stores.shopify import ShopifyStore
from plugin.stores.shopify.orders import Objects
from tests.platforms.shopify.books import Books, Thing, bag
from tests.platforms.shopify.conftest import INSTALLATION, NOW
from tests.platforms.shopify.fake import FakeShopify, ref_of
from tests.platforms.shopify.selection import selected
from tests.platforms.shopify.test_money import first_payment

EUR = "EUR"


def only(found: object) -> Order:
    assert isinstance(found, list | tuple)
    [order] = found
    assert isinstance(order, Order)
    return order


def read(store: ShopifyStore, thing: Thing) -> Order:
    order = store.read_order(ref_of(thing))
    assert order is not None
    return order


def test_a_customers_orders_take_two_calls(fake: FakeShopify, store: ShopifyStore) -> None:
    fake.books.add_customer("ada@example.com")
    sold = fake.books.sell(Money(4900, EUR), email="Ada@Example.com")
    fake.books.sell(Money(100, EUR), email="not-ada@example.com")
    order = only(store.find_orders(OrderQuery(("ada@example.com", "x@example.com"))))
    assert [name for name, _, _ in fake.calls] == ["token", "FindOrders"]
    assert fake.named("FindOrders") == [
        {"query": 'email:"ada@example.com" OR email:"x@example.com"', "after": None}
    ]
    assert (order.ref.ref, f"#{order.number}") == (ref_of(sold), sold["name"])
    assert (order.email, order.customer) == ("Ada@Example.com", "ada@example.com")
    assert order.deep_link == f"https://admin.shopify.com/store/acme/orders/{ref_of(sold)}"


def test_an_order_tells_who_bought_what_and_when(fake: FakeShopify, store: ShopifyStore) -> None:
    ada = fake.books.add_customer("ada@example.com")
    sold = fake.books.sell(Money(4900, EUR))
    order = read(store, sold)
    assert (order.name, order.contact) == ("Ada Lovelace", ref_of(ada))
    assert order.bought_at.isoformat() == "2026-11-20T10:00:00+00:00"
    [payment] = order.payments
    assert payment.label == "Shopify Payments …4242"
    assert payment.route is RefundRoute.BY_API
    assert payment.processor == "shopify_payments"
    [line] = order.lines
    assert (line.title, line.paid) == ("Course", Money(4900, EUR))
    assert line.product == ref_of(sold["lineItems"][0]["product"])


def test_a_guests_order_has_no_contact(fake: FakeShopify, store: ShopifyStore) -> None:
    sold = fake.books.sell(Money(4900, EUR))
    sold["lineItems"][0]["product"] = None
    sold["transactions"][0] |= {"formattedGateway": None, "gateway": None, "accountNumber": None}
    order = read(store, sold)
    assert (order.contact, order.name, order.lines[0].product) == (None, "", "")
    assert order.payments[0].label == "Shopify"


@pytest.mark.parametrize("typed", ["#1001", "1001", " #1001 "])
def test_an_order_is_found_by_its_name_and_no_other(
    fake: FakeShopify, store: ShopifyStore, typed: str
) -> None:
    fake.books.sell(Money(4900, EUR), name="#1001")
    fake.books.sell(Money(4900, EUR), name="#10012")
    assert only(store.find_orders(OrderQuery(number=typed))).number == "1001"


def test_what_is_typed_cannot_widen_the_search(fake: FakeShopify, store: ShopifyStore) -> None:
    fake.books.sell(Money(4900, EUR))
    assert store.find_orders(OrderQuery(number='x" OR email:"ada@example.com')) == []
    assert fake.named("FindOrders") == [
        {
            "query": r'name:"#x\" OR email:\"ada@example.com"'
            r' OR name:"x\" OR email:\"ada@example.com"',
            "after": None,
        }
    ]


def test_nothing_asked_for_takes_no_call(fake: FakeShopify, store: ShopifyStore) -> None:
    assert store.find_orders(OrderQuery()) == ()
    assert store.find_orders(OrderQuery(number=" # ")) == ()
    assert store.read_order("../1") is None
    assert fake.calls == []
    assert store.read_order("1") is None


def test_money_is_counted_by_transaction(fake: FakeShopify, store: ShopifyStore) -> None:
    sold = fake.books.sell(Money(3000, EUR), Money(1900, EUR))
    card, gift = sold["transactions"]
    gift |= {"gateway": "gift_card"}

    def back(parent: str | None, minor: int, status: str, gateway: str = "x") -> Thing:
        made: Thing = {
            **fake.books.payment(Money(minor, EUR)),
            "kind": "REFUND",
            "status": status,
            "gateway": gateway,
            "parentTransaction": None if parent is None else {"id": parent},
        }
        sold["transactions"].append(made)
        return made

    back(card["id"], 1000, "SUCCESS")
    back(card["id"], 500, "PENDING")
    back(card["id"], 700, "FAILURE")
    back(None, 300, "SUCCESS", "gift_card")
    back(None, 10, "SUCCESS", "elsewhere")
    sold["transactions"].append({**fake.books.payment(Money(5, EUR)), "kind": "AUTHORIZATION"})
    sold["transactions"].append({**fake.books.payment(Money(5, EUR)), "status": "PENDING"})
    order = read(store, sold)
    assert [payment.captured.minor for payment in order.payments] == [3000, 1900]
    assert [payment.refunded.minor for payment in order.payments] == [1510, 300]
    assert [(seen.amount.minor, seen.state) for seen in order.refunds] == [
        (1000, RefundStage.SUCCEEDED),
        (500, RefundStage.PENDING),
        (700, RefundStage.FAILED),
        (300, RefundStage.SUCCEEDED),
        (10, RefundStage.SUCCEEDED),
    ]


def test_a_payment_taken_by_hand_goes_back_by_hand(fake: FakeShopify, store: ShopifyStore) -> None:
    sold = fake.books.sell(Money(4900, EUR))
    sold["transactions"][0]["manualPaymentGateway"] = True
    assert read(store, sold).payments[0].route is RefundRoute.BY_HAND


def test_an_order_with_more_transactions_than_were_read_goes_back_by_hand(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    sold = fake.books.sell(*[Money(100, EUR)] * 8)
    found = only(store.find_orders(OrderQuery(number=sold["name"])))
    assert {payment.route for payment in found.payments} == {RefundRoute.BY_HAND}
    whole = read(store, sold)
    assert {payment.route for payment in whole.payments} == {RefundRoute.BY_API}


@pytest.mark.parametrize(
    ("status", "kind", "disputed", "is_open"),
    [
        ("NEEDS_RESPONSE", "CHARGEBACK", 3000, True),
        ("A_NEW_STATUS", "CHARGEBACK", 3000, True),
        ("LOST", "CHARGEBACK", 3000, False),
        ("WON", "CHARGEBACK", 0, False),
        ("NEEDS_RESPONSE", "INQUIRY", 0, False),
    ],
)
def test_a_dispute_holds_what_a_bank_can_hold(
    fake: FakeShopify,
    store: ShopifyStore,
    status: str,
    kind: str,
    disputed: int,
    *,
    is_open: bool,
) -> None:
    sold = fake.books.sell(Money(3000, EUR), Money(1900, EUR))
    sold["transactions"][1]["gateway"] = "gift_card"
    fake.books.dispute(sold["id"], status, kind)
    card, gift = read(store, sold).payments
    assert (card.disputed.minor, card.dispute_open) == (disputed, is_open)
    assert (gift.disputed.minor, gift.dispute_open) == (0, False)


def test_an_order_without_money_is_no_order(fake: FakeShopify, store: ShopifyStore) -> None:
    sold = fake.books.sell(Money(4900, EUR))
    sold["transactions"] = []
    assert store.read_order(ref_of(sold)) is None
    assert store.find_orders(OrderQuery(("ada@example.com",))) == []


def test_what_was_taken_back_is_refunded_first(fake: FakeShopify, store: ShopifyStore) -> None:
    lines = [
        fake.books.line("Course", Money(4000, EUR)),
        fake.books.line("Brushes", Money(1000, EUR), quantity=2, left=1),
    ]
    sold = fake.books.sell(Money(6000, EUR), lineItems=lines)
    assert [line.paid.minor for line in read(store, sold).lines] == [4800, 1200]
    for minor, expected in ((300, [0, 300]), (600, [0, 600]), (6000, [4800, 1200])):
        sold["transactions"] = sold["transactions"][:1]
        parent = {"id": sold["transactions"][0]["id"]}
        more = {"kind": "REFUND", "parentTransaction": parent}
        sold["transactions"].append(fake.books.payment(Money(minor, EUR), **more))
        assert [line.refunded.minor for line in read(store, sold).lines] == expected


def test_a_malformed_answer_is_asked_for_again(fake: FakeShopify, store: ShopifyStore) -> None:
    sold = fake.books.sell(Money(4900, EUR))
    sold["processedAt"] = "yesterday"
    with pytest.raises(RetryLater):
        store.read_order(ref_of(sold))
    with pytest.raises(RetryLater):
        store.find_orders(OrderQuery(("ada@example.com",)))


def test_our_refunds_are_seen_by_their_mark(fake: FakeShopify, store: ShopifyStore) -> None:
    sold = fake.books.sell(Money(4900, EUR))
    for note in ("Makegood refund r1 mg-r1-a1", "Customer asked"):
        sent = {
            "parentId": sold["transactions"][0]["id"],
            "gateway": "shopify_payments",
            "kind": "REFUND",
            "amount": "1.00",
        }
        fake.books.refund({"orderId": sold["id"], "note": note, "transactions": [sent]}, note)
    order = read(store, sold)
    assert [seen.reference for seen in order.refunds] == ["mg-r1-a1", None]
    assert {seen.payment for seen in order.refunds} == {first_payment(sold)}


_PRICES = st.integers(0, 10**6)


@given(
    st.lists(st.tuples(_PRICES, st.integers(0, 5), st.integers(0, 6)), min_size=1, max_size=6),
    st.integers(1, 10**6),
    st.integers(0, 10**6),
)
def test_the_lines_together_are_the_whole(
    told: list[tuple[int, int, int]], captured: int, refunded: int
) -> None:
    books = Books()
    lines = [books.line("x", Money(p, EUR), quantity=q, left=n) for p, q, n in told]
    sold = books.sell(Money(captured, EUR), lineItems=lines)
    parent = {"id": sold["transactions"][0]["id"]}
    more = {"kind": "REFUND", "parentTransaction": parent}
    sold["transactions"].append(books.payment(Money(refunded, EUR), **more))
    whole = {**sold, "lineItems": {"nodes": lines, "pageInfo": {"hasNextPage": False}}}
    order = Objects(INSTALLATION, "acme").order(Reader(whole), NOW, 60)
    assert order is not None
    assert sum(line.paid.minor for line in order.lines) == captured
    assert sum(line.refunded.minor for line in order.lines) == min(captured, refunded)
    assert all(line.refunded.minor <= line.paid.minor for line in order.lines)


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("89.99", "USD", 8999),
        ("0.0", "EUR", 0),
        ("75", "EUR", 7500),
        ("3800", "JPY", 3800),
        ("3800.0", "JPY", 3800),
        ("1.234", "KWD", 1234),
        ("1.500000", "EUR", 150),
    ],
)
def test_amounts_are_read_exactly(text: str, currency: str, minor: int) -> None:
    assert read_amount(text, currency) == Money(minor, currency)


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("89.999", "USD"),
        ("3800.5", "JPY"),
        ("-1.00", "EUR"),
        ("1e3", "EUR"),
        ("1,00", "EUR"),
        ("", "EUR"),
        ("١", "EUR"),
        ("9" * 14, "EUR"),
        ("1.00", "eur"),
        ("1.00", "XX"),
    ],
)
def test_other_amounts_are_refused(text: str, currency: str) -> None:
    with pytest.raises(InvalidInput):
        read_amount(text, currency)


def test_ids_are_digits_at_the_end_of_a_gid() -> None:
    assert id_of("gid://shopify/Order/450789469") == "450789469"
    with pytest.raises(InvalidInput):
        id_of("gid://shopify/Order/450789469/../1")


def test_the_fake_shows_no_field_that_was_not_asked_for() -> None:
    whole = {
        "order": {"id": "1", "secret": "x", "lines": [{"a": 1, "b": 2}], "sum": bag(Money(1, EUR))}
    }
    document = "query X($id: ID!) { order(id: $id) { id lines(first: 1) { nodes { a } } } }"
    assert selected(document, whole) == {"order": {"id": "1", "lines": {"nodes": [{"a": 1}]}}}
