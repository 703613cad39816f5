"""Deliveries committed one by one: PostgreSQL groups the commits of many connections by itself.

One statement per delivery, which is a transaction by itself, on a connection that its thread keeps:
a pool's look whether a connection still lives would cost as much as the insert. Where it does not
live any more the delivery is written again on a new one, which its name makes safe.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence

from sqlalchemy import Engine, PoolProxiedConnection, event

from plugin.domain.errors import RetryLater
from plugin.ports.records import StoredDelivery
from plugin.storage.delivery_rows import driver_insert, driver_row

_log = logging.getLogger("makegood.intake")


class PlainIntake:
    """The intake of one database. Each thread's connection comes with its first delivery."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._insert = driver_insert(engine.dialect)
        self._mine = threading.local()
        self._guard = threading.Lock()
        self._open: list[tuple[int, PoolProxiedConnection]] = []
        event.listen(engine, "engine_disposed", self._close_all)

    def take_in(self, delivery: StoredDelivery) -> bool:
        """False when its name was there before.

        Raises RetryLater where it is not known to be committed.
        """
        row = driver_row(delivery)
        errors = self._engine.dialect.loaded_dbapi.Error
        try:
            is_new = self._written(row)
        except errors:
            try:
                is_new = self._written(row)
            except errors as error:
                # Its kind alone: what it says may hold the delivery.
                raise RetryLater("intake_failed", type(error).__name__) from None
        _log.info("intake.taken deliveries=1 new=%d", is_new)
        return is_new

    def _written(self, row: dict[str, object]) -> bool:
        connection = self._connection()
        try:
            cursor = connection.cursor()
            cursor.execute(self._insert, row)
            found: Sequence[object] | None = cursor.fetchone()
            cursor.close()
        except BaseException:
            self._drop(connection)
            raise
        return found is not None

    def _connection(self) -> PoolProxiedConnection:
        """This thread's, in this process: what a fork copied is the parent's."""
        kept: tuple[int, PoolProxiedConnection] | None = getattr(self._mine, "kept", None)
        if kept is not None and kept[0] == os.getpid() and kept[1].is_valid:
            return kept[1]
        connection = self._engine.pool.recreate().connect()
        connection.dbapi_connection.autocommit = True  # type: ignore[union-attr]  # psycopg's own
        mine = (os.getpid(), connection)
        with self._guard:
            self._open.append(mine)
        self._mine.kept = mine
        return connection

    def _drop(self, connection: PoolProxiedConnection) -> None:
        with self._guard:
            self._open = [one for one in self._open if one[1] is not connection]
        connection.invalidate()

    def _close_all(self, engine: Engine) -> None:
        del engine
        with self._guard:
            closing, self._open = self._open, []
        for process, connection in closing:
            if process == os.getpid():  # to close a copy would end the parent's
                connection.invalidate()
