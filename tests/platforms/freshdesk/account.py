"""The account inside the fake: agents, contacts and tickets, in the shapes of Freshdesk's pages.

Synthetic. It keeps what the rules of the real one turn on: an update replaces all tags, a deleted
ticket still answers and says so, one marked as spam takes no change, lists skip both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

Json = dict[str, Any]

DOMAIN = "acme"
API_KEY = "fd-synthetic-key"
APP_SECRET = "synthetic-app-secret-0123456789abcdef"

OWNER, AGENT, IN_GROUP, OUTSIDER, ASSIGNED, GONE, HELPER, SUPERVISOR, OF_OWN_ROLE = range(101, 110)
CUSTOMER = 201
GROUP, OTHER_GROUP = 11, 12
ACCOUNT_ADMIN, ADMIN, SUPERVISING, AGENT_ROLE, FALSE_ADMIN = range(31, 36)
OPEN, PENDING, RESOLVED, CLOSED, WAITING = 2, 3, 4, 5, 6

_START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, description: str = "", *faults: Json) -> None:
        super().__init__(status)
        self.status = status
        self.body: Json | None = (
            {"description": description, "errors": list(faults)} if description else None
        )


def agent(number: int, name: str, role: int, scope: int = 1, **more: Any) -> Json:  # noqa: ANN401 - any documented field
    return {
        "id": number,
        "available": True,
        "occasional": False,
        "signature": None,
        "ticket_scope": scope,
        "type": "support_agent",
        "group_ids": [],
        "role_ids": [role],
        "contact": {
            "active": True,
            "name": name,
            "email": f"{name.partition(' ')[0].lower()}@acme.test",
            "language": "en",
        },
        **more,
    }


def _agents() -> dict[int, Json]:
    listed = [
        agent(OWNER, "Olga Owner", ACCOUNT_ADMIN),
        agent(AGENT, "Ada Agent", AGENT_ROLE),
        agent(IN_GROUP, "Gus Group", AGENT_ROLE, 2, group_ids=[GROUP]),
        agent(OUTSIDER, "Otto Outside", AGENT_ROLE, 2, group_ids=[OTHER_GROUP]),
        agent(ASSIGNED, "Asta Assigned", AGENT_ROLE, 3),
        agent(GONE, "Gero Gone", AGENT_ROLE),
        agent(HELPER, "Hella Helper", AGENT_ROLE, type="collaborator"),
        agent(SUPERVISOR, "Sue Supervisor", SUPERVISING),
        agent(OF_OWN_ROLE, "Rita Role", FALSE_ADMIN),
    ]
    people = {one["id"]: one for one in listed}
    people[GONE]["contact"]["active"] = False
    return people


def _roles() -> list[Json]:
    names = ["Account Administrator", "Administrator", "Supervisor", "Agent"]
    roles = [{"id": 31 + at, "name": name, "default": True} for at, name in enumerate(names)]
    return [*roles, {"id": FALSE_ADMIN, "name": "Administrator", "default": False}]


_OWN_FIELDS: list[Json] = [
    {"id": 71, "name": "subject", "label": "Subject", "type": "default_subject"},
    {"id": 72, "name": "cf_reason", "label": "Reason", "type": "custom_dropdown"},
    {"id": 73, "name": "cf_notes", "label": "Notes", "type": "custom_paragraph"},
]
REFUND_FIELD = "cf_refund"


@dataclass
class Account:
    """All state. `now` moves a second with every request."""

    now: datetime = _START
    agents: dict[int, Json] = field(default_factory=_agents)
    roles: list[Json] = field(default_factory=_roles)
    contacts: dict[int, Json] = field(default_factory=dict)
    tickets: dict[int, Json] = field(default_factory=dict)
    comments: dict[int, list[Json]] = field(default_factory=dict)
    fields: list[Json] = field(default_factory=lambda: [dict(one) for one in _OWN_FIELDS])
    next_id: int = 5000

    def __post_init__(self) -> None:
        self.add_contact(["mia@example.com"], CUSTOMER, name="Mia Learner", language="de")

    def tick(self) -> None:
        self.now += timedelta(seconds=1)

    def _id(self) -> int:
        self.next_id += 1
        return self.next_id

    def stamp(self) -> str:
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")

    # --- made by tests ----------------------------------------------------------------------------

    def add_contact(self, emails: list[str], number: int | None = None, **more: Any) -> int:  # noqa: ANN401 - any field
        number = number or self._id()
        self.contacts[number] = {
            "id": number,
            "active": False,
            "deleted": False,
            "name": "New Customer",
            "email": emails[0] if emails else None,
            "other_emails": emails[1:],
            "language": "en",
            **more,
        }
        return number

    def add_ticket(self, requester: int = CUSTOMER, **more: Any) -> int:  # noqa: ANN401 - any field
        number = self._id()
        self.tickets[number] = {
            "id": number,
            "subject": "Refund please",
            "description": "<div>I bought it twice.</div>",
            "description_text": "I bought it twice.",
            "status": OPEN,
            "priority": 1,
            "source": 1,
            "spam": False,
            "requester_id": requester,
            "responder_id": None,
            "group_id": GROUP,
            "tags": [],
            "custom_fields": {},
            "created_at": self.stamp(),
            "updated_at": self.stamp(),
            **more,
        }
        self.comments[number] = []
        self.tick()
        return number

    def add_field(self) -> None:
        field = {"id": 74, "name": REFUND_FIELD, "label": "Refund", "type": "custom_text"}
        self.fields.append(field)

    def add_comment(
        self, number: int, body: str, *, private: bool = False, incoming: bool = False
    ) -> Json:
        comment: Json = {
            "id": self._id(),
            "body": f"<div>{body}</div>",
            "body_text": unescape(re.sub(r"<[^>]+>", " ", body)).strip(),
            "private": private,
            "incoming": incoming,
            "source": 2 if private else 0,
            "ticket_id": number,
            "user_id": OWNER,
            "created_at": self.stamp(),
            "updated_at": self.stamp(),
        }
        self.comments[number].append(comment)
        return comment

    # --- asked over HTTP --------------------------------------------------------------------------

    def show_agent(self, number: int) -> Json:
        return self._one(self.agents, number)

    def show_contact(self, number: int) -> Json:
        return self._one(self.contacts, number)

    def show_ticket(self, number: int) -> Json:
        return self._one(self.tickets, number)

    def list_comments(self, number: int, page: int, per_page: int) -> list[Json]:
        self._one(self.tickets, number)
        return self.comments[number][(page - 1) * per_page : page * per_page]

    def list_tickets(self, email: str, since: str) -> list[Json]:
        theirs = {
            number
            for number, one in self.contacts.items()
            if email.casefold()
            in {mail.casefold() for mail in (one["email"], *one["other_emails"])}
        }
        if not theirs:
            fault = {"field": "email", "message": "It should be a contact", "code": "invalid_value"}
            raise Refusal(400, "Validation failed", fault)
        listed = [
            {key: value for key, value in one.items() if not key.startswith("description")}
            for one in self.tickets.values()
            if one["requester_id"] in theirs
            and not one["spam"]
            and not one.get("deleted")
            and one["updated_at"] >= since
        ]
        return listed[::-1]

    def update_ticket(self, number: int, body: Json) -> Json:
        ticket = self._writable(number)
        unknown = body.keys() - {"tags", "status", "priority", "custom_fields"}
        fields = body.get("custom_fields", {})
        unknown |= fields.keys() - {one["name"] for one in self.fields}
        if unknown:
            faults = [{"field": name, "code": "invalid_field"} for name in sorted(unknown)]
            raise Refusal(400, "Validation failed", *faults)
        ticket.update({**body, "custom_fields": {**ticket["custom_fields"], **fields}})
        ticket["updated_at"] = self.stamp()
        return ticket

    def write(self, number: int, kind: str, body: Json) -> Json:
        self._writable(number)
        known = {"body", "private"} if kind == "notes" else {"body"}
        if body.keys() - known or not body.get("body"):
            raise Refusal(400, "Validation failed", {"field": "body", "code": "invalid_field"})
        private = kind == "notes" and body.get("private", True)
        return self.add_comment(number, body["body"], private=private)

    def _writable(self, number: int) -> Json:
        ticket: Json = self._one(self.tickets, number)
        if ticket["spam"] or ticket.get("deleted"):
            raise Refusal(405, "PUT method is not allowed. It should be one of: GET")
        return ticket

    def _one(self, rows: dict[int, Json], number: int) -> Json:
        if number not in rows:
            raise Refusal(404)
        return rows[number]
