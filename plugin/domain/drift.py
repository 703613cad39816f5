"""What is not outside as we believe it is: found by comparing, told to people, never acted upon.

Pure comparisons of what the facts say with what a platform holds. A difference may be somebody's
wish: access given back by hand, a refund that a bookkeeper took away. So nothing here changes
anything; each kind has a next step for a person. What is unknown or on its way is no difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from plugin.domain.facts import Fact, Refunded, RefundFailed
from plugin.domain.ids import InstallationId
from plugin.domain.ledger import Ledger
from plugin.domain.money import Money
from plugin.domain.orders import (
    Order,
    PaymentRef,
    RefundRoute,
    RefundStage,
    Resource,
    ResourceKind,
)
from plugin.domain.refunds import IN_FLIGHT, Refund, RefundState


class DriftKind(StrEnum):
    """How the outside differs."""

    ACCESS_LEFT = "access_left"  # held, though every reason for it has ended
    ACCESS_MISSING = "access_missing"  # not held, though a reason for it lives
    REFUND_UNHEARD = "refund_unheard"  # the gateway has a refund that we know nothing of
    REFUND_DIFFERS = "refund_differs"  # both know it, and not of the same money
    REFUND_GONE = "refund_gone"  # we count it as done, and the gateway does not have it
    NEWS_GAP = "news_gap"  # for longer than the platform keeps news, nobody read any


class DriftState(StrEnum):
    """How far a difference is.

    `suspected` was seen once: it may be news on its way, and is shown to nobody. `mended` was not
    there any more when we looked again. `closed` by a person stays closed for as long as it is
    seen.
    """

    SUSPECTED = "suspected"
    OPEN = "open"
    MENDED = "mended"
    CLOSED = "closed"


NEXT_STEPS: Mapping[DriftKind, str] = {
    DriftKind.ACCESS_LEFT: "Take it away at the store. If it was given on purpose, close this.",
    DriftKind.ACCESS_MISSING: "Give it back at the store. If it was taken on purpose, close this.",
    DriftKind.REFUND_UNHEARD: "Look at the refund at the gateway; end the access by hand if it is "
    "right, then close this.",
    DriftKind.REFUND_DIFFERS: "Compare the refund at the gateway with the one here, settle the "
    "rest there, then close this.",
    DriftKind.REFUND_GONE: "Look at the payment at the gateway: refund it there if the customer "
    "is still owed, then close this.",
    DriftKind.NEWS_GAP: "Look at the platform for subscriptions that ended and refunds that failed "
    "in that time, then close this.",
}
"""What a person does about it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as we believe. `subject` names it among those of its customer.

    `details` are ids and amounts for people; never names or addresses.
    """

    kind: DriftKind
    subject: str
    details: Mapping[str, str] = field(default_factory=dict)


def next_state(before: DriftState | None, *, is_seen: bool, is_ripe: bool) -> DriftState | None:
    """What becomes of a difference at a look at its place. None: there is and was nothing.

    Seen once it is suspected; seen again when it `is_ripe` it is open: what was on its way has
    arrived by then.
    """
    if not is_seen:
        return None if before is None else DriftState.MENDED
    match before:
        case None | DriftState.MENDED:
            return DriftState.SUSPECTED
        case DriftState.SUSPECTED:
            return DriftState.OPEN if is_ripe else DriftState.SUSPECTED
        case DriftState.OPEN | DriftState.CLOSED:
            return before
        case _:
            assert_never(before)


# --- access ---------------------------------------------------------------------------------------


def compare_access(
    ledger: Ledger,
    store: InstallationId,
    has: Iterable[Resource],
    in_the_air: frozenset[Resource],
) -> Iterator[Difference]:
    """What one customer holds at `store` against what she should.

    `in_the_air` are resources that we ourselves are still changing, or that wait for a person
    already. Of a bundle its courses are looked at: no store shows the bundle. While a living
    purchase may give anything, since nobody told what, nothing counts as left.
    """
    held = frozenset(has)
    may_give = any(line.line.order.installation == store for line in ledger.unknown_lines)
    for resource in sorted(ledger.holdings):
        skip = resource in in_the_air or resource.kind is ResourceKind.BUNDLE
        if resource.installation != store or skip:
            continue
        holding = ledger.holdings[resource]
        if holding.owed and resource not in held:
            yield _of_access(DriftKind.ACCESS_MISSING, holding.resource)
        elif not holding.owed and resource in held and not may_give:
            yield _of_access(DriftKind.ACCESS_LEFT, holding.resource)


def _of_access(kind: DriftKind, resource: Resource) -> Difference:
    details = {"kind": resource.kind.value, "ref": resource.ref, "name": resource.name}
    return Difference(kind, f"{resource.kind}:{resource.ref}", details)


# --- money ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BookedRefund:
    """A refund of one payment that we count as done: of ours, or one that the gateway told of.

    `refs` are all names under which the gateway may know it.
    """

    refs: frozenset[str]
    payment: PaymentRef
    amount: Money


def is_moving(ours: Iterable[Refund]) -> bool:
    """Whether any of them may still change by itself: then there is nothing to compare yet."""
    return any(refund.state in IN_FLIGHT for refund in ours)


def booked_refunds(
    gateway: InstallationId, ours: Iterable[Refund], facts: Iterable[Fact]
) -> tuple[BookedRefund, ...]:
    """The refunds at `gateway` that count as done, each payment's part by itself."""
    ours, facts = tuple(ours), tuple(facts)
    booked = [
        BookedRefund(_refs(refund), refund.payment, refund.amount)
        for refund in ours
        if refund.state is RefundState.SUCCEEDED and refund.payment.installation == gateway
    ]
    own = {name for refund in ours for name in (refund.id, refund.plan, *_refs(refund))}
    failed = {(f.order, f.refund) for f in facts if isinstance(f, RefundFailed)}
    told = {
        (fact.refund, payment): BookedRefund(frozenset({fact.refund}), payment, amount)
        for fact in facts
        if isinstance(fact, Refunded)
        and fact.refund not in own
        and (fact.order, fact.refund) not in failed
        for payment, amount in fact.by_payment
        if payment.installation == gateway
    }
    return (*booked, *told.values())


