"""What Shopify tells again: the same delivery, and the same event in another delivery.

https://shopify.dev/docs/apps/build/webhooks/ignore-duplicates: an event's id is the same in all
deliveries of what one act of somebody's did; each subscription has deliveries of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from plugin.domain.facts import Refunded
from plugin.domain.ids import customer_key
from plugin.domain.money import Money
from plugin.ports.records import DeliveryState
from tests.databases import Databases
from tests.platforms.shopify.admin import ShopifyAdmin, open_admin
from tests.platforms.shopify.books import Thing
from tests.platforms.shopify.fake import ref_of
from tests.platforms.shopify.grants import APP
from tests.web.site import TENANT

EVENT = "98880550-7158-44d4-b7cd-2c97c8a091b4"


@pytest.fixture
def admin(tmp_path: Path, databases: Databases) -> Iterator[ShopifyAdmin]:
    with open_admin(tmp_path, databases) as one:
        yield one


@pytest.fixture
def hook(admin: ShopifyAdmin) -> str:
    return str(admin.connected().connection.installation)


def refunded(admin: ShopifyAdmin, cents: int = 1500) -> Thing:
    """Somebody refunds an order in Shopify's admin; gives what `refunds/create` tells of it."""
    books = admin.fake.books
    order = books.sell(Money(4900, "EUR"))
    [payment] = order["transactions"]
    amount = f"{cents // 100}.{cents % 100:02}"
    sent = {"parentId": payment["id"], "gateway": payment["gateway"], "kind": "REFUND"}
    asked = {"orderId": order["id"], "transactions": [{**sent, "amount": amount}]}
    made = books.refund(asked, f"by hand of {order['id']}")
    told = {
        "id": int(ref_of(made["transactions"][0])),
        "order_id": int(ref_of(order)),
        "parent_id": int(ref_of(payment)),
        "kind": "refund",
        "status": "success",
        "amount": amount,
        "currency": "EUR",
        "created_at": "2026-11-22T09:00:00Z",
    }
    return {"id": int(ref_of(made)), "order_id": told["order_id"], "transactions": [told]}


def raw(told: Thing) -> bytes:
    return json.dumps(told).encode()


def facts(admin: ShopifyAdmin) -> list[Refunded]:
    with admin.site.storage.read(TENANT.id) as uow:
        known = uow.facts.of_customer(customer_key("ada@example.com"))
    return [fact for fact in known if isinstance(fact, Refunded)]


@pytest.mark.parametrize("second", ["d-1", "d-2"], ids=["same delivery", "another delivery"])
@pytest.mark.parametrize("is_worked", [True, False], ids=["worked off", "waiting"])
def test_the_same_event_is_heard_once(
    admin: ShopifyAdmin, hook: str, second: str, *, is_worked: bool
) -> None:
    body = raw(refunded(admin))
    assert admin.deliver("refunds/create", body, to=hook, webhook_id="d-1", event_id=EVENT) == 200
    if is_worked:
        admin.work()
    before = len(admin.fake.calls)
    assert admin.deliver("refunds/create", body, to=hook, webhook_id=second, event_id=EVENT) == 200
    if is_worked:
        admin.work()
        assert len(admin.fake.calls) == before
    admin.work()
    [kept] = admin.stored()
    assert (kept.name, kept.state) == ("d-1", DeliveryState.APPLIED)
    assert len(facts(admin)) == 1


def test_the_same_event_at_both_addresses_is_heard_once(admin: ShopifyAdmin, hook: str) -> None:
    body = raw({"previous": ["read_orders"], "current": ["read_orders"], "id": 1})
    for number, to in enumerate((hook, APP)):
        ids = {"webhook_id": f"d-{number}", "event_id": EVENT}
        assert admin.deliver("app/scopes_update", body, to=to, **ids) == 200
    assert len(admin.stored()) == 1


def test_another_topic_of_the_same_event_is_no_repeat(admin: ShopifyAdmin, hook: str) -> None:
    refund = refunded(admin)
    [transaction] = refund["transactions"]
    told = {
        "refunds/create": refund,
        "order_transactions/create": transaction,
        "orders/updated": {"id": refund["order_id"], "refunds": [refund]},
        "orders/cancelled": refund,  # even in the very same words
    }
    for topic, body in told.items():
        assert admin.deliver(topic, raw(body), to=hook, event_id=EVENT) == 200
    admin.work()
    assert {one.topic for one in admin.stored()} == set(told)
    assert len(facts(admin)) == 1


def test_one_act_on_many_orders_is_one_event_and_all_are_heard(
    admin: ShopifyAdmin, hook: str
) -> None:
    for number in range(3):
        ids = {"webhook_id": f"d-{number}", "event_id": EVENT}
        assert admin.deliver("refunds/create", raw(refunded(admin)), to=hook, **ids) == 200
    admin.work()
    assert {one.state for one in admin.stored()} == {DeliveryState.APPLIED}
    assert len(facts(admin)) == 3


def test_the_same_words_of_another_event_are_heard_again(admin: ShopifyAdmin, hook: str) -> None:
    for number in range(2):
        ids = {"webhook_id": f"d-{number}", "event_id": f"e-{number}"}
        assert admin.deliver("app/uninstalled", b'{"id": 954889}', to=hook, **ids) == 200
    assert len(admin.stored()) == 2


@pytest.mark.parametrize("event", [None, ""])
def test_without_an_event_the_deliveries_own_id_counts(
    admin: ShopifyAdmin, hook: str, event: str | None
) -> None:
    body = raw(refunded(admin))
    for name in ("d-1", "d-1", "d-2"):
        status = admin.deliver("refunds/create", body, to=hook, webhook_id=name, event_id=event)
        assert status == 200
    assert sorted(one.name for one in admin.stored()) == ["d-1", "d-2"]
