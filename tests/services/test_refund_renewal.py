"""Refunding one month of a subscription: what is paid since stays, and else all of it ends."""

from __future__ import annotations

import pytest

from plugin.domain.effects import TellCustomer
from plugin.domain.events import SaleMade, SubscriptionNews
from plugin.domain.orders import Order
from plugin.domain.plan import Plan
from tests.factories import EMAIL, STORE, a_course, a_line, a_subscription, an_order_ref, soon
from tests.fakes.platforms import Mood
from tests.services.scene import Scene, sale

COURSE = a_course("c1", "Watercolour")


def months(scene: Scene, *days: float, subscription: str = "sub-1") -> list[Order]:
    """A month for each day on which one was paid."""
    orders = []
    for day in days:
        ref = f"{day:.0f}"
        line = a_line(gives=(COURSE,), order=an_order_ref(ref), subscription=subscription)
        renews = a_subscription(subscription, account=STORE)
        order = sale(ref=ref, days=day, lines=(line,), subscription=renews)
        orders.append(scene.sell(order=order))
        scene.apply(SaleMade(order))
    return orders


def named(plan: Plan) -> tuple[list[str], list[str]]:
    goes, stays = ([item.resource.ref for item in items] for items in (plan.goes, plan.stays))
    return goes, stays


def mail_of(plan: Plan) -> str:
    [told] = [e.effect for e in plan.effects if isinstance(e.effect, TellCustomer)]
    return told.body


def test_an_old_month_that_is_refunded_leaves_the_month_that_is_paid(scene: Scene) -> None:
    old, _ = months(scene, 25, 2)
    plan = scene.decided(old)
    assert named(plan) == ([], ["c1"])
    assert [cancel.at_once for cancel in plan.cancels] == [False]
    scene.wait(seconds=11)
    assert scene.shop.called("cancel_subscription") == ["sub-1 later"]
    now = scene.clock.now()
    scene.apply(SubscriptionNews(STORE, "sub-1", EMAIL, False, soon(days=28), now))
    scene.work()
    assert (scene.held(), scene.shop.called("revoke")) == ({"c1"}, [])
    scene.wait(days=29)
    assert scene.held() == set()


@pytest.mark.parametrize("older", [(), (32,)], ids=["first", "renewed"])
def test_the_last_month_that_is_refunded_ends_the_subscription(
    scene: Scene, older: tuple[float, ...]
) -> None:
    *_, last = months(scene, *older, 2)
    plan = scene.decided(last)
    assert named(plan) == (["c1"], [])
    assert [cancel.at_once for cancel in plan.cancels] == [True]
    assert "You keep" not in mail_of(plan)
    scene.wait(seconds=11)
    now = scene.clock.now()
    scene.apply(SubscriptionNews(STORE, "sub-1", EMAIL, True, now, now))
    scene.work()
    assert scene.held() == set()


def test_a_later_month_that_is_refunded_too_pays_for_nothing(scene: Scene) -> None:
    old, new = months(scene, 25, 2)
    scene.decided(new)
    scene.wait(seconds=11)
    assert [cancel.at_once for cancel in scene.plan(old).cancels] == [True]


def test_another_subscription_that_is_paid_later_is_another_one(scene: Scene) -> None:
    (order,) = months(scene, 25)
    months(scene, 2, subscription="sub-2")
    plan = scene.plan(order)
    assert [cancel.at_once for cancel in plan.cancels] == [True]
    assert named(plan) == ([], ["c1"])


def test_a_month_of_which_nobody_told_what_it_gives_is_paid_all_the_same(scene: Scene) -> None:
    for day in (25, 2):  # found at a gateway, which tells of no sale
        line = a_line(gives=None, order=an_order_ref(f"{day}"), subscription="sub-1")
        renews = a_subscription("sub-1", account=STORE)
        scene.sell(order=sale(ref=f"{day}", days=day, lines=(line,), subscription=renews))
    plan = scene.plan(scene.shop.orders["25"])
    assert [cancel.at_once for cancel in plan.cancels] == [False]


def test_a_month_whose_refund_is_only_on_its_way_is_paid_until_it_is_through(scene: Scene) -> None:
    old, new = months(scene, 25, 2)
    refused, _ = scene.decided(new), scene.decided(old)
    scene.bank.moods = [Mood.NO]
    scene.clock.advance(seconds=11)
    scene.send(scene.refunds(refused)[0].id)
    scene.work()
    assert scene.shop.called("cancel_subscription") == ["sub-1 later"]
