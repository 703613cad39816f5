"""Copies of a house: whole, of one moment, loaded whole or not at all, on and across databases."""

from __future__ import annotations

import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from plugin.domain.errors import NeedsHuman
from plugin.domain.ids import DeliveryId
from plugin.ports.records import RESTORED, Hold, Tenant
from plugin.storage import copy_file, make_copy
from plugin.storage.copy_file import CopyNote, verify_copy
from plugin.storage.database import choose_sqlite, open_database
from plugin.storage.keyring import Keyring
from plugin.storage.make_copy import make_copy as copy_house
from plugin.storage.schema_version import REVISION, fits
from plugin.storage.unit_of_work import SqlStorage, SqlUnitOfWork
from tests.factories import NOW, a_delivery, a_tenant
from tests.storage.copies import MARKS, is_empty, kept, load, rows_of
from tests.storage_fixtures import PostgresServer

# --- making ---------------------------------------------------------------------------------------


def test_a_copy_is_for_its_owner_only_and_says_what_it_is(copied: Path, engine: Engine) -> None:
    assert stat.S_IMODE(copied.stat().st_mode) == 0o600
    assert [p for p in copied.parent.iterdir() if p.name.startswith(copied.name)] == [copied]
    note = verify_copy(copied)
    assert (note.made_at, note.revision, note.key_marks) == (NOW, REVISION, MARKS)
    assert note.source == engine.dialect.name
    assert note.rows == {name: len(rows) for name, rows in rows_of(engine).items()}
    assert {count for count, _ in note.audit.values()} == {1}


def test_a_copy_is_a_sqlite_file_with_the_same_rows(copied: Path, engine: Engine) -> None:
    twin = open_database(f"sqlite:///{copied}")
    assert rows_of(twin) == rows_of(engine)
    twin.dispose()


def test_what_is_there_is_never_replaced(house: SqlStorage, engine: Engine, tmp_path: Path) -> None:
    target = tmp_path / "there"
    target.write_text("mine")
    with pytest.raises(NeedsHuman, match="file_exists"):
        copy_house(engine, target, NOW, MARKS)
    assert target.read_text() == "mine"


