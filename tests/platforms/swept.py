"""A shop that is connected, in a real database: deliveries come to its door, and it is swept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from plugin.domain.ids import InstallationId
from plugin.platforms.adapters import Adapters
from plugin.platforms.declarations import ManifestDeclarations
from plugin.ports import Connection, Kind
from plugin.ports.records import Installation, InstallationStatus, SelfTestLine, Sweep
from plugin.services.health import ConnectionHealth
from plugin.services.keep_webhook import KeepWebhook
from plugin.services.look_at_health import LookAtHealth
from plugin.services.run_self_test import RunSelfTest
from plugin.services.sweep_account import SweepAccount, Swept
from plugin.storage.budgets import SqlBudgets
from tests.services.connecting_fakes import CountingMint
from tests.webhooks.door import Answer, Door

SHOP = InstallationId("swept-1")


@dataclass
class SweptShop:
    """One shop of `platform` at `place`, connected as the self-test leaves it."""

    door: Door
    platform: str
    place: str
    mint: CountingMint = field(default_factory=CountingMint)

    def connect(self, settings: Mapping[str, str], secrets: Mapping[str, str]) -> None:
        now = self.door.clock.now()
        connection = Connection(
            self.door.tenant.id, SHOP, Kind.STORE, self.platform, "Test", settings, secrets
        )
        lines = (
            SelfTestLine("key_works", "ok", "", now),
            SelfTestLine("rights_are_enough", "ok", "", now),
            SelfTestLine("webhook_registered", "waiting"),
        )
        made = Installation(connection, InstallationStatus.CONNECTING, now)
        with self.door.storage.begin(self.door.tenant.id) as uow:
            uow.installations.add(replace(made, self_test=lines))
            uow.sweeps.begin(Sweep(SHOP, now, None, now))
            uow.commit()
        self.self_test.step(self.door.tenant.id, SHOP, self.door.clock.now)

    @property
    def platforms(self) -> Adapters:
        budgets = SqlBudgets(self.door.engine).budget_for
        return Adapters(self.door.registry, self.door.clock, budgets, frozenset({self.place}))

    @property
    def self_test(self) -> RunSelfTest:
        declarations = ManifestDeclarations(self.door.registry, frozenset({self.place}))
        return RunSelfTest(
            self.door.storage, self.platforms, declarations, self.mint, "https://refunds.example"
        )

    def sweep(self, after: timedelta = timedelta(minutes=5)) -> Swept:
        """As the worker does it by and by."""
        storage, clock = self.door.storage, self.door.clock
        clock.advance(seconds=after.total_seconds())
        keep = KeepWebhook(storage, self.platforms, clock, self.self_test)
        swept = SweepAccount(storage, self.platforms, clock, self.mint, keep)
        done = swept.now(self.door.tenant.id, SHOP)
        assert done is not None
        return done

    def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        return self.door.call(f"/webhooks/{self.platform}/{SHOP}", body, headers)

    def installation(self) -> Installation:
        with self.door.storage.read(self.door.tenant.id) as uow:
            found = uow.installations.get(SHOP)
        assert found is not None
        return found

    def webhook_ref(self) -> str:
        return self.installation().connection.settings["webhook_ref"]

    def webhook_line(self) -> SelfTestLine:
        [line] = [one for one in self.installation().self_test if "webhook" in one.name]
        return line

    def health(self) -> ConnectionHealth:
        look = LookAtHealth(self.door.storage, self.platforms, self.door.clock)
        [found] = [one for one in look(self.door.tenant.id).connections if one.id == SHOP]
        return found

    def audited(self) -> list[str]:
        with self.door.storage.read(self.door.tenant.id) as uow:
            return [one.action for one in uow.audit.entries(0, 200) if one.subject == SHOP]
