"""The pretended helpdesk behind the practice platform: tickets, their conversation and tags.

It plays the vendor: a marker that stands in a ticket is never written twice, and nothing is sent to
anybody. `now` always comes from the caller.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from plugin.domain.errors import Refused
from plugin.domain.ids import TicketId, customer_key
from plugin.platforms.practice_file import PracticeFile
from plugin.platforms.practice_rows import instant
from plugin.ports import Changed, Ticket

TICKET_FIELD = "refund"
"""The only ticket field that this desk knows beside its own."""


class MessageKind(StrEnum):
    """Who wrote, and for whom: the customer, us to the customer, or us to ourselves."""

    CUSTOMER = "customer"
    REPLY = "reply"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Message:
    """One part of a conversation."""

    kind: MessageKind
    body: str
    at: datetime


@dataclass(frozen=True, slots=True)
class TicketLine:
    """One ticket in the desk's list. `shows` is what there is to learn from it."""

    id: TicketId
    shows: str
    subject: str
    name: str


class PracticeTickets:
    """The desk's side of the file at `path`. Safe for several processes at once."""

    def __init__(self, path: str | Path) -> None:
        self._file = PracticeFile(path)

    def add_ticket(self, ticket: Ticket, asked_at: datetime) -> None:
        """One more ticket beside the cases."""
        with self._file.writing() as db:
            insert_ticket(db, ticket, asked_at)

    def list_tickets(self) -> tuple[TicketLine, ...]:
        """All tickets, in the order of the cases."""
        wanted = "SELECT id, shows, subject, name FROM tickets ORDER BY rowid"
        with self._file.reading() as db:
            return tuple(TicketLine(TicketId(row["id"]), *row[1:]) for row in db.execute(wanted))

    def read_ticket(self, ticket: TicketId) -> Ticket | None:
        """The ticket as it is now, or None."""
        with self._file.reading() as db:
            row = db.execute("SELECT * FROM tickets WHERE id = ?", (ticket,)).fetchone()
            if row is None:
                return None
            tags = db.execute(
                "SELECT tag FROM ticket_tags WHERE ticket = ? ORDER BY tag", (ticket,)
            )
            return Ticket(
                id=TicketId(row["id"]),
                subject=row["subject"],
                name=row["name"],
                emails=tuple(json.loads(row["emails"])),
                tags=tuple(tag["tag"] for tag in tags),
                open=bool(row["is_open"]),
                locale=row["locale"],
                text=row["text"],
            )

    def conversation(self, ticket: TicketId) -> tuple[Message, ...]:
        """What was said, oldest first; empty where there is no such ticket."""
        with self._file.reading() as db:
            asked = db.execute("SELECT text, asked_at FROM tickets WHERE id = ?", (ticket,))
            first = [
                Message(MessageKind.CUSTOMER, row["text"], instant(row["asked_at"]))
                for row in asked
            ]
            said = db.execute(
                "SELECT kind, body, at FROM messages WHERE ticket = ? ORDER BY place", (ticket,)
            )
            return (
                *first,
                *(Message(MessageKind(r["kind"]), r["body"], instant(r["at"])) for r in said),
            )

    def find_open_tickets(self, email: str) -> tuple[TicketId, ...]:
        """Open tickets of exactly this address."""
        wanted = "SELECT id, emails FROM tickets WHERE is_open ORDER BY rowid"
        with self._file.reading() as db:
            rows = db.execute(wanted).fetchall()
        key = customer_key(email)
        return tuple(
            TicketId(row["id"])
            for row in rows
            if key in {customer_key(address) for address in json.loads(row["emails"])}
        )

    def write(
        self,
        kind: MessageKind,
        ticket: TicketId,
        body: str,
        marker: str,
        now: datetime,
        tags: Sequence[str] = (),
        field: str = "",
    ) -> Changed:
        """Add a message and tags in one write, once per marker, and set the ticket's field.

        Refused: no ticket, or closed.
        """
        with self._file.writing() as db:
            row = db.execute("SELECT is_open FROM tickets WHERE id = ?", (ticket,)).fetchone()
            if row is None:
                raise Refused("no_such_ticket")
            stands = _stands(db, ticket, marker)
            if not stands and not row["is_open"]:
                raise Refused("ticket_closed")
            if field and row["is_open"]:
                db.execute("INSERT OR REPLACE INTO ticket_fields VALUES (?, ?)", (ticket, field))
            if stands:
                return Changed.ALREADY
            db.execute(
                "INSERT INTO messages (ticket, kind, body, at, marker) VALUES (?, ?, ?, ?, ?)",
                (ticket, kind, body, now.isoformat(), marker),
            )
            for tag in tags:
                db.execute("INSERT OR IGNORE INTO ticket_tags VALUES (?, ?)", (ticket, tag))
            return Changed.DONE

    def field(self, ticket: TicketId) -> str:
        """What stands in the ticket's field; empty where nothing was set."""
        wanted = "SELECT value FROM ticket_fields WHERE ticket = ?"
        with self._file.reading() as db:
            row = db.execute(wanted, (ticket,)).fetchone()
        return "" if row is None else str(row["value"])

    def has_marker(self, ticket: TicketId, marker: str) -> bool:
        """Whether a message with this marker stands in the ticket."""
        with self._file.reading() as db:
            return _stands(db, ticket, marker)


def _stands(db: sqlite3.Connection, ticket: TicketId, marker: str) -> bool:
    wanted = "SELECT 1 FROM messages WHERE ticket = ? AND marker = ?"
    return db.execute(wanted, (ticket, marker)).fetchone() is not None


def insert_ticket(
    db: sqlite3.Connection, ticket: Ticket, asked_at: datetime, shows: str = ""
) -> None:
    """Put a ticket into the file, inside a transaction. `shows`: what there is to learn from it."""
    db.execute(
        "INSERT INTO tickets VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            ticket.id,
            shows,
            ticket.subject,
            ticket.name,
            json.dumps(ticket.emails),
            ticket.open,
            ticket.locale,
            ticket.text,
            asked_at.isoformat(),
        ),
    )
    for tag in ticket.tags:
        db.execute("INSERT INTO ticket_tags VALUES (?, ?)", (ticket.id, tag))
