"""Intercom by its REST API: reads conversations for teammates, writes notes, replies and tags.

Every id that a post brought is matched before it stands in a path, and every conversation is read
again for the teammate who asks. Never deletes, and never removes a tag.

Sources: Intercom's OpenAPI 2.15: Conversations, Contacts, Admins, Tags. Tags are added one by one
by their ids, so nobody else's is ever overwritten. A conversation has no time stamp to write under:
two processes that write the same note at the same moment could both succeed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from plugin.domain.errors import FIELD_REFUSED, Refused
from plugin.domain.ids import AgentId, TicketId
from plugin.helpdesks.intercom.api import Api, known_shape
from plugin.helpdesks.intercom.attributes import SETTING as ATTRIBUTE_SETTING
from plugin.helpdesks.intercom.attributes import is_set, words_on
from plugin.helpdesks.intercom.conversations import stands, ticket_of, writer_of
from plugin.helpdesks.intercom.installing import CODE
from plugin.helpdesks.intercom.posts import ID, SIGNATURE_HEADER, read_signed_post
from plugin.helpdesks.intercom.texts import html_of
from plugin.platforms.http_client import HttpClient
from plugin.platforms.strict_json import JsonObject, Reader
from plugin.ports import Agent, Changed, Clock, Connection, Probe, SignIn, Ticket
from plugin.ports.canvas import CanvasPost

_CONTACT: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PLAIN: Final = (("display_as", "plaintext"),)
_MOST_CONTACTS: Final = 5
_RIGHTS: Final = "reads teammates, tags and conversations; writing shows at the first note"
_UNVERIFIED: Final = (
    "Messenger security is off: the address of a user counts as typed, so money waits for one more "
    "proof"
)


class IntercomHelpdesk:
    """One Intercom workspace, by an app of its own.

    `connection.settings`: `workspace_id`, `api_host`, `client_id` where OAuth is used,
    `conversation_attribute` where one is set, in development `base_url`. `connection.secrets`:
    `access_token`, and `client_secret`, which signs the panel's posts; while it is installed by
    OAuth a code in the token's place.

    Made for one request: what it read of a teammate it does not read again.
    """

    def __init__(self, connection: Connection, http: HttpClient, clock: Clock) -> None:
        self._connection = connection
        self._attribute = connection.settings.get(ATTRIBUTE_SETTING, "")
        self._workspace = connection.settings["workspace_id"]
        self._client_secret = connection.secrets["client_secret"]
        token = connection.secrets.get("access_token", "")
        self._api = Api(http, clock, connection.settings, token)
        self._agents: dict[AgentId, Agent | None] = {}

    # --- the panel --------------------------------------------------------------------------------

    def read_post(self, body: bytes, headers: Mapping[str, str]) -> CanvasPost:
        return read_signed_post(body, headers, self._client_secret, self._workspace)

    def sign_in(self, form: Mapping[str, str], query: Mapping[str, str], now: datetime) -> SignIn:  # noqa: ARG002 - a post carries no time, and its query proves nothing
        """As the port says, for a post given as the fields `body` and `x-body-signature`.

        Both agent and conversation stand in the signed body.
        """
        post = self.read_post(
            form.get("body", "").encode(), {SIGNATURE_HEADER: form.get(SIGNATURE_HEADER, "")}
        )
        return SignIn(post.agent, post.ticket, ticket_proven=post.ticket is not None)

    def read_agent(self, agent: AgentId) -> Agent | None:
        """As the port says. The API tells no role: whoever has an inbox seat is an `agent`."""
        if not ID.fullmatch(agent):
            return None
        if agent not in self._agents:
            with known_shape("agent.read"):
                self._agents[agent] = _agent(self._api.read("agent.read", f"admins/{agent}"))
        return self._agents[agent]

    def read_ticket(self, ticket: TicketId, agent: AgentId) -> Ticket | None:
        """As the port says, for teammates with an inbox seat."""
        if not ID.fullmatch(ticket):
            return None
        with known_shape("conversation.read"):
            found = self._conversation(ticket)
            if found is None:
                return None
            reader = self.read_agent(agent)
            if reader is None or not reader.active:
                return None
            contact = self._contact(found)
            return ticket_of(ticket, found, contact, lambda: _verifies_users(self._me()))

    def _contact(self, found: Reader) -> Reader:
        """The contact who writes; an empty one where there is none, or it is gone."""
        writes = writer_of(found)
        if writes is None or not _CONTACT.fullmatch(writes):
            return Reader({})
        return self._api.read("contact.read", f"contacts/{writes}") or Reader({})

    def _conversation(self, ticket: TicketId) -> Reader | None:
        return self._api.read("conversation.read", f"conversations/{ticket}", _PLAIN)

    # --- writing ----------------------------------------------------------------------------------

    def add_note(
        self, ticket: TicketId, body: str, tags: Sequence[str], marker: str, field: str = ""
    ) -> Changed:
        """As the port says, but in several writes: each tag first, then the note and the attribute.

        What is there stays as it is, so that what broke off in between can be repeated whole.
        """
        return self._write(ticket, "note", html_of(body, marker), tags, marker, field)

    def reply(self, ticket: TicketId, body: str, marker: str) -> Changed:
        return self._write(ticket, "comment", html_of(body, marker), (), marker)

    def has_marker(self, ticket: TicketId, marker: str) -> bool:
        if not ID.fullmatch(ticket):
            return False
        with known_shape("conversation.read"):
            found = self._conversation(ticket)
            return found is not None and stands(found, marker)

    def _write(
        self,
        ticket: TicketId,
        kind: str,
        html: str,
        tags: Sequence[str],
        marker: str,
        field: str = "",
    ) -> Changed:
        """One part of the conversation, at most once, then the attribute. Raises Refused."""
        if not ID.fullmatch(ticket):
            raise Refused("ticket_gone")
        with known_shape("conversation.read"):
            found = self._conversation(ticket)
            if found is None:
                raise Refused("ticket_gone")
            is_there = stands(found, marker)
            lacks = bool(self._attribute and field) and not is_set(found, self._attribute, field)
        if not is_there:
            self._add_part(ticket, kind, html, tags, found)
        if lacks:
            self._set_attribute(ticket, field)
        return Changed.ALREADY if is_there else Changed.DONE

    def _add_part(
        self, ticket: TicketId, kind: str, html: str, tags: Sequence[str], found: Reader
    ) -> None:
        with known_shape("conversation.read"):
            author = self._me().identifier("id")
            self._tag(ticket, found, tags, author)
        part: JsonObject = {
            "message_type": kind,
            "type": "admin",
            "admin_id": author,
            "body": html,
        }
        label = "conversation.note" if kind == "note" else "conversation.reply"
        if not self._api.write(label, f"conversations/{ticket}/reply", part):
            raise Refused("ticket_gone")

    def _set_attribute(self, ticket: TicketId, value: str) -> None:
        """Raises Refused FIELD_REFUSED where Intercom knows no such attribute for text."""
        change: JsonObject = {"custom_attributes": {self._attribute: value}}
        path = f"conversations/{ticket}"
        try:
            set_to = self._api.again("conversation.attribute", path, change, "PUT")
        except Refused as error:
            if error.code in ("call_refused", "ticket_refused"):
                raise Refused(FIELD_REFUSED, self._attribute) from None
            raise
        if set_to is None:
            raise Refused("ticket_gone")

    def _tag(self, ticket: TicketId, found: Reader, tags: Sequence[str], author: str) -> None:
        """Put on the tags that are missing, one by one. Raises Malformed."""
        there = {tag.text("name").casefold() for tag in found.optional_items("tags", "tags") or ()}
        missing = [tag for tag in tags if tag.casefold() not in there]
        if not missing:
            return
        listed = self._api.read("tags.read", "tags") or Reader({})
        ids = {
            tag.text("name").casefold(): tag.identifier("id")
            for tag in listed.optional_items("data") or ()
        }
        for name in missing:
            known = ids.get(name.casefold())
            if known is None:
                made = self._api.again("tag.create", "tags", {"name": name}) or Reader({})
                known = made.identifier("id")
            put: JsonObject = {"id": known, "admin_id": author}
            if self._api.again("conversation.tag", f"conversations/{ticket}/tags", put) is None:
                raise Refused("ticket_gone")

    def find_open_tickets(self, email: str) -> Sequence[TicketId]:
        """Open conversations of contacts with exactly this address, newest first, at most a page.

        Contacts found by their address are compared with it: what a search matches is the vendor's.
        """
        if not email or any(sign in email for sign in ' "\\') or not email.isprintable():
            return ()
        with known_shape("conversations.search"):
            wanted = _search("email", email.casefold())
            people = self._api.search("contacts.search", "contacts/search", wanted)
            theirs = [
                person.identifier("id")
                for person in people.optional_items("data") or ()
                if (person.optional_text("email") or "").casefold() == email.casefold()
            ][:_MOST_CONTACTS]
            rows = [row for contact in theirs for row in self._open_of(contact)]
        newest = sorted(rows, key=lambda row: -(row.optional_integer("created_at") or 0))
        return tuple(TicketId(row.identifier("id")) for row in newest)

    def _open_of(self, contact: str) -> Sequence[Reader]:
        both = [_filter("contact_ids", contact), _filter("open", value=True)]
        wanted: JsonObject = {"query": {"operator": "AND", "value": [*both]}}
        found = self._api.search("conversations.search", "conversations/search", wanted)
        return [
            row
            for row in found.optional_items("conversations") or ()
            if row.optional_text("state") != "closed"
        ]

    # --- connecting -------------------------------------------------------------------------------

    def probe(self) -> Probe:
        me = self._me()
        workspace = me.optional_text("app", "id_code") or ""
        if workspace != self._workspace:
            raise Refused("workspace_wrong", "the token belongs to another workspace than the ID")
        account = me.optional_text("app", "name") or workspace
        return Probe(account, f"as {me.optional_text('name') or 'a teammate'}", workspace)

    def check_rights(self) -> str:
        with known_shape("rights.read"):
            me = self._me()
            if self.read_agent(AgentId(me.identifier("id"))) is None:
                raise Refused("rights_missing", "let the app read one admin")
            if self._api.read("tags.read", "tags") is None:
                raise Refused("rights_missing", "let the app read tags")
            self._open_of("0")
            rights = _RIGHTS if not self._attribute else f"{_RIGHTS}; {self._attribute_words()}"
            return rights if _verifies_users(me) else f"{rights}. {_UNVERIFIED}"

    def _attribute_words(self) -> str:
        """That it is set, or InvalidInput with what to do. Raises Malformed."""
        about = [("model", "conversation")]
        listed = self._api.read("attributes.read", "data_attributes", about) or Reader({})
        return words_on(listed.optional_items("data") or (), self._attribute)

    def trade_grant(self) -> Mapping[str, str]:
        """As the port says, for the code that `installing` read."""
        secrets, client_id = self._connection.secrets, self._connection.settings["client_id"]
        with known_shape("token.trade"):
            told = self._api.trade(secrets[CODE], client_id, self._client_secret)
            return {"access_token": told.optional_text("access_token") or told.text("token")}

    def _me(self) -> Reader:
        with known_shape("me.read"):
            found = self._api.read("me.read", "me")
            if found is None or found.optional_identifier("id") is None:
                raise Refused("key_refused", "check the access token")
            return found


def _agent(found: Reader | None) -> Agent | None:
    """A teammate. Raises Malformed."""
    if found is None or found.optional_text("type") != "admin":
        return None
    seated = found.optional_boolean("has_inbox_seat") or False
    role = "agent" if seated else "no_inbox_seat"
    name = found.optional_text("name") or ""
    return Agent(AgentId(found.identifier("id")), name, role, seated)


def _verifies_users(me: Reader) -> bool:
    """Whether the Messenger takes a user's name from nobody but the seller's own site."""
    return me.optional_boolean("app", "identity_verification") or False


def _filter(field: str, value: str | bool) -> JsonObject:  # noqa: FBT001 - a filter's value, as the API takes it
    return {"field": field, "operator": "=", "value": value}


def _search(field: str, value: str) -> JsonObject:
    return {"query": _filter(field, value)}
