"""Bringing the database to this version's schema, and back. Never guesses: unknown versions stop.

Tables of the workflow engine are its own and are never touched.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from psycopg.errors import DeadlockDetected, LockNotAvailable, QueryCanceled
from sqlalchemy import Connection, Engine, func, inspect, select, text
from sqlalchemy.exc import OperationalError

from plugin.domain.errors import NeedsHuman
from plugin.storage.database import connect_to_read
from plugin.storage.schema_version import VERSION_TABLE, read_schema_version
from plugin.storage.tables import workers
from plugin.storage.worker_rows import LIVES, Workers

LOCK = 0x6D67
"""Of PostgreSQL: held to change the schema, shared to copy it. The same in every process."""
_TAKE_WITHIN = "700ms"
"""Whoever works with the tables holds some and wants others; a migration that held some as well and
waited for the rest could stop both. PostgreSQL ends one of two that do, whichever, after a second:
the migration gives up before that, lets go of all, and tries again."""
TRIES = 60
_PAUSE_SECONDS = 0.5
LOOKS = 2 + 2 * int(LIVES.total_seconds())
_LOCKED_OUT = (QueryCanceled, LockNotAvailable, DeadlockDetected)
_HERE = Path(__file__).parent / "migrations"


def _config(versions: Sequence[Path] = ()) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    folders = os.pathsep.join(map(str, (_HERE / "versions", *versions)))
    config.set_main_option("version_locations", folders)
    config.set_main_option("path_separator", "os")
    return config


def migrate(engine: Engine, to: str = "head", versions: Sequence[Path] = ()) -> None:
    """Upgrade or downgrade to revision `to`. One transaction: it happens whole or not at all.

    Two processes that start together take turns, and others may go on working. `versions`: folders
    with further migrations. Raises NeedsHuman when the database is of a version that this program
    does not know, or `to` is; or when its tables are never free.
    """
    pause = threading.Event()
    for _ in range(TRIES):
        try:
            with engine.begin() as connection:
                migrate_on(connection, to, versions)
        except OperationalError as error:
            if not isinstance(error.orig, _LOCKED_OUT):
                raise
            pause.wait(_PAUSE_SECONDS)
        else:
            return
    raise NeedsHuman(
        "busy_database", "somebody holds the tables without end: stop what runs, and try again"
    )


def migrate_on(connection: Connection, to: str = "head", versions: Sequence[Path] = ()) -> None:
    """The same inside a transaction that is under way, once."""
    config = _config(versions)
    scripts = ScriptDirectory.from_config(config)
    known = [script.revision for script in scripts.walk_revisions()]
    if connection.dialect.name == "postgresql":  # on SQLite the transaction itself is the lock
        connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
    config.attributes["connection"] = connection
    current = _revision_of(connection)
    if current is not None and current not in known:
        raise NeedsHuman("newer_schema", f"the database is at {current}; run the newer version")
    newest_first = [*known, "base"]
    is_back = to in newest_first and newest_first.index(to) > newest_first.index(current or "base")
    target = scripts.get_current_head() if to == "head" else to
    if current != target:
        _take_tables(connection)
    try:
        (command.downgrade if is_back else command.upgrade)(config, to)
    except CommandError as error:
        raise NeedsHuman("migration_failed", str(error)) from error
    reached = _revision_of(connection)
    if reached is not None:
        _say_who_may_run(connection, scripts.get_revision(reached).module)


def refuse_under_workers(engine: Engine, to: str = "head") -> None:
    """Raise NeedsHuman where a worker lives whose code may not run on schema `to`.

    It would go on, and stumble over what it does not know: what it may run on is asked at a start.
    One that was killed a moment ago is waited for, until it counts as dead.
    """
    with connect_to_read(engine) as db:
        now = read_schema_version(db)
        if now is None or not inspect(db).has_table(workers.name):
            return
    scripts = ScriptDirectory.from_config(_config())
    target = scripts.get_current_head() if to == "head" else to
    known = {script.revision: script.module for script in scripts.walk_revisions()}
    if target not in known or now.revision not in known or _lets_on(now.revision, known[target]):
        return
    at_work, pause = Workers(engine), threading.Event()
    for _ in range(LOOKS):
        living = [one for one, silent in at_work.silences().items() if silent < LIVES]
        if not living:
            return
        pause.wait(_PAUSE_SECONDS)
    raise NeedsHuman(
        "at_work",
        f"a worker is at work that may not run on schema {target}: stop everything first",
    )


def _lets_on(now: str, target: ModuleType) -> bool:
    """Whether code that made schema `now` may run on what `target` makes."""
    target_revision: str = target.revision
    oldest: str = getattr(target, "oldest_code", target_revision)
    return target_revision == now or oldest <= now < target_revision


def _take_tables(connection: Connection) -> None:
    """All of ours at once, on PostgreSQL: what is changed then waits for nobody."""
    if connection.dialect.name != "postgresql":
        return
    ours = [name for name in inspect(connection).get_table_names() if name.startswith("mg_")]
    if ours:
        connection.execute(text(f"SET LOCAL statement_timeout = '{_TAKE_WITHIN}'"))
        connection.execute(text(f"LOCK TABLE {', '.join(sorted(ours))} IN ACCESS EXCLUSIVE MODE"))
        connection.execute(text("SET LOCAL statement_timeout TO DEFAULT"))


def _revision_of(connection: Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()


def _say_who_may_run(connection: Connection, migration: ModuleType) -> None:
    """Each migration since 0003 names the oldest code that may run on what it makes."""
    oldest: str | None = getattr(migration, "oldest_code", None)
    if oldest is not None:
        statement = text(f"UPDATE {VERSION_TABLE} SET oldest_code = :oldest")  # noqa: S608 - a constant
        connection.execute(statement, {"oldest": oldest})
