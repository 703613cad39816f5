"""Apply what a gateway tells of its payments: refunds, by us or made elsewhere, and disputes.

Recognises our own refund before it creates anything: its echo moves it, and is never a second
entry. Never calls outside.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from plugin.domain.events import (
    DisputeNews,
    PaymentRefunded,
)
from plugin.domain.facts import (
    DisputeClosed,
    DisputeOpened,
    Refunded,
    RefundFailed,
)
from plugin.domain.message_texts import MessageId
from plugin.domain.money import Money
from plugin.domain.orders import DisputeStage, Order, RefundStage
from plugin.domain.refunds import OVER, Move, Refund, RefundState, is_our_key, may_move
from plugin.ports.storage import UnitOfWork
from plugin.services.announce import Announcement
from plugin.services.applying import (
    PATIENCE,
    SKEW,
    STORE,
    Application,
    Applied,
    Ignored,
    MustWait,
    Source,
    keep_sale,
    let_rules_run,
    tick_delivery_received,
)
from plugin.services.lines_gone import lines_gone
from plugin.services.recognise_order import (
    has_refund,
    is_all_back,
    order_of,
)
from plugin.services.settle_refund import BY_HAND, OTHER_AMOUNT, plan_of, settle_refund


def payment_refunded(
    uow: UnitOfWork, event: PaymentRefunded, source: Source, now: datetime
) -> Application:
    """A gateway's news of a refund: ours by id or reference, else made elsewhere."""
    tick_delivery_received(uow, source, now)
    candidates = uow.refunds.of_payment(event.payment)
    ours = _our_refund(candidates, event)
    if ours is not None and not _contradicts(ours, event):
        return _echoed(uow, ours, event, now)
    if now - source.received_at < PATIENCE and any(_may_be_echo(r, event) for r in candidates):
        return MustWait(now + timedelta(seconds=2))
    if event.state is RefundStage.PENDING:
        return Ignored("a refund made elsewhere is not through yet")
    order = order_of(uow, event.payment, event.order)
    if order is None:
        return Ignored("a refund of a payment that belongs to no order we know")
    if event.state is RefundStage.FAILED:
        if (by_hand := _told_by(uow, order, event)) is not None:
            return _echoed(uow, by_hand, event, now)
        fact = RefundFailed(order.customer, order.ref, event.refund, event.at)
        uow.facts.append(fact, f"delivery {source.delivery}", now)
        return let_rules_run(uow, order.customer, source, now)
    keep_sale(uow, order, source, now)
    if ours is None:
        if (closed := _close_manual(uow, order, event, now)) is not None:
            return closed
        if (counted := _count_once(uow, order, event, source, now)) is not None:
            return counted
    # By the store, as a sale cancelled; or by this gateway, which tells of one refund often.
    is_told = (
        is_all_back(uow, order) or has_refund(uow, order, event.refund) or _is_forgotten(uow, event)
    )
    uow.facts.append(_booking(uow, order, event, event.refund), f"delivery {source.delivery}", now)
    news = None if is_told else _elsewhere(order, event, source)
    return let_rules_run(uow, order.customer, source, now, news)


def _told_by(uow: UnitOfWork, order: Order, event: PaymentRefunded) -> Refund | None:
    """The refund by hand that this gateway's refund was evidence of, or was counted as."""
    told = ((event.payment, event.amount),)
    counted = {
        fact.refund
        for fact in uow.facts.of_customer(order.customer)
        if isinstance(fact, Refunded) and not fact.amounts and fact.by_payment == told
    }
    for refund in uow.refunds.of_order(order.ref):
        names = {refund.id, plan_of(uow, refund).fact.refund}
        # `_count_once` booked it under the name of what a person called done, in its own amount.
        is_counted = _is_said(refund) and refund.amount != event.amount and names & counted
        if refund.gateway_ref == event.refund or is_counted:
            return refund
    return None


