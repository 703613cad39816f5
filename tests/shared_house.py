"""One house that several processes open: Stripe and Zendesk connected, on SQLite or PostgreSQL.

For harnesses. The process that builds it also runs the world outside (gateway, desk, mail), as
threads on loopback; the others read the house from its file. All secrets are made up.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Self

from aiosmtpd.controller import Controller
from cryptography.fernet import Fernet

from plugin.app import Parts
from plugin.chance import SystemMint
from plugin.domain.ids import InstallationId, TenantId
from plugin.first_start import home_tenant, open_house, prepare_house
from plugin.platforms.adapters import Adapters
from plugin.platforms.data_files import DataFiles
from plugin.platforms.registry import Registry
from plugin.platforms.token_bucket import Budget, Rate
from plugin.ports import Connection, Kind, RegistersWebhooks
from plugin.ports.records import Installation, InstallationStatus
from plugin.services.webhook_secrets import with_webhook_secret
from plugin.settings import read_settings
from tests.harness import Given
from tests.kill.clock import SharedClock
from tests.kill.drain import open_rows
from tests.kill.moody_desk import MoodyDesk
from tests.kill.places import free_port
from tests.platforms.stripe.fake import FakeStripe
from tests.platforms.zendesk.data import APP, APP_INSTALLATION, EMAIL, SUBDOMAIN, TOKEN

STRIPE, DESK = (InstallationId(f"{n}{'0' * 31}") for n in "12")
OWNER = "owner@shop.test"


@dataclass(frozen=True, slots=True)
class SharedHouse:
    """All that a process must know to open it. `database` is empty for SQLite in the folder."""

    folder: str
    begun: float
    seed: int
    database: str
    secret_key: str
    door: int
    stripe: str
    desk: str
    mail: str
    planted: bool
    tenant: str = ""

    @classmethod
    def read(cls, path: str) -> Self:
        return cls(**json.loads(Path(path).read_text("utf-8")))

    @property
    def file(self) -> Path:
        return Path(self.folder) / "house.json"

    @property
    def log(self) -> Path:
        return Path(self.folder) / "log"

    @property
    def tenant_id(self) -> TenantId:
        return TenantId(self.tenant)

    def environment(self) -> dict[str, str]:
        """The settings, as the environment gives them."""
        places = ",".join(url.removeprefix("http://") for url in (self.stripe, self.desk))
        return {
            "MAKEGOOD_DATA_DIR": str(Path(self.folder) / "data"),
            "MAKEGOOD_DATABASE_URL": self.database,
            "MAKEGOOD_SECRET_KEYS": self.secret_key,
            "MAKEGOOD_PUBLIC_URL": f"http://127.0.0.1:{self.door}",
            "MAKEGOOD_PORT": str(self.door),
            "MAKEGOOD_ALLOW_PRIVATE_HOSTS": places,
            "MAKEGOOD_SMTP_URL": f"smtp://{self.mail}",
            "MAKEGOOD_OWNER": OWNER,
        }

    def clock(self) -> SharedClock:
        return SharedClock(Path(self.folder) / "clock", self.begun, 1)

    def parts(self) -> Parts:
        """The product's parts on the shared clock, with no limit on calls per minute."""
        settings, clock = read_settings(self.environment()), self.clock()
        registry = Registry([DataFiles().manifests()])
        adapters = Adapters(registry, clock, _unlimited, settings.allow_private_hosts)
        return Parts(settings, open_house(settings), registry, adapters, clock, SystemMint())


class _NoLimit:
    """Implements `plugin.platforms.token_bucket.Budget`."""

    def take(self) -> float:
        return 0.0


def _unlimited(account: str, rate: Rate) -> Budget:
    return _NoLimit()


@dataclass(frozen=True, slots=True)
class World:
    """The world outside, as the process that runs it sees it. Calm, but for what a test changes."""

    stripe: FakeStripe
    desk: MoodyDesk


def build_shared_house(
    stack: ExitStack, given: Given, stripe: FakeStripe, begun: float
) -> tuple[SharedHouse, World]:
    """Start the world, make the house, connect both accounts. `stack` ends it all.

    `begun`: the wall's seconds at which the shared clock shows the right time.
    """
    stack.enter_context(stripe)
    desk = stack.enter_context(MoodyDesk(random.Random(f"{given.seed} desk")))
    mail = Controller(desk.post, hostname="127.0.0.1", port=free_port())
    mail.start()
    stack.callback(mail.stop)
    house = SharedHouse(
        folder=str(given.folder),
        begun=begun,
        seed=given.seed,
        database=given.database,
        secret_key=Fernet.generate_key().decode(),
        door=free_port(),
        stripe=stripe.url,
        desk=desk.base_url,
        mail=f"127.0.0.1:{mail.port}",
        planted=given.planted,
    )
    prepared = prepare_house(read_settings(house.environment()), house.clock(), SystemMint())
    house = replace(house, tenant=home_tenant(prepared.storage).id)
    prepared.engine.dispose()
    _connect(house)
    desk.account.install_app(DESK)
    house.file.write_text(json.dumps(asdict(house)), "utf-8")
    return house, World(stripe, desk)


def _connect(house: SharedHouse) -> None:
    """Both accounts; the webhook is registered through the adapter, as on installing."""
    parts = house.parts()
    desk_settings = {
        "subdomain": SUBDOMAIN,
        "email": EMAIL,
        "base_url": house.desk,
        "app_id": str(APP),
        "app_installation_id": str(APP_INSTALLATION),
    }
    tenant = house.tenant_id
    stripe = Connection(
        tenant,
        STRIPE,
        Kind.STORE,
        "stripe",
        "Shop",
        {"base_url": house.stripe},
        {"api_key": "rk_test_shared"},
    )
    desk = Connection(
        tenant, DESK, Kind.HELPDESK, "zendesk", "Desk", desk_settings, {"api_token": TOKEN}
    )
    webhooks = parts.platforms.able(stripe, RegistersWebhooks)
    assert webhooks is not None
    made = webhooks.register_webhook(
        f"{parts.settings.public_url}/webhooks/stripe/{STRIPE}", parts.mint.secret()
    )
    stripe = replace(stripe, secrets=with_webhook_secret(stripe.secrets, made.secret))
    with parts.house.storage.begin(tenant) as uow:
        for connection in (stripe, desk):
            now = parts.clock.now()
            uow.installations.add(Installation(connection, InstallationStatus.CONNECTED, now))
        uow.commit()
    parts.house.engine.dispose()


def due_rows(parts: Parts, bound_seconds: float) -> Iterator[Sequence[tuple[str, str]]]:
    """Batches of (kind, ref) that are due, until all is over or the time is up.

    Whoever takes a batch works on it before the next. When nothing is due, the shared clock jumps
    to the next moment at which something is.
    """
    assert isinstance(parts.clock, SharedClock)
    end = time.monotonic() + bound_seconds
    while time.monotonic() < end:
        if due := parts.house.storage.due(parts.clock.now(), 1000):
            yield [(work.kind, work.ref) for work in due]
            continue
        wakes = [wakes for _, _, wakes in open_rows(parts) if wakes is not None]
        if not wakes:
            return
        parts.clock.jump(max(0.0, _seconds_until(min(wakes), parts.clock)))


def _seconds_until(moment: datetime, clock: SharedClock) -> float:
    # Beyond the moment: rows are kept to the microsecond, and a float may fall short of one.
    return (moment - clock.now()).total_seconds() + 0.001
