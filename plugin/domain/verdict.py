"""Whether a refund is due, by the policy at purchase: a verdict with clause, reason and amount.

Pure: facts, policy and now in, verdict out. What is not known stays unknown and never becomes a no.
Says nothing of rights, limits and payments: what can be paid today is `plugin.domain.refunds`' and
the plan's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from plugin.domain.days import local_date
from plugin.domain.money import Money, total, zero
from plugin.domain.orders import Line, LineRef, Order, ResourceKind, Usage, UsageUnknown
from plugin.domain.policy import (
    Clause,
    Policy,
    PolicyVersion,
    ProRata,
    Unmatched,
    UsageCondition,
)
from plugin.domain.proration import ProrationSum, prorate


class VerdictKind(StrEnum):
    """The five verdicts."""

    ELIGIBLE = "eligible"
    ELIGIBLE_IN_PART = "eligible_in_part"
    NOT_ELIGIBLE = "not_eligible"
    NEEDS_REVIEW = "needs_review"  # what no store tells and no clause settles: a person decides
    UNKNOWN = "unknown"  # what we have read is too old or too little: read again


class Because(StrEnum):
    """The reason behind a verdict. Texts for people are made from it elsewhere."""

    WITHIN_WINDOW = "within_window"
    ANY_TIME = "any_time"
    MONTHS_NOT_STARTED = "months_not_started"
    FEE_KEPT = "fee_kept"
    WINDOW_OVER = "window_over"
    TERM_USED_UP = "term_used_up"
    USED = "used"
    NON_REFUNDABLE = "non_refundable"
    ALREADY_REFUNDED = "already_refunded"
    NOTHING_PAID = "nothing_paid"
    USAGE_UNKNOWN = "usage_unknown"
    NO_CLAUSE = "no_clause"
    FEE_IN_OTHER_CURRENCY = "fee_in_other_currency"
    DISPUTE_OPEN = "dispute_open"
    KIND_UNKNOWN = "kind_unknown"
    TERM_UNKNOWN = "term_unknown"
    LINES_UNKNOWN = "lines_unknown"
    DATA_OLD = "data_old"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the policy says of one line, or of an order by its leading line.

    `amount` is what the policy gives back: by itself when eligible (in full or in part), once a
    person says yes when it needs review, and nothing otherwise. `day` is the whole days since the
    day of purchase: "Day 21 of 30". `fee` is what the clause keeps.
    """

    kind: VerdictKind
    clause: Clause | None
    policy_version: int
    amount: Money
    day: int | None
    because: Because
    prorata: ProrationSum | None = None
    fee: Money | None = None


@dataclass(frozen=True, slots=True)
class OrderVerdict:
    """The verdicts of all lines, in order, and the one to show for the order.

    `kind` and `amount` are of the order as a whole; where some lines are eligible, the amount is
    theirs alone. `leading` is the verdict whose clause and reason stand for the order.
    """

    kind: VerdictKind
    amount: Money
    leading: Verdict
    lines: tuple[tuple[LineRef, Verdict], ...]

    def of(self, line: LineRef) -> Verdict:
        """The verdict of `line`. Raises KeyError when the order has no such line."""
        return dict(self.lines)[line]


_PAYS = (VerdictKind.ELIGIBLE, VerdictKind.ELIGIBLE_IN_PART)
_RANK = {
    VerdictKind.NOT_ELIGIBLE: 0,
    VerdictKind.UNKNOWN: 1,
    VerdictKind.NEEDS_REVIEW: 2,
    VerdictKind.ELIGIBLE_IN_PART: 3,
    VerdictKind.ELIGIBLE: 3,
}


def kinds_of(line: Line) -> frozenset[ResourceKind] | None:
    """What kinds of thing the line sells; None when nobody told.

    The store's word comes first. A line paid for a stretch of time is a membership, whatever it
    opens. Else it is what it gives; tags do not count, they only open other things.
    """
    if line.kind is not None:
        return frozenset({line.kind})
    if line.term is not None or line.subscription is not None:
        return frozenset({ResourceKind.MEMBERSHIP})
    given = frozenset(resource.kind for resource in line.gives or ())
    return given - {ResourceKind.TAG} or None


