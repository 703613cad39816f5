"""The plan of a refund, shown as its preview.

Money, access, tags, subscription and messages, and a hash of it all.

Deciding a plan needs its hash; anything that changed since changes the hash. The hash covers the
decision, the amounts, the effects with their texts and what had been refunded; it does not cover
clocks, the age of data, or who looks at it. `plugin.domain.plan_draft` makes plans.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from plugin.domain.effects import (
    CancelSubscription,
    Json,
    PlannedEffect,
    effect_document,
)
from plugin.domain.facts import Refunded
from plugin.domain.ids import CustomerKey, InstallationId, PlanId, RunId
from plugin.domain.ledger import Reason
from plugin.domain.money import Money
from plugin.domain.orders import (
    LineRef,
    OrderRef,
    PaymentRef,
    RefundRoute,
    Resource,
)
from plugin.domain.rules import Tell, with_tells
from plugin.domain.verdict import VerdictKind

PLAN_LIFE = timedelta(minutes=5)


class AmountKind(StrEnum):
    """`policy`: what the clause gives back for the ticked lines.

    `free`: an amount typed by the agent.
    """

    POLICY = "policy"
    FREE = "free"


@dataclass(frozen=True, slots=True)
class Choice:
    """What the agent chose: lines, amount, and whether future charges stop."""

    lines: tuple[LineRef, ...]
    kind: AmountKind
    free: Money | None = None
    stop_subscription: bool = True


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the policy lets go back for one line, and by which clause.

    `prorated` is for a part of a term.
    """

    line: LineRef
    amount: Money
    verdict: VerdictKind
    clause: str
    policy_version: int
    prorated: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """The money of one payment."""

    payment: PaymentRef
    label: str
    amount: Money
    refunded_before: Money
    route: RefundRoute
    fee_kept: Money | None = None
    deep_link: str | None = None


@dataclass(frozen=True, slots=True)
class PlanItem:
    """One resource and why it goes or stays.

    `already` is True where the store says it is gone already.
    """

    resource: Resource
    because: tuple[Reason, ...]
    already: bool = False


class Untold(StrEnum):
    """Why nobody can tell what becomes of something. Each has one sentence for the agent."""

    STORE_SILENT = "store_silent"
    LINE_UNTOLD = "line_untold"
    BUNDLE_UNTOLD = "bundle_untold"
    ORDERS_UNSEEN = "orders_unseen"


@dataclass(frozen=True, slots=True)
class UnknownItem:
    """What nobody can tell now.

    `resource` is None for a line of which nobody told what it opens.
    """

    why: Untold
    title: str
    resource: Resource | None = None
    installation: InstallationId | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A stored plan.

    `effects` run in order once all parts have succeeded; `fact` is what is then appended.
    """

    id: PlanId
    customer: CustomerKey
    order: OrderRef
    choice: Choice
    allowed: tuple[Allowed, ...]
    parts: tuple[Part, ...]
    amount: Money
    fact: Refunded
    goes: tuple[PlanItem, ...]
    stays: tuple[PlanItem, ...]
    unknown: tuple[UnknownItem, ...]
    cancels: tuple[CancelSubscription, ...]
    effects: tuple[PlannedEffect, ...]
    made_at: datetime
    hash: str = ""

    @property
    def expires_at(self) -> datetime:
        return self.made_at + PLAN_LIFE

    @property
    def by_hand(self) -> bool:
        return any(part.route is RefundRoute.BY_HAND for part in self.parts)


def ending_lines(plan: Plan, payment: PaymentRef) -> tuple[tuple[LineRef, Money], ...]:
    """The lines that `plan` ends, each with its part of the money that goes by `payment`."""
    told = plan.fact.amounts
    return tuple(
        (line, share)
        for part in plan.parts
        if told and part.payment == payment
        for (line, _), share in zip(
            told, part.amount.split([money.minor for _, money in told]), strict=True
        )
        if line in plan.fact.ends
    )


class BlockedBy(StrEnum):
    """Why no plan can be made. Each has one sentence for the agent."""

    NO_LINES = "no_lines"
    DISPUTE_OPEN = "dispute_open"
    NOT_ELIGIBLE = "not_eligible"
    VERDICT_UNKNOWN = "verdict_unknown"
    NOTHING_LEFT = "nothing_left"
    IN_PROGRESS = "in_progress"
    OTHER_PAYMENT = "other_payment"
    OVER_POLICY = "over_policy"
    OVER_LEFT = "over_left"
    WHOLE_ONLY = "whole_only"
    NO_ROUTE = "no_route"


@dataclass(frozen=True, slots=True)
class Blocked:
    """No plan, and why. `most` is what could go back, where that helps."""

    by: BlockedBy
    most: Money | None = None


def seal_plan(plan: Plan, tells: Iterable[tuple[str, Tell]]) -> Plan:
    """The plan with the people to tell, and its hash."""
    told = replace(plan, effects=with_tells(RunId(plan.id), plan.effects, tells))
    return replace(told, hash=plan_hash(told))


def plan_hash(plan: Plan) -> str:
    """SHA-256 of the canonical JSON (RFC 8785) of `plan_document`."""
    text = json.dumps(
        plan_document(plan), ensure_ascii=False, separators=(",", ":"), sort_keys=True
    )
    return hashlib.sha256(text.encode()).hexdigest()


def plan_document(plan: Plan) -> Json:
    """What was shown, as plain data: text and integers only, ASCII keys."""
    return {
        "order": [plan.order.installation, plan.order.ref],
        "decision": [
            [a.line.ref, a.verdict, a.clause, a.policy_version, _money(a.amount)]
            for a in plan.allowed
        ],
        "parts": [
            [
                p.payment.installation,
                p.payment.ref,
                _money(p.amount),
                _money(p.refunded_before),
                p.route,
            ]
            for p in plan.parts
        ],
        "ends": [line.ref for line in plan.fact.ends],
        "effects": [effect_document(planned.effect) for planned in plan.effects],
        "unknown": [[item.why, item.title] for item in plan.unknown],
    }


def _money(money: Money) -> str:
    return f"{money.minor} {money.currency}"
