"""Whether more of a payment went back since a refund of it was decided than it was decided on.

A refund may wait for days until its gateway answers, and a person may lose patience and refund in
the gateway's own pages. What was confirmed is what is sent, or nothing is. Reads what is kept; asks
nobody.
"""

from __future__ import annotations

from datetime import timedelta

from plugin.domain.facts import Refunded, RefundFailed
from plugin.domain.money import Money, total
from plugin.domain.orders import OrderRef
from plugin.domain.plan import Plan
from plugin.domain.refunds import IN_FLIGHT, UNDO_SECONDS, Refund, RefundState
from plugin.ports.storage import UnitOfWork
from plugin.services.standing_disputes import facts_of


def refunded_meanwhile(uow: UnitOfWork, refund: Refund, plan: Plan) -> bool:
    """Whether somebody else refunded of the payment of `refund`, a part of `plan`, meanwhile.

    Of a refund that was sent, what went back may be itself: only a look-up tells.
    """
    return _is_told(uow, refund, plan) or _is_shown(uow, refund, plan)


def _is_told(uow: UnitOfWork, refund: Refund, plan: Plan) -> bool:
    """Whether news told of money that went back after the decision, and not by us."""
    facts = facts_of(uow, refund.order, plan.customer)
    of_payment = uow.refunds.of_payment(refund.payment)
    not_told = {name for ours in of_payment for name in (ours.plan, ours.id, ours.gateway_ref)}
    not_told |= {fact.refund for fact in facts if isinstance(fact, RefundFailed)}
    decided_at = refund.send_at - timedelta(seconds=UNDO_SECONDS)
    return any(
        fact.at > decided_at and fact.refund not in not_told and _is_of(fact, refund)
        for fact in facts
        if isinstance(fact, Refunded)
    )


def _is_of(fact: Refunded, refund: Refund) -> bool:
    """A sale that its store cancelled names no payment: all of them went back."""
    named = [payment for payment, _ in fact.by_payment]
    return refund.payment in named or (fact.order == refund.order and not named)


def _is_shown(uow: UnitOfWork, refund: Refund, plan: Plan) -> bool:
    """Whether the account that took the payment was read, and showed more than is explained.

    The plan counted what we had on its way then. What we decided later counted this refund in.
    """
    before = sum(
        part.refunded_before.minor for part in plan.parts if part.payment == refund.payment
    )
    later = [
        ours
        for ours in uow.refunds.of_payment(refund.payment)
        if ours.id != refund.id
        and ours.send_at >= refund.send_at
        and (ours.state in IN_FLIGHT or ours.state is RefundState.SUCCEEDED)
    ]
    explained = before + total((ours.amount for ours in later), refund.amount.currency).minor
    return any(shown.minor > explained for shown in _shown(uow, refund))


def _shown(uow: UnitOfWork, refund: Refund) -> list[Money]:
    payment = refund.payment
    charge = OrderRef(payment.installation, payment.ref)
    # Another store's word counts for nothing on a payment that it did not take.
    own = {ref for ref in (charge, refund.order) if ref.installation == payment.installation}
    kept = filter(None, (uow.orders.get(ref) for ref in own))
    return [paid.refunded for read in kept for paid in read.payments if paid.ref == payment]
