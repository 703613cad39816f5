"""Opening a database safely: which SQLite, and which settings are in force."""

from __future__ import annotations

import importlib
import sqlite3
import types
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine

from plugin.domain.errors import NeedsHuman
from plugin.storage import database
from plugin.storage.database import (
    BUSY_MS,
    choose_sqlite,
    connect_to_read,
    is_free_of_wal_bug,
    open_database,
    open_for_counts,
    sqlite_facts,
)
from plugin.storage.write_turns import WriteTurns


@pytest.mark.parametrize(
    ("version", "is_safe"),
    [
        ((3, 7, 0), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 44, 9), True),
        ((3, 45, 0), False),
        ((3, 49, 9), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 50, 99), True),
        ((3, 51, 0), False),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 52, 0), True),
        ((4, 0, 0), True),
    ],
)
def test_only_a_sqlite_that_cannot_lose_commits_is_safe(
    version: tuple[int, int, int], is_safe: bool
) -> None:
    assert is_free_of_wal_bug(version) is is_safe


def a_module(name: str, *version: int) -> types.ModuleType:
    module = types.ModuleType(name)
    module.sqlite_version_info = version  # type: ignore[attr-defined]  # what a driver has
    module.sqlite_version = ".".join(map(str, version))  # type: ignore[attr-defined]  # as above
    return module


GOOD, BAD = (3, 53, 4), (3, 45, 1)


def with_modules(
    monkeypatch: pytest.MonkeyPatch, modules: dict[str, tuple[int, ...]]
) -> Callable[[], types.ModuleType]:
    def find(name: str) -> types.ModuleType:
        if name not in modules:
            raise ImportError(name)
        return a_module(name, *modules[name])

    monkeypatch.setattr(importlib, "import_module", find)
    return choose_sqlite


@pytest.mark.parametrize(
    ("modules", "chosen"),
    [
        ({"sqlite3": GOOD, "pysqlite3": GOOD}, "sqlite3"),
        ({"sqlite3": BAD, "pysqlite3": GOOD}, "pysqlite3"),
        ({"sqlite3": GOOD}, "sqlite3"),
        ({"pysqlite3": GOOD}, "pysqlite3"),
    ],
)
def test_the_first_safe_sqlite_is_chosen(
    monkeypatch: pytest.MonkeyPatch, modules: dict[str, tuple[int, ...]], chosen: str
) -> None:
    assert with_modules(monkeypatch, modules)().__name__ == chosen


@pytest.mark.parametrize(
    "modules", [{"sqlite3": BAD, "pysqlite3": BAD}, {"sqlite3": BAD}, {"pysqlite3": BAD}]
)
def test_without_a_safe_sqlite_it_stops_and_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, modules: dict[str, tuple[int, ...]]
) -> None:
    with pytest.raises(NeedsHuman, match=r"has 3\.45\.1.*install pysqlite3.*PostgreSQL"):
        with_modules(monkeypatch, modules)()


def test_here_is_a_safe_one() -> None:
    assert is_free_of_wal_bug(choose_sqlite().sqlite_version_info)


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Engine:
    return open_database(f"sqlite:///{tmp_path / 'makegood.db'}")


def test_every_connection_has_the_safe_settings(sqlite_engine: Engine) -> None:
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": BUSY_MS}
    with sqlite_engine.connect() as one, connect_to_read(sqlite_engine) as other:
        for connection in (one, other):
            for name, value in wanted.items():
                assert connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() == value
    sqlite_engine.dispose()


def test_of_those_that_open_a_new_file_together_one_sets_it_up_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "new.sqlite"
    turn = WriteTurns(file).take(10)
    assert turn is not None
    engine = open_database(f"sqlite:///{file}")
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(lambda: engine.connect().close())
        with pytest.raises(TimeoutError):
            opening.result(0.5)
        turn.leave()
        opening.result(60)
    engine.dispose()


def test_only_counts_may_be_lost_in_a_power_cut(sqlite_engine: Engine) -> None:
    counts = open_for_counts(sqlite_engine)
    with connect_to_read(counts) as one, connect_to_read(sqlite_engine) as other:
        names = ("journal_mode", "synchronous", "wal_autocheckpoint")
        of_counts = [one.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in names]
        usual = other.exec_driver_sql("PRAGMA synchronous").scalar_one()
    assert of_counts == ["wal", 1, 0]
    assert usual == 2
    sqlite_engine.dispose()
    assert counts.pool.checkedin() == 0  # type: ignore[attr-defined]  # of the pool in use


def test_a_connection_that_read_may_write_afterwards(sqlite_engine: Engine) -> None:
    with connect_to_read(sqlite_engine) as reading:
        reading.exec_driver_sql("SELECT 1")
    with sqlite_engine.begin() as writing:
        writing.exec_driver_sql("CREATE TABLE written (id INTEGER)")
    sqlite_engine.dispose()


def test_a_check_shows_the_database_and_its_settings(engine: Engine) -> None:
    facts = sqlite_facts(engine)

    if engine.dialect.name == "postgresql":
        assert facts.keys() == {"database"}
        assert facts["database"].startswith("PostgreSQL 1")
        return
    assert facts.pop("database").startswith(f"SQLite {choose_sqlite().sqlite_version} from ")
    assert facts == {"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"}


@pytest.mark.parametrize(
    ("module", "words"),
    [(sqlite3, "from the standard library"), (a_module("pysqlite3", *GOOD), "from pysqlite3")],
)
def test_a_check_says_where_its_sqlite_comes_from(
    sqlite_engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    module: types.ModuleType,
    words: str,
) -> None:
    monkeypatch.setattr(database, "choose_sqlite", lambda: module)

    assert sqlite_facts(sqlite_engine)["database"].endswith(words)
    sqlite_engine.dispose()
