"""The practice helpdesk as an adapter: signed links in place of a login, pretended tickets.

Nothing leaves: a reply is written into the pretended conversation and is mailed to nobody.
`connection.settings["file"]` is the world's file, `ticket_field` the field that says how a refund
ended; `connection.secrets["link_key"]` signs the links.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from itsdangerous import BadData, SignatureExpired, TimestampSigner, URLSafeTimedSerializer

from plugin.domain.errors import FIELD_REFUSED, InvalidInput, Refused
from plugin.domain.ids import AgentId, TicketId
from plugin.platforms.http_client import HttpClient
from plugin.platforms.practice_cases import AGENTS
from plugin.platforms.practice_desk import TICKET_FIELD, Message, MessageKind, PracticeTickets
from plugin.ports import Agent, Changed, Clock, Connection, Probe, SignIn, Ticket

LINK_LIFE_SECONDS = 12 * 60 * 60
_LONGEST_LINK = 2000


class _SignerAt(TimestampSigner):
    """A signer that is told the time: the library's own asks the system's clock."""

    default_key_derivation = "hmac"
    default_digest_method = staticmethod(hashlib.sha256)

    def __init__(
        self, secret_key: str | bytes | list[bytes], salt: str | bytes, *, seconds: int
    ) -> None:
        super().__init__(secret_key, salt=salt)
        self._seconds = seconds

    def get_timestamp(self) -> int:
        return self._seconds


@dataclass(frozen=True, slots=True)
class DeskTicket:
    """One ticket in the page's list, with the link that opens it."""

    href: str
    shows: str
    subject: str
    name: str
    current: bool


@dataclass(frozen=True, slots=True)
class DeskPage:
    """What the practice desk's page shows beside the panel."""

    tickets: tuple[DeskTicket, ...]
    ticket: Ticket
    messages: tuple[Message, ...]
    agent: str
    field: str


def practice_link(
    connection: Connection, public_url: str, ticket: TicketId, agent: AgentId, now: datetime
) -> str:
    """The address that opens `ticket` as `agent`, for twelve hours.

    An empty `public_url` gives the path alone.
    """
    claims = {"ticket": ticket, "agent": agent}
    signed = _serializer(connection, now).dumps(claims)
    query = urlencode({**claims, "s": signed})
    return f"{public_url.rstrip('/')}/panel/{connection.platform}/{connection.installation}?{query}"


class PracticeHelpdesk:
    """One practice desk."""

    def __init__(
        self,
        connection: Connection,
        http: HttpClient | None,  # noqa: ARG002 - all adapters are made alike; this one calls nobody
        clock: Clock,
    ) -> None:
        self._connection = connection
        self._tickets = PracticeTickets(connection.settings["file"])
        self._clock = clock

    # --- the panel --------------------------------------------------------------------------------

    def sign_in(self, form: Mapping[str, str], query: Mapping[str, str], now: datetime) -> SignIn:
        """As the port says; the link's parts come as query or as form.

        Refused: `link_missing`, `link_expired` (start practice again) or `link_refused`.
        """
        given = query if "s" in query else form
        signed = given.get("s", "")
        if not signed:
            raise Refused("link_missing")
        if len(signed) > _LONGEST_LINK:
            raise Refused("link_refused")
        try:
            claims = _serializer(self._connection, now).loads(signed, max_age=LINK_LIFE_SECONDS)
        except SignatureExpired:
            raise Refused("link_expired") from None
        except BadData:
            raise Refused("link_refused") from None
        if claims != {"ticket": given.get("ticket"), "agent": given.get("agent")}:
            raise Refused("link_refused")
        return SignIn(AgentId(claims["agent"]), TicketId(claims["ticket"]), ticket_proven=True)

    def read_agent(self, agent: AgentId) -> Agent | None:
        return next((known for known in AGENTS if known.id == agent), None)

    def read_ticket(self, ticket: TicketId, agent: AgentId) -> Ticket | None:
        known = self.read_agent(agent)
        return self._tickets.read_ticket(ticket) if known and known.active else None

    def frame_page(self, ticket: TicketId, agent: AgentId) -> DeskPage | None:
        """What `frames/practice.html` shows as `desk`; None for no such ticket or agent."""
        shown, known = self.read_ticket(ticket, agent), self.read_agent(agent)
        if shown is None or known is None:
            return None
        now = self._clock.now()
        return DeskPage(
            tickets=tuple(
                DeskTicket(
                    href=practice_link(self._connection, "", line.id, agent, now),
                    shows=line.shows,
                    subject=line.subject,
                    name=line.name,
                    current=line.id == ticket,
                )
                for line in self._tickets.list_tickets()
            ),
            ticket=shown,
            messages=self._tickets.conversation(ticket),
            agent=known.name,
            field=self._tickets.field(ticket),
        )

    # --- writing ----------------------------------------------------------------------------------

    def add_note(
        self, ticket: TicketId, body: str, tags: Sequence[str], marker: str, field: str = ""
    ) -> Changed:
        now, name = self._clock.now(), self._connection.settings.get("ticket_field", "")
        value = field if name == TICKET_FIELD else ""
        done = self._tickets.write(MessageKind.NOTE, ticket, body, marker, now, tags, value)
        if field and name not in ("", TICKET_FIELD):
            raise Refused(FIELD_REFUSED)
        return done

    def reply(self, ticket: TicketId, body: str, marker: str) -> Changed:
        return self._tickets.write(MessageKind.REPLY, ticket, body, marker, self._clock.now())

    def has_marker(self, ticket: TicketId, marker: str) -> bool:
        return self._tickets.has_marker(ticket, marker)

    def find_open_tickets(self, email: str) -> Sequence[TicketId]:
        return self._tickets.find_open_tickets(email)

    # --- connecting -------------------------------------------------------------------------------

    def probe(self) -> Probe:
        if not self._tickets.list_tickets():
            raise Refused("practice_empty", "start practice again: its desk was never filled")
        return Probe("Practice desk", "simulated: nothing is sent to anybody")

    def check_rights(self) -> str:
        name = self._connection.settings.get("ticket_field", "")
        if name not in ("", TICKET_FIELD):
            raise InvalidInput("Ticket field", f"give {TICKET_FIELD}: the desk knows no other")
        sets = f'; sets the ticket field "{name}"' if name else ""
        return f"may do everything; nothing of it is real{sets}"


def _serializer(connection: Connection, now: datetime) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(
        connection.secrets["link_key"],
        # A link for one desk must open no other, should two ever share a key.
        salt=f"makegood.practice-link.{connection.installation}",
        signer=_SignerAt,
        signer_kwargs={"seconds": int(now.timestamp())},
    )
