"""The workspace inside the fake: teammates, contacts, conversations, in the shapes of the OpenAPI.

Synthetic. It keeps what the rules of the real one turn on: tags by their ids, created once by name;
parts of a conversation in order, of which at most 500 are told; leads who typed their address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

Json = dict[str, Any]

WORKSPACE = "ecahpwf5"
TOKEN = "ic-synthetic-token"
CLIENT_ID = "2b6c2a3e-synthetic"
CLIENT_SECRET = "ic_client_secret_1"

OWNER, AGENT, OUTSIDER = 991, 992, 993
MOST_PARTS = 500
ATTRIBUTE = "Refund outcome"

_START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status)
        self.status = status
        errors = [{"code": code, "message": message}]
        self.body: Json = {"type": "error.list", "request_id": "req-1", "errors": errors}


def admin(number: int, name: str, *, seated: bool = True) -> Json:
    return {
        "type": "admin",
        "id": str(number),
        "name": name,
        "email": f"{name.partition(' ')[0].lower()}@acme.test",
        "away_mode_enabled": False,
        "away_mode_reassign": False,
        "has_inbox_seat": seated,
        "team_ids": [],
    }


@dataclass
class Workspace:
    """All state. `now` moves a second with every request; `live`: with time."""

    now: datetime = _START
    live: bool = False
    admins: dict[int, Json] = field(
        default_factory=lambda: {
            OWNER: admin(OWNER, "Olga Owner"),
            AGENT: admin(AGENT, "Ada Agent"),
            OUTSIDER: admin(OUTSIDER, "Otto Outside", seated=False),
        }
    )
    contacts: dict[str, Json] = field(default_factory=dict)
    conversations: dict[int, Json] = field(default_factory=dict)
    parts: dict[int, list[Json]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)
    codes: set[str] = field(default_factory=set)
    attributes: list[Json] = field(default_factory=list)
    verifies_users: bool = True
    next_id: int = 5000

    def tick(self) -> None:
        self.now = datetime.now(UTC) if self.live else self.now + timedelta(seconds=1)

    def _id(self) -> int:
        self.next_id += 1
        return self.next_id

    # --- made by tests ----------------------------------------------------------------------------

    def add_contact(self, email: str, role: str = "user", name: str = "Mia Learner") -> str:
        known = next((one for one in self.contacts.values() if one["email"] == email), None)
        if known is not None:
            return str(known["id"])
        number = f"6762f0dd1bb69f9f2193b{self._id()}"
        self.contacts[number] = {
            "type": "contact",
            "id": number,
            "workspace_id": WORKSPACE,
            "external_id": None,
            "role": role,
            "email": email,
            "name": name,
            "language_override": None,
            "browser_language": "de",
        }
        return number

    def add_conversation(self, contact: str, wrote: str = "", **source: Any) -> int:  # noqa: ANN401 - any documented field
        """A conversation that the contact began; by mail where `wrote` is its address."""
        number = self._id()
        person = self.contacts[contact]
        at = int(self.now.timestamp())
        self.conversations[number] = {
            "type": "conversation",
            "id": str(number),
            "title": None,
            "created_at": at,
            "updated_at": at,
            "open": True,
            "state": "open",
            "read": False,
            "source": {
                "type": "email" if wrote else "conversation",
                "id": str(number * 10),
                "delivered_as": "customer_initiated",
                "subject": "Refund please",
                "body": "<p>I bought it twice.</p>",
                "author": {
                    "type": "user",
                    "id": contact,
                    "name": person["name"],
                    "email": wrote or person["email"],
                },
                "attachments": [],
                "url": None,
                "redacted": False,
                **source,
            },
            "contacts": {
                "type": "contact.list",
                "contacts": [{"type": "contact", "id": contact, "external_id": None}],
            },
            "tags": {"type": "tag.list", "tags": []},
            "custom_attributes": {},
        }
        self.parts[number] = []
        self.tick()
        return number

    def add_attribute(self, name: str = ATTRIBUTE, **more: Any) -> None:  # noqa: ANN401 - any documented field
        """One of conversations; the OpenAPI lists them and names no `model` for them."""
        self.attributes.append(
            {
                "type": "data_attribute",
                "id": self._id(),
                "name": name,
                "full_name": name,
                "label": name,
                "description": "",
                "data_type": "string",
                "api_writable": True,
                "custom": True,
                "archived": False,
                **more,
            }
        )

    def tag_id(self, name: str) -> str:
        return self.tags.setdefault(name, str(self._id()))

    def put_tag(self, conversation: int, name: str) -> None:
        there = self.conversations[conversation]["tags"]["tags"]
        if all(tag["name"] != name for tag in there):
            there.append({"type": "tag", "id": self.tag_id(name), "name": name})

    # --- asked over HTTP --------------------------------------------------------------------------

    def me(self) -> Json:
        app = {
            "type": "app",
            "id_code": WORKSPACE,
            "name": "Acme",
            "region": "US",
            "timezone": "Etc/UTC",
            "created_at": 1,
            "identity_verification": self.verifies_users,
        }
        return {**self.admins[OWNER], "email_verified": True, "app": app}

    def trade(self, form: Json) -> Json:
        """A code for a token, once. Not in the OpenAPI: as the vendor's guide tells it."""
        known = (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        if not known or form.get("code") not in self.codes:
            raise Refusal(401, "unauthorized", "Unauthorized Code")
        self.codes.remove(form["code"])
        return {"token_type": "Bearer", "token": TOKEN, "access_token": TOKEN}

    def show_admin(self, number: int) -> Json:
        if number not in self.admins:
            raise Refusal(404, "admin_not_found", "Admin not found")
        return self.admins[number]

    def show_contact(self, number: str) -> Json:
        if number not in self.contacts:
            raise Refusal(404, "not_found", "User Not Found")
        return self.contacts[number]

    def show_conversation(self, number: int, *, plain: bool) -> Json:
        found = self._conversation(number)
        told = self.parts[number][-MOST_PARTS:]
        shown = [{**part, "body": text_of(part["body"])} for part in told] if plain else told
        source = found["source"]
        if plain and source:
            source = {**source, "body": text_of(source["body"])}
        parts = {
            "type": "conversation_part.list",
            "conversation_parts": shown,
            "total_count": len(self.parts[number]),
        }
        return {**found, "source": source, "conversation_parts": parts}

    def reply(self, number: int, body: Json) -> Json:
        self._conversation(number)
        if number in self.ended:
            raise Refusal(422, "action_forbidden", "This conversation takes no more parts")
        self.parts[number].append(
            {
                "type": "conversation_part",
                "id": str(self._id()),
                "part_type": body["message_type"],
                "body": body["body"],
                "created_at": int(self.now.timestamp()),
                "author": {"type": "admin", "id": body["admin_id"], "name": "Olga", "email": "o@a"},
                "attachments": [],
                "redacted": False,
            }
        )
        return self.show_conversation(number, plain=False)

    def attach(self, number: int, body: Json) -> Json:
        self._conversation(number)
        name = next((name for name, known in self.tags.items() if known == body["id"]), None)
        if name is None:
            raise Refusal(404, "tag_not_found", "Tag not found")
        self.put_tag(number, name)
        return {"type": "tag", "id": body["id"], "name": name}

    def update(self, number: int, body: Json) -> Json:
        found = self._conversation(number)
        known = {one["name"] for one in self.attributes}
        if body["custom_attributes"].keys() - known:
            raise Refusal(400, "parameter_invalid", "Custom attribute does not exist")
        found["custom_attributes"].update(body["custom_attributes"])
        return self.show_conversation(number, plain=False)

    def list_attributes(self) -> Json:
        return {"type": "list", "data": self.attributes}

    def create_tag(self, body: Json) -> Json:
        return {"type": "tag", "id": self.tag_id(body["name"]), "name": body["name"]}

    def list_tags(self) -> Json:
        listed = [{"type": "tag", "id": known, "name": name} for name, known in self.tags.items()]
        return {"type": "list", "data": listed}

    def search_contacts(self, body: Json) -> Json:
        wanted = body["query"]
        if (wanted["field"], wanted["operator"]) != ("email", "="):
            raise Refusal(400, "invalid_field", "the fake does not know this query")
        found = [one for one in self.contacts.values() if one["email"].lower() == wanted["value"]]
        return {"type": "list", "data": found, "total_count": len(found)}

    def search_conversations(self, body: Json) -> Json:
        wanted = {one["field"]: one["value"] for one in body["query"]["value"]}
        if set(wanted) != {"contact_ids", "open"} or body["query"]["operator"] != "AND":
            raise Refusal(400, "invalid_field", "the fake does not know this query")
        found = [
            one
            for one in self.conversations.values()
            if one["open"] is wanted["open"]
            and wanted["contact_ids"] in [c["id"] for c in one["contacts"]["contacts"]]
        ]
        answer = {"type": "conversation.list", "conversations": found}
        return {**answer, "total_count": len(found)}

    def _conversation(self, number: int) -> Json:
        if number not in self.conversations:
            raise Refusal(404, "not_found", "Resource Not Found")
        return self.conversations[number]


def text_of(html: str) -> str:
    """HTML as Intercom shows it as plain text."""
    return unescape(re.sub(r"<[^>]+>", "\n", html)).strip()
