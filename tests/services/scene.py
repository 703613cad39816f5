"""A tenant with a shop, a bank, a desk and a policy, and short ways to walk a refund through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count

from plugin.domain.effects import EffectState
from plugin.domain.events import StoreEvent
from plugin.domain.ids import DeliveryId, InstallationId, PlanId, RefundId, RunId
from plugin.domain.ledger import Ledger
from plugin.domain.orders import Order, Resource
from plugin.domain.plan import Choice, Plan
from plugin.domain.refunds import Refund, RefundState
from plugin.domain.starting_policies import starting_policy
from plugin.ports import Kind
from plugin.ports.records import Installation, StoredEffect, Tenant
from plugin.ports.storage import Storage
from plugin.services.apply_event import apply_event
from plugin.services.applying import (
    Application,
    MustAsk,
    MustWait,
    Source,
)
from plugin.services.ask_for_others import AskForOthers
from plugin.services.carry_out import CarryOut
from plugin.services.decide_refund import Decided, DecideRefund, Decision, UndoRefund
from plugin.services.find_orders import FindOrders, FoundOrder, Search
from plugin.services.join_charges import TAKER
from plugin.services.ledger_of import ledger_of
from plugin.services.plan_refund import PlanRefund, Preview, Reader
from plugin.services.send_refund import SendRefund
from tests.factories import (
    BANK,
    CUSTOMER,
    DESK,
    EMAIL,
    NOW,
    ORDER,
    STORE,
    a_choice,
    a_line,
    a_payment,
    a_request,
    ago,
    an_installation,
    an_order,
    an_order_ref,
)
from tests.fakes.platforms import (
    FakeDesk,
    FakeMailer,
    FakePlatforms,
    FakeStore,
    one_after_the_other,
)
from tests.storage_fixtures import FakeClock

TICKET = "77"
BY_MAIL = Search(emails=(EMAIL,))


@dataclass
class Scene:
    """All that a journey needs. `storage` may be swapped for one that fails at some point."""

    storage: Storage
    tenant: Tenant
    clock: FakeClock
    shop: FakeStore = field(default_factory=FakeStore)
    bank: FakeStore = field(default_factory=FakeStore)
    desk: FakeDesk = field(default_factory=FakeDesk)
    mailer: FakeMailer = field(default_factory=FakeMailer)
    platforms: FakePlatforms = field(default_factory=FakePlatforms)
    reader: Reader = field(
        default_factory=lambda: Reader("en", DESK, a_request().ticket, can_reply=True, agent="Ana")
    )
    close: Callable[[], None] = lambda: None
    numbers: Callable[[], int] = field(default_factory=lambda: count(1).__next__)

    def open(self) -> Scene:
        """Make the installations and the policy."""
        self.shop.clock = self.bank.clock = self.clock
        self.shop.paid = self.bank.paid  # one shop, whose payments the bank took
        self.platforms.adapters = {STORE: self.shop, BANK: self.bank, DESK: self.desk}
        with self.storage.begin(self.tenant.id) as uow:
            uow.installations.add(paid_through(an_installation(STORE), "Practice"))
            uow.installations.add(an_installation(BANK))
            uow.installations.add(an_installation(DESK, kind=Kind.HELPDESK))
            template = starting_policy("thirty_days_then_months")
            uow.settings.add_policy(template.version(NOW - timedelta(days=3650), "Europe/Zagreb"))
            uow.commit()
        return self

    # --- what is there ------------------------------------------------------------------------

    def sell(self, *gives: Resource, order: Order | None = None) -> Order:
        """An order that the shop lists, whose things the customer holds."""
        sold = order or sale(*gives)
        self.shop.orders[sold.ref.ref] = sold
        for line in sold.lines:
            self.shop.held[sold.email] |= set(line.gives or ())
        return sold

    def held(self) -> set[str]:
        """What the shop's books say that the customer holds."""
        return {resource.ref for resource in self.shop.held[EMAIL]}

    # --- the use cases ------------------------------------------------------------------------

    def find(self, search: Search = BY_MAIL) -> Sequence[FoundOrder]:
        finder = FindOrders(self.storage, self.platforms, one_after_the_other)
        return finder(self.tenant.id, search, self.clock.now()).orders

    def preview(self, order: Order, choice: Choice | None = None) -> Preview:
        found = next(f for f in self.find() if f.order.ref == order.ref)
        request = a_request(order=order.ref)
        planner = PlanRefund(self.storage, self.platforms, one_after_the_other)
        return planner(
            self.tenant.id,
            found,
            request,
            choice or a_choice(order),
            self.reader,
            self.fresh_id(),
            self.clock.now(),
        )

    def plan(self, order: Order, choice: Choice | None = None) -> Plan:
        outcome = self.preview(order, choice).outcome
        assert isinstance(outcome, Plan), outcome
        return outcome

    def decide(self, plan: Plan, shown: str | None = None, search: Search = BY_MAIL) -> Decision:
        ports = self.storage, self.platforms, one_after_the_other
        decide = DecideRefund(self.storage, FindOrders(*ports), PlanRefund(*ports))
        return decide(
            self.tenant.id,
            plan.id,
            plan.hash if shown is None else shown,
            search,
            self.reader,
            self.fresh_id(),
            self.clock.now(),
        )

    def decided(self, order: Order, choice: Choice | None = None) -> Plan:
        """A plan that was decided: its ten seconds run."""
        plan = self.plan(order, choice)
        assert isinstance(self.decide(plan), Decided)
        return plan

    def undo(self, plan: Plan) -> bool:
        return UndoRefund(self.storage)(self.tenant.id, plan.id, "agent", self.clock.now())

    def apply(
        self,
        event: StoreEvent,
        delivery: str | None = None,
        *,
        age: timedelta = timedelta(),
        at: InstallationId = STORE,
    ) -> Application:
        """Apply as dispatch does: nothing is kept of what must wait."""
        now = self.clock.now()
        name = delivery or f"delivery-{self.numbers()}"
        source = Source(DeliveryId(name), at, "Test shop", now - age)
        ask = AskForOthers(self.storage, self.platforms, one_after_the_other)
        while True:
            with self.storage.begin(self.tenant.id) as uow:
                outcome = apply_event(uow, event, source, now)
                if not isinstance(outcome, MustWait | MustAsk):
                    uow.commit()
            if not isinstance(outcome, MustAsk):
                return outcome
            assert ask(self.tenant.id, outcome.customer)
            source = replace(source, asked=source.asked | {outcome.customer})

    def send(self, refund: RefundId) -> None:
        SendRefund(self.storage, self.platforms, self.clock)(self.tenant.id, refund)

    def carry_out(self, run: RunId) -> None:
        CarryOut(self.storage, self.platforms, self.mailer, self.clock, one_after_the_other)(
            self.tenant.id, run
        )

    def work(self) -> int:
        """Do all that is due now, until nothing is. Returns how many rows were worked on."""
        for rounds in range(200):
            due = self.storage.due(self.clock.now(), 100)
            if not due:
                return rounds
            for work in due:
                if work.kind == "refund":
                    self.send(RefundId(work.ref))
                else:
                    self.carry_out(RunId(work.ref))
        raise AssertionError("work does not end")

    def wait(self, **length: float) -> None:
        """Let time pass, then work."""
        self.clock.advance(**length)
        self.work()

    # --- what came of it ----------------------------------------------------------------------

    def refunds(self, plan: Plan) -> Sequence[Refund]:
        with self.storage.read(self.tenant.id) as uow:
            return uow.refunds.of_plan(plan.id)

    def states(self, plan: Plan) -> list[RefundState]:
        return [refund.state for refund in self.refunds(plan)]

    def ledger(self) -> Ledger:
        with self.storage.read(self.tenant.id) as uow:
            return ledger_of(uow, CUSTOMER, self.clock.now())

    def owed(self) -> set[str]:
        return {resource.ref for resource in self.ledger().owed()}

    def effects(self, run: str) -> Sequence[StoredEffect]:
        with self.storage.read(self.tenant.id) as uow:
            return uow.effects.of_run(RunId(run))

    def effect_states(self, run: str) -> list[tuple[str, EffectState]]:
        return [(type(e.planned.effect).__name__, e.state) for e in self.effects(run)]

    def audited(self) -> list[str]:
        with self.storage.read(self.tenant.id) as uow:
            return [entry.action for entry in uow.audit.entries(0, 500)]

    def fresh_id(self) -> PlanId:
        return PlanId(f"plan-{self.numbers()}")


def paid_through(installation: Installation, taker: str) -> Installation:
    """`installation`, whose admin says that `taker` takes its card payments."""
    connection = installation.connection
    settings = {**connection.settings, TAKER: taker}
    return replace(installation, connection=replace(connection, settings=settings))


def sale(*gives: Resource, ref: str = ORDER.ref, days: float = 9, **more: object) -> Order:
    """One line that gives `gives`, one payment at the bank named after the order."""
    order = an_order_ref(ref)
    line = a_line(gives=gives, order=order)
    payments = (a_payment(f"pay-{ref}"),)
    built = an_order(line, payments=payments, ref=order, bought_at=ago(days=days))
    return replace(built, **more)  # type: ignore[arg-type]  # keywords of Order
