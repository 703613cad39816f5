"""The life of a refund: its moves, what answers and look-ups ask for, and how much is left."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.domain.ids import InstallationId, PlanId
from plugin.domain.orders import Payment, PaymentRef
from plugin.domain.refunds import (
    IN_FLIGHT,
    MOVES,
    OVER,
    PENDING_LIMIT,
    PENDING_POLL,
    RESEND_LIMIT,
    RESTORED,
    RESTORED_NOT_FOUND,
    START,
    UNANSWERED_POLL,
    UNASKED_LIMIT,
    Ambiguous,
    Declined,
    Found,
    GatewayRules,
    LookUp,
    Move,
    NotFound,
    NotSent,
    Pending,
    Refund,
    RefundAnswer,
    RefundState,
    Silence,
    Succeeded,
    after_call,
    after_look,
    after_restore,
    has_time_again,
    is_our_key,
    may_move,
    not_looked,
    refund_id,
    refundable,
)
from tests.domain.test_refund_life import FOUND
from tests.factories import (
    NOW,
    a_payment,
    a_payment_ref,
    a_refund,
    ago,
    eur,
    moved,
    soon,
)

S = RefundState
KEYS = GatewayRules(honours_key=True, key_lives=82_800, looks=(5, 15, 60))
NO_KEYS = GatewayRules(honours_key=False, key_lives=0, looks=(5, 15, 60))


# --- the table ------------------------------------------------------------------------------------


def test_every_state_has_its_moves_and_is_in_flight_or_over() -> None:
    assert MOVES.keys() == set(RefundState)
    assert set(RefundState) == IN_FLIGHT | OVER
    assert IN_FLIGHT.isdisjoint(OVER)
    assert START <= IN_FLIGHT
    assert all(MOVES[state] <= OVER for state in OVER)


def test_every_state_can_be_reached_and_every_refund_can_end() -> None:
    reached = set(START)
    for _ in RefundState:
        reached |= {after for before in reached for after in MOVES[before]}
    assert reached == set(RefundState)
    ends = set(OVER)
    for _ in RefundState:
        ends |= {before for before in RefundState if MOVES[before] & ends}
    assert ends == set(RefundState)


@pytest.mark.parametrize("before", RefundState)
@pytest.mark.parametrize("after", RefundState)
def test_a_move_is_legal_exactly_when_the_table_has_it(before: S, after: S) -> None:
    assert may_move(before, after) is (after in MOVES[before])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (S.SUCCEEDED, S.RESERVED),
        (S.SUCCEEDED, S.SUBMITTING),
        (S.UNKNOWN, S.SUBMITTING),
        (S.UNKNOWN, S.WITHDRAWN),
        (S.SUBMITTING, S.WITHDRAWN),
        (S.REFUSED, S.SUBMITTING),
        (S.PENDING, S.RESERVED),
        (S.PENDING, S.WITHDRAWN),
    ],
)
def test_no_move_forgets_money_that_may_have_moved(before: S, after: S) -> None:
    assert not may_move(before, after)


def test_the_same_plan_and_payment_is_the_same_refund() -> None:
    pay_1, pay_2 = a_payment_ref("pay-1"), a_payment_ref("pay-2")

    assert refund_id(PlanId("p"), pay_1) == refund_id(PlanId("p"), a_payment_ref("pay-1"))
    assert refund_id(PlanId("p"), pay_1) != refund_id(PlanId("p"), pay_2)
    assert refund_id(PlanId("p"), pay_1) != refund_id(PlanId("q"), pay_1)
    assert refund_id(PlanId("p"), pay_1) != refund_id(
        PlanId("p"), replace(pay_1, installation=InstallationId("bank-2"))
    )


def test_the_id_of_a_refund_is_the_same_in_every_version() -> None:
    """It stands in rows, in keys and in the gateway's books: another one would pay again."""
    told = refund_id(PlanId("p"), PaymentRef(InstallationId("bank-1"), "pay-1"))

    assert told == "b04691d65b417e5e0daaa2342f5ec140"


def test_the_key_tells_the_refund_and_the_attempt() -> None:
    refund = a_refund()

    assert refund.key == f"mg-{refund.id}-a1"
    assert replace(refund, attempt=2).key != refund.key
    assert moved(refund, S.UNKNOWN, looks=9).key == refund.key


@pytest.mark.parametrize("looks", [(), (0,), (5, 5), (15, 5)])
def test_a_schedule_without_ascending_looks_is_refused(looks: tuple[int, ...]) -> None:
    with pytest.raises(
        ValueError, match=r"^say when to look up: seconds after the call, ascending$"
    ):
        GatewayRules(honours_key=True, key_lives=1, looks=looks)


