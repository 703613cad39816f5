"""Saleor's deliveries at our door: proven by the keys we hold, kept once, never by a call."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from plugin.domain.ids import InstallationId
from plugin.ports import Connection, Kind
from plugin.ports.records import Installation, InstallationStatus, Tenant
from plugin.storage.unit_of_work import SqlStorage
from tests.contracts.webhook import Recording
from tests.emptied_postgres import emptied_postgres, engine
from tests.factories import NOW
from tests.platforms.saleor.deliveries import KEYS, RECORDINGS
from tests.storage_fixtures import FakeClock
from tests.webhooks.door import Answer, Door

__all__ = ["emptied_postgres", "engine"]

_SHOP = InstallationId("saleor-1")


@pytest.fixture
def door(storage: SqlStorage, engine: Engine, tenant: Tenant, clock: FakeClock) -> Door:
    found = Door(storage, engine, tenant, clock)
    secrets = {"app_token": "made-up", "webhook_secret_1": KEYS.read_text("utf-8")}
    settings = {"host": "ada.example.com"}
    connection = Connection(tenant.id, _SHOP, Kind.STORE, "saleor", "Test", settings, secrets)
    with storage.begin(tenant.id) as uow:
        uow.installations.add(Installation(connection, InstallationStatus.CONNECTED, NOW))
        uow.commit()
    return found


def post(door: Door, body: bytes, headers: dict[str, str]) -> Answer:
    return door.call(f"/webhooks/saleor/{_SHOP}", body, headers)


def recorded(name: str) -> tuple[bytes, dict[str, str]]:
    recording = Recording.read(RECORDINGS / f"{name}.json")
    return recording.body, recording.headers


def test_each_recording_is_kept_once_under_the_digest_of_its_body(door: Door) -> None:
    for path in sorted(RECORDINGS.glob("*.json")):
        body, headers = recorded(path.stem)
        assert post(door, body, headers).status == 200
        assert post(door, body, headers).status == 200
    kept = door.stored()
    assert len(kept) == len(list(RECORDINGS.glob("*.json")))
    assert all(one.name.startswith("sha256:") for one in kept)
    topics = {recorded(path.stem)[1]["Saleor-Event"] for path in RECORDINGS.glob("*.json")}
    assert {one.topic for one in kept} == topics


def test_one_byte_more_or_no_signature_is_refused_and_nothing_is_written(door: Door) -> None:
    body, headers = recorded("order_fully_paid")
    unsigned = {name: value for name, value in headers.items() if name != "Saleor-Signature"}
    with door.writes() as writes:
        assert post(door, body + b" ", headers).status == 401
        assert post(door, body, unsigned).status == 401
    assert writes == []
