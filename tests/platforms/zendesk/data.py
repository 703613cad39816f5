"""The account inside the fake: people, tickets and apps, in the shapes of Zendesk's documentation.

Synthetic. It keeps what the rules of the real one turn on: tags replaced by a ticket's own update,
time stamps of whole seconds, comments that are public unless told otherwise, closed tickets that
stay closed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

Json = dict[str, Any]

SUBDOMAIN = "acme"
EMAIL = "owner@acme.test"
TOKEN = "zd-synthetic-token"

OWNER, AGENT, LIGHT, IN_GROUP, OUTSIDER, IN_ORGANIZATION, ASSIGNED = range(101, 108)
SUSPENDED, IN_ROLE, CUSTOMER, NAMED_LIKE = 108, 109, 201, 202
REFUND_FIELD = 360001
GROUP, OTHER_GROUP, ORGANIZATION, ROLE = 11, 12, 21, 31
APP, APP_INSTALLATION = 913, 8201

_START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, error: str, description: str = "") -> None:
        super().__init__(status)
        self.status = status
        self.body: Json = {"error": error, "description": description}


def user(number: int, name: str, role: str, **more: Any) -> Json:  # noqa: ANN401 - any documented field
    return {
        "id": number,
        "url": f"https://{SUBDOMAIN}.zendesk.com/api/v2/users/{number}.json",
        "name": name,
        "email": f"{name.partition(' ')[0].lower()}@acme.test",
        "role": role,
        "role_type": None,
        "custom_role_id": None,
        "active": True,
        "verified": True,
        "suspended": False,
        "restricted_agent": False,
        "only_private_comments": False,
        "ticket_restriction": None,
        "organization_id": None,
        "locale": "en-US",
        **more,
    }


def _people() -> dict[int, Json]:
    limited: Json = {"restricted_agent": True}
    listed = [
        user(OWNER, "Olga Owner", "admin"),
        user(AGENT, "Ada Agent", "agent"),
        user(LIGHT, "Liam Light", "agent", role_type=1, only_private_comments=True),
        user(IN_GROUP, "Gus Group", "agent", ticket_restriction="groups", **limited),
        user(OUTSIDER, "Otto Outside", "agent", ticket_restriction="groups", **limited),
        user(
            IN_ORGANIZATION,
            "Oda Org",
            "agent",
            ticket_restriction="organization",
            organization_id=ORGANIZATION,
            **limited,
        ),
        user(ASSIGNED, "Asta Assigned", "agent", ticket_restriction="assigned", **limited),
        user(SUSPENDED, "Sven Suspended", "agent", suspended=True),
        user(IN_ROLE, "Rita Role", "agent", custom_role_id=ROLE, role_type=0, **limited),
        user(CUSTOMER, "Mia Learner", "end-user", email="mia@example.com", locale="de"),
        user(NAMED_LIKE, "mia@example.com", "end-user", email="someone@example.net"),
    ]
    return {one["id"]: one for one in listed}


@dataclass
class Account:
    """All state. `now` moves a second with every request; `live`: with time; `frozen`: never."""

    now: datetime = _START
    frozen: bool = False
    live: bool = False
    users: dict[int, Json] = field(default_factory=_people)
    groups_of: dict[int, set[int]] = field(
        default_factory=lambda: {IN_GROUP: {GROUP}, OUTSIDER: {OTHER_GROUP}, IN_ROLE: {GROUP}}
    )
    public_groups: set[int] = field(default_factory=set)
    role_access: str | None = "within-groups"
    identities: dict[int, list[Json]] = field(default_factory=dict)
    tickets: dict[int, Json] = field(default_factory=dict)
    comments: dict[int, list[Json]] = field(default_factory=dict)
    installations: list[Json] = field(default_factory=list)
    fields: dict[int, Json] = field(default_factory=dict)
    ignores_unknown_fields: bool = False
    next_id: int = 5000
    page_size: int = 100

    def tick(self) -> None:
        if self.live:
            self.now = datetime.now(UTC).replace(microsecond=0)
        elif not self.frozen:
            self.now += timedelta(seconds=1)

    def _id(self) -> int:
        self.next_id += 1
        return self.next_id

    def stamp(self) -> str:
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")

    # --- made by tests ----------------------------------------------------------------------------

    def add_identity(self, person: int, email: str, *, verified: bool, primary: bool) -> None:
        self.identities.setdefault(person, []).append(
            {
                "id": self._id(),
                "user_id": person,
                "type": "email",
                "value": email,
                "verified": verified,
                "primary": primary,
            }
        )

    def add_ticket(self, requester: int = CUSTOMER, **more: Any) -> int:  # noqa: ANN401 - any field
        number = self._id()
        self.tickets[number] = {
            "id": number,
            "url": f"https://{SUBDOMAIN}.zendesk.com/api/v2/tickets/{number}.json",
            "subject": "Refund please",
            "description": "I bought it twice.",
            "status": "open",
            "requester_id": requester,
            "submitter_id": requester,
            "assignee_id": None,
            "group_id": GROUP,
            "organization_id": None,
            "tags": [],
            "created_at": self.stamp(),
            "updated_at": self.stamp(),
            **more,
        }
        self.comments[number] = []
        self.tick()
        return number

    def add_field(self, number: int = REFUND_FIELD, **more: Any) -> None:  # noqa: ANN401 - any field
        self.fields[number] = {
            "id": number,
            "url": f"https://{SUBDOMAIN}.zendesk.com/api/v2/ticket_fields/{number}.json",
            "type": "text",
            "title": "Refund",
            "active": True,
            **more,
        }

    def add_tag(self, ticket: int, tag: str) -> None:
        self.tickets[ticket]["tags"].append(tag)
        self.tickets[ticket]["updated_at"] = self.stamp()

    def install_app(
        self, installation: str | None, *, name: str = "Makegood", number: int = APP_INSTALLATION
    ) -> None:
        settings: Json = {"name": name, "title": name}
        if installation is not None:
            settings["makegood_installation"] = installation
        self.installations.append(
            {"id": number, "app_id": APP, "product": "support", "enabled": True}
            | {"settings": settings, "updated_at": "20261122090000"}
        )

    # --- asked over HTTP --------------------------------------------------------------------------

    def show_ticket(self, number: int, include: set[str]) -> Json:
        ticket = self._ticket(number)
        answer: Json = {"ticket": self._shown(ticket)}
        if "users" in include:
            ids = [ticket["requester_id"], ticket["submitter_id"], ticket["assignee_id"]]
            answer["users"] = [one for key, one in self.users.items() if key in ids]
        if "groups" in include:
            answer["groups"] = [
                {"id": one, "name": f"Group {one}", "is_public": one in self.public_groups}
                for one in (ticket["group_id"],)
                if one is not None
            ]
        return answer

    def update_ticket(self, number: int, body: Json) -> Json:
        ticket, change = self._ticket(number), body["ticket"]
        if ticket["status"] == "closed":
            detail = {"status": [{"description": "Status: closed prevents ticket update"}]}
            refusal = Refusal(422, "RecordInvalid", "Record validation errors")
            refusal.body["details"] = detail
            raise refusal
        if change.get("safe_update") and change.get("updated_stamp") != ticket["updated_at"]:
            raise Refusal(409, "UpdateConflict", "Safe Update prevented the update")
        self._set_fields(ticket, change.get("custom_fields", []))
        if "tags" in change:
            ticket["tags"] = [tag.lower() for tag in change["tags"]]
        comment = change.get("comment")
        if comment:
            self._add_comment(number, comment)
        ticket["updated_at"] = self.stamp()
        return {"ticket": self._shown(ticket), "audit": {"id": self._id(), "ticket_id": number}}

    def show_field(self, number: int) -> Json:
        if number not in self.fields:
            raise Refusal(404, "RecordNotFound", "Not found")
        return {"ticket_field": self.fields[number]}

    def _set_fields(self, ticket: Json, changes: list[Json]) -> None:
        known = [one for one in changes if one["id"] in self.fields]
        if known != changes and not self.ignores_unknown_fields:
            raise Refusal(422, "RecordInvalid", "Record validation errors")
        ticket.setdefault("values", {}).update({one["id"]: one["value"] for one in known})

    def _shown(self, ticket: Json) -> Json:
        """As the API tells it: with every field that the account has."""
        values = ticket.get("values", {})
        fields = [{"id": number, "value": values.get(number)} for number in self.fields]
        plain = {name: value for name, value in ticket.items() if name != "values"}
        return {**plain, "custom_fields": fields}

    def _add_comment(self, number: int, comment: Json) -> None:
        html = comment.get("html_body") or f"<p>{comment['body']}</p>"
        text = unescape(re.sub(r"<[^>]+>", "\n", html)).strip()
        self.comments[number].append(
            {
                "id": self._id(),
                "type": "Comment",
                "author_id": OWNER,
                "body": text,
                "plain_body": text,
                "html_body": f'<div class="zd-comment" dir="auto">{html}</div>',
                "public": comment.get("public", True),
                "created_at": self.stamp(),
            }
        )

    def list_comments(self, number: int, after: str | None, *, newest_first: bool) -> Json:
        self._ticket(number)
        listed = self.comments[number][:: -1 if newest_first else 1]
        begin = int(after or 0)
        end = begin + self.page_size
        more = end < len(listed)
        return {
            "comments": listed[begin:end],
            "meta": {"has_more": more, "after_cursor": str(end) if more else None},
        }

    def show_user(self, number: int, include: set[str]) -> Json:
        if number not in self.users:
            raise Refusal(404, "RecordNotFound", "Not found")
        person = self.users[number]
        answer: Json = {"user": person}
        if "groups" in include:
            answer["groups"] = [{"id": one} for one in sorted(self.groups_of.get(number, ()))]
        if "roles" in include:
            access = {} if self.role_access is None else {"ticket_access": self.role_access}
            answer["roles"] = [
                {"id": ROLE, "name": "Tier one", "configuration": access}
                for one in (person["custom_role_id"],)
                if one == ROLE
            ]
        return answer

    def list_identities(self, number: int) -> Json:
        if number not in self.users:
            raise Refusal(404, "RecordNotFound", "Not found")
        primary = {"id": number * 10, "user_id": number, "type": "email", "primary": True}
        primary |= {"value": self.users[number]["email"], "verified": True}
        added = self.identities.get(number, [])
        return {"identities": added if any(one["primary"] for one in added) else [primary, *added]}

    def search(self, query: str) -> Json:
        """`type:ticket status<solved requester:"text"`, which finds addresses and names alike."""
        found = re.fullmatch(r'type:ticket status<solved requester:"([^"]+)"', query)
        if found is None:
            raise Refusal(422, "invalid", "the fake does not know this query")
        text = found[1].casefold()
        people = {
            number
            for number, one in self.users.items()
            if text in {one["name"].casefold(), one["email"].casefold()}
            or text in {identity["value"] for identity in self.identities.get(number, ())}
        }
        rows = [
            {**self._shown(ticket), "result_type": "ticket"}
            for ticket in self.tickets.values()
            if ticket["requester_id"] in people
            and ticket["status"] in {"new", "open", "pending", "hold"}
        ]
        return {"results": rows[::-1], "count": len(rows), "next_page": None, "facets": None}

    def _ticket(self, number: int) -> Json:
        if number not in self.tickets:
            raise Refusal(404, "RecordNotFound", "Not found")
        return self.tickets[number]
