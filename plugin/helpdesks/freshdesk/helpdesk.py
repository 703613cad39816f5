"""Freshdesk by its REST API v2: reads tickets for agents, writes notes, replies and tags.

Every id that a page brought is matched before it stands in a path, and every ticket is read again
for the agent who asks. Never follows an address from an answer, never deletes, and never writes a
note without saying that it is private.

Sources: developers.freshdesk.com/api, Tickets, Conversations, Contacts, Agents, Roles. A ticket's
update replaces all tags: they are read right before, and read again after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from plugin.domain.errors import FIELD_REFUSED, Refused, RetryLater
from plugin.domain.ids import AgentId, TicketId
from plugin.helpdesks.freshdesk.api import PAGE, Api, body_of, known_shape
from plugin.helpdesks.freshdesk.app_package import package
from plugin.helpdesks.freshdesk.comments import carries, html_of, promised_tags
from plugin.helpdesks.freshdesk.fields import SETTING as FIELD_SETTING
from plugin.helpdesks.freshdesk.fields import is_set, words_on
from plugin.helpdesks.freshdesk.frame_pass import SHORTEST_SECRET, give_pass, signed_in
from plugin.helpdesks.freshdesk.people import (
    ALL_TICKETS,
    ID,
    DeskAgent,
    TicketPlace,
    everybody_sees_all,
    may_see,
    read_desk_agent,
    role_of,
)
from plugin.platforms.http_client import HttpClient
from plugin.platforms.strict_json import JsonObject, JsonValue, Reader
from plugin.ports import Agent, Changed, Clock, Connection, Probe, SignIn, Ticket

_RESOLVED: Final = frozenset({4, 5})
_TAG_WRITES: Final = 3
_MOST_COMMENT_PAGES: Final = 50
_MOST_REQUESTERS: Final = 5
_LONGEST_TEXT: Final = 10_000
_EVER: Final = "2010-01-01T00:00:00Z"
_AGENT_KEPT: Final = timedelta(seconds=5)


class FreshdeskHelpdesk:
    """One Freshdesk account.

    `connection.settings`: `domain`, `ticket_field` where one is set, in development `base_url`;
    `connection.secrets`: `api_key` of an administrator, and `app_secret`, which the app in
    Freshdesk is given too.
    """

    def __init__(self, connection: Connection, http: HttpClient, clock: Clock) -> None:
        self._connection = connection
        settings = connection.settings
        base_url = settings.get("base_url") or f"https://{settings['domain']}.freshdesk.com"
        self._api = Api(http, base_url, connection.secrets["api_key"])
        self._clock = clock
        self._field = settings.get(FIELD_SETTING, "")
        self._last_agent: tuple[datetime, DeskAgent] | None = None

    # --- the panel --------------------------------------------------------------------------------

    def give_pass(self, authorization: str, form: Mapping[str, str], now: datetime) -> str:
        """What the frame's first request is to bring as `pass`. Raises Refused."""
        return give_pass(
            self._connection.secrets["app_secret"],
            self._connection.installation,
            authorization,
            form.get("agent", ""),
            now,
        )

    def sign_in(self, form: Mapping[str, str], query: Mapping[str, str], now: datetime) -> SignIn:  # noqa: ARG002 - a pass in an address would stand in logs
        return signed_in(
            self._connection.secrets["app_secret"],
            self._connection.installation,
            form.get("pass", ""),
            now,
        )

    def read_agent(self, agent: AgentId) -> Agent | None:
        with known_shape("agent.read"):
            found = self._agent(agent)
            if found is None:
                return None
            listed = self._api.read("roles.read", "roles", [("per_page", str(PAGE))])
            roles = () if listed is None else listed.items()
            return Agent(found.id, found.name, role_of(found, roles), found.active)

    def read_agent_email(self, agent: AgentId) -> str | None:
        """The address that the desk has for this agent; None where nobody active has the id."""
        with known_shape("agent.read"):
            found = self._agent(agent)
        return found.email if found is not None and found.active else None

    def read_shared_ticket(self, ticket: TicketId) -> Ticket | None:
        """The ticket, if every agent of the account sees all tickets.

        None too where there are more agents than one page tells.
        """
        if not ID.fullmatch(ticket):
            return None
        with known_shape("agents.list"):
            listed = self._api.read("agents.list", "agents", [("per_page", str(PAGE))])
            agents = () if listed is None else listed.items()
            if len(agents) >= PAGE or not everybody_sees_all(agents):
                return None
            found = self._read(ticket)
            return None if found is None else self._ticket(ticket, found)

    def read_ticket(self, ticket: TicketId, agent: AgentId) -> Ticket | None:
        if not ID.fullmatch(ticket):
            return None
        with known_shape("ticket.read"):
            found = self._read(ticket)
            if found is None:
                return None
            user = self._agent(agent)
            place = TicketPlace(
                found.optional_identifier("responder_id"), found.optional_identifier("group_id")
            )
            if user is None or not may_see(user, place):
                return None
            return self._ticket(ticket, found)

    def _ticket(self, ticket: TicketId, found: Reader) -> Ticket:
        person = self._contact(found.identifier("requester_id"))
        return Ticket(
            id=ticket,
            subject=found.optional_text("subject") or "",
            name=person.optional_text("name") or "",
            emails=_emails(person),
            tags=_tags(found),
            open=_is_open(found),
            locale=person.optional_text("language") or "en",
            text=(found.optional_text("description_text") or "")[:_LONGEST_TEXT],
        )

    def _contact(self, requester: str) -> Reader:
        """The requester; empty where it is an agent, or gone."""
        return self._api.read("contact.read", f"contacts/{requester}") or Reader(None)

    def _read(self, ticket: TicketId) -> Reader | None:
        """The ticket, or None where it is gone; one in the bin still answers."""
        found = self._api.read("ticket.read", f"tickets/{ticket}")
        return None if found is None or found.optional_boolean("deleted") else found

    # --- writing ----------------------------------------------------------------------------------

    def add_note(
        self, ticket: TicketId, body: str, tags: Sequence[str], marker: str, field: str = ""
    ) -> Changed:
        """As the port says, but in two writes: the note, then the field and the tags that it names.

        Where the second one fails, `has_marker` still says no, and asking again adds the tags.
        """
        html = html_of(body, marker, tags)
        done = self._comment(ticket, "notes", html, marker)
        wish = field if self._field else ""
        if (tags or wish) and done is not None:
            self._update(ticket, tags, wish)
        return done or Changed.ALREADY

    def reply(self, ticket: TicketId, body: str, marker: str) -> Changed:
        return self._comment(ticket, "reply", html_of(body, marker), marker) or Changed.ALREADY

    def has_marker(self, ticket: TicketId, marker: str) -> bool:
        """Whether it stands there with all its tags."""
        if not ID.fullmatch(ticket):
            return False
        with known_shape("comments.read"):
            found = self._read(ticket)
            comment = None if found is None else self._comment_with(ticket, marker)
            if found is None or comment is None:
                return False
            # A ticket that takes no change gets no tags: asking again would not help.
            promised = promised_tags(comment, marker)
            return not _missing(promised, _tags(found)) or not _is_writable(found)

    def _comment(self, ticket: TicketId, kind: str, html: str, marker: str) -> Changed | None:
        """Write it once; None where it stands in a ticket that takes nothing more.

        Raises Refused: `ticket_gone`, or `ticket_closed` for one marked as spam.
        """
        if not ID.fullmatch(ticket):
            raise Refused("ticket_gone")
        with known_shape("ticket.read"):
            found = self._read(ticket)
            if found is None:
                raise Refused("ticket_gone")
            writable = _is_writable(found)
            if self._comment_with(ticket, marker) is not None:
                return Changed.ALREADY if writable else None
        if not writable:
            raise Refused("ticket_closed", "marked as spam")
        # `private` is sent with notes though it is the default; a reply knows no such field.
        change: JsonObject = {"body": html, **({"private": True} if kind == "notes" else {})}
        written = self._api.send("POST", f"ticket.{kind}", f"tickets/{ticket}/{kind}", (), change)
        if written.status == 404:
            raise Refused("ticket_gone")
        return Changed.DONE

    def _comment_with(self, ticket: TicketId, marker: str) -> str | None:
        """The HTML of the comment that carries `marker`. Raises Malformed, RetryLater."""
        for page in range(1, _MOST_COMMENT_PAGES + 1):
            query = [("per_page", str(PAGE)), ("page", str(page))]
            found = self._api.read("comments.read", f"tickets/{ticket}/conversations", query)
            comments = () if found is None else found.items()
            for comment in comments:
                html = comment.optional_text("body") or ""
                # What a customer sent may quote ours, or anything.
                if not comment.optional_boolean("incoming") and carries(html, marker):
                    return html
            if len(comments) < PAGE:
                return None
        # Not read to the end: saying "not there" could write a second one.
        raise RetryLater("too_many_comments")

    def _update(self, ticket: TicketId, tags: Sequence[str], field: str) -> None:
        """Merge `tags` into the ticket's, look whether they stayed, and set the field beside them.

        The API takes no condition: a tag that somebody adds within the one call between our
        reading and our writing is lost. Read anew each time, that is as short as it can be. What
        the field was set to once may change at once: an automation of the desk may work on it.
        """
        for _ in range(_TAG_WRITES):
            with known_shape("ticket.read"):
                found = self._read(ticket)
                if found is None:
                    raise Refused("ticket_gone")
                present = _tags(found)
                set_field = field != "" and not is_set(found, self._field, field)
            missing = _missing(tags, present)
            change: dict[str, JsonValue] = {}
            if missing:
                change["tags"] = [*present, *missing]
            if set_field:
                change["custom_fields"] = {self._field: field}
            if not change:
                return
            label = "ticket.tags" if missing else "ticket.field"
            written = self._api.send(
                "PUT", label, f"tickets/{ticket}", (), change, may_be_invalid=set_field
            )
            if written.status == 404:
                raise Refused("ticket_gone")
            if not written.is_ok:
                # Nothing of it was taken: the tags are written by themselves.
                self._update(ticket, tags, "")
                raise Refused(FIELD_REFUSED)
            field = ""
        raise RetryLater("ticket_busy", after_seconds=5)

    def find_open_tickets(self, email: str) -> Sequence[TicketId]:
        """Unresolved tickets whose requester has `email`, newest first, at most a page.

        Each requester's addresses are read before their ticket counts.
        """
        if not email or any(sign in email for sign in ' "\\') or not email.isprintable():
            return ()
        # Without `updated_since` only tickets of the last thirty days are listed.
        query = [("email", email), ("updated_since", _EVER), ("per_page", str(PAGE))]
        with known_shape("tickets.list"):
            answer = self._api.send("GET", "tickets.list", "tickets", query, may_be_invalid=True)
            if answer.status == 400 and not _names_no_contact(body_of(answer)):
                raise Refused("call_refused", "tickets.list: HTTP 400")
            rows = [
                (TicketId(row.identifier("id")), row.identifier("requester_id"))
                for row in (body_of(answer).items() if answer.is_ok else ())
                if _is_open(row)
            ]
            requesters = list(dict.fromkeys(requester for _, requester in rows))
            theirs = {
                requester
                for requester in requesters[:_MOST_REQUESTERS]
                if email.casefold() in {one.casefold() for one in _emails(self._contact(requester))}
            }
        return tuple(ticket for ticket, requester in rows if requester in theirs)

    # --- connecting -------------------------------------------------------------------------------

    def probe(self) -> Probe:
        me = self._me()
        scope = "all tickets" if me.scope == ALL_TICKETS else "some tickets only"
        return Probe(f"{self._connection.settings['domain']}.freshdesk.com", f"sees {scope}")

    def check_rights(self) -> str:
        if len(self._connection.secrets["app_secret"]) < SHORTEST_SECRET:
            raise Refused(
                "app_secret_short", f"give an app secret of {SHORTEST_SECRET} characters or more"
            )
        me = self._me()
        if me.scope != ALL_TICKETS:
            raise Refused("rights_missing", "let the key's owner see all tickets")
        with known_shape("roles.read"):
            listed = self._api.read("roles.read", "roles", [("per_page", str(PAGE))])
            role = role_of(me, () if listed is None else listed.items())
        if role != "admin":
            raise Refused("rights_missing", "use the key of an administrator: agents are read too")
        words = "administrator: reads all tickets and agents, writes notes, replies and tags"
        if not self._field:
            return words
        with known_shape("fields.read"):
            fields = self._api.read("fields.read", "ticket_fields")
            return f"{words}; {words_on(() if fields is None else fields.items(), self._field)}"

    def package(self, public_url: str, out: Path) -> Path:
        """Write this installation's app to `out`. Raises InvalidInput with every fault."""
        return package(self._connection, public_url, out)

    def _me(self) -> DeskAgent:
        with known_shape("me.read"):
            found = self._api.read("me.read", "agents/me")
            if found is None:
                raise Refused("account_unknown", "no Freshdesk answers under this domain")
            me = read_desk_agent(found)
        if not me.active:
            raise Refused("rights_missing", "use the key of an active agent")
        return me

    def _agent(self, agent: AgentId) -> DeskAgent | None:
        """The agent, asked for once while one request reads the ticket and then the agent."""
        if not ID.fullmatch(agent):
            return None
        now = self._clock.now()
        if self._last_agent is not None:
            told, known = self._last_agent
            if known.id == agent and timedelta() <= now - told < _AGENT_KEPT:
                return known
        found = self._api.read("agent.read", f"agents/{agent}")
        if found is None:
            return None
        user = read_desk_agent(found)
        self._last_agent = (now, user)
        return user


