"""Copies that are damaged, of others, newer or older: brought up, or refused with nothing left."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from plugin.domain.errors import NeedsHuman
from plugin.domain.ids import DeliveryId
from plugin.storage import copy_file
from plugin.storage.database import choose_sqlite, open_database
from plugin.storage.keyring import Keyring
from plugin.storage.make_copy import make_copy as copy_house
from plugin.storage.schema import migrate
from plugin.storage.schema_version import fits
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import NOW, a_delivery, a_tenant, ago
from tests.storage.copies import MARKS, is_empty, load
from tests.storage_fixtures import PostgresServer


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
        '$.mg_sweeps', '$.mg_drifts', '$.mg_holds', '$.mg_pairings',
        '$.mg_pending_installs')))"""
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
