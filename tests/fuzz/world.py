"""Where hostile requests arrive: the whole application on fresh data, the same for every batch.

Two businesses: a real one with an account at every platform that is installed, and practice, which
has something behind its panel. Ids, secrets and time are made up and the same in every run, so that
a request that was kept means the same again.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from itertools import count
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from flask import Flask
from sqlalchemy import make_url

from plugin.app import Parts, create_app, put_together
from plugin.domain.ids import AgentId, InstallationId, TenantId, TicketId
from plugin.first_start import home_tenant, prepare_house
from plugin.helpdesks.zendesk import helpdesk as zendesk
from plugin.helpdesks.zendesk.sign_in import App
from plugin.platforms.adapters import Adapters
from plugin.platforms.manifest import (
    FieldForm,
    PlatformManifest,
)
from plugin.platforms.practice_cases import AGENTS
from plugin.ports import Connection, Kind
from plugin.ports.records import Installation, InstallationStatus
from plugin.practice import open_practice
from plugin.services.sign_in_admin import SignInAdmin
from plugin.settings import read_settings
from plugin.storage.budgets import SqlBudgets
from plugin.web.auth import AdminSession, PanelSession, form_token, issue_panel_token
from tests.fuzz.signers import secret_for
from tests.fuzz.watch import Writes
from tests.platforms.intercom.beside_practice import STEM, beside_practice
from tests.platforms.practice.fixtures import TurnedClock
from tests.platforms.zendesk.tokens import new_key
from tests.storage_fixtures import PostgresServer

NOW: Final = datetime(2026, 11, 22, 12, 0, 10, tzinfo=UTC)
TICKETS: Final = tuple(TicketId(str(number)) for number in range(1001, 1013))
_KEY: Final = "bm90IGEgc2VjcmV0LCBvbmx5IGEgdGVzdCBvZiBvdXI="
_TYPED: Final = {FieldForm.HOST_NAME: "acme.example", FieldForm.SITE: "acme.example/shop"}
_SERVER: Final = re.compile(r"([a-z0-9-]+(?:\.[a-z0-9-]+)+)(?::[0-9]+)?(?:/[A-Za-z0-9/._~-]*)?")
_LONG_SECRET: Final = 32
_FINISHED: Final = {"app_id": "913", "app_installation_id": "8201"}
"""What finishing an install adds to the settings, where a platform has such a step."""


@dataclass(slots=True)
class Numbers:
    """Ids and secrets in a row, alike in every run. Implements `plugin.ports.Mint`."""

    word: str
    last: str = ""
    _next: Iterator[int] = field(default_factory=lambda: count(1))

    def id(self) -> str:
        self.last = hashlib.sha256(f"{self.word} {next(self._next)}".encode()).hexdigest()[:32]
        return self.last

    def secret(self) -> str:
        return self.id() + self.id()


@dataclass(frozen=True, slots=True)
class Panel:
    """An agent's token, and the desk that it is for."""

    token: str
    platform: str
    installation: InstallationId


@dataclass(slots=True)
class World:
    """The application of one batch, and what its requests need to know of it.

    `beside` are practice's accounts of desks that draw the panel themselves: no others have orders
    behind such a panel.
    """

    folder: Path
    parts: Parts
    app: Flask
    mint: Numbers
    writes: Writes
    installations: Mapping[InstallationId, Installation]
    home: TenantId
    practice: TenantId
    admins: dict[TenantId, AdminSession]
    panels: Sequence[Panel]
    ended: str
    beside: Sequence[Installation] = ()

    @property
    def hosts(self) -> frozenset[str]:
        """The last two labels of every host that a manifest lets us reach on the first day."""
        found = set()
        for one in self.installations.values():
            connection = one.connection
            manifest = self.parts.registry.manifest(Kind(connection.kind), connection.platform)
            if manifest.outgoing is not None:
                places = manifest.outgoing.address(connection.settings).hosts
                found |= {_last_two(place.partition(":")[0]) for place in places}
        return frozenset(found)

    def given_hosts(self) -> frozenset[str]:
        """The same of the servers that an admin gave an account meanwhile, where its form asks.

        Judged here, not by the product: what it takes for a server is what is to be proven.
        """
        found = set()
        for tenant in (self.home, self.practice):
            with self.parts.house.storage.read(tenant) as uow:
                connections = [one.connection for one in uow.installations.all()]
            for connection in connections:
                manifest = self.parts.registry.manifest(Kind(connection.kind), connection.platform)
                given = [
                    _SERVER.fullmatch(connection.settings.get(one.name, ""))
                    for one in manifest.install_fields
                    if one.form in _TYPED
                ]
                found |= {_last_two(server[1]) for server in given if server is not None}
        return frozenset(found)

    def sign_in(self, tenant: TenantId) -> AdminSession:
        """A fresh session, kept in the place of the last one."""
        link = self.link(tenant)
        session = SignInAdmin(self.parts.house.storage, self.mint).spend_link(link, NOW)
        assert session is not None
        self.admins[tenant] = AdminSession(session, form_token(session))
        return self.admins[tenant]

    def link(self, tenant: TenantId) -> str:
        """A one-time link that nobody has spent."""
        sign_in = SignInAdmin(self.parts.house.storage, self.mint)
        return sign_in.make_link(tenant, "", NOW).partition("link=")[2]

    def mend(self, ref: InstallationId) -> None:
        """Connect again what a delivery closed: the next one must find it."""
        if ref in self.installations:
            known = self.installations[ref]
            with self.parts.house.storage.begin(known.connection.tenant) as uow:
                uow.installations.save(known)
                uow.commit()

    def close(self) -> None:
        self.writes.close()
        self.parts.house.engine.dispose()


