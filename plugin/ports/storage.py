"""What the use cases need kept: one transaction of one tenant, and its tables by capability.

Nothing here can be called without a tenant, but for the few reads that find the tenant: an
installation by its random id, and the work that is due. What is not committed never happened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol

from plugin.domain.access_map import AccessMap
from plugin.domain.effects import EffectState, PlannedEffect
from plugin.domain.facts import Fact
from plugin.domain.ids import (
    AgentId,
    AgentRef,
    CustomerKey,
    DeliveryId,
    EffectKey,
    InstallationId,
    PairingId,
    PlanId,
    RefundId,
    RequestId,
    RunId,
    TenantId,
    TicketId,
)
from plugin.domain.orders import Order, OrderRef, PaymentRef, Resource
from plugin.domain.plan import Plan
from plugin.domain.policy import Policy, PolicyVersion
from plugin.domain.refunds import Refund, RefundState
from plugin.domain.requests import RefundRequest
from plugin.domain.rules import Turns
from plugin.ports import Kind
from plugin.ports.connecting import PendingInstall, PendingState
from plugin.ports.records import (
    AuditEntry,
    DeliveryState,
    Drift,
    DueWork,
    Hold,
    Installation,
    Pairing,
    RefundMove,
    RestingAccount,
    Run,
    RunState,
    StoredDelivery,
    StoredEffect,
    StoredPlan,
    StoredSignIn,
    Sweep,
    TagChange,
    Tenant,
)
from plugin.ports.tallies import Tallies


class SignIns(Protocol):
    """Links and sessions of the tenant's admin."""

    def add(self, sign_in: StoredSignIn) -> None:
        """Keep it; those that expired long ago go."""

    def use(self, sign_in: str, at: datetime) -> bool:
        """Spend a link, or end a session. False when somebody did before, or it has expired."""


class Pairings(Protocol):
    """Which agents of the tenant's desks are proven in which browsers."""

    def add(self, pairing: Pairing) -> None:
        """Keep it; those that ended long ago go."""

    def get(self, pairing: PairingId) -> Pairing | None: ...
    def move(self, before: Pairing, after: Pairing) -> bool:
        """Compare-and-set on state and wakes. False when somebody else moved it first."""

    def asked_since(
        self, desk: InstallationId, moment: datetime, agent: AgentId | None = None
    ) -> int:
        """How many links were asked for since, for one agent or for all of the desk."""

    def of_frame(self, desk: InstallationId, agent: AgentId, frame: str) -> Pairing | None:
        """The pairing that was given to this frame, whatever became of it."""

    def of_browser(self, desk: InstallationId, browser: str, now: datetime) -> Pairing | None:
        """The pairing that proves an agent of this desk in this browser now."""

    def all(self, now: datetime) -> Sequence[Pairing]:
        """Those that hold now, newest first."""


class Installations(Protocol):
    """The tenant's connections to stores and helpdesks."""

    def add(self, installation: Installation) -> None: ...
    def get(self, installation: InstallationId) -> Installation | None: ...
    def all(self) -> Sequence[Installation]:
        """All of the tenant that are not removed, oldest first."""

    def save(self, installation: Installation) -> None:
        """Replace settings, secrets, status, label and self-test."""


class PendingInstalls(Protocol):
    """Installs that wait for the platform to bring the keys."""

    def add(self, pending: PendingInstall) -> None:
        """Keep it; those that expired long ago go."""

    def get(self, pending: str) -> PendingInstall | None: ...
    def move(self, before: PendingState, after: PendingInstall) -> bool:
        """Compare-and-set on the state. False when somebody else moved it first."""


class Settings(Protocol):
    """A tenant's own: policy versions and access maps."""

    def tenant(self) -> Tenant: ...
    def describe_tenant(self, name: str, time_zone: str, locale: str) -> None:
        """Replace what the tenant is called, its IANA time zone and its BCP 47 language."""

    def policy(self) -> Policy | None: ...
    def add_policy(self, version: PolicyVersion) -> None: ...
    def access_map(self) -> AccessMap: ...
    def save_access_map(
        self, installation: InstallationId, access: AccessMap, at: datetime
    ) -> None:
        """The part of one store account; the tenant's map is the union of its parts."""


