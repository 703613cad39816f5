"""One Makegood and the accounts that it sweeps, on a clock that only the harness moves.

Nothing of ours is replaced but the clock: real adapters call fakes on loopback, by the budgets that
the manifests declare. What a platform tells by webhook comes here only when the harness delivers.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count

from cryptography.fernet import Fernet

from plugin.app import Parts, put_together, worker_tasks
from plugin.chance import SystemMint
from plugin.domain.effects import EffectState
from plugin.domain.facts import Bought, Fact
from plugin.domain.ids import CustomerKey, InstallationId, RunId, TenantId, customer_key
from plugin.domain.orders import Order
from plugin.first_start import home_tenant, prepare_house
from plugin.platforms.adapters import Adapters
from plugin.platforms.practice_world import PracticeWorld
from plugin.platforms.token_bucket import Budget, Rate
from plugin.ports import Connection, Kind
from plugin.ports.records import Installation, InstallationStatus, RunState, Sweep, Tenant
from plugin.ports.storage import UnitOfWork
from plugin.services.record_sale import sale_facts
from plugin.services.run_rules import run_rules, tell_nobody
from plugin.settings import read_settings
from plugin.storage.budgets import SqlBudgets
from tests.drift.account import StoreAccount
from tests.drift.saleor import SaleorAccount
from tests.drift.shopify import ShopifyAccount
from tests.drift.woocommerce import WoocommerceAccount
from tests.harness import Given
from tests.platforms.stripe.fake import FakeStripe
from tests.platforms.systeme_io.fake import KEY, FakeSystemeIo
from tests.storage_fixtures import FakeClock
from webhooks.delivery import Delivery
from webhooks.inbox import Inbox

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
STRIPE, PRACTICE = InstallationId("1" * 32), InstallationId("2" * 32)
PRACTICE_TENANT = TenantId("practice-tenant")
PER_SHOP = 40
"""Customers of one store account, unless told otherwise."""
_OF_STORES: Mapping[str, type[StoreAccount]] = {
    one.platform: one for one in (ShopifyAccount, WoocommerceAccount, SaleorAccount)
}
LISTED_AFTER = 90
"""Seconds after which the gateway lists an event: late, as under load."""
CALL_MILLISECONDS = 60
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plant:
    """A difference that is made at `at`, by `make`, and is found when `key` is seen.

    `make` gives the key, since a name may come into being with it.
    """

    kind: str
    at: datetime
    make: Callable[[], Key]


@dataclass
class World:
    """The accounts, and Makegood."""

    clock: FakeClock
    parts: Parts
    tenant: TenantId
    stripe: FakeStripe
    shops: Mapping[InstallationId, FakeSystemeIo]
    stores: Mapping[InstallationId, StoreAccount]
    practice: PracticeWorld
    chance: random.Random
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    later: list[tuple[datetime, Callable[[], None]]] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def email(self) -> str:
        return f"customer-{next(self.numbers):05}@mail.example"

    def connection(self, name: InstallationId) -> Connection:
        tenant = PRACTICE_TENANT if name == PRACTICE else self.tenant
        with self.parts.house.storage.read(tenant) as uow:
            found = uow.installations.get(name)
        assert found is not None
        return found.connection

    @contextmanager
    def books(self, tenant: TenantId | None = None) -> Iterator[UnitOfWork]:
        """Our books, committed at the end."""
        with self.parts.house.storage.begin(tenant or self.tenant) as uow:
            yield uow
            uow.commit()

    # --- what we know -----------------------------------------------------------------------------

    def know(self, uow: UnitOfWork, order: Order) -> None:
        """A sale that we were told of."""
        uow.orders.save(order)
        for fact in sale_facts(order):
            uow.facts.append(fact, "harness", self.now)

    def book(self, uow: UnitOfWork, customer: CustomerKey, *facts: Fact) -> None:
        """Facts, with what they lead to, and all of that done."""
        for fact in facts:
            uow.facts.append(fact, "harness", self.now)
        run = RunId(f"harness-{next(self.numbers)}")
        run_rules(uow, customer, run, "harness", self.now, tell_nobody)
        for effect in uow.effects.of_run(run):
            done = replace(effect, state=EffectState.DONE, wake_at=None, changed_at=self.now)
            uow.effects.set_state(effect.planned.key, effect.state, done)
        if (stored := uow.effects.run(run)) is not None:
            uow.effects.wake_run(stored, wake_at=None, state=RunState.DONE)

    @property
    def unhurried(self) -> Adapters:
        """For what is read before the harness begins: it takes nothing of any account's calls."""
        return replace(self.parts.platforms, budget_for=lambda _account, _rate: _Plenty())

    def hear(self, name: InstallationId, body: bytes, headers: Mapping[str, str]) -> None:
        """A webhook of an account comes through to us."""
        manifest = self.parts.registry.store(self.connection(name).platform)
        assert manifest.webhooks is not None
        inbox = Inbox(self.parts.house.storage, self.parts.mint)
        inbox.take_in(self.tenant, name, Delivery(body, headers, self.now), manifest.webhooks)

    def deliver_later(self, event: Mapping[str, object], wait: timedelta) -> None:
        """One of Stripe's."""
        body = json.dumps(event).encode()
        self.later.append((self.now + wait, lambda: self.hear(STRIPE, body, {})))

    # --- time -------------------------------------------------------------------------------------

    def work(self) -> None:
        """Do all that is due now, and what falls due by it."""
        tasks = worker_tasks(self.parts)
        for _ in range(5000):
            due = self.parts.house.storage.due(self.now, 200)
            if not due:
                return
            # Side by side, as the worker's threads do it: it takes as long as the longest of them.
            begun, ended = self.clock.at, self.clock.at
            for one in due:
                self.clock.at = begun
                tasks[one.kind](one.tenant, one.ref)
                ended = max(ended, self.clock.at)
            self.clock.at = ended
        raise AssertionError("never at rest")

    def pass_time(self, length: timedelta) -> None:
        self.clock.at += length
        ripe = [one for one in self.later if one[0] <= self.now]
        self.later = [one for one in self.later if one[0] > self.now]
        for _, happen in ripe:
            happen()
        self.work()


