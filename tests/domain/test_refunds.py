"""The life of a refund: its moves, what the answer to a call asks for, and how much is left."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.domain.ids import InstallationId, PlanId
from plugin.domain.orders import Payment, PaymentRef
from plugin.domain.refunds import (
    IN_FLIGHT,
    MOVES,
    OVER,
    PENDING_POLL,
    START,
    Declined,
    GatewayRules,
    Move,
    NotSent,
    Pending,
    Refund,
    RefundAnswer,
    RefundState,
    Silence,
    Succeeded,
    after_call,
    is_our_key,
    may_move,
    refund_id,
    refundable,
)
from tests.factories import (
    NOW,
    a_payment,
    a_payment_ref,
    a_refund,
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


@pytest.mark.parametrize("key", [a_refund().key, "mg-f00-a12", "mg-a_b-a1"])
def test_our_keys_are_known_by_their_shape(key: str) -> None:
    assert is_our_key(key)


@pytest.mark.parametrize("key", [None, "", "mg-f00", "mg-f00-a0", "mg--a1 ", "x-mg-f00-a1"])
def test_what_is_not_shaped_so_is_none(key: str | None) -> None:
    assert not is_our_key(key)


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
