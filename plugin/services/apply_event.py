"""Apply a store event: facts first, then the rules, all in the transaction of its delivery.

Recognises our own echo before it creates anything: a refund that we sent, a tag that we removed.
Applies any event at any time and any number of times with the same end. Never calls outside: what
must be re-read was re-read before.
"""

from __future__ import annotations

from collections.abc import Iterable
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
from plugin.domain.ids import CustomerKey, DeliveryId, InstallationId, RunId, customer_key, digest
from plugin.domain.messages import MessageId
from plugin.domain.orders import Order, Resource
from plugin.domain.refunds import IN_FLIGHT, OVER, Move, Refund, RefundState, may_move
from plugin.ports.storage import InstallationStatus, SelfTestLine, UnitOfWork
from plugin.services.announce import Announcement, announce
from plugin.services.recognise_order import (
    is_all_back,
    is_ended,
    known_sale,
    located,
    order_of,
)
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


def apply_event(  # noqa: C901 - one case per event
    uow: UnitOfWork, event: StoreEvent, source: Source, now: datetime
) -> Application:
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
    run_id: RunId | None = None,
) -> Applied:
    """Let the rules run. `run_id` names the cause where more than one delivery may tell of it."""
    tellers = tell_nobody if news is None else announce(uow, news)
    named = run_id or RunId(source.delivery)
    run_rules(uow, customer, named, f"delivery {source.delivery}", now, tellers)
    return Applied()


def _sale_refunded(
    uow: UnitOfWork, event: SaleRefunded, source: Source, now: datetime
) -> Application:
    """A one-shot sale cancelled: its money went back in full, by us or by somebody else."""
    event = replace(event, order=located(uow, event.order, event.refund))
    order = known_sale(uow, event.order)
    _keep_sale(uow, order, source, now)
    ours = uow.refunds.of_order(order.ref)
    waiting = [r for r in ours if r.state in IN_FLIGHT]
    manual = [r for r in waiting if r.state in (RefundState.MANUAL, RefundState.NEEDS_PERSON)]
    if len(manual) < len(waiting) and now - source.received_at < PATIENCE:
        return MustWait(now + timedelta(seconds=5))
    for refund in manual:
        move = Move(RefundState.SUCCEEDED, None, event.refund, "reported_by_store")
        settle_refund(uow, refund, move, STORE, now, event.refund)
    if is_ended(uow, order):
        return Applied()  # the same money, told of before: by us, or by the gateway
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
    """No proof of money back: access ends with what is paid, or a person decides when."""
    event = replace(event, order=located(uow, event.order))
    order = known_sale(uow, event.order)
    _keep_sale(uow, order, source, now)
    until = event.paid_until or (event.at if event.ended else None)
    is_new = until is None
    if until is not None:
        for line in event.order.lines:
            fact = PaidUntil(order.customer, line.ref, until, event.at)
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
    # Without a fact, only the name of the run keeps a repeated delivery from telling again.
    cause = digest("cancelled", order.ref.installation, order.ref.ref, event.at.isoformat())
    named = RunId(cause) if until is None else None
    return _ruled(uow, order.customer, source, now, news if is_new else None, named)


def _payment_refunded(
    uow: UnitOfWork, event: PaymentRefunded, source: Source, now: datetime
) -> Application:
    """A gateway's news of a refund: ours by id or reference, else made elsewhere."""
    _tick_delivery_received(uow, source, now)
    candidates = uow.refunds.of_payment(event.payment)
    ours = _our_refund(candidates, event)
    if ours is not None and not _contradicts(ours, event):
        return _echoed(uow, ours, event, now)
    if now - source.received_at < PATIENCE and any(_may_be_echo(r, event) for r in candidates):
        return MustWait(now + timedelta(seconds=2))
    if event.state == "pending":
        return Ignored("a refund made elsewhere is not through yet")
    order = order_of(uow, event.payment, event.order)
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
    is_told = is_all_back(uow, order)  # by the store, as a sale cancelled
    is_new = uow.facts.append(fact_of_it, f"delivery {source.delivery}", now)
    news = Announcement(
        MessageId.OWNER_REFUNDED_ELSEWHERE,
        MessageId.NOTE_REFUNDED_ELSEWHERE,
        order,
        source.store,
        event.amount,
        "",
    )
    return _ruled(uow, order.customer, source, now, news if is_new and not is_told else None)