def bought_of(order: Order) -> tuple[Bought, ...]:
    return sale_facts(order)


@dataclass(frozen=True, slots=True)
class _Taking:
    """A budget of calls that take their time. Implements `plugin.platforms.token_bucket.Budget`."""

    inner: Budget
    clock: FakeClock

    def take(self) -> float:
        self.clock.advance(milliseconds=CALL_MILLISECONDS)
        return self.inner.take()


class _Plenty:
    """Implements `plugin.platforms.token_bucket.Budget`."""

    def take(self) -> float:
        return 0.0


@contextmanager
def open_world(given: Given, shops: int, stores: Mapping[str, int]) -> Iterator[World]:
    """Accounts with nothing in them, connected and swept from now on.

    So many of Systeme.io, and so many of each of `stores`.
    """
    clock = FakeClock(START)
    with ExitStack() as stack:
        stripe = stack.enter_context(FakeStripe(now=lambda: int(clock.now().timestamp())))
        stripe.hooks.mode = "held"
        stripe.books.listed_after = LISTED_AFTER
        fakes = [stack.enter_context(FakeSystemeIo(now=clock.now).running()) for _ in range(shops)]
        accounts = _open_stores(stack, stores, clock)
        places = [stripe.place, *(fake.place for fake in fakes)]
        places += [account.place for account in accounts.values()]
        environment = {
            "MAKEGOOD_DATA_DIR": str(given.folder / "data"),
            "MAKEGOOD_ALLOW_PRIVATE_HOSTS": ",".join(places),
        }
        if given.database:
            environment["MAKEGOOD_DATABASE_URL"] = given.database
            environment["MAKEGOOD_SECRET_KEYS"] = Fernet.generate_key().decode()
        settings = read_settings(environment)
        prepare_house(settings, clock, SystemMint()).engine.dispose()
        parts = put_together(settings, clock)
        stack.callback(parts.house.engine.dispose)
        budgets = SqlBudgets(parts.house.engine, lambda _: int(clock.now().timestamp() * 1_000_000))

        def budget_for(account: str, rate: Rate) -> Budget:
            return _Taking(budgets.budget_for(account, rate), clock)

        adapters = replace(parts.platforms, budget_for=budget_for, breaker_for=None)
        parts = replace(parts, platforms=adapters)
        names = {InstallationId(f"3{place:031}"): fake for place, fake in enumerate(fakes)}
        practice = PracticeWorld(given.folder / "practice.sqlite")
        practice.seed(START - timedelta(days=60))
        tenant = home_tenant(parts.house.storage).id
        chance = random.Random(given.seed)
        world = World(clock, parts, tenant, stripe, names, accounts, practice, chance)
        parts.house.storage.add_tenant(Tenant(PRACTICE_TENANT, "Practice", simulated=True), START)
        _connect(world, STRIPE, "stripe", {"base_url": stripe.url}, {"api_key": "rk_test_drift"})
        for name, fake in names.items():
            _connect(world, name, "systeme_io", {"base_url": fake.url}, {"api_key": KEY})
        for name, account in accounts.items():
            _connect(world, name, account.platform, account.settings, account.secrets)
            with world.books() as uow:
                uow.settings.save_access_map(name, account.access_map, START)
        of_practice = {"file": str(given.folder / "practice.sqlite")}
        _connect(world, PRACTICE, "practice", of_practice, {"api_key": "none"})
        yield world


def _open_stores(
    stack: ExitStack, stores: Mapping[str, int], clock: FakeClock
) -> dict[InstallationId, StoreAccount]:
    opened = {}
    for place, (platform, number) in enumerate(stores.items(), 4):
        for which in range(number):
            account = _OF_STORES[platform](InstallationId(f"{place}{which:031}"), clock.now)
            stack.enter_context(account.running())
            opened[account.name] = account
    return opened


def _connect(
    world: World,
    name: InstallationId,
    platform: str,
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
) -> None:
    tenant = PRACTICE_TENANT if name == PRACTICE else world.tenant
    connection = Connection(tenant, name, Kind.STORE, platform, platform, settings, secrets)
    with world.books(tenant) as uow:
        connected_at = START - timedelta(days=60)
        uow.installations.add(Installation(connection, InstallationStatus.CONNECTED, connected_at))
        # Each at a moment of its own, as they were connected.
        wake_at = START + timedelta(seconds=world.chance.randint(0, 300))
        uow.sweeps.begin(Sweep(name, START, None, wake_at))


def key_of(email: str) -> CustomerKey:
    return customer_key(email)
