"""Tags that somebody changed in Shopify stand in the customer's ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from plugin.domain.errors import RetryLater
from plugin.domain.events import Irrelevant, TagNews
from plugin.domain.facts import TagAdded, TagRemoved
from plugin.domain.orders import Resource, ResourceKind
from plugin.platforms.strict_json import Malformed
from plugin.ports.records import DeliveryState
from plugin.stores.shopify import ShopifyStore
from tests.contracts.webhook import INSTALLATION
from tests.emptied_postgres import emptied_postgres, engine
from tests.platforms.shopify.books import Thing
from tests.platforms.shopify.fake import FakeShopify
from tests.platforms.shopify.house import ADA, delivered, facts, shop, work
from tests.platforms.shopify.test_events import events_of, recorded, told_by
from tests.platforms.swept import SHOP, SweptShop

__all__ = ["emptied_postgres", "engine", "shop"]
_AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def told(customer: Thing, *tags: str, second: int = 0) -> Thing:
    when = f"2026-11-22T09:00:{second:02}.000Z"
    return {"customerId": customer["id"], "tags": [*tags], "occurredAt": when}


def test_a_tag_that_was_added_and_removed_there_is_a_fact_here(
    shop: SweptShop, fake: FakeShopify
) -> None:
    ada = fake.books.add_customer("ada@example.com")
    assert delivered(shop, "customer.tags_added", told(ada, "vip", "gold")) == 200
    assert delivered(shop, "customer.tags_removed", told(ada, "vip", second=9)) == 200
    work(shop)
    known = facts(shop)
    vip, gold = (Resource(SHOP, ResourceKind.TAG, name) for name in ("vip", "gold"))
    added = {fact.tag for fact in known if isinstance(fact, TagAdded) and fact.customer == ADA}
    assert added == {vip, gold}
    assert [fact.tag for fact in known if isinstance(fact, TagRemoved)] == [vip]
    assert {one.state for one in shop.door.stored()} == {DeliveryState.APPLIED}


def test_of_a_customer_whom_this_shop_does_not_know_nothing_is_written(
    shop: SweptShop, fake: FakeShopify
) -> None:
    stranger = {"id": "gid://shopify/Customer/42"}
    assert delivered(shop, "customer.tags_added", told(stranger, "vip")) == 200
    work(shop)
    [kept] = shop.door.stored()
    assert kept.state is DeliveryState.IGNORED
    assert "without an address" in kept.reason
    assert (facts(shop), fake.named("AddTags")) == ([], [])


def _tag(name: str) -> Resource:
    return Resource(INSTALLATION, ResourceKind.TAG, name)


def test_tags_are_told_one_by_one_of_a_customer_without_an_address() -> None:
    customer = "gid://shopify/Customer/207119551"
    at = datetime(2026, 11, 22, 8, 59, 58, tzinfo=UTC)
    assert told_by("customer_tags_added") == [
        TagNews(customer, _tag("vip"), added=True, at=at),
        TagNews(customer, _tag("course-101"), added=True, at=at),
    ]
    [gone] = told_by("customer_tags_removed")
    assert gone == TagNews(customer, _tag("vip"), added=False, at=at.replace(second=59))
    assert events_of("customer.tags_added", {**recorded("customer_tags_added"), "tags": []}) == []


@pytest.mark.parametrize(
    "change", [{"customerId": "207119551"}, {"tags": [1]}, {"tags": None}, {"occurredAt": "today"}]
)
def test_tags_that_cannot_be_read_are_malformed(change: Thing) -> None:
    with pytest.raises(Malformed):
        events_of("customer.tags_added", {**recorded("customer_tags_added"), **change})


def test_tags_are_read_back_with_the_customers_address_in_one_call(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    customer = fake.books.add_customer("Ada@Example.com")
    told = [TagNews(customer["id"], _tag(tag), added=True, at=_AT) for tag in ("vip", "course-101")]
    assert [store.confirm(one) for one in told] == [
        replace(one, email="Ada@Example.com") for one in told
    ]
    assert [name for name, _, _ in fake.calls] == ["token", "CustomerAddress"]


def test_tags_of_a_customer_of_another_shop_or_without_an_address_change_nothing(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    nameless = fake.books.add_customer("")
    for customer in ("gid://shopify/Customer/1", nameless["id"]):
        kept = store.confirm(TagNews(customer, _tag("vip"), added=False, at=_AT))
        assert kept == Irrelevant("customer tags", "of a customer without an address here")


@pytest.mark.parametrize("kind", ["drop_before", "html"])
def test_tags_wait_while_the_customer_cannot_be_read(
    fake: FakeShopify, store: ShopifyStore, kind: str
) -> None:
    [told] = told_by("customer_tags_removed")
    fake.fail(kind, on="CustomerAddress")
    with pytest.raises(RetryLater):
        store.confirm(told)
