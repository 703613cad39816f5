"""Saleor's deliveries at our door: proven by the keys we hold, kept once, never by a call."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from plugin.domain.ids import InstallationId
from plugin.ports import Connection, Kind
from plugin.ports.records import Installation, InstallationStatus, Tenant
from plugin.services.webhook_secrets import with_webhook_secret
from plugin.storage.unit_of_work import SqlStorage
from tests.contracts.webhook import Recording
from tests.emptied_postgres import emptied_postgres, engine
from tests.factories import NOW
from tests.platforms.saleor.deliveries import KEYS, RECORDINGS
from tests.platforms.saleor.signing import a_key, header_of, key_set, public, signed
from tests.storage_fixtures import FakeClock
from tests.webhooks.door import Answer, Door

__all__ = ["emptied_postgres", "engine"]

_SHOP = InstallationId("saleor-1")
_BODY = b'{"__typename": "OrderUpdated"}'


@pytest.fixture
def door(storage: SqlStorage, engine: Engine, tenant: Tenant, clock: FakeClock) -> Door:
    found = Door(storage, engine, tenant, clock)
    keep(found, {"app_token": "made-up", "webhook_secret_1": KEYS.read_text("utf-8")}, first=True)
    return found


def keep(door: Door, secrets: dict[str, str], *, first: bool = False) -> None:
    settings = {"host": "ada.example.com"}
    connection = Connection(door.tenant.id, _SHOP, Kind.STORE, "saleor", "Test", settings, secrets)
    installation = Installation(connection, InstallationStatus.CONNECTED, NOW)
    with door.storage.begin(door.tenant.id) as uow:
        if first:
            uow.installations.add(installation)
        else:
            uow.installations.save(installation)
        uow.commit()


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


def test_a_new_key_counts_once_it_was_fetched_and_the_old_one_beside_it(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    fresh = key_set(public(a_key("fresh"), "fresh")).decode()
    by_fresh = {"Saleor-Signature": signed(a_key("fresh"), header_of("fresh"), _BODY)}
    assert post(door, _BODY, by_fresh).status == 401
    assert "a key that we do not hold" in caplog.text
    old = {"webhook_secret_1": KEYS.read_text("utf-8")}
    keep(door, with_webhook_secret(old, fresh))
    assert post(door, _BODY, by_fresh).status == 200
    assert post(door, *recorded("order_fully_paid")).status == 200
