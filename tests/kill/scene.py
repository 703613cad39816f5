"""Where a run takes place: a data folder, a clock, the fakes' addresses, three connected accounts.

Written down as a file, so that every process of the run opens the same. All secrets are made up.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Self

from cryptography.fernet import Fernet
from sqlalchemy import Engine

from plugin.app import Parts
from plugin.chance import SystemMint
from plugin.domain.access_map import AccessMap
from plugin.domain.ids import InstallationId, TenantId
from plugin.domain.orders import Resource, ResourceKind
from plugin.domain.policy import Clause, PolicyVersion, ProRata, Selector
from plugin.first_start import home_tenant, open_house, prepare_house
from plugin.platforms.adapters import Adapters
from plugin.platforms.data_files import DataFiles
from plugin.platforms.kept_connections import KeptConnections
from plugin.platforms.registry import Registry
from plugin.platforms.token_bucket import Budget, Rate
from plugin.ports import Connection, Kind, RegistersWebhooks
from plugin.ports.records import Installation, InstallationStatus
from plugin.ports.storage import UnitOfWork
from plugin.services.webhook_secrets import with_webhook_secret
from plugin.settings import Settings, read_settings
from plugin.storage.budgets import SqlBudgets
from tests.kill.clock import SharedClock
from tests.kill.peers import Peer
from tests.kill.places import free_port
from tests.platforms.systeme_io.fake import KEY
from tests.platforms.zendesk.data import APP, APP_INSTALLATION, EMAIL, SUBDOMAIN, TOKEN

STRIPE, SYSTEME_IO, DESK = (InstallationId(f"{n}{'0' * 31}") for n in "123")
OWNER = "owner@shop.test"


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a process must know to take part. `door` is the port at which webhooks arrive."""

    folder: str
    begun: float
    factor: int
    seed: int
    door: int
    stripe: str
    systeme_io: str
    desk: str
    mail: str
    planted: bool
    database: str
    secret_key: str
    course: str
    opened_by_tag: str
    tag: str
    member: str
    tenant: str = ""

    @classmethod
    def read(cls, path: str) -> Self:
        return cls(**json.loads(Path(path).read_text("utf-8")))

    @property
    def file(self) -> Path:
        return Path(self.folder) / "scene.json"

    @property
    def log(self) -> Path:
        return Path(self.folder) / "log"

    @property
    def points(self) -> Path:
        """Where processes write down the names of the points that they passed."""
        return Path(self.folder) / "points"

    @property
    def tenant_id(self) -> TenantId:
        return TenantId(self.tenant)

    def environment(self) -> dict[str, str]:
        """The settings of this scene, as the environment gives them."""
        places = ",".join(
            url.removeprefix("http://") for url in (self.stripe, self.systeme_io, self.desk)
        )
        return {
            "MAKEGOOD_DATA_DIR": str(Path(self.folder) / "data"),
            "MAKEGOOD_DATABASE_URL": self.database,
            "MAKEGOOD_SECRET_KEYS": self.secret_key,
            "MAKEGOOD_PUBLIC_URL": f"http://127.0.0.1:{self.door}",
            "MAKEGOOD_PORT": str(self.door),
            "MAKEGOOD_ALLOW_PRIVATE_HOSTS": places,
            "MAKEGOOD_SMTP_URL": f"smtp://{self.mail}",
            "MAKEGOOD_OWNER": OWNER,
            "MAKEGOOD_WEB_WORKERS": "1",
        }

    def settings(self) -> Settings:
        return read_settings(self.environment())

    def clock(self) -> SharedClock:
        return SharedClock(Path(self.folder) / "clock", self.begun, self.factor)

    def parts(self, registry: Registry, *, limited: bool) -> Parts:
        """The product's parts on this scene's clock.

        `limited`: with the accounts' real call budgets, by this clock. Who acts as the customer or
        the agent takes no budget away from the worker.
        """
        settings, clock = self.settings(), self.clock()
        house = open_house(settings)
        budgets = _budgets_of(house.engine, clock) if limited else _unlimited
        private, kept = settings.allow_private_hosts, KeptConnections()
        adapters = Adapters(registry, clock, budgets, private, kept=kept)
        return Parts(settings, house, registry, adapters, clock, SystemMint())


class _NoLimit:
    """Implements `plugin.platforms.token_bucket.Budget`."""

    def take(self) -> float:
        return 0.0


def _unlimited(account: str, rate: Rate) -> Budget:
    return _NoLimit()


def _budgets_of(engine: Engine, clock: SharedClock) -> Callable[[str, Rate], Budget]:
    return SqlBudgets(engine, lambda _: int(clock.seconds() * 1_000_000)).budget_for


def read_registry() -> Registry:
    return Registry([DataFiles().manifests()])


def import_platforms(registry: Registry) -> None:
    """What a process would import on its first call."""
    for manifest in registry.manifests():
        registry.adapter_class(manifest.kind, manifest.stem)
        if manifest.kind is Kind.STORE and manifest.webhooks is not None:
            registry.parser(manifest.kind, manifest.stem)