def _emails(person: Reader) -> tuple[str, ...]:
    """All addresses of a contact, the first one first, once each; case does not count."""
    first = person.optional_text("email")
    others = [one.text() for one in person.optional_items("other_emails") or ()]
    listed = [*([first] if first else []), *others]
    once: dict[str, str] = {}
    for email in listed:
        once.setdefault(email.casefold(), email)
    return tuple(once.values())


def _tags(found: Reader) -> tuple[str, ...]:
    return tuple(tag.text() for tag in found.items("tags"))


def _missing(wanted: Sequence[str], present: Sequence[str]) -> tuple[str, ...]:
    """What of `wanted` is not there; case does not count."""
    there = {tag.casefold() for tag in present}
    return tuple(tag for tag in dict.fromkeys(wanted) if tag.casefold() not in there)


def _is_open(found: Reader) -> bool:
    """Neither resolved nor closed nor spam. An account's own states count as open."""
    return found.integer("status") not in _RESOLVED and not found.optional_boolean("spam")


def _is_writable(found: Reader) -> bool:
    """A ticket marked as spam takes no change; resolved and closed ones do."""
    return not found.optional_boolean("spam")


def _names_no_contact(refusal: Reader) -> bool:
    """Whether the list was refused because no contact has the address."""
    faults = refusal.optional_items("errors") or ()
    return [one.optional_text("field") for one in faults] == ["email"]
