"""Which order began a subscription: so that it can be ended together with the refund."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plugin.domain.errors import Refused, RetryLater
from plugin.domain.orders import SubscriptionStatus
from plugin.domain.refunds import RefundState
from plugin.ports import Changed, Contact, OrderQuery
from plugin.stores.woocommerce import WoocommerceStore
from tests.factories import EMAIL
from tests.platforms.woocommerce.books import Thing
from tests.platforms.woocommerce.fake import FakeShop
from tests.services.scene import Scene

BY_MAIL = OrderQuery(emails=("ada@example.com",))
_SPECS = Path(__file__).parents[4] / "shared" / "specs" / "woocommerce"


def begun_by(fake: FakeShop, order: Thing, *lines: int, ref: int = 1300, **more: object) -> Thing:
    """A subscription that `order` began, of those of its lines."""
    kept = fake.books.subscriptions = fake.books.subscriptions or {}
    items = [{"product_id": order["line_items"][line]["product_id"]} for line in lines]
    kept[ref] = {
        "id": ref,
        "parent_id": order["id"],
        "status": "active",
        "customer_id": 25,
        "line_items": items,
        **more,
    }
    return kept[ref]


def test_a_first_order_names_its_subscription_on_the_lines_that_renew(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    order = fake.books.sell(("10.00", "0"), ("20.00", "0"))
    other = fake.books.sell(("5.00", "0"))
    begun_by(fake, order, 1)
    begun_by(fake, other, 0, ref=1301, status="pending-cancel", end_date_gmt="2026-12-22T09:00:00")
    orders = {one.ref.ref: one for one in store.find_orders(BY_MAIL)}
    assert len(fake.calls) == 2
    first, ending = orders[str(order["id"])], orders[str(other["id"])]
    assert first.subscription is not None
    assert (first.subscription.ref, first.subscription.status) == (
        "1300",
        SubscriptionStatus.ACTIVE,
    )
    assert [line.subscription for line in first.lines] == [None, "1300"]
    assert ending.subscription is not None
    assert ending.subscription.status is SubscriptionStatus.ENDING
    assert ending.subscription.paid_until is not None
    contact = Contact(first.email, first.contact)
    assert store.cancel_subscription(contact, "1300", at_once=True) is Changed.DONE


def test_an_order_found_by_its_number_names_its_subscription_too(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    plain = fake.books.sell(("10.00", "0"))
    renumbered = fake.books.sell(("10.00", "0"), number="A-7")
    begun_by(fake, plain, 0)
    begun_by(fake, renumbered, 0, ref=1301)
    for number, ref in ((str(plain["id"]), "1300"), ("A-7", "1301")):
        fake.calls.clear()
        [order] = store.find_orders(OrderQuery(number=number))
        assert order.subscription is not None
        assert order.subscription.ref == ref
        assert len(fake.calls) == 2


def test_a_guest_s_orders_are_asked_about_no_subscription(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    fake.books.subscriptions = {}
    fake.books.sell(("10.00", "0"), customer_id=0)
    [order] = store.find_orders(BY_MAIL)
    assert order.subscription is None
    assert len(fake.calls) == 1


def test_a_renewal_names_its_own_subscription_whatever_is_listed(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    meta = [{"id": 1, "key": "_subscription_renewal", "value": "1313"}]
    first, renewal = fake.books.sell(("10.00", "0")), fake.books.sell(("10.00", "0"))
    renewal["meta_data"] = meta
    begun_by(fake, first, 0, ref=1313)
    begun_by(fake, renewal, 0, ref=1400)
    found = store.find_orders(BY_MAIL)
    assert [one.subscription and one.subscription.ref for one in found] == ["1313", "1313"]


def test_of_several_that_one_order_began_none_is_named(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    """One of them would be ended, and the other would go on charging unseen."""
    order = fake.books.sell(("10.00", "0"), ("20.00", "0"))
    begun_by(fake, order, 0)
    begun_by(fake, order, 1, ref=1301)
    [found] = store.find_orders(BY_MAIL)
    assert found.subscription is None
    assert [line.subscription for line in found.lines] == [None, None]


@pytest.mark.parametrize("is_mixed", [True, False])
def test_one_that_is_over_ends_no_order_that_sold_more_than_it(
    fake: FakeShop, store: WoocommerceStore, *, is_mixed: bool
) -> None:
    more = [("20.00", "0")] if is_mixed else []
    order = fake.books.sell(("10.00", "0"), *more, shipping_lines=[])
    begun_by(fake, order, 0, status="cancelled")
    [found] = store.find_orders(BY_MAIL)
    status = None if found.subscription is None else found.subscription.status
    assert status is (None if is_mixed else SubscriptionStatus.ENDED)


@pytest.mark.parametrize(
    ("fault", "error"),
    [("firewall", None), ("unauthorised", Refused), ("down", RetryLater)],
)
def test_a_no_to_the_list_is_none_and_a_key_that_ended_and_silence_are_not(
    fake: FakeShop, store: WoocommerceStore, fault: str, error: type[Exception] | None
) -> None:
    begun_by(fake, fake.books.sell(("10.00", "0")), 0)
    fake.faults = [fault]
    fake.meets = lambda _, path: path.endswith("/subscriptions")
    if error is None:
        [order] = store.find_orders(BY_MAIL)
        assert order.subscription is None
    else:
        with pytest.raises(error):
            store.find_orders(BY_MAIL)


def test_the_refund_of_a_first_order_ends_what_it_began(scene: Scene, fake: FakeShop) -> None:
    subscription = begun_by(fake, fake.books.sell(("49.00", "0"), email=EMAIL), 0)
    [found] = scene.find()
    plan = scene.decided(found.order)
    assert [one.subscription for one in plan.cancels] == ["1300"]
    scene.wait(seconds=12)
    assert scene.states(plan) == [RefundState.SUCCEEDED]
    assert subscription["status"] == "cancelled"


@pytest.mark.skipif(
    not _SPECS.is_dir(), reason="the vendor's examples (../shared/specs/woocommerce) are not here"
)
def test_the_vendor_s_example_names_its_first_order(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    examples = json.loads((_SPECS / "extensions_examples.json").read_bytes())
    example = examples["subscription_1"]
    order = fake.books.sell(("32.65", "0"), customer_id=example["customer_id"])
    order["line_items"][0]["product_id"] = example["line_items"][0]["product_id"]
    fake.books.subscriptions = {example["id"]: {**example, "parent_id": order["id"]}}
    [found] = store.find_orders(BY_MAIL)
    assert found.subscription is not None
    assert found.subscription.ref == str(example["id"])
    assert found.lines[0].subscription == str(example["id"])
