"""Whoever writes through the engine stands in line first, and leaves with the transaction's end."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DatabaseError, OperationalError

from plugin.storage.database import choose_sqlite, connect_to_read, open_database
from plugin.storage.write_turns import WriteTurns
from tests.storage.test_write_turns import PATIENCE, elsewhere, is_locked, taken, wait_until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "makegood.db"


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    opened = open_database(f"sqlite:///{path}")
    yield opened
    opened.dispose()


def write(db: Connection) -> None:
    db.exec_driver_sql("CREATE TABLE IF NOT EXISTS written (id INTEGER)")


def test_a_transaction_that_writes_has_the_turn_until_its_end(engine: Engine, path: Path) -> None:
    with engine.connect() as db:
        for end in (db.commit, db.rollback):
            write(db)
            assert is_locked(path, "turn")
            end()
            assert not is_locked(path, "turn")
        write(db)
    assert not is_locked(path, "turn")


def test_whoever_only_reads_needs_no_turn(engine: Engine, path: Path) -> None:
    with connect_to_read(engine) as db:
        db.exec_driver_sql("SELECT 1")
        assert not is_locked(path, "turn")


def test_a_writer_waits_for_its_turn(engine: Engine, path: Path) -> None:
    turn = taken(WriteTurns(path).take(PATIENCE))

    def begin() -> None:
        with engine.begin() as db:
            write(db)

    writing = elsewhere(begin)
    wait_until(lambda: is_locked(path, "head"))
    assert not writing.done()
    turn.leave()
    writing.result(PATIENCE)


def test_a_connection_that_is_thrown_away_gives_its_turn_back(engine: Engine, path: Path) -> None:
    with engine.connect() as db:
        write(db)
        db.invalidate()
        assert not is_locked(path, "turn")


def test_who_cannot_begin_gives_the_turn_back(engine: Engine, path: Path) -> None:
    @event.listens_for(engine, "connect")
    def be_impatient(connection: Any, _: object) -> None:  # noqa: ANN401 - the driver's own
        connection.execute("PRAGMA busy_timeout=10")

    with engine.begin() as db:
        write(db)
    other = choose_sqlite().connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with engine.connect() as db:
        with pytest.raises(OperationalError, match="locked"):
            write(db)
        assert not is_locked(path, "turn")
    other.close()


def test_a_commit_that_fails_is_undone_and_leaves_the_connection_usable(
    engine: Engine, path: Path
) -> None:
    is_denied = [True]

    @event.listens_for(engine, "connect")
    def deny(connection: Any, _: object) -> None:  # noqa: ANN401 - the driver's own
        def judge(action: int, word: str, *_: object) -> int:
            denied = is_denied[0] and (action, word) == (sqlite3.SQLITE_TRANSACTION, "COMMIT")
            return sqlite3.SQLITE_DENY if denied else sqlite3.SQLITE_OK

        connection.set_authorizer(judge)

    with engine.connect() as db:
        write(db)
        with pytest.raises(DatabaseError):
            db.commit()
        assert not is_locked(path, "turn")
    is_denied[0] = False
    with engine.begin() as db:
        write(db)
