"""A shop that is connected, in a real database, before our fake Shopify: swept, and worked off."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode

import pytest
from sqlalchemy import Engine

from plugin.domain.facts import Fact
from plugin.domain.ids import customer_key
from plugin.platforms.adapters import Adapters
from plugin.ports.records import Tenant
from plugin.storage.budgets import SqlBudgets
from plugin.storage.unit_of_work import SqlStorage
from tests.fakes.platforms import one_after_the_other
from tests.platforms.shopify.books import Thing
from tests.platforms.shopify.fake import FakeShopify
from tests.platforms.swept import SweptShop
from tests.storage_fixtures import FakeClock
from tests.webhooks.door import Door
from webhooks.dispatch import Dispatch

ADA = customer_key("ada@example.com")
_SECRET = "shpss_made_up"


class Shop(SweptShop):
    """Its calls are counted by the test's clock, as all else."""

    @property
    def platforms(self) -> Adapters:
        clock = self.door.clock
        budgets = SqlBudgets(self.door.engine, lambda _: int(clock.now().timestamp() * 1_000_000))
        return Adapters(self.door.registry, clock, budgets.budget_for, frozenset({self.place}))


@pytest.fixture
def shop(
    fake: FakeShopify, storage: SqlStorage, engine: Engine, tenant: Tenant, clock: FakeClock
) -> SweptShop:
    found = Shop(Door(storage, engine, tenant, clock), "shopify", fake.place)
    settings = {"shop": "acme", "client_id": "client-1", "base_url": fake.url}
    found.connect(settings, {"client_secret": _SECRET})
    return found


def work(shop: SweptShop) -> None:
    """As the worker does, with every delivery that waits."""
    door = shop.door
    dispatch = Dispatch(
        door.storage, shop.platforms, door.registry, door.clock, one_after_the_other
    )
    for one in door.stored():
        dispatch(door.tenant.id, one.id)


def facts(shop: SweptShop) -> list[Fact]:
    with shop.door.storage.read(shop.door.tenant.id) as uow:
        return list(uow.facts.of_customer(ADA))


def delivered(shop: SweptShop, topic: str, told: Thing) -> int:
    """Shopify delivers it, signed; gives the status of our answer."""
    body = json.dumps(told).encode()
    mark = b64encode(hmac.digest(_SECRET.encode(), body, "sha256")).decode()
    named = {"X-Shopify-Topic": topic, "X-Shopify-Webhook-Id": f"{topic}-{len(body)}"}
    return shop.post(body, {**named, "X-Shopify-Hmac-Sha256": mark}).status