class Deliveries(Protocol):
    """Incoming webhooks, kept byte by byte."""

    def add(self, delivery: StoredDelivery) -> bool:
        """False when the installation already has a delivery of that name: none is stored twice."""

    def get(self, delivery: DeliveryId) -> StoredDelivery | None: ...
    def settle(
        self,
        delivery: DeliveryId,
        state: DeliveryState,
        *,
        reason: str = "",
        topic: str | None = None,
        wake_at: datetime | None = None,
    ) -> None:
        """Set the state and count an attempt. None leaves the topic as it is."""

    def close(self, delivery: DeliveryId, reason: str) -> bool:
        """Have one that was not applied be `ignored`. False where it is no such one (any more)."""

    def put_back(self, store: InstallationId, stopped_by: Sequence[str], at: datetime) -> None:
        """Have those of a connection read `at` that wait or failed for one of these reasons."""

    def newest(self, states: Sequence[DeliveryState], limit: int) -> Sequence[StoredDelivery]:
        """Newest first; all states when `states` is empty."""

    def not_applied(self, limit: int) -> Sequence[StoredDelivery]:
        """Those that a person must see, oldest first: none is hidden by what came after it."""

    def ids_in(self, states: Sequence[DeliveryState]) -> Sequence[DeliveryId]:
        """All in these states, oldest first."""

    def put_off_since(
        self, installation: InstallationId, since: datetime, now: datetime
    ) -> datetime | None:
        """When the oldest came, from `since` on, that was tried and waits beyond `now`."""

    def last_received(self) -> Mapping[InstallationId, datetime]:
        """When each connection was last heard; those that never were are left out."""


class Facts(Protocol):
    """What happened, appended and never changed: the ledger is computed from it."""

    def append(self, fact: Fact, source: str, at: datetime) -> bool:
        """False when the fact is known already."""

    def of_customer(self, customer: CustomerKey) -> Sequence[Fact]: ...


class Orders(Protocol):
    """Orders as last read. The store itself is asked again before money moves."""

    def save(self, order: Order) -> None:
        """Keep the latest snapshot; lines that a store told one by one are merged by their ref."""

    def get(self, order: OrderRef) -> Order | None: ...
    def of_customer(self, customer: CustomerKey) -> Sequence[Order]: ...
    def sharing_accounts(
        self, customer: CustomerKey
    ) -> Sequence[tuple[InstallationId, CustomerKey]]:
        """Who else bought with an account of hers, and at which store: herself, by another address.

        Some twenty at most: more addresses are not of a person, but of a till's own account.
        """

    def by_number(self, number: str) -> Sequence[Order]: ...


class Requests(Protocol):
    """What customers asked for, one row for each ticket and order."""

    def save(self, request: RefundRequest) -> None: ...
    def get(self, request: RequestId) -> RefundRequest | None: ...
    def for_ticket(
        self, desk: InstallationId, ticket: TicketId, order: OrderRef
    ) -> RefundRequest | None:
        """The request that a ticket already made about an order."""


class Plans(Protocol):
    """Plans as they were shown. A plan is never overwritten."""

    def add(self, plan: Plan, request: RequestId) -> None: ...
    def get(self, plan: PlanId) -> StoredPlan | None: ...
    def decide(self, plan: PlanId, by: str, at: datetime, decider: AgentRef | None = None) -> bool:
        """False when it was decided before: the caller then shows what there is."""


class Refunds(Protocol):
    """Intents to move money, and every move of their states. A customer's are of all her orders."""

    def add(self, refund: Refund, actor: str, at: datetime) -> bool: ...
    def get(self, refund: RefundId) -> Refund | None: ...
    def of_plan(self, plan: PlanId) -> Sequence[Refund]: ...
    def of_order(self, order: OrderRef) -> Sequence[Refund]: ...
    def of_payment(self, payment: PaymentRef) -> Sequence[Refund]: ...
    def of_customer(self, customer: CustomerKey) -> Sequence[Refund]: ...
    def move(self, before: Refund, after: Refund, move: RefundMove) -> bool:
        """Compare-and-set on state and wakes. False when late. Equal states write no move."""

    def wake(self, refund: Refund, at: datetime) -> None:
        """Have it looked at from `at` on instead of later. Changes nothing else."""

    def moves(self, plan: PlanId) -> Sequence[RefundMove]: ...
    def newest(self, limit: int, states: Sequence[RefundState] = ()) -> Sequence[Refund]:
        """Changed last first; all states when `states` is empty."""

    def oldest(self, limit: int, states: Sequence[RefundState]) -> Sequence[Refund]:
        """Those in these states, changed first first."""


