"""The circuit breaker's arithmetic: when an account rests, and who may try it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.platforms.breaker import (
    FAILURES_TO_OPEN,
    LONGEST_REST_SECONDS,
    PROBE_SECONDS,
    Admission,
    BreakerState,
    Outcome,
    Rest,
    ask,
    rest_seconds,
    tell,
)

SECOND = 1_000_000
NOW = 1_700_000_000 * SECOND


def admitted(state: BreakerState, now_us: int) -> tuple[BreakerState, Admission]:
    after, answer = ask(state, now_us)
    assert isinstance(answer, Admission)
    return after, answer


def failed(times: int, state: BreakerState | None = None, now_us: int = NOW) -> BreakerState:
    """The state after so many failures in a row, one after the other."""
    state = state or BreakerState()
    for _ in range(times):
        state = tell(state, Admission(state.failures), Outcome.FAILED, now_us)
    return state


def probed(state: BreakerState, outcome: Outcome) -> tuple[BreakerState, int]:
    """The state after the next probe, and when that was."""
    now_us = state.probe_at_us
    state, probe = admitted(state, now_us)
    return tell(state, probe, outcome, now_us), now_us


def test_calls_go_out_until_so_many_failed_in_a_row() -> None:
    state = failed(FAILURES_TO_OPEN - 1)
    assert ask(state, NOW) == (state, Admission(FAILURES_TO_OPEN - 1))
    after, answer = ask(failed(FAILURES_TO_OPEN), NOW)
    assert answer == Rest(5.0)
    assert after == failed(FAILURES_TO_OPEN)


def test_an_answer_in_between_begins_the_count_anew() -> None:
    state = failed(FAILURES_TO_OPEN - 1)
    state = tell(state, Admission(state.failures), Outcome.ANSWERED, NOW)
    assert state == BreakerState()
    assert isinstance(ask(failed(FAILURES_TO_OPEN - 1, state), NOW)[1], Admission)


def test_after_the_rest_one_may_try_and_the_others_rest_on() -> None:
    state = failed(FAILURES_TO_OPEN)
    state, probe = admitted(state, NOW + 5 * SECOND)
    assert probe.probe_until_us == NOW + (5 + PROBE_SECONDS) * SECOND
    assert isinstance(ask(state, NOW + 6 * SECOND)[1], Rest)


def test_a_probe_that_is_answered_closes_it() -> None:
    state, _ = probed(failed(FAILURES_TO_OPEN), Outcome.ANSWERED)
    assert state == BreakerState()


def test_each_rest_is_longer_and_none_longer_than_five_minutes() -> None:
    state, opened = failed(FAILURES_TO_OPEN), NOW
    rests = []
    for _ in range(10):
        rests.append((state.probe_at_us - opened) // SECOND)
        state, opened = probed(state, Outcome.FAILED)
    assert rests == [5, 10, 20, 40, 80, 160, 300, 300, 300, 300]
    assert state.opened_at_us == NOW, "since when it rests is told to people"


@pytest.mark.parametrize("failures", [0, 1, FAILURES_TO_OPEN, 10**9])
def test_the_length_of_a_rest_is_bounded(failures: int) -> None:
    assert 5 <= rest_seconds(failures) <= LONGEST_REST_SECONDS


def test_a_probe_that_was_not_made_leaves_its_turn_to_the_next() -> None:
    state, now = probed(failed(FAILURES_TO_OPEN), Outcome.NOT_MADE)
    assert isinstance(ask(state, now)[1], Admission)
    assert tell(state, Admission(3), Outcome.NOT_MADE, now) == state


def test_a_probe_whose_process_died_keeps_others_away_for_two_minutes() -> None:
    state, _ = admitted(failed(FAILURES_TO_OPEN), NOW + 5 * SECOND)
    late = NOW + (5 + PROBE_SECONDS) * SECOND
    assert isinstance(ask(state, late - 1)[1], Rest)
    assert isinstance(ask(state, late)[1], Admission)


def test_old_news_of_failure_lengthens_no_rest() -> None:
    open_state = failed(FAILURES_TO_OPEN)
    assert failed(3, open_state, NOW + SECOND) == open_state
    state, lost = admitted(open_state, NOW + 5 * SECOND)
    state, _ = admitted(state, NOW + 500 * SECOND)
    assert tell(state, lost, Outcome.FAILED, NOW + 501 * SECOND) == state


def test_a_clock_that_was_set_back_keeps_nobody_away_for_longer_than_the_longest_rest() -> None:
    state = failed(FAILURES_TO_OPEN)
    earlier = NOW - 86_400 * SECOND
    state, answer = ask(state, earlier)
    assert answer == Rest(LONGEST_REST_SECONDS)
    assert isinstance(ask(state, earlier + LONGEST_REST_SECONDS * SECOND)[1], Admission)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "answered", "failed", "not_made", "dies"]),
        st.integers(0, 400 * SECOND),
        st.integers(0, 9),
    ),
    max_size=60,
)


@given(STEPS)
def test_while_it_rests_one_call_at_a_time_is_out(steps: list[tuple[str, int, int]]) -> None:
    """Whoever asks, answers, fails or dies in whichever order."""
    state, now = BreakerState(), NOW
    out: list[Admission] = []
    for word, later, which in steps:
        now += later
        if word == "ask":
            was_open = state.opened_at_us is not None
            state, answer = ask(state, now)
            if isinstance(answer, Admission):
                if was_open:
                    until = answer.probe_until_us
                    assert until is not None
                    rivals = [a.probe_until_us for a in out if a.probe_until_us is not None]
                    assert all(rival <= now for rival in rivals), "two probes at once"
                out.append(answer)
        elif out:
            told = out.pop(which % len(out))
            if word != "dies":
                state = tell(state, told, Outcome[word.upper()], now)
            if state.opened_at_us is None:
                out = [Admission(a.failures) for a in out]  # of an outage that is over
        assert (state.opened_at_us is not None) == (state.failures >= FAILURES_TO_OPEN)
