"""Plans: the money and what follows, what blocks them, and that what was shown is what is done."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from plugin.domain.access_map import AccessMap
from plugin.domain.effects import (
    AddTicketNote,
    CancelSubscription,
    RemoveTag,
    RevokeAccess,
    TellCustomer,
    TellOwner,
)
from plugin.domain.facts import Fact
from plugin.domain.ids import PlanId, RunId, TicketId
from plugin.domain.ledger import read_ledger
from plugin.domain.money import Money
from plugin.domain.orders import (
    Line,
    Order,
    Payment,
    RefundRoute,
    Resource,
    Subscription,
    SubscriptionStatus,
)
from plugin.domain.plan import (
    PLAN_LIFE,
    Allowed,
    AmountKind,
    Blocked,
    BlockedBy,
    Choice,
    Plan,
    PlanInputs,
    PlanItem,
    UnknownItem,
    draft_plan,
    plan_document,
    plan_hash,
    seal_plan,
)
from plugin.domain.refunds import Refund, RefundState, refundable
from plugin.domain.rules import Turn, rule_effects
from tests.domain.histories import ACCESS, HISTORIES, THINGS, choices, orders_with_refunds
from tests.factories import (
    CUSTOMER,
    DESK,
    EMAIL,
    NOW,
    STORE,
    a_bundle,
    a_choice,
    a_course,
    a_gift,
    a_line,
    a_line_ref,
    a_payment,
    a_plan,
    a_purchase,
    a_refund,
    a_refund_fact,
    a_subscription,
    a_tag,
    allow,
    an_order,
    an_order_ref,
    eur,
    plan_inputs,
    soon,
)

COURSE, TAG = a_course("c1", "Watercolour Year"), a_tag("t1", "Buyers")
NOTE = AddTicketNote(DESK, TicketId("77"), "49 € went back.", ("refunded",))
TOLD = TellCustomer(DESK, TicketId("77"), EMAIL, "Your refund", "It is sent.", "en")
TELLS = (("note", NOTE), ("customer", TOLD))


def draft(
    inputs: PlanInputs, choice: Choice | None = None, plan_id: str = "plan-1"
) -> Plan | Blocked:
    return draft_plan(inputs, choice or a_choice(inputs.order), PlanId(plan_id), NOW)


def planned(inputs: PlanInputs, choice: Choice | None = None) -> Plan:
    plan = draft(inputs, choice)
    assert isinstance(plan, Plan)
    return plan


# --- what blocks ----------------------------------------------------------------------------------

TWO = an_order(a_line("1"), a_line("2", paid=eur(1000)))


def judged(order: Order, *verdicts: str) -> tuple[Allowed, ...]:
    return tuple(
        replace(a, verdict=verdict) for a, verdict in zip(allow(order), verdicts, strict=True)
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
    assert {by for by, *_ in BLOCKS} == set(BlockedBy)


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


# --- what goes, stays and is unknown --------------------------------------------------------------


def test_what_goes_says_what_the_store_still_has() -> None:
    order = an_order(a_line(gives=(COURSE, TAG)))

    plan = planned(plan_inputs(order, held=[COURSE]))

    assert [(item.resource, item.already) for item in plan.goes] == [(COURSE, False), (TAG, True)]
    assert [reason.line for item in plan.goes for reason in item.because] == [a_line_ref()] * 2
    assert [e.effect for e in plan.effects][:2] == [RevokeAccess(COURSE), RemoveTag(TAG)]
    assert plan.stays == ()
    assert plan.unknown == ()


def test_what_a_silent_store_holds_is_unknown_and_taken_all_the_same() -> None:
    plan = planned(plan_inputs(an_order(a_line(gives=(COURSE,))), held=None))

    assert plan.goes == ()
    assert plan.unknown == (UnknownItem("store_silent", "Watercolour Year", COURSE, STORE),)
    assert plan.effects[0].effect == RevokeAccess(COURSE)


def test_what_stays_names_first_what_the_refunded_line_gave_too() -> None:
    other = a_purchase(COURSE, line=a_line_ref("1", an_order_ref("other")))
    order = an_order(a_line(gives=(COURSE,)))
    facts: list[Fact] = [other, a_gift(a_course("a0", "Free lesson"))]

    plan = planned(plan_inputs(order, facts=facts))

    assert [item.resource for item in plan.stays] == [COURSE, a_course("a0")]
    assert [reason.line for reason in plan.stays[0].because] == [other.line]
    assert isinstance(plan.stays[0], PlanItem)


def test_a_line_of_which_nobody_told_is_named_as_unknown() -> None:
    order = an_order(a_line(gives=None, title="Mystery box"))
    inputs = plan_inputs(order)
    unheard = replace(inputs, facts=())
    mapped = replace(inputs, access=AccessMap(products={(STORE, "p-1"): (COURSE,)}))
    ended = plan_inputs(order, facts=[a_refund_fact(order.lines[0].ref)])

    assert planned(inputs).unknown == (UnknownItem("line_untold", "Mystery box"),)
    assert planned(unheard).unknown == planned(inputs).unknown
    assert planned(ended).unknown == planned(inputs).unknown
    assert planned(mapped).unknown == ()


def test_lines_that_stay_are_not_named_as_unknown() -> None:
    order = an_order(a_line("1", gives=(COURSE,)), a_line("2", gives=None))

    assert planned(plan_inputs(order), a_choice(order, "1")).unknown == ()


def test_a_bundle_of_which_nobody_told_the_courses_is_named_as_unknown() -> None:
    bundle = a_bundle("b1", "Everything")
    order = an_order(a_line("1", gives=(bundle,)), a_line("2"))

    plan = planned(plan_inputs(order, held=[bundle]), a_choice(order, "1"))

    assert plan.unknown == (UnknownItem("bundle_untold", "Everything", bundle),)
    assert [item.resource for item in plan.goes] == [bundle]
    assert planned(plan_inputs(order), a_choice(order, "2")).unknown == ()


# --- which lines end, and the subscription --------------------------------------------------------


def ends_of(
    order: Order, choice: Choice, allowed: Sequence[Allowed] | None = None
) -> tuple[str, ...]:
    plan = planned(plan_inputs(order, allowed=allowed), choice)
    assert plan.fact.whole is (len(plan.fact.ends) == len(order.lines))
    return tuple(line.ref for line in plan.fact.ends)


def test_what_the_policy_gives_back_ends_its_line_even_in_part() -> None:
    assert ends_of(TWO, a_choice(TWO, "1"), allow(TWO, _1=eur(100))) == ("1",)
    assert ends_of(TWO, a_choice(TWO)) == ("1", "2")


def test_goodwill_ends_a_line_only_when_it_is_all_that_was_left_of_it() -> None:
    assert ends_of(TWO, a_choice(TWO, "1", free=eur(4899))) == ()
    assert ends_of(TWO, a_choice(TWO, "1", free=eur(4900))) == ("1",)


def test_goodwill_does_not_end_what_was_free_anyway() -> None:
    order = an_order(a_line("1"), a_line("2", paid=eur(0)))

    plan = planned(plan_inputs(order), a_choice(order, free=eur(500)))

    assert plan.fact.ends == ()
    assert plan.fact.amounts == ((a_line_ref("1"), eur(500)),)
    assert ends_of(order, a_choice(order)) == ("1", "2")


def yearly(
    *, prorated: bool, status: SubscriptionStatus, subscription: str = "sub-1"
) -> tuple[Order, tuple[Allowed, ...]]:
    order = an_order(
        a_line(paid=eur(12000), subscription=subscription),
        subscription=a_subscription(status=status),
    )
    (whole,) = allow(order)
    part = replace(whole, amount=eur(9000), prorated=prorated, verdict="eligible_in_part")
    return order, (part,)


@pytest.mark.parametrize(
    ("prorated", "stop", "status", "subscription", "ends"),
    [
        (True, True, SubscriptionStatus.ACTIVE, "sub-1", True),
        (True, False, SubscriptionStatus.ACTIVE, "sub-1", False),
        (True, False, SubscriptionStatus.ENDED, "sub-1", True),
        (True, False, SubscriptionStatus.ACTIVE, "another", True),
        (False, False, SubscriptionStatus.ACTIVE, "sub-1", True),
    ],
)
def test_a_prorated_line_keeps_its_grants_only_while_its_subscription_goes_on(
    prorated: bool, stop: bool, status: SubscriptionStatus, subscription: str, ends: bool
) -> None:
    order, allowed = yearly(prorated=prorated, status=status, subscription=subscription)

    assert ends_of(order, a_choice(order, stop=stop), allowed) == (("1",) if ends else ())


def test_a_prorated_line_without_any_subscription_ends() -> None:
    order, allowed = yearly(prorated=True, status=SubscriptionStatus.ACTIVE)

    assert ends_of(replace(order, subscription=None), a_choice(order, stop=False), allowed) == (
        "1",
    )


@pytest.mark.parametrize(
    ("subscription", "stop", "of_the_line", "at_once"),
    [
        (a_subscription(), True, "sub-1", True),
        (a_subscription(), True, None, False),
        (a_subscription(status=SubscriptionStatus.UNKNOWN), True, "sub-1", True),
        (a_subscription(), False, "sub-1", None),
        (a_subscription(status=SubscriptionStatus.ENDED), True, "sub-1", None),
        (a_subscription(status=SubscriptionStatus.ENDING), True, "sub-1", None),
        (None, True, None, None),
    ],
)
def test_future_charges_stop_when_asked_and_while_there_are_any(
    subscription: Subscription | None, stop: bool, of_the_line: str | None, at_once: bool | None
) -> None:
    order = an_order(a_line(subscription=of_the_line), subscription=subscription)

    plan = planned(plan_inputs(order), a_choice(order, stop=stop))

    expected = () if at_once is None else (CancelSubscription(STORE, "sub-1", at_once=at_once),)
    assert plan.cancels == expected
    assert tuple(e.effect for e in plan.effects[: len(expected)]) == expected


# --- the hash -------------------------------------------------------------------------------------

SOLD = an_order(a_line(gives=(COURSE,)))


def sealed(
    change: Callable[[PlanInputs], PlanInputs] = lambda inputs: inputs,
    *,
    choice: Choice | None = None,
    tells: Sequence[tuple[str, AddTicketNote | TellCustomer | TellOwner]] = TELLS,
    plan_id: str = "plan-1",
    now_later: timedelta = timedelta(0),
) -> Plan:
    inputs = change(plan_inputs(SOLD))
    plan = draft_plan(inputs, choice or a_choice(inputs.order), PlanId(plan_id), NOW + now_later)
    assert isinstance(plan, Plan)
    return seal_plan(plan, tells)


def with_payment(payment: Payment) -> Callable[[PlanInputs], PlanInputs]:
    return lambda inputs: replace(inputs, order=replace(inputs.order, payments=(payment,)))


def with_line(line: Line) -> Callable[[PlanInputs], PlanInputs]:
    return lambda _inputs: plan_inputs(an_order(line))


def with_verdict(**changes: object) -> Callable[[PlanInputs], PlanInputs]:
    return lambda inputs: replace(
        inputs,
        allowed=tuple(replace(a, **changes) for a in inputs.allowed),  # type: ignore[arg-type]  # fields of Allowed
    )


def test_the_hash_is_the_one_of_rfc_8785() -> None:
    plan = sealed()

    assert plan.hash == plan_hash(plan)
    assert plan.hash == rfc_8785_hash(plan)


@given(st.text(), st.text())
def test_the_hash_is_canonical_for_any_text(subject: str, body: str) -> None:
    plan = sealed(tells=[("owner", TellOwner(subject, body))])

    assert plan.hash == rfc_8785_hash(plan)


def rfc_8785_hash(plan: Plan) -> str:
    return hashlib.sha256(rfc8785.dumps(plain(plan_document(plan)))).hexdigest()


def plain(value: Any) -> Any:  # noqa: ANN401 - JSON goes in, JSON comes out
    """`value` with names of enumerations as plain text, which is all that rfc8785 knows."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return value


