"""Opening the database safely: which SQLite, which settings, one write lock that writers queue for.

Never runs on a SQLite that can lose committed data: WAL mode has a reset bug before 3.51.3 (and the
3.50.7 and 3.44.6 lines), see https://sqlite.org/wal.html. Lowers `synchronous` for counts only,
which a power cut may take.
"""

from __future__ import annotations

import importlib
import logging
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    PoolProxiedConnection,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from plugin.domain.errors import NeedsHuman
from plugin.storage.disk import heed
from plugin.storage.queued_connection import QueuedConnection, queued
from plugin.storage.write_turns import WriteTurns

_log = logging.getLogger("makegood.storage")
BUSY_MS = 10_000
LOG_MS = 2_000
"""How long a start waits for those who read, before it leaves the log as it is."""
WANTED = {"journal_mode": "WAL", "synchronous": "FULL"}
"""Without these a power cut takes what was promised."""
IN_FORCE = {"journal_mode": ("wal",), "synchronous": (2, 3)}
"""How SQLite says that they hold: FULL is 2, EXTRA is 3."""
WAL_PAGES = 4000
"""How far the log grows, 16 MB, before it is written into the file. At SQLite's own 1000 pages the
indexes of a busy intake are written four times as often, a fifth of its whole cost."""
IN_TIME = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 5000,
}
"""A connection to PostgreSQL that went dead in silence would else be waited for a quarter of an
hour, and a worker's heart with it."""
_SESSION = """SELECT set_config('idle_in_transaction_session_timeout', '30s', false),
set_config('lock_timeout', '20s', false),
set_config('synchronous_commit', CASE current_setting('synchronous_commit')
 WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)"""
"""Who stands still in a transaction loses it: the server would else keep for two hours what a
machine that is gone had locked. And a commit is on the disk when it is answered."""
READ_ONLY = "makegood_read"
ALONE = "makegood_alone"
"""An execution option: the transaction is one statement, which needs no BEGIN on SQLite."""


def is_free_of_wal_bug(version: tuple[int, int, int]) -> bool:
    """Whether this SQLite cannot lose commits when a WAL is reset beside a second process."""
    return (
        version >= (3, 51, 3)
        or (3, 50, 7) <= version < (3, 51, 0)
        or (3, 44, 6) <= version < (3, 45, 0)
    )


def choose_sqlite() -> ModuleType:
    """The first of the standard library's SQLite and pysqlite3 that is safe.

    Raises NeedsHuman, which says what to install, when neither is.
    """
    seen = []
    for name in ("sqlite3", "pysqlite3"):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        if is_free_of_wal_bug(module.sqlite_version_info):
            return module
        seen.append(f"{name} has {module.sqlite_version}")
    raise NeedsHuman(
        "unsafe_sqlite",
        f"{', '.join(seen)}; install pysqlite3, a Python with SQLite 3.51.3 or later, or set "
        "MAKEGOOD_DATABASE_URL to PostgreSQL",
    )