def _our_refund(candidates: Iterable[Refund], event: PaymentRefunded) -> Refund | None:
    for refund in candidates:
        if refund.gateway_ref == event.refund or event.reference in (refund.key, refund.id):
            return refund
    return None


def _contradicts(refund: Refund, event: PaymentRefunded) -> bool:
    """Money went back that we wrote down as never sent: it is booked like one made elsewhere."""
    denied = (RefundState.REFUSED, RefundState.WITHDRAWN)
    return refund.state in denied and event.state == "succeeded"


def _may_be_echo(refund: Refund, event: PaymentRefunded) -> bool:
    """While our own call of this amount has no answer, news without a reference may be about it."""
    in_the_air = refund.state in (RefundState.SUBMITTING, RefundState.UNKNOWN)
    goes_again = refund.state is RefundState.RESERVED and refund.looks > 0
    return (in_the_air or goes_again) and refund.amount == event.amount


def _echoed(uow: UnitOfWork, refund: Refund, event: PaymentRefunded, now: datetime) -> Application:
    """News of our own refund moves it; it never makes a second entry."""
    if refund.state in (RefundState.RESERVED, RefundState.SUBMITTING):
        return MustWait(now + timedelta(seconds=2))
    to = _told_state(refund, event)
    if to is refund.state or not may_move(refund.state, to):
        return Applied()
    is_over = to not in (RefundState.PENDING, RefundState.UNKNOWN)
    move = Move(to, None if is_over else refund.wake_at or now, event.refund, event.reason)
    settle_refund(uow, refund, move, STORE, now, event.refund)
    return Applied()


def _told_state(refund: Refund, event: PaymentRefunded) -> RefundState:
    match event.state:
        case "succeeded":
            return RefundState.SUCCEEDED
        case "failed" if refund.state in OVER:
            return RefundState.FAILED_LATER
        case "failed" if refund.state is RefundState.NEEDS_PERSON:
            return RefundState.UNKNOWN  # the look-up that follows says why it failed
        case "failed":
            return RefundState.REFUSED
        case _:
            return RefundState.PENDING


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


def _disputed(uow: UnitOfWork, event: DisputeNews, source: Source, now: datetime) -> Application:
    order = order_of(uow, event.payment, event.order)
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
    if _is_own_change(uow, customer, tag, event):
        return Ignored("our own change of this tag")
    fact = TagAdded(customer, tag, event.at) if event.added else TagRemoved(customer, tag, event.at)
    uow.facts.append(fact, f"delivery {source.delivery}", now)
    return _ruled(uow, customer, source, now)


def _is_own_change(uow: UnitOfWork, customer: CustomerKey, tag: Resource, event: TagNews) -> bool:
    """Our last change of this tag was this very one, and not long ago.

    A change the other way since then was somebody else's doing, and so is what follows it.
    """
    turn = uow.effects.turns(customer).get(tag)
    if turn is None or turn.taken is event.added:
        return False
    return uow.effects.is_own_tag_change(
        customer, tag.installation, tag.ref, added=event.added, since=event.at - ECHO
    )


def _subscription_news(
    uow: UnitOfWork, event: SubscriptionNews, source: Source, now: datetime
) -> Application:
    customer = customer_key(event.email)
    until = event.at if event.ended else event.ends_at
    if until is None:
        return Ignored("a subscription that goes on")
    lines = [
        line.ref
        for order in uow.orders.of_customer(customer)
        for line in order.lines
        if line.subscription == event.subscription and order.ref.installation == event.installation
    ]
    if not lines:
        if now - source.received_at < PATIENCE:  # its sale may have been overtaken
            return MustWait(now + timedelta(minutes=5))
        return Ignored("a subscription that gives nothing we know of")
    for line in lines:
        fact = PaidUntil(customer, line, until, event.at)
        uow.facts.append(fact, f"delivery {source.delivery}", now)
    return _ruled(uow, customer, source, now)


def _closed(uow: UnitOfWork, source: Source, now: datetime) -> Application:
    installation = uow.installations.get(source.installation)
    if installation is not None:
        uow.installations.save(replace(installation, status=InstallationStatus.REMOVED))
        uow.audit.write(now, STORE, "installation.removed", source.installation, {})
    return Applied()


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
