"""Zendesk Support by its REST API: reads tickets for agents, writes notes, replies and tags.

Every id that a page or a token brought is matched before it stands in a path, and every ticket is
read again for the agent who asks. Never follows an address from an answer, never deletes, and never
sends a comment without saying whether it is public (Zendesk's default is public).

Sources: developer.zendesk.com, Tickets, Ticket Comments, Users, Search, Apps; side-loading; "Adding
tags to tickets without overwriting existing tags" (a ticket's own update replaces all tags, so the
tags read are sent along under `safe_update`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from plugin.domain.errors import FIELD_REFUSED, Refused, RetryLater
from plugin.domain.ids import AgentId, TicketId
from plugin.helpdesks.zendesk.api import (
    INVALID,
    Api,
    body_of,
    known_shape,
    told_in_the_second_of,
)
from plugin.helpdesks.zendesk.app_package import APP_NAME, INSTALLATION_PARAMETER, package
from plugin.helpdesks.zendesk.comments import carries, html_of
from plugin.helpdesks.zendesk.fields import SETTING as FIELD_SETTING
from plugin.helpdesks.zendesk.fields import FieldWish, no_such_field, words_on
from plugin.helpdesks.zendesk.rights import DeskUser, Reach, TicketPlace, may_see, read_user
from plugin.helpdesks.zendesk.sign_in import (
    ID,
    App,
    KnownKey,
    PublicKeys,
    read_public_key,
    signed_in_agent,
    to_pem,
)
from plugin.platforms.http_client import HttpClient
from plugin.platforms.strict_json import JsonObject, JsonValue, Reader
from plugin.ports import Agent, Changed, Clock, Connection, Probe, SignIn, Ticket

_KEYS: Final = PublicKeys()
_APP_KEY: Final = "app_public_key"
_APP_KEY_READ_AT: Final = "app_public_key_read_at"
_CLOSED: Final = frozenset({"closed", "deleted"})
_OPEN: Final = frozenset({"new", "open", "pending", "hold"})
_WRITE_TRIES: Final = 3
_PAGE: Final = 100
_MOST_COMMENT_PAGES: Final = 50
"""A ticket holds at most 5,000 comments."""
_MOST_REQUESTERS: Final = 5
_LONGEST_TEXT: Final = 10_000


class ZendeskHelpdesk:
    """One Zendesk account.

    `connection.settings`: `subdomain`, `email`, `ticket_field` where one is set, after `finish`
    also what that gives, in development `base_url`; `connection.secrets`: `api_token`. `keys` are
    the apps' public keys, shared by the whole process unless given.
    """

    def __init__(
        self,
        connection: Connection,
        http: HttpClient,
        clock: Clock,
        keys: PublicKeys = _KEYS,
    ) -> None:
        self._connection = connection
        settings = connection.settings
        base_url = settings.get("base_url") or f"https://{settings['subdomain']}.zendesk.com"
        self._api = Api(http, base_url, settings["email"], connection.secrets["api_token"])
        self._clock = clock
        self._keys = keys

    # --- the panel --------------------------------------------------------------------------------

    def sign_in(self, form: Mapping[str, str], query: Mapping[str, str], now: datetime) -> SignIn:  # noqa: ARG002 - the query is the page's, and proves nothing
        settings = self._connection.settings
        app_id, installed = settings.get("app_id", ""), settings.get("app_installation_id", "")
        if not (ID.fullmatch(app_id) and ID.fullmatch(installed)):
            raise Refused(
                "app_not_finished",
                f"run: makegood connect {self._connection.platform} --finish",
            )
        app = App(settings["subdomain"], app_id, installed)
        agent = signed_in_agent(
            form.get("token", ""),
            app,
            now,
            self._keys,
            lambda: self._api.public_key(app_id),
            self._kept_key(),
        )
        return SignIn(agent)

    def _kept_key(self) -> KnownKey | None:
        """The app's key as finishing stored it; None where that was before keys were kept."""
        pem = self._connection.settings.get(_APP_KEY, "")
        read_at = self._connection.settings.get(_APP_KEY_READ_AT, "")
        if not (pem and read_at):
            return None
        return KnownKey(read_public_key(pem.encode()), datetime.fromisoformat(read_at))

    def read_agent(self, agent: AgentId) -> Agent | None:
        user = self._user(agent)
        return None if user is None else Agent(user.id, user.name, user.role, user.works_here)

    def read_ticket(self, ticket: TicketId, agent: AgentId) -> Ticket | None:
        """As the port says. The requester's further addresses count once Zendesk verified them.

        An address that a customer merely typed into a profile must not open somebody else's orders.
        """
        if not ID.fullmatch(ticket):
            return None
        with known_shape("ticket.read"):
            found = self._api.read(
                "ticket.read", f"tickets/{ticket}.json", [("include", "users,groups")]
            )
            if found is None or found.text("ticket", "status") == "deleted":
                return None
            user = self._user(agent)
            if user is None or not may_see(user, _place(found)):
                return None
            return self._ticket(ticket, found)

    def _ticket(self, ticket: TicketId, found: Reader) -> Ticket:
        requester = found.identifier("ticket", "requester_id")
        people = found.optional_items("users") or ()
        person = next((one for one in people if one.identifier("id") == requester), Reader(None))
        first = person.optional_text("email")
        emails = [*([first] if first else []), *self._verified_emails(requester)]
        return Ticket(
            id=ticket,
            subject=found.optional_text("ticket", "subject") or "",
            name=person.optional_text("name") or "",
            emails=_without_repeats(emails),
            tags=_tags(found),
            open=found.text("ticket", "status") in _OPEN,
            locale=person.optional_text("locale") or "en",
            text=(found.optional_text("ticket", "description") or "")[:_LONGEST_TEXT],
        )

    def _verified_emails(self, user: str) -> list[str]:
        query = [("page[size]", str(_PAGE))]
        found = self._api.read("identities.read", f"users/{user}/identities.json", query)
        identities = () if found is None else found.items("identities")
        # The primary one leads, whatever order the answer has.
        return [
            identity.text("value")
            for identity in sorted(
                identities, key=lambda identity: not identity.optional_boolean("primary")
            )
            if identity.text("type") == "email"
            and (identity.optional_boolean("verified") or identity.optional_boolean("primary"))
        ]

    # --- writing ----------------------------------------------------------------------------------

    def add_note(
        self, ticket: TicketId, body: str, tags: Sequence[str], marker: str, field: str = ""
    ) -> Changed:
        number = self._connection.settings.get(FIELD_SETTING, "")
        if not (field and number):
            return self._comment(ticket, body, tags, marker, public=False)
        if ID.fullmatch(number):
            wish = FieldWish(number, field)
            return self._comment(ticket, body, tags, marker, public=False, wish=wish)
        self._comment(ticket, body, tags, marker, public=False)
        raise Refused(FIELD_REFUSED, number)

    def reply(self, ticket: TicketId, body: str, marker: str) -> Changed:
        return self._comment(ticket, body, (), marker, public=True)

    def has_marker(self, ticket: TicketId, marker: str) -> bool:
        if not ID.fullmatch(ticket):
            return False
        with known_shape("comments.read"):
            return self._stands(ticket, marker)

    def _comment(
        self,
        ticket: TicketId,
        body: str,
        tags: Sequence[str],
        marker: str,
        *,
        public: bool,
        wish: FieldWish | None = None,
    ) -> Changed:
        """One comment, at most once. Raises Refused: `ticket_gone`, `_closed` or `_refused`.

        The ticket is read before its comments and written under its own time stamp: whatever
        changed in between, be it a tag or our own note from another process, makes the write fail,
        and all is read again.
        """
        html = html_of(body, marker)
        if not ID.fullmatch(ticket):
            raise Refused("ticket_gone")
        for _ in range(_WRITE_TRIES):
            with known_shape("ticket.read"):
                answer = self._api.send("GET", "ticket.read", f"tickets/{ticket}.json")
                if answer.status == 404:
                    raise Refused("ticket_gone")
                found = body_of(answer)
                stands = self._stands(ticket, marker)
                if stands and not _lacks(found, wish):
                    return Changed.ALREADY
                change = _change(found, None if stands else html, tags, wish, public=public)
                if told_in_the_second_of(answer, found.text("ticket", "updated_at")):
                    raise RetryLater("ticket_just_changed", after_seconds=1)
            label = "ticket.reply" if public else "ticket.note"
            written = self._api.send(
                "PUT",
                label,
                f"tickets/{ticket}.json",
                change=change,
                may_be_invalid=wish is not None,
            )
            if written.status == 404:
                raise Refused("ticket_gone")
            if written.status in INVALID:
                # Nothing of it was taken: all but the field is written by itself.
                self._comment(ticket, body, tags, marker, public=public)
                raise Refused(FIELD_REFUSED)
            if written.is_ok:
                with known_shape(label):
                    if wish is not None and not wish.is_known(body_of(written).section("ticket")):
                        raise Refused(FIELD_REFUSED, wish.number)
                return Changed.ALREADY if stands else Changed.DONE
        raise RetryLater("ticket_busy", after_seconds=5)

    def _stands(self, ticket: TicketId, marker: str) -> bool:
        """Whether a comment carries `marker`, newest first. Raises Malformed."""
        query = [("page[size]", str(_PAGE)), ("sort", "-created_at")]
        cursor: str | None = None
        for _ in range(_MOST_COMMENT_PAGES):
            more = [] if cursor is None else [("page[after]", cursor)]
            path = f"tickets/{ticket}/comments.json"
            found = self._api.read("comments.read", path, [*query, *more])
            if found is None:
                return False
            for comment in found.items("comments"):
                texts = (comment.optional_text(name) for name in ("body", "html_body"))
                if any(text is not None and carries(text, marker) for text in texts):
                    return True
            if not found.optional_boolean("meta", "has_more"):
                return False
            cursor = found.text("meta", "after_cursor")
        # Not read to the end: saying "not there" could write a second one.
        raise RetryLater("too_many_comments")

    def find_open_tickets(self, email: str) -> Sequence[TicketId]:
        """Unsolved tickets whose requester has `email`, newest first, at most a page.

        The search also matches names, and a name is whatever a customer typed: each requester's
        addresses are read before their ticket counts.
        """
        if not email or any(sign in email for sign in ' "\\') or not email.isprintable():
            return ()
        query = [
            ("query", f'type:ticket status<solved requester:"{email}"'),
            ("sort_by", "created_at"),
            ("sort_order", "desc"),
        ]
        with known_shape("tickets.search"):
            found = self._api.read("tickets.search", "search.json", query)
            rows = (
                []
                if found is None
                else [
                    (TicketId(row.identifier("id")), row.identifier("requester_id"))
                    for row in found.items("results")
                    if row.optional_text("result_type") == "ticket" and row.text("status") in _OPEN
                ]
            )
            requesters = list(dict.fromkeys(requester for _, requester in rows))
            theirs = {
                requester
                for requester in requesters[:_MOST_REQUESTERS]
                if email.casefold() in {e.casefold() for e in self._verified_emails(requester)}
            }
        return tuple(ticket for ticket, requester in rows if requester in theirs)

    # --- connecting -------------------------------------------------------------------------------

    def probe(self) -> Probe:
        me = self._me()
        return Probe(f"{self._connection.settings['subdomain']}.zendesk.com", f"as {me.role}")

    def check_rights(self) -> str:
        me = self._me()
        if me.reaches != (Reach.ALL,):
            raise Refused("rights_missing", "let the token's user see all tickets")
        if me.role == "light_agent" or me.only_private_comments:
            raise Refused("rights_missing", "let the token's user write public comments")
        words = "reads all tickets and writes to them; finishing the app needs an administrator"
        if me.role == "admin":
            words = "administrator: reads all tickets, writes to them, reads the installed app"
        field = self._field_words()
        return f"{words}; {field}" if field else words

    def _field_words(self) -> str:
        """What is set besides, if anything. Raises InvalidInput where that would not work."""
        number = self._connection.settings.get(FIELD_SETTING, "")
        if not number:
            return ""
        if not ID.fullmatch(number):
            raise no_such_field(number)
        with known_shape("field.read"):
            found = self._api.read("field.read", f"ticket_fields/{number}.json")
            if found is None:
                raise no_such_field(number)
            return words_on(found.section("ticket_field"), number)

    def package(self, public_url: str, out: Path) -> Path:
        """Write this installation's app package to `out`. Raises InvalidInput with every fault."""
        return package(self._connection, public_url, out)

    def finish(self) -> Mapping[str, str]:
        """Settings to store once our app is installed: its ids, and its public key with the time.

        The key is kept so that a process that just began lets agents in without asking for it.
        Raises Refused: `app_not_installed`, `app_ambiguous`, or `rights_missing` where the token's
        user is no administrator; and when the app's public key cannot be used.
        """
        with known_shape("apps.installations"):
            found = self._api.read("apps.installations", "apps/installations.json")
            if found is None:
                raise Refused("app_not_installed")
            installed = self._ours(found.items("installations"))
            app_id, installation_id = installed.identifier("app_id"), installed.identifier("id")
        return {
            "app_id": app_id,
            "app_installation_id": installation_id,
            _APP_KEY: to_pem(self._api.public_key(app_id)),
            _APP_KEY_READ_AT: self._clock.now().isoformat(),
        }

    def _ours(self, installations: Sequence[Reader]) -> Reader:
        """The app made for this installation of ours; else the only one that has our name.

        An app without our parameter may still be ours: whether Zendesk keeps the default of a
        hidden parameter is not documented.
        """
        ours = str(self._connection.installation)
        marked, named = [], []
        for one in installations:
            mark = one.optional_text("settings", INSTALLATION_PARAMETER)
            if mark == ours:
                marked.append(one)
            elif mark is None and one.optional_text("settings", "name") == APP_NAME:
                named.append(one)
        candidates = marked or named
        if not candidates:
            raise Refused("app_not_installed", "upload the packaged app first, then finish")
        if len(candidates) > 1:
            ids = ", ".join(one.identifier("id") for one in candidates)
            raise Refused("app_ambiguous", f"uninstall all but one of the installations {ids}")
        return candidates[0]

    def _me(self) -> DeskUser:
        with known_shape("me.read"):
            found = self._api.read("me.read", "users/me.json", [("include", "groups,roles")])
            # Without valid credentials this address may answer as an anonymous user without an id.
            if found is None or found.optional_identifier("user", "id") is None:
                raise Refused("key_refused", "check e-mail address and API token")
            me = read_user(found)
        if not me.works_here:
            raise Refused("rights_missing", "use the token of an agent or administrator")
        return me

    def _user(self, agent: AgentId) -> DeskUser | None:
        if not ID.fullmatch(agent):
            return None
        with known_shape("agent.read"):
            query = [("include", "groups,roles")]
            found = self._api.read("agent.read", f"users/{agent}.json", query)
            return None if found is None else read_user(found)


