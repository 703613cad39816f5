"""Apply a store event: facts first, then the rules, all in the transaction of its delivery.

Recognises our own echo before it creates anything: a refund that we sent, a tag that we removed. Applies any
event at any time and any number of times with the same end. Never calls outside: what must be re-read was
re-read before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from plugin.domain.events import (
    AccountClosed,
    DisputeNews,
    PaymentRefunded,
    SaleMade,
    SaleRefunded,
    StoreEvent,
    SubscriptionCancelled,
    SubscriptionNews,
    TagNews,
    TestDelivery,
    Unrecognised,
)
from plugin.domain.facts import (
    DisputeClosed,
    DisputeOpened,
    PaidUntil,
    Refunded,
    RefundFailed,
    TagAdded,
    TagRemoved,
)
from plugin.domain.ids import CustomerKey, DeliveryId, InstallationId, RunId, customer_key
from plugin.domain.messages import MessageId
from plugin.domain.orders import LineRef, Order, OrderRef, PaymentRef
from plugin.domain.refunds import IN_FLIGHT, OVER, Move, Refund, RefundState, may_move
from plugin.ports.storage import InstallationStatus, SelfTestLine, UnitOfWork
from plugin.services.announce import Announcement, announce
from plugin.services.find_orders import join_charges
from plugin.services.record_sale import sale_facts
from plugin.services.run_rules import run_rules, tell_nobody
from plugin.services.settle_refund import settle_refund

STORE = "store"
PATIENCE = timedelta(minutes=15)
ECHO = timedelta(hours=1)


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


Application = Applied | Ignored | NotRecognised | MustWait


@dataclass(frozen=True, slots=True)
class Source:
    """Where an event comes from: its delivery, when it arrived, and the store's name for people."""

    delivery: DeliveryId
    installation: InstallationId
    store: str
    received_at: datetime


def apply_event(uow: UnitOfWork, event: StoreEvent, source: Source, now: datetime) -> Application:
    """Apply one event inside `uow`; the caller commits it together with the delivery's state."""
    match event:
        case SaleMade(order):
            _keep_sale(uow, order, source, now)
            return _ruled(uow, order.customer, source, now)
        case SaleRefunded():
            return _sale_refunded(uow, event, source, now)
        case SubscriptionCancelled():
            return _subscription_cancelled(uow, event, source, now)
        case PaymentRefunded():
            return _payment_refunded(uow, event, source, now)
        case DisputeNews():
            return _disputed(uow, event, source, now)
        case TagNews():
            return _tagged(uow, event, source, now)
        case SubscriptionNews():
            return _subscription_news(uow, event, source, now)
        case AccountClosed():
            return _closed(uow, source, now)
        case TestDelivery():
            _tick_delivery_received(uow, source, now)
            return Applied()
        case Unrecognised(what):
            return NotRecognised(what)
        case _:
            assert_never(event)


def _keep_sale(uow: UnitOfWork, order: Order, source: Source, now: datetime) -> None:
    uow.orders.save(order)
    for fact in sale_facts(order):
        uow.facts.append(fact, f"delivery {source.delivery}", now)
    _tick_delivery_received(uow, source, now)


def _ruled(
    uow: UnitOfWork,
    customer: CustomerKey,
    source: Source,
    now: datetime,
    news: Announcement | None = None,
) -> Applied:
    tellers = tell_nobody if news is None else announce(uow, news)
    run_rules(
        uow, customer, RunId(source.delivery), f"delivery {source.delivery}", now, tellers
    )
    return Applied()


def _sale_refunded(
    uow: UnitOfWork, event: SaleRefunded, source: Source, now: datetime
) -> Application:
    """A one-shot sale cancelled: its money went back in full, by us or by somebody else."""
    event = replace(event, order=_located(uow, event.order))
    order = _known_sale(uow, event.order)
    _keep_sale(uow, order, source, now)
    ours = uow.refunds.of_order(order.ref)
    waiting = [r for r in ours if r.state in IN_FLIGHT]
    manual = [r for r in waiting if r.state in (RefundState.MANUAL, RefundState.NEEDS_PERSON)]
    if manual and len(manual) == len(waiting):
        for refund in manual:
            move = Move(RefundState.SUCCEEDED, None, event.refund, "reported_by_store")
            settle_refund(uow, refund, move, STORE, now, event.refund)
        return Applied()
    if waiting and now - source.received_at < PATIENCE:
        return MustWait(now + timedelta(seconds=5))
    if any(r.state is RefundState.SUCCEEDED for r in ours) and _is_ended(uow, order):
        return Applied()
    lines = tuple(line.ref for line in event.order.lines)
    fact = Refunded(
        customer=order.customer,
        order=order.ref,
        refund=event.refund,
        at=event.at,
        amount=event.order.paid,
        ends=lines,
    )
    is_new = uow.facts.append(fact, f"delivery {source.delivery}", now)
    news = Announcement(
        MessageId.OWNER_SALE_CANCELLED,
        MessageId.NOTE_SALE_CANCELLED,
        order,
        source.store,
        event.order.paid,
        "The store reports the sale as refunded in full.",
    )
    return _ruled(uow, order.customer, source, now, news if is_new else None)


