"""No webhook of a shop arrives: within fifteen minutes a sweep finds what they would have told."""

from __future__ import annotations

from datetime import datetime, timedelta

from plugin.domain.facts import Refunded
from plugin.domain.money import Money
from plugin.ports.records import DeliveryState
from tests.emptied_postgres import emptied_postgres, engine
from tests.platforms.shopify.books import Thing
from tests.platforms.shopify.fake import FakeShopify, ref_of
from tests.platforms.shopify.house import ADA, facts, shop, work
from tests.platforms.shopify.test_news import pay_back
from tests.platforms.swept import SweptShop

__all__ = ["emptied_postgres", "engine", "shop"]


def written(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def sold_now(shop: SweptShop, fake: FakeShopify) -> Thing:
    now = written(shop.door.clock.now())
    return fake.books.sell(Money(4900, "EUR"), updatedAt=now, processedAt=now)


def refunded_now(shop: SweptShop, fake: FakeShopify, order: Thing, amount: str) -> Thing:
    now = written(shop.door.clock.now())
    order["updatedAt"] = now
    made = pay_back(fake, order, amount)
    made |= {"processedAt": now, "createdAt": now}
    return made


def test_a_sale_and_its_refund_are_known_within_fifteen_minutes(
    shop: SweptShop, fake: FakeShopify
) -> None:
    shop.sweep()
    order = sold_now(shop, fake)
    swept = shop.sweep()
    assert (swept.read, swept.taken_in, swept.reason) == (1, 1, "")
    work(shop)
    with shop.door.storage.read(shop.door.tenant.id) as uow:
        [known] = uow.orders.of_customer(ADA)
    assert (known.ref.ref, known.captured) == (ref_of(order), Money(4900, "EUR"))
    made = refunded_now(shop, fake, order, "15.00")
    swept = shop.sweep()
    assert (swept.read, swept.taken_in) == (2, 1)
    work(shop)
    [refund] = [fact for fact in facts(shop) if isinstance(fact, Refunded)]
    assert (refund.refund, refund.amount) == (ref_of(made), Money(1500, "EUR"))
    assert {one.state for one in shop.door.stored()} == {DeliveryState.APPLIED}


def test_what_is_known_already_is_read_again_by_two_calls_and_nothing_else(
    shop: SweptShop, fake: FakeShopify
) -> None:
    order = sold_now(shop, fake)
    refunded_now(shop, fake, order, "15.00")
    assert shop.sweep().taken_in == 2
    work(shop)
    before = facts(shop)
    fake.calls.clear()
    swept = shop.sweep()
    assert (swept.read, swept.taken_in) == (2, 0)
    work(shop)
    lists = [name for name, _, _ in fake.calls if name.startswith("List")]
    assert lists == ["ListWebhooks", "ListRefunded", "ListSold"]
    assert facts(shop) == before


def test_after_a_day_without_us_nothing_of_it_is_missing(
    shop: SweptShop, fake: FakeShopify
) -> None:
    shop.sweep()
    orders = []
    for _ in range(8):
        shop.door.clock.advance(seconds=timedelta(hours=3).total_seconds())
        orders.append(sold_now(shop, fake))
    swept = shop.sweep()
    assert (swept.taken_in, swept.reason) == (8, "")
    for _ in range(3):  # each sale is read again, as the shop's calls allow
        work(shop)
        shop.door.clock.advance(seconds=60)
    with shop.door.storage.read(shop.door.tenant.id) as uow:
        known = {order.ref.ref for order in uow.orders.of_customer(ADA)}
    assert known == {ref_of(order) for order in orders}


def test_a_shop_without_points_is_swept_later_and_nothing_is_lost(
    shop: SweptShop, fake: FakeShopify
) -> None:
    shop.sweep()
    sold_now(shop, fake)
    fake.fail("throttled", on="ListSold")
    swept = shop.sweep()
    assert (swept.taken_in, swept.reason) == (0, "throttled")
    assert shop.sweep(timedelta(minutes=2)).taken_in == 1
