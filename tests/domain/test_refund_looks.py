"""What a look-up of a refund asks for: believed, asked again, sent again, or left to a person."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.domain.refunds import (
    IN_FLIGHT,
    PENDING_LIMIT,
    PENDING_POLL,
    RESEND_LIMIT,
    RESTORED,
    RESTORED_NOT_FOUND,
    UNANSWERED_POLL,
    UNASKED_LIMIT,
    Ambiguous,
    Declined,
    Found,
    GatewayRules,
    LookUp,
    Move,
    NotFound,
    Pending,
    Refund,
    RefundState,
    Succeeded,
    after_look,
    after_restore,
    has_time_again,
    may_move,
    not_looked,
)
from tests.domain.test_refund_life import FOUND
from tests.factories import (
    NOW,
    a_refund,
    ago,
    moved,
    soon,
)

S = RefundState
KEYS = GatewayRules(honours_key=True, key_lives=82_800, looks=(5, 15, 60))
NO_KEYS = GatewayRules(honours_key=False, key_lives=0, looks=(5, 15, 60))


def unknown(*, looks: int = 0, age: float = 60) -> Refund:
    return replace(
        a_refund(state=S.UNKNOWN, send_at=ago(seconds=age), looks=looks), reason="timeout"
    )


def pending(*, age: timedelta = timedelta(hours=2)) -> Refund:
    return replace(a_refund(state=S.PENDING, send_at=NOW - age), gateway_ref="re_1")


@pytest.mark.parametrize("rules", [KEYS, NO_KEYS])
@pytest.mark.parametrize("refund", [unknown(), pending()])
@pytest.mark.parametrize(
    ("found", "move"),
    [
        (Found(Succeeded("re_1", "ARN 7")), Move(S.SUCCEEDED, None, "re_1", "ARN 7")),
        (Found(Succeeded("re_1")), Move(S.SUCCEEDED, None, "re_1")),
        (Found(Pending("re_1")), Move(S.PENDING, NOW + PENDING_POLL, "re_1")),
        (Ambiguous(2), Move(S.NEEDS_PERSON, None, None, "several_refunds_match")),
    ],
)
def test_what_is_found_is_believed(
    refund: Refund, found: LookUp, move: Move, rules: GatewayRules
) -> None:
    assert after_look(refund, found, NOW, rules) == move


def test_found_declined_is_a_definitive_no_and_keeps_the_reference() -> None:
    found = Found(Declined("card_closed"))

    assert after_look(pending(), found, NOW, KEYS) == Move(S.REFUSED, None, "re_1", "card_closed")
    assert after_look(unknown(), found, NOW, KEYS).to is S.REFUSED


def test_a_pending_refund_that_disappears_goes_to_a_person() -> None:
    expected = Move(S.NEEDS_PERSON, None, "re_1", "refund_disappeared")

    assert after_look(pending(), NotFound(), NOW, KEYS) == expected
    assert after_look(pending(), NotFound(), NOW, NO_KEYS) == expected


def test_a_pending_refund_waits_on_until_its_limit() -> None:
    still = Move(S.PENDING, NOW + UNANSWERED_POLL, "re_1")
    too_long = Move(S.NEEDS_PERSON, None, "re_1", "pending_too_long")
    late = PENDING_LIMIT + timedelta(seconds=1)

    assert after_look(pending(age=PENDING_LIMIT), None, NOW, KEYS) == still
    assert after_look(pending(age=late), None, NOW, KEYS) == too_long
    assert after_look(pending(age=late), Found(Pending("re_1")), NOW, KEYS) == too_long


@pytest.mark.parametrize(
    ("age", "tells_news", "minutes"),
    [
        (0, True, 10),
        (3600, True, 10),
        (80 * 60, True, 800 / 60),
        (3 * 3600, True, 15),
        (20 * 86400, True, 15),
        (0, False, 10),
        (20 * 86400, False, 10),
    ],
)
def test_a_pending_refund_is_asked_for_rarely_only_where_its_news_are_read_anyway(
    age: int, tells_news: bool, minutes: float
) -> None:
    rules = replace(KEYS, tells_news=tells_news)
    move = after_look(pending(age=timedelta(seconds=age)), Found(Pending("re_1")), NOW, rules)

    assert move.wake_at == NOW + timedelta(minutes=minutes)


def test_after_the_schedule_nobody_waits_longer_than_ten_minutes_for_the_next_look() -> None:
    rare = GatewayRules(honours_key=True, key_lives=82_800, looks=(5, 900, 3600))

    assert after_look(unknown(looks=2), None, NOW, rare).wake_at == NOW + PENDING_POLL
    assert after_look(unknown(looks=1), None, NOW, rare).wake_at == soon(seconds=2700)


SEND_AGAIN = Move(S.RESERVED, NOW, None, "not_found_there", again=True)


def test_with_keys_it_is_sent_again_at_once_while_the_key_lives() -> None:
    assert after_look(unknown(age=82_799), NotFound(), NOW, KEYS) == SEND_AGAIN
    assert after_look(unknown(age=82_800), NotFound(), NOW, KEYS).to is S.UNKNOWN


def test_without_keys_it_is_sent_again_only_after_all_looks_and_within_a_day() -> None:
    assert after_look(unknown(looks=1), NotFound(), NOW, NO_KEYS).to is S.UNKNOWN
    assert after_look(unknown(looks=2), NotFound(), NOW, NO_KEYS) == SEND_AGAIN
    day = RESEND_LIMIT.total_seconds()
    assert after_look(unknown(looks=2, age=day - 1), NotFound(), NOW, NO_KEYS) == SEND_AGAIN
    assert after_look(unknown(looks=2, age=day), NotFound(), NOW, NO_KEYS).to is S.NEEDS_PERSON


@pytest.mark.parametrize(("rules", "life"), [(KEYS, 82_800), (NO_KEYS, 86_400)])
def test_what_waits_to_go_again_has_time_while_its_key_lives_or_for_a_day(
    rules: GatewayRules, life: int
) -> None:
    assert has_time_again(unknown(age=life - 1), NOW, rules)
    assert not has_time_again(unknown(age=life), NOW, rules)
    assert not has_time_again(unknown(age=0), NOW, replace(rules, sends_again=False))


def test_where_the_gateway_does_not_prove_that_nothing_moved_it_is_never_sent_again() -> None:
    once = replace(NO_KEYS, sends_again=False)
    person = Move(S.NEEDS_PERSON, None, None, "never_answered")

    assert after_look(unknown(looks=1), NotFound(), NOW, once).to is S.UNKNOWN
    assert after_look(unknown(looks=2), NotFound(), NOW, once) == person


@pytest.mark.parametrize(("looks", "wait"), [(0, 10), (1, 45), (2, 60), (7, 60)])
def test_a_look_without_an_answer_is_repeated_on_schedule(looks: int, wait: int) -> None:
    move = after_look(unknown(looks=looks), None, NOW, KEYS)

    assert move == Move(S.UNKNOWN, soon(seconds=wait), None, "timeout")


@pytest.mark.parametrize("found", [NotFound(), None])
@pytest.mark.parametrize(("looks", "age", "due"), [(0, 4.9, 5), (1, 6, 15), (2, 59.9, 60)])
def test_without_keys_a_look_before_its_time_counts_for_nothing(
    looks: int, age: float, due: int, found: LookUp | None
) -> None:
    """However often somebody presses, it is sent again, or given up, no sooner for that."""
    refund = unknown(looks=looks, age=age)

    move = after_look(refund, found, NOW, NO_KEYS)

    assert move == Move(
        S.UNKNOWN, refund.send_at + timedelta(seconds=due), None, "timeout", unasked=True
    )
    assert after_look(refund, Found(Succeeded("re_1")), NOW, NO_KEYS).to is S.SUCCEEDED
    assert not after_look(refund, found, NOW, KEYS).unasked
    assert not after_look(unknown(looks=looks, age=due), found, NOW, NO_KEYS).unasked


def test_never_answered_goes_to_a_person_when_looks_and_key_are_over() -> None:
    person = Move(S.NEEDS_PERSON, None, None, "never_answered")

    assert after_look(unknown(looks=2, age=82_800), None, NOW, KEYS) == person
    assert after_look(unknown(looks=2, age=82_800), NotFound(), NOW, KEYS) == person
    assert after_look(unknown(looks=2, age=82_799), None, NOW, KEYS).to is S.UNKNOWN
    assert after_look(unknown(looks=2), None, NOW, NO_KEYS) == person
    assert after_look(unknown(looks=1), None, NOW, NO_KEYS).to is S.UNKNOWN


@pytest.mark.parametrize(("after", "wait"), [(90, 90), (2, 2), (1, 1), (0, 1), (-5, 1)])
def test_a_look_that_was_not_made_changes_nothing_but_when_to_look(after: int, wait: int) -> None:
    refund = replace(pending(), reason="busy")

    move = not_looked(refund, after, NOW)

    assert move == Move(S.PENDING, soon(seconds=wait), "re_1", "busy", unasked=True)
    assert not_looked(unknown(), after, NOW) == Move(
        S.UNKNOWN, soon(seconds=wait), None, "timeout", unasked=True
    )


def test_looks_that_are_not_made_for_days_end_with_a_person() -> None:
    limit = UNASKED_LIMIT.total_seconds()
    person = Move(S.NEEDS_PERSON, None, None, "never_answered", unasked=True)
    month = PENDING_LIMIT + timedelta(seconds=1)
    too_long = Move(S.NEEDS_PERSON, None, "re_1", "pending_too_long", unasked=True)

    assert not_looked(unknown(age=limit), 300, NOW).to is S.UNKNOWN
    assert not_looked(unknown(age=limit + 1), 300, NOW) == person
    assert not_looked(pending(age=PENDING_LIMIT), 300, NOW).to is S.PENDING
    assert not_looked(pending(age=month), 300, NOW) == too_long


@pytest.mark.parametrize("reason", [RESTORED, RESTORED_NOT_FOUND])
def test_one_of_a_restored_copy_waits_until_it_can_be_looked_up(reason: str) -> None:
    restored = replace(unknown(age=10 * UNASKED_LIMIT.total_seconds()), reason=reason)

    assert not_looked(restored, 300, NOW) == Move(
        S.UNKNOWN, soon(seconds=300), None, reason, unasked=True
    )


@given(
    st.sampled_from([S.UNKNOWN, S.PENDING]),
    FOUND,
    st.integers(0, 10),
    st.integers(0, 40 * 86_400),
    st.sampled_from([KEYS, NO_KEYS]),
)
def test_a_look_up_never_asks_for_an_illegal_move_and_never_strands_a_refund(
    state: S, found: LookUp | None, looks: int, age: int, rules: GatewayRules
) -> None:
    refund = a_refund(state=state, looks=looks, send_at=ago(seconds=age))

    move = after_look(refund, found, NOW, rules)

    assert move.to is state or may_move(state, move.to)
    waits_for_us = move.to in IN_FLIGHT - {S.MANUAL, S.NEEDS_PERSON}
    assert (move.wake_at is not None) is waits_for_us
    assert move.again is (move.to is S.RESERVED)


# --- after a copy was restored --------------------------------------------------------------------


@pytest.mark.parametrize("state", RefundState)
def test_what_may_have_moved_since_the_copy_is_looked_up_now(state: S) -> None:
    move = after_restore(moved(a_refund(), state, gateway_ref="re_1"), NOW)
    match state:
        case S.RESERVED | S.SUBMITTING | S.UNKNOWN:
            assert move == Move(S.UNKNOWN, NOW, None, RESTORED)
        case S.PENDING:
            assert move == Move(S.PENDING, NOW, "re_1", RESTORED)
        case _:
            assert move is None
    if move is not None:
        assert move.to is state or may_move(state, move.to)


@pytest.mark.parametrize("rules", [KEYS, NO_KEYS])
def test_a_restored_refund_that_is_not_there_is_never_sent_again(rules: GatewayRules) -> None:
    refund = moved(a_refund(send_at=NOW), S.UNKNOWN, looks=0, reason=RESTORED)
    seen = []
    for looks in range(len(rules.looks)):
        move = after_look(replace(refund, looks=looks), NotFound(), soon(seconds=60), rules)
        seen.append(move.to)
        refund = replace(refund, reason=move.reason)
        assert move.reason == RESTORED_NOT_FOUND
    assert seen == [S.UNKNOWN, S.UNKNOWN, S.NEEDS_PERSON]


def test_a_look_without_an_answer_leaves_a_restored_refund_unlooked() -> None:
    for state in (S.UNKNOWN, S.PENDING):
        refund = moved(a_refund(send_at=NOW), state, reason=RESTORED)
        move = after_look(refund, None, soon(seconds=60), KEYS)
        assert (move.to, move.reason) == (state, RESTORED)
    pending = moved(a_refund(send_at=NOW), S.PENDING, reason=RESTORED)
    assert after_look(pending, Found(Pending("re_1")), NOW, KEYS).reason == ""