def _subscription_cancelled(
    uow: UnitOfWork, event: SubscriptionCancelled, source: Source, now: datetime
) -> Application:
    """No proof of money back: access ends with what is paid, or, where nobody tells, waits for a person."""
    event = replace(event, order=_located(uow, event.order))
    order = _known_sale(uow, event.order)
    _keep_sale(uow, order, source, now)
    until = event.paid_until if event.paid_until is not None else event.at if event.ended else None
    is_new = False
    for line in event.order.lines if until is not None else ():
        fact = PaidUntil(order.customer, line.ref, until or event.at, event.at)
        is_new |= uow.facts.append(fact, f"delivery {source.delivery}", now)
    news = Announcement(
        MessageId.OWNER_SALE_CANCELLED,
        MessageId.NOTE_SALE_CANCELLED,
        order,
        source.store,
        None,
        "A cancellation; the store does not report money back.",
        until,
        needs_person=until is None,
    )
    return _ruled(uow, order.customer, source, now, news if is_new or until is None else None)


def _payment_refunded(
    uow: UnitOfWork, event: PaymentRefunded, source: Source, now: datetime
) -> Application:
    """A gateway's news of a refund: ours by id or reference, else made elsewhere."""
    _tick_delivery_received(uow, source, now)
    candidates = uow.refunds.of_payment(event.payment)
    ours = _our_refund(candidates, event)
    if ours is not None:
        return _echoed(uow, ours, event, now)
    if now - source.received_at < PATIENCE and any(_may_be_echo(r, event) for r in candidates):
        return MustWait(now + timedelta(seconds=2))
    if event.state == "pending":
        return Ignored("a refund made elsewhere is not through yet")
    order = _order_of(uow, event.payment, event.order)
    if order is None:
        return Ignored("a refund of a payment that belongs to no order we know")
    if event.state == "failed":
        fact = RefundFailed(order.customer, order.ref, event.refund, event.at)
        uow.facts.append(fact, f"delivery {source.delivery}", now)
        return _ruled(uow, order.customer, source, now)
    _keep_sale(uow, order, source, now)
    if (closed := _close_manual(uow, order, event, now)) is not None:
        return closed
    fact_of_it = Refunded(
        customer=order.customer,
        order=order.ref,
        refund=event.refund,
        at=event.at,
        amount=event.amount,
        whole=event.whole and len(order.payments) <= 1,
    )
    is_new = uow.facts.append(fact_of_it, f"delivery {source.delivery}", now)
    news = Announcement(
        MessageId.OWNER_REFUNDED_ELSEWHERE,
        MessageId.NOTE_REFUNDED_ELSEWHERE,
        order,
        source.store,
        event.amount,
        "",
    )
    return _ruled(uow, order.customer, source, now, news if is_new else None)


def _our_refund(candidates: Iterable[Refund], event: PaymentRefunded) -> Refund | None:
    for refund in candidates:
        if refund.gateway_ref == event.refund or event.reference in (refund.key, refund.id):
            return refund
    return None


def _may_be_echo(refund: Refund, event: PaymentRefunded) -> bool:
    """While our own call of this amount has no answer, news without a reference may be about it."""
    in_the_air = (RefundState.SUBMITTING, RefundState.UNKNOWN)
    return refund.state in in_the_air and refund.amount == event.amount


def _echoed(
    uow: UnitOfWork, refund: Refund, event: PaymentRefunded, now: datetime
) -> Application:
    """News of our own refund moves it; it never makes a second entry."""
    if refund.state in (RefundState.RESERVED, RefundState.SUBMITTING):
        return MustWait(now + timedelta(seconds=2))
    failed_to = RefundState.REFUSED if refund.state not in OVER else RefundState.FAILED_LATER
    to = {"succeeded": RefundState.SUCCEEDED, "pending": RefundState.PENDING, "failed": failed_to}[
        event.state
    ]
    if to is refund.state or not may_move(refund.state, to):
        return Applied()
    wake_at = refund.wake_at if to is RefundState.PENDING else None
    move = Move(to, wake_at, event.refund, event.reason)
    settle_refund(uow, refund, move, STORE, now, event.refund)
    return Applied()


def _close_manual(
    uow: UnitOfWork, order: Order, event: PaymentRefunded, now: datetime
) -> Application | None:
    """A refund by hand that waits for evidence of this amount takes this as its evidence."""
    for refund in uow.refunds.of_order(order.ref):
        if refund.state is RefundState.MANUAL and refund.amount == event.amount:
            move = Move(RefundState.SUCCEEDED, None, event.refund, "reported_by_gateway")
            settle_refund(uow, refund, move, STORE, now, event.refund)
            return Applied()
    return None


