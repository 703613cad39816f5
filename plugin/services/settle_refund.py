"""Write down where a refund got to, and what follows when all of it is through, in one transaction.

A move is compare-and-set: whoever comes second sees that it was moved and does nothing. `refunded`
becomes a fact in the transaction that makes the last part succeed. Sends nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from plugin.domain.facts import Refunded, RefundFailed
from plugin.domain.ids import PlanId, RefundId, RunId
from plugin.domain.orders import PaymentRef
from plugin.domain.plan import Plan
from plugin.domain.refunds import Move, Refund, RefundState, is_undoable, may_move
from plugin.ports.records import RefundMove, StoredPlan
from plugin.ports.storage import UnitOfWork
from plugin.services.announce_refund import failed_later_tells, promised_tells, trouble_tells
from plugin.services.applying import SKEW
from plugin.services.record_sale import known_sales
from plugin.services.run_rules import run_rules, tell_nobody, telling
from plugin.services.standing_disputes import facts_of

_BROKEN = frozenset({RefundState.REFUSED, RefundState.WITHDRAWN, RefundState.FAILED_LATER})
"""States of a part after which its plan will never be whole."""
BY_HAND = "by_hand"
"""The reason of a move that a person made after looking at the gateway."""
WORD_TAKEN_BACK = "word_taken_back"
"""The reason of a refund by hand of which a person found later that it had not been made."""
OTHER_AMOUNT = "other_amount_told"
"""Why a person who called a refund by hand done is asked: its store told of another amount."""


def settle_refund(
    uow: UnitOfWork, refund: Refund, move: Move, actor: str, now: datetime, evidence: str = ""
) -> bool:
    """Move `refund` as `move` says, with the consequences. False when somebody else moved it first.

    The same state with a new `wake_at` is a look that found nothing new. Raises ValueError for a
    move that the table does not know: that is a bug of ours.
    """
    if move.to is not refund.state and not may_move(refund.state, move.to):
        raise ValueError(f"a refund cannot go from {refund.state} to {move.to}")
    after = replace(
        refund,
        state=move.to,
        wake_at=move.wake_at,
        wakes=refund.wakes + 1,
        looks=_looks(refund, move),
        gateway_ref=move.gateway_ref or refund.gateway_ref,
        reason=move.reason,
    )
    written = RefundMove(refund.id, refund.state, move.to, now, actor, move.reason, evidence)
    if not uow.refunds.move(refund, after, written):
        return False
    if move.to is not refund.state:
        uow.audit.write(
            now,
            actor,
            f"refund.{move.to}",
            refund.id,
            {"from": refund.state, "reason": move.reason, "evidence": evidence},
        )
        _follow(uow, after, now)
    return True


def _looks(refund: Refund, move: Move) -> int:
    """Look-ups since the last call. One that waits to be sent and was looked for was sent once."""
    match move.to:
        case RefundState.UNKNOWN if move.unasked:
            return refund.looks
        case RefundState.UNKNOWN:
            return refund.looks + 1 if refund.state is RefundState.UNKNOWN else 0
        case RefundState.RESERVED:
            return refund.looks + 1 if move.again else refund.looks
        case _:
            return 0


def _follow(uow: UnitOfWork, refund: Refund, now: datetime) -> None:
    plan = plan_of(uow, refund)
    match refund.state:
        case RefundState.SUCCEEDED:
            states = {part.state for part in uow.refunds.of_plan(refund.plan)}
            if states == {RefundState.SUCCEEDED}:
                _complete(uow, plan, now)
            elif states & _BROKEN:
                _book_parts(uow, plan, now)
                cause = f"refund {refund.id}"
                run_rules(uow, plan.customer, RunId(refund.id), cause, now, tell_nobody)
        case RefundState.FAILED_LATER:
            _reverse(uow, plan, refund, now)
        case RefundState.WITHDRAWN if refund.reason == BY_HAND:
            _book_parts(uow, plan, now)
            # Whoever looked needs no telling; what else of the plan was paid may end something.
            run_rules(uow, plan.customer, RunId(refund.id), f"refund {refund.id}", now, tell_nobody)
        case RefundState.REFUSED | RefundState.NEEDS_PERSON | RefundState.WITHDRAWN:
            if refund.state in _BROKEN:
                _book_parts(uow, plan, now)
            run_id = RunId(f"{refund.id}-{refund.state}-{refund.wakes}")
            tells = telling(trouble_tells(uow, plan, refund))
            run_rules(uow, plan.customer, run_id, f"refund {refund.id}", now, tells)
        case _:
            pass


def plan_of(uow: UnitOfWork, refund: Refund) -> Plan:
    """The plan that `refund` is a part of. Raises KeyError where it is lost: a bug of ours."""
    return _stored_plan(uow, refund.plan).plan


def _stored_plan(uow: UnitOfWork, plan: PlanId) -> StoredPlan:
    stored = uow.plans.get(plan)
    if stored is None:
        raise KeyError(plan)
    return stored


def _complete(uow: UnitOfWork, plan: Plan, now: datetime) -> None:
    """All of the money went back: the fact, and the effects that the plan promised."""
    order = uow.orders.get(plan.order)
    for fact in known_sales(uow, order) if order is not None else ():
        uow.facts.append(fact, f"plan {plan.id}", now)
    told = _told_of(uow, plan)
    by_payment = tuple(paid for paid in plan.fact.by_payment if paid[0] not in told)
    uow.facts.append(replace(plan.fact, at=now, by_payment=by_payment), f"plan {plan.id}", now)
    tells = telling(promised_tells(plan, _stored_plan(uow, plan.id).decided_by))
    run_rules(uow, plan.customer, RunId(plan.id), f"plan {plan.id}", now, tells, plan.cancels)


def _told_of(uow: UnitOfWork, plan: Plan) -> frozenset[PaymentRef]:
    """The payments whose part of `plan` was booked before as made elsewhere.

    News without our reference, told while nobody knew that the refund was there: counted once more,
    half of an order would be all of it.
    """
    booked = {
        fact.refund
        for fact in facts_of(uow, plan.order, plan.customer)
        if isinstance(fact, Refunded) and fact.order == plan.order
    }
    parts = uow.refunds.of_plan(plan.id)
    return frozenset(part.payment for part in parts if part.gateway_ref in booked)


def _book_parts(uow: UnitOfWork, plan: Plan, now: datetime) -> None:
    """Of a refund that will never be whole, each part that stands counts by itself."""
    told = _told_of(uow, plan)
    for part in uow.refunds.of_plan(plan.id):
        if part.state is RefundState.SUCCEEDED and part.payment not in told:
            fact = Refunded(
                customer=plan.customer,
                order=plan.order,
                refund=part.id,
                at=now,
                amount=part.amount,
                by_payment=((part.payment, part.amount),),
                captured=plan.fact.captured,
            )
            uow.facts.append(fact, f"refund {part.id}", now)


def _reverse(uow: UnitOfWork, plan: Plan, refund: Refund, now: datetime) -> None:
    """Money that had counted as back is not: what was taken is owed again, visibly."""
    for booked_as in filter(None, (plan.fact.refund, refund.id, refund.gateway_ref)):
        fact = RefundFailed(plan.customer, plan.order, booked_as, now)
        uow.facts.append(fact, f"refund {refund.id}", now)
    _book_parts(uow, plan, now)
    run_id = RunId(f"{refund.id}-{refund.state}")
    tells = failed_later_tells(uow, plan, refund)
    run_rules(uow, plan.customer, run_id, f"refund {refund.id}", now, tells)


def attest_by_hand(
    uow: UnitOfWork,
    plan_id: PlanId,
    actor: str,
    note: str,
    now: datetime,
    part: RefundId | None = None,
) -> bool:
    """A person says that money was refunded by hand. False when nothing waits for that.

    Of the refund that she was asked about, `part`; without one of all that the worksheet names.
    Where its store told of another amount since the decision, that may be it: then she is asked.
    """
    to, waiting = RefundState.SUCCEEDED, RefundState.NEEDS_PERSON if part else RefundState.MANUAL
    return _by_hand(uow, plan_id, part, waiting, to, actor, note or "attested", now)


def release_by_hand(
    uow: UnitOfWork,
    plan_id: PlanId,
    actor: str,
    note: str,
    now: datetime,
    part: RefundId | None = None,
) -> bool:
    """A person found no refund, or could make none. False when nothing waits for that.

    The amount is free for a new plan again. Of the refund that she was asked about, `part`; without
    one of all that the worksheet names, unless the whole plan can be undone.
    """
    to, waiting = RefundState.WITHDRAWN, RefundState.NEEDS_PERSON if part else RefundState.MANUAL
    if part is None and is_undoable(uow.refunds.of_plan(plan_id)):
        return False
    return _by_hand(uow, plan_id, part, waiting, to, actor, note or "not there", now)


def take_back_word(uow: UnitOfWork, refund: Refund, actor: str, now: datetime) -> bool:
    """A person found that what was called done by hand was not made: what was taken is given back.

    To be asked only where the payment itself, read just now, shows nothing of it.
    """
    move = Move(RefundState.FAILED_LATER, None, None, WORD_TAKEN_BACK)
    return is_only_said(uow, refund) and settle_refund(uow, refund, move, actor, now, "not there")


def is_only_said(uow: UnitOfWork, refund: Refund) -> bool:
    """Whether nothing but a person's word says that it went back: no gateway and no news."""
    if refund.state is not RefundState.SUCCEEDED or refund.reason != BY_HAND:
        return False
    if refund.gateway_ref is not None:
        return False
    plan = plan_of(uow, refund)
    told = [
        fact.amount
        for fact in uow.facts.of_customer(plan.customer)
        if isinstance(fact, Refunded)
        and fact.order == refund.order
        and fact.refund in (plan.fact.refund, refund.id)
    ]
    return all(amount in (plan.fact.amount, refund.amount) for amount in told)


