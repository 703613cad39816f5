"""The durable engine behind a few words: the only module that knows DBOS.

Work is named by its row and how often the row was woken, so the same work is started at most once,
and a worker that was killed resumes it. The engine keeps its own tables, in a file of its own on
SQLite; losing them loses nothing, since every row that is due is found again. It never keeps what
went wrong in full: an error's text may hold a customer's data.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dbos import DBOS, DBOSConfig, SetWorkflowID
from sqlalchemy import Engine as SqlEngine
from sqlalchemy import create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from plugin.domain.errors import MakegoodError
from plugin.storage.database import choose_sqlite
from plugin.storage.tables import SCHEMA_VERSION

Task = Callable[[str, str], None]
"""(tenant, ref) -> nothing: does what is due for one row. Safe to run again at any point."""

_OVER = frozenset({"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})
_tasks: dict[str, Task] = {}
_log = logging.getLogger("makegood.engine")


class TaskFailed(Exception):
    """A task ended in an error; the log says of which kind. Carries nothing: it is kept."""


@DBOS.step()
def _run_task(kind: str, tenant: str, ref: str) -> None:
    try:
        _tasks[kind](tenant, ref)
    except Exception as error:  # noqa: BLE001 - whatever it was, the engine must be able to keep it
        word = error.code if isinstance(error, MakegoodError) else type(error).__name__
        _log.error("task.failed kind=%s ref=%s error=%s", kind, ref, word)
        raise TaskFailed from None


@DBOS.workflow()
def _work(kind: str, tenant: str, ref: str) -> None:
    """One short workflow per wake of a row. It never waits for a person: the row does."""
    _run_task(kind, tenant, ref)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a name is, and which executor had it last.

    It may be dead: the engine never has another one go on.
    """

    is_over: bool
    executor: str | None


@dataclass(frozen=True, slots=True)
class Engine:
    """A launched engine. One per process."""

    executor: str

    def start(self, kind: str, name: str, tenant: str, ref: str) -> None:
        """Start the task of `kind` for one row; a name that was started is not started again."""
        with SetWorkflowID(name):
            DBOS.start_workflow(_work, kind, tenant, ref)

    def standing_of(self, name: str) -> Standing | None:
        """How far `name` is, or None when it was never started."""
        status = DBOS.get_workflow_status(name)
        return None if status is None else Standing(status.status in _OVER, status.executor_id)

    def stop(self, timeout_seconds: int) -> None:
        """Finish what runs, within `timeout_seconds`, and let go of the database."""
        DBOS.destroy(workflow_completion_timeout_sec=timeout_seconds)


def launch(database: str | Path, executor: str, tasks: Mapping[str, Task]) -> Engine:
    """Launch the engine on its SQLite file or PostgreSQL address, and resume what was under way.

    `executor` must be stable for a worker and different between workers: two live ones with one
    name would run the same steps twice.
    """
    _tasks.clear()
    _tasks.update(tasks)
    logging.getLogger("dbos").setLevel(logging.WARNING)
    config = DBOSConfig(
        name="makegood",
        executor_id=executor,
        application_version=f"schema-{SCHEMA_VERSION}",
        log_level="WARNING",
        enable_otlp=False,
    )
    if isinstance(database, Path):
        config["system_database_engine"] = _sqlite_engine(database)
        config["system_database_url"] = f"sqlite:///{database}"
    else:
        config["system_database_url"] = database
    DBOS(config=config)
    DBOS.launch()
    return Engine(executor)


def _sqlite_engine(path: Path) -> SqlEngine:
    """A plain engine: DBOS's own migrations fail under our `BEGIN IMMEDIATE` listener."""
    engine = create_engine(
        f"sqlite:///{path}",
        module=choose_sqlite(),
        connect_args={"timeout": 10},
        hide_parameters=True,
    )
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    del record
    cursor = connection.cursor()
    for pragma in ("busy_timeout=10000", "journal_mode=WAL", "synchronous=FULL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
