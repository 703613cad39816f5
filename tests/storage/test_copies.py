"""Copies of a house: whole, of one moment, loaded whole or not at all, on and across databases."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine, String, select, text, type_coerce

from plugin.domain.errors import NeedsHuman
from plugin.domain.ids import DeliveryId
from plugin.ports.records import RESTORED, Hold, Tenant
from plugin.storage import copy_file, make_copy
from plugin.storage import tables as t
from plugin.storage.copy_file import CopyNote, verify_copy
from plugin.storage.database import choose_sqlite, open_database
from plugin.storage.keyring import Keyring
from plugin.storage.load_copy import load_copy
from plugin.storage.make_copy import make_copy as copy_house
from plugin.storage.schema import migrate
from plugin.storage.schema_version import REVISION, fits
from plugin.storage.unit_of_work import SqlStorage, SqlUnitOfWork
from tests.factories import NOW, a_delivery, a_tenant, ago
from tests.storage.test_tenant_isolation import fill
from tests.storage_fixtures import PostgresServer

MARKS = ("1a2b3c4d",)
Rows = dict[str, list[tuple[object, ...]]]
STALE = {table.name for table in (t.sign_ins, t.workers, t.breakers, t.buckets, t.sweeps)}
"""What a loaded house has anew."""


def rows_of(engine: Engine) -> Rows:
    """All that stands in our tables, as it stands there."""
    with engine.connect() as db:
        return {
            table.name: sorted(
                tuple(row)
                for row in db.execute(
                    select(
                        *(
                            type_coerce(c, String) if isinstance(c.type, t.UtcTime) else c
                            for c in table.columns
                        )
                    )
                )
            )
            for table in t.metadata.sorted_tables
        }


def kept(rows: Rows) -> Rows:
    return {name: found for name, found in rows.items() if name not in STALE}


@pytest.fixture
def house(engine: Engine, storage: SqlStorage) -> SqlStorage:
    """One of everything."""
    storage.add_tenant(a_tenant(), NOW)
    storage.add_tenant(a_tenant("tenant-2"), NOW)  # in whose audit trail nothing stands yet
    with storage.begin(a_tenant().id) as uow:
        fill(uow)
        uow.commit()
    with engine.begin() as db:
        db.execute(t.workers.insert().values(executor="worker", beat_us=1))
    return storage


@pytest.fixture
def copied(house: SqlStorage, engine: Engine, tmp_path: Path) -> Path:
    target = tmp_path / "copy.makegood"
    copy_house(engine, target, NOW, MARKS)
    return target


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Where a copy may be loaded."""
    if request.param == "sqlite":
        folder = tmp_path / "new"
        folder.mkdir()
        engine = open_database(f"sqlite:///{folder / 'makegood.sqlite'}")
        yield engine
        engine.dispose()
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = f"mg_restored_{uuid4().hex}"
    engine = open_database(server.create(name))
    yield engine
    engine.dispose()
    server.drop(name)


def nothing(unpacked: Engine, note: CopyNote) -> None:
    """Nothing is to be prepared."""


def load(
    source: Path, house: Engine, prepare: Callable[[Engine, CopyNote], None] = nothing
) -> CopyNote:
    return load_copy(source, house, source.parent, NOW, prepare)


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


def is_empty(house: Engine) -> bool:
    if house.dialect.name == "sqlite":
        house.dispose()
        return list(Path(str(house.url.database)).parent.iterdir()) == []
    with house.connect() as db:
        found = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        return bool(db.execute(text(found)).scalar_one() == 0)


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


# --- what is not taken ----------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "there"
    made.mkdir()
    return made


