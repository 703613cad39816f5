"""Renewing keys over a real database: whose word counts, and what of the row it changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from plugin.domain.errors import Refused
from plugin.ports import Connection
from plugin.ports.keys import Secrets
from plugin.ports.records import Installation, InstallationStatus, SelfTestLine, Tenant
from plugin.services.key_replacement import KEY_WORKS
from plugin.services.renew_keys import LEASE, RenewKeys
from plugin.services.self_test_lines import FAILED, OK
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import a_connection, an_installation
from tests.storage_fixtures import FakeClock

WORKS = SelfTestLine(KEY_WORKS, OK)


@pytest.fixture
def shelf(storage: SqlStorage, clock: FakeClock) -> RenewKeys:
    return RenewKeys(storage, clock, lambda _: "Toy")


@pytest.fixture
def kept(storage: SqlStorage, tenant: Tenant) -> Connection:
    made = replace(an_installation(), self_test=(WORKS,))
    with storage.begin(tenant.id) as uow:
        uow.installations.add(made)
        uow.commit()
    return made.connection


def stored(storage: SqlStorage, one: Connection) -> Installation:
    with storage.read(one.tenant) as uow:
        found = uow.installations.get(one.installation)
    assert found is not None
    return found


def claimed_at(storage: SqlStorage, one: Connection, at: datetime) -> None:
    """As another process leaves the row while it asks."""
    found = stored(storage, one)
    settings = {**found.connection.settings, "keys_claimed_at": at.isoformat()}
    with storage.begin(one.tenant) as uow:
        uow.installations.save(
            replace(found, connection=replace(found.connection, settings=settings))
        )
        uow.commit()


def never(_: Secrets) -> Secrets:
    raise AssertionError("nobody is to be asked for new keys")


def refused(_: Secrets) -> Secrets:
    raise Refused("key_refused", "invalid_grant")


def test_keys_of_a_connection_that_is_only_being_tried_are_used_as_they_came(
    shelf: RenewKeys, storage: SqlStorage, tenant: Tenant
) -> None:
    tried = a_connection("pending-1", secret="just brought")
    assert shelf.renewed(tried, lambda _: True, never) == {"key": "just brought"}
    with storage.read(tenant.id) as uow:
        assert uow.installations.get(tried.installation) is None


def test_a_no_makes_the_connection_one_that_needs_attention(
    shelf: RenewKeys, storage: SqlStorage, kept: Connection
) -> None:
    with pytest.raises(Refused):
        shelf.renewed(kept, lambda _: True, refused)
    found = stored(storage, kept)
    assert found.status is InstallationStatus.NEEDS_ATTENTION
    [line] = found.self_test
    assert (line.name, line.state) == (KEY_WORKS, FAILED)
    assert "Toy refused: invalid_grant" in line.details


def test_a_no_to_one_who_was_overtaken_says_nothing_of_the_keys_that_stand(
    shelf: RenewKeys, storage: SqlStorage, kept: Connection, clock: FakeClock
) -> None:
    later = clock.now() + LEASE

    def overtaken(secrets: Secrets) -> Secrets:
        claimed_at(storage, kept, later)
        return refused(secrets)

    with pytest.raises(Refused):
        shelf.renewed(kept, lambda _: True, overtaken)
    found = stored(storage, kept)
    assert found.status is InstallationStatus.CONNECTED
    assert found.self_test == (WORKS,)
    assert found.connection.secrets == kept.secrets
    # Who overtook it is still at it: its claim is its own to end.
    assert found.connection.settings["keys_claimed_at"] == later.isoformat()
    with storage.read(kept.tenant) as uow:
        assert uow.audit.entries(0, 50) == []
