"""Compares what the world outside saw with what the rows say, and counts what must be nothing.

double: money that moved more than once for one intent, and notes and mails that went out twice.
lost: deliveries acknowledged and not applied, ignored or parked; decided refunds without an end.
stuck: rows that are neither over nor in a visible queue.
mismatch: money, access or facts that are not what the rows say.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, select

from plugin.app import Parts
from plugin.domain.effects import EffectState
from plugin.domain.facts import DisputeClosed, Fact, Refunded
from plugin.domain.ids import CustomerKey
from plugin.domain.ledger import read_ledger
from plugin.domain.orders import ResourceKind
from plugin.domain.refunds import OVER, RefundState
from plugin.ports.records import DeliveryState
from plugin.ports.storage import UnitOfWork
from plugin.services.settle_refund import BY_HAND
from plugin.storage import tables as t
from tests.kill.drain import QUEUES, reading
from tests.kill.scene import STRIPE, SYSTEME_IO, Outside, Scene
from tests.kill.stories import Done

SETTLED = frozenset(
    {
        DeliveryState.APPLIED,
        DeliveryState.IGNORED,
        DeliveryState.UNREADABLE,
        DeliveryState.UNRECOGNISED,
        DeliveryState.FAILED,
    }
)
"""Applied, ignored, or parked where a person sees it."""


@dataclass(slots=True)
class Findings:
    """Each finding is a sentence with ids; the counts are what the last line shows."""

    double: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    mismatch: list[str] = field(default_factory=list)
    refunds: int = 0
    events: int = 0
    parked: int = 0
    interrupted: int = 0

    def lines(self) -> Iterator[str]:
        for name in ("double", "lost", "stuck", "mismatch"):
            for finding in getattr(self, name):
                yield f"{name}: {finding}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is to compare."""

    stripe: dict[str, Any]
    systeme_io: dict[str, Any]
    desk: dict[str, Any]
    refunds: list[Row[Any]]
    deliveries: list[Row[Any]]
    effects: list[Row[Any]]
    facts: list[Fact]
    done: Done


def judge(
    scene: Scene, parts: Parts, outside: Outside, done: Done, left: dict[str, int]
) -> Findings:
    """All findings. `left` is what the drain found still open."""
    found = Findings()
    with parts.house.storage.read(scene.tenant_id) as uow, reading(parts) as db:
        customers = sorted(db.scalars(select(t.facts.c.customer).distinct()))
        facts = [f for c in customers for f in uow.facts.of_customer(CustomerKey(c))]
        seen = Seen(
            stripe=outside.stripe.ask("report"),
            systeme_io=outside.systeme_io.ask("report"),
            desk=outside.desk.ask("report"),
            refunds=list(db.execute(select(t.refunds))),
            deliveries=list(db.execute(select(t.deliveries))),
            effects=list(db.execute(select(t.effects))),
            facts=facts,
            done=done,
        )
        interrupted = t.refund_moves.c.reason == "interrupted"
        found.interrupted = len(db.execute(select(t.refund_moves).where(interrupted)).all())
        _judge_access(found, seen, uow, parts)
        entries, broken = uow.audit.verify()
        if broken is not None:
            found.mismatch.append(f"the audit trail breaks at entry {broken} of {entries}")
    found.stuck += [f"{count} x {what}" for what, count in left.items()]
    _judge_money(found, seen)
    judge_presses(found, seen)
    _judge_tells(found, seen)
    _judge_deliveries(found, seen)
    _judge_facts(found, seen)
    return found


def _judge_money(found: Findings, seen: Seen) -> None:
    """Per intent at most one movement, of the row's amount, and only where the row says so."""
    ours: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for moved in seen.stripe["moved"]:
        intent = moved["metadata"].get("makegood_refund")
        if intent is not None:
            ours[intent].append(moved)
        elif moved["refund"] not in seen.done.outside:
            found.double.append(f"{moved['refund']} was asked for by nobody")
    rows = {row.id: row for row in seen.refunds}
    found.refunds = len(rows)
    found.double += [
        f"refund {i} moved money {len(m)} times" for i, m in ours.items() if len(m) > 1
    ]
    found.mismatch += [f"refund {i} moved money and has no row" for i in ours if i not in rows]
    for intent, row in rows.items():
        moved_amounts = [one["amount"] for one in ours.get(intent, ())]
        state = RefundState(row.state)
        is_by_hand = row.reason == BY_HAND and row.plan_id in seen.done.attested
        wanted = [] if is_by_hand else [row.amount_minor]
        if state is RefundState.SUCCEEDED and moved_amounts != wanted:
            found.mismatch.append(f"refund {intent} succeeded with {moved_amounts} moved")
        if state in (RefundState.WITHDRAWN, RefundState.REFUSED) and moved_amounts:
            found.mismatch.append(f"refund {intent} is {state} with {moved_amounts} moved")
        if state not in OVER | QUEUES:
            found.lost.append(f"refund {intent} was decided and is {state}")
        found.parked += state in QUEUES
    planned = {row.plan_id for row in seen.refunds}
    found.lost += [
        f"plan {p} was decided and has no row" for p in seen.done.decided if p not in planned
    ]
    found.mismatch += [f"plan {p} was not decided" for p in planned if p not in seen.done.decided]


