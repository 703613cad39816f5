"""Write down where a refund got to, and what follows when the whole intent is through, in one transaction.

The only place that moves refunds. A move is compare-and-set: whoever comes second sees that it was moved and
does nothing. `refunded` becomes a fact in the transaction that makes the last part succeed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from plugin.domain.effects import AddTicketNote, TellCustomer, TellOwner
from plugin.domain.facts import RefundFailed
from plugin.domain.ids import InstallationId, PlanId, RunId, TicketId
from plugin.domain.messages import MessageId, compose
from plugin.domain.plan import Plan
from plugin.domain.refunds import Move, Refund, RefundState, may_move
from plugin.domain.rules import Tell
from plugin.ports.storage import RefundMove, UnitOfWork
from plugin.services.record_sale import sale_facts
from plugin.services.run_rules import run_rules
from plugin.services.wording import money_words, resource_words

_ENGLISH = "en"


def settle_refund(
    uow: UnitOfWork, refund: Refund, move: Move, actor: str, now: datetime, evidence: str = ""
) -> bool:
    """Move `refund` as `move` says, and carry the consequences. False when somebody else moved it first.

    The same state with a new `wake_at` is a look that found nothing new. Raises ValueError for a move that
    the table does not know: that is a bug of ours.
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
    if move.to is RefundState.UNKNOWN:
        return refund.looks + 1 if refund.state is RefundState.UNKNOWN else 0
    return refund.looks if move.again else 0


def _follow(uow: UnitOfWork, refund: Refund, now: datetime) -> None:
    stored = uow.plans.get(refund.plan)
    if stored is None:
        raise KeyError(refund.plan)
    match refund.state:
        case RefundState.SUCCEEDED:
            if all(r.state is RefundState.SUCCEEDED for r in uow.refunds.of_plan(refund.plan)):
                _complete(uow, stored.plan, now)
        case RefundState.FAILED_LATER:
            _reverse(uow, stored.plan, refund, now)
        case RefundState.REFUSED | RefundState.NEEDS_PERSON:
            _tell_of_trouble(uow, stored.plan, refund, now)
        case _:
            pass


def _complete(uow: UnitOfWork, plan: Plan, now: datetime) -> None:
    """All of the money went back: the fact, and the effects that the plan promised."""
    order = uow.orders.get(plan.order)
    for fact in sale_facts(order) if order is not None else ():
        uow.facts.append(fact, f"plan {plan.id}", now)
    uow.facts.append(replace(plan.fact, at=now), f"plan {plan.id}", now)
    tells = tuple(_promised_tells(plan))
    run_rules(
        uow,
        plan.customer,
        RunId(plan.id),
        f"plan {plan.id}",
        now,
        lambda ledger, effects: tells,
        plan.cancels,
    )


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
    if not uow.facts.append(fact, f"refund {refund.id}", now):
        return
    run_id = RunId(f"{plan.id}-failed")

    def tellers(ledger: object, effects: object) -> list[tuple[str, Tell]]:
        del ledger, effects
        order = uow.orders.get(plan.order)
        facts = {
            "amount": money_words(refund.amount, _ENGLISH),
            "order": order.number if order else plan.order.ref,
            "product": order.title if order else plan.order.ref,
            "customer": order.name or order.email if order else "the customer",
            "restored": "\n".join(f"- {resource_words(item.resource)}" for item in plan.goes),
            "reason": _reason_sentence(refund.reason),
            "money": "The refund came back; the customer does not have it.",
            "next": "Refund again from the ticket, or agree another way with the customer.",
        }
        note = compose(MessageId.NOTE_FAILED, _ENGLISH, facts)
        owner = compose(
            MessageId.OWNER_NEEDS_PERSON,
            _ENGLISH,
            {**facts, "reason": "a refund that had succeeded failed later."},
        )
        desk, ticket = _ticket_of(plan)
        return [
            ("note-failed", AddTicketNote(desk, ticket, note.body)),
            ("owner-failed", TellOwner(owner.subject, owner.body)),
        ]

    run_rules(uow, plan.customer, run_id, f"refund {refund.id}", now, tellers)


def _tell_of_trouble(uow: UnitOfWork, plan: Plan, refund: Refund, now: datetime) -> None:
    """A refund that stops short of success is seen: in the ticket, and by the owner."""
    order = uow.orders.get(plan.order)
    is_refused = refund.state is RefundState.REFUSED
    facts = {
        "amount": money_words(refund.amount, _ENGLISH),
        "order": order.number if order else plan.order.ref,
        "product": order.title if order else plan.order.ref,
        "customer": order.name or order.email if order else "the customer",
        "reason": _reason_sentence(refund.reason),
        "money": (
            "No money has moved for this part."
            if is_refused
            else "The money may or may not have moved."
        ),
        "next": (
            "Make a new plan, or refund by hand."
            if is_refused
            else "Look at the gateway, then say in the panel what you found."
        ),
    }
    owner = compose(MessageId.OWNER_NEEDS_PERSON, _ENGLISH, facts)
    note = compose(
        MessageId.NOTE_FAILED if is_refused else MessageId.NOTE_UNKNOWN,
        _ENGLISH,
        {**facts, "store": refund.label},
    )
    desk, ticket = _ticket_of(plan)
    tells: list[tuple[str, Tell]] = [
        (f"owner-{refund.id}", TellOwner(owner.subject, owner.body)),
        (f"note-{refund.id}", AddTicketNote(desk, ticket, note.body)),
    ]
    run_rules(
        uow,
        plan.customer,
        RunId(f"{refund.id}-{refund.state}-{refund.wakes}"),
        f"refund {refund.id}",
        now,
        lambda ledger, effects: tells,
    )


def _ticket_of(plan: Plan) -> tuple[InstallationId | None, TicketId | None]:
    for planned in plan.effects:
        if isinstance(planned.effect, AddTicketNote):
            return planned.effect.desk, planned.effect.ticket
    return None, None


def _reason_sentence(code: str) -> str:
    return f"The gateway says: {code.replace('_', ' ')}." if code else ""


def attest_by_hand(uow: UnitOfWork, plan_id: PlanId, actor: str, note: str, now: datetime) -> bool:
    """A person says that the money was refunded by hand. False when nothing waits for that."""
    waiting = [
        r
        for r in uow.refunds.of_plan(plan_id)
        if r.state in (RefundState.MANUAL, RefundState.NEEDS_PERSON)
    ]
    done = [
        settle_refund(
            uow, r, Move(RefundState.SUCCEEDED, None, None, "by_hand"), actor, now, note or "attested"
        )
        for r in waiting
    ]
    return bool(done) and all(done)