def _place(found: Reader) -> TicketPlace:
    ticket = found.section("ticket")
    group = ticket.optional_identifier("group_id")
    return TicketPlace(
        requester=ticket.identifier("requester_id"),
        assignee=ticket.optional_identifier("assignee_id"),
        group=group,
        group_is_public=any(
            one.identifier("id") == group and one.optional_boolean("is_public") is True
            for one in found.optional_items("groups") or ()
        ),
        organization=ticket.optional_identifier("organization_id"),
    )


def _tags(found: Reader) -> tuple[str, ...]:
    return tuple(tag.text() for tag in found.items("ticket", "tags"))


def _lacks(found: Reader, wish: FieldWish | None) -> bool:
    """Whether the field is still to be set, and can be."""
    is_closed = found.text("ticket", "status") in _CLOSED
    return wish is not None and not is_closed and not wish.is_set(found.section("ticket"))


def _change(
    found: Reader,
    html: str | None,
    tags: Sequence[str],
    wish: FieldWish | None,
    *,
    public: bool,
) -> JsonObject:
    """The body of the update; without `html` the field alone.

    Raises Refused for a closed ticket, which nobody can change.
    """
    if found.text("ticket", "status") in _CLOSED:
        raise Refused("ticket_closed")
    change: dict[str, JsonValue] = {
        "safe_update": True,
        "updated_stamp": found.text("ticket", "updated_at"),
        **(wish.change() if wish is not None else {}),
    }
    if html is not None:
        change["comment"] = {"html_body": html, "public": public}
        if tags:
            change["tags"] = list(_without_repeats([*_tags(found), *tags]))
    return {"ticket": change}


def _without_repeats(texts: Sequence[str]) -> tuple[str, ...]:
    """The texts once each, where and as each stood first; case does not count."""
    once: dict[str, str] = {}
    for text in texts:
        once.setdefault(text.casefold(), text)
    return tuple(once.values())
