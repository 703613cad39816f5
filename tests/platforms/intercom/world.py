"""Our adapter connected to the fake workspace, as the contract and the other tests use it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from plugin.domain.ids import AgentId, InstallationId, TenantId, TicketId
from plugin.helpdesks.intercom import IntercomHelpdesk
from plugin.platforms.http_client import AllowedHosts, HttpClient
from plugin.platforms.manifest import Timeouts
from plugin.ports import Connection, Kind
from tests.contracts.helpdesk import CommentSeen, Failure
from tests.platforms.intercom.data import (
    AGENT,
    ATTRIBUTE,
    CLIENT_ID,
    CLIENT_SECRET,
    OUTSIDER,
    TOKEN,
    WORKSPACE,
    text_of,
)
from tests.platforms.intercom.fake import FakeIntercom, Mishap
from tests.platforms.intercom.posts import HEADER, post_of, signed

INSTALLATION = "inst-7f3a"
_REPLY = "/reply$"


def connection(
    access_token: str = TOKEN, client_secret: str = CLIENT_SECRET, **settings: str
) -> Connection:
    """Our side of the workspace."""
    return Connection(
        tenant=TenantId("t1"),
        installation=InstallationId(INSTALLATION),
        kind=Kind.HELPDESK,
        platform="intercom",
        label="Acme",
        settings={
            "workspace_id": WORKSPACE,
            "api_host": "api.intercom.io",
            "client_id": CLIENT_ID,
            **settings,
        },
        secrets={"access_token": access_token, "client_secret": client_secret},
    )


class _DeskClock:
    """The fake's time, as if our clock went like the desk's."""

    def __init__(self, fake: FakeIntercom) -> None:
        self._fake = fake

    def now(self) -> datetime:
        return self._fake.workspace.now


class World:
    """Implements `tests.contracts.helpdesk.DeskWorld`."""

    def __init__(self, fake: FakeIntercom) -> None:
        self.fake = fake
        self.slow = threading.Event()
        self.desk = self.connect()

    def connect(self, access_token: str = TOKEN, **settings: str) -> IntercomHelpdesk:
        place = frozenset({self.fake.place})
        client = HttpClient(
            allowed=AllowedHosts(place),
            clock=_DeskClock(self.fake),
            timeouts=Timeouts(connect=2, read=1, total=2),
            allow_private=place,
        )
        ours = connection(access_token, base_url=self.fake.base_url, **settings)
        return IntercomHelpdesk(ours, client, _DeskClock(self.fake))

    # --- the contract's world ---------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        return self.fake.workspace.now

    @property
    def agent(self) -> AgentId:
        return AgentId(str(AGENT))

    @property
    def outsider(self) -> AgentId:
        return AgentId(str(OUTSIDER))

    def first_request(self, agent: AgentId) -> Mapping[str, str]:
        body, headers = signed(post_of(agent, "5001"))
        return {"body": body.decode(), HEADER.lower(): headers[HEADER]}

    def add_ticket(self, emails: Sequence[str], tags: Sequence[str] = ()) -> TicketId:
        """The first address is the contact's; a second one is where their mail came from."""
        workspace = self.fake.workspace
        contact = workspace.add_contact(emails[0])
        number = workspace.add_conversation(contact, emails[1] if len(emails) > 1 else "")
        for tag in tags:
            workspace.put_tag(number, tag)
        return TicketId(str(number))

    def close(self, ticket: TicketId) -> None:
        """Closed, and beyond what may be written to: a conversation takes parts after closing."""
        one = self.fake.workspace.conversations[int(ticket)]
        one["state"], one["open"] = "closed", False
        self.fake.workspace.ended.add(int(ticket))

    def name_field(self) -> None:
        """The workspace has an attribute, and the admin named it."""
        self.restore_field()
        self.desk = self.connect(conversation_attribute=ATTRIBUTE)

    def remove_field(self) -> None:
        self.fake.workspace.attributes.clear()

    def restore_field(self) -> None:
        self.fake.workspace.add_attribute()

    def field(self, ticket: TicketId) -> str:
        conversation = self.fake.workspace.conversations[int(ticket)]
        return str(conversation["custom_attributes"].get(ATTRIBUTE, ""))

    def delete(self, ticket: TicketId) -> None:
        del self.fake.workspace.conversations[int(ticket)]

    def tag_before_next_write(self, ticket: TicketId, tag: str) -> None:
        def add() -> None:
            self.fake.before_write = None
            self.fake.workspace.put_tag(int(ticket), tag)

        self.fake.before_write = add

    def comments(self, ticket: TicketId) -> Sequence[CommentSeen]:
        return [
            CommentSeen(text_of(one["body"]), one["part_type"] == "comment")
            for one in self.fake.workspace.parts[int(ticket)]
        ]

    def tags(self, ticket: TicketId) -> set[str]:
        tags = self.fake.workspace.conversations[int(ticket)]["tags"]["tags"]
        return {tag["name"] for tag in tags}

    def fail_next(self, failure: Failure) -> None:
        self.fake.mishaps.append(self._mishap(failure))

    def _mishap(self, failure: Failure) -> Mishap:
        # Told as a moment, like the real one does. Each request takes the fake's clock a second on.
        reset = {"X-RateLimit-Reset": str(int(self.now.timestamp()) + 18)}
        mishaps: Mapping[Failure, Mishap] = {
            Failure.KEY_REFUSED: Mishap(status=401),
            Failure.FORBIDDEN: Mishap(status=403),
            Failure.RATE_LIMITED: Mishap(status=429, headers=reset),
            Failure.BROKEN: Mishap(status=503),
            Failure.SLOW: Mishap(until=self.slow),
            Failure.BROKEN_AFTER_WRITE: Mishap(path=_REPLY, status=500, after=True),
            Failure.SILENT_AFTER_WRITE: Mishap(path=_REPLY, after=True),
        }
        return mishaps[failure]


@contextmanager
def running_world() -> Iterator[World]:
    """A world of its own; ends its threads."""
    with FakeIntercom() as fake:
        world = World(fake)
        try:
            yield world
        finally:
            world.slow.set()