@pytest.fixture
def target(folder: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{folder / 'makegood.sqlite'}")
    yield engine
    engine.dispose()


@pytest.fixture
def small(tmp_path: Path, migrated_sqlite: Path) -> Path:
    """A copy of a house without anybody in it."""
    source = tmp_path / "source.sqlite"
    shutil.copy(migrated_sqlite, source)
    engine = open_database(f"sqlite:///{source}")
    copy_house(engine, tmp_path / "small", NOW, MARKS)
    engine.dispose()
    return tmp_path / "small"


@pytest.mark.parametrize("place", [20, 61, 5000, -1])
def test_a_flipped_bit_is_found_out(small: Path, target: Engine, folder: Path, place: int) -> None:
    raw = bytearray(small.read_bytes())
    raw[place] ^= 1
    small.write_bytes(raw)
    with pytest.raises(NeedsHuman, match="damaged_copy"):
        load(small, target)
    assert list(folder.iterdir()) == []


def test_a_flipped_bit_is_found_out_far_behind(
    house: SqlStorage, engine: Engine, tmp_path: Path, target: Engine
) -> None:
    with house.begin(a_tenant().id) as uow:
        large = replace(a_delivery(), id=DeliveryId("large"), name="large", body=b"x" * 3_000_000)
        uow.deliveries.add(large)
        uow.commit()
    copy_house(engine, tmp_path / "copy", NOW, MARKS)
    raw = bytearray((tmp_path / "copy").read_bytes())
    raw[2_000_000] ^= 1
    (tmp_path / "copy").write_bytes(raw)
    with pytest.raises(NeedsHuman, match="damaged_copy"):
        load(tmp_path / "copy", target)


def test_a_copy_cut_short_is_found_out(small: Path, target: Engine) -> None:
    small.write_bytes(small.read_bytes()[:-4096])
    with pytest.raises(NeedsHuman, match="damaged_copy"):
        load(small, target)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"SQLite format 3\x00" + bytes(200)])
def test_what_is_no_copy_is_said_to_be_none(tmp_path: Path, target: Engine, content: bytes) -> None:
    other = tmp_path / "other"
    other.write_bytes(content)
    with pytest.raises(NeedsHuman, match="foreign_copy"):
        load(other, target)


def test_the_database_itself_is_no_copy(migrated_sqlite: Path, target: Engine) -> None:
    with pytest.raises(NeedsHuman, match="foreign_copy"):
        load(migrated_sqlite, target)


def test_a_file_that_is_not_there_is_told(tmp_path: Path, target: Engine) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing", target)


def rewritten(path: Path, statement: str) -> None:
    """The copy as somebody else would have sealed it."""
    with choose_sqlite().connect(path) as db:
        db.execute(statement)
    copy_file.seal(path)


@pytest.mark.parametrize(
    "document",
    [
        "json_set(document, '$.revision', '9999')",
        "json_set(document, '$.format', 2)",
        "json_remove(document, '$.rows')",
        "'{}'",
        "'no json'",
    ],
)
def test_a_copy_of_a_newer_version_is_left_to_that(
    small: Path, target: Engine, document: str
) -> None:
    rewritten(small, f"UPDATE mg_copy SET document = {document}")  # noqa: S608 - as parametrized
    with pytest.raises(NeedsHuman, match="newer_copy"):
        load(small, target)


def test_a_copy_that_lost_rows_is_damaged(copied: Path, target: Engine, folder: Path) -> None:
    rewritten(copied, "DELETE FROM mg_refund_moves")
    with pytest.raises(NeedsHuman, match="damaged_copy"):
        load(copied, target)
    assert list(folder.iterdir()) == []


def test_a_copy_whose_audit_trail_was_cut_is_damaged(copied: Path, target: Engine) -> None:
    rewritten(copied, "UPDATE mg_audit SET hash = 'another'")
    with pytest.raises(NeedsHuman, match="audit trail"):
        load(copied, target)


def test_a_copy_of_an_older_schema_is_brought_up(
    small: Path, empty_house: Engine, tmp_path: Path
) -> None:
    engine = open_database(f"sqlite:///{small}")
    migrate(engine, "0002")
    engine.dispose()
    with choose_sqlite().connect(small) as db:
        db.execute("PRAGMA journal_mode=DELETE")
    older = """
        UPDATE mg_copy SET document = json_set(document, '$.revision', '0002', '$.rows',
        json(json_remove(json_extract(document, '$.rows'), '$.mg_workers', '$.mg_breakers',
        '$.mg_sweeps', '$.mg_drifts', '$.mg_holds')))"""
    rewritten(small, older)
    load(small, empty_house)
    assert fits(empty_house)


def test_a_text_that_postgresql_cannot_keep_stops_the_move(
    tmp_path: Path, migrated_sqlite: Path, secret_key: str, postgres_server: PostgresServer
) -> None:
    shutil.copy(migrated_sqlite, tmp_path / "source.sqlite")
    engine = open_database(f"sqlite:///{tmp_path / 'source.sqlite'}")
    named = replace(a_tenant(), name="a\x00b")
    SqlStorage(engine, Keyring([secret_key])).add_tenant(named, ago(days=1))
    copy_house(engine, tmp_path / "copy", NOW, MARKS)
    engine.dispose()
    name = f"mg_nul_{uuid4().hex}"
    house = open_database(postgres_server.create(name))
    with pytest.raises(NeedsHuman, match="mg_tenants"):
        load(tmp_path / "copy", house)
    assert is_empty(house)
    house.dispose()
    postgres_server.drop(name)
