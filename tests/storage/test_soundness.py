"""A damaged, emptied or unsafe database stops with a clear word; a sound one opens."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from plugin.domain.errors import NeedsHuman
from plugin.storage import database
from plugin.storage.database import choose_sqlite, open_database
from plugin.storage.keyring import Keyring
from plugin.storage.soundness import mark_in_use, refuse_unsound
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import NOW, a_tenant


@pytest.fixture
def path(tmp_path: Path, migrated_sqlite: Path, secret_key: str) -> Path:
    """A database that is in use; all of it is in its file."""
    copy = tmp_path / "in use.db"
    copy.write_bytes(migrated_sqlite.read_bytes())
    engine = open_database(f"sqlite:///{copy}")
    SqlStorage(engine, Keyring([secret_key])).add_tenant(a_tenant(), NOW)
    mark_in_use(engine)
    mark_in_use(engine)  # at every start
    engine.dispose()
    change(copy, "PRAGMA wal_checkpoint(TRUNCATE)")
    return copy


def change(path: Path, statement: str) -> None:
    connection = choose_sqlite().connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


def refusal(path: Path, most_bytes: int | None = None) -> NeedsHuman | None:
    engine = open_database(f"sqlite:///{path}")
    try:
        refuse_unsound(engine, most_bytes)
    except NeedsHuman as error:
        return error
    finally:
        engine.dispose()
    return None


def overwritten(at: int) -> Callable[[Path], None]:
    def overwrite(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[at : at + 4096] = b"\xa5" * 4096
        path.write_bytes(content)

    return overwrite


def test_a_sound_database_opens(path: Path) -> None:
    assert refusal(path) is None


def test_a_database_of_another_kind_looks_after_itself(engine: Engine) -> None:
    refuse_unsound(engine)
    if engine.dialect.name == "postgresql":
        mark_in_use(engine)


@pytest.mark.parametrize(
    "damage",
    [
        overwritten(0),
        overwritten(4096),
        lambda path: os.truncate(path, path.stat().st_size // 2),
        lambda path: os.truncate(path, 2000),
        lambda path: path.write_text("no database\n" * 500),
    ],
    ids=["first page", "second page", "half of it", "half a page", "a text"],
)
def test_a_damaged_database_is_refused_and_left_as_it_is(
    path: Path, damage: Callable[[Path], None]
) -> None:
    damage(path)
    before = path.read_bytes()

    refused = refusal(path)
    assert refused is not None
    assert refused.code == "damaged_database"
    assert "in use.db" in refused.detail
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "loss",
    [
        Path.unlink,
        lambda path: os.truncate(path, 0),
        lambda path: change(path, "DROP TABLE mg_tenants"),
        lambda path: change(path, "DELETE FROM mg_tenants"),
    ],
    ids=["gone", "empty", "another's", "nobody in it"],
)
def test_a_database_that_was_in_use_never_passes_for_a_new_one(
    path: Path, loss: Callable[[Path], None]
) -> None:
    loss(path)

    refused = refusal(path)
    assert refused is not None
    assert refused.code == "lost_database"
    mark = path.with_name("in use.db.in-use")
    assert str(mark) in refused.detail
    mark.unlink()  # as the words say, to begin anew
    assert refusal(path) is None


def test_a_large_database_is_opened_and_not_looked_through(path: Path) -> None:
    overwritten(4096 * 3)(path)

    assert refusal(path, most_bytes=4096) is None
    assert refusal(path, most_bytes=2**40) is not None


def test_a_database_that_cannot_be_opened_is_not_called_damaged(tmp_path: Path) -> None:
    with pytest.raises(OperationalError):
        refusal(tmp_path / "no such folder" / "makegood.db")


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["synchronous", "journal_mode"])
@pytest.mark.parametrize("value", ["OFF", "DELETE"])
def test_settings_that_lose_data_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    wanted = "NORMAL" if name == "synchronous" else value
    monkeypatch.setattr(database, "WANTED", {**database.WANTED, name: wanted})

    refused = refusal(tmp_path / "makegood.db")
    assert refused is not None
    assert refused.code == "unsafe_database"
    assert name in refused.detail


def test_a_database_in_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where it puts the files that writers line up by
    refused = refusal(Path(":memory:"))
    assert refused is not None
    assert refused.code == "unsafe_database"


def test_an_address_with_options_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NeedsHuman, match="no options"):
        open_database(f"sqlite:///file:{tmp_path}/makegood.db?vfs=unix-none&uri=true")
