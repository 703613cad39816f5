"""A store before our synthetic shop, on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from plugin.domain.ids import InstallationId, TenantId
from plugin.platforms.adapters import Adapters
from plugin.platforms.data_files import DataFiles
from plugin.platforms.http_client import AllowedHosts, HttpClient
from plugin.platforms.manifest import Timeouts
from plugin.platforms.registry import Registry
from plugin.platforms.token_bucket import Budget, Rate
from plugin.ports import Connection, Kind
from plugin.ports.records import Tenant
from plugin.ports.storage import Storage
from plugin.stores.woocommerce import WoocommerceStore
from tests.factories import STORE
from tests.platforms.woocommerce.fake import KEY, SECRET, FakeShop
from tests.services.scene import Scene
from tests.storage_fixtures import FakeClock

INSTALLATION = InstallationId("inst-1")


@dataclass
class ShopClock:
    """Says what the shop's own clock says, and `late` seconds more with each look."""

    fake: FakeShop
    late: int = 0

    def now(self) -> datetime:
        self.fake.books.advance(self.late)
        return self.fake.books.now.replace(tzinfo=UTC)


def store_at(
    fake: FakeShop,
    *,
    total_seconds: int = 2,
    late: int = 0,
    webhook: str = "",
    base_url: str | None = None,
    is_listed: bool = True,
    installation: InstallationId = INSTALLATION,
) -> WoocommerceStore:
    connection = Connection(
        tenant=TenantId("tenant-1"),
        installation=installation,
        kind=Kind.STORE,
        platform="woocommerce",
        label="Ada's Courses",
        settings={
            "shop": "shop.example/de",
            "base_url": fake.url if base_url is None else base_url,
            "webhook_ref": webhook,
        },
        secrets={"consumer_key": KEY, "consumer_secret": SECRET},
    )
    clock = ShopClock(fake, late)
    http = HttpClient(
        allowed=AllowedHosts(frozenset({fake.place})),
        clock=clock,
        timeouts=Timeouts(connect=2, read=total_seconds, total=total_seconds),
        allow_private=frozenset({fake.place} if is_listed else ()),
    )
    return WoocommerceStore(connection, http, clock)


@pytest.fixture
def fake() -> Iterator[FakeShop]:
    with FakeShop() as running:
        yield running


@pytest.fixture
def store(fake: FakeShop) -> WoocommerceStore:
    return store_at(fake)


def _no_budget(name: str, rate: Rate) -> Budget:
    raise AssertionError((name, rate))


@pytest.fixture
def scene(fake: FakeShop, storage: Storage, tenant: Tenant, clock: FakeClock) -> Scene:
    """The shop of the scene is ours, with the rules that its manifest declares."""
    opened = Scene(storage, tenant, clock).open()
    opened.platforms.adapters[STORE] = store_at(fake, installation=STORE)
    connection = Connection(tenant.id, STORE, Kind.STORE, "woocommerce", "Test", {}, {})
    adapters = Adapters(Registry([DataFiles().manifests()]), clock, _no_budget)
    opened.platforms.rules = adapters.gateway_rules(connection)
    fake.books.now = clock.now().replace(tzinfo=None)
    return opened