@pytest.mark.parametrize(
    "other",
    [
        sealed(choice=a_choice(SOLD, free=eur(4899))),
        sealed(choice=a_choice(SOLD, free=eur(100))),
        sealed(with_verdict(verdict="needs_review")),
        sealed(with_verdict(clause="2.2")),
        sealed(with_verdict(policy_version=8)),
        sealed(with_verdict(amount=eur(4899))),
        sealed(with_payment(a_payment("another"))),
        sealed(with_payment(a_payment(captured=eur(5000), refunded=eur(1)))),
        sealed(with_payment(a_payment(route=RefundRoute.BY_HAND))),
        sealed(with_line(a_line(gives=(COURSE, TAG)))),
        sealed(with_line(a_line(gives=(a_course("c2"),)))),
        sealed(with_line(a_line(gives=None))),
        sealed(with_line(a_line(gives=None, title="Another name"))),
        sealed(lambda inputs: replace(inputs, facts=(*inputs.facts, a_gift(COURSE)))),
        sealed(lambda inputs: replace(inputs, has={STORE: None})),
        sealed(lambda inputs: replace(inputs, turns={COURSE: Turn(1, taken=True)})),
        sealed(lambda _inputs: plan_inputs(replace(SOLD, subscription=a_subscription()))),
        sealed(lambda _inputs: plan_inputs(an_order(ref=an_order_ref("10413")))),
        sealed(tells=[("note", replace(NOTE, body="50 € went back.")), TELLS[1]]),
        sealed(tells=[("note", replace(NOTE, add_tags=())), TELLS[1]]),
        sealed(tells=[TELLS[0], ("customer", replace(TOLD, locale="de"))]),
        sealed(tells=[TELLS[1], TELLS[0]]),
        sealed(tells=[]),
    ],
)
def test_whatever_was_shown_and_is_different_now_changes_the_hash(other: Plan) -> None:
    assert other.hash != sealed().hash


def test_each_of_these_changes_makes_a_hash_of_its_own() -> None:
    order = an_order(a_line("1"), a_line("2"))
    plans = [
        planned(plan_inputs(order), a_choice(order, *refs, free=free))
        for refs in (("1",), ("2",), ("1", "2"))
        for free in (None, eur(100))
    ]

    assert len({plan_hash(plan) for plan in plans}) == len(plans)


def test_clock_plan_id_and_age_of_the_data_change_nothing() -> None:
    later = sealed(
        lambda inputs: replace(inputs, order=replace(inputs.order, read_at=soon(hours=1))),
        plan_id="plan-2",
        now_later=timedelta(minutes=4),
    )

    assert later.hash == sealed().hash
    assert later.effects != sealed().effects