@dataclass(frozen=True, slots=True)
class Outside:
    """The three peers that are the world outside."""

    stripe: Peer
    systeme_io: Peer
    desk: Peer

    def set_mood(self, *, moody: bool) -> None:
        """Moody under load; calm before, and at the end, when what is left must come to its end."""
        for peer in (self.stripe, self.systeme_io, self.desk):
            peer.ask("set_mood", moody=moody)


def build_scene(
    stack: ExitStack,
    folder: Path,
    *,
    begun: float,
    factor: int,
    seed: int,
    database: str = "",
    planted: bool = False,
) -> tuple[Scene, Outside]:
    """Start the world outside, make the house, connect the accounts. `stack` ends it all.

    `database` is the address of an empty one; empty for SQLite in the folder.
    """
    folder.mkdir(parents=True)
    words = (str(folder / "clock"), begun, factor, seed)
    SharedClock(folder / "clock", begun, factor)
    stripe, systeme_io, desk = [
        stack.enter_context(Peer("outside", kind, *words, log=folder / "log"))
        for kind in ("stripe", "systeme_io", "desk")
    ]
    told = systeme_io.ready
    scene = Scene(
        folder=str(folder),
        begun=begun,
        factor=factor,
        seed=seed,
        door=free_port(),
        stripe=stripe.ready["url"],
        systeme_io=told["url"],
        desk=desk.ready["url"],
        mail=desk.ready["mail"],
        planted=planted,
        database=database,
        secret_key=Fernet.generate_key().decode(),
        **{name: str(told[name]) for name in ("course", "opened_by_tag", "tag", "member")},
    )
    house = prepare_house(scene.settings(), scene.clock(), SystemMint())
    scene = replace(scene, tenant=home_tenant(house.storage).id)
    house.engine.dispose()
    _connect(scene)
    scene.file.write_text(json.dumps(asdict(scene)), "utf-8")
    return scene, Outside(stripe, systeme_io, desk)


def _connect(scene: Scene) -> None:
    parts = scene.parts(read_registry(), limited=False)
    with parts.house.storage.begin(scene.tenant_id) as uow:
        for connection in _connections(scene):
            _add(uow, connection, parts)
        uow.settings.save_access_map(SYSTEME_IO, _map(scene), parts.clock.now())
        uow.settings.add_policy(_policy(parts))
        uow.commit()
    parts.house.engine.dispose()


def _connections(scene: Scene) -> tuple[Connection, ...]:
    desk_settings = {
        "subdomain": SUBDOMAIN,
        "email": EMAIL,
        "base_url": scene.desk,
        "app_id": str(APP),
        "app_installation_id": str(APP_INSTALLATION),
    }
    return (
        _connection(scene, STRIPE, "stripe", scene.stripe, "rk_test_kill"),
        _connection(scene, SYSTEME_IO, "systeme_io", scene.systeme_io, KEY),
        Connection(
            scene.tenant_id,
            DESK,
            Kind.HELPDESK,
            "zendesk",
            "Desk",
            desk_settings,
            {"api_token": TOKEN},
        ),
    )


def _connection(
    scene: Scene, installation: InstallationId, platform: str, url: str, key: str
) -> Connection:
    return Connection(
        scene.tenant_id,
        installation,
        Kind.STORE,
        platform,
        platform,
        {"base_url": url},
        {"api_key": key},
    )


def _add(uow: UnitOfWork, connection: Connection, parts: Parts) -> None:
    """A connected account; its webhook is registered through the adapter, as on installing."""
    webhooks = parts.platforms.able(connection, RegistersWebhooks)
    if webhooks is not None:
        door = (
            f"{parts.settings.public_url}/webhooks/{connection.platform}/{connection.installation}"
        )
        made = webhooks.register_webhook(door, parts.mint.secret())
        secrets = with_webhook_secret(connection.secrets, made.secret)
        connection = replace(connection, secrets=secrets)
    uow.installations.add(Installation(connection, InstallationStatus.CONNECTED, parts.clock.now()))


def _map(scene: Scene) -> AccessMap:
    tag = Resource(SYSTEME_IO, ResourceKind.TAG, scene.member)
    course = Resource(SYSTEME_IO, ResourceKind.COURSE, scene.opened_by_tag)
    return AccessMap(tags={tag: (course,)})


def _policy(parts: Parts) -> PolicyVersion:
    """Memberships by time from the first day, so that pro-rated refunds are among the load."""
    members = Selector(frozenset({ResourceKind.MEMBERSHIP}))
    rest = Clause("2", "Everything else: within 30 days.", window_days=30)
    by_time = Clause("1", "Days not begun come back.", applies_to=members, prorata=ProRata())
    return PolicyVersion(2, parts.clock.now() - timedelta(days=90), "UTC", (by_time, rest))