def _booking(uow: UnitOfWork, order: Order, event: PaymentRefunded, booked_as: str) -> Refunded:
    return Refunded(
        customer=order.customer,
        order=order.ref,
        refund=booked_as,
        at=event.at,
        amount=event.amount,
        ends=lines_gone(uow, order, event),
        whole=event.whole and _is_last_payment(order, event.order),
        by_payment=((event.payment, event.amount),),
        captured=order.captured,
    )


def _elsewhere(
    order: Order, event: PaymentRefunded, source: Source, said: Money | None = None
) -> Announcement:
    return Announcement(
        MessageId.OWNER_REFUNDED_ELSEWHERE,
        MessageId.NOTE_REFUNDED_ELSEWHERE,
        order,
        source.store,
        event.amount,
        None,
        said=said,
    )


def _is_last_payment(order: Order, told: Order | None) -> bool:
    """Whether nothing of `order` is left paid once the payment that was told of is all back.

    Of several, others may have gone back before anybody told us: the gateway's own view says so.
    """
    if len(order.payments) <= 1:
        return True
    return told is not None and told.ref == order.ref and told.refunded >= order.captured


def _our_refund(candidates: Iterable[Refund], event: PaymentRefunded) -> Refund | None:
    for refund in candidates:
        if refund.gateway_ref == event.refund or event.reference in (refund.key, refund.id):
            return refund
    return None


def _is_forgotten(uow: UnitOfWork, event: PaymentRefunded) -> bool:
    """Whether we made it ourselves, after the copy that was restored, and told of it then."""
    return is_our_key(event.reference) and bool(uow.holds.all())


def _contradicts(refund: Refund, event: PaymentRefunded) -> bool:
    """Money went back that we wrote down as never sent: it is booked like one made elsewhere.

    Of a refund that the gateway had taken and that failed there, this is old news.
    """
    denied = (RefundState.REFUSED, RefundState.WITHDRAWN)
    is_old = refund.gateway_ref == event.refund
    return refund.state in denied and event.state is RefundStage.SUCCEEDED and not is_old


def _may_be_echo(refund: Refund, event: PaymentRefunded) -> bool:
    """While our own call of this amount has no answer, news without a reference may be about it."""
    in_the_air = refund.state in (RefundState.SUBMITTING, RefundState.UNKNOWN)
    goes_again = refund.state is RefundState.RESERVED and refund.looks > 0
    return (in_the_air or goes_again) and refund.amount == event.amount


def _echoed(uow: UnitOfWork, refund: Refund, event: PaymentRefunded, now: datetime) -> Application:
    """News of our own refund moves it; it never makes a second entry."""
    if refund.state is RefundState.RESERVED:
        # It is there, though no look found it or no call left us: it must not be sent (again).
        doubted = Move(RefundState.UNKNOWN, now, None, refund.reason)
        is_ours = settle_refund(uow, refund, doubted, STORE, now, event.refund)
        known = uow.refunds.get(refund.id) if is_ours else None
        return _echoed(uow, known, event, now) if known else MustWait(now + timedelta(seconds=2))
    if refund.state is RefundState.SUBMITTING:
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
        case RefundStage.SUCCEEDED:
            return RefundState.SUCCEEDED
        case RefundStage.FAILED if refund.state in OVER:
            return RefundState.FAILED_LATER
        case RefundStage.FAILED if refund.state is RefundState.NEEDS_PERSON:
            return RefundState.UNKNOWN  # the look-up that follows says why it failed
        case RefundStage.FAILED:
            return RefundState.REFUSED
        case _:
            return RefundState.PENDING


