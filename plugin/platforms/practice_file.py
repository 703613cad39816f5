"""The file in which practice keeps its pretended shop and desk: SQLite, one per tenant.

Web and worker share it, so every piece of work is one short transaction on a connection of its own,
and writers queue up. It is the vendor's side, not ours: no row of Makegood's lies here.

It keeps SQLite's rollback journal, so the fault of older releases in the write-ahead log does not
touch it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from plugin.domain.errors import NeedsHuman, OutcomeUnknown, RetryLater

_PATIENCE_SECONDS = 10
_VERSION = 1
_SCHEMA = (
    "CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE orders (
        ref TEXT PRIMARY KEY, number TEXT NOT NULL, email TEXT NOT NULL, address TEXT NOT NULL,
        name TEXT NOT NULL, contact TEXT, bought_at TEXT NOT NULL, currency TEXT NOT NULL)""",
    "CREATE INDEX orders_email ON orders (email)",
    "CREATE INDEX orders_number ON orders (number)",
    """CREATE TABLE lines (
        order_ref TEXT NOT NULL REFERENCES orders, place INTEGER NOT NULL, ref TEXT NOT NULL,
        title TEXT NOT NULL, product TEXT NOT NULL, paid INTEGER NOT NULL, kind TEXT, gives TEXT,
        usage TEXT, term TEXT, subscription TEXT, PRIMARY KEY (order_ref, place))""",
    """CREATE TABLE payments (
        ref TEXT PRIMARY KEY, order_ref TEXT NOT NULL REFERENCES orders, place INTEGER NOT NULL,
        label TEXT NOT NULL, captured INTEGER NOT NULL, disputed INTEGER NOT NULL,
        dispute_open INTEGER NOT NULL, route TEXT NOT NULL, fee_kept INTEGER,
        partial INTEGER NOT NULL, mood TEXT NOT NULL)""",
    "CREATE INDEX payments_order ON payments (order_ref)",
    """CREATE TABLE refunds (
        ref TEXT PRIMARY KEY, payment TEXT NOT NULL REFERENCES payments, amount INTEGER NOT NULL,
        at TEXT NOT NULL, key TEXT NOT NULL UNIQUE, state TEXT NOT NULL,
        vain_looks INTEGER NOT NULL)""",
    "CREATE INDEX refunds_payment ON refunds (payment)",
    """CREATE TABLE subscriptions (
        ref TEXT PRIMARY KEY, order_ref TEXT NOT NULL REFERENCES orders, status TEXT NOT NULL,
        paid_until TEXT, renews INTEGER, renews_at TEXT)""",
    """CREATE TABLE holdings (
        email TEXT NOT NULL, kind TEXT NOT NULL, ref TEXT NOT NULL, name TEXT NOT NULL,
        PRIMARY KEY (email, kind, ref))""",
    "CREATE TABLE products (ref TEXT PRIMARY KEY, name TEXT NOT NULL)",
    """CREATE TABLE things (
        kind TEXT NOT NULL, ref TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (kind, ref))""",
    """CREATE TABLE tickets (
        id TEXT PRIMARY KEY, shows TEXT NOT NULL, subject TEXT NOT NULL, name TEXT NOT NULL,
        emails TEXT NOT NULL, is_open INTEGER NOT NULL, locale TEXT NOT NULL, text TEXT NOT NULL,
        asked_at TEXT NOT NULL)""",
    """CREATE TABLE ticket_tags (
        ticket TEXT NOT NULL REFERENCES tickets, tag TEXT NOT NULL, PRIMARY KEY (ticket, tag))""",
    """CREATE TABLE messages (
        place INTEGER PRIMARY KEY AUTOINCREMENT, ticket TEXT NOT NULL REFERENCES tickets,
        kind TEXT NOT NULL, body TEXT NOT NULL, at TEXT NOT NULL, marker TEXT NOT NULL,
        UNIQUE (ticket, marker))""",
)
_YOUNGER = (
    """CREATE TABLE IF NOT EXISTS news (
        place INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, at TEXT NOT NULL,
        body TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS news_at ON news (at)",
    """CREATE TABLE IF NOT EXISTS ticket_fields (
        ticket TEXT PRIMARY KEY REFERENCES tickets, value TEXT NOT NULL)""",
)
"""What a file of the first release may lack. That release goes on with a file that has it."""
_COUNT_YOUNGER = "SELECT count(*) FROM sqlite_master WHERE name IN ('news_at', 'ticket_fields')"
_YOUNGER_COUNT = 2
_TABLES = (  # what refers to others goes first
    "news",
    "ticket_fields",
    "messages",
    "ticket_tags",
    "tickets",
    "things",
    "products",
    "holdings",
    "subscriptions",
    "refunds",
    "payments",
    "lines",
    "orders",
    "about",
)


class PracticeFile:
    """The file at `path`; it is made on first use. Its folder must exist.

    Both kinds of work raise NeedsHuman where something else lies at `path`.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent picture. Raises RetryLater where the file does not answer."""
        try:
            with closing(self._opened()) as db:
                db.execute("BEGIN")
                yield db
        except sqlite3.OperationalError:
            raise RetryLater("practice_unavailable") from None

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, committed at the end and undone by any exception.

        Raises RetryLater where nothing was written, OutcomeUnknown where only the disk knows.
        """
        committing = False
        try:
            with closing(self._opened()) as db:
                db.execute("BEGIN IMMEDIATE")
                yield db  # closing without a commit undoes it
                committing = True
                db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if committing and error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise OutcomeUnknown("practice_commit") from None
            raise RetryLater("practice_unavailable") from None

    def empty(self) -> None:
        """Forget everything, the fact that it was seeded too."""
        with self.writing() as db:
            for table in _TABLES:
                db.execute(f"DELETE FROM {table}")  # noqa: S608 - names from the list above

    def _opened(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=_PATIENCE_SECONDS, isolation_level=None)
        try:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA foreign_keys = ON")
            if _version_of(db) != _VERSION:
                _create(db)
            elif db.execute(_COUNT_YOUNGER).fetchone()[0] < _YOUNGER_COUNT:
                _add_younger(db)
        except sqlite3.OperationalError:
            db.close()
            raise
        except sqlite3.DatabaseError:
            db.close()
            raise NeedsHuman(
                "practice_file_unreadable", "remove it, start practice again"
            ) from None
        return db


def _version_of(db: sqlite3.Connection) -> int:
    row: sqlite3.Row = db.execute("PRAGMA user_version").fetchone()
    return int(row[0])


def _create(db: sqlite3.Connection) -> None:
    """Make the tables. Two processes may come here at once: the second finds them made."""
    db.execute("BEGIN IMMEDIATE")
    if _version_of(db) != _VERSION:
        for statement in (*_SCHEMA, *_YOUNGER):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {_VERSION}")
    db.execute("COMMIT")


def _add_younger(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    for statement in _YOUNGER:
        db.execute(statement)
    db.execute("COMMIT")
