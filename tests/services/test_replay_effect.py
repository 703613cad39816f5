"""Putting effects back in line: nothing twice, nothing undone, whoever presses how often."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from plugin.domain.effects import (
    AddTicketNote,
    Effect,
    EffectState,
    PlannedEffect,
    RevokeAccess,
    TellOwner,
    access_key,
    run_key,
)
from plugin.domain.errors import OutcomeUnknown, Refused, RetryLater
from plugin.domain.events import SaleMade
from plugin.domain.ids import EffectKey, RunId, TicketId
from plugin.ports.records import Run, RunState
from plugin.services.replay_effect import ReplayEffect
from plugin.services.replaying import NotReplayable, Replay, Replayed, WhyNot
from plugin.services.retry_plan import RETRIES
from tests.factories import CUSTOMER, DESK, EMAIL, NOW, a_course
from tests.services.scene import Scene, sale

RUN = RunId("run-1")
COURSE = a_course("c1")
TAKE = RevokeAccess(COURSE)
MAIL = TellOwner("Look", "A person must look.")
NOTE = AddTicketNote(DESK, TicketId("77"), "Refunded 49.00 EUR.", ())


def a_run(scene: Scene, *effects: Effect) -> list[EffectKey]:
    """A run of these effects that was worked on once. Returns their keys."""
    planned = [
        PlannedEffect(
            access_key(CUSTOMER, effect.resource, 1)
            if isinstance(effect, RevokeAccess)
            else run_key(RUN, str(place)),
            place,
            effect,
        )
        for place, effect in enumerate(effects)
    ]
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.effects.add_run(Run(RUN, CUSTOMER, "plan plan-1", RunState.WAITING, NOW), planned, NOW)
        uow.commit()
    scene.work()
    return [one.key for one in planned]


def replay(scene: Scene, key: EffectKey, *, although_it_may_repeat: bool = False) -> Replay:
    use_case = ReplayEffect(scene.storage, scene.clock)
    return use_case(scene.tenant.id, key, "Kim", although_it_may_repeat=although_it_may_repeat)


def states(scene: Scene) -> list[EffectState]:
    return [effect.state for effect in scene.effects(RUN)]


def the_run(scene: Scene) -> Run:
    with scene.storage.read(scene.tenant.id) as uow:
        run = uow.effects.run(RUN)
    assert run is not None
    return run


@pytest.fixture
def stuck(scene: Scene) -> EffectKey:
    """A course that the store refused to take away; it would not refuse again."""
    scene.shop.held[EMAIL] |= {COURSE}
    scene.shop.raises["revoke"] = [Refused("right_missing")]
    (key,) = a_run(scene, TAKE)
    assert states(scene) == [EffectState.NEEDS_PERSON]
    assert the_run(scene).state is RunState.DONE
    return key


def test_an_effect_that_needs_a_person_is_done_after_all(scene: Scene, stuck: EffectKey) -> None:
    assert replay(scene, stuck) == Replayed()
    scene.work()
    assert states(scene) == [EffectState.DONE]
    assert scene.held() == set()
    assert the_run(scene).state is RunState.DONE


def test_it_has_all_its_attempts_before_it(scene: Scene, stuck: EffectKey) -> None:
    for _ in range(2):
        scene.shop.raises["revoke"] = [RetryLater("busy")] * (len(RETRIES) + 1)
        assert replay(scene, stuck) == Replayed()
        scene.work()
        while states(scene) == [EffectState.WAITING]:
            scene.wait(hours=30)
        (effect,) = scene.effects(RUN)
        assert (effect.state, effect.attempts) == (EffectState.NEEDS_PERSON, len(RETRIES) + 1)


def test_who_replayed_what_stands_in_the_audit_trail(scene: Scene, stuck: EffectKey) -> None:
    replay(scene, stuck)
    with scene.storage.read(scene.tenant.id) as uow:
        entry = uow.audit.entries(0, 99)[-1]
    assert (entry.actor, entry.action, entry.subject) == ("Kim", "effect.replayed", stuck)
    assert entry.details == {
        "kind": "RevokeAccess",
        "run": RUN,
        "was": "needs_person",
        "outcome": "right_missing",
    }


def test_of_two_people_at_once_one_replays_it(scene: Scene, stuck: EffectKey) -> None:
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda _: replay(scene, stuck), range(8)))
    assert outcomes.count(Replayed()) == 1
    assert outcomes.count(NotReplayable(WhyNot.IN_LINE)) == 7
    scene.work()
    assert scene.shop.called("revoke") == ["c1", "c1"]
    assert scene.audited().count("effect.replayed") == 1
    assert replay(scene, stuck) == NotReplayable(WhyNot.DONE)


def test_what_there_is_not_cannot_be_replayed(scene: Scene) -> None:
    assert replay(scene, EffectKey("nobody")) == NotReplayable(WhyNot.NOT_THERE)


@pytest.mark.parametrize("again", [True, False])
def test_what_is_done_is_not_done_again(scene: Scene, again: bool) -> None:
    if again:
        scene.shop.held[EMAIL] |= {COURSE}
    (key,) = a_run(scene, TAKE)
    for although in (True, False):
        outcome = replay(scene, key, although_it_may_repeat=although)
        assert outcome == NotReplayable(WhyNot.DONE)
    scene.wait(days=1)
    assert scene.shop.called("revoke") == ["c1"]
    assert "effect.replayed" not in scene.audited()


def test_what_waits_keeps_its_place(scene: Scene) -> None:
    scene.shop.raises["revoke"] = [RetryLater("busy")]
    (key,) = a_run(scene, TAKE)
    before = the_run(scene)
    assert replay(scene, key) == NotReplayable(WhyNot.IN_LINE)
    assert the_run(scene) == before


def test_what_a_later_change_has_overtaken_is_not_made(scene: Scene, stuck: EffectKey) -> None:
    """Bought again since: to take it away now would undo the sale."""
    scene.apply(SaleMade(sale(COURSE, ref="again", days=0)), "again")
    scene.work()
    assert scene.held() == {"c1"}
    assert replay(scene, stuck) == Replayed()
    scene.work()
    assert scene.held() == {"c1"}
    assert [e.outcome for e in scene.effects(RUN)] == ["overtaken"]
    assert scene.shop.called("revoke") == ["c1"]


def test_a_mail_that_may_have_gone_out_is_sent_again_only_when_a_person_says_so(
    scene: Scene,
) -> None:
    scene.mailer.raises["send"] = [OutcomeUnknown("mail_server_quiet")]
    (key,) = a_run(scene, MAIL)
    assert states(scene) == [EffectState.UNKNOWN]
    assert replay(scene, key) == NotReplayable(WhyNot.MAY_REPEAT)
    scene.wait(days=1)
    assert scene.mailer.sent == []
    assert replay(scene, key, although_it_may_repeat=True) == Replayed()
    scene.work()
    assert [mail.message_id for mail in scene.mailer.sent] == [key]
    assert states(scene) == [EffectState.DONE]


def test_a_note_that_stands_there_already_is_not_written_again(scene: Scene) -> None:
    scene.desk.raises["add_note"] = [Refused("ticket_closed")]
    (key,) = a_run(scene, NOTE)
    assert states(scene) == [EffectState.NEEDS_PERSON]
    scene.desk.add_note(TicketId("77"), "as it arrived", (), key)
    assert replay(scene, key) == Replayed()
    scene.work()
    assert states(scene) == [EffectState.ALREADY]
    assert len(scene.desk.notes) == 1


def test_a_run_that_a_worker_may_be_at_is_not_begun_a_second_time(scene: Scene) -> None:
    """Its mail is on its way while another effect is replayed: nobody must take it for lost."""
    scene.shop.raises["revoke"] = [Refused("right_missing")]
    keys: list[EffectKey] = []
    send = scene.mailer.send

    def meanwhile(to: str, subject: str, body: str, message_id: str) -> None:
        key = access_key(CUSTOMER, COURSE, 1)
        assert replay(scene, key) == Replayed()
        assert [work.wakes for work in scene.storage.due(scene.clock.now(), 9)] == [0]
        keys.append(key)
        send(to, subject, body, message_id)

    scene.mailer.send = meanwhile  # type: ignore[method-assign]  # the same call
    a_run(scene, TAKE, MAIL)
    assert keys
    assert states(scene) == [EffectState.WAITING, EffectState.DONE]
    scene.wait(seconds=5)
    assert states(scene) == [EffectState.ALREADY, EffectState.DONE]
    assert len(scene.mailer.sent) == 1


def test_a_run_that_sleeps_for_long_is_woken(scene: Scene) -> None:
    scene.shop.raises["revoke"] = [Refused("right_missing"), *[RetryLater("busy")] * 9]
    key, _ = a_run(scene, TAKE, RevokeAccess(a_course("c2")))
    for _ in range(7):
        scene.wait(hours=4)
    wake_at = the_run(scene).wake_at
    assert wake_at is not None
    assert (wake_at - scene.clock.now()).total_seconds() > 3600
    scene.shop.raises["revoke"].clear()
    assert replay(scene, key) == Replayed()
    scene.work()
    assert states(scene)[0] is EffectState.ALREADY
