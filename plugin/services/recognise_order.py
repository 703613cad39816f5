"""Which order an event is about: the sale as we know it, under the names that we know it by.

Stores name less in a cancellation than in a sale, and gateways name a payment. Reads what is kept;
writes nothing and asks nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeGuard, assert_never

from plugin.domain.endings import refunded_lines
from plugin.domain.events import NamedBy
from plugin.domain.facts import Fact, Refunded, RefundFailed
from plugin.domain.ids import address_of
from plugin.domain.orders import Line, Order, OrderRef, Payment, PaymentRef, Resource
from plugin.ports.storage import UnitOfWork
from plugin.services.join_charges import join_charges


def located(uow: UnitOfWork, told: Order, named_by: NamedBy, refund: str | None = None) -> Order:
    """A cancellation under the names of the sale that it is about, where we know that sale."""
    sale = _sale_meant(uow, told, named_by, refund)
    if sale is None:
        return told
    known = {line.ref for line in sale.lines}
    sold = {line.product: line.ref for line in sale.lines}
    lines = tuple(
        line if line.ref in known else replace(line, ref=sold.get(line.product, line.ref))
        for line in told.lines
    )
    payments = told.payments
    if len(payments) == len(sale.payments) == 1:
        payments = (replace(payments[0], ref=sale.payments[0].ref),)
    return replace(told, ref=sale.ref, number=sale.number, lines=lines, payments=payments)


def _sale_meant(
    uow: UnitOfWork, told: Order, named_by: NamedBy, refund: str | None
) -> Order | None:
    """The sale that this refund already ended, else the sale of that name.

    What the store names by an id that we do not know is a sale from before we were told of any: it
    is nobody else's. Of a sale that is not named, this buyer's sale of the same plan is meant: of
    several the newest that still gives something; they sold the same, so access comes out the same.
    """
    products = {line.product for line in told.lines}
    sales = [
        order
        for order in uow.orders.of_customer(told.customer)
        if order.ref.installation == told.ref.installation
        and products <= {line.product for line in order.lines}
    ]
    if refund is not None:  # a repeat, by which time the sale of that name may have come
        ended = (order for order in sales if _was_ended_by(uow, order, refund))
        if (sale := next(ended, None)) is not None:
            return sale
    if (named := uow.orders.get(told.ref)) is not None:
        return named
    match named_by:
        case NamedBy.ORDER:
            return None
        case NamedBy.LINE:
            names = {line.ref.ref for line in told.lines}
            has_it = (order for order in sales if names & {line.ref.ref for line in order.lines})
            return next(has_it, None)
        case NamedBy.PLAN:
            return max(
                sales,
                key=lambda order: (not is_ended(uow, order), order.bought_at, order.ref),
                default=None,
            )
        case _:
            assert_never(named_by)


def has_refund(uow: UnitOfWork, order: Order, refund: str) -> bool:
    """Whether this refund of `order` was told of before."""
    facts = uow.facts.of_customer(order.customer)
    return any(fact.refund == refund for fact in facts if _is_refund_of(fact, order))


def _was_ended_by(uow: UnitOfWork, order: Order, refund: str) -> bool:
    is_ours = any(ours.gateway_ref == refund for ours in uow.refunds.of_order(order.ref))
    return is_ours or has_refund(uow, order, refund)


def _is_refund_of(fact: Fact, order: Order) -> TypeGuard[Refunded]:
    return isinstance(fact, Refunded) and fact.order == order.ref


def known_sale(uow: UnitOfWork, told: Order) -> Order:
    """The sale as we know it, and what the event tells on top: it may name less than the sale."""
    known = uow.orders.get(told.ref)
    if known is None:
        return told
    more = {line.ref: line for line in told.lines}
    lines = [_better_told(line, more.pop(line.ref, None)) for line in known.lines]
    back = {payment.ref: payment for payment in told.payments}
    payments = tuple(
        _better_paid(payment, back.get(payment.ref, payment)) for payment in known.payments
    )
    # Else what was read of a payment long ago would count as read now, and clear a dispute.
    tells_payments = {payment.ref for payment in known.payments} <= back.keys()
    is_news = told.subscription is not None and told.read_at >= known.read_at
    return replace(
        known,
        lines=(*lines, *more.values()),
        payments=payments,
        subscription=told.subscription if is_news else known.subscription,
        # What was told before, told once more, must not undo it.
        read_at=max(known.read_at, told.read_at) if tells_payments else known.read_at,
    )


def _better_paid(known: Payment, told: Payment) -> Payment:
    refunded = max(known.refunded, told.refunded)
    return replace(known, refunded=refunded, dispute_open=known.dispute_open or told.dispute_open)


def _better_told(known: Line, told: Line | None) -> Line:
    if told is None:
        return known
    gives = told.gives if known.gives is None else known.gives
    return replace(known, gives=gives, refunded=max(known.refunded, told.refunded))


def is_ended(uow: UnitOfWork, order: Order) -> bool:
    """Whether refunds that we know of ended every line of `order`."""
    ended = refunded_lines(uow.facts.of_customer(order.customer))
    return {line.ref for line in order.lines} <= ended


def is_all_back(uow: UnitOfWork, order: Order) -> bool:
    """Whether the refunds that we know of are all that was taken for `order`."""
    facts = uow.facts.of_customer(order.customer)
    failed = {f.refund for f in facts if isinstance(f, RefundFailed) and f.order == order.ref}
    told = [f for f in facts if _is_refund_of(f, order) and f.refund not in failed]
    told.sort(key=lambda fact: fact.amount.minor)  # of one that was told twice the higher amount
    back = sum({fact.refund: fact.amount.minor for fact in told}.values())
    return 0 < order.captured.minor <= back


def order_of(uow: UnitOfWork, payment: PaymentRef, told: Order | None) -> Order | None:
    """The order that a payment paid for; None where nobody told of any.

    That is the one that a plan of ours joined with it, else a sale that fits the gateway's charge,
    else the charge itself.
    """
    kept = (uow.orders.get(refund.order) for refund in uow.refunds.of_payment(payment))
    if (order := next(filter(None, kept), None)) is not None:
        return order
    if told is None:
        return uow.orders.get(OrderRef(payment.installation, payment.ref))
    told = _as_bought(uow.orders.get(told.ref), told)
    return sale_of(uow, told) or _as_told_last(uow, told)


def _as_bought(known: Order | None, told: Order) -> Order:
    """The gateway's order as hers who bought it, also once it has another address of her.

    What she bought stands under the address before: booked under the new one, a refund would end
    nothing.
    """
    if known is None or not address_of(known.customer):
        return told
    return replace(told, customer=known.customer, email=known.email)


def _as_told_last(uow: UnitOfWork, told: Order) -> Order:
    """The gateway's own order as it was read last: news of an earlier state may come later.

    What each line gives stays known, whoever told it.
    """
    known = uow.orders.get(told.ref)
    if known is None:
        return told
    newer, older = (told, known) if told.read_at >= known.read_at else (known, told)
    before = {line.ref: line for line in older.lines}
    lines = [
        line if line.gives is not None else replace(line, gives=_gives(before.get(line.ref)))
        for line in newer.lines
    ]
    named = {line.ref for line in newer.lines}
    more = (line for line in older.lines if line.ref not in named)
    return replace(newer, lines=(*lines, *more))


def _gives(line: Line | None) -> tuple[Resource, ...] | None:
    return None if line is None else line.gives


def counterparts(uow: UnitOfWork, order: Order) -> Sequence[Order]:
    """The charge or the sale, kept beside `order` as it is kept, that is of the same money."""
    known = uow.orders.of_customer(order.customer)
    kept = next((one for one in known if one.ref == order.ref), order)
    found = (charge_of(uow, kept, known), sale_of(uow, kept, known))
    return [one for one in found if one is not None]


def charge_of(uow: UnitOfWork, sale: Order, known: Sequence[Order] | None = None) -> Order | None:
    """The gateway's own order that paid for `sale`, where one is kept that fits."""
    known = uow.orders.of_customer(sale.customer) if known is None else known
    others = {o.ref: o for o in known if o.ref != sale.ref}
    gateways = {ref.installation for ref in others}
    joined = join_charges([*others.values(), sale], gateways, uow.installations.get)
    paid = {p.ref for order in joined if order.ref == sale.ref for p in order.payments}
    fits = (o for o in others.values() if paid & {p.ref for p in o.payments})
    return next(fits, None)


def sale_of(uow: UnitOfWork, charge: Order, known: Sequence[Order] | None = None) -> Order | None:
    """The sale that this charge paid for, as it is kept: its own payments stay its own."""
    known = uow.orders.of_customer(charge.customer) if known is None else known
    sales = {o.ref: o for o in known if o.ref != charge.ref}
    told, gateway = [*sales.values(), charge], {charge.ref.installation}
    joined: Sequence[Order] = join_charges(told, gateway, uow.installations.get)
    paid = {payment.ref for payment in charge.payments}
    fits = (o.ref for o in joined if o.ref in sales and paid & {p.ref for p in o.payments})
    return next((sales[ref] for ref in fits), None)