def open_database(url: str) -> Engine:
    """An engine for `url` (`sqlite:///...` or `postgresql+psycopg://...`).

    Opens no connection yet. Raises NeedsHuman for an address with options, and for a SQLite that is
    not safe; the first connection does, where the settings that keep data cannot be had.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(url, **postgres_options())
    if parsed.query:
        raise NeedsHuman(
            "unsafe_database",
            "MAKEGOOD_DATABASE_URL must name a file and no options: they can switch off what "
            "keeps the data",
        )
    engine = _sqlite_engine(parsed)
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def postgres_options() -> dict[str, Any]:
    """What every engine on PostgreSQL is made with, whoever makes it.

    A connection without it waits for a machine that is gone, with whoever waits for the connection.
    """
    return {
        "pool_pre_ping": True,
        # The text of a database error must not carry bodies and addresses into a log.
        "hide_parameters": True,
        "connect_args": dict(IN_TIME),
        "pool_events": [(_prepare_postgres, "connect")],
    }


def open_for_counts(engine: Engine) -> Engine:
    """An engine on the same database for counts that a power cut may take. Ends with `engine`.

    On SQLite its commits sync nothing: the next one of `engine` does, whose data is in order all
    the same. It writes nothing from the log into the file, since that must be synced.
    https://sqlite.org/pragma.html#pragma_synchronous
    """
    if engine.dialect.name != "sqlite":
        return engine
    counts = _sqlite_engine(engine.url)
    event.listen(counts, "connect", _prepare_for_counts)
    event.listen(engine, "engine_disposed", lambda _: counts.dispose())
    return counts


def _sqlite_engine(url: URL) -> Engine:
    module = choose_sqlite()
    turns = WriteTurns(Path(url.database or ""))
    engine = create_engine(
        url,
        module=module,
        connect_args={"timeout": BUSY_MS / 1000, "factory": queued(module, turns)},
        # The text of a database error must not carry bodies and addresses into a log.
        hide_parameters=True,
    )
    event.listen(engine, "begin", _begin_sqlite)
    event.listen(engine, "handle_error", _heed_commit)
    return engine


def _heed_commit(context: ExceptionContext) -> None:
    """A page that cannot be read loses nothing: only at a commit, no statement, is a sync asked."""
    if context.connection is not None and context.execution_context is None:
        heed(context.original_exception)


def _prepare_postgres(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    del record
    cursor = connection.cursor()
    cursor.execute(_SESSION)
    cursor.close()
    connection.commit()


def _prepare_sqlite(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    del record
    _set(connection, {**WANTED, "foreign_keys": "ON", "wal_autocheckpoint": str(WAL_PAGES)})
    _refuse_unsafe(connection)


def _prepare_for_counts(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    del record
    _set(connection, {**WANTED, "synchronous": "NORMAL", "wal_autocheckpoint": "0"})


def _set(connection: DBAPIConnection, settings: Mapping[str, str]) -> None:
    connection.isolation_level = None  # sqlite3's own: we say BEGIN ourselves
    driver = cast("QueuedConnection", connection)
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    cursor.execute("PRAGMA journal_mode")
    try:
        if cursor.fetchone() != (settings["journal_mode"].lower(),):
            # Of two that change it in a new file one is refused at once, whatever the time-out.
            driver.line_up(BUSY_MS / 1000)
        for name, value in settings.items():
            cursor.execute(f"PRAGMA {name}={value}")
    finally:
        driver.leave_line()
    cursor.close()


def _refuse_unsafe(connection: DBAPIConnection) -> None:
    """SQLite takes a setting that it cannot have in silence; so each is read back."""
    cursor = connection.cursor()
    for name, safe in IN_FORCE.items():
        cursor.execute(f"PRAGMA {name}")
        found = cursor.fetchone()
        if found is None or found[0] not in safe:
            raise NeedsHuman(
                "unsafe_database",
                f"SQLite runs with {name} {found and found[0]}, not {WANTED[name]}: a power cut "
                "would lose data. Put the database into a file on a disk of this machine",
            )
    cursor.close()


def connect_to_read(engine: Engine, *, alone: bool = False) -> Connection:
    """A connection whose transactions cannot write, and see one moment of the database each.

    `alone`: each is one statement only, and costs a third.
    """
    connection = engine.connect()
    if engine.dialect.name == "sqlite":
        return connection.execution_options(**{READ_ONLY: True, ALONE: alone})
    if alone:
        return connection.execution_options(isolation_level="AUTOCOMMIT")
    return connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def write_log_into_file(engine: Engine) -> None:
    """Have all that was committed stand in the database file itself, synced. For SQLite.

    What a disk that failed took from the log is written anew by that, and the log begins anew: what
    is committed behind a hole is lost. Where somebody reads for long it stays as it is, and that is
    logged. Raises OperationalError where the disk does not take it.
    """
    if engine.dialect.name == "sqlite":
        with connect_to_read(engine, alone=True) as db:
            # It keeps all others from writing while it waits for whoever reads.
            db.exec_driver_sql(f"PRAGMA busy_timeout={LOG_MS}")
            try:
                # FULL lets the next commit stand behind a hole where anybody reads meanwhile.
                is_kept, pages, _ = db.exec_driver_sql("PRAGMA wal_checkpoint(RESTART)").one()
            except OperationalError as error:
                heed(error.orig)
                raise
            finally:
                db.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_MS}")
        if is_kept:
            _log.warning("storage.log_kept pages=%d", pages)


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that reads first and writes later can find the database changed under
    # it and fail with "locked" whatever the time-out; taking the lock at once makes writers queue.
    options = connection.get_execution_options()
    read, alone = options.get(READ_ONLY, False), options.get(ALONE, False)
    driver = cast("QueuedConnection", connection.connection.dbapi_connection)
    driver.only_read(read)
    if read:
        if not alone:
            connection.exec_driver_sql("BEGIN")
        return
    driver.line_up(BUSY_MS / 1000)
    if alone:
        return
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    except BaseException:
        driver.leave_line()
        raise


def line_up_alone(engine: Engine, connection: PoolProxiedConnection) -> None:
    """Have a connection that no transaction was begun on write by one statement, which is one.

    Its `commit` ends it.
    """
    if engine.dialect.name == "sqlite":
        driver = cast("QueuedConnection", connection.dbapi_connection)
        driver.only_read(False)  # noqa: FBT003 - that is the question
        driver.line_up(BUSY_MS / 1000)


def sqlite_facts(engine: Engine) -> dict[str, str]:
    """What `makegood check` shows of the database: version, module and the settings in force."""
    if engine.dialect.name != "sqlite":
        with connect_to_read(engine) as connection:
            version = connection.exec_driver_sql("SHOW server_version").scalar_one()
        return {"database": f"PostgreSQL {version}"}
    module = choose_sqlite()
    with connect_to_read(engine) as connection:
        settings = {
            name: str(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    safe = "from the standard library" if module is sqlite3 else f"from {module.__name__}"
    return {"database": f"SQLite {module.sqlite_version} {safe}", **settings}
