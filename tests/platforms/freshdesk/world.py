"""Our adapter connected to the fake account, as the contract and the other tests use it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from plugin.domain.ids import AgentId, InstallationId, TenantId, TicketId
from plugin.helpdesks.freshdesk import FreshdeskHelpdesk
from plugin.platforms.http_client import AllowedHosts, HttpClient
from plugin.platforms.manifest import Timeouts
from plugin.ports import Connection, Kind
from tests.contracts.helpdesk import CommentSeen, Failure
from tests.platforms.freshdesk.account import (
    AGENT,
    API_KEY,
    APP_SECRET,
    CLOSED,
    DOMAIN,
    OUTSIDER,
    REFUND_FIELD,
    Json,
)
from tests.platforms.freshdesk.fake import FakeFreshdesk, Mishap

INSTALLATION = "inst-7f3a"

MISHAPS: Mapping[Failure, Mishap] = {
    Failure.KEY_REFUSED: Mishap(status=401),
    Failure.FORBIDDEN: Mishap(status=403),
    Failure.RATE_LIMITED: Mishap(status=429, headers={"Retry-After": "17"}),
    Failure.BROKEN: Mishap(status=503),
    Failure.BROKEN_AFTER_WRITE: Mishap(method="POST", status=500, after=True),
    Failure.SILENT_AFTER_WRITE: Mishap(method="POST", after=True),
}


def connection(api_key: str = API_KEY, app_secret: str = APP_SECRET, **settings: str) -> Connection:
    """Our side of the account."""
    return Connection(
        tenant=TenantId("t1"),
        installation=InstallationId(INSTALLATION),
        kind=Kind.HELPDESK,
        platform="freshdesk",
        label="Acme",
        settings={"domain": DOMAIN, **settings},
        secrets={"api_key": api_key, "app_secret": app_secret},
    )


class _DeskClock:
    """The fake's time, as if our clock went like the desk's."""

    def __init__(self, fake: FakeFreshdesk) -> None:
        self._fake = fake

    def now(self) -> datetime:
        return self._fake.account.now


class World:
    """The account and our adapter. `desk` is made anew for each use, as a request does."""

    def __init__(self, fake: FakeFreshdesk) -> None:
        self.fake = fake
        self.slow = threading.Event()
        self.settings: dict[str, str] = {}

    @property
    def desk(self) -> FreshdeskHelpdesk:
        return self.connected()

    def connected(self, api_key: str = API_KEY, app_secret: str = APP_SECRET) -> FreshdeskHelpdesk:
        """An adapter on the account, as one request has it."""
        place = frozenset({self.fake.place})
        client = HttpClient(
            allowed=AllowedHosts(place),
            clock=_DeskClock(self.fake),
            timeouts=Timeouts(connect=2, read=1, total=2),
            allow_private=place,
        )
        ours = connection(api_key, app_secret, base_url=self.fake.base_url, **self.settings)
        return FreshdeskHelpdesk(ours, client, _DeskClock(self.fake))

    def ticket(self, ticket: TicketId) -> Json:
        return self.fake.account.tickets[int(ticket)]

    def pass_for(self, agent: str) -> str:
        """What Freshworks' servers fetch for the page that names this agent."""
        return self.desk.give_pass(f"Bearer {APP_SECRET}", {"agent": agent}, self.now)

    # --- the contract's world ---------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        return self.fake.account.now

    @property
    def agent(self) -> AgentId:
        return AgentId(str(AGENT))

    @property
    def outsider(self) -> AgentId:
        return AgentId(str(OUTSIDER))

    def first_request(self, agent: AgentId) -> Mapping[str, str]:
        return {"pass": self.pass_for(agent)}

    def add_ticket(self, emails: Sequence[str], tags: Sequence[str] = ()) -> TicketId:
        account = self.fake.account
        person = next(
            (number for number, one in account.contacts.items() if one["email"] == emails[0]), None
        )
        if person is None:
            person = account.add_contact(list(emails))
        account.contacts[person]["other_emails"] = list(emails[1:])
        return TicketId(str(account.add_ticket(person, tags=list(tags))))

    def close(self, ticket: TicketId) -> None:
        # Freshdesk lets people write to closed tickets; to one marked as spam nobody can.
        self.ticket(ticket).update(status=CLOSED, spam=True)

    def name_field(self) -> None:
        """The account has a field, and the admin named it."""
        self.restore_field()
        self.settings = {"ticket_field": REFUND_FIELD}

    def remove_field(self) -> None:
        self.fake.account.fields.pop()

    def restore_field(self) -> None:
        self.fake.account.add_field()

    def field(self, ticket: TicketId) -> str:
        return str(self.ticket(ticket)["custom_fields"].get(REFUND_FIELD, ""))

    def delete(self, ticket: TicketId) -> None:
        # Into the bin: it still answers, and says so.
        self.ticket(ticket)["deleted"] = True

    def tag_before_next_write(self, ticket: TicketId, tag: str) -> None:
        def add(_method: str, _ticket: int) -> None:
            self.fake.before_write = None
            self.ticket(ticket)["tags"].append(tag)

        self.fake.before_write = add

    def comments(self, ticket: TicketId) -> Sequence[CommentSeen]:
        return [
            CommentSeen(one["body_text"], not one["private"])
            for one in self.fake.account.comments[int(ticket)]
        ]

    def tags(self, ticket: TicketId) -> set[str]:
        return set(self.ticket(ticket)["tags"])

    def fail_next(self, failure: Failure) -> None:
        if failure is Failure.SLOW:
            self.fake.mishaps.append(Mishap(until=self.slow))
            return
        one = MISHAPS[failure]
        self.fake.mishaps.append(Mishap(one.method, one.path, one.status, one.headers, one.after))


@contextmanager
def running_world() -> Iterator[World]:
    """A world of its own; ends its threads."""
    with FakeFreshdesk() as fake:
        world = World(fake)
        try:
            yield world
        finally:
            world.slow.set()
