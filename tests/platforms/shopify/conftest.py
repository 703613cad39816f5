"""A store before our fake Shopify, on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from plugin.domain.ids import InstallationId, TenantId
from plugin.platforms.http_client import AllowedHosts, HttpClient
from plugin.platforms.manifest import Timeouts
from plugin.ports import Connection, Kind
from plugin.stores.shopify import ShopifyStore
from plugin.stores.shopify.kept_tokens import KEPT
from plugin.stores.shopify.points import POINTS
from tests.platforms.shopify.fake import FakeShopify

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
INSTALLATION = InstallationId("inst-1")


@dataclass
class MovingClock:
    at: datetime = NOW

    def now(self) -> datetime:
        return self.at


def connection_to(url: str, *, secret: str = "shpss_made_up", webhook_ref: str = "") -> Connection:
    return Connection(
        tenant=TenantId("tenant-1"),
        installation=INSTALLATION,
        kind=Kind.STORE,
        platform="shopify",
        label="Ada's Courses",
        settings={
            "base_url": url,
            "shop": "acme",
            "client_id": "client-1",
            "webhook_ref": webhook_ref,
        },
        secrets={"client_secret": secret},
    )


def client_to(place: str, *, total_seconds: int = 5) -> HttpClient:
    return HttpClient(
        allowed=AllowedHosts(frozenset({place})),
        clock=MovingClock(),
        timeouts=Timeouts(connect=2, read=total_seconds, total=total_seconds),
        allow_private=frozenset({place}),
    )


def store_at(
    url: str,
    *,
    total_seconds: int = 5,
    secret: str = "shpss_made_up",
    webhook_ref: str = "",
    clock: MovingClock | None = None,
) -> ShopifyStore:
    http = client_to(url.removeprefix("http://"), total_seconds=total_seconds)
    connection = connection_to(url, secret=secret, webhook_ref=webhook_ref)
    return ShopifyStore(connection, http, clock or MovingClock())


@pytest.fixture(autouse=True)
def nothing_of_another_test() -> None:
    """A port that comes again would be the shop of before: its token, and its points spent."""
    KEPT._tokens.clear()
    POINTS._shops.clear()


@pytest.fixture
def fake() -> Iterator[FakeShopify]:
    with FakeShopify() as running:
        yield running


@pytest.fixture
def store(fake: FakeShopify) -> ShopifyStore:
    return store_at(fake.url)