class Effects(Protocol):
    """Rule runs, and the effects in them, with how far each is."""

    def add_run(self, run: Run, effects: Sequence[PlannedEffect], at: datetime) -> bool:
        """False when the run exists. Effects whose key exists already are left as they are."""

    def add_effects(self, run: Run, effects: Sequence[PlannedEffect], at: datetime) -> None:
        """Put effects into a run that exists. A key that is there already stays as it is."""

    def run(self, run: RunId) -> Run | None: ...
    def wake_run(self, run: Run, *, wake_at: datetime | None, state: RunState) -> None: ...
    def of_run(self, run: RunId) -> Sequence[StoredEffect]: ...
    def get(self, key: EffectKey) -> StoredEffect | None: ...
    def set_state(self, key: EffectKey, before: EffectState, effect: StoredEffect) -> bool:
        """Compare-and-set."""

    def turns(self, customer: CustomerKey) -> Turns: ...
    def changes_of(
        self, customer: CustomerKey, resource: Resource
    ) -> Sequence[tuple[EffectKey, EffectState]]:
        """What we change of this, in the order of its turns: the last one is how it should be."""

    def last_tag_change(
        self, customer: CustomerKey, tag: Resource, until: datetime
    ) -> TagChange | None:
        """The last time that we ourselves added or removed this tag, or began to, by `until`."""

    def open(self, limit: int) -> Sequence[StoredEffect]:
        """Effects that a person must see, longest ones first: needs_person and unknown."""

    def newest(self, limit: int, states: Sequence[EffectState] = ()) -> Sequence[StoredEffect]:
        """Changed last first; all states when `states` is empty."""

    def keys_in(self, state: EffectState) -> Sequence[EffectKey]:
        """All in this state, changed first first."""

    def unsent_messages(self) -> Sequence[StoredEffect]:
        """Words to the customer or the owner that wait, or are being sent."""


class Audit(Protocol):
    """Who did what, in a chain of hashes."""

    def write(
        self, at: datetime, actor: str, action: str, subject: str, details: Mapping[str, str]
    ) -> None: ...

    def entries(self, after: int, limit: int) -> Sequence[AuditEntry]: ...
    def verify(self) -> tuple[int, int | None]:
        """How many entries there are, and the number of the first that does not fit, or None."""


class Holds(Protocol):
    """Why nothing is sent for the tenant just now."""

    def all(self) -> Sequence[Hold]:
        """Oldest first. Empty: what is due is sent."""

    def put(self, hold: Hold) -> None:
        """Keep it; one of the same reason is replaced."""

    def lift(self, reason: str) -> bool:
        """False when there is none of that reason (any more)."""

    def has_unapplied(self, until: datetime) -> bool:
        """Whether a delivery that came by then still waits to be applied."""


class Sweeps(Protocol):
    """How far the accounts of the tenant were read."""

    def begin(self, sweep: Sweep) -> bool:
        """False when the account has one already: it stays as it is."""

    def get(self, installation: InstallationId) -> Sweep | None: ...
    def all(self) -> Sequence[Sweep]: ...
    def save(self, before: Sweep, after: Sweep) -> bool:
        """Compare-and-set on wakes."""

    def wake(self, installation: InstallationId, at: datetime) -> bool:
        """Have it looked at from `at` on. False where the account has none."""

    def customers(self, after: str, limit: int) -> Sequence[CustomerKey]:
        """Customers of whom something ever ended or money went back, by key, after `after`."""


class Drifts(Protocol):
    """What was found to differ outside from our books."""

    def put(self, drift: Drift) -> None:
        """Keep it; one of the same id is replaced."""

    def get(self, drift: str) -> Drift | None: ...
    def of_customer(
        self, installation: InstallationId, customer: CustomerKey | None
    ) -> Sequence[Drift]:
        """Oldest first, those that are over too."""

    def suspects(
        self, installation: InstallationId, until: datetime, limit: int
    ) -> Sequence[CustomerKey]:
        """Customers with a difference that was seen once, by `until`."""

    def open(self, limit: int) -> Sequence[Drift]:
        """Those that a person must see, oldest first."""


class Breakers(Protocol):
    """Which platform accounts do not answer just now."""

    def resting(self) -> Sequence[RestingAccount]:
        """Those of the tenant that rest, longest first."""


