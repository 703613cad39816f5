"""Make the plan of a refund from what the stores say now: how much, by which payments, what goes.

Pure. It decides nothing and sends nothing: a plan that cannot be made is `Blocked`, with why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from plugin.domain.access_map import AccessMap
from plugin.domain.effects import CancelSubscription, PlannedEffect, RemoveTag, RevokeAccess
from plugin.domain.endings import sold_lines
from plugin.domain.facts import Fact, PaidUntil, Refunded
from plugin.domain.ids import InstallationId, PlanId, RunId
from plugin.domain.ledger import Beside, Ledger, read_ledger
from plugin.domain.money import Money, total
from plugin.domain.orders import (
    Line,
    LineRef,
    Order,
    Payment,
    RefundRoute,
    Resource,
    SubscriptionRef,
    SubscriptionStatus,
)
from plugin.domain.plan import (
    Allowed,
    AmountKind,
    Blocked,
    BlockedBy,
    Choice,
    Part,
    Plan,
    PlanItem,
    UnknownItem,
    Untold,
)
from plugin.domain.refunds import IN_FLIGHT, Refund, refundable
from plugin.domain.rules import Turns, rule_effects, turns_after
from plugin.domain.verdict import VerdictKind


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """All that a plan is made from.

    `has` maps a store account to what it says the customer holds now.

    A store that does not answer maps to None. `allowed` has one entry per line of the order.
    `has_unseen`: a store has orders of this customer that it did not show. `promised`: what refunds
    of her other orders end, should they get through. `months`: what is still paid since of the
    order's own subscription, whatever it gives.
    `beside`: what the same accounts at stores have by another address of hers.
    """

    order: Order
    allowed: Sequence[Allowed]
    ours: Sequence[Refund]
    facts: Sequence[Fact]
    access: AccessMap
    turns: Turns
    has: Mapping[InstallationId, frozenset[Resource] | None]
    has_unseen: bool = False
    promised: Sequence[Refunded] = ()
    months: Sequence[Fact] = ()
    beside: Beside = field(default_factory=dict)


_MAY_PAY = frozenset({VerdictKind.ELIGIBLE, VerdictKind.ELIGIBLE_IN_PART, VerdictKind.NEEDS_REVIEW})


def draft_plan(
    inputs: PlanInputs, choice: Choice, plan_id: PlanId, now: datetime
) -> Plan | Blocked:
    """What refunding `choice` would do; not sealed yet: the texts to send are made from it."""
    order = inputs.order
    if any(payment.dispute_open for payment in order.payments):
        return Blocked(BlockedBy.DISPUTE_OPEN)
    ticked = [a for a in inputs.allowed if a.line in choice.lines]
    if not ticked:
        return Blocked(BlockedBy.NO_LINES)
    amounts = _line_amounts(order, ticked, choice)
    if isinstance(amounts, Blocked):
        return amounts
    parts = _parts(order, inputs.ours, total(amounts.values(), order.currency))
    if isinstance(parts, Blocked):
        return parts
    ends = _ends(order, ticked, amounts, choice)
    told = [(ref, amount) for ref, amount in sorted(amounts.items()) if amount]
    fact = Refunded(
        customer=order.customer,
        order=order.ref,
        refund=plan_id,
        at=now,
        amount=total((part.amount for part in parts), order.currency),
        amounts=tuple(told),
        ends=ends,
        # What was captured on top is for lines of which nobody told yet: they live on.
        whole=set(ends) == {line.ref for line in order.lines} and order.captured <= order.paid,
        by_payment=tuple((part.payment, part.amount) for part in parts),
        captured=order.captured,
    )
    cancels = _cancels(inputs, choice, ends, now)
    known = (*inputs.facts, *inputs.promised)
    before = read_ledger(known, inputs.access, now, inputs.beside)
    turns = inputs.turns
    if inputs.promised:
        # What those refunds end is theirs to do and to tell, should they get through.
        turns = turns_after(turns, rule_effects(order.customer, RunId(plan_id), before, turns))
    facts = (*known, fact, *_ended_with(cancels, order, now))
    after = read_ledger(facts, inputs.access, now, inputs.beside)
    effects = rule_effects(order.customer, RunId(plan_id), after, turns, cancels)
    goes, open_ends = _goes(effects, inputs)
    return Plan(
        id=plan_id,
        customer=order.customer,
        order=order.ref,
        choice=choice,
        allowed=tuple(ticked),
        parts=parts,
        amount=fact.amount,
        fact=fact,
        goes=goes,
        stays=_stays(after),
        unknown=(*open_ends, *_untold(before, order, ends)),
        cancels=cancels,
        effects=effects,
        made_at=now,
    )


def _line_amounts(
    order: Order, ticked: Sequence[Allowed], choice: Choice
) -> dict[LineRef, Money] | Blocked:
    verdicts = {a.verdict for a in ticked}
    if not verdicts & _MAY_PAY:
        unknown = VerdictKind.UNKNOWN in verdicts
        return Blocked(BlockedBy.VERDICT_UNKNOWN if unknown else BlockedBy.NOT_ELIGIBLE)
    if verdicts - _MAY_PAY:
        return Blocked(BlockedBy.NOT_ELIGIBLE)
    most = total((a.amount for a in ticked), order.currency)
    if not most:
        return Blocked(BlockedBy.NOTHING_LEFT)
    if choice.kind is AmountKind.POLICY:
        return {a.line: a.amount for a in ticked}
    if choice.free is None or not order.nothing() < choice.free <= most:
        return Blocked(BlockedBy.OVER_POLICY, most)
    shares = choice.free.split([a.amount.minor for a in ticked])
    return {a.line: share for a, share in zip(ticked, shares, strict=True)}


def _parts(order: Order, ours: Sequence[Refund], wanted: Money) -> tuple[Part, ...] | Blocked:
    """`wanted` over the payments in proportion to what each can still give back."""
    open_to_us = [p for p in order.payments if p.route is not RefundRoute.NOT]
    if not open_to_us:
        return Blocked(BlockedBy.NO_ROUTE)
    left = [refundable(payment, ours) for payment in open_to_us]
    most = total(left, order.currency)
    if not most:
        paid_by = {payment.ref for payment in open_to_us}
        flying = any(r.state in IN_FLIGHT and r.payment in paid_by for r in ours)
        return Blocked(BlockedBy.IN_PROGRESS if flying else BlockedBy.NOTHING_LEFT)
    if most < wanted:
        return Blocked(BlockedBy.OVER_LEFT, most)
    amounts = wanted.split([m.minor for m in left])
    for payment, amount in zip(open_to_us, amounts, strict=True):
        if amount and not payment.partial and amount != payment.captured:
            return Blocked(BlockedBy.WHOLE_ONLY, payment.captured)
    return tuple(
        _part(payment, amount, can_go)
        for payment, amount, can_go in zip(open_to_us, amounts, left, strict=True)
        if amount
    )


def _part(payment: Payment, amount: Money, left: Money) -> Part:
    # What is on its way counts as refunded: of two equal plans, the second must see the first.
    return Part(
        payment.ref,
        payment.label,
        amount,
        payment.captured - payment.disputed - left,
        payment.route,
        payment.fee_kept,
        payment.deep_link,
    )


def _ends(
    order: Order, ticked: Sequence[Allowed], amounts: Mapping[LineRef, Money], choice: Choice
) -> tuple[LineRef, ...]:
    """The lines whose grants end.

    What the policy gives back ends its line; a free amount only when it is all that is left of it.

    A pro-rated line with a subscription that goes on keeps its grants. What went back before of
    the order, for no line alone, counts once nothing of it is left paid.
    """
    ends = []
    all_back = order.captured <= order.refunded + total(amounts.values(), order.currency)
    for allowed in ticked:
        line = order.line(allowed.line)
        amount = amounts[allowed.line]
        # Goodwill must not end what was free anyway.
        fully = bool(amount) and (line.left <= amount or all_back)
        goes_on = allowed.prorated and _renews(order, line) and not choice.stop_subscription
        if fully or (choice.kind is AmountKind.POLICY and not goes_on):
            ends.append(allowed.line)
    return tuple(sorted(ends))


def _renews(order: Order, line: Line) -> bool:
    subscription = order.subscription
    return (
        subscription is not None
        and line.subscription == subscription.ref
        and subscription.status is not SubscriptionStatus.ENDED
    )


def _cancels(
    inputs: PlanInputs, choice: Choice, ends: tuple[LineRef, ...], now: datetime
) -> tuple[CancelSubscription, ...]:
    """At once where what is refunded was paid last: a month that is paid since then is hers."""
    order = inputs.order
    subscription = order.subscription
    if subscription is None or not choice.stop_subscription:
        return ()
    if subscription.status in (SubscriptionStatus.ENDED, SubscriptionStatus.ENDING):
        return ()
    is_of_it = any(order.line(ref).subscription == subscription.ref for ref in ends)
    at_once = is_of_it and not _is_paid_since(inputs, subscription.ref, now)
    return (CancelSubscription(subscription.installation, subscription.ref, at_once),)


def _is_paid_since(inputs: PlanInputs, subscription: str, now: datetime) -> bool:
    order = inputs.order
    return any(
        sold.bought.subscription == subscription
        and sold.bought.line.order.installation == order.ref.installation
        and sold.bought.at > order.bought_at
        for sold in sold_lines((*inputs.facts, *inputs.months), now)
        if not sold.ended
    )


def _ended_with(
    cancels: Iterable[CancelSubscription], order: Order, now: datetime
) -> Iterator[PaidUntil]:
    """What the store will tell of a subscription that is cancelled at once: all of it is over."""
    for cancel in cancels:
        if cancel.at_once:
            of = SubscriptionRef(cancel.installation, cancel.subscription)
            yield PaidUntil(order.customer, of, now, now)


def _goes(
    effects: Iterable[PlannedEffect], inputs: PlanInputs
) -> tuple[tuple[PlanItem, ...], tuple[UnknownItem, ...]]:
    """What goes, and what nobody can tell: its store is silent, or an unseen order may pay for it.

    In the latter case a person decides (`plugin.services.effect_calls`).
    """
    goes: list[PlanItem] = []
    open_ends: list[UnknownItem] = []
    for planned in effects:
        match planned.effect:
            case RevokeAccess(resource) | RemoveTag(resource):
                held = inputs.has.get(resource.installation)
                if held is None or inputs.has_unseen:
                    why = Untold.ORDERS_UNSEEN if inputs.has_unseen else Untold.STORE_SILENT
                    where = resource.installation
                    open_ends.append(UnknownItem(why, resource.name, resource, where))
                else:
                    goes.append(PlanItem(resource, planned.because, resource not in held))
            case _:
                pass
    return tuple(goes), tuple(open_ends)


def _stays(after: Ledger) -> tuple[PlanItem, ...]:
    """What the customer keeps, first what the refunded lines had given too."""
    owed = [after.holdings[resource] for resource in after.owed()]
    owed.sort(key=lambda holding: not holding.ended)
    return tuple(PlanItem(holding.resource, holding.living) for holding in owed)


def _untold(before: Ledger, order: Order, ends: tuple[LineRef, ...]) -> tuple[UnknownItem, ...]:
    lines = tuple(
        UnknownItem(Untold.LINE_UNTOLD, bought.title)
        for bought in before.unknown_lines
        if bought.line in ends
    )
    known = {bought.line for bought in before.unknown_lines}
    unseen = tuple(
        UnknownItem(Untold.LINE_UNTOLD, line.title)
        for line in order.lines
        if line.ref in ends
        and line.gives is None
        and line.ref not in known
        and not _has_reason(before, line.ref)
    )
    bundles = tuple(
        UnknownItem(Untold.BUNDLE_UNTOLD, bundle.name, bundle)
        for bundle in before.unknown_bundles
        if _given_by(before, bundle, ends)
    )
    return (*lines, *unseen, *bundles)


def _has_reason(ledger: Ledger, line: LineRef) -> bool:
    return any(
        reason.line == line
        for holding in ledger.holdings.values()
        for reason in (*holding.living, *(dead for dead, _ in holding.ended))
    )


def _given_by(ledger: Ledger, resource: Resource, lines: tuple[LineRef, ...]) -> bool:
    return any(reason.line in lines for reason in ledger.holdings[resource].living)
