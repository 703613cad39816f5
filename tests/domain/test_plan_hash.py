"""The plan of a refund: its hash changes with what was shown, and with nothing else."""

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

from plugin.domain.effects import (
    AddTicketNote,
    TellCustomer,
    TellOwner,
)
from plugin.domain.ids import PlanId
from plugin.domain.orders import (
    Line,
    Payment,
    RefundRoute,
)
from plugin.domain.plan import (
    Choice,
    Plan,
    plan_document,
    plan_hash,
    seal_plan,
)
from plugin.domain.plan_draft import PlanInputs, draft_plan
from plugin.domain.rules import Turn
from plugin.domain.verdict import VerdictKind
from tests.domain.plan_cases import (
    COURSE,
    NOTE,
    TAG,
    TELLS,
    TOLD,
    planned,
)
from tests.factories import (
    NOW,
    STORE,
    a_choice,
    a_course,
    a_gift,
    a_line,
    a_payment,
    a_subscription,
    an_order,
    an_order_ref,
    eur,
    plan_inputs,
    soon,
)

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


TAKEN_FOR_THIS = Turn(1, taken=True, seen=(sealed().fact.id,))


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
        sealed(with_verdict(verdict=VerdictKind.NEEDS_REVIEW)),
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
        sealed(lambda inputs: replace(inputs, turns={COURSE: TAKEN_FOR_THIS})),
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