def judge_line(line: Line, bought_at: datetime, policy: Policy, now: datetime) -> Verdict:
    """The verdict on `line` by the policy version in force at `bought_at`.

    Raises InvalidInput for times without a zone and for a term that cannot be counted.
    """
    version = policy.in_force(bought_at)
    today, bought = local_date(now, version.zone, "now"), local_date(bought_at, version.zone)
    day = max(0, (today - bought).days)
    case = Verdict(
        VerdictKind.NEEDS_REVIEW,
        clause=None,
        policy_version=version.number,
        amount=zero(line.paid.currency),
        day=day,
        because=Because.NO_CLAUSE,
    )
    found = version.clause_for(line.product, kinds_of(line))
    if isinstance(found, Clause):
        case = replace(case, clause=found)
    if line.left.minor <= 0:
        return _no(case, Because.ALREADY_REFUNDED if line.paid else Because.NOTHING_PAID)
    if isinstance(found, Clause):
        return _under(found, line, version, now, case, day)
    unknown = found is Unmatched.KIND_UNKNOWN
    return _review(case, line.left, Because.KIND_UNKNOWN if unknown else Because.NO_CLAUSE)


def judge_order(order: Order, policy: Policy, now: datetime, max_age: timedelta) -> OrderVerdict:
    """The verdicts on all lines of `order`, and on the order.

    Data older than `max_age` makes all of it unknown. An open dispute puts every line before a
    person: the bank already holds the money. Lines with nothing left do not colour the order. Money
    that went back without the store saying for which line counts against what is due.
    """
    of_lines = total((line.refunded for line in order.lines), order.currency)
    gone = order.refunded + order.disputed - of_lines
    loose = max(gone, order.nothing())
    lines = order.lines
    if len(lines) == 1:  # what went back can only be for this line
        lines = (replace(lines[0], refunded=lines[0].refunded + loose),)
        loose = order.nothing()
    judged = tuple(
        (line.ref, _guarded(judge_line(line, order.bought_at, policy, now), order, now, max_age))
        for line in lines
    )
    if not judged:
        return _without_lines(order, policy, now, max_age)
    verdicts = [verdict for _, verdict in judged]
    unsettled = [v for v in verdicts if v.because not in _SETTLED] or verdicts
    leading = max(unsettled, key=lambda v: (_RANK[v.kind], v.amount.minor))
    pays = leading.kind in _PAYS
    counted = [v.amount for v in verdicts if (v.kind in _PAYS) is pays]
    due = total(counted, order.currency)
    amount = max(due - loose, order.nothing())
    if due and not amount:
        kind = VerdictKind.NOT_ELIGIBLE
        leading = _no(leading, Because.ALREADY_REFUNDED)
    elif pays and any(verdict.kind is not VerdictKind.ELIGIBLE for verdict in unsettled):
        kind = VerdictKind.ELIGIBLE_IN_PART
    else:
        kind = leading.kind
    return OrderVerdict(kind, amount, leading, judged)


_SETTLED = (Because.ALREADY_REFUNDED, Because.NOTHING_PAID)


def _no(case: Verdict, because: Because) -> Verdict:
    return replace(
        case, kind=VerdictKind.NOT_ELIGIBLE, amount=zero(case.amount.currency), because=because
    )


def _review(case: Verdict, amount: Money, because: Because) -> Verdict:
    return replace(case, kind=VerdictKind.NEEDS_REVIEW, amount=amount, because=because)


