"""Whether a dispute still stands: as events told, unless the gateway itself said better since.

The news that a dispute is over may never reach us; without this, one lost delivery would block an
order for ever. Reads what is kept; asks nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from plugin.domain.facts import Fact
from plugin.domain.ids import CustomerKey
from plugin.domain.ledger import open_disputes
from plugin.domain.orders import OrderRef, PaymentRef, RefundRoute
from plugin.ports.storage import UnitOfWork

SURE_AFTER = timedelta(days=1)
"""No bank decides that fast, and no gateway's own list is that late: what was read sooner after a
dispute was opened may not know of it yet."""


def dispute_stands(
    uow: UnitOfWork, order: OrderRef, customer: CustomerKey, payments: Iterable[PaymentRef]
) -> bool:
    """Whether an event told of a dispute of `order` that nothing said to be over.

    `payments` are those that paid for it: for a sale that was joined with a gateway's charge, the
    charge's. An event does not tell which of them is disputed, so each must have been read since.
    """
    opened = open_disputes(facts_of(uow, order, customer), order)
    if not opened:
        return False
    last = max(fact.at for fact in opened)
    refs = tuple(payments)
    return not (refs and all(_is_clear_since(uow, order, payment, last) for payment in refs))


def facts_of(uow: UnitOfWork, order: OrderRef, customer: CustomerKey) -> tuple[Fact, ...]:
    """What is known of who bought `order`, also under the address that the order has by now.

    News is kept under the latter, and `customer` may be of a plan from before it changed.
    """
    known = uow.orders.get(order)
    keys = {customer} if known is None else {customer, known.customer}
    return tuple(fact for key in sorted(keys) for fact in uow.facts.of_customer(key))


def _is_clear_since(
    uow: UnitOfWork, order: OrderRef, payment: PaymentRef, opened_at: datetime
) -> bool:
    """Whether the account that took the payment was read later, and told of no open dispute."""
    charge = OrderRef(payment.installation, payment.ref)
    # Another store's word counts for nothing on a payment that it did not take.
    own = (ref for ref in (charge, order) if ref.installation == payment.installation)
    kept = filter(None, (uow.orders.get(ref) for ref in own))
    return any(
        paid.ref == payment
        # A store whose money goes back by hand does not know what the bank does.
        and paid.route is RefundRoute.BY_API
        and not paid.dispute_open
        and read.read_at - opened_at >= SURE_AFTER
        for read in kept
        for paid in read.payments
    )
