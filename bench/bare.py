"""The least that a durable intake can do: check an HMAC, commit the body with others, answer 200.

What Makegood's intake is measured against. It knows one secret, one table with one index, no
tenant, no JSON and no log. Started as `python -m bench.bare PORT FOLDER`, or with the address of a
PostgreSQL database behind it: then each body is committed by itself, since that server groups.
"""

from __future__ import annotations

import fcntl
import hmac
import os
import queue
import sys
import threading
from pathlib import Path
from typing import Final

import psycopg
from flask import Flask, Response, request
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from plugin.storage.database import choose_sqlite

SECRET: Final = b"a-secret-made-for-the-bench"
ID_HEADER: Final = "X-Webhook-Message-Id"
SIGNATURE_HEADER: Final = "X-Webhook-Signature"
FOLDER: Final = "BARE_FOLDER"
DATABASE: Final = "BARE_DATABASE"
MOST: Final = 256


class Ticket:
    """A body on its way to the disk. `done` is free once it is there, or `failed` is set."""

    __slots__ = ("body", "done", "failed", "id")

    def __init__(self, delivery_id: str, body: bytes) -> None:
        self.id = delivery_id
        self.body = body
        self.failed = False
        self.done = threading.Lock()
        self.done.acquire()


class Grouped:
    """One thread that writes for all others of its process, one sync per group."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: queue.SimpleQueue[Ticket] = queue.SimpleQueue()
        threading.Thread(target=self._write, daemon=True).start()

    def put(self, ticket: Ticket) -> bool:
        self._waiting.put(ticket)
        return ticket.done.acquire(timeout=10) and not ticket.failed

    def _write(self) -> None:
        db = choose_sqlite().connect(self._folder / "bare.sqlite", isolation_level=None)
        db.executescript(
            "PRAGMA busy_timeout=10000; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
            "CREATE TABLE IF NOT EXISTS inbox (id TEXT PRIMARY KEY, body BLOB NOT NULL)"
        )
        turn = (self._folder / "bare.lock").open("wb")
        while True:
            group = [self._waiting.get()]
            fcntl.flock(turn, fcntl.LOCK_EX)
            while len(group) < MOST and not self._waiting.empty():
                group.append(self._waiting.get())
            try:
                db.execute("BEGIN IMMEDIATE")
                for ticket in group:
                    db.execute(
                        "INSERT INTO inbox VALUES (?, ?) ON CONFLICT DO NOTHING",
                        (ticket.id, ticket.body),
                    )
                db.execute("COMMIT")
            except Exception:  # noqa: BLE001 - whatever it was, nobody may be thanked
                for ticket in group:
                    ticket.failed = True
            finally:
                fcntl.flock(turn, fcntl.LOCK_UN)
            for ticket in group:
                ticket.done.release()


class OneByOne:
    """Each body committed by itself, on a connection of its thread."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._mine = threading.local()

    def put(self, ticket: Ticket) -> bool:
        if not hasattr(self._mine, "db"):
            self._mine.db = psycopg.connect(self._database)
        self._mine.db.execute(
            "INSERT INTO inbox VALUES (%s, %s) ON CONFLICT DO NOTHING", (ticket.id, ticket.body)
        )
        self._mine.db.commit()
        return True


def web_worker() -> Flask:
    """What each server process serves."""
    app = Flask("bare", static_folder=None)
    database = os.environ.get(DATABASE)
    inbox = OneByOne(database) if database else Grouped(Path(os.environ[FOLDER]))

    def receive() -> Response:
        body = request.get_data()
        signature = request.headers.get(SIGNATURE_HEADER, "")
        if not hmac.compare_digest(hmac.digest(SECRET, body, "sha256").hex(), signature):
            return Response(status=401)
        if not inbox.put(Ticket(request.headers[ID_HEADER], body)):
            return Response(status=503)
        return Response(status=200)

    app.add_url_rule("/webhooks/bare", view_func=receive, methods=["POST"])
    return app


def main(port: str, folder: str, database: str = "") -> None:
    """Serve until told to end, with the database in `folder`, or the one named."""
    os.environ[FOLDER] = folder
    os.environ[DATABASE] = database
    if database:
        with psycopg.connect(database) as db:
            db.execute("CREATE TABLE inbox (id TEXT PRIMARY KEY, body BYTEA NOT NULL)")
    Granian(
        "bench.bare:web_worker",
        factory=True,
        address="127.0.0.1",
        port=int(port),
        interface=Interfaces.WSGI,
        workers=2,
        blocking_threads=4,
        log_level=LogLevels.warning,
    ).serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
