"""A store before our fake Saleor, on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from plugin.domain.ids import InstallationId, TenantId
from plugin.platforms.http_client import AllowedHosts, HttpClient
from plugin.platforms.manifest import Timeouts
from plugin.ports import Connection, Kind
from plugin.stores.saleor import SaleorStore
from tests.platforms.saleor.fake import TOKEN, FakeSaleor

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
INSTALLATION = InstallationId("inst-1")


@dataclass(frozen=True)
class FixedClock:
    at: datetime = NOW

    def now(self) -> datetime:
        return self.at


def connection_to(url: str, **settings: str) -> Connection:
    return Connection(
        tenant=TenantId("tenant-1"),
        installation=INSTALLATION,
        kind=Kind.STORE,
        platform="saleor",
        label="Ada's Bakery",
        settings={"base_url": url, "host": "ada.example.com", **settings},
        secrets={"app_token": TOKEN},
    )


def store_at(url: str, *, total_seconds: int = 5, **settings: str) -> SaleorStore:
    place = url.removeprefix("http://")
    http = HttpClient(
        allowed=AllowedHosts(frozenset({place})),
        clock=FixedClock(),
        timeouts=Timeouts(connect=2, read=total_seconds, total=total_seconds),
        allow_private=frozenset({place}),
    )
    return SaleorStore(connection_to(url, **settings), http, FixedClock())


@pytest.fixture
def fake() -> Iterator[FakeSaleor]:
    with FakeSaleor() as running:
        yield running


@pytest.fixture
def store(fake: FakeSaleor) -> SaleorStore:
    return store_at(fake.url)
