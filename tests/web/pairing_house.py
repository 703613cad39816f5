"""Practice with a desk that proves only its account, and the agents' browsers and mail.

The toy desk is the practice desk with another way to sign in: who the agent is stands in the
address as a claim, as page code could write it there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from html import unescape
from typing import Any, ClassVar
from urllib.parse import urlencode

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from plugin.app import Parts, create_app
from plugin.domain.errors import MakegoodError
from plugin.domain.ids import AgentId, PairingId, TenantId, TicketId
from plugin.helpdesks.practice import PracticeHelpdesk, practice_link
from plugin.platforms.data_files import DataFiles
from plugin.platforms.manifest import HelpdeskManifest, PlatformManifest, Vouching
from plugin.platforms.practice_cases import AGENTS
from plugin.platforms.registry import Registry
from plugin.ports import Agent, Kind, SignIn, Ticket
from plugin.ports.records import Pairing
from plugin.services.mail_pairing import MailPairing
from tests.fakes.platforms import FakeMailer, Mail
from tests.web.practice_house import PracticeHouse

ANA = AgentId("practice-agent")
LEAD = AgentId("practice-lead")
FORMER = AgentId("practice-former")
STRANGER = AgentId("no-such-agent")
FORM = "application/x-www-form-urlencoded"


@dataclass
class DeskSays:
    """What the toy desk's API tells now."""

    agents: dict[AgentId, Agent] = field(default_factory=lambda: {a.id: a for a in AGENTS})
    emails: dict[AgentId, str] = field(
        default_factory=lambda: {a.id: f"{a.id}@desk.example" for a in AGENTS}
    )
    shared: set[TicketId] = field(default_factory=set)
    hidden: set[tuple[TicketId, AgentId]] = field(default_factory=set)
    fails: MakegoodError | None = None
    asked: list[str] = field(default_factory=list)


class ToyDesk(PracticeHelpdesk):
    """Proves the account, claims the agent."""

    says: ClassVar[DeskSays]

    def sign_in(self, form: Mapping[str, str], query: Mapping[str, str], now: datetime) -> SignIn:
        signed = super().sign_in(form, query, now)
        claimed = query.get("claims", "")
        return SignIn(None, signed.ticket, signed.ticket_proven, AgentId(claimed))

    def read_agent(self, agent: AgentId) -> Agent | None:
        self._asked("read_agent")
        return self.says.agents.get(agent)

    def read_ticket(self, ticket: TicketId, agent: AgentId) -> Ticket | None:
        self._asked("read_ticket")
        known = self.says.agents.get(agent)
        if known is None or not known.active or (ticket, agent) in self.says.hidden:
            return None
        return self._tickets.read_ticket(ticket)

    def read_agent_email(self, agent: AgentId) -> str | None:
        self._asked("read_agent_email")
        return self.says.emails.get(agent)

    def read_shared_ticket(self, ticket: TicketId) -> Ticket | None:
        self._asked("read_shared_ticket")
        return self._tickets.read_ticket(ticket) if ticket in self.says.shared else None

    def _asked(self, what: str) -> None:
        self.says.asked.append(what)
        if self.says.fails is not None:
            raise self.says.fails


class ToyRegistry(Registry):
    """The practice desk declares what the toy can."""

    vouching = Vouching.INSTALLATION
    framed_by: tuple[str, ...] = ()

    def manifest(self, kind: Kind, stem: str) -> PlatformManifest:
        found = super().manifest(kind, stem)
        if not isinstance(found, HelpdeskManifest):
            return found
        panel = replace(found.panel, agent_vouched_by=self.vouching, frame_ancestors=self.framed_by)
        return replace(found, panel=panel)

    def adapter_class(self, kind: Kind, stem: str) -> type[Any]:
        return ToyDesk if kind is Kind.HELPDESK else super().adapter_class(kind, stem)


