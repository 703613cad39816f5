"""Connections that stay open for a moment, so that the next read need not make one.

Most of a short call is the way there: an address, a connection, a TLS handshake. What rests here
carries no key and no customer: a request names its own. It is for reads only, since a connection
that rested may be dead, and a write on it would have an outcome that nobody knows.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from typing import Final

from urllib3.connection import HTTPConnection
from urllib3.util.connection import is_connection_dropped

from plugin.platforms.clockwork import Alarm, clockwork

Way = tuple[str, str, bool, str]
"""Scheme, `host:port`, whether the place may lie inside, and whose certificates are trusted."""

REST_SECONDS: Final = 4.0
"""Servers close what rests after five seconds and more; who closes first knows it."""
MOST: Final = 64
"""In all, so that many accounts do not use up the process's open files."""


class KeptConnections:
    """One process's connections at rest. Safe to share between threads."""

    def __init__(self, rest_seconds: float = REST_SECONDS, most: int = MOST) -> None:
        self._rest_seconds = rest_seconds
        self._most = most
        self._lock = threading.Lock()
        self._resting: OrderedDict[HTTPConnection, tuple[Way, Alarm]] = OrderedDict()
        os.register_at_fork(after_in_child=self._begin_anew)

    def take(self, way: Way) -> HTTPConnection | None:
        """The one of this way that was kept last, if it still lives; it is the caller's now."""
        while (connection := self._taken(way)) is not None:
            if not is_connection_dropped(connection):
                return connection
            connection.close()
        return None

    def keep(self, way: Way, connection: HTTPConnection) -> None:
        """Let it rest, and close it when nobody took it in time, or too many rest."""
        alarm = clockwork.ring_in(self._rest_seconds, lambda: self._close(connection))
        oldest = None
        with self._lock:
            self._resting[connection] = (way, alarm)
            if len(self._resting) > self._most:
                oldest, (_, of_oldest) = self._resting.popitem(last=False)
                of_oldest.call_off()
        if oldest is not None:
            oldest.close()

    def _taken(self, way: Way) -> HTTPConnection | None:
        with self._lock:
            for connection, (its_way, alarm) in reversed(self._resting.items()):
                if its_way == way:
                    alarm.call_off()
                    del self._resting[connection]
                    return connection
        return None

    def _close(self, connection: HTTPConnection) -> None:
        with self._lock:
            is_resting = self._resting.pop(connection, None) is not None
        if is_resting:
            connection.close()

    def _begin_anew(self) -> None:
        # A fork's copies: two that speak on one connection read each other's answers.
        self._lock = threading.Lock()
        self._resting = OrderedDict()