def _under(
    clause: Clause, line: Line, version: PolicyVersion, now: datetime, case: Verdict, day: int
) -> Verdict:
    """The verdict by `clause`. Window before usage: once it is over, usage does not matter."""
    if clause.non_refundable:
        return _no(case, Because.NON_REFUNDABLE)
    in_full = _in_full(clause, day)
    if not in_full and clause.prorata is None:
        return _no(case, Because.WINDOW_OVER)
    holds = _holds(clause.usage, line.usage) if clause.usage else True
    if holds is False:
        return _no(case, Because.USED)
    if in_full or clause.prorata is None:
        window = clause.window_days is not None
        case = replace(case, because=Because.WITHIN_WINDOW if window else Because.ANY_TIME)
        verdict = _less_fee(clause, line, line.paid, case)
    else:
        verdict = _by_term(clause, clause.prorata, line, version, now, case)
    if holds is None and verdict.kind in _PAYS:
        cited = clause.usage.if_unknown if clause.usage else None
        verdict = replace(verdict, clause=version.cited(cited or clause.id))
        return _review(verdict, verdict.amount, Because.USAGE_UNKNOWN)
    return verdict


def _by_term(
    clause: Clause,
    prorata: ProRata,
    line: Line,
    version: PolicyVersion,
    now: datetime,
    case: Verdict,
) -> Verdict:
    if line.term is None:
        return _review(case, line.left, Because.TERM_UNKNOWN)
    counts = prorata.begun_period_counts
    spread = prorate(line.paid, line.term, now, version.zone, begun_period_counts=counts)
    case = replace(case, because=Because.MONTHS_NOT_STARTED, prorata=spread)
    if not spread.back:
        return _no(case, Because.TERM_USED_UP)
    return _less_fee(clause, line, spread.back, case)


def _in_full(clause: Clause, day: int) -> bool:
    if clause.window_days is None:
        return clause.prorata is None
    return day <= clause.window_days


def _holds(condition: UsageCondition, usage: Usage) -> bool | None:
    """Whether the condition is met; None when the store does not tell. One proven use is a no."""
    if isinstance(usage, UsageUnknown):
        return None
    parts: list[bool | None] = []
    if condition.not_downloaded:
        parts.append(None if usage.downloaded is None else not usage.downloaded)
    if condition.max_share_percent is not None:
        share = usage.share
        parts.append(None if share is None else share <= condition.max_share_percent)
    if False in parts:
        return False
    return None if None in parts else True


def _less_fee(clause: Clause, line: Line, due: Money, case: Verdict) -> Verdict:
    """`due` less the fee and less earlier refunds, which count against what is due."""
    fee = clause.kept_fee.of(due) if clause.kept_fee else zero(due.currency)
    if fee is None:
        amount = (due - line.refunded).clamp(line.left)
        return _review(case, amount, Because.FEE_IN_OTHER_CURRENCY)
    if fee:
        case = replace(case, fee=fee)
        if case.prorata is None:
            case = replace(case, because=Because.FEE_KEPT)
    if due == fee:
        return _no(case, Because.FEE_KEPT)
    amount = (due - fee - line.refunded).clamp(line.left)
    if not amount:
        return _no(case, Because.ALREADY_REFUNDED)
    kind = VerdictKind.ELIGIBLE if amount == line.left else VerdictKind.ELIGIBLE_IN_PART
    return replace(case, kind=kind, amount=amount)


def _guarded(verdict: Verdict, order: Order, now: datetime, max_age: timedelta) -> Verdict:
    """The verdict, unless the data is too old for one or the bank is deciding."""
    if now - order.read_at > max_age:
        kind, because = VerdictKind.UNKNOWN, Because.DATA_OLD
    elif any(payment.dispute_open for payment in order.payments):
        kind, because = VerdictKind.NEEDS_REVIEW, Because.DISPUTE_OPEN
    else:
        return verdict
    return replace(
        verdict, kind=kind, amount=order.nothing(), because=because, prorata=None, fee=None
    )


def _without_lines(order: Order, policy: Policy, now: datetime, max_age: timedelta) -> OrderVerdict:
    """An order whose lines the store does not tell: nothing is known of what was sold."""
    version = policy.in_force(order.bought_at)
    nothing = order.nothing()
    unknown = Verdict(
        VerdictKind.UNKNOWN, None, version.number, nothing, None, Because.LINES_UNKNOWN
    )
    leading = _guarded(unknown, order, now, max_age)
    return OrderVerdict(leading.kind, nothing, leading, ())
