"""Apply what a store tells of its sales and subscriptions: made, cancelled, ended, resumed.

Facts first, then the rules. Never calls outside: what must be re-read was re-read before.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from plugin.domain.endings import paid_until
from plugin.domain.events import (
    SaleRefunded,
    SubscriptionCancelled,
    SubscriptionNews,
)
from plugin.domain.facts import (
    Bought,
    PaidUntil,
    Refunded,
)
from plugin.domain.ids import RunId, customer_key, digest
from plugin.domain.message_texts import MessageId, SentenceId
from plugin.domain.orders import OrderRef, SubscriptionRef
from plugin.domain.refunds import IN_FLIGHT, Move, Refund, RefundState
from plugin.ports.storage import UnitOfWork
from plugin.services.announce import Announcement
from plugin.services.applying import (
    PATIENCE,
    STORE,
    Application,
    Applied,
    Ignored,
    MustAsk,
    MustWait,
    Source,
    keep_sale,
    let_rules_run,
)
from plugin.services.recognise_order import (
    is_ended,
    known_sale,
    located,
)
from plugin.services.settle_refund import settle_refund


def sale_refunded(
    uow: UnitOfWork, event: SaleRefunded, source: Source, now: datetime
) -> Application:
    """A one-shot sale cancelled: its money went back in full, by us or by somebody else."""
    event = replace(event, order=located(uow, event.order, event.named_by, event.refund))
    order = known_sale(uow, event.order)
    keep_sale(uow, order, source, now)
    ours = uow.refunds.of_order(order.ref)
    waiting = [r for r in ours if r.state in IN_FLIGHT]
    manual = [r for r in waiting if _is_word_on(r, source)]
    if len(manual) < len(waiting) and now - source.received_at < PATIENCE:
        return MustWait(now + timedelta(seconds=5))
    for refund in manual:
        move = Move(RefundState.SUCCEEDED, None, event.refund, "reported_by_store")
        settle_refund(uow, refund, move, STORE, now, event.refund)
    is_told = is_ended(uow, order)
    if is_told and any(r.state is RefundState.SUCCEEDED for r in uow.refunds.of_order(order.ref)):
        return Applied()  # the same money, by us
    # The same money may have been told of by a gateway. The store's word is kept all the same:
    # whichever came first, it stands where the gateway's is taken back.
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
        SentenceId.MONEY_ALL_BACK,
    )
    is_news = is_new and not is_told
    return let_rules_run(uow, order.customer, source, now, news if is_news else None)


def _is_word_on(refund: Refund, source: Source) -> bool:
    """Whether a store that cancelled its sale thereby tells what became of `refund`.

    One in doubt at another account is that account's to tell: the seller may have given the money
    back another way, or not at all.
    """
    if refund.state is RefundState.NEEDS_PERSON:
        return refund.payment.installation == source.installation
    return refund.state is RefundState.MANUAL


def subscription_cancelled(
    uow: UnitOfWork, event: SubscriptionCancelled, source: Source, now: datetime
) -> Application:
    """No proof of money back: access ends with what is paid, or a person decides when."""
    event = replace(event, order=located(uow, event.order, event.named_by))
    order = known_sale(uow, event.order)
    keep_sale(uow, order, source, now)
    until = event.paid_until or (event.at if event.ended else None)
    is_new = until is None
    if until is not None:
        lines = [line.ref for line in event.order.lines]
        before = [paid_until(uow.facts.of_customer(order.customer), line) for line in lines]
        for line in lines:
            fact = PaidUntil(order.customer, line, until, event.at)
            uow.facts.append(fact, f"delivery {source.delivery}", now)
        facts = uow.facts.of_customer(order.customer)
        is_new = before != [paid_until(facts, line) for line in lines]
    news = Announcement(
        MessageId.OWNER_SALE_CANCELLED,
        MessageId.NOTE_SALE_CANCELLED,
        order,
        source.store,
        None,
        SentenceId.MONEY_NOT_TOLD,
        until,
        needs_person=until is None,
    )
    # Without a fact, only the name of the run keeps a repeated delivery from telling again.
    cause = digest("cancelled", order.ref.installation, order.ref.ref, event.at.isoformat())
    named = RunId(cause) if until is None else None
    return let_rules_run(uow, order.customer, source, now, news if is_new else None, named)


def subscription_changed(
    uow: UnitOfWork, event: SubscriptionNews, source: Source, now: datetime
) -> Application:
    """A subscription ends, ended, or goes on after all."""
    if not event.email:
        return Ignored("a subscription of nobody that we could know")
    customer = customer_key(event.email)
    until = event.ends_at or (event.at if event.ended else None)
    # Kept whether its sale is known or not: what it renews may be told of later.
    subscription = SubscriptionRef(event.installation, event.subscription)
    fact = PaidUntil(customer, subscription, until, event.at)
    uow.facts.append(fact, f"delivery {source.delivery}", now)
    first = _tell_first_buyer(uow, event, until, source, now)
    if isinstance(first, MustAsk):
        return first
    return let_rules_run(uow, customer, source, now)


def _tell_first_buyer(
    uow: UnitOfWork, event: SubscriptionNews, until: datetime | None, source: Source, now: datetime
) -> Applied | MustAsk:
    """It renews too what was bought before its customer had another address there."""
    if event.begun_by is None:
        return Applied()
    begun = uow.orders.get(OrderRef(event.installation, event.begun_by))
    if begun is None or begun.customer == customer_key(event.email):
        return Applied()
    for bought in uow.facts.of_customer(begun.customer):
        if isinstance(bought, Bought) and _is_renewed(bought, event, until):
            fact = PaidUntil(begun.customer, bought.line, until, event.at)
            uow.facts.append(fact, f"delivery {source.delivery}", now)
    named = RunId(digest("first buyer", source.delivery))
    return let_rules_run(uow, begun.customer, source, now, run_id=named)


def _is_renewed(bought: Bought, event: SubscriptionNews, until: datetime | None) -> bool:
    """Whether it is of this subscription; what was paid after an end goes on."""
    is_of_it = (
        bought.line.order.installation == event.installation
        and bought.subscription == event.subscription
    )
    return is_of_it and (until is None or until >= bought.at)
