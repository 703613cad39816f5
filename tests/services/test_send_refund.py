"""Sending: never two calls that pay, whatever dies or stays silent; silence is unknown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from plugin.domain.errors import (
    ACCOUNT_RESTING,
    InvalidInput,
    NeedsHuman,
    OutcomeUnknown,
    Refused,
    RetryLater,
)
from plugin.domain.events import DisputeNews
from plugin.domain.ids import RefundId
from plugin.domain.orders import DisputeStage
from plugin.domain.plan import Plan
from plugin.domain.refunds import OVER, GatewayRules, RefundState
from plugin.platforms.manifest import Timeouts
from plugin.ports import RefundsMoney
from plugin.ports.records import InstallationStatus, RefundMove
from plugin.services.send_refund import BEGIN_WITHIN, BUSY, PATIENCE, SendRefund
from tests.factories import BANK, a_course, a_payment_ref, an_installation, eur, soon
from tests.fakes.crashes import Crash, Crashes, CrashingPort, CrashingStorage
from tests.fakes.platforms import Mood
from tests.services.scene import Scene, sale

KEYLESS = GatewayRules(honours_key=False, key_lives=0, looks=(5, 30, 300))


def dispute(order: str = "10412") -> DisputeNews:
    return DisputeNews(
        a_payment_ref(f"pay-{order}"), "dp-1", eur(4900), DisputeStage.OPEN, soon(seconds=3)
    )


def decided(scene: Scene, *moods: Mood) -> Plan:
    plan = scene.decided(scene.sell(a_course()))
    scene.bank.moods = list(moods)
    return plan


def moves(scene: Scene, plan: Plan) -> list[str]:
    with scene.storage.read(scene.tenant.id) as uow:
        return [move.after for move in uow.refunds.moves(plan.id)]


def test_a_refund_goes_out_when_its_ten_seconds_are_over(scene: Scene) -> None:
    plan = decided(scene)
    scene.wait(seconds=9.9)
    assert scene.bank.paid == []
    scene.wait(seconds=0.1)
    assert [paid.amount for paid in scene.bank.paid] == [eur(4900)]
    assert moves(scene, plan) == ["reserved", "submitting", "succeeded"]
    (refund,) = scene.refunds(plan)
    assert (refund.gateway_ref, refund.reason, refund.wake_at) == ("re-1", "ARN-1", None)


def test_the_row_says_submitting_before_the_gateway_hears_of_it(scene: Scene) -> None:
    plan = decided(scene)
    seen: list[RefundState] = []
    scene.bank.before_paying = lambda: seen.extend(scene.states(plan))
    scene.wait(seconds=10)
    assert seen == [RefundState.SUBMITTING]


def test_the_key_names_the_refund_and_its_attempt(scene: Scene) -> None:
    plan = decided(scene)
    scene.wait(seconds=10)
    (refund,) = scene.refunds(plan)
    assert scene.bank.called("refund") == [f"mg-{refund.id}-a1"]


def test_a_refund_that_nobody_knows_or_that_is_not_due_is_left_alone(scene: Scene) -> None:
    plan = decided(scene)
    scene.send(RefundId("nobody"))
    (refund,) = scene.refunds(plan)
    scene.send(refund.id)
    scene.wait(seconds=10)
    scene.send(refund.id)
    assert len(scene.bank.paid) == 1


def test_a_worker_that_stood_still_between_its_claim_and_its_call_makes_no_call(
    scene: Scene,
) -> None:
    """Meanwhile another may have taken the refund over, and sent it."""
    plan = decided(scene)
    scene.clock.advance(seconds=10)
    (refund,) = scene.refunds(plan)

    @dataclass
    class StandingStill:
        """It does so once it has claimed: after the second time that it asks."""

        times: int = 0

        def now(self) -> datetime:
            self.times += 1
            stood = BEGIN_WITHIN + timedelta(seconds=1)
            return scene.clock.at + (stood if self.times > 2 else timedelta())

    SendRefund(scene.storage, scene.platforms, StandingStill())(scene.tenant.id, refund.id)

    assert scene.bank.called("refund") == []
    assert moves(scene, plan) == ["reserved", "submitting", "reserved"]
    scene.wait(seconds=120)
    assert scene.states(plan) == [RefundState.SUCCEEDED]


def test_a_call_that_may_begin_is_over_before_the_refund_counts_as_interrupted() -> None:
    """With the deadline of a whole call that is the usual one."""
    assert BEGIN_WITHIN + timedelta(seconds=Timeouts().total) < BUSY


# --- silence --------------------------------------------------------------------------------------


def test_a_lost_answer_is_unknown_and_found_by_looking(scene: Scene) -> None:
    plan = decided(scene, Mood.SILENT_AFTER)
    scene.wait(seconds=10)
    assert scene.states(plan) == [RefundState.UNKNOWN]
    assert scene.owed() == set()  # no fact yet, of the sale either
    scene.wait(seconds=5)
    assert scene.states(plan) == [RefundState.SUCCEEDED]
    assert len(scene.bank.called("refund")) == len(scene.bank.paid) == 1


def test_what_is_not_found_is_sent_again_with_the_same_key(scene: Scene) -> None:
    plan = decided(scene, Mood.SILENT_BEFORE)
    scene.wait(seconds=10)
    scene.wait(seconds=5)
    assert scene.states(plan) == [RefundState.SUCCEEDED]
    first, second = scene.bank.called("refund")
    assert first == second
    assert len(scene.bank.paid) == 1


def test_without_keys_it_is_sent_again_only_after_every_look_was_in_vain(scene: Scene) -> None:
    scene.platforms.rules = KEYLESS
    scene.bank.honours_key = False
    plan = decided(scene, Mood.SILENT_BEFORE)
    scene.wait(seconds=10)
    scene.wait(seconds=5)
    scene.wait(seconds=30)
    assert scene.states(plan) == [RefundState.UNKNOWN]
    assert len(scene.bank.called("refund")) == 1
    scene.wait(seconds=300)
    assert scene.states(plan) == [RefundState.SUCCEEDED]
    assert len(scene.bank.paid) == 1


@pytest.mark.parametrize(
    "error",
    [
        RetryLater("busy"),
        OutcomeUnknown("slow"),
        Refused("no_key"),
        NeedsHuman("odd"),
        InvalidInput("amount", "give digits"),
    ],
)
def test_a_look_up_that_fails_says_nothing_about_the_money(scene: Scene, error: Exception) -> None:
    plan = decided(scene, Mood.SILENT_AFTER)
    scene.bank.raises["look_up"] = [error]
    scene.wait(seconds=10)
    scene.wait(seconds=5)
    assert scene.states(plan) == [RefundState.UNKNOWN]
    scene.wait(seconds=30)
    assert scene.states(plan) == [RefundState.SUCCEEDED]


def test_what_cannot_be_used_of_an_answer_is_unknown_and_found_by_looking(scene: Scene) -> None:
    plan = decided(scene)
    scene.bank.raises["refund"] = [InvalidInput("amount", "give digits")]
    scene.wait(seconds=10)
    assert scene.states(plan) == [RefundState.UNKNOWN]
    scene.wait(seconds=5)
    assert scene.states(plan) == [RefundState.SUCCEEDED]
    assert len(scene.bank.paid) == 1


def test_a_look_up_that_can_never_be_made_ends_with_a_person(scene: Scene) -> None:
    plan = decided(scene, Mood.SILENT_AFTER)
    scene.bank.raises["look_up"] = [Refused("key_unusable")] * 200
    scene.wait(seconds=10)
    while scene.states(plan) == [RefundState.UNKNOWN]:
        scene.wait(hours=1)
    assert scene.states(plan) == [RefundState.NEEDS_PERSON]


def test_two_refunds_under_one_key_are_for_a_person(scene: Scene) -> None:
    plan = decided(scene, Mood.SILENT_AFTER)
    scene.wait(seconds=10)
    scene.bank.paid.append(replace(scene.bank.paid[0], ref="re-other"))
    scene.wait(seconds=5)
    assert scene.states(plan) == [RefundState.NEEDS_PERSON]
    assert "A person must look" in scene.mailer.sent[0].subject


def test_a_fault_of_ours_in_the_middle_of_a_call_is_silence(scene: Scene) -> None:
    plan = decided(scene, Mood.FAULT)
    (refund,) = scene.refunds(plan)
    scene.clock.advance(seconds=10)
    with pytest.raises(ZeroDivisionError):
        scene.send(refund.id)
    assert scene.states(plan) == [RefundState.SUBMITTING]
    scene.wait(seconds=BUSY.total_seconds() - 1)
    assert scene.states(plan) == [RefundState.SUBMITTING]
    scene.wait(seconds=1)
    assert scene.states(plan) == [RefundState.UNKNOWN]
    scene.wait(seconds=2)
    assert scene.states(plan) == [RefundState.SUCCEEDED]
    assert len(scene.bank.paid) == 1


def test_a_call_that_outlives_its_time_is_not_settled_twice(scene: Scene) -> None:
    """While the call hangs, another worker takes it for dead; its late answer changes nothing."""
    plan = decided(scene)
    (refund,) = scene.refunds(plan)
    scene.clock.advance(seconds=10)

    def hang() -> None:
        scene.bank.before_paying = None
        scene.clock.advance(seconds=BUSY.total_seconds())
        scene.send(refund.id)
        assert scene.states(plan) == [RefundState.UNKNOWN]

    scene.bank.before_paying = hang
    scene.send(refund.id)
    assert scene.states(plan) == [RefundState.UNKNOWN]
    scene.wait(seconds=2)
    assert scene.states(plan) == [RefundState.SUCCEEDED]
    assert len(scene.bank.paid) == 1


# --- other answers --------------------------------------------------------------------------------


def test_a_refusal_is_told_and_frees_the_amount(scene: Scene) -> None:
    plan = decided(scene, Mood.NO)
    scene.wait(seconds=10)
    assert scene.states(plan) == [RefundState.REFUSED]
    (mail,) = scene.mailer.sent
    assert "card closed" in mail.body
    assert "No money has moved" in mail.body
    (note,) = scene.desk.notes
    assert "did not go through" in note.body
    order = scene.shop.orders["10412"]
    assert scene.plan(order).amount == eur(4900)


def test_what_the_gateway_leaves_to_a_person_waits_for_her(scene: Scene) -> None:
    plan = decided(scene, Mood.BY_HAND)
    scene.wait(seconds=10)
    (refund,) = scene.refunds(plan)
    assert (refund.state, refund.wake_at) == (RefundState.MANUAL, None)
    assert refund.reason == "too_old_for_the_api"


def test_a_pending_refund_is_looked_at_until_it_is_through(scene: Scene) -> None:
    plan = decided(scene, Mood.PENDING)
    scene.wait(seconds=10)
    assert scene.states(plan) == [RefundState.PENDING]
    scene.wait(hours=1)
    assert scene.states(plan) == [RefundState.PENDING]
    scene.bank.paid[0].state = "succeeded"
    scene.wait(hours=1)
    assert scene.states(plan) == [RefundState.SUCCEEDED]
    assert len(scene.bank.called("refund")) == 1


def test_a_pending_refund_that_fails_is_refused(scene: Scene) -> None:
    plan = decided(scene, Mood.PENDING)
    scene.wait(seconds=10)
    scene.bank.paid[0].state = "failed"
    scene.wait(hours=1)
    assert scene.states(plan) == [RefundState.REFUSED]


def test_what_certainly_was_not_sent_is_sent_later_and_later(scene: Scene) -> None:
    plan = decided(scene, *[Mood.BUSY] * 12)
    scene.wait(seconds=10)
    waits = []
    while scene.states(plan) == [RefundState.RESERVED]:
        (refund,) = scene.refunds(plan)
        assert refund.wake_at is not None
        waits.append((refund.wake_at - scene.clock.now()).total_seconds())
        scene.wait(seconds=waits[-1])
    assert waits == [7, 7, 7, 8, 16, 32, 64, 128, 256, 512, 600, 600]
    assert scene.states(plan) == [RefundState.SUCCEEDED]
    assert len(scene.bank.paid) == 1


def test_what_could_not_be_sent_for_days_is_withdrawn_and_told(scene: Scene) -> None:
    plan = decided(scene, Mood.BUSY)
    scene.wait(seconds=10)
    scene.wait(seconds=PATIENCE.total_seconds() + 1)
    assert scene.states(plan) == [RefundState.WITHDRAWN]
    assert "could not be reached for days" in scene.mailer.sent[0].body


# --- an account that rests ------------------------------------------------------------------------


def test_a_refund_whose_account_rests_stays_reserved_and_is_never_unknown(scene: Scene) -> None:
    plan = decided(scene)
    scene.bank.raises["refund"] = [RetryLater(ACCOUNT_RESTING, after_seconds=300)] * 3
    scene.wait(seconds=10)
    for _ in range(2):
        scene.wait(seconds=299)
        assert scene.states(plan) == [RefundState.RESERVED]
        scene.wait(seconds=1)
    scene.wait(seconds=300)
    assert scene.states(plan) == [RefundState.SUCCEEDED]
    assert "unknown" not in moves(scene, plan)
    assert len(scene.bank.paid) == 1


@pytest.mark.parametrize("mood", [Mood.SILENT_AFTER, Mood.PENDING])
def test_a_look_that_was_not_made_since_the_account_rests_counts_as_none(
    scene: Scene, mood: Mood
) -> None:
    scene.platforms.rules = KEYLESS
    plan = decided(scene, mood)
    scene.wait(seconds=10)
    before = scene.states(plan)
    scene.bank.raises["look_up"] = [RetryLater(ACCOUNT_RESTING, after_seconds=300)] * 20
    scene.wait(hours=1)
    for _ in range(20):
        (refund,) = scene.refunds(plan)
        assert ([refund.state], refund.looks) == (before, 0)
        scene.wait(seconds=300)
    scene.bank.paid[0].state = "succeeded"
    scene.wait(hours=1)
    assert scene.states(plan) == [RefundState.SUCCEEDED]
    assert len(scene.bank.paid) == 1


# --- what forbids sending -------------------------------------------------------------------------


def test_a_dispute_within_the_ten_seconds_withdraws_the_refund(scene: Scene) -> None:
    plan = decided(scene)
    scene.apply(dispute())
    scene.wait(seconds=10)
    assert scene.states(plan) == [RefundState.WITHDRAWN]
    assert scene.bank.called("refund") == []
    assert "opened a dispute" in scene.mailer.sent[0].body
    assert "No money has moved" in scene.mailer.sent[0].body


def test_a_dispute_never_withdraws_what_may_have_been_sent(scene: Scene) -> None:
    plan = decided(scene, Mood.SILENT_BEFORE, Mood.BUSY)
    scene.wait(seconds=10)
    scene.wait(seconds=5)
    assert scene.states(plan) == [RefundState.UNKNOWN]
    scene.apply(dispute())
    scene.wait(minutes=1)
    assert scene.states(plan) == [RefundState.UNKNOWN]
    scene.bank.refund(scene.refunds(plan)[0])  # the first call lands after all
    scene.wait(hours=1)
    assert scene.states(plan) == [RefundState.SUCCEEDED]


def remove_bank(scene: Scene) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.installations.save(an_installation(BANK, status=InstallationStatus.REMOVED))
        uow.commit()


def lose_ability(scene: Scene) -> None:
    scene.platforms.lack(BANK, RefundsMoney)


@pytest.mark.parametrize("lose", [remove_bank, lose_ability])
def test_without_a_gateway_nothing_is_called_and_people_are_told(
    scene: Scene, lose: Callable[[Scene], None]
) -> None:
    plan = decided(scene)
    lose(scene)
    scene.wait(seconds=10)
    assert scene.states(plan) == [RefundState.WITHDRAWN]
    assert scene.bank.called("refund") == []
    assert "not connected" in scene.mailer.sent[0].body


@pytest.mark.parametrize("mood", [Mood.SILENT_AFTER, Mood.PENDING])
def test_what_was_sent_before_the_gateway_was_removed_is_for_a_person(
    scene: Scene, mood: Mood
) -> None:
    plan = decided(scene, mood)
    scene.wait(seconds=10)
    remove_bank(scene)
    scene.wait(hours=1)
    assert scene.states(plan) == [RefundState.NEEDS_PERSON]
    assert scene.bank.called("look_up") == []
    assert "may or may not have moved" in scene.mailer.sent[0].body


def test_what_may_have_been_sent_is_never_called_withdrawn_without_a_gateway(
    scene: Scene,
) -> None:
    plan = decided(scene, Mood.SILENT_BEFORE, Mood.BUSY)
    scene.wait(seconds=10)
    scene.wait(seconds=5)
    remove_bank(scene)
    for _ in range(4):
        scene.wait(minutes=1)
    assert moves(scene, plan)[-3:] == ["submitting", "unknown", "needs_person"]


def test_a_row_with_a_time_but_nothing_to_do_is_left_alone(scene: Scene) -> None:
    plan = decided(scene, Mood.BY_HAND)
    scene.wait(seconds=10)
    (manual,) = scene.refunds(plan)
    with scene.storage.begin(scene.tenant.id) as uow:
        nothing = RefundMove(manual.id, "manual", "manual", scene.clock.now(), "test")
        uow.refunds.move(manual, replace(manual, wake_at=scene.clock.now()), nothing)
        uow.commit()
    scene.send(manual.id)
    assert scene.states(plan) == [RefundState.MANUAL]
    assert len(scene.bank.called("refund")) == 1


def test_whoever_comes_second_does_not_send(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = decided(scene)
    scene.clock.advance(seconds=10)
    (refund,) = scene.refunds(plan)
    with monkeypatch.context() as patch:
        patch.setattr("plugin.storage.refund_rows.RefundRows.move", lambda *_: False)
        scene.send(refund.id)
    assert scene.bank.called("refund") == []


MOODS = (Mood.PLAIN, Mood.SILENT_AFTER, Mood.SILENT_BEFORE, Mood.PENDING)

# --- crashes --------------------------------------------------------------------------------------


def walk_through(scene: Scene, plan: Plan, crashes: Crashes) -> bool:
    """One process works until it dies, others finish. True when the first one died."""
    (refund,) = scene.refunds(plan)
    storage = CrashingStorage(scene.storage, crashes)
    platforms = replace(scene.platforms)
    platforms.adapters = {**platforms.adapters, BANK: CrashingPort(scene.bank, crashes)}
    doomed = SendRefund(storage, platforms, scene.clock)
    died = False
    for _ in range(60):
        scene.clock.advance(seconds=BUSY.total_seconds())
        try:
            (doomed if not died else SendRefund(scene.storage, scene.platforms, scene.clock))(
                scene.tenant.id, refund.id
            )
        except Crash:
            died = True
        if scene.states(plan)[0] in (*OVER, RefundState.PENDING):
            break
    return died


@pytest.mark.parametrize("honours_key", [True, False])
@pytest.mark.parametrize(
    ("database_kind", "mood"),
    [("sqlite", mood) for mood in MOODS] + [("postgresql", Mood.SILENT_AFTER)],
)
def test_a_process_that_dies_at_any_point_never_pays_twice_and_never_loses(
    scene: Scene, mood: Mood, honours_key: bool
) -> None:
    if not honours_key:
        scene.platforms.rules = replace(KEYLESS, looks=(5, 30))
        scene.bank.honours_key = False
    died, at = True, 0
    while died:
        at += 1
        ref = f"order-{at}"
        order = sale(a_course(), ref=ref, bought_at=scene.clock.now())
        plan = scene.decided(scene.sell(order=order))
        scene.bank.moods = [mood]
        died = walk_through(scene, plan, Crashes(at))
        for paid in scene.bank.paid:
            paid.state = "succeeded"
        (refund,) = scene.refunds(plan)
        for _ in range(8):
            scene.clock.advance(hours=1)
            scene.send(refund.id)
        (refund,) = scene.refunds(plan)
        assert refund.state is RefundState.SUCCEEDED
        assert [p.payment for p in scene.bank.paid].count(f"pay-{ref}") == 1, f"point {at}"
    assert at > 6
