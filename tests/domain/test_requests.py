"""Requests and the nine guided steps: ticked in any order, kept with who and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.domain.errors import InvalidInput
from plugin.domain.ids import AgentId, InstallationId, RequestId, TicketId, customer_key
from plugin.domain.requests import (
    GUIDED_STEPS,
    LONGEST_REASON,
    Channel,
    GuidedStep,
    Reason,
    RefundRequest,
    StepDone,
    next_step,
    tick,
    untick,
)
from tests.domain.policy_cases import NOW, ORDER

TOMAS = AgentId("tomas")
RUTH = AgentId("ruth")
STEPS = st.lists(st.sampled_from(GuidedStep))

REQUEST = RefundRequest(
    id=RequestId("r-1"),
    order=ORDER,
    customer=customer_key("mirela.kovac@mail.example"),
    channel=Channel.TICKET,
    asked_at=NOW,
    reason=Reason.NO_TIME,
    reason_text="I started a new job.",
    documents=("attachment-7",),
    ticket=TicketId("5521"),
    desk=InstallationId("desk-1"),
)


def test_the_nine_steps_stand_in_the_order_of_a_good_conversation() -> None:
    assert [step.value for step in GUIDED_STEPS] == [
        *("listen", "review", "verify"),
        *("offer", "explain", "respect"),
        *("document", "process", "feedback"),
    ]


def test_a_tick_keeps_who_and_when() -> None:
    ticked = tick(REQUEST, GuidedStep.LISTEN, TOMAS, NOW)
    assert ticked.steps_done == (StepDone(GuidedStep.LISTEN, TOMAS, NOW),)
    assert ticked.is_done(GuidedStep.LISTEN)
    assert REQUEST.steps_done == ()


def test_a_second_tick_keeps_the_first_agent_and_time() -> None:
    once = tick(REQUEST, GuidedStep.VERIFY, TOMAS, NOW)
    assert tick(once, GuidedStep.VERIFY, RUTH, NOW + timedelta(hours=1)) == once


def test_untick_opens_a_step_again_and_leaves_an_open_one_open() -> None:
    ticked = tick(tick(REQUEST, GuidedStep.LISTEN, TOMAS, NOW), GuidedStep.OFFER, TOMAS, NOW)
    assert not untick(ticked, GuidedStep.LISTEN).is_done(GuidedStep.LISTEN)
    assert untick(ticked, GuidedStep.LISTEN).is_done(GuidedStep.OFFER)
    assert untick(REQUEST, GuidedStep.LISTEN) == REQUEST


@given(STEPS)
def test_the_next_step_is_the_first_open_one(steps: list[GuidedStep]) -> None:
    request = REQUEST
    for step in steps:
        request = tick(request, step, TOMAS, NOW)
    still_open = [step for step in GUIDED_STEPS if step not in steps]
    assert next_step(request) is (still_open[0] if still_open else None)
    assert {done.step for done in request.steps_done} == set(steps)


@given(STEPS, st.sampled_from(GuidedStep))
def test_tick_and_untick_undo_each_other(steps: list[GuidedStep], step: GuidedStep) -> None:
    request = REQUEST
    for each in steps:
        request = tick(request, each, TOMAS, NOW)
    request = untick(request, step)
    assert untick(tick(request, step, RUTH, NOW), step) == request


def test_after_nine_ticks_nothing_is_left_to_do() -> None:
    request = REQUEST
    for step in GUIDED_STEPS:
        assert next_step(request) is step
        request = tick(request, step, TOMAS, NOW)
    assert next_step(request) is None


def test_a_request_says_what_is_wrong_with_it() -> None:
    done = StepDone(GuidedStep.LISTEN, TOMAS, NOW)
    with pytest.raises(InvalidInput, match=r"asked_at.*time zone"):
        replace(REQUEST, asked_at=NOW.replace(tzinfo=None))
    with pytest.raises(InvalidInput, match="reason_text: write up to 2000"):
        replace(REQUEST, reason_text="x" * (LONGEST_REASON + 1))
    with pytest.raises(InvalidInput, match="name each document"):
        replace(REQUEST, documents=("",))
    with pytest.raises(InvalidInput, match="which desk"):
        replace(REQUEST, desk=None)
    with pytest.raises(InvalidInput, match="each step is done once"):
        replace(REQUEST, steps_done=(done, done))
    with pytest.raises(InvalidInput, match=r"at.*time zone"):
        tick(REQUEST, GuidedStep.LISTEN, TOMAS, NOW.replace(tzinfo=None))


def test_a_request_by_phone_needs_no_ticket_and_no_reason() -> None:
    phoned = replace(REQUEST, channel=Channel.PHONE, ticket=None, desk=None, reason=None)
    assert phoned.reason is None
    assert next_step(phoned) is GuidedStep.LISTEN