class UnitOfWork(Protocol):
    """One transaction of one tenant. Leaving it without `commit` undoes all of it."""

    @property
    def installations(self) -> Installations: ...
    @property
    def pending_installs(self) -> PendingInstalls: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def deliveries(self) -> Deliveries: ...
    @property
    def facts(self) -> Facts: ...
    @property
    def orders(self) -> Orders: ...
    @property
    def requests(self) -> Requests: ...
    @property
    def plans(self) -> Plans: ...
    @property
    def refunds(self) -> Refunds: ...
    @property
    def effects(self) -> Effects: ...
    @property
    def audit(self) -> Audit: ...
    @property
    def sign_ins(self) -> SignIns: ...
    @property
    def pairings(self) -> Pairings: ...
    @property
    def holds(self) -> Holds: ...

    @property
    def tallies(self) -> Tallies: ...
    @property
    def sweeps(self) -> Sweeps: ...
    @property
    def drifts(self) -> Drifts: ...

    @property
    def breakers(self) -> Breakers: ...

    @property
    def tenant_id(self) -> TenantId: ...
    def commit(self) -> None: ...


class Storage(Protocol):
    """The door to all tenants; everything else hangs on one of them."""

    def begin(self, tenant: TenantId) -> AbstractContextManager[UnitOfWork]:
        """A transaction that may write; writers of one tenant queue up.

        Raises KeyError for no such tenant.
        """

    def read(self, tenant: TenantId) -> AbstractContextManager[UnitOfWork]:
        """A transaction that only reads."""

    def take_in(self, delivery: StoredDelivery) -> bool:
        """Commit one delivery, perhaps together with others. As `Deliveries.add`.

        Raises RetryLater where it is not known to be committed: a repeat is told by its name.
        """

    def find_installation(self, installation: InstallationId) -> Installation | None: ...
    def find_pending_install(self, pending: str) -> PendingInstall | None:
        """One by its random id, whoever's it is: its one-time value was verified before."""

    def find_accounts(
        self, kind: Kind, platform: str, account: Mapping[str, str]
    ) -> Sequence[Installation]:
        """All tenants' connections that hold these settings, removed ones too: keys must prove."""

    def find_waiting_installs(
        self, kind: Kind, platform: str, now: datetime
    ) -> Sequence[PendingInstall]:
        """All tenants' installs of a platform that are open, newest first; as `find_accounts`."""

    def find_sign_in(self, sign_in: str) -> StoredSignIn | None:
        """A link or session by the hash of its token, which proves the tenant."""

    def find_pairing(self, link: str) -> Pairing | None:
        """A pairing by the hash of its one-time link's token, which proves the tenant."""

    def tenants(self) -> Sequence[Tenant]: ...
    def add_tenant(self, tenant: Tenant, at: datetime) -> None: ...
    def due(self, now: datetime, limit: int) -> Sequence[DueWork]:
        """Work whose time has come, in fair turns.

        Of each tenant the first, oldest first, then of each the second; so no tenant's backlog
        hides what another has waiting. Costs no more however much is waiting.
        """

    def begin_sweeps(self, now: datetime) -> None:
        """Have every store that is connected and has no sweep yet looked at from now on.

        It is read from when it was last heard: before that, news did arrive.
        """

    def wake_interrupted(self, now: datetime) -> None:
        """Have every refund that is `submitting` looked at now, not when its call should be over.

        Only for a worker that is alone and has not begun: all of them were interrupted then.
        """

    def wake_claimed(self, tenant: TenantId, refund: RefundId, wakes: int, now: datetime) -> bool:
        """The same for one refund, whose call a dead worker began as its wake number `wakes`.

        False where it is no longer so: its call came to an end, or somebody else has it.
        """

    def beat(self, executor: str) -> None:
        """Say that this worker lives, by the database's clock. The long dead are forgotten."""

    def living_workers(self, within: timedelta) -> frozenset[str]:
        """Workers that said so within that time."""

    def silent_workers(self, since: timedelta) -> frozenset[str]:
        """Workers that began, did not end in order, and were not heard of for longer than that."""

    def forget_worker(self, executor: str) -> None:
        """Take out a worker that ended in order, with nothing left in hand."""

    def seconds_to_full(self, accounts: Sequence[InstallationId]) -> Mapping[InstallationId, float]:
        """In how many seconds each account's budget of calls is whole again, by the database.

        Those that are whole are left out.
        """
