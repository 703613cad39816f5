"""What a request does besides answering: writes to databases, to other files, calls outside.

Calls are refused before a packet leaves, by Python's own audit events, so that also a library in C
is heard. Writes are told by SQLite itself (`PRAGMA data_version`): any commit by anybody else.
"""

from __future__ import annotations

import logging
import os
import socket
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from plugin.logs import JsonLines
from plugin.storage.database import choose_sqlite

_CONNECTS: Final = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_NAMES: Final = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"})
_FILES: Final = frozenset({"open", "sqlite3.connect", "os.mkdir", "os.rename", "os.remove"})
_PROGRAMS: Final = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"})


def _writes(event: str, args: tuple[Any, ...]) -> bool:
    """Whether a file may be made or changed by this. SQLite opens for both unless told."""
    if not isinstance(args[0], str | bytes | os.PathLike):
        return False  # a handle that is open already
    if event == "open":
        return bool(args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    return True


class Calls:
    """The places that somebody tried to reach. One per process, since audit hooks never go."""

    def __init__(self) -> None:
        self.armed = False
        self.places: list[str] = []
        self.home = ""
        self.files: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.armed:
            return
        if event in _NAMES:
            self.places.append(str(args[0]))
            raise socket.gaierror(socket.EAI_NONAME, "no names here")
        if event in _CONNECTS:
            self.places.append(str(args[-1]))
            raise ConnectionRefusedError
        if event in _PROGRAMS:
            self.places.append(event)
            raise PermissionError
        if self.home and event in _FILES and _writes(event, args):
            path = os.path.realpath(os.fsdecode(args[0]))
            if not path.startswith(self.home):
                self.files.append(path)
                raise PermissionError

    def take_files(self) -> Sequence[str]:
        """The files outside of `home` that somebody wanted to write, since the last time."""
        if not self.files:
            return ()
        taken, self.files = self.files, []
        return taken

    def take(self) -> Sequence[str]:
        """The places since the last time."""
        if not self.places:
            return ()
        taken, self.places = self.places, []
        return taken


class Writes:
    """Whether anybody committed to the product's database or to practice's file."""

    def __init__(self, database: Path, practice: Path) -> None:
        # Each file by the SQLite that the product uses for it: two of them in one process would
        # let go of each other's locks.
        product: Any = choose_sqlite()
        self._watched = [product.connect(str(database)), sqlite3.connect(practice)]
        self._seen = self._versions()

    def _versions(self) -> list[int]:
        return [db.execute("PRAGMA data_version").fetchone()[0] for db in self._watched]

    def take(self) -> bool:
        """Whether there were writes since the last time."""
        now = self._versions()
        changed, self._seen = now != self._seen, now
        return changed

    def row(self, query: str, *values: str) -> tuple[Any, ...] | None:
        """One row of the product's database, read past the product."""
        found: tuple[Any, ...] | None = self._watched[0].execute(query, values).fetchone()
        return found

    def close(self) -> None:
        for db in self._watched:
            db.close()


class _Formatted(logging.Handler):
    """Makes every line as in production, and throws it away; what cannot be made is raised."""

    def emit(self, record: logging.LogRecord) -> None:
        self.format(record)


def log_to_nowhere() -> None:
    """Let all log lines be made, so that none of them can break on hostile content."""
    handler = _Formatted()
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
