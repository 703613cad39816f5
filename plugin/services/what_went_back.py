"""What went back of an order, by what its store shows, what we did and what others told.

None of the three knows all: a store may not show yet what we just did, nobody shows what went by
bank transfer, and where a store tells no lines apart only we know which line our refund was for.
Reads what is kept; asks nobody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from plugin.domain.facts import Fact, Refunded, RefundFailed
from plugin.domain.ids import PlanId
from plugin.domain.money import Money, total
from plugin.domain.orders import LineRef, Order, PaymentRef
from plugin.domain.refunds import IN_FLIGHT, Refund, RefundState
from plugin.ports.storage import UnitOfWork
from plugin.services.recognise_order import counterparts


def ours_of(uow: UnitOfWork, order: Order) -> Sequence[Refund]:
    """What we refunded of `order`, and of the charge or the sale that stands for the same money.

    Each may be found without the other: a charge by its own number, a sale while its gateway is
    silent.
    """
    of_it = (order, *counterparts(uow, order))
    every = (refund for one in of_it for refund in paid_back(uow, one))
    return tuple({refund.id: refund for refund in every}.values())


def paid_back(uow: UnitOfWork, order: Order) -> Sequence[Refund]:
    """What we refunded of `order`, also by a payment that is not shown now.

    A sale is shown with its gateway's charge while that gateway answers, else with its own payment.
    """
    by_payment = (r for payment in order.payments for r in uow.refunds.of_payment(payment.ref))
    every = (*by_payment, *uow.refunds.of_order(order.ref))
    return tuple({refund.id: refund for refund in every}.values())


def as_known(uow: UnitOfWork, order: Order, facts: Sequence[Fact]) -> Order:
    """`order` with what we know went back, also where its store shows nothing of it: by hand."""
    ours = paid_back(uow, order)
    done = [refund for refund in ours if refund.state is RefundState.SUCCEEDED]
    return less_ours(uow, order, done, facts)


def less_ours(
    uow: UnitOfWork, order: Order, ours: Sequence[Refund], facts: Sequence[Fact]
) -> Order:
    """`order` as if all that we promised had gone back: a line is due once, whoever asks again.

    What a store shows and what we know is done are not added up: the larger one counts. What others
    refunded is none of ours, and is added to it. `facts` are the customer's.
    """
    done: dict[LineRef | PaymentRef, Money] = defaultdict(order.nothing)
    flying: dict[LineRef | PaymentRef, Money] = defaultdict(order.nothing)
    by_plan: dict[tuple[PlanId, bool], Money] = defaultdict(order.nothing)
    for refund in ours:
        is_done = refund.state is RefundState.SUCCEEDED
        if is_done or refund.state in IN_FLIGHT:
            (done if is_done else flying)[refund.payment] += refund.amount
            by_plan[refund.plan, is_done] += refund.amount
    for (plan_id, is_done), amount in by_plan.items():
        for line, share in _shares(uow, plan_id, amount):
            (done if is_done else flying)[line] += share
    for payment, amount in _made_elsewhere(order, ours, facts).items():
        done[payment] += amount
    told = _told_by_line(order, [done[line.ref] for line in order.lines])
    return replace(
        order,
        lines=tuple(
            replace(line, refunded=max(back, done[line.ref]) + flying[line.ref])
            for line, back in zip(order.lines, told, strict=True)
        ),
        payments=tuple(
            replace(
                paid,
                refunded=max(paid.refunded, done[paid.ref].clamp(paid.captured)) + flying[paid.ref],
            )
            for paid in order.payments
        ),
    )


def _shares(uow: UnitOfWork, plan_id: PlanId, amount: Money) -> Sequence[tuple[LineRef, Money]]:
    """`amount` of a plan, over the lines that the plan gives back."""
    stored = uow.plans.get(plan_id)
    if stored is None:
        raise KeyError(plan_id)
    lines = stored.plan.fact.amounts
    shares = amount.split([money.minor for _, money in lines])
    return [(line, share) for (line, _), share in zip(lines, shares, strict=True)]


def _made_elsewhere(
    order: Order, ours: Sequence[Refund], facts: Sequence[Fact]
) -> Mapping[PaymentRef, Money]:
    """What gateways told of as refunds that are none of ours, and did not fail since."""
    of_it = [
        fact
        for fact in facts
        if isinstance(fact, Refunded | RefundFailed) and fact.order == order.ref
    ]
    known = {name for one in ours for name in (one.plan, one.id, one.gateway_ref)}
    known |= {fact.refund for fact in of_it if isinstance(fact, RefundFailed)}
    told: dict[tuple[str, PaymentRef], Money] = defaultdict(order.nothing)
    for fact in of_it:
        if isinstance(fact, Refunded) and fact.refund not in known:
            for payment, amount in fact.by_payment:
                told[fact.refund, payment] = max(told[fact.refund, payment], amount)
    elsewhere: dict[PaymentRef, Money] = defaultdict(order.nothing)
    for (_, payment), amount in told.items():
        elsewhere[payment] += amount
    return elsewhere


def _told_by_line(order: Order, ours: Sequence[Money]) -> Sequence[Money]:
    """What went back of each line. `ours` is what we know of it.

    A store that tells no lines apart spreads what went back over all by their price: half of what
    one line got would pass for the other's.
    """
    told = [line.refunded for line in order.lines]
    prices = [line.paid.minor for line in order.lines]
    left = [line.paid - back for line, back in zip(order.lines, ours, strict=True)]
    room = [money.clamp(line.paid).minor for money, line in zip(left, order.lines, strict=True)]
    if not any(ours) or not any(prices) or told != list(order.refunded.split(prices)):
        return told
    others = (order.refunded - total(ours, order.currency)).clamp(order.refunded)
    if not any(room):
        return ours
    return [one + rest for one, rest in zip(ours, others.split(room), strict=True)]