def _refs(refund: Refund) -> frozenset[str]:
    named = {refund.key, str(refund.id)}
    return frozenset(named if refund.gateway_ref is None else {*named, refund.gateway_ref})


def compare_refunds(
    order: Order,
    booked: Iterable[BookedRefund],
    known: frozenset[str],
    since: datetime,
    *,
    lists_all: bool,
) -> Iterator[Difference]:
    """The refunds that the gateway lists with `order` against those that we count as done.

    `known` are gateway ids of all refunds that we ever heard of, also those that failed. Refunds
    from before `since`, when the account was connected, were never told and are no difference.
    `lists_all`: the list is the whole of them, so what it does not have is not there. Of a payment
    that is refunded by hand the platform knows nothing.
    """
    payments = {p.ref for p in order.payments if p.route is not RefundRoute.BY_HAND}
    mine = [one for one in booked if one.payment in payments]
    found: set[BookedRefund] = set()
    for seen in order.refunds:
        match = next((one for one in mine if {seen.ref, seen.reference} & one.refs), None)
        if match is not None:
            found.add(match)
        if match is None and seen.state is RefundStage.SUCCEEDED:
            if seen.ref not in known and seen.at >= since:
                yield _of_refund(DriftKind.REFUND_UNHEARD, seen.ref, seen.amount, None)
        elif match is not None and seen.state is RefundStage.FAILED:
            yield _of_refund(DriftKind.REFUND_GONE, seen.ref, None, match.amount)
        elif match is not None and seen.amount != match.amount:
            yield _of_refund(DriftKind.REFUND_DIFFERS, seen.ref, seen.amount, match.amount)
    if lists_all:
        for one in mine:
            if one not in found:
                yield _of_refund(DriftKind.REFUND_GONE, min(one.refs), None, one.amount)


def _of_refund(kind: DriftKind, ref: str, there: Money | None, here: Money | None) -> Difference:
    amounts = {"there": there, "here": here}
    told = {side: f"{m.minor} {m.currency}" for side, m in amounts.items() if m is not None}
    return Difference(kind, ref, {"refund": ref, **told})


def known_refunds(ours: Iterable[Refund], facts: Iterable[Fact]) -> frozenset[str]:
    """Gateway ids of all refunds that we ever heard of, done or failed."""
    told = {f.refund for f in facts if isinstance(f, Refunded | RefundFailed)}
    return frozenset({*told, *(r.gateway_ref for r in ours if r.gateway_ref is not None)})
