"""The durable engine behind a few words: the only module that knows DBOS.

Work is named by its row and how often the row was woken, so the same work is started at most once,
and in one process only. The engine keeps its own tables, in a file of its own on SQLite; losing
them loses nothing, since every row that is due is found again. It never keeps what went wrong in
full: an error's text may hold a customer's data.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dbos import DBOS, DBOSConfig, SetWorkflowID, error
from sqlalchemy import Engine as SqlEngine
from sqlalchemy import create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from plugin.domain.errors import MakegoodError
from plugin.storage.database import choose_sqlite, postgres_options
from plugin.storage.tables import SCHEMA_VERSION

Task = Callable[[str, str], None]
"""(tenant, ref) -> nothing: does what is due for one row. Safe to run again at any point."""

_OVER = frozenset({"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})
_TAKEN_AWAY = "CANCELLED"
_BEGUN = "PENDING"
_IN_LINE = "ENQUEUED"
_tasks: dict[str, Task] = {}
_in_hand: set[str] = set()
"""The names that were started in this process and are not at their end."""
_ended = threading.Condition()
"""Told whenever one of them is."""
_log = logging.getLogger("makegood.engine")


class TaskFailed(Exception):
    """A task ended in an error; the log says of which kind. Carries nothing: it is kept."""


@DBOS.workflow()
def _work(kind: str, tenant: str, ref: str) -> None:
    """One short workflow per wake of a row. It never waits for a person: the row does.

    Without steps: a task may run again at any point, and a step would sync the disk twice to tell
    that the one thing in here is done, which the end of the workflow tells as well.
    """
    name = DBOS.workflow_id or ""
    _in_hand.add(name)
    try:
        _tasks[kind](tenant, ref)
    except Exception as error:  # noqa: BLE001 - whatever it was, the engine must be able to keep it
        word = error.code if isinstance(error, MakegoodError) else type(error).__name__
        _log.error("task.failed kind=%s ref=%s error=%s", kind, ref, word)
        raise TaskFailed from None
    finally:
        with _ended:
            _in_hand.discard(name)
            _ended.notify_all()


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a name is, and which executor had it last. `was_taken`: taken away from that one."""

    is_over: bool
    executor: str | None
    was_taken: bool = False


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Work that an executor began and did not end, as it was started."""

    name: str
    kind: str
    tenant: str
    ref: str
    executor: str | None

    @property
    def wakes(self) -> int:
        """Which wake of its row it is about."""
        return int(self.name.partition("/")[0].rpartition(":")[2])


@dataclass(frozen=True, slots=True)
class Engine:
    """A launched engine. One per process."""

    executor: str

    def start(self, kind: str, name: str, tenant: str, ref: str) -> bool:
        """Start the task of `kind` for one row. False: `name` was started before, by whomever."""
        _in_hand.add(name)
        try:
            with SetWorkflowID(name, workflow_id_reuse_policy="reject"):
                DBOS.start_workflow(_work, kind, tenant, ref)
        except error.DBOSWorkflowIDInUseError:
            _in_hand.discard(name)
            return False
        except BaseException:
            _in_hand.discard(name)
            raise
        return True

    def has_in_hand(self, name: str) -> bool:
        """Whether `name` was started here and is not at its end."""
        return name in _in_hand

    def wait_until_in_hand(self, most: int, seconds: float) -> bool:
        """Wait until no more than `most` are in hand here. False: that took all of `seconds`."""
        with _ended:
            return _ended.wait_for(lambda: len(_in_hand) <= most, seconds)

    def let_go(self, name: str) -> None:
        """Count `name` as in hand here no more: another process has it, or it hangs for good."""
        _in_hand.discard(name)

    def standings(self, names: Collection[str]) -> Mapping[str, Standing]:
        """How far each is; those that were never started are left out."""
        if not names:
            return {}
        found = DBOS.list_workflows(workflow_ids=list(names), load_input=False, load_output=False)
        return {
            status.workflow_id: Standing(
                status.status in _OVER, status.executor_id, status.status == _TAKEN_AWAY
            )
            for status in found
        }

    def unfinished(self, of: Collection[str] | None = None) -> Sequence[Unfinished]:
        """What these executors began and did not end; of None, all that this one has not in hand.

        What the engine itself put back in line is anyone's, so it counts only for None: there,
        nobody else is left to take it.
        """
        found = DBOS.list_workflows(
            status=[_BEGUN, _IN_LINE] if of is None else [_BEGUN],
            executor_id=None if of is None else list(of),
            load_output=False,
        )
        return [
            Unfinished(status.workflow_id, kind, tenant, ref, status.executor_id)
            for status in found
            if status.executor_id != self.executor and status.input is not None
            for kind, tenant, ref in [status.input["args"]]
        ]

    def take_away(self, name: str) -> None:
        """Whoever had `name` has it no more: it is over, and is begun nowhere. Twice is as once."""
        DBOS.cancel_workflow(name)

    def forget_ended(self, before: datetime, most: int) -> int:
        """Forget what was started before that time and is over, the oldest first."""
        ended = DBOS.list_workflows(
            status=sorted(_OVER),
            end_time=before.isoformat(),
            limit=most,
            load_input=False,
            load_output=False,
        )
        if ended:
            DBOS.delete_workflows([status.workflow_id for status in ended])
        return len(ended)

    def stop(self, timeout_seconds: int) -> bool:
        """Finish what runs, within `timeout_seconds`, and let go of the database.

        False where something had not come to its end by then.
        """
        DBOS.destroy(workflow_completion_timeout_sec=timeout_seconds)
        return not _in_hand


def launch(database: str | Path, executor: str, tasks: Mapping[str, Task]) -> Engine:
    """Launch the engine on its SQLite file or PostgreSQL address.

    `executor` must be another one at each launch: the engine resumes what an executor of the same
    name had begun, and two live ones would run the same work twice.
    """
    _in_hand.clear()
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
        # Its own say how long a connection may take to be made, and nothing of one that goes dead.
        config["db_engine_kwargs"] = postgres_options()
        config["sys_db_idle_transaction_timeout_sec"] = 0  # ours is among them
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
