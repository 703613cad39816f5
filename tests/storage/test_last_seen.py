"""A database without what was seen of it before is an older one, put there by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from plugin.ports.records import HOUSE_RESTORED, Tenant
from plugin.storage import tables as t
from plugin.storage.last_seen import FILE, LastSeen
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import NOW, soon


@pytest.fixture
def seen(storage: SqlStorage, tmp_path: Path) -> LastSeen:
    return again(storage, tmp_path)


def again(storage: SqlStorage, folder: Path) -> LastSeen:
    """As after a start: it knows what the file says."""
    return LastSeen(storage._engine, folder)


def note(storage: SqlStorage, tenant: Tenant, minutes: int, action: str = "decided") -> None:
    with storage.begin(tenant.id) as uow:
        uow.audit.write(soon(minutes=minutes), "ana", action, "plan-1", {})
        uow.commit()


def go_back(storage: SqlStorage, tenant: Tenant, to: int) -> None:
    """The database as it was when the trail had so many entries."""
    mine = t.audit.c.tenant_id == tenant.id
    with storage._engine.begin() as db:
        db.execute(delete(t.audit).where(mine, t.audit.c.seq > to))
        last = select(t.audit.c.hash).where(mine, t.audit.c.seq == to)
        head = db.execute(last).scalar() or "0" * 64
        end = {"audit_count": to, "audit_head": head}
        db.execute(update(t.tenants).where(t.tenants.c.id == tenant.id).values(**end))


def test_what_was_never_seen_is_not_older(
    storage: SqlStorage, tenant: Tenant, seen: LastSeen
) -> None:
    note(storage, tenant, 1)
    assert seen.older() == {}


def test_a_database_that_went_on_is_not_older(
    storage: SqlStorage, tenant: Tenant, seen: LastSeen, tmp_path: Path
) -> None:
    seen.keep()
    for minutes in (1, 2, 3):
        note(storage, tenant, minutes)
        assert seen.older() == {}
        seen.keep()
        note(storage, tenant, minutes)
        assert seen.older() == again(storage, tmp_path).older() == {}


@pytest.mark.parametrize(("left", "known_until"), [(2, soon(minutes=2)), (0, NOW)])
def test_a_database_that_went_back_is_older_until_it_is_seen_anew(
    storage: SqlStorage,
    tenant: Tenant,
    seen: LastSeen,
    tmp_path: Path,
    left: int,
    known_until: object,
) -> None:
    for minutes in (1, 2, 3):
        note(storage, tenant, minutes)
    seen.keep()
    go_back(storage, tenant, left)
    assert seen.older() == again(storage, tmp_path).older() == {tenant.id: known_until}
    seen.keep()
    assert seen.older() == again(storage, tmp_path).older() == {}


def test_a_database_that_went_back_and_on_another_way_is_older(
    storage: SqlStorage, tenant: Tenant, seen: LastSeen
) -> None:
    for minutes in (1, 2):
        note(storage, tenant, minutes)
    seen.keep()
    go_back(storage, tenant, 1)
    for minutes in (2, 3, 4):
        note(storage, tenant, minutes, "undone")
    assert seen.older() == {tenant.id: soon(minutes=4)}


@pytest.mark.parametrize(("minutes", "is_known"), [(9, True), (2, False)])
def test_what_was_restored_since_is_known_to_lack_it(
    storage: SqlStorage, tenant: Tenant, seen: LastSeen, minutes: int, *, is_known: bool
) -> None:
    """A worker that slept through all of it holds nobody again, weeks later."""
    for at in (1, 3):
        note(storage, tenant, at)
    seen.keep()
    go_back(storage, tenant, 1)
    note(storage, tenant, minutes, HOUSE_RESTORED)
    note(storage, tenant, 10, "hold.released")
    assert (seen.older() == {}) is is_known


def test_another_house_is_not_older(storage: SqlStorage, tenant: Tenant, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps({"somebody-else": [7, "f" * 64, NOW.isoformat()]}))
    assert again(storage, tmp_path).older() == {}
    del tenant


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", '{"tenant-1": 7}', '{"tenant-1": ["x", "y", "z"]}']
)
def test_a_file_that_says_nothing_is_as_none(
    storage: SqlStorage, tenant: Tenant, tmp_path: Path, text: str
) -> None:
    note(storage, tenant, 1)
    (tmp_path / FILE).write_text(text)
    one = again(storage, tmp_path)
    assert one.older() == {}
    one.keep()
    go_back(storage, tenant, 0)
    assert again(storage, tmp_path).older() != {}


def test_it_is_written_only_when_something_happened(
    storage: SqlStorage, tenant: Tenant, seen: LastSeen, tmp_path: Path
) -> None:
    note(storage, tenant, 1)
    seen.keep()
    (tmp_path / FILE).unlink()
    seen.keep()
    assert not (tmp_path / FILE).exists()
    note(storage, tenant, 2)
    seen.keep()
    assert [path.name for path in tmp_path.glob(f"{FILE}*")] == [FILE]


def test_where_it_cannot_be_kept_this_process_still_knows(
    storage: SqlStorage, tenant: Tenant, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = again(storage, tmp_path / "gone")
    note(storage, tenant, 1)
    one.keep()
    assert "house.not_remembered errno=2" in caplog.text
    go_back(storage, tenant, 0)
    assert one.older() == {tenant.id: NOW}