class PairingHouse(PracticeHouse):
    """Practice at the toy desk, with a mail server that keeps what it gets."""

    public_url = ""
    smtp_url = "smtp://mail.example"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.says = ToyDesk.says = DeskSays()
        self.mailer = FakeMailer()
        registry = ToyRegistry([DataFiles().manifests()])
        public_url = self.public_url or self.settings.public_url
        self.settings = replace(self.settings, smtp_url=self.smtp_url, public_url=public_url)
        platforms = replace(self.parts.platforms, registry=registry)
        self.parts: Parts = replace(
            self.parts, registry=registry, platforms=platforms, settings=self.settings
        )
        self.app = create_app(self.settings, self.parts)
        mail = MailPairing(
            self.parts.house.storage,
            platforms,
            self.mailer,
            self.clock,
            self.parts.mint,
            self.settings.public_url,
        )
        self.mail_pairing = mail
        self._tasks["pairing"] = lambda tenant, ref: mail(TenantId(tenant), PairingId(ref))

    def pairings(self) -> list[Pairing]:
        """Those that hold."""
        with self.parts.house.storage.read(self.tenant) as uow:
            return list(uow.pairings.all(self.clock.now()))

    def trail(self) -> list[str]:
        """What the audit trail says of pairing, in order."""
        with self.parts.house.storage.read(self.tenant) as uow:
            entries = uow.audit.entries(0, 10_000)
        return [one.action for one in entries if one.action.startswith("pairing.")]

    def mails(self) -> list[Mail]:
        """What the worker sends of what is due."""
        self.work()
        return self.mailer.sent

    def link_token(self) -> str:
        """The token of the newest link."""
        found = re.search(r"/pair\?link=(\S+)", self.mails()[-1].body)
        assert found is not None
        return found[1]


@dataclass
class Person:
    """Somebody with a browser: it keeps our first-party cookie, and its frames keep nothing."""

    house: PairingHouse
    client: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.house.app.test_client()

    def frame(self, claims: str = ANA, ticket: str = "1001") -> Panel:
        """Open the panel beside a ticket, with page code that names an agent."""
        return Panel(self, self._enter(claims, ticket))

    def _enter(self, claims: str, ticket: str) -> TestResponse:
        desk = self.house.installation("helpdesk").connection
        now = self.house.clock.now()
        path = practice_link(desk, "", TicketId(ticket), ANA, now)
        # Frames have no cookies of ours: a client of its own each time.
        client = self.house.app.test_client()
        query = urlencode({"claims": claims})
        return client.get(f"{path}&{query}", headers={"Accept": "text/html"})

    def post(
        self, path: str, fields: Mapping[str, str], site: str | None = "same-origin"
    ) -> TestResponse:
        """A press in a window of ours, or on a page of `site`."""
        headers = {"Accept": "text/html", **({} if site is None else {"Sec-Fetch-Site": site})}
        return self.client.post(path, data=urlencode(fields), content_type=FORM, headers=headers)

    def see(self, token: str) -> TestResponse:
        """Open the link's page."""
        return self.client.get(f"/pair?link={token}", headers={"Accept": "text/html"})

    def spend(self, token: str) -> TestResponse:
        """Press on the link's page."""
        return self.post("/pair", {"link": token})

    def paired(self, claims: AgentId = ANA, ticket: str = "1001") -> Panel:
        """The whole way, to a panel that knows its agent."""
        panel = self.frame(claims, ticket)
        assert panel.ask().status_code == 200
        assert self.spend(self.house.link_token()).status_code == 200
        assert panel.send("pair").status_code == 200
        return panel


@dataclass
class Panel:
    """One frame: it holds its token and nothing else."""

    person: Person
    page: TestResponse

    @property
    def text(self) -> str:
        inside = self.page.text.partition('<div id="panel"')[2]
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", inside)).split())

    @property
    def token(self) -> str:
        return self.page.headers["X-Makegood-Session"]

    def offers_pairing(self) -> bool:
        return 'id="pairing"' in self.page.text

    def field(self, name: str) -> str:
        found = re.search(rf'name="{name}" value="([^"]*)"', self.page.text)
        assert found is not None, f"no field {name}: {self.text}"
        return unescape(found[1])

    def send(self, move: str, site: str | None = None, **fields: str) -> TestResponse:
        """A move of the panel. What is no page leaves the one that stands."""
        house = self.person.house
        answer = house.app.test_client().post(
            f"{house.base}/{move}",
            data=urlencode({"session": self.token, **fields}),
            content_type=FORM,
            headers={"Accept": "text/html", **({} if site is None else {"Sec-Fetch-Site": site})},
        )
        if answer.status_code in (200, 409, 422):
            self.page = answer
        return answer

    def window(self, press: str = "yes", site: str | None = "same-origin") -> TestResponse:
        """The window that the offer opens, and its press."""
        path = f"{self.person.house.base}/pairing"
        return self.person.post(path, {"session": self.token, "press": press}, site)

    def ask(self) -> TestResponse:
        assert self.offers_pairing()
        assert self.window("").status_code == 200
        return self.window()

    def refund(self) -> TestResponse:
        """Press the button of the order that is open."""
        fields = {name: self.field(name) for name in ("order", "plan", "hash")}
        return self.send("refund", **fields)
