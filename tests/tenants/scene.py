"""Two businesses in one house: ours, who asks, and theirs, who must not be seen.

Everything that theirs says has the word ZEBULON in it, so that a leak can be read off any answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from sqlalchemy import Table, select

from plugin.app import create_app, put_together, worker_tasks
from plugin.domain.ids import AgentId, InstallationId, PairingId, PlanId, TenantId, TicketId
from plugin.first_start import home_tenant, prepare_house
from plugin.helpdesks import practice as practice_desk
from plugin.helpdesks.practice import practice_link
from plugin.platforms.practice_cases import AGENTS, practice_access_map, practice_policy
from plugin.platforms.practice_desk import PracticeTickets
from plugin.platforms.practice_shop import Shop
from plugin.platforms.practice_world import PracticeWorld
from plugin.ports import Agent, Connection, Kind, Ticket
from plugin.ports.connecting import PendingInstall, PendingState
from plugin.ports.records import Installation, Pairing, PairingState, Tenant
from plugin.practice import open_practice
from plugin.services.sign_in_admin import SignInAdmin
from plugin.settings import read_settings
from plugin.storage import tables
from plugin.storage.database import connect_to_read
from plugin.web.auth import AdminSession, PanelSession, form_token, issue_panel_token
from tests.fuzz.deliveries import signed_headers
from tests.fuzz.watch import Writes
from tests.fuzz.world import Numbers, account
from tests.fuzz.wsgi import Asked, Told, call
from tests.platforms.intercom.beside_practice import STEM, beside_practice
from tests.platforms.practice.fixtures import TurnedClock
from tests.web.practice_house import PracticeHouse

WORD: Final = "zebulon"
ANA: Final = TicketId("1001")
TWICE: Final = TicketId("1002")
BY_HAND: Final = TicketId("1010")
NUMBERS: Final = {ANA: "20418", TWICE: "20457", BY_HAND: "20444"}
_THEIR_PENDING: Final = "7e" * 16
_THEIR_PAIRING: Final = "6d" * 16
_EMAIL: Final = "zebulon.foreign@zebulon.example"
THEIR_TICKET: Final = TicketId("88001")
FORM: Final = "application/x-www-form-urlencoded"
LIGHT: Final = Agent(AgentId("practice-light"), "Light agent", "light_agent", active=True)
_EVERYBODY: Final = (*AGENTS, LIGHT)
_FIELD: Final = re.compile(r'name="([a-z_]+)" value="([^"]*)"')
_NAMED: Final = re.compile(r"id|.*_id|.*_ref|ref|key|name|number|hash")
_SHORTEST_ID: Final = 4
_KEY: Final = "bm90IGEgc2VjcmV0LCBvbmx5IGEgdGVzdCBvZiBvdXI="


@dataclass
class SeededHouse(PracticeHouse):
    """Practice whose ids and secrets are the same in every run."""

    desks: dict[TenantId, Connection] = field(default_factory=dict)
    """Behind the panel that a desk draws itself, by tenant."""

    def __post_init__(self) -> None:
        self.settings = read_settings(
            {
                "MAKEGOOD_DATA_DIR": str(self.folder),
                "MAKEGOOD_DATABASE_URL": self.database,
                "MAKEGOOD_SECRET_KEYS": _KEY,
                "MAKEGOOD_PUBLIC_URL": "https://refunds.shop.test",
            }
        )
        prepare_house(self.settings, self.clock, Numbers("home")).engine.dispose()
        parts = put_together(self.settings, self.clock)
        platforms = beside_practice(parts.platforms, self.desks)
        self.parts = replace(parts, platforms=platforms, mint=Numbers("tenants"))
        self.first_link = open_practice(self.parts)
        self.app = create_app(self.settings, self.parts)
        self._tasks = worker_tasks(self.parts)


@dataclass(slots=True)
class Scene:
    """The house, both businesses, and everybody who will ask."""

    house: SeededHouse
    ours: TenantId
    theirs: TenantId
    home: TenantId
    writes: Writes
    panels: Mapping[str, Mapping[TicketId, str]] = field(default_factory=dict)
    admins: Mapping[str, AdminSession] = field(default_factory=dict)
    own: Mapping[tuple[TicketId, str], str] = field(default_factory=dict)
    foreign: Sequence[str] = ()
    likely: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def desk(self) -> Connection:
        return self.house.installation("helpdesk").connection

    def their(self, kind: str, platform: str) -> InstallationId | None:
        """Their account of a platform."""
        with self.house.parts.house.storage.read(self.theirs) as uow:
            return next(
                (
                    one.connection.installation
                    for one in uow.installations.all()
                    if (one.connection.kind, one.connection.platform) == (kind, platform)
                ),
                None,
            )

    def send(self, asked: Asked) -> Told:
        return call(self.house.app.wsgi_app, asked)

    def fingerprint(self) -> str:
        """All that is kept of theirs, and what their practice file says."""
        found: list[str] = []
        with connect_to_read(self.house.parts.house.engine) as db:
            for table in tables.metadata.sorted_tables:
                column = _tenant_column(table)
                if column is not None:
                    rows = db.execute(select(table).where(table.c[column] == self.theirs))
                    found += sorted(repr(tuple(row)) for row in rows)
        found.append(repr(PracticeWorld(self.their_file).refunds(InstallationId("x"))))
        found.append(repr(PracticeTickets(self.their_file).conversation(THEIR_TICKET)))
        return "\n".join(found)

    @property
    def their_file(self) -> Path:
        return self.house.folder / "theirs.sqlite"

    def close(self) -> None:
        self.writes.close()
        self.house.close()


def _tenant_column(table: Table) -> str | None:
    if table.name == tables.tenants.name:
        return "id"
    return "tenant_id" if "tenant_id" in table.c else None


def build_scene(folder: Path, database: str = "") -> Scene:
    """Both businesses with orders, tickets, and refunds that are decided and paid.

    `database`: the address of an empty one on PostgreSQL; without it SQLite in `folder`.
    """
    setattr(practice_desk, "AGENTS", _EVERYBODY)  # noqa: B010 - the desk knows one agent more here
    clock = TurnedClock()
    house = SeededHouse(folder, clock, database=database)
    clock.turn(timedelta(seconds=1))
    ours = house.tenant
    theirs = _add_theirs(house)
    _add_drawing_desk(house)
    storage = house.parts.house.storage
    home = home_tenant(storage).id
    with storage.begin(home) as uow:
        for place, manifest in enumerate(m for m in house.parts.registry.manifests()):
            if not manifest.simulated:
                uow.installations.add(account(home, manifest, f"{place + 1:032x}"))
        uow.commit()
    writes = Writes(database or folder / "makegood.sqlite", folder / "theirs.sqlite")
    scene = Scene(house, ours, theirs, home, writes)
    _live(scene, clock)
    return scene


def _add_drawing_desk(house: SeededHouse) -> None:
    """Our account of a desk that draws the panel itself; they have one among all others."""
    manifest = house.parts.registry.helpdesk(STEM)
    made = account(house.tenant, manifest, house.parts.mint.id())
    house.desks[house.tenant] = house.installation("helpdesk").connection
    with house.parts.house.storage.begin(house.tenant) as uow:
        uow.installations.add(made)
        uow.commit()


def _add_theirs(house: SeededHouse) -> TenantId:
    """Their business: its own practice file, accounts everywhere, one customer, two orders."""
    parts, now = house.parts, house.clock.now()
    tenant = Tenant(
        TenantId(parts.mint.id()), "Zebulon House", ("owner@zebulon.example",), simulated=True
    )
    parts.house.storage.add_tenant(tenant, now)
    file = {"file": str(house.folder / "theirs.sqlite")}
    accounts: dict[str, Installation] = {}
    for manifest in parts.registry.manifests():
        made = account(tenant.id, manifest, parts.mint.id(), word=WORD)
        connection = made.connection
        if manifest.simulated:
            connection = replace(connection, settings=file)
            accounts[connection.kind] = made = replace(made, connection=connection)
        with parts.house.storage.begin(tenant.id) as uow:
            uow.installations.add(made)
            uow.commit()
    house.desks[tenant.id] = accounts["helpdesk"].connection
    shop = accounts["store"].connection.installation
    _fill(house, tenant.id, shop)
    return tenant.id


def _fill(house: PracticeHouse, theirs: TenantId, shop: InstallationId) -> None:
    now = house.clock.now()
    world = PracticeWorld(house.folder / "theirs.sqlite")
    made = Shop(shop, now)
    orders = [
        made.one_course(
            number,
            "Zebulon Foreign",
            _EMAIL,
            3,
            made.course(f"zebulon-{number}", f"Zebulon course {number}"),
            7700,
            f"Zebulon card {number}",
        )
        for number in ("88001", "88002")
    ]
    for order in orders:
        world.add_order(order)
    ticket = Ticket(THEIR_TICKET, "88001", "Zebulon Foreign", (_EMAIL,), (), open=True)
    PracticeTickets(house.folder / "theirs.sqlite").add_ticket(ticket, now)
    with house.parts.house.storage.begin(theirs) as uow:
        for version in practice_policy().versions:
            uow.settings.add_policy(version)
        uow.settings.save_access_map(shop, practice_access_map(shop), now)
        uow.pending_installs.add(_pending(theirs, now))
        desks = [i.connection for i in uow.installations.all()]
        desk = next(one.installation for one in desks if one.kind is Kind.HELPDESK)
        uow.pairings.add(_paired(theirs, desk, now))
        uow.commit()


def _paired(theirs: TenantId, desk: InstallationId, now: datetime) -> Pairing:
    return Pairing(
        tenant=theirs,
        id=PairingId(_THEIR_PAIRING),
        desk=desk,
        agent=AgentId("zebulon-agent"),
        state=PairingState.PAIRED,
        browser="zebulon-browser",
        frame="zebulon-frame",
        framed_at=now,
        asked_at=now,
        expires_at=now + timedelta(days=30),
        name="Zebulon Agent",
        role="agent",
        paired_at=now,
    )


def _pending(theirs: TenantId, now: datetime) -> PendingInstall:
    until = now + timedelta(days=1)
    typed, waiting = {"shop": "zebulon.example"}, PendingState.WAITING
    return PendingInstall(
        _THEIR_PENDING, theirs, Kind.STORE, "practice", typed, "admin", now, until, waiting, now
    )


# --- life before the sweep ------------------------------------------------------------------------


def _live(scene: Scene, clock: TurnedClock) -> None:
    """Refunds on both sides: one paid, one decided, one by hand; sessions for everybody."""
    house = scene.house
    own: dict[tuple[TicketId, str], str] = {}
    paid = _refund(scene, scene.desk, TWICE, NUMBERS[TWICE])
    hand = _refund(scene, scene.desk, BY_HAND, NUMBERS[BY_HAND])
    their_desk = connection_of(scene, scene.theirs, "helpdesk")
    plans = [_refund(scene, their_desk, THEIR_TICKET, "88001")]
    clock.turn(timedelta(seconds=30))
    house.work()
    plans.append(_refund(scene, their_desk, THEIR_TICKET, "88002"))
    _deliver_theirs(scene)
    scene.panels = {
        agent.id: {ticket: _token(scene, agent.id, ticket) for ticket in NUMBERS}
        for agent in _EVERYBODY
    }
    # Theirs has a session too, so that there is a row of it.
    names = {"admin of ours": scene.ours, "admin of another": scene.home, WORD: scene.theirs}
    signed = {name: _admin(house, tenant) for name, tenant in names.items()}
    scene.admins = {name: one for name, one in signed.items() if name != WORD}
    page = _fields(scene.send(_link(scene, scene.desk, ANA)))
    for ticket, number in NUMBERS.items():
        own |= {(ticket, "order"): house.order(number), (ticket, "ticket"): ticket}
    own |= {(ANA, name): page[name] for name in ("plan", "hash")}
    own |= {(TWICE, "refund"): paid, (BY_HAND, "refund"): hand}
    own[BY_HAND, "part"] = _parts(scene, scene.desk.tenant, hand)[0]
    own[ANA, "ref"] = "ours-77"
    scene.own = own
    shop = connection_of(scene, scene.theirs, "store").installation
    orders = [f"{place}~order-{n}" for place in (shop, house.shop) for n in ("88001", "88002")]
    scene.likely = {
        "installation": [shop, their_desk.installation],
        "pending": [_THEIR_PENDING],
        "order": orders,
        "ticket": [THEIR_TICKET],
        "plan": plans,
        "refund": plans,
        "part": [part for plan in plans for part in _parts(scene, scene.theirs, plan)],
        "line": ["line-88001-1"],
        "q": [_EMAIL, "88001"],
        "proof": [_EMAIL, "88001"],
        "ref": ["zebulon-88001"],
        "gives": ["course:zebulon-88001"],
        "more": ["zebulon-88001"],
    }
    scene.foreign = sorted({*_ids(scene), *(one for some in scene.likely.values() for one in some)})


def _parts(scene: Scene, tenant: TenantId, plan: str) -> list[str]:
    with scene.house.parts.house.storage.read(tenant) as uow:
        return [refund.id for refund in uow.refunds.of_plan(PlanId(plan))]


def _refund(scene: Scene, desk: Connection, ticket: TicketId, number: str) -> str:
    """Press the button for an order, as its own agent; the plan that was decided."""
    shop = connection_of(scene, desk.tenant, "store").installation
    first = scene.send(_link(scene, desk, ticket))
    token = first.headers["X-Makegood-Session"]
    order = f"{shop}~order-{number}"
    base = f"/panel/{desk.platform}/{desk.installation}"
    opened = scene.send(form(f"{base}/order", [("session", token), ("order", order)]))
    told = _fields(opened)
    pairs = [("session", token), ("order", order), *((n, told[n]) for n in ("plan", "hash"))]
    done = scene.send(form(f"{base}/refund", pairs))
    assert done.status == 200, done.body
    return told["plan"]


def _deliver_theirs(scene: Scene) -> None:
    """One delivery of theirs, that their own shop signed."""
    shop = connection_of(scene, scene.theirs, "store")
    body = json.dumps({"type": "ping", "who": WORD}).encode()
    asked = signed_delivery(scene, shop, body, "zebulon-delivery")
    assert scene.send(asked).status == 200


def signed_delivery(scene: Scene, shop: Connection, body: bytes, name: str) -> Asked:
    """A delivery that the practice shop signs."""
    headers = signed_headers(scene.house.parts.registry, shop, body, name)
    return Asked("POST", f"/webhooks/{shop.platform}/{shop.installation}", "", headers, body)


def _admin(house: PracticeHouse, tenant: TenantId) -> AdminSession:
    sign_in = SignInAdmin(house.parts.house.storage, house.parts.mint)
    now = house.clock.now()
    link = sign_in.make_link(tenant, "", now).partition("link=")[2]
    session = sign_in.spend_link(link, now)
    assert session is not None
    return AdminSession(session, form_token(session))


def _token(scene: Scene, agent: AgentId, ticket: TicketId) -> str:
    now = scene.house.clock.now()
    session = PanelSession(scene.ours, scene.desk.installation, agent, now, ticket)
    return issue_panel_token(session, scene.house.parts.house.signing_keys, now)


def connection_of(
    scene: Scene, tenant: TenantId, kind: str, platform: str = "practice"
) -> Connection:
    with scene.house.parts.house.storage.read(tenant) as uow:
        return next(
            one.connection
            for one in uow.installations.all()
            if (one.connection.kind, one.connection.platform) == (kind, platform)
        )


def _link(scene: Scene, desk: Connection, ticket: TicketId) -> Asked:
    now = scene.house.clock.now()
    link = practice_link(desk, "", ticket, AGENTS[0].id, now)
    path, _, query = link.partition("?")
    return Asked("GET", path, query, (("Accept", "text/html"),))


def form(path: str, pairs: Sequence[tuple[str, str]]) -> Asked:
    """A form as a page of ours would send it."""
    headers = (("Accept", "text/html"), ("Content-Type", FORM))
    return Asked("POST", path, "", headers, urlencode(pairs).encode())


def _fields(told: Told) -> Mapping[str, str]:
    found = _FIELD.findall(told.body.decode())
    return {name: unescape(value) for name, value in reversed(found)}


# --- what is theirs -------------------------------------------------------------------------------


def _ids(scene: Scene) -> Iterator[str]:
    """Everything in their rows that names something, and that ours has not; two of each column.

    A new table, or a new column, is here by being there.
    """
    found: set[str] = set()
    with scene.house.parts.house.engine.connect() as db:
        for table in tables.metadata.sorted_tables:
            tenant = _tenant_column(table)
            if tenant is None:
                continue
            for column in table.columns:
                if not _NAMED.fullmatch(column.name):
                    continue
                query = select(column).where(column.is_not(None)).distinct()
                mine = table.c[tenant] == scene.theirs
                here = {str(row[0]) for row in db.execute(query.where(mine))}
                there = {str(row[0]) for row in db.execute(query.where(~mine))}
                fresh = sorted(one for one in here - there if len(one) >= _SHORTEST_ID)
                found.update(fresh[:2])
    found.discard(scene.theirs)  # named like the column that holds it in every table
    yield from found
    yield scene.theirs
