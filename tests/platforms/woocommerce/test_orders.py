"""Orders: found in two calls at most, read without guessing, never another person's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plugin.domain.errors import Refused, RetryLater
from plugin.domain.money import Money
from plugin.domain.orders import RefundRoute, SubscriptionStatus
from plugin.platforms.strict_json import Malformed, Reader, read_json
from plugin.platforms.woocommerce_orders import read_order
from plugin.ports import Changed, Contact, OrderQuery
from plugin.stores.woocommerce import WoocommerceStore
from tests.platforms.woocommerce.conftest import INSTALLATION
from tests.platforms.woocommerce.fake import NOW, FakeShop

_SPECS = Path(__file__).parents[4] / "shared" / "specs" / "woocommerce"


def test_a_customer_s_orders_take_two_calls_and_are_that_customer_s_only(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    fake.books.sell(("10.00", "0"), email="Ada@Example.com")
    fake.books.sell(("10.00", "0"), email="ada@example.com.evil.example")
    fake.books.sell(("10.00", "0"), paid=False)
    [order] = store.find_orders(OrderQuery(emails=("ada@example.com",)))
    assert order.email == "Ada@Example.com"
    assert order.contact == "25"
    assert order.payments[0].deep_link == order.deep_link
    assert order.deep_link is not None
    assert order.deep_link.startswith("https://shop.example/de/wp-admin/")
    assert len(fake.calls) == 2


def test_two_calls_are_the_most_whatever_is_asked(fake: FakeShop, store: WoocommerceStore) -> None:
    for _ in range(3):
        order = fake.books.sell(("10.00", "0"), ("20.00", "0"))
        fake.books.refund(order["id"], {"amount": "5.00"})
    addresses = tuple(f"{name}@example.com" for name in ("ada", "bob", "cyd"))
    found = store.find_orders(OrderQuery(emails=addresses))
    assert len(found) == 3
    assert len(fake.calls) == 2
    fake.calls.clear()
    assert len(store.find_orders(OrderQuery(emails=("ada@example.com",)))) == 3
    assert len(fake.calls) == 2
    assert store.find_orders(OrderQuery()) == ()
    assert len(fake.calls) == 2


def test_which_line_was_refunded_is_read_for_a_partly_refunded_order(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    order = fake.books.sell(("10.00", "1.90"), ("20.00", "3.80"))
    line = {"id": order["line_items"][1]["id"], "refund_total": "20.00"}
    tax = [{"id": 75, "refund_total": "3.80"}]
    fake.books.refund(order["id"], {"amount": "23.80", "line_items": [{**line, "refund_tax": tax}]})
    fake.books.refund(order["id"], {"amount": "1.00"})
    found = store.read_order(str(order["id"]))
    assert found is not None
    assert [one.refunded.minor for one in found.lines] == [100, 2380]
    assert [one.left.minor for one in found.lines] == [1090, 0]
    assert found.refunded == Money(2480, "EUR")


def test_a_refunded_line_of_an_unknown_item_is_spread(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    order = fake.books.sell(("10.00", "0"), ("30.00", "0"))
    row = fake.books.refund(order["id"], {"amount": "4.00"})
    row["line_items"] = [{"total": "-4.00", "meta_data": [{"key": "other", "value": "1"}]}]
    found = store.read_order(str(order["id"]))
    assert found is not None
    assert [one.refunded.minor for one in found.lines] == [100, 300]


def test_an_order_is_found_by_its_number(fake: FakeShop, store: WoocommerceStore) -> None:
    plain = fake.books.sell(("10.00", "0"))
    renumbered = fake.books.sell(("10.00", "0"), number="2026/17")
    again = fake.books.sell(("10.00", "0"), number="4711")

    def numbers(typed: str) -> list[str]:
        fake.calls.clear()
        found = [order.ref.ref for order in store.find_orders(OrderQuery(number=typed))]
        assert len(fake.calls) <= 2
        return found

    assert numbers(f" #{plain['id']} ") == [str(plain["id"])]
    assert numbers("2026/17") == [str(renumbered["id"])]
    assert numbers("4711") == [str(again["id"])]
    assert numbers(str(again["id"])) == []  # its customer knows it as 4711
    assert numbers("2026") == []
    assert numbers("#") == []
    assert numbers("../webhooks") == []


def test_an_order_that_is_not_there_is_none(fake: FakeShop, store: WoocommerceStore) -> None:
    assert store.read_order("1") is None
    fake.key_state = "gone"
    with pytest.raises(Refused, match="key_refused"):
        store.read_order("1")


def test_an_odd_order_is_asked_for_again(fake: FakeShop, store: WoocommerceStore) -> None:
    order = fake.books.sell(("10.00", "0"))
    order["currency"] = 5
    with pytest.raises(RetryLater, match="currency"):
        store.read_order(str(order["id"]))


def test_refunds_beyond_any_order_are_asked_for_again(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    order = fake.books.sell(("10.00", "0"))
    row = {"id": 1, "reason": "", "amount": "9999999999999"}
    fake.books.refunds[order["id"]] = [row, {**row, "id": 2}]
    with pytest.raises(RetryLater, match="malformed"):
        store.find_orders(OrderQuery(emails=("ada@example.com",)))


def test_an_order_paid_without_a_gateway_or_in_fractions_goes_back_by_hand(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    by_hand = fake.books.sell(("10.00", "0"), transaction_id="")
    found = store.read_order(str(by_hand["id"]))
    assert found is not None
    assert found.payments[0].route is RefundRoute.BY_HAND
    fake.books.places = 4
    finer = store.read_order(str(fake.books.sell(("10.0050", "0"))["id"]))
    assert finer is not None
    assert finer.payments[0].captured == Money(1001, "EUR")
    assert finer.payments[0].route is RefundRoute.BY_HAND


def test_shipping_fees_and_a_discount_as_a_fee_make_the_whole(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    order = fake.books.sell(
        ("10.00", "0"),
        shipping_lines=[{"id": 1, "method_title": "Flat", "total": "5.00", "total_tax": "0.00"}],
        fee_lines=[{"id": 2, "total": "-3.00", "total_tax": ""}],
    )
    order["total"] = "12.00"
    found = store.read_order(str(order["id"]))
    assert found is not None
    assert [line.title for line in found.lines] == ["A & B – Course", "Flat", "Extra"]
    assert [line.paid.minor for line in found.lines] == [800, 400, 0]
    assert [line.gives for line in found.lines] == [None, (), ()]


def test_orders_of_nothing_and_without_lines_are_read(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    free = store.read_order(str(fake.books.sell(("0", "0"))["id"]))
    assert free is not None
    assert free.payments == ()
    bare = store.read_order(str(fake.books.sell(total="7.00", customer_id=0)["id"]))
    assert bare is not None
    assert [line.paid.minor for line in bare.lines] == [700]
    assert bare.contact is None


# --- subscriptions --------------------------------------------------------------------------------

_ADA = Contact("ada@example.com", "25")


def _subscribed(fake: FakeShop, status: str = "active") -> None:
    fake.books.subscriptions = {
        1313: {
            "id": 1313,
            "status": status,
            "customer_id": 25,
            "next_payment_date_gmt": "2026-12-22T09:00:00",
            "end_date_gmt": "",
        }
    }


def test_a_renewal_names_its_subscription_which_can_be_ended(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    meta = [{"id": 1, "key": "a", "value": {}}, {"key": "_subscription_renewal", "value": "1313"}]
    order = store.read_order(str(fake.books.sell(("9.00", "0"), meta_data=meta)["id"]))
    assert order is not None
    assert order.subscription is not None
    assert order.subscription.status is SubscriptionStatus.UNKNOWN
    assert order.lines[0].subscription == order.subscription.ref == "1313"
    _subscribed(fake)
    assert store.cancel_subscription(_ADA, "1313", at_once=False) is Changed.DONE
    ending = store.read_subscription(_ADA, "1313")
    assert ending is not None
    assert ending.status is SubscriptionStatus.ENDING
    assert ending.paid_until is not None
    assert store.cancel_subscription(_ADA, "1313", at_once=False) is Changed.ALREADY
    assert store.cancel_subscription(_ADA, "1313", at_once=True) is Changed.DONE
    assert store.cancel_subscription(_ADA, "1313", at_once=True) is Changed.ALREADY


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("active", SubscriptionStatus.ACTIVE),
        ("on-hold", SubscriptionStatus.ACTIVE),
        ("pending-cancel", SubscriptionStatus.ENDING),
        ("expired", SubscriptionStatus.ENDED),
        ("paused-by-something", SubscriptionStatus.UNKNOWN),
    ],
)
def test_a_subscription_is_as_its_status_says(
    fake: FakeShop, store: WoocommerceStore, status: str, state: SubscriptionStatus
) -> None:
    _subscribed(fake, status)
    found = store.read_subscription(_ADA, "1313")
    assert found is not None
    assert found.status is state
    assert found.paid_until is None


def test_without_the_extension_there_are_no_subscriptions(store: WoocommerceStore) -> None:
    assert store.read_subscription(_ADA, "1313") is None
    assert store.cancel_subscription(_ADA, "1313", at_once=True) is Changed.ALREADY


def test_a_subscription_of_somebody_else_is_refused(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    _subscribed(fake)
    with pytest.raises(Refused, match="another_customer"):
        store.cancel_subscription(Contact("bob@example.com", "26"), "1313", at_once=True)


# --- the vendor's own examples --------------------------------------------------------------------


def test_the_vendor_s_examples_are_read() -> None:
    path = _SPECS / "rest_v3_examples.json"
    if not path.is_file():
        pytest.skip("the vendor's examples (../shared/specs/woocommerce) are not here")
    told = json.loads(path.read_text("utf-8"))
    names = [
        name
        for name in told
        if name.startswith("order_") and not name.startswith(("order_refund", "order_note"))
    ]
    examples = [
        one
        for name in names
        for one in (told[name] if isinstance(told[name], list) else [told[name]])
    ]
    orders = [
        Reader(read_json(json.dumps(one).encode()))
        for one in examples
        if isinstance(one, dict) and "line_items" in one and "status" in one
    ]
    assert orders
    for body in orders:
        order = read_order(body, INSTALLATION, NOW)
        assert (order is None) is (body.optional_text("date_paid_gmt") is None)
        assert order is None or order.paid == order.captured
    first = read_order(orders[0], INSTALLATION, NOW)
    assert first is not None
    assert [line.paid.minor for line in first.lines] == [645, 1290, 1000]
    assert first.payments[0].route is RefundRoute.BY_HAND


def test_a_missing_list_of_refunds_is_malformed(fake: FakeShop) -> None:
    with pytest.raises(Malformed):
        read_order(Reader(fake.books.sell(("1.00", "0"))), INSTALLATION, NOW)


def test_a_shop_whose_woocommerce_is_switched_off_has_lost_no_order(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    order = fake.books.sell(("10.00", "0"))
    fake.faults, fake.meets = ["switched_off"], lambda *_: True
    with pytest.raises(Refused, match="rest_no_route"):
        store.read_order(str(order["id"]))