@dataclass(frozen=True, slots=True)
class Ground:
    """Where one process has its world, one at a time; it keeps what takes long to make.

    `server`: PostgreSQL's address, empty for SQLite. What is made there begins with `name`.
    """

    folder: Path
    server: str = ""
    name: str = ""

    @property
    def house(self) -> Path:
        return self.folder / "house"

    @property
    def first_day(self) -> Path:
        return self.folder / "new"

    @property
    def database(self) -> str:
        """The address of the house's database; empty for SQLite's, which is in its folder."""
        if not self.server:
            return ""
        url = make_url(self.server).set(database=self.name)
        return url.render_as_string(hide_password=False)

    def under(self, name: str) -> Ground:
        """A part of it."""
        (self.folder / name).mkdir(exist_ok=True)
        return Ground(self.folder / name, self.server, f"{self.name}_{name}")

    def build(self) -> None:
        """Make the first day, once."""
        if self.first_day.exists():
            return
        if self.server:
            PostgresServer(self.server).create(self.name)
        _build(self)
        # Practice's file is named in its own settings, so the house must come back to its place.
        self.house.rename(self.first_day)
        if self.server:
            PostgresServer(self.server).run(
                f'ALTER DATABASE "{self.name}" RENAME TO "{self._kept}"'
            )

    @property
    def _kept(self) -> str:
        return f"{self.name}_new"

    def move_in(self) -> None:
        """Have a house as on its first day."""
        shutil.copytree(self.first_day, self.house)
        if self.server:
            PostgresServer(self.server).create(self.name, self._kept)

    def clear(self) -> None:
        shutil.rmtree(self.house)
        if self.server:
            PostgresServer(self.server).drop(self.name)


@contextmanager
def open_world(ground: Ground, change: Callable[[World], None] | None = None) -> Iterator[World]:
    """A world as on its first day."""
    ground.build()
    ground.move_in()
    try:
        world = _opened(ground)
        if change is not None:
            change(world)
        try:
            yield world
        finally:
            world.close()
    finally:
        ground.clear()


def _settings(ground: Ground) -> dict[str, str]:
    return {
        "MAKEGOOD_DATA_DIR": str(ground.house),
        "MAKEGOOD_DATABASE_URL": ground.database,
        "MAKEGOOD_SECRET_KEYS": _KEY,
        "MAKEGOOD_PUBLIC_URL": "https://refunds.shop.test",
        "MAKEGOOD_OWNER": "owner@shop.test",
    }


def _put_together(ground: Ground, word: str) -> Parts:
    parts = put_together(read_settings(_settings(ground)), TurnedClock(NOW))
    # A clock of its own that never lets an account's calls run out: a spent budget hides calls.
    seconds = count(1)
    budgets = SqlBudgets(parts.house.engine, lambda _: next(seconds) * 3_600_000_000)
    platforms = Adapters(parts.registry, parts.clock, budgets.budget_for)
    return replace(parts, platforms=platforms, mint=Numbers(word))


def _build(ground: Ground) -> None:
    settings = read_settings(_settings(ground))
    prepare_house(settings, TurnedClock(NOW), Numbers("home")).engine.dispose()
    parts = _put_together(ground, "first")
    open_practice(parts)
    tenant = home_tenant(parts.house.storage).id
    with parts.house.storage.begin(tenant) as uow:
        for place, manifest in enumerate(m for m in parts.registry.manifests() if not m.simulated):
            uow.installations.add(account(tenant, manifest, f"{place:032x}"))
            gone = account(tenant, manifest, f"{place + 64:032x}")
            uow.installations.add(replace(gone, status=InstallationStatus.REMOVED))
        uow.commit()
    practice = next(one.id for one in parts.house.storage.tenants() if one.simulated)
    with parts.house.storage.begin(practice) as uow:
        uow.installations.add(account(practice, parts.registry.helpdesk(STEM), "c" * 32))
        uow.commit()
    parts.house.engine.dispose()


