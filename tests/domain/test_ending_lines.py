"""Which lines a refund ends, and what of its money is theirs: for stores that refund by line."""

from __future__ import annotations

from dataclasses import replace

from plugin.domain.plan import ending_lines
from tests.domain.plan_cases import planned
from tests.factories import (
    a_choice,
    a_line,
    a_line_ref,
    a_payment,
    a_payment_ref,
    an_order,
    eur,
    plan_inputs,
)

TWO_LINES = an_order(
    a_line("1", paid=eur(3000)),
    a_line("2", paid=eur(6000)),
    payments=[a_payment("a", captured=eur(3000)), a_payment("b", captured=eur(6000))],
)
ONE_PAYMENT = replace(TWO_LINES, payments=(a_payment("a", captured=eur(9000)),))


def test_each_line_that_ends_gets_its_own_amount() -> None:
    plan = planned(plan_inputs(ONE_PAYMENT))
    assert ending_lines(plan, a_payment_ref("a")) == (
        (a_line_ref("1"), eur(3000)),
        (a_line_ref("2"), eur(6000)),
    )


def test_of_several_payments_each_has_its_part_of_every_line() -> None:
    plan = planned(plan_inputs(TWO_LINES))
    first = ending_lines(plan, a_payment_ref("a"))
    second = ending_lines(plan, a_payment_ref("b"))
    assert [amount for _, amount in first] == [eur(1000), eur(2000)]
    assert [amount for _, amount in second] == [eur(2000), eur(4000)]


def test_goodwill_ends_no_line() -> None:
    plan = planned(plan_inputs(ONE_PAYMENT), a_choice(ONE_PAYMENT, free=eur(500)))
    assert ending_lines(plan, a_payment_ref("a")) == ()


def test_a_payment_that_takes_no_part_and_a_plan_without_lines_end_nothing() -> None:
    plan = planned(plan_inputs(ONE_PAYMENT))
    assert ending_lines(plan, a_payment_ref("z")) == ()
    assert (
        ending_lines(replace(plan, fact=replace(plan.fact, amounts=())), a_payment_ref("a")) == ()
    )
