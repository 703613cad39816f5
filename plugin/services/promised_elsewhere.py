"""What our refunds of a customer's other orders end once they are through. Reads what is kept."""

from __future__ import annotations

from plugin.domain.facts import Refunded
from plugin.domain.orders import Order
from plugin.domain.refunds import IN_FLIGHT
from plugin.ports.storage import UnitOfWork


def promised_elsewhere(uow: UnitOfWork, order: Order) -> tuple[Refunded, ...]:
    """The facts of refunds of ours that are on their way, of all her orders but this one.

    They count when a plan is made: of two orders that both pay for a course, each refunded while
    the other is still on its way, the customer would else be told twice that she keeps it.
    """
    flying = {
        refund.plan
        for refund in uow.refunds.of_customer(order.customer)
        if refund.state in IN_FLIGHT and refund.order != order.ref
    }
    plans = (uow.plans.get(plan) for plan in sorted(flying))
    return tuple(stored.plan.fact for stored in plans if stored is not None)