def _close_manual(
    uow: UnitOfWork, order: Order, event: PaymentRefunded, now: datetime
) -> Application | None:
    """A refund by hand of this amount takes this as its evidence, also where a person was first.

    So does one in doubt of the same payment: it came through, or somebody made it by hand instead.

    Only the first news of a refund are evidence, and only of what was decided before it was made: a
    store tells of all refunds of an order whenever anything of it changes.
    """
    # A payment that the order does not know may be what its store names otherwise.
    payments = [payment.ref for payment in order.payments]
    refunds = uow.refunds.of_order(order.ref)
    for refund in refunds:
        if refund.gateway_ref == event.refund:
            return _echoed(uow, refund, event, now)
    if has_refund(uow, order, event.refund):
        return None
    for refund in refunds:
        is_of_it = refund.payment == event.payment or event.payment not in payments
        if not is_of_it or refund.amount != event.amount or event.at < refund.send_at - SKEW:
            continue
        is_asked = refund.state is RefundState.NEEDS_PERSON and (
            refund.reason == OTHER_AMOUNT or refund.payment == event.payment
        )
        if refund.state is RefundState.MANUAL or is_asked:
            move = Move(RefundState.SUCCEEDED, None, event.refund, "reported_by_gateway")
            settle_refund(uow, refund, move, STORE, now, event.refund)
            return Applied()
        if _is_attested(refund, event):
            move = Move(refund.state, None, event.refund, BY_HAND)
            settle_refund(uow, refund, move, STORE, now, event.refund)
            return Applied()
    return None


def _count_once(
    uow: UnitOfWork, order: Order, event: PaymentRefunded, source: Source, now: datetime
) -> Application | None:
    """News of another amount than a person called done: the same refund, told better, or one more.

    Nobody can tell which, so they count as one, in the higher amount: what is paid must not end by
    money that is counted twice. People are told. Once news of the very amount came, that was hers,
    and what is told again counts by itself.
    """
    if has_refund(uow, order, event.refund):
        return None
    for refund in uow.refunds.of_order(order.ref):
        if event.at < refund.send_at - SKEW or not _is_attested(refund, event):
            continue
        if not _was_by_hand(uow, refund):
            continue  # what we sent has our name there, so this is another one
        booked_as = (plan_of(uow, refund).fact.refund, refund.id)
        name = next((name for name in booked_as if has_refund(uow, order, name)), None)
        if name is not None:
            fact = _booking(uow, order, event, name)
            is_new = uow.facts.append(fact, f"delivery {source.delivery}", now)
            news = _elsewhere(order, event, source, refund.amount) if is_new else None
            return let_rules_run(uow, order.customer, source, now, news)
    return None


def _was_by_hand(uow: UnitOfWork, refund: Refund) -> bool:
    moves = uow.refunds.moves(refund.plan)
    return any(m.refund == refund.id and m.before == RefundState.MANUAL for m in moves)


def _is_said(refund: Refund) -> bool:
    """Whether a person's word alone says that it was made."""
    by_hand = refund.state is RefundState.SUCCEEDED and refund.reason == BY_HAND
    return by_hand and refund.gateway_ref is None


def _is_attested(refund: Refund, event: PaymentRefunded) -> bool:
    """Whether a person said that it was made, and this is the first news of that.

    What was refunded after her word is another refund.
    """
    said_at = refund.changed_at or event.at
    return _is_said(refund) and event.at <= said_at + SKEW


def dispute_changed(
    uow: UnitOfWork, event: DisputeNews, source: Source, now: datetime
) -> Application:
    """The bank holds money of a payment, or has decided who gets it."""
    order = order_of(uow, event.payment, event.order)
    if order is None:
        return Ignored("a dispute on a payment that belongs to no order we know")
    keep_sale(uow, order, source, now)
    opened = DisputeOpened(order.customer, order.ref, event.dispute, event.amount, event.at)
    uow.facts.append(opened, f"delivery {source.delivery}", now)
    if event.state is not DisputeStage.OPEN:
        won = event.state is DisputeStage.WON
        closed = DisputeClosed(order.customer, order.ref, event.dispute, won, event.at)
        uow.facts.append(closed, f"delivery {source.delivery}", now)
    return let_rules_run(uow, order.customer, source, now)
