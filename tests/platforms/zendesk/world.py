"""Our adapter connected to the fake account, as the contract and the other tests use it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from plugin.domain.ids import AgentId, InstallationId, TenantId, TicketId
from plugin.helpdesks.zendesk import ZendeskHelpdesk
from plugin.helpdesks.zendesk.sign_in import PublicKeys
from plugin.platforms.http_client import AllowedHosts, HttpClient
from plugin.platforms.manifest import Timeouts
from plugin.ports import Connection, Kind
from tests.contracts.helpdesk import CommentSeen, Failure
from tests.platforms.zendesk.data import (
    AGENT,
    APP,
    APP_INSTALLATION,
    EMAIL,
    OUTSIDER,
    REFUND_FIELD,
    SUBDOMAIN,
    TOKEN,
    user,
)
from tests.platforms.zendesk.fake import FakeZendesk, Mishap

INSTALLATION = "inst-7f3a"

MISHAPS: Mapping[Failure, Mishap] = {
    Failure.KEY_REFUSED: Mishap(status=401),
    Failure.FORBIDDEN: Mishap(status=403),
    Failure.RATE_LIMITED: Mishap(status=429, headers={"Retry-After": "17"}),
    Failure.BROKEN: Mishap(status=503),
    Failure.BROKEN_AFTER_WRITE: Mishap(method="PUT", status=500, after=True),
    Failure.SILENT_AFTER_WRITE: Mishap(method="PUT", after=True),
}


def connection(api_token: str = TOKEN, **settings: str) -> Connection:
    """Our side of the account; `settings` replace some, and an empty one is left out."""
    stored = {
        "subdomain": SUBDOMAIN,
        "email": EMAIL,
        "app_id": str(APP),
        "app_installation_id": str(APP_INSTALLATION),
        **settings,
    }
    return Connection(
        tenant=TenantId("t1"),
        installation=InstallationId(INSTALLATION),
        kind=Kind.HELPDESK,
        platform="zendesk",
        label="Acme",
        settings={name: value for name, value in stored.items() if value},
        secrets={"api_token": api_token},
    )


class _DeskClock:
    """The fake's time, as if our clock went like the desk's."""

    def __init__(self, fake: FakeZendesk) -> None:
        self._fake = fake

    def now(self) -> datetime:
        return self._fake.account.now


class World:
    """The account and our adapter."""

    def __init__(self, fake: FakeZendesk) -> None:
        self.fake = fake
        self.slow = threading.Event()
        self.keys = PublicKeys()
        self.desk = self.connected()

    def connected(self, api_token: str = TOKEN, **settings: str) -> ZendeskHelpdesk:
        """Another adapter on the same account."""
        place = frozenset({self.fake.place})
        client = HttpClient(
            allowed=AllowedHosts(place),
            clock=_DeskClock(self.fake),
            timeouts=Timeouts(connect=2, read=1, total=2),
            allow_private=place,
        )
        ours = connection(api_token, base_url=self.fake.base_url, **settings)
        return ZendeskHelpdesk(ours, client, _DeskClock(self.fake), keys=self.keys)

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
        return {"token": self.fake.token(agent)}

    def add_ticket(self, emails: Sequence[str], tags: Sequence[str] = ()) -> TicketId:
        account = self.fake.account
        person = next(
            (number for number, one in account.users.items() if one["email"] == emails[0]), None
        )
        if person is None:
            person = 300 + len(account.users)
            account.users[person] = user(person, "New Customer", "end-user", email=emails[0])
        known = {one["value"] for one in account.identities.get(person, ())}
        for place, email in enumerate(emails):
            if email not in known:
                account.add_identity(person, email, verified=True, primary=place == 0)
        return TicketId(str(account.add_ticket(person, tags=list(tags))))

    def close(self, ticket: TicketId) -> None:
        self.fake.account.tickets[int(ticket)]["status"] = "closed"

    def name_field(self) -> None:
        """The account has a field, and the admin named it."""
        self.restore_field()
        self.desk = self.connected(ticket_field=str(REFUND_FIELD))

    def remove_field(self) -> None:
        self.fake.account.fields.clear()

    def restore_field(self) -> None:
        self.fake.account.add_field()

    def field(self, ticket: TicketId) -> str:
        values = self.fake.account.tickets[int(ticket)].get("values", {})
        return str(values.get(REFUND_FIELD, ""))

    def delete(self, ticket: TicketId) -> None:
        del self.fake.account.tickets[int(ticket)]

    def tag_before_next_write(self, ticket: TicketId, tag: str) -> None:
        def add(_: int) -> None:
            self.fake.before_write = None
            self.fake.account.add_tag(int(ticket), tag)

        self.fake.before_write = add

    def comments(self, ticket: TicketId) -> Sequence[CommentSeen]:
        return [
            CommentSeen(one["body"], one["public"])
            for one in self.fake.account.comments[int(ticket)]
        ]

    def tags(self, ticket: TicketId) -> set[str]:
        return set(self.fake.account.tickets[int(ticket)]["tags"])

    def fail_next(self, failure: Failure) -> None:
        if failure is Failure.SLOW:
            self.fake.mishaps.append(Mishap(until=self.slow))
            return
        one = MISHAPS[failure]
        self.fake.mishaps.append(Mishap(one.method, one.path, one.status, one.headers, one.after))


@contextmanager
def running_world() -> Iterator[World]:
    """A world of its own; ends its threads."""
    with FakeZendesk() as fake:
        world = World(fake)
        try:
            yield world
        finally:
            world.slow.set()
