"""The points of a shop's queries: told by each answer, and waited for before a call, not after."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from plugin.domain.errors import RetryLater
from plugin.domain.money import Money
from plugin.platforms.strict_json import Reader
from plugin.ports import OrderQuery
from plugin.stores.shopify.points import LONGEST_WAIT, Points
from tests.contracts.money import a_refund
from tests.platforms.shopify.conftest import NOW, MovingClock, store_at
from tests.platforms.shopify.fake import PLENTY, FakeShopify
from tests.platforms.shopify.test_money import first_payment

ADA = OrderQuery(("ada@example.com",))


def left(points: int, rate: int = 100) -> dict[str, Any]:
    status = {"maximumAvailable": 2000, "currentlyAvailable": points, "restoreRate": rate}
    return {**PLENTY, "throttleStatus": status}


def test_a_call_that_would_be_throttled_is_not_made_until_its_points_are_back(
    fake: FakeShopify,
) -> None:
    clock = MovingClock()
    fake.left = left(92)
    store_at(fake.url, clock=clock).find_orders(ADA)
    before = len(fake.calls)
    with pytest.raises(RetryLater) as caught:
        store_at(fake.url, clock=clock).find_orders(ADA)  # another adapter of the same shop
    assert (caught.value.code, caught.value.after_seconds) == ("budget_spent", 3)
    assert len(fake.calls) == before
    clock.at += timedelta(seconds=3)
    store_at(fake.url, clock=clock).find_orders(ADA)
    assert fake.calls[-1][0] == "FindOrders"


def test_a_refund_that_waits_for_points_was_certainly_not_sent(fake: FakeShopify) -> None:
    clock = MovingClock()
    order = fake.books.sell(Money(100, "EUR"))
    payment = first_payment(order)
    store = store_at(fake.url, clock=clock)
    store.look_up(a_refund(payment, 100))
    fake.left = left(1)
    store.find_orders(ADA)
    before = len(fake.calls)
    with pytest.raises(RetryLater):
        store.refund(a_refund(payment, 100))
    assert len(fake.calls) == before


def test_one_shop_waits_for_no_other(fake: FakeShopify) -> None:
    clock = MovingClock()
    fake.left = left(0)
    store_at(fake.url, clock=clock).find_orders(ADA)
    with FakeShopify() as other:
        store_at(other.url, clock=clock).find_orders(ADA)


def test_calls_side_by_side_count_before_their_answers_come() -> None:
    points = Points()
    points.note("shop", "a", Reader({"extensions": {"cost": left(800)}}), NOW)
    waits = [points.take("shop", "a", NOW) for _ in range(3)]
    assert waits == [0, 0, 4]
    assert points.take("shop", "never asked", NOW) == 0
    assert points.take("shop", "a", NOW + timedelta(hours=1)) == 0


def test_nobody_waits_longer_than_a_minute() -> None:
    points = Points()
    points.note("shop", "a", Reader({"extensions": {"cost": left(0, rate=1)}}), NOW)
    assert points.take("shop", "a", NOW) == LONGEST_WAIT


@pytest.mark.parametrize(
    "cost",
    [
        None,
        {},
        {"requestedQueryCost": 10},
        {"requestedQueryCost": 0, "throttleStatus": PLENTY["throttleStatus"]},
        left(-5, rate=0),
        {**PLENTY, "requestedQueryCost": "many"},
        [],
    ],
)
def test_an_answer_that_tells_nothing_usable_holds_nobody_up(cost: object) -> None:
    points = Points()
    body: dict[str, Any] = {} if cost is None else {"extensions": {"cost": cost}}
    points.note("shop", "a", Reader(body), NOW)
    assert points.take("shop", "a", NOW) == 0


def test_what_is_remembered_has_an_end() -> None:
    points = Points()
    for number in range(5000):
        points.note(f"shop-{number}", "a", Reader({"extensions": {"cost": left(0)}}), NOW)
    assert points.take("shop-0", "a", NOW) == 0
    assert points.take("shop-4999", "a", NOW) > 0
