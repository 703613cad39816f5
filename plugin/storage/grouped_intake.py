"""Deliveries committed in groups: one thread of each process writes what its requests hand over.

A sync takes as long for thirty rows as for one. So the thread lines up, takes in whoever has come
meanwhile, and commits once; only then does each request get its answer. What breaks the commit is
told to every request of the group; what is wrong with one row, to its own. For SQLite: PostgreSQL
groups commits by itself. It knows the driver and no more: per row SQLAlchemy costs ten times this.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from typing import Final, cast

from sqlalchemy import Engine, PoolProxiedConnection, event

from plugin.domain.errors import RetryLater
from plugin.ports.records import StoredDelivery
from plugin.storage.database import BUSY_MS
from plugin.storage.delivery_rows import driver_insert, driver_values
from plugin.storage.disk import heed
from plugin.storage.queued_connection import QueuedConnection

MOST_IN_GROUP: Final = 256
IDLE_SECONDS: Final = 5.0
"""After so long without work the thread ends, and its connection is closed."""
_log = logging.getLogger("makegood.intake")


class _Ticket:
    """One delivery on its way to the disk, and the request that waits for it.

    `is_new` stays None until its group is committed: whatever goes wrong, nobody is thanked.
    """

    __slots__ = ("answered", "is_abandoned", "is_new", "values")

    def __init__(self, values: Sequence[object]) -> None:
        self.values = values
        self.is_new: bool | None = None
        self.is_abandoned = False
        self.answered = threading.Lock()
        self.answered.acquire()


class GroupedIntake:
    """The intake of one database. Threads and connections come with the first delivery.

    Safe to make before a fork: each process has a writer of its own.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        patience_seconds: float = BUSY_MS / 1000,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._engine = engine
        self._patience_seconds = patience_seconds
        self._idle_seconds = idle_seconds
        self._writers: dict[int, _Writer] = {}
        event.listen(engine, "engine_disposed", self._drain)

    def take_in(self, delivery: StoredDelivery) -> bool:
        """Wait until it is committed. False when its name was there before.

        Raises RetryLater when it is not known to be committed within the patience.
        """
        ticket = _Ticket(driver_values(delivery))
        process = os.getpid()
        writer = self._writers.get(process) or self._writers.setdefault(
            process, _Writer(self._engine, self._idle_seconds)
        )
        writer.hand_over(ticket)
        if not ticket.answered.acquire(timeout=self._patience_seconds):
            ticket.is_abandoned = True
            raise RetryLater("intake_busy", f"not committed in {self._patience_seconds:g} seconds")
        if ticket.is_new is None:
            raise RetryLater("intake_failed", "the log says why")
        return ticket.is_new

    def _drain(self, _engine: Engine) -> None:
        """The database is being left: what waits is written first, and nothing stays open."""
        writer = self._writers.get(os.getpid())
        if writer is not None:
            writer.end(self._patience_seconds)


class _Writer:
    """What is waiting in one process, and the thread that writes it while there is any."""

    def __init__(self, engine: Engine, idle_seconds: float) -> None:
        self._engine = engine
        self._idle_seconds = idle_seconds
        self._waiting: SimpleQueue[_Ticket | None] = SimpleQueue()
        self._insert = driver_insert(engine.dialect)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def hand_over(self, ticket: _Ticket) -> None:
        """Raises RetryLater where the machine has no thread left for us; then nothing waits."""
        with self._starting:  # the thread must not end between the look and the hand-over
            if self._thread is None:
                thread = threading.Thread(target=self._write, name="intake", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    raise RetryLater("intake_busy", "no thread could be started") from error
                self._thread = thread  # not before: one that never ran would be waited for always
            self._waiting.put(ticket)

    def end(self, patience_seconds: float) -> None:
        """Write what waits, and wait until the thread is over."""
        with self._starting:
            thread = self._thread
            if thread is None:
                return
            self._waiting.put(None)
        thread.join(patience_seconds)

    def _write(self) -> None:
        # Apart from the engine's connections: this one is never another thread's, and never a copy
        # of one that was open before a fork.
        pool = self._engine.pool.recreate()
        connection: PoolProxiedConnection | None = None
        while (first := self._next()) is not None:
            group = [first]
            news: Sequence[bool] = ()
            try:
                connection = connection or pool.connect()
                news = self._commit(connection, group)
            except Exception as error:  # noqa: BLE001 - whatever it was, the requests must hear of it
                heed(error)
                _log.error("intake.group_failed size=%d kind=%s", len(group), type(error).__name__)
                if connection is not None:
                    connection.invalidate()
                    connection = None
            finally:
                for ticket in group:
                    ticket.answered.release()
            _log.info("intake.taken deliveries=%d new=%d", len(news), sum(news))
        if connection is not None:
            connection.close()
        pool.dispose()

    def _next(self) -> _Ticket | None:
        """The next to write; None when none came for long, or the end was said."""
        while True:
            try:
                ticket = self._waiting.get(timeout=self._idle_seconds)
            except Empty:
                ticket = None
            if ticket is not None:
                return ticket
            with self._starting:
                if self._waiting.empty():
                    self._thread = None
                    return None

    def _commit(self, connection: PoolProxiedConnection, group: list[_Ticket]) -> Sequence[bool]:
        """Write `group` and all who came meanwhile, who are added to it, with one commit.

        Returns for each row that is kept whether it is new.
        """
        driver = cast("QueuedConnection", connection.dbapi_connection)
        driver.line_up(None)
        while len(group) < MOST_IN_GROUP and not self._waiting.empty():
            ticket = self._waiting.get()
            if ticket is None:  # the end was said: it comes after this group
                self._waiting.put(None)
                break
            group.append(ticket)
        cursor = connection.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        news: list[tuple[_Ticket, bool]] = []
        for ticket in group:
            if ticket.is_abandoned:
                continue
            try:
                cursor.execute(self._insert, ticket.values)
                news.append((ticket, cursor.fetchone() is not None))
            except Exception as error:
                if not driver.in_transaction:
                    raise
                # One statement undoes itself and leaves the others alone.
                _log.error("intake.row_failed kind=%s", type(error).__name__)
        cursor.close()
        connection.commit()
        for ticket, is_new in news:
            ticket.is_new = is_new
        return [is_new for _, is_new in news]
