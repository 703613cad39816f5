"""Deliveries committed one by one: PostgreSQL groups the commits of many connections by itself.

One statement per delivery, which is a transaction by itself, on a connection that nobody else has
meanwhile. They are kept apart from the engine's: a pool's look whether a connection still lives
would cost as much as the insert. Where it does not live any more the delivery is written again on a
new one, which its name makes safe.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Sequence

from sqlalchemy import Engine, PoolProxiedConnection, event

from plugin.domain.errors import RetryLater
from plugin.ports.records import StoredDelivery
from plugin.storage.delivery_rows import driver_insert, driver_row

_log = logging.getLogger("makegood.intake")


class PlainIntake:
    """The intake of one database. It has as many connections as ever wrote at the same time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._insert = driver_insert(engine.dialect)
        self._free: deque[tuple[int, PoolProxiedConnection]] = deque()
        """Open and at rest, each with the process that opened it."""
        self._copies: list[PoolProxiedConnection] = []
        """A fork's copies of its parent's. Kept, since letting one go could end the parent's."""
        event.listen(engine, "engine_disposed", self._close_all)

    def take_in(self, delivery: StoredDelivery) -> bool:
        """False when its name was there before.

        Raises RetryLater where it is not known to be committed.
        """
        row = driver_row(delivery)
        errors = self._engine.dialect.loaded_dbapi.Error
        try:
            is_new = self._written(row, self._resting() or self._opened())
        except errors:
            try:
                # The others at rest may have died of the same, so this one is surely new.
                is_new = self._written(row, self._opened())
            except errors as error:
                # Its kind alone: what it says may hold the delivery.
                raise RetryLater("intake_failed", type(error).__name__) from None
        _log.info("intake.taken deliveries=1 new=%d", is_new)
        return is_new

    def _written(self, row: dict[str, object], connection: PoolProxiedConnection) -> bool:
        try:
            cursor = connection.cursor()
            cursor.execute(self._insert, row)
            found: Sequence[object] | None = cursor.fetchone()
            cursor.close()
        except BaseException:
            connection.invalidate()
            raise
        self._free.append((os.getpid(), connection))
        return found is not None

    def _resting(self) -> PoolProxiedConnection | None:
        """The last that was used: those that only a rush needed are left behind."""
        while True:
            try:
                process, connection = self._free.pop()
            except IndexError:
                return None
            if process == os.getpid():
                return connection
            self._copies.append(connection)

    def _opened(self) -> PoolProxiedConnection:
        connection = self._engine.pool.recreate().connect()
        connection.dbapi_connection.autocommit = True  # type: ignore[union-attr]  # psycopg's own
        return connection

    def _close_all(self, engine: Engine) -> None:
        del engine
        while (connection := self._resting()) is not None:
            connection.invalidate()
