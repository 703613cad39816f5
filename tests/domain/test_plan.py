"""The plan of a refund: what blocks it, its money, and that what is done is what was shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.domain.facts import Fact
from plugin.domain.ids import RunId
from plugin.domain.ledger import read_ledger
from plugin.domain.money import Money
from plugin.domain.orders import (
    Order,
    RefundRoute,
    Resource,
)
from plugin.domain.plan import (
    PLAN_LIFE,
    Allowed,
    AmountKind,
    Blocked,
    BlockedBy,
    Choice,
    seal_plan,
)
from plugin.domain.plan_draft import PlanInputs
from plugin.domain.refunds import Refund, RefundState, refundable
from plugin.domain.rules import Turn, rule_effects
from plugin.domain.verdict import VerdictKind
from tests.domain.histories import ACCESS, HISTORIES, THINGS, choices, orders_with_refunds
from tests.domain.plan_cases import (
    NOTE,
    TELLS,
    TOLD,
    TWO,
    draft,
    planned,
)
from tests.factories import (
    CUSTOMER,
    NOW,
    a_choice,
    a_line,
    a_line_ref,
    a_payment,
    a_plan,
    a_refund,
    allow,
    an_order,
    eur,
    plan_inputs,
    soon,
)

# --- what blocks ----------------------------------------------------------------------------------


def judged(order: Order, *verdicts: str) -> tuple[Allowed, ...]:
    return tuple(
        replace(a, verdict=VerdictKind(verdict))
        for a, verdict in zip(allow(order), verdicts, strict=True)
    )


BLOCKS: Sequence[tuple[BlockedBy, Money | None, PlanInputs, Choice]] = [
    (BlockedBy.NO_LINES, None, plan_inputs(TWO), Choice((), AmountKind.POLICY)),
    (
        BlockedBy.NO_LINES,
        None,
        plan_inputs(TWO),
        Choice((a_line_ref("9"),), AmountKind.POLICY),
    ),
    (
        BlockedBy.DISPUTE_OPEN,
        None,
        plan_inputs(an_order(payments=[a_payment(), a_payment("b", dispute_open=True)])),
        a_choice(an_order()),
    ),
    (
        BlockedBy.NOT_ELIGIBLE,
        None,
        plan_inputs(TWO, allowed=judged(TWO, "not_eligible", "not_eligible")),
        a_choice(TWO),
    ),
    (
        BlockedBy.NOT_ELIGIBLE,
        None,
        plan_inputs(TWO, allowed=judged(TWO, "eligible", "not_eligible")),
        a_choice(TWO),
    ),
    (
        BlockedBy.VERDICT_UNKNOWN,
        None,
        plan_inputs(TWO, allowed=judged(TWO, "unknown", "not_eligible")),
        a_choice(TWO),
    ),
    (
        BlockedBy.NOTHING_LEFT,
        None,
        plan_inputs(TWO, allowed=allow(TWO, _1=eur(0), _2=eur(0))),
        a_choice(TWO),
    ),
    (
        BlockedBy.NOTHING_LEFT,
        None,
        plan_inputs(an_order(payments=[a_payment(refunded=eur(4900))])),
        a_choice(an_order()),
    ),
    (
        BlockedBy.NOTHING_LEFT,
        None,
        plan_inputs(an_order(), ours=[a_refund(state=RefundState.SUCCEEDED)]),
        a_choice(an_order()),
    ),
    (
        BlockedBy.IN_PROGRESS,
        None,
        plan_inputs(an_order(), ours=[a_refund(state=RefundState.UNKNOWN)]),
        a_choice(an_order()),
    ),
    (BlockedBy.OVER_POLICY, eur(4900), plan_inputs(TWO), a_choice(TWO, "1", free=eur(4901))),
    (BlockedBy.OVER_POLICY, eur(4900), plan_inputs(TWO), a_choice(TWO, "1", free=eur(0))),
    (
        BlockedBy.OVER_POLICY,
        eur(4900),
        plan_inputs(TWO),
        Choice((a_line_ref("1"),), AmountKind.FREE),
    ),
    (
        BlockedBy.OVER_LEFT,
        eur(3900),
        plan_inputs(an_order(), ours=[a_refund(amount=eur(1000))]),
        a_choice(an_order()),
    ),
    (
        BlockedBy.WHOLE_ONLY,
        eur(5900),
        plan_inputs(replace(TWO, payments=(a_payment(captured=eur(5900), partial=False),))),
        a_choice(TWO, "1"),
    ),
    (
        BlockedBy.NO_ROUTE,
        None,
        plan_inputs(an_order(payments=[a_payment(route=RefundRoute.NOT)])),
        a_choice(an_order()),
    ),
    (BlockedBy.NO_ROUTE, None, plan_inputs(an_order(payments=[])), a_choice(an_order())),
]


@pytest.mark.parametrize(("by", "most", "inputs", "choice"), BLOCKS)
def test_what_cannot_be_refunded_says_why_and_how_much_could_be(
    by: BlockedBy, most: Money | None, inputs: PlanInputs, choice: Choice
) -> None:
    assert draft(inputs, choice) == Blocked(by, most)


def test_every_reason_to_block_has_an_example() -> None:
    # What went by a payment that is not shown is told by the stored refunds, before a plan is made.
    assert {by for by, *_ in BLOCKS} == set(BlockedBy) - {BlockedBy.OTHER_PAYMENT}


@pytest.mark.parametrize("verdict", ["eligible", "eligible_in_part", "needs_review"])
def test_what_the_policy_or_a_person_allows_is_planned(verdict: str) -> None:
    assert planned(plan_inputs(an_order(), allowed=judged(an_order(), verdict))).amount == eur(4900)


# --- money ----------------------------------------------------------------------------------------


def test_a_refund_is_split_over_the_payments_by_what_each_has_left() -> None:
    order = an_order(
        a_line(paid=eur(9000)),
        payments=[
            a_payment("a", captured=eur(6000), refunded=eur(3000)),
            a_payment("b", captured=eur(6000)),
            a_payment("c", captured=eur(500), route=RefundRoute.NOT),
        ],
    )

    plan = planned(plan_inputs(order), a_choice(order, free=eur(1000)))

    assert [(p.payment.ref, p.amount, p.refunded_before) for p in plan.parts] == [
        ("a", eur(333), eur(3000)),
        ("b", eur(667), eur(0)),
    ]
    assert not plan.by_hand


def test_a_payment_with_nothing_left_takes_no_part() -> None:
    order = an_order(payments=[a_payment("a", refunded=eur(4900)), a_payment("b")])

    assert [part.payment.ref for part in planned(plan_inputs(order)).parts] == ["b"]


def test_what_is_in_flight_is_not_given_twice() -> None:
    order = an_order(payments=[a_payment("pay-1", captured=eur(9800))])
    ours = [a_refund(amount=eur(4900))]

    assert planned(plan_inputs(order, ours=ours)).amount == eur(4900)
    assert draft(plan_inputs(order, ours=[*ours, a_refund(plan="p2", amount=eur(1))])) == Blocked(
        BlockedBy.OVER_LEFT, eur(4899)
    )


def test_a_whole_only_payment_goes_back_whole() -> None:
    order = an_order(payments=[a_payment(partial=False, route=RefundRoute.BY_HAND)])

    plan = planned(plan_inputs(order))

    assert plan.parts[0].amount == eur(4900)
    assert plan.by_hand


def test_a_plan_lives_five_minutes() -> None:
    assert a_plan().expires_at == NOW + PLAN_LIFE == soon(minutes=5)


@given(orders_with_refunds(), st.data())
def test_the_parts_are_the_amount_and_no_payment_gives_more_than_it_has(
    sold: tuple[Order, list[Refund]], data: st.DataObject
) -> None:
    order, ours = sold
    plan = draft(plan_inputs(order, ours=ours), data.draw(choices(order)))
    if isinstance(plan, Blocked):
        return

    payments = {payment.ref: payment for payment in order.payments}
    assert plan.parts
    for part in plan.parts:
        payment = payments[part.payment]
        assert eur(0) < part.amount <= refundable(payment, ours)
        assert payment.route is part.route is not RefundRoute.NOT
        assert payment.partial or part.amount == payment.captured
    assert sum(part.amount.minor for part in plan.parts) == plan.amount.minor
    assert sum(amount.minor for _, amount in plan.fact.amounts) == plan.amount.minor
    assert plan.amount.minor <= sum(allowed.amount.minor for allowed in plan.allowed)


# --- executed = previewed -------------------------------------------------------------------------


@given(
    HISTORIES,
    orders_with_refunds(),
    st.dictionaries(st.sampled_from(THINGS), st.builds(Turn, st.just(1), taken=st.booleans())),
    st.data(),
)
def test_what_is_done_is_what_was_shown(
    facts: list[Fact],
    sold: tuple[Order, list[Refund]],
    turns: dict[Resource, Turn],
    data: st.DataObject,
) -> None:
    order, ours = sold
    inputs = plan_inputs(order, ours=ours, facts=facts, access=ACCESS, turns=turns)
    shown = draft(inputs, data.draw(choices(order)))
    if isinstance(shown, Blocked):
        return
    plan = seal_plan(shown, TELLS)

    happened = replace(plan.fact, at=soon(minutes=3))
    kept = data.draw(st.permutations([*inputs.facts, happened]))
    ledger = read_ledger(kept, ACCESS, NOW)
    done = rule_effects(CUSTOMER, RunId(plan.id), ledger, turns, plan.cancels)

    assert plan.effects[: len(done)] == done
    assert [effect.effect for effect in plan.effects[len(done) :]] == [NOTE, TOLD]
