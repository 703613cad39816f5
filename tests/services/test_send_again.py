"""Sending again after silence: what may have arrived is looked for, each time, before it goes out.

Between a look that found nothing and the next call the account may rest, or the machine be off:
meanwhile the first call lands, and its key dies.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from plugin.domain.errors import (
    ACCOUNT_RESTING,
    MakegoodError,
    NeedsHuman,
    OutcomeUnknown,
    Refused,
    RetryLater,
)
from plugin.domain.events import PaymentRefunded
from plugin.domain.facts import Refunded
from plugin.domain.orders import RefundStage
from plugin.domain.plan import Plan
from plugin.domain.refunds import RESEND_LIMIT, UNASKED_LIMIT, GatewayRules, Refund, RefundState
from plugin.ports import RefundsMoney
from plugin.services.applying import Applied, MustWait
from plugin.services.send_refund import LONGEST_WAIT
from tests.factories import BANK, a_course
from tests.fakes.platforms import Mood, Paid
from tests.services.event_cases import facts
from tests.services.scene import Scene

S = RefundState
HOURS = GatewayRules(honours_key=True, key_lives=82_800, looks=(5, 15, 60, 300, 900))
MINUTES = GatewayRules(honours_key=True, key_lives=900, looks=(5, 15, 60, 300, 900))
KEYLESS = GatewayRules(honours_key=False, key_lives=0, looks=(5, 30, 300))
NO_END = 10**6


def silent(scene: Scene, rules: GatewayRules) -> Plan:
    """A refund whose first call got no answer, and has not landed yet."""
    scene.platforms.rules = rules
    scene.bank.honours_key = rules.honours_key
    plan = scene.decided(scene.sell(a_course("c1")))
    scene.bank.moods = [Mood.SILENT_BEFORE]
    scene.wait(seconds=10)
    assert scene.states(plan) == [S.UNKNOWN]
    return plan


def goes_again(scene: Scene, rules: GatewayRules) -> Plan:
    """The look has found nothing, and the refund is about to be sent again."""
    plan = silent(scene, rules)
    (refund,) = scene.refunds(plan)
    while scene.states(plan) == [S.UNKNOWN]:
        scene.clock.advance(seconds=(due(scene, plan) - scene.clock.now()).total_seconds())
        scene.send(refund.id)
    assert scene.states(plan) == [S.RESERVED]
    return plan


def only(scene: Scene, plan: Plan) -> Refund:
    (refund,) = scene.refunds(plan)
    return refund


def due(scene: Scene, plan: Plan) -> datetime:
    at = only(scene, plan).wake_at
    assert at is not None
    return at


def it_lands(scene: Scene, plan: Plan) -> None:
    """The first call, whose answer was lost, is carried out there after all."""
    refund = only(scene, plan)
    scene.bank.paid.append(Paid("re-late", refund.key, refund.payment.ref, refund.amount))


def test_whoever_has_it_looked_at_again_and_again_makes_nothing_of_its_schedule_shorter(
    scene: Scene,
) -> None:
    plan = silent(scene, KEYLESS)
    for _ in range(9):
        scene.clock.advance(seconds=1)
        with scene.storage.begin(scene.tenant.id) as uow:
            uow.refunds.wake(only(scene, plan), scene.clock.now())
            uow.commit()
        scene.send(only(scene, plan).id)
    assert scene.states(plan) == [S.UNKNOWN]
    assert scene.bank.paid == []
    refund = only(scene, plan)
    assert (refund.looks, refund.wake_at) == (1, refund.send_at + timedelta(seconds=30))


def moves(scene: Scene, plan: Plan) -> list[str]:
    with scene.storage.read(scene.tenant.id) as uow:
        return [move.after for move in uow.refunds.moves(plan.id)]


def news(
    scene: Scene, plan: Plan, state: RefundStage = RefundStage.SUCCEEDED, refund: str = "re-late"
) -> PaymentRefunded:
    """With our own reference."""
    ours = only(scene, plan)
    now = scene.clock.now()
    return PaymentRefunded(ours.payment, refund, ours.amount, state, now, ours.key)


# --- never with a dead key ------------------------------------------------------------------------


def test_after_a_machine_was_off_longer_than_the_key_lives_it_is_looked_for_first(
    scene: Scene,
) -> None:
    plan = goes_again(scene, HOURS)
    it_lands(scene, plan)
    scene.bank.honours_key = False  # it forgets the key meanwhile
    scene.wait(hours=30)
    assert len(scene.bank.paid) == len(scene.bank.called("refund")) == 1
    assert scene.states(plan) == [S.SUCCEEDED]
    assert moves(scene, plan)[-3:] == ["reserved", "unknown", "succeeded"]


@pytest.mark.parametrize("rules", [HOURS, MINUTES])
@pytest.mark.parametrize("code", [ACCOUNT_RESTING, "rate_limited"])
def test_after_a_rest_longer_than_the_key_lives_it_is_looked_for_first(
    scene: Scene, rules: GatewayRules, code: str
) -> None:
    plan = silent(scene, rules)
    scene.bank.raises["refund"] = [RetryLater(code, after_seconds=300)] * NO_END
    scene.wait(seconds=5)
    it_lands(scene, plan)
    scene.bank.raises["look_up"] = [RetryLater(ACCOUNT_RESTING, after_seconds=300)] * NO_END
    over = scene.clock.now() + timedelta(seconds=rules.key_lives)
    while scene.clock.now() < over:
        scene.wait(minutes=10)
    scene.bank.honours_key = False
    scene.bank.raises.clear()
    scene.wait(minutes=10)
    assert len(scene.bank.paid) == 1
    assert scene.states(plan) == [S.SUCCEEDED]


@pytest.mark.parametrize(
    ("rules", "life"),
    [(HOURS, timedelta(hours=23)), (MINUTES, timedelta(minutes=15)), (KEYLESS, RESEND_LIMIT)],
)
@pytest.mark.parametrize("is_over", [False, True])
def test_it_goes_out_again_to_the_last_moment_of_its_time_and_no_later(
    scene: Scene, rules: GatewayRules, life: timedelta, is_over: bool
) -> None:
    plan = goes_again(scene, rules)
    last = only(scene, plan).send_at + life - timedelta(microseconds=1)
    scene.clock.at = last + timedelta(microseconds=is_over)
    scene.send(only(scene, plan).id)
    assert scene.states(plan) == [S.UNKNOWN if is_over else S.SUCCEEDED]
    assert len(scene.bank.called("refund")) == (1 if is_over else 2)


def test_where_the_gateway_no_longer_proves_that_nothing_moved_it_is_looked_for(
    scene: Scene,
) -> None:
    """A manifest may say so after an update, while the refund waits."""
    plan = goes_again(scene, KEYLESS)
    it_lands(scene, plan)
    scene.platforms.rules = GatewayRules(
        honours_key=False, key_lives=0, looks=KEYLESS.looks, sends_again=False
    )
    scene.work()
    assert len(scene.bank.paid) == len(scene.bank.called("refund")) == 1
    assert scene.states(plan) == [S.SUCCEEDED]


def test_a_resend_that_did_not_go_out_is_looked_for_before_the_next_one(scene: Scene) -> None:
    plan = goes_again(scene, KEYLESS)
    scene.bank.raises["refund"] = [RetryLater("rate_limited", after_seconds=60)]
    scene.work()
    refund = only(scene, plan)
    assert (refund.state, refund.looks, refund.reason) == (S.UNKNOWN, 0, "rate_limited")
    assert due(scene, plan) == scene.clock.now() + timedelta(seconds=60)
    looks = len(scene.bank.called("look_up"))
    scene.wait(seconds=60)
    scene.wait(seconds=25)
    assert scene.bank.called("refund") == [refund.key] * 2
    scene.wait(seconds=270)
    assert scene.bank.called("refund") == [refund.key] * 3
    assert len(scene.bank.called("look_up")) == looks + 3
    assert scene.states(plan) == [S.SUCCEEDED]
    assert len(scene.bank.paid) == 1


def test_what_waits_to_go_again_is_for_a_person_where_the_gateway_is_not_connected_any_more(
    scene: Scene,
) -> None:
    plan = goes_again(scene, HOURS)
    scene.platforms.lack(BANK, RefundsMoney)
    scene.work()
    assert moves(scene, plan)[-3:] == ["reserved", "unknown", "needs_person"]
    assert "may or may not have moved" in scene.mailer.sent[0].body


# --- every refund ends ----------------------------------------------------------------------------


@pytest.mark.parametrize("rules", [HOURS, MINUTES, KEYLESS])
@pytest.mark.parametrize(
    "error",
    [
        RetryLater("rate_limited"),
        RetryLater(ACCOUNT_RESTING, after_seconds=300),
        OutcomeUnknown("server_error"),
        Refused("right_missing"),
        NeedsHuman("odd"),
    ],
)
def test_a_resend_that_never_gets_through_ends_with_a_person(
    scene: Scene, rules: GatewayRules, error: MakegoodError
) -> None:
    plan = silent(scene, rules)
    scene.bank.raises["refund"] = [error] * NO_END
    for _ in range(3 * 24):
        if scene.states(plan) == [S.NEEDS_PERSON]:
            break
        scene.wait(hours=1)
    assert scene.states(plan) == [S.NEEDS_PERSON]
    (mail,) = scene.mailer.sent
    assert "may or may not have moved" in mail.body
    assert not {"refused", "manual"} & set(moves(scene, plan))
    assert scene.bank.paid == []


def test_looks_that_are_never_made_since_the_account_rests_end_with_a_person(
    scene: Scene,
) -> None:
    plan = silent(scene, HOURS)
    scene.bank.raises["look_up"] = [RetryLater(ACCOUNT_RESTING, after_seconds=300)] * NO_END
    scene.wait(seconds=UNASKED_LIMIT.total_seconds() - 10)
    assert scene.states(plan) == [S.UNKNOWN]
    scene.wait(seconds=300)
    assert scene.states(plan) == [S.NEEDS_PERSON]
    assert "may or may not have moved" in scene.mailer.sent[0].body


# --- no hammering ---------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OutcomeUnknown("server_error"), RetryLater("rate_limited")])
def test_a_gateway_that_fails_at_the_refund_and_answers_the_look_is_asked_ever_more_rarely(
    scene: Scene, error: MakegoodError
) -> None:
    """Its breaker stays closed: each look is an answer."""
    plan = silent(scene, HOURS)
    scene.bank.raises["refund"] = [error] * NO_END
    sent = []
    for _ in range(12):
        scene.wait(seconds=(due(scene, plan) - scene.clock.now()).total_seconds())
        sent.append((due(scene, plan) - scene.clock.now()).total_seconds())
    assert sent == sorted(sent)
    assert sent[-1] == LONGEST_WAIT.total_seconds()
    first_half_hour = [at for n in range(12) if (at := sum(sent[:n])) < 1800]
    assert len(first_half_hour) < 12
    assert len(scene.bank.called("refund")) == len(scene.bank.called("look_up")) + 1 == 13


def test_silence_after_a_first_call_is_looked_up_as_soon_as_the_gateway_says(
    scene: Scene,
) -> None:
    """However often it was tried before and did not go out: nobody waits for a grown time then."""
    scene.platforms.rules = HOURS
    plan = scene.decided(scene.sell(a_course("c1")))
    scene.bank.moods = [*[Mood.BUSY] * 9, Mood.SILENT_AFTER]
    while scene.states(plan) != [S.UNKNOWN]:
        scene.wait(seconds=(due(scene, plan) - scene.clock.now()).total_seconds())
    assert due(scene, plan) == scene.clock.now() + timedelta(seconds=HOURS.looks[0])


# --- a no that is none ----------------------------------------------------------------------------


@pytest.mark.parametrize("error", [Refused("key_refused"), NeedsHuman("odd")])
def test_a_call_that_is_not_let_through_says_nothing_of_the_one_before(
    scene: Scene, error: MakegoodError
) -> None:
    """The key was revoked in between: the money may have gone out with the first call."""
    plan = goes_again(scene, HOURS)
    it_lands(scene, plan)
    scene.bank.raises["refund"] = [error]
    scene.work()
    refund = only(scene, plan)
    assert (refund.state, refund.reason) == (S.UNKNOWN, error.code)
    assert scene.mailer.sent == []
    scene.wait(minutes=1)
    assert scene.states(plan) == [S.SUCCEEDED]
    assert len(scene.bank.paid) == 1


# --- news of it while it waits to go again --------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "state"),
    [
        (RefundStage.SUCCEEDED, S.SUCCEEDED),
        (RefundStage.PENDING, S.PENDING),
        (RefundStage.FAILED, S.REFUSED),
    ],
)
def test_news_with_our_own_reference_settle_what_was_to_be_sent_again(
    scene: Scene, told: RefundStage, state: RefundState
) -> None:
    plan = goes_again(scene, KEYLESS)
    it_lands(scene, plan)
    scene.bank.paid[0].state = told.value
    assert scene.apply(news(scene, plan, told), at=BANK) == Applied()
    assert moves(scene, plan)[-3:] == ["reserved", "unknown", state.value]
    scene.work()
    assert only(scene, plan).state is state
    assert len(scene.bank.called("refund")) == len(scene.bank.paid) == 1
    assert len(facts(scene, Refunded)) == (1 if state is S.SUCCEEDED else 0)


def test_news_with_our_own_reference_settle_what_was_thought_not_sent(scene: Scene) -> None:
    """Without keys it would be paid again."""
    scene.platforms.rules = KEYLESS
    scene.bank.honours_key = False
    plan = scene.decided(scene.sell(a_course("c1")))
    scene.bank.moods = [Mood.BUSY]
    scene.wait(seconds=10)
    assert (only(scene, plan).state, only(scene, plan).looks) == (S.RESERVED, 0)
    it_lands(scene, plan)
    assert scene.apply(news(scene, plan), at=BANK) == Applied()
    scene.wait(hours=1)
    assert scene.states(plan) == [S.SUCCEEDED]
    assert len(scene.bank.called("refund")) == len(scene.bank.paid) == 1


def test_news_wait_where_somebody_else_moves_the_refund_at_that_moment(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = goes_again(scene, HOURS)
    with monkeypatch.context() as patch:
        patch.setattr("plugin.storage.refund_rows.RefundRows.move", lambda *_: False)
        assert isinstance(scene.apply(news(scene, plan), at=BANK), MustWait)
    assert scene.states(plan) == [S.RESERVED]
    assert scene.apply(news(scene, plan), at=BANK) == Applied()
    assert scene.states(plan) == [S.SUCCEEDED]
