"""Write down where a refund got to, and what follows when all of it is through, in one transaction.

A move is compare-and-set: whoever comes second sees that it was moved and does nothing. `refunded`
becomes a fact in the transaction that makes the last part succeed. Sends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from plugin.domain.effects import (
    AddTicketNote,
    PlannedEffect,
    RestoreAccess,
    RestoreTag,
    TellCustomer,
    TellOwner,
)
from plugin.domain.facts import RefundFailed
from plugin.domain.ids import InstallationId, PlanId, RunId, TicketId
from plugin.domain.ledger import Ledger
from plugin.domain.messages import MessageId, compose
from plugin.domain.plan import Plan
from plugin.domain.refunds import Move, Refund, RefundState, may_move
from plugin.domain.rules import Tell
from plugin.domain.texts import bullets, one_line
from plugin.ports.storage import RefundMove, UnitOfWork
from plugin.services.record_sale import known_sales
from plugin.services.run_rules import run_rules, telling
from plugin.services.wording import money_words, resource_words

_ENGLISH = "en"


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
            if all(r.state is RefundState.SUCCEEDED for r in uow.refunds.of_plan(refund.plan)):
                _complete(uow, plan, now)
        case RefundState.FAILED_LATER:
            _reverse(uow, plan, refund, now)
        case RefundState.REFUSED | RefundState.NEEDS_PERSON | RefundState.WITHDRAWN:
            _tell_of_trouble(uow, plan, refund, now)
        case _:
            pass


def plan_of(uow: UnitOfWork, refund: Refund) -> Plan:
    """The plan that `refund` is a part of. Raises KeyError where it is lost: a bug of ours."""
    stored = uow.plans.get(refund.plan)
    if stored is None:
        raise KeyError(refund.plan)
    return stored.plan


def _complete(uow: UnitOfWork, plan: Plan, now: datetime) -> None:
    """All of the money went back: the fact, and the effects that the plan promised."""
    order = uow.orders.get(plan.order)
    for fact in known_sales(uow, order) if order is not None else ():
        uow.facts.append(fact, f"plan {plan.id}", now)
    uow.facts.append(replace(plan.fact, at=now), f"plan {plan.id}", now)
    tells = telling(_promised_tells(plan))
    run_rules(uow, plan.customer, RunId(plan.id), f"plan {plan.id}", now, tells, plan.cancels)


def _promised_tells(plan: Plan) -> list[tuple[str, Tell]]:
    tells: list[tuple[str, Tell]] = []
    for planned in plan.effects:
        match planned.effect:
            case AddTicketNote():
                tells.append(("note", planned.effect))
            case TellCustomer():
                tells.append(("customer", planned.effect))
            case _:
                pass
    return tells


def _reverse(uow: UnitOfWork, plan: Plan, refund: Refund, now: datetime) -> None:
    """Money that had counted as back is not: what was taken is owed again, visibly."""
    fact = RefundFailed(plan.customer, plan.order, plan.fact.refund, now)
    uow.facts.append(fact, f"refund {refund.id}", now)

    def tellers(ledger: Ledger, effects: Sequence[PlannedEffect]) -> Sequence[tuple[str, Tell]]:
        del ledger
        facts = {
            **_order_words(uow, plan, refund),
            "restored": _given_back(effects),
            "money": "The refund came back; the customer does not have it.",
            "next": "Refund again from the ticket, or agree another way with the customer.",
        }
        note = compose(MessageId.NOTE_FAILED, _ENGLISH, facts)
        trouble = {**facts, "reason": "a refund that had succeeded failed later."}
        owner = compose(MessageId.OWNER_NEEDS_PERSON, _ENGLISH, trouble)
        desk, ticket = _ticket_of(plan)
        return [
            ("note-failed", AddTicketNote(desk, ticket, note.body)),
            ("owner-failed", TellOwner(owner.subject, owner.body)),
        ]

    run_id = RunId(f"{refund.id}-{refund.state}")
    run_rules(uow, plan.customer, run_id, f"refund {refund.id}", now, tellers)


def _given_back(effects: Sequence[PlannedEffect]) -> str:
    back = []
    for planned in effects:
        match planned.effect:
            case RestoreAccess(resource) | RestoreTag(resource):
                back.append(resource_words(resource))
            case _:
                pass
    return bullets(back)


def _tell_of_trouble(uow: UnitOfWork, plan: Plan, refund: Refund, now: datetime) -> None:
    """A refund that stops short of success is seen: in the ticket, and by the owner."""
    is_open = refund.state is RefundState.NEEDS_PERSON
    facts = {
        **_order_words(uow, plan, refund),
        "store": one_line(refund.label),
        "money": (
            "The money may or may not have moved."
            if is_open
            else "No money has moved for this part."
        ),
        "next": (
            "Look at the gateway, then say in the panel what you found."
            if is_open
            else "Make a new plan, or refund by hand."
        ),
    }
    owner = compose(
        MessageId.OWNER_NEEDS_PERSON,
        _ENGLISH,
        {**facts, "reason": facts["reason"] or "the refund did not go through."},
    )
    note = compose(MessageId.NOTE_UNKNOWN if is_open else MessageId.NOTE_FAILED, _ENGLISH, facts)
    desk, ticket = _ticket_of(plan)
    tells: list[tuple[str, Tell]] = [
        (f"owner-{refund.id}", TellOwner(owner.subject, owner.body)),
        (f"note-{refund.id}", AddTicketNote(desk, ticket, note.body)),
    ]
    run_id = RunId(f"{refund.id}-{refund.state}-{refund.wakes}")
    run_rules(uow, plan.customer, run_id, f"refund {refund.id}", now, telling(tells))


def _order_words(uow: UnitOfWork, plan: Plan, refund: Refund) -> Mapping[str, str]:
    order = uow.orders.get(plan.order)
    return {
        "amount": money_words(refund.amount, _ENGLISH),
        "order": one_line(order.number) if order else one_line(plan.order.ref),
        "product": one_line(order.title) if order else one_line(plan.order.ref),
        "customer": one_line(order.name or order.email) if order else "the customer",
        "reason": _reason_sentence(refund.reason),
    }


def _ticket_of(plan: Plan) -> tuple[InstallationId | None, TicketId | None]:
    for planned in plan.effects:
        if isinstance(planned.effect, AddTicketNote):
            return planned.effect.desk, planned.effect.ticket
    return None, None


def _reason_sentence(code: str) -> str:
    return f"The gateway says: {one_line(code).replace('_', ' ')}." if code else ""


def attest_by_hand(uow: UnitOfWork, plan_id: PlanId, actor: str, note: str, now: datetime) -> bool:
    """A person says that the money was refunded by hand. False when nothing waits for that."""
    waiting = (RefundState.MANUAL, RefundState.NEEDS_PERSON)
    return _by_hand(uow, plan_id, waiting, RefundState.SUCCEEDED, actor, note or "attested", now)


def release_by_hand(uow: UnitOfWork, plan_id: PlanId, actor: str, note: str, now: datetime) -> bool:
    """A person looked at the gateway and found no refund. False when nothing waits for that.

    The amount is free for a new plan again.
    """
    waiting = (RefundState.NEEDS_PERSON,)
    return _by_hand(uow, plan_id, waiting, RefundState.WITHDRAWN, actor, note or "not there", now)


def _by_hand(
    uow: UnitOfWork,
    plan_id: PlanId,
    waiting: tuple[RefundState, ...],
    to: RefundState,
    actor: str,
    note: str,
    now: datetime,
) -> bool:
    done = [
        settle_refund(uow, r, Move(to, None, r.gateway_ref, "by_hand"), actor, now, note)
        for r in uow.refunds.of_plan(plan_id)
        if r.state in waiting
    ]
    return bool(done) and all(done)
