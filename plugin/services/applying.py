"""What applying any store event needs: its outcomes, its source, the sale it tells, the rules.

Writes inside the transaction of the event's delivery. Never calls outside.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from plugin.domain.facts import DisputeClosed, DisputeOpened, Refunded, RefundFailed
from plugin.domain.ids import CustomerKey, DeliveryId, InstallationId, RunId
from plugin.domain.orders import Order, RefundRoute
from plugin.ports.records import SelfTestLine
from plugin.ports.storage import UnitOfWork
from plugin.services.announce import Announcement, announce
from plugin.services.ask_for_others import leave_to_person
from plugin.services.recognise_order import charge_of
from plugin.services.record_sale import sale_facts
from plugin.services.run_rules import run_rules, takes, tell_nobody

STORE = "store"
PATIENCE = timedelta(minutes=15)
"""How long news waits for a call of ours that it may be the echo of."""
CALL_IN_FLIGHT = "our own call is in flight"
"""Why such news wait, as it is kept with their delivery."""
SKEW = timedelta(minutes=5)
"""By how much a store's clock may be behind ours or ahead of it."""


@dataclass(frozen=True, slots=True)
class Applied:
    """It changed what we know, or was known already."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """It says nothing that concerns us, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotRecognised:
    """Of a kind that we have no words for: kept and shown."""

    what: str


@dataclass(frozen=True, slots=True)
class MustWait:
    """Our own call is in flight and this may be its echo: apply it again at `until`."""

    until: datetime


@dataclass(frozen=True, slots=True)
class MustAsk:
    """It would take something: apply it once stores were asked what else `customer` bought."""

    customer: CustomerKey


Application = Applied | Ignored | NotRecognised | MustWait | MustAsk


@dataclass(frozen=True, slots=True)
class Source:
    """Where an event comes from: its delivery, when it arrived, and the store's name for people.

    `asked` are those of whose other orders the stores were asked; for those in `unread` one of the
    stores did not answer.
    """

    delivery: DeliveryId
    installation: InstallationId
    store: str
    received_at: datetime
    asked: frozenset[CustomerKey] = frozenset()
    unread: frozenset[CustomerKey] = frozenset()


def keep_sale(uow: UnitOfWork, order: Order, source: Source, now: datetime) -> None:
    """Keep what was told of a sale, and its lines as facts."""
    uow.orders.save(order)
    if any(payment.route is RefundRoute.BY_HAND for payment in order.payments):
        _take_over_charge(uow, order, source, now)
    for fact in sale_facts(order):
        uow.facts.append(fact, f"delivery {source.delivery}", now)
    tick_delivery_received(uow, source, now)


def let_rules_run(
    uow: UnitOfWork,
    customer: CustomerKey,
    source: Source,
    now: datetime,
    news: Announcement | None = None,
    run_id: RunId | None = None,
) -> Applied | MustAsk:
    """Let the rules run. `run_id` names the cause where more than one delivery may tell of it.

    What they take is taken only when the stores were asked what else this customer bought.
    """
    tellers = tell_nobody if news is None else announce(uow, news)
    named = run_id or RunId(source.delivery)
    effects = run_rules(uow, customer, named, f"delivery {source.delivery}", now, tellers)
    if any(takes(effect) for effect in effects):
        if customer not in source.asked:
            return MustAsk(customer)
        if customer in source.unread:
            leave_to_person(uow, named, effects, now)
    return Applied()


def _take_over_charge(uow: UnitOfWork, sale: Order, source: Source, now: datetime) -> None:
    """What a gateway told of the charge before its sale was known is told of the sale."""
    charge = charge_of(uow, sale)
    if charge is None:
        return
    for fact in uow.facts.of_customer(sale.customer):
        if not isinstance(fact, Refunded | RefundFailed | DisputeOpened | DisputeClosed):
            continue
        if fact.order == charge.ref:
            taken_over = replace(fact, order=sale.ref)
            uow.facts.append(taken_over, f"delivery {source.delivery}", now)


def tick_delivery_received(uow: UnitOfWork, source: Source, now: datetime) -> None:
    """The self-test's waiting line is done by the first delivery that arrives."""
    installation = uow.installations.get(source.installation)
    if installation is None:
        return
    lines = tuple(
        SelfTestLine(line.name, "ok", line.details, now)
        if line.name == "delivery_received" and line.state == "waiting"
        else line
        for line in installation.self_test
    )
    if lines != installation.self_test:
        uow.installations.save(replace(installation, self_test=lines))
