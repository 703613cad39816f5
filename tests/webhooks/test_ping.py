"""A platform that tries an address out with an unsigned form gets its thanks and nothing more."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from plugin.domain.ids import InstallationId
from plugin.ports import Connection
from plugin.ports.records import Installation, InstallationStatus, SelfTestLine
from tests.factories import NOW
from tests.webhooks.door import SECRET, SHOP, Door
from webhooks.listeners import PINGED_WITHIN

_OWN = InstallationId("pinging-1")


@pytest.fixture
def address(door: Door) -> str:
    """Where an installation of a platform listens that declares such a ping, and is being asked."""
    declared = [one for one in door.registry.manifests() if one.webhooks is not None]
    pinging = next(one for one in declared if one.webhooks and one.webhooks.ping_field)
    secrets = {"webhook_secret_1": SECRET}
    connection = Connection(door.tenant.id, _OWN, pinging.kind, pinging.stem, "Test", {}, secrets)
    line = SelfTestLine("webhook_registered", "waiting", at=NOW)
    made = Installation(connection, InstallationStatus.CONNECTING, NOW, self_test=(line,))
    with door.storage.begin(door.tenant.id) as uow:
        uow.installations.add(made)
        uow.commit()
    return f"/webhooks/{pinging.stem}/{_OWN}"


def test_a_ping_is_thanked_for_and_not_kept(door: Door, address: str) -> None:
    assert door.call(address, b"webhook_id=142", {}).status == 200
    assert door.stored() == []


@pytest.mark.parametrize(
    ("asked_at", "secrets"),
    [
        (None, {"webhook_secret_1": SECRET}),
        (NOW - PINGED_WITHIN, {"webhook_secret_1": SECRET}),
        (NOW, {"consumer_secret": "not-for-signing"}),
    ],
)
def test_where_nobody_was_asked_to_send_just_now_a_ping_is_refused(
    door: Door, address: str, asked_at: datetime | None, secrets: dict[str, str]
) -> None:
    with door.storage.begin(door.tenant.id) as uow:
        found = uow.installations.get(_OWN)
        assert found is not None
        line = replace(found.self_test[0], at=asked_at)
        connection = replace(found.connection, secrets=secrets)
        uow.installations.save(replace(found, connection=connection, self_test=(line,)))
        uow.commit()
    assert door.call(address, b"webhook_id=142", {}).status == 401
    assert door.stored() == []


def test_a_ping_that_comes_late_is_thanked_for(door: Door, address: str) -> None:
    """The call that asked may have been given up: a slow shop makes its webhook all the same."""
    door.clock.advance(seconds=(PINGED_WITHIN - timedelta(seconds=1)).total_seconds())
    assert door.call(address, b"webhook_id=142", {}).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"webhook_id=",
        b"webhook_id=1a",
        b"webhook_id=1&order=2",
        b"webhook_id=" + b"1" * 21,
        b"id=1",
        b"1",
        b"",
        b'{"webhook_id": 1}',
    ],
)
def test_anything_more_than_a_ping_must_be_signed(door: Door, address: str, body: bytes) -> None:
    assert door.call(address, body, {}).status == 401
    assert door.stored() == []


def test_where_no_ping_is_declared_there_is_none(door: Door) -> None:
    assert door.call(f"/webhooks/practice/{SHOP}", b"webhook_id=142", {}).status == 401
