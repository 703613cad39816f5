"""Which lines of an order a refund made elsewhere gave back, where the store tells lines apart.

Many gateways know no lines, and what went back is then spread over all of them: that ends none.
Never guesses: where the lines do not add up to the money, nothing is said. Reads what is kept.
"""

from __future__ import annotations

from plugin.domain.endings import refunded_lines
from plugin.domain.events import PaymentRefunded
from plugin.domain.facts import Refunded
from plugin.domain.orders import Line, LineRef, Order
from plugin.ports.storage import UnitOfWork


def lines_gone(uow: UnitOfWork, order: Order, event: PaymentRefunded) -> tuple[LineRef, ...]:
    """The lines that this refund of `order` ended: its amount is their price; none where unclear.

    A store tells its refunds one by one, and shows the lines that all of them took: those that
    another refund is known to have ended are that one's.
    """
    told = event.order
    if told is None or told.ref != order.ref or not _tells_lines_apart(told):
        return ()
    facts = uow.facts.of_customer(order.customer)
    others = [f for f in facts if not (isinstance(f, Refunded) and f.refund == event.refund)]
    before = [f for f in facts if isinstance(f, Refunded) and f.refund == event.refund and f.ends]
    if before:
        return before[0].ends  # it took what it took, whatever went since
    ended = refunded_lines(others)
    free = sorted((line for line in told.lines if _is_gone(line)), key=lambda line: line.ref)
    free = [line for line in free if line.ref not in ended]
    if sum(line.paid.minor for line in free) == event.amount.minor:
        return tuple(line.ref for line in free)
    return tuple(line.ref for line in free if line.paid == event.amount)[:1]


def _tells_lines_apart(told: Order) -> bool:
    """Whether all that went back is the price of lines that are gone, and of no other line."""
    gone = sum(line.paid.minor for line in told.lines if _is_gone(line))
    kept = (line for line in told.lines if not _is_gone(line))
    return gone == told.refunded.minor and not any(line.refunded for line in kept)


def _is_gone(line: Line) -> bool:
    return bool(line.paid) and not line.left
