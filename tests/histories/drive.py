"""A history through the product: real use cases, real SQLite, platforms in memory that tell.

Time is the history's. What happens changes the books of the shop and the bank; news of it is an
event, applied when it is heard as `webhooks.dispatch` would. In between, all work that is due is
done.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count

from plugin.domain.events import (
    DisputeNews,
    PaymentRefunded,
    SaleMade,
    SaleRefunded,
    SubscriptionCancelled,
    SubscriptionNews,
    TagNews,
)
from plugin.domain.facts import Given
from plugin.domain.ids import (
    PlanId,
    RequestId,
    RunId,
    TicketId,
    customer_key,
)
from plugin.domain.orders import (
    DisputeStage,
    Order,
    OrderRef,
    PaymentRef,
    RefundStage,
    Resource,
    ResourceKind,
    Subscription,
    SubscriptionStatus,
)
from plugin.domain.plan import Plan
from plugin.domain.requests import Channel, RefundRequest
from plugin.services.decide_refund import Decided, DecideRefund, UndoRefund
from plugin.services.find_orders import FindOrders, Search
from plugin.services.plan_refund import PlanRefund, Reader
from plugin.services.run_rules import run_rules, tell_nobody
from tests.factories import BANK, DESK, STORE, TENANT, a_line, an_order
from tests.fakes.platforms import (
    FakeDesk,
    FakePlatforms,
    Mood,
    Paid,
    one_after_the_other,
)
from tests.histories.clockwork import Clockwork, Heard
from tests.histories.ending import Ending
from tests.histories.history import History
from tests.histories.model import DAY, Json, Step
from tests.histories.outside import (
    ACCESS,
    Bank,
    Shop,
    charge_of,
    choice_of,
    email_of,
    eur,
    payment_of,
    thing,
)
from tests.histories.template import BEGIN, Database, Template
from tests.storage_fixtures import FakeClock

AFTERWARDS = 90 * DAY
"""Minutes after the last step: every paid period is over, every retry was made."""


@dataclass(slots=True)
class Outcome:
    """How a history ended. `faults` are sentences by the name of the count they belong to."""

    end: Json
    steps: int
    faults: dict[str, list[str]]


def drive(template: Template, history: History) -> Outcome:
    """Run it, and look at the end."""
    with template.copy() as database:
        return Drive(database, history).run()


class Drive(Clockwork):
    """One run: what happens, in the order in which it does."""

    def __init__(self, database: Database, history: History) -> None:
        clock = FakeClock(BEGIN)
        self.history = history
        self.shop, self.bank = Shop(clock=clock), Bank(clock=clock)
        self.shop.paid = self.bank.paid  # one shop, whose payments the bank took
        self.shop.tell = self._tag_changed
        self.bank.while_paying, self.bank.left_of = self._paying, self._left_at_bank
        self.desk = FakeDesk()
        adapters: dict[str, object] = {STORE: self.shop, BANK: self.bank, DESK: self.desk}
        super().__init__(database, clock, FakePlatforms(adapters))
        self.steps: dict[str, Step] = {}  # by order, ask, refund: the step that made it
        self.plans: dict[str, str] = {}  # plan -> ask
        self.refund_of: dict[str, str] = {}  # refund row -> ask
        self.outside: dict[str, Paid] = {}
        self.asking: Step | None = None
        self.tag_echoes = count()

    def run(self) -> Outcome:
        for step in self.history.steps:
            self.live_until(self.clock.at + timedelta(minutes=step["wait"]))
            if step["do"] in ("sale", "ask"):
                self.steps[step["ask" if step["do"] == "ask" else "order"]] = step
            self.count += 1
            getattr(self, f"_{step['do']}")(step)
            self.live_until(self.clock.at)
        self.live_until(self.clock.at + timedelta(days=40))
        self.find_dropped()
        if self.history.heard_again:
            self.repeat_all(random.Random(self.history.seed))
        self.live_until(self.clock.at + timedelta(minutes=AFTERWARDS))
        ending = Ending(self)
        faults = ending.faults() | {"false_drifts": self.differences()}
        return Outcome(ending.document(), self.count, faults)

    # --- what happens -----------------------------------------------------------------------------

    def _sale(self, step: Step) -> None:
        ref = OrderRef(STORE, step["order"])
        lines = tuple(
            replace(
                a_line(
                    str(number + 1),
                    gives=tuple(map(thing, line["gives"])),
                    order=ref,
                    paid=eur(line["pays"]),
                    product=f"plan-{step['order']}-{number}",
                ),
                kind=None,
                subscription=step["sub"],
            )
            for number, line in enumerate(step["lines"])
        )
        own = step["kind"] == "shop"
        payments = tuple(
            payment_of(f"{step['order']}/{number}", minor, own=own)
            for number, minor in enumerate(step["payments"])
        )
        active = SubscriptionStatus.ACTIVE
        order = an_order(
            *lines,
            payments=payments,
            ref=ref,
            email=email_of(step["who"]),
            bought_at=self.clock.at,
            read_at=self.clock.at,
            subscription=Subscription(STORE, step["sub"], active) if step["sub"] else None,
        )
        self.shop.orders[ref.ref] = order
        if step["kind"] == "joined":
            self.bank.orders[ref.ref] = charge_of(order)
        self.send(step, "sale", SaleMade(order), STORE, ("sale", ref.ref))
        for line in step["lines"]:
            for given in line["gives"]:
                self._open(order.email, given, step)
        self._grant_inside(order)

    def _open(self, email: str, given: str, step: Step) -> None:
        if given.startswith("tag"):
            self.shop.held[email] |= {thing(given), *ACCESS.opened_by(thing(given))}
            event = TagNews(email, thing(given), added=True, at=self.clock.at)
            self.send(step, "tag", event, STORE, ("tag", step["id"], given))

    def _grant_inside(self, order: Order) -> None:
        for line in order.lines:
            for given in line.gives or ():
                if given.kind is ResourceKind.BUNDLE:
                    self.shop.held[order.email] |= set(ACCESS.inside(given) or ())
                elif given.kind is not ResourceKind.TAG:
                    self.shop.held[order.email].add(given)

    def _tag(self, step: Step) -> None:
        email, tag = email_of(step["who"]), thing(step["tag"])
        if step["added"]:
            self.shop.held[email] |= {tag, *ACCESS.opened_by(tag)}
        else:
            self.shop.held[email].discard(tag)
        event = TagNews(email, tag, step["added"], self.clock.at)
        self.send(step, "tag", event, STORE, ("tag", step["id"]))

    def _tag_changed(self, email: str, tag: Resource, added: bool) -> None:
        """Our own change of a tag, told like anybody's."""
        delays = self.history.tag_echoes
        delay = delays[next(self.tag_echoes) % len(delays)]
        event = TagNews(email, tag, added, self.clock.at)
        step = {"id": "own-tag", "heard": {"tag": [delay]}}
        self.send(step, "tag", event, STORE, ("own tag", str(next(self.numbers))))

    def _gift(self, step: Step) -> None:
        customer, course = customer_key(email_of(step["who"])), thing(step["course"])
        self.shop.held[email_of(step["who"])].add(course)
        with self.storage.begin(TENANT) as uow:
            uow.facts.append(
                Given(customer, course, "a gift", self.clock.at), "test", self.clock.at
            )
            run = RunId(f"gift-{step['id']}")
            run_rules(uow, customer, run, "gift", self.clock.at, tell_nobody)
            uow.commit()

    def _refund_outside(self, step: Step) -> None:
        paid = Paid(step["refund"], "", f"{step['order']}/{step['payment']}", eur(step["minor"]))
        self.outside[step["refund"]] = paid
        pending = self._news_of(paid, step["order"], "pending")
        self.bank.paid.append(paid)
        self.send(step, "pending", pending, BANK, ("refund", paid.ref))
        event = self._news_of(paid, step["order"], "succeeded")
        self.send(step, "bank", event, BANK, ("refund", paid.ref))

    def _refund_fails(self, step: Step) -> None:
        paid = self.outside[step["refund"]]
        paid.state = "failed"
        order_name = paid.payment.partition("/")[0]
        event = self._news_of(paid, order_name, "failed")
        self.send(step, "bank", event, BANK, ("refund", paid.ref))

    def _cancel_sale(self, step: Step) -> None:
        """The seller gives all back in the shop."""
        order = self.shop.orders[step["order"]]
        paid = Paid(step["refund"], "", f"{step['order']}/0", eur(order.paid.minor))
        self.outside[step["refund"]] = paid
        self.bank.paid.append(paid)
        if step["takes"]:  # the shop takes what it gave, whatever else gives it
            for line in order.lines:
                for given in line.gives or ():
                    if given.kind is not ResourceKind.TAG:
                        inside = ACCESS.inside(given) or ()
                        self.shop.held[order.email] -= {given, *inside}
        self._send_cancelled(step, order)
        if "bank" in step["heard"]:
            event = self._news_of(paid, step["order"], "succeeded")
            self.send(step, "bank", event, BANK, ("refund", paid.ref))

    def _send_cancelled(self, step: Step, order: Order) -> None:
        lines = tuple(replace(line, refunded=line.paid) for line in order.lines)
        payments = tuple(replace(p, refunded=p.captured) for p in order.payments)
        told = replace(order, lines=lines, payments=payments, read_at=self.clock.at)
        event = SaleRefunded(told, self.clock.at, f"cancelled-{order.ref.ref}")
        self.send(step, "store", event, STORE, ("cancelled", order.ref.ref))

    def _dispute(self, step: Step) -> None:
        name = step["dispute"]
        if step["state"] == "open":
            self.steps[name] = step
        order_name = self.steps[name]["order"]
        books = self.books_of(order_name)
        paid = books[order_name].payments[0]
        held = paid.captured if step["state"] != "won" else eur(0)
        is_open = step["state"] == "open"
        changed = replace(paid, disputed=held, dispute_open=is_open)
        order = replace(
            books[order_name],
            payments=(changed, *books[order_name].payments[1:]),
            read_at=self.clock.at,
        )
        books[order_name] = order
        told = DisputeNews(
            paid.ref, name, paid.captured, DisputeStage(step["state"]), self.clock.at, order
        )
        self.send(step, "bank", told, BANK, ("dispute", name))

    def _subscription(self, step: Step) -> None:
        until = step["until"]
        who = next(s["who"] for s in self.steps.values() if s.get("sub") == step["sub"])
        event = SubscriptionNews(
            STORE,
            step["sub"],
            email_of(who),
            ended=until == 0,
            ends_at=None if not until else self.clock.at + timedelta(minutes=until),
            at=self.clock.at,
        )
        self.send(step, "gateway", event, STORE, ("subscription", step["sub"]))

    def _cancel_subscription(self, step: Step) -> None:
        order = self.shop.orders[step["order"]]
        until = self.clock.at + timedelta(minutes=step["until"])
        assert order.subscription is not None
        event = SubscriptionCancelled(
            replace(order, read_at=self.clock.at), order.subscription.ref, self.clock.at, until
        )
        self.send(step, "store", event, STORE, ("subscription of", step["order"]))

    # --- refunds of ours --------------------------------------------------------------------------

    def _ask(self, step: Step) -> None:
        order = self.shop.orders[step["order"]]
        search = Search(emails=(order.email,))
        now, gather = self.clock.at, one_after_the_other
        finder = FindOrders(self.storage, self.platforms, gather)
        found = finder(TENANT, search, now).get(order.ref)
        assert found is not None
        ticket = TicketId(f"ticket-{order.email}")
        self.desk.open_tickets[order.email] = [ticket]
        request = RefundRequest(
            RequestId(f"request-{step['ask']}"),
            order.ref,
            order.customer,
            Channel.TICKET,
            now,
            ticket=ticket,
            desk=DESK,
        )
        reader = Reader("en", DESK, ticket, can_reply=True, agent="Ana")
        planner = PlanRefund(self.storage, self.platforms, gather)
        plan_id = PlanId(f"plan-{step['ask']}")
        choice = choice_of(order, step)
        plan = planner(TENANT, found, request, choice, reader, plan_id, now).outcome
        if not isinstance(plan, Plan):
            self.plans[f"blocked {plan.by}"] = step["ask"]
            return
        decide = DecideRefund(self.storage, finder, planner)
        fresh = PlanId(f"plan-{step['ask']}-fresh")
        decided = decide(TENANT, plan.id, plan.hash, search, reader, fresh, now)
        assert isinstance(decided, Decided), decided
        self.plans[plan.id] = step["ask"]
        self.refund_of |= {refund.id: step["ask"] for refund in decided.refunds}
        if step["mood"] == "undone":
            UndoRefund(self.storage)(TENANT, plan.id, "agent", now)
            return
        if step["mood"] != "plain":
            self.bank.moods += [Mood(step["mood"])] * len(decided.refunds)
        self.asking = step
        self.live_until(now + timedelta(minutes=25))
        self.bank.moods.clear()
        self.asking = None

    def _paying(self, paid: Paid) -> None:
        """The bank pays a refund of ours: its own news may overtake its answer."""
        step = self.asking
        assert step is not None
        during = step["heard"]["echo"] == ["during"]
        name, _, _ = paid.payment.partition("/")
        event = self._news_of(paid, name, paid.state, paid.key if step["named"] else None)
        if during:
            number = next(self.numbers)
            heard = Heard(self.clock.at, number, step["id"], f"during.{number}", event, BANK)
            self.news.append(heard)
            self.apply(heard)
        else:
            self.send(step, "echo", event, BANK, ("refund", paid.ref))

    def _bank_settles(self, step: Step) -> None:
        for paid in self._paid_of(step["ask"]):
            if paid.state == "pending":
                paid.state = step["state"]
                self._echo(step, paid)

    def _bank_takes_back(self, step: Step) -> None:
        paid = self._paid_of(step["ask"])[0]
        paid.state = "failed"
        self._echo(step, paid)

    def _done_by_hand(self, step: Step) -> None:
        """The seller gave the money back in the shop, as the worksheet says."""
        order_name = self.steps[step["ask"]]["order"]
        order = self.shop.orders[order_name]
        self._send_cancelled(step, order)

    def _echo(self, step: Step, paid: Paid) -> None:
        order_name = paid.payment.partition("/")[0]
        event = self._news_of(paid, order_name, paid.state, paid.key)
        self.send(step, "echo", event, BANK, ("refund", paid.ref))

    def _paid_of(self, ask: str) -> list[Paid]:
        keys = [name for name, known in self.refund_of.items() if known == ask]
        found = [paid for paid in self.bank.paid if any(key in paid.key for key in keys)]
        return sorted(found, key=lambda paid: paid.payment)

    # --- the books --------------------------------------------------------------------------------

    def books_of(self, order: str) -> dict[str, Order]:
        """Where the payments of an order are kept: at the bank, where the shop has none."""
        return self.bank.orders if order in self.bank.orders else self.shop.orders

    def _left_at_bank(self, payment: str) -> int:
        name, _, number = payment.partition("/")
        captured = self.books_of(name)[name].payments[int(number)].captured.minor
        return captured - self.back(payment)

    def back(self, payment: str) -> int:
        return sum(
            p.amount.minor for p in self.bank.paid if p.payment == payment and p.state != "failed"
        )

    def _news_of(
        self, paid: Paid, order: str, state: str, reference: str | None = None
    ) -> PaymentRefunded:
        books = self.books_of(order)
        seen = self.bank if books is self.bank.orders else self.shop
        told = seen.read_order(order)
        assert told is not None
        payment = PaymentRef(BANK, paid.payment)
        whole = state != "failed" and self._left_at_bank(paid.payment) == 0
        return PaymentRefunded(
            payment,
            paid.ref,
            paid.amount,
            RefundStage(state),
            self.clock.at,
            reference,
            whole,
            told,
        )