def test_what_appears_meanwhile_is_not_replaced_either(
    house: SqlStorage, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "copy"

    def seal_late(part: Path) -> None:
        copy_file.seal(part)
        target.write_text("mine")

    monkeypatch.setattr(make_copy, "seal", seal_late)
    with pytest.raises(NeedsHuman, match="file_exists"):
        copy_house(engine, target, NOW, MARKS)
    assert target.read_text() == "mine"
    assert [p for p in tmp_path.iterdir() if p.name.endswith(".part")] == []


@pytest.mark.parametrize("is_there", [False, True])
def test_a_folder_without_links_gets_the_file_by_its_name(
    house: SqlStorage,
    engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_there: bool,
) -> None:
    target = tmp_path / "copy"

    def refuse(part: Path, name: Path) -> None:
        if is_there:
            target.write_text("mine")
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    if is_there:
        with pytest.raises(NeedsHuman, match="file_exists"):
            copy_house(engine, target, NOW, MARKS)
        assert target.read_text() == "mine"
    else:
        copy_house(engine, target, NOW, MARKS)
        assert verify_copy(target).made_at == NOW


def test_a_folder_that_is_not_there_is_told_and_nothing_is_left(
    house: SqlStorage, engine: Engine, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        copy_house(engine, tmp_path / "nowhere" / "copy", NOW, MARKS)


def test_a_copy_that_is_not_what_was_copied_gets_no_name(
    house: SqlStorage, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_copy, "seal", _lose_an_audit_entry)
    with pytest.raises(NeedsHuman, match="damaged_copy"):
        copy_house(engine, tmp_path / "copy", NOW, MARKS)
    assert not (tmp_path / "copy").exists()


def _lose_an_audit_entry(path: Path) -> None:
    with choose_sqlite().connect(path) as db:
        db.execute("UPDATE mg_audit SET hash = 'another'")


def test_a_house_of_another_schema_is_not_copied(
    house: SqlStorage, engine: Engine, tmp_path: Path
) -> None:
    with engine.begin() as db:
        db.execute(text("UPDATE mg_schema SET version_num = '9998'"))
    with pytest.raises(NeedsHuman, match="has schema 9998"):
        copy_house(engine, tmp_path / "copy", NOW, MARKS)
    assert list(tmp_path.glob("copy*")) == []


def test_a_copy_is_of_one_moment_while_others_write(
    house: SqlStorage, engine: Engine, tmp_path: Path, tenant_of: Tenant
) -> None:
    """Each transaction writes a delivery and an audit entry: no copy has one without the other."""
    done = threading.Event()

    def write(writer: int) -> int:
        for number in range(10_000):
            with house.begin(tenant_of.id) as uow:
                name = f"{writer}-{number}"
                uow.deliveries.add(replace(a_delivery(), id=DeliveryId(name), name=name))
                uow.audit.write(NOW, "ana", "delivery.added", name, {})
                uow.commit()
            if done.is_set():
                return number + 1
        return 10_000

    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(write, writer) for writer in range(2)]
        try:
            for number in range(3):
                note = copy_house(engine, tmp_path / f"copy-{number}", NOW, MARKS)
                assert note.rows["mg_audit"] == note.rows["mg_deliveries"]
        finally:
            done.set()
        assert sum(writer.result() for writer in writers) > 0


@pytest.fixture
def tenant_of() -> Tenant:
    return a_tenant()


# --- loading --------------------------------------------------------------------------------------


def test_a_copy_becomes_the_same_house_on_either_database(
    copied: Path, engine: Engine, empty_house: Engine, secret_key: str
) -> None:
    load(copied, empty_house)
    assert kept(rows_of(empty_house)) == kept(rows_of(engine))
    assert fits(empty_house)
    assert rows_of(empty_house)["mg_sign_ins"] == []
    assert rows_of(empty_house)["mg_workers"] == []
    with SqlStorage(empty_house, Keyring([secret_key])).read(a_tenant().id) as uow:
        assert len(uow.installations.all()) == 3
        assert uow.audit.verify() == (1, None)


def test_practice_is_begun_anew(
    house: SqlStorage, engine: Engine, tmp_path: Path, empty_house: Engine
) -> None:
    practice = replace(a_tenant("practice"), simulated=True)
    house.add_tenant(practice, NOW)
    with house.begin(practice.id) as uow:
        uow.audit.write(NOW, "ana", "refund.decided", "plan-1", {})
        uow.commit()
    copy_house(engine, tmp_path / "copy", NOW, MARKS)
    load(tmp_path / "copy", empty_house)
    rows = rows_of(empty_house)
    assert [row[0] for row in rows["mg_tenants"]] == [a_tenant().id, "tenant-2"]
    assert [row[0] for row in rows["mg_audit"]] == [a_tenant().id]


def test_nothing_else_is_left_beside_the_house(copied: Path, empty_house: Engine) -> None:
    load(copied, empty_house)
    empty_house.dispose()
    assert [p.name for p in copied.parent.rglob("*restoring*")] == []


def test_what_is_prepared_is_in_the_house(
    copied: Path, empty_house: Engine, secret_key: str
) -> None:
    def hold(unpacked: Engine, note: CopyNote) -> None:
        with SqlStorage(unpacked, Keyring([secret_key])).begin(a_tenant().id) as uow:
            uow.holds.put(Hold(RESTORED, NOW, note.made_at))
            uow.commit()

    load(copied, empty_house, hold)
    with SqlStorage(empty_house, Keyring([secret_key])).read(a_tenant().id) as uow:
        assert [one.reason for one in uow.holds.all()] == [RESTORED, *kept_holds(uow)]


def kept_holds(uow: SqlUnitOfWork) -> list[str]:
    return [one.reason for one in uow.holds.all() if one.reason != RESTORED]


def test_what_stops_the_preparing_leaves_the_house_empty(copied: Path, empty_house: Engine) -> None:
    def fail(unpacked: Engine, note: CopyNote) -> None:
        raise NeedsHuman("other_keys", "of this one")

    with pytest.raises(NeedsHuman, match="other_keys"):
        load(copied, empty_house, fail)
    assert is_empty(empty_house)
    load(copied, empty_house)  # and again, as it should be


def test_a_house_with_anything_in_it_is_left_alone(copied: Path, empty_house: Engine) -> None:
    load(copied, empty_house)
    before = rows_of(empty_house)
    with pytest.raises(NeedsHuman, match="not_empty"):
        load(copied, empty_house)
    assert rows_of(empty_house) == before


@pytest.mark.parametrize("name", ["makegood.sqlite-wal", "makegood.sqlite.in-use", "engine.sqlite"])
def test_a_folder_that_was_in_use_is_no_empty_one(copied: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "used"
    folder.mkdir()
    (folder / name).touch()
    house = open_database(f"sqlite:///{folder / 'makegood.sqlite'}")
    with pytest.raises(NeedsHuman, match=f"{name} is there.*move .*used away"):
        load(copied, house)
    assert [p.name for p in folder.iterdir()] == [name]


def test_a_database_of_the_engine_is_no_empty_one(
    copied: Path, postgres_server: PostgresServer
) -> None:
    name = f"mg_engine_{uuid4().hex}"
    house = open_database(postgres_server.create(name))
    with house.begin() as db:
        db.execute(text("CREATE SCHEMA dbos"))
    with pytest.raises(NeedsHuman, match="not_empty"):
        load(copied, house)
    house.dispose()
    postgres_server.drop(name)
