"""The plan of a refund: what goes, stays and is unknown, which lines end, and the subscription."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from plugin.domain.access_map import AccessMap
from plugin.domain.effects import (
    CancelSubscription,
    RemoveTag,
    RevokeAccess,
)
from plugin.domain.facts import Fact
from plugin.domain.orders import (
    Order,
    Subscription,
    SubscriptionStatus,
)
from plugin.domain.plan import (
    Allowed,
    Choice,
    PlanItem,
    UnknownItem,
    Untold,
)
from plugin.domain.verdict import VerdictKind
from tests.domain.plan_cases import (
    COURSE,
    TAG,
    TWO,
    planned,
)
from tests.factories import (
    STORE,
    a_bundle,
    a_choice,
    a_course,
    a_gift,
    a_line,
    a_line_ref,
    a_purchase,
    a_refund_fact,
    a_subscription,
    allow,
    an_order,
    an_order_ref,
    eur,
    plan_inputs,
)

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
    assert plan.unknown == (UnknownItem(Untold.STORE_SILENT, "Watercolour Year", COURSE, STORE),)
    assert plan.effects[0].effect == RevokeAccess(COURSE)


def test_what_an_unseen_order_may_pay_for_is_unknown() -> None:
    inputs = plan_inputs(an_order(a_line(gives=(COURSE, TAG))), held=[COURSE])

    plan = planned(replace(inputs, has_unseen=True))

    assert plan.goes == ()
    assert [(item.why, item.resource) for item in plan.unknown] == [
        (Untold.ORDERS_UNSEEN, COURSE),
        (Untold.ORDERS_UNSEEN, TAG),
    ]


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

    assert planned(inputs).unknown == (UnknownItem(Untold.LINE_UNTOLD, "Mystery box"),)
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

    assert plan.unknown == (UnknownItem(Untold.BUNDLE_UNTOLD, "Everything", bundle),)
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
    part = replace(whole, amount=eur(9000), prorated=prorated, verdict=VerdictKind.ELIGIBLE_IN_PART)
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
