"""A platform that tries an address out with an unsigned form gets its thanks and nothing more."""

from __future__ import annotations

import pytest

from plugin.domain.ids import InstallationId
from plugin.ports import Connection
from plugin.ports.records import Installation, InstallationStatus
from tests.factories import NOW
from tests.webhooks.door import SECRET, SHOP, Door

_OWN = InstallationId("pinging-1")


@pytest.fixture
def address(door: Door) -> str:
    """Where an installation of a platform listens that declares such a ping."""
    declared = [one for one in door.registry.manifests() if one.webhooks is not None]
    pinging = next(one for one in declared if one.webhooks and one.webhooks.ping_field)
    secrets = {"webhook_secret_1": SECRET}
    connection = Connection(door.tenant.id, _OWN, pinging.kind, pinging.stem, "Test", {}, secrets)
    with door.storage.begin(door.tenant.id) as uow:
        uow.installations.add(Installation(connection, InstallationStatus.CONNECTED, NOW))
        uow.commit()
    return f"/webhooks/{pinging.stem}/{_OWN}"


def test_a_ping_is_thanked_for_and_not_kept(door: Door, address: str) -> None:
    assert door.call(address, b"webhook_id=142", {}).status == 200
    assert door.stored() == []


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
