"""A store before our fake Stripe, on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from plugin.domain.ids import InstallationId, TenantId
from plugin.platforms.http_client import AllowedHosts, HttpClient
from plugin.platforms.manifest import Timeouts
from plugin.ports import Connection, Kind
from plugin.stores.stripe import StripeStore
from tests.platforms.stripe.fake import FakeStripe

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
INSTALLATION = InstallationId("inst-1")


@dataclass(frozen=True)
class FixedClock:
    at: datetime = NOW

    def now(self) -> datetime:
        return self.at


def connection_to(url: str, api_key: str = "rk_test_made_up") -> Connection:
    return Connection(
        tenant=TenantId("tenant-1"),
        installation=INSTALLATION,
        kind=Kind.STORE,
        platform="stripe",
        label="Ada's Courses",
        settings={"base_url": url},
        secrets={"api_key": api_key},
    )


def client_to(place: str, *, total_seconds: int = 5) -> HttpClient:
    return HttpClient(
        allowed=AllowedHosts(frozenset({place})),
        clock=FixedClock(),
        timeouts=Timeouts(connect=2, read=total_seconds, total=total_seconds),
        allow_private=frozenset({place}),
    )


def store_at(url: str, *, total_seconds: int = 5, api_key: str = "rk_test_made_up") -> StripeStore:
    http = client_to(url.removeprefix("http://"), total_seconds=total_seconds)
    return StripeStore(connection_to(url, api_key), http, FixedClock())


@pytest.fixture
def fake() -> Iterator[FakeStripe]:
    with FakeStripe(now=lambda: int(NOW.timestamp())) as running:
        yield running


@pytest.fixture
def store(fake: FakeStripe) -> StripeStore:
    return store_at(fake.url)
