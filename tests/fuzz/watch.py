"""What a request does besides answering: writes to databases, to other files, calls outside.

Calls are refused before a packet leaves, by Python's own audit events, so that also a library in C
is heard (but PostgreSQL's own, to its server). Writes are told by SQLite itself (`PRAGMA
data_version`): any commit by anybody else. On PostgreSQL a trigger on every table tells them.
"""

from __future__ import annotations

import logging
import os
import socket
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final, LiteralString

import psycopg
from sqlalchemy import make_url

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


class _File:
    """A SQLite file. `module` is the SQLite that the product uses for it.

    Two of them in one process would let go of each other's locks.
    """

    def __init__(self, module: ModuleType, path: Path) -> None:
        self._db = module.connect(str(path))

    def version(self) -> int:
        """Another one after each commit."""
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def row(self, query: str, values: Sequence[str]) -> tuple[Any, ...] | None:
        found: tuple[Any, ...] | None = self._db.execute(query, values).fetchone()
        return found

    def close(self) -> None:
        self._db.close()


_NOTES: Final = """
CREATE SCHEMA watch;
CREATE TABLE watch.notes (told boolean);
CREATE FUNCTION watch.note() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO watch.notes VALUES (true); RETURN NULL; END $$;
DO $$
DECLARE one record;
BEGIN
    FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('CREATE TRIGGER watched AFTER INSERT OR UPDATE OR DELETE ON public.%I '
            'FOR EACH ROW EXECUTE FUNCTION watch.note()', one.tablename);
    END LOOP;
END $$
"""


class _Server:
    """A database of PostgreSQL, whose tables note each row that anybody changes and commits."""

    def __init__(self, url: str) -> None:
        address = make_url(url).set(drivername="postgresql")
        self._db = psycopg.connect(address.render_as_string(hide_password=False), autocommit=True)
        self._db.execute(_NOTES)

    def version(self) -> int:
        """Another one after each commit that changed a row."""
        found = self._db.execute("SELECT count(*) FROM watch.notes").fetchone()
        assert found is not None
        return int(found[0])

    def row(self, query: LiteralString, values: Sequence[str]) -> tuple[Any, ...] | None:
        return self._db.execute(query.replace("?", "%s"), values).fetchone()

    def close(self) -> None:
        self._db.close()


class Writes:
    """Whether anybody committed to the product's database or to practice's files.

    `database`: the file's path, or PostgreSQL's address.
    """

    def __init__(self, database: Path | str, *practice: Path) -> None:
        self._product = (
            _Server(database) if isinstance(database, str) else _File(choose_sqlite(), database)
        )
        self._watched = [self._product, *(_File(sqlite3, path) for path in practice)]
        self._seen = self._versions()

    def _versions(self) -> list[int]:
        return [one.version() for one in self._watched]

    def take(self) -> bool:
        """Whether there were writes since the last time."""
        now = self._versions()
        changed, self._seen = now != self._seen, now
        return changed

    def row(self, query: LiteralString, *values: str) -> tuple[Any, ...] | None:
        """One row of the product's database, read past the product. `?` stands for a value."""
        return self._product.row(query, values)

    def close(self) -> None:
        for one in self._watched:
            one.close()


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