def judge_presses(found: Findings, seen: Seen) -> None:
    """One press decides a plan, one plan an order, and what was taken back stays so."""
    answered = seen.done.answered_decided
    found.double += [f"plan {p} was decided {n} times" for p, n in answered.items() if n > 1]
    plans: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in seen.refunds:
        plans[row.order_installation, row.order_ref].add(row.plan_id)
        if row.plan_id in seen.done.undone and row.state != RefundState.WITHDRAWN:
            found.mismatch.append(f"refund {row.id} was taken back and is {row.state}")
        if row.plan_id in seen.done.attested and row.state == RefundState.MANUAL:
            found.lost.append(f"refund {row.id} was paid by hand, was said to be, and is manual")
    found.double += [f"order {ref} was refunded by {p}" for ref, p in plans.items() if len(p) > 1]


def _judge_tells(found: Findings, seen: Seen) -> None:
    """Each note, reply and mail once: where the row says done, and never twice."""
    comments = Counter(map(tuple, seen.desk["comments"]))
    mails = Counter(mail.strip("<>").partition("@")[0] for mail in seen.desk["mails"])
    found.double += [f"comment {key} stands {n} times" for key, n in comments.items() if n > 1]
    found.double += [f"mail {key} was taken {n} times" for key, n in mails.items() if n > 1]
    told = {marker for _, marker in comments} | set(mails)
    for row in seen.effects:
        if row.state not in (EffectState.DONE, EffectState.WAITING):
            continue
        tells = row.kind in ("TellCustomer", "TellOwner") or (
            row.kind == "AddTicketNote" and row.outcome != "0 tickets"
        )
        if tells and (row.key in told) is not (row.state == EffectState.DONE):
            found.mismatch.append(f"{row.kind} {row.key} is {row.state}")
    found.parked += sum(
        row.state in (EffectState.UNKNOWN, EffectState.NEEDS_PERSON) for row in seen.effects
    )


def _judge_deliveries(found: Findings, seen: Seen) -> None:
    """Each that was acknowledged is there, and came to an end."""
    rows = {(row.installation_id, row.name): row for row in seen.deliveries}
    told = [(STRIPE, name) for name in seen.stripe["acknowledged"]]
    told += [(SYSTEME_IO, name) for name in seen.systeme_io["acknowledged"]]
    found.events = len(told)
    for key in told:
        row = rows.get(key)
        if row is None:
            found.lost.append(f"delivery {key} was acknowledged and is not there")
        elif row.state not in SETTLED:
            found.lost.append(f"delivery {key} was acknowledged and is {row.state}")
    parked = (DeliveryState.FAILED, DeliveryState.UNREADABLE, DeliveryState.UNRECOGNISED)
    found.parked += sum(row.state in parked for row in seen.deliveries)


def _judge_facts(found: Findings, seen: Seen) -> None:
    """One fact `refunded` per intent that is through, and per refund made elsewhere; no other.

    And one per dispute that the bank decided for the customer.
    """
    by_plan: dict[str, set[str]] = defaultdict(set)
    for row in seen.refunds:
        by_plan[row.plan_id].add(row.state)
    wanted = Counter(plan for plan, states in by_plan.items() if states == {RefundState.SUCCEEDED})
    wanted.update(list(seen.done.outside))
    sales = set(seen.done.cancelled)
    refunded = [fact for fact in seen.facts if isinstance(fact, Refunded)]
    got = Counter(
        fact.refund
        for fact in refunded
        if not (fact.refund.startswith("sale_canceled:") and fact.customer in sales)
    )
    missing, extra = wanted - got, got - wanted
    found.mismatch += [f"no fact says that {refund} went back" for refund in missing]
    found.mismatch += [f"a fact says that {refund} went back" for refund in extra]
    cancelled = {f.customer for f in refunded if f.refund.startswith("sale_canceled:")}
    found.mismatch += [f"no fact of the cancelled sale of {email}" for email in sales - cancelled]
    lost = Counter(f.dispute for f in seen.facts if isinstance(f, DisputeClosed) and not f.won)
    wrong = (lost - Counter(list(seen.done.lost))) | (Counter(list(seen.done.lost)) - lost)
    found.mismatch += [f"dispute {dispute} has {lost[dispute]} lost facts" for dispute in wrong]


def _judge_access(found: Findings, seen: Seen, uow: UnitOfWork, parts: Parts) -> None:
    """What the platform shows is what the ledger says, but where a person was called for."""
    held = {(email, ResourceKind.COURSE, str(ref)) for email, ref in seen.systeme_io["courses"]}
    held |= {(email, ResourceKind.TAG, str(ref)) for email, ref in seen.systeme_io["tags"]}
    counted = Counter(map(tuple, seen.systeme_io["courses"]))
    found.double += [f"{key} is enrolled {n} times" for key, n in counted.items() if n > 1]
    called = {row.customer for row in seen.effects if row.state == EffectState.NEEDS_PERSON}
    access, now = uow.settings.access_map(), parts.clock.now()
    for email in sorted({email for email, _, _ in held} | set(seen.done.cancelled)):
        if email in called or email in seen.done.meddled:
            continue
        ledger = read_ledger(uow.facts.of_customer(CustomerKey(email)), access, now)
        for resource, holding in ledger.holdings.items():
            is_held = (email, resource.kind, resource.ref) in held
            if is_held is not holding.owed and resource.installation == SYSTEME_IO:
                found.mismatch.append(f"{email} {resource.kind} {resource.ref}: held is {is_held}")