def _last_two(host: str) -> str:
    return ".".join(host.split(".")[-2:])


def account(
    tenant: TenantId, manifest: PlatformManifest, ref: str, word: str = "made-up"
) -> Installation:
    """A connected account of a platform, with a made-up value in each field of its form."""
    plain = {
        one.name: one.choices[0] if one.choices else _TYPED.get(one.form, "acme")
        for one in manifest.install_fields
        if not one.secret
    }
    hidden = {
        # As long as a real one: a short one proves nothing where it signs.
        one.name: f"{word}-{one.name}".ljust(_LONG_SECRET, "-")
        for one in manifest.install_fields
        if one.secret
    }
    scheme = None if manifest.webhooks is None else manifest.webhooks.signature
    secrets = {
        f"webhook_secret_{n}": secret_for(scheme, f"{word}-{manifest.stem}-{ref}-{n}")
        for n in (1, 2)
    }
    connection = Connection(
        tenant,
        InstallationId(ref),
        manifest.kind,
        manifest.stem,
        f"{manifest.name} {word}",
        {**plain, **_FINISHED},
        {**hidden, **secrets},
    )
    return Installation(connection, InstallationStatus.CONNECTED, NOW)


def _opened(ground: Ground) -> World:
    house = ground.house
    parts = _put_together(ground, "batch")
    storage = parts.house.storage
    tenants = {tenant.simulated: tenant.id for tenant in storage.tenants()}
    installations: dict[InstallationId, Installation] = {}
    for tenant in tenants.values():
        with storage.read(tenant) as uow:
            installations |= {one.connection.installation: one for one in uow.installations.all()}
    beside = [
        installations.pop(ref)
        for ref, one in list(installations.items())
        if one.connection.tenant == tenants[True] and one.connection.platform == STEM
    ]
    desks = {
        one.connection.tenant: one.connection
        for one in installations.values()
        if one.connection.tenant == tenants[True] and one.connection.kind is Kind.HELPDESK
    }
    parts = replace(parts, platforms=beside_practice(parts.platforms, desks))
    assert isinstance(parts.mint, Numbers)
    _know_keys(installations.values())
    world = World(
        house.resolve(),
        parts,
        create_app(parts=parts),
        parts.mint,
        Writes(ground.database or house / "makegood.sqlite", house / "practice.sqlite"),
        installations,
        tenants[False],
        tenants[True],
        {},
        _panels(parts, installations.values()),
        "",
        beside,
    )
    for tenant in tenants.values():
        over = world.sign_in(tenant)
        SignInAdmin(storage, parts.mint).end_session(over.session, NOW)
        world.ended = over.session.token
        world.sign_in(tenant)
    world.writes.take()
    return world


def _know_keys(installations: Iterable[Installation]) -> None:
    """Let the process know each desk's public key, as it does from the first sign-in on.

    What it learnt in the last batch is forgotten: one batch must not change another.
    """
    zendesk._KEYS.__init__()  # type: ignore[misc]  # the adapters hold this very object
    for one in installations:
        settings = one.connection.settings
        if "subdomain" in settings:
            app = App(settings["subdomain"], *_FINISHED.values())
            zendesk._KEYS.fetched(app, NOW, _public_key)


@cache
def _public_key() -> RSAPublicKey:
    return new_key().public_key()


def _panels(parts: Parts, installations: Iterable[Installation]) -> Sequence[Panel]:
    """Tokens of agents at tickets, at every desk; most often where there is something to do."""
    panels = []
    for one in installations:
        connection = one.connection
        if connection.kind != "helpdesk":
            continue
        is_practice = connection.tenant in {
            t.id for t in parts.house.storage.tenants() if t.simulated
        }
        agents = [agent.id for agent in AGENTS] if is_practice else [AgentId("7")]
        for place, agent in enumerate(agents):
            for ticket in (*TICKETS, None):
                session = PanelSession(
                    connection.tenant, connection.installation, agent, NOW, ticket
                )
                token = issue_panel_token(session, parts.house.signing_keys, NOW)
                panel = Panel(token, connection.platform, connection.installation)
                panels += [panel] * (6 if is_practice and place == 0 else 1)
    return panels
