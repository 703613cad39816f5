"""Who listens at an address: remembered for a second, and nobody refused on memory alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count

import pytest

from plugin.domain.ids import InstallationId
from plugin.ports.records import InstallationStatus
from plugin.services.webhook_secrets import with_webhook_secret
from tests.webhooks import door as doors
from tests.webhooks.door import HEADED, PING, SECRET, SHOP, Door, sign
from webhooks import listeners as module
from webhooks.listeners import REMEMBERED_SECONDS, Listeners


@pytest.fixture
def database_kind() -> str:
    return "sqlite"


@dataclass
class Seconds:
    """A clock of seconds that stands still until it is moved."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> Seconds:
    """The clock of every door that is made after this."""
    still = Seconds()
    monkeypatch.setattr(module, "monotonic", still)
    return still


@pytest.fixture
def door(seconds: Seconds, door: Door) -> Door:
    return door


def change(door: Door, *, secret: str | None = None, removed: bool = False) -> None:
    """As another process would: past everything that this door remembers."""
    with door.storage.begin(door.tenant.id) as uow:
        found = uow.installations.get(SHOP)
        assert found is not None
        connection = found.connection
        if secret is not None:
            kept = {"webhook_secret_1": secret}
            connection = replace(connection, secrets=kept)
        status = InstallationStatus.REMOVED if removed else found.status
        uow.installations.save(replace(found, connection=connection, status=status))
        uow.commit()


def reads(door: Door, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every look into the database from here on."""
    seen: list[str] = []
    find = door.storage.find_installation

    def note(installation: InstallationId) -> object:
        seen.append(installation)
        return find(installation)

    monkeypatch.setattr(door.storage, "find_installation", note)
    return seen


def test_within_a_second_the_database_is_asked_once(
    door: Door, seconds: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = reads(door, monkeypatch)
    for number in range(5):
        assert door.deliver(delivery=f"d-{number}").status == 200
    assert seen == [SHOP]
    seconds.now += REMEMBERED_SECONDS
    assert door.deliver(delivery="d-6").status == 200
    assert seen == [SHOP, SHOP]


def test_a_removed_installation_is_gone_after_a_second(door: Door, seconds: Seconds) -> None:
    assert door.deliver().status == 200
    change(door, removed=True)
    seconds.now += REMEMBERED_SECONDS
    assert door.deliver().status == 404
    assert door.deliver().status == 404


def test_a_new_secret_counts_at_once(door: Door) -> None:
    assert door.deliver().status == 200
    change(door, secret="the new one")
    assert door.deliver(delivery="d-2", secret="the new one").status == 200
    assert door.deliver(delivery="d-3").status == 401


def test_a_secret_that_was_taken_back_is_refused_after_a_second(
    door: Door, seconds: Seconds
) -> None:
    assert door.deliver().status == 200
    change(door, secret="the new one")
    seconds.now += REMEMBERED_SECONDS
    assert door.deliver(delivery="d-2").status == 401


def test_what_is_removed_is_forgotten_when_a_wrong_signature_asks(door: Door) -> None:
    assert door.deliver().status == 200
    change(door, removed=True)
    assert door.deliver(secret="wrong").status == 404
    assert door.deliver().status == 404


def test_a_rotation_leaves_no_gap(door: Door) -> None:
    assert door.deliver().status == 200
    with door.storage.begin(door.tenant.id) as uow:
        found = uow.installations.get(SHOP)
        assert found is not None
        secrets = with_webhook_secret(found.connection.secrets, "the new one")
        uow.installations.save(
            replace(found, connection=replace(found.connection, secrets=secrets))
        )
        uow.commit()
    for place, secret in enumerate(("the new one", SECRET)):
        assert door.deliver(delivery=f"d-{place}", secret=secret).status == 200


def test_a_memory_belongs_to_its_address(door: Door) -> None:
    assert door.deliver().status == 200
    signed = {"X-Practice-Signature": sign(PING)}
    assert door.call(f"/webhooks/practice/{HEADED}", PING, signed).status == 404
    assert door.call(f"/webhooks/systeme_io/{SHOP}", PING, signed).status == 404


def test_memory_does_not_grow_without_end(
    door: Door, seconds: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST", 2)
    listeners = Listeners(door.storage, door.registry, seconds)
    found = door.storage.find_installation(SHOP)
    assert found is not None
    names = count()
    monkeypatch.setattr(door.storage, "find_installation", lambda _: found)
    for _ in range(7):
        assert listeners.read("practice", InstallationId(f"shop-{next(names)}"))
    assert len(listeners._remembered) <= 2


def test_secrets_stand_in_no_repr(door: Door, seconds: Seconds) -> None:
    listener = Listeners(door.storage, door.registry, seconds).read("practice", SHOP)
    assert listener is not None
    assert doors.SECRET not in repr(listener)
