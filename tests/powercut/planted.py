"""The bugs that this harness must find."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from plugin.storage import database
from webhooks.inbox import Inbox


@contextmanager
def _synchronous(level: str) -> Iterator[None]:
    """Connections that do not wait for the disk at each commit."""
    prepare = database._prepare_sqlite

    def prepare_carelessly(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        prepare(connection, record)
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA synchronous={level}")
        cursor.close()

    with patch.object(database, "_prepare_sqlite", prepare_carelessly):
        yield


@contextmanager
def _thanks_before_commit() -> Iterator[None]:
    """A door that says thanks, and commits with the next delivery."""
    take_in = Inbox.take_in
    late: list[Callable[[], object]] = []

    def take_in_later(inbox: Inbox, *given: Any, **named: Any) -> bool:  # noqa: ANN401 - passed on
        for take in late:
            take()
        late[:] = [lambda: take_in(inbox, *given, **named)]
        return True

    with patch.object(Inbox, "take_in", take_in_later):
        yield


PLANTED: Mapping[str, Callable[[], AbstractContextManager[None]]] = MappingProxyType(
    {
        "normal": lambda: _synchronous("NORMAL"),
        "off": lambda: _synchronous("OFF"),
        "early_thanks": _thanks_before_commit,
    }
)