def _disputed(
    uow: UnitOfWork, event: DisputeNews, source: Source, now: datetime
) -> Application:
    order = _order_of(uow, event.payment, event.order)
    if order is None:
        return Ignored("a dispute on a payment that belongs to no order we know")
    _keep_sale(uow, order, source, now)
    opened = DisputeOpened(order.customer, order.ref, event.dispute, event.amount, event.at)
    uow.facts.append(opened, f"delivery {source.delivery}", now)
    if event.state in ("won", "lost"):
        won = event.state == "won"
        closed = DisputeClosed(order.customer, order.ref, event.dispute, won, event.at)
        uow.facts.append(closed, f"delivery {source.delivery}", now)
    return _ruled(uow, order.customer, source, now)


def _tagged(uow: UnitOfWork, event: TagNews, source: Source, now: datetime) -> Application:
    _tick_delivery_received(uow, source, now)
    customer = customer_key(event.email)
    tag = event.tag
    if uow.effects.is_own_tag_change(
        customer, tag.installation, tag.ref, added=event.added, since=event.at - ECHO
    ):
        return Ignored("our own change of this tag")
    fact = TagAdded(customer, tag, event.at) if event.added else TagRemoved(customer, tag, event.at)
    uow.facts.append(fact, f"delivery {source.delivery}", now)
    return _ruled(uow, customer, source, now)


def _subscription_news(
    uow: UnitOfWork, event: SubscriptionNews, source: Source, now: datetime
) -> Application:
    customer = customer_key(event.email)
    until = event.at if event.ended else event.ends_at
    lines = [
        line.ref
        for order in uow.orders.of_customer(customer)
        for line in order.lines
        if line.subscription == event.subscription
        and order.ref.installation == event.installation
    ]
    if until is None or not lines:
        return Ignored("a subscription that gives nothing we know of, or goes on")
    for line in lines:
        uow.facts.append(PaidUntil(customer, line, until, event.at), f"delivery {source.delivery}", now)
    return _ruled(uow, customer, source, now)


def _closed(uow: UnitOfWork, source: Source, now: datetime) -> Application:
    installation = uow.installations.get(source.installation)
    if installation is not None:
        uow.installations.save(replace(installation, status=InstallationStatus.REMOVED))
        uow.audit.write(now, STORE, "installation.removed", source.installation, {})
    return Applied()


def _located(uow: UnitOfWork, told: Order) -> Order:
    """A cancellation that names no sale we know is about this buyer's sale of the same plan, if there is one.

    Of several the newest that still gives something; they sold the same, so access comes out the same.
    """
    if uow.orders.get(told.ref) is not None:
        return told
    products = {line.product for line in told.lines}
    sales = sorted(
        (
            order
            for order in uow.orders.of_customer(told.customer)
            if order.ref.installation == told.ref.installation
            and products <= {line.product for line in order.lines}
        ),
        key=lambda order: (not _is_ended(uow, order), order.bought_at, order.ref),
    )
    if not sales:
        return told
    named = {line.product: line.ref for line in sales[-1].lines}
    lines = tuple(replace(line, ref=named[line.product]) for line in told.lines)
    return replace(told, ref=sales[-1].ref, number=sales[-1].number, lines=lines)


def _known_sale(uow: UnitOfWork, told: Order) -> Order:
    """The sale as we know it, with what the event tells on top: a cancellation may name less than a sale."""
    known = uow.orders.get(told.ref)
    if known is None:
        return told
    named = {line.ref: line for line in told.lines}
    lines = tuple(
        line if line.gives is not None else replace(line, gives=named[line.ref].gives)
        for line in known.lines
        if line.ref in named
    )
    rest = tuple(line for line in known.lines if line.ref not in named)
    extra = tuple(line for ref, line in named.items() if ref not in {known.ref for known in known.lines})
    return replace(known, lines=(*lines, *rest, *extra))


def _is_ended(uow: UnitOfWork, order: Order) -> bool:
    ended: set[LineRef] = set()
    for fact in uow.facts.of_customer(order.customer):
        if isinstance(fact, Refunded) and fact.order == order.ref:
            ended |= {line.ref for line in order.lines} if fact.whole else set(fact.ends)
    return {line.ref for line in order.lines} <= ended


def _order_of(uow: UnitOfWork, payment: PaymentRef, told: Order | None) -> Order | None:
    """The order that a payment paid for: one joined with it in a plan of ours, else the gateway's own."""
    for refund in uow.refunds.of_payment(payment):
        if (order := uow.orders.get(refund.order)) is not None:
            return order
    if told is None:
        return uow.orders.get(OrderRef(payment.installation, payment.ref))
    joined = _joined_sale(uow, told)
    return joined or _known_sale(uow, told)


def _joined_sale(uow: UnitOfWork, charge: Order) -> Order | None:
    sales = [o for o in uow.orders.of_customer(charge.customer) if o.ref != charge.ref]
    joined: Sequence[Order] = join_charges([*sales, charge], {charge.ref.installation})
    paid = {payment.ref for payment in charge.payments}
    return next(
        (o for o in joined if o.ref != charge.ref and paid & {p.ref for p in o.payments}), None
    )


def _tick_delivery_received(uow: UnitOfWork, source: Source, now: datetime) -> None:
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