def _by_hand(
    uow: UnitOfWork,
    plan_id: PlanId,
    part: RefundId | None,
    waiting: RefundState,
    to: RefundState,
    actor: str,
    note: str,
    now: datetime,
) -> bool:
    done = [
        settle_refund(uow, r, _as_said(uow, r, to), actor, now, note)
        for r in uow.refunds.of_plan(plan_id)
        if r.state is waiting and part in (None, r.id)
    ]
    return bool(done) and all(done)


def _as_said(uow: UnitOfWork, refund: Refund, to: RefundState) -> Move:
    is_first_word = refund.state is RefundState.MANUAL and to is RefundState.SUCCEEDED
    if is_first_word and _is_other_told(uow, refund):
        return Move(RefundState.NEEDS_PERSON, None, refund.gateway_ref, OTHER_AMOUNT)
    return Move(to, None, refund.gateway_ref, BY_HAND)


def _is_other_told(uow: UnitOfWork, refund: Refund) -> bool:
    """Whether money of the order went back since the decision that no refund of ours explains."""
    facts = uow.facts.of_customer(plan_of(uow, refund).customer)
    of_order = [fact for fact in facts if isinstance(fact, Refunded | RefundFailed)]
    of_order = [fact for fact in of_order if fact.order == refund.order]
    explained = {fact.refund for fact in of_order if isinstance(fact, RefundFailed)}
    for ours in uow.refunds.of_order(refund.order):
        explained |= {ours.plan, ours.id, ours.gateway_ref or ours.id}
    return any(
        fact.at >= refund.send_at - SKEW and fact.refund not in explained for fact in of_order
    )