def test_the_first_look_may_be_a_second_after_the_call() -> None:
    assert GatewayRules(honours_key=True, key_lives=1, looks=(1,)).looks == (1,)


# --- what a call asks for -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "move"),
    [
        (Succeeded("re_1", "ARN 7"), Move(S.SUCCEEDED, None, "re_1", "ARN 7")),
        (Succeeded("re_1"), Move(S.SUCCEEDED, None, "re_1", "")),
        (Pending("re_1"), Move(S.PENDING, NOW + PENDING_POLL, "re_1")),
        (Declined("card_closed"), Move(S.REFUSED, None, None, "card_closed")),
        (Declined("no_api", by_hand=True), Move(S.MANUAL, None, None, "no_api")),
        (Silence("timeout"), Move(S.UNKNOWN, soon(seconds=5), None, "timeout")),
        (NotSent("busy"), Move(S.RESERVED, soon(seconds=1), None, "busy")),
        (NotSent("busy", 0), Move(S.RESERVED, soon(seconds=1), None, "busy")),
        (NotSent("busy", 90), Move(S.RESERVED, soon(seconds=90), None, "busy")),
        (NotSent("busy", 90_000), Move(S.RESERVED, soon(hours=1), None, "busy")),
    ],
)
def test_the_answer_to_a_call_asks_for_one_move(
    answer: RefundAnswer | Silence | NotSent, move: Move
) -> None:
    assert after_call(a_refund(state=S.SUBMITTING), answer, NOW, KEYS) == move
    assert may_move(S.SUBMITTING, move.to)


@pytest.mark.parametrize("rules", [KEYS, NO_KEYS])
def test_what_was_sent_before_and_did_not_go_out_now_is_looked_up_again(
    rules: GatewayRules,
) -> None:
    again = a_refund(state=S.SUBMITTING, looks=1)

    move = after_call(again, NotSent("busy", 90), NOW, rules)

    assert move == Move(S.UNKNOWN, soon(seconds=90), None, "busy")
    assert may_move(S.SUBMITTING, move.to)


# --- what a look-up asks for ----------------------------------------------------------------------


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


# --- how much may still go back -------------------------------------------------------------------

AMOUNTS = st.integers(0, 10_000)
PAYMENTS = st.builds(
    lambda captured, refunded, disputed: a_payment(
        captured=eur(captured), refunded=eur(refunded), disputed=eur(disputed)
    ),
    AMOUNTS,
    AMOUNTS,
    AMOUNTS,
)
OURS = st.lists(
    st.builds(
        lambda plan, ref, minor, state: a_refund(
            plan=f"plan-{plan}", payment=a_payment_ref(ref), amount=eur(minor), state=state
        ),
        st.integers(0, 3),
        st.sampled_from(["pay-1", "pay-2"]),
        AMOUNTS,
        st.sampled_from(RefundState),
    ),
    max_size=6,
)


@given(PAYMENTS, OURS)
def test_never_more_is_left_than_was_captured_and_not_yet_given_or_held(
    payment: Payment, ours: list[Refund]
) -> None:
    mine = [refund for refund in ours if refund.payment == payment.ref]
    done = sum(r.amount.minor for r in mine if r.state is S.SUCCEEDED)
    flying = sum(r.amount.minor for r in mine if r.state in IN_FLIGHT)
    gone = max(payment.refunded.minor, done) + flying + payment.disputed.minor

    left = refundable(payment, ours)

    assert left.minor == max(0, payment.captured.minor - gone)


@given(PAYMENTS, OURS, st.sampled_from(sorted(IN_FLIGHT)))
def test_reserving_what_is_left_leaves_nothing(
    payment: Payment, ours: list[Refund], state: S
) -> None:
    left = refundable(payment, ours)
    reserved = a_refund(plan="all", payment=payment.ref, amount=left, state=state)

    assert refundable(payment, [*ours, reserved]) == eur(0)


@pytest.mark.parametrize("state", [S.WITHDRAWN, S.REFUSED, S.FAILED_LATER])
def test_what_did_not_go_back_is_left_again(state: S) -> None:
    assert refundable(a_payment(), [a_refund(state=state)]) == eur(4900)


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


@pytest.mark.parametrize("key", [a_refund().key, "mg-f00-a12", "mg-a_b-a1"])
def test_our_keys_are_known_by_their_shape(key: str) -> None:
    assert is_our_key(key)


@pytest.mark.parametrize("key", [None, "", "mg-f00", "mg-f00-a0", "mg--a1 ", "x-mg-f00-a1"])
def test_what_is_not_shaped_so_is_none(key: str | None) -> None:
    assert not is_our_key(key)
