"""Closing what a person did by hand: once, written down, and out of all that waits for a person."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from plugin.domain.effects import (
    AddTicketNote,
    Effect,
    EffectState,
    PlannedEffect,
    RevokeAccess,
    TellOwner,
    VerifyAccess,
    access_key,
    run_key,
)
from plugin.domain.errors import OutcomeUnknown, Refused, RetryLater
from plugin.domain.ids import DeliveryId, EffectKey, RunId, TicketId
from plugin.ports.records import (
    DONE_BY_HAND,
    NOT_APPLIED,
    DeliveryState,
    Run,
    RunState,
    StoredDelivery,
)
from plugin.services.close_by_hand import (
    Closed,
    CloseDelivery,
    CloseEffect,
    Closing,
    NotClosable,
)
from plugin.services.replay_delivery import ReplayDelivery
from plugin.services.replay_effect import ReplayEffect
from plugin.services.replaying import NotReplayable, Replayed, WhyNot
from plugin.storage.gauges import read_gauges
from tests.factories import CUSTOMER, DESK, EMAIL, NOW, STORE, a_course, a_delivery
from tests.services.scene import Scene

REF = a_delivery().id
RUN = RunId("run-1")
COURSE = a_course("c1")
TAKE = RevokeAccess(COURSE)
MAIL = TellOwner("Look", "A person must look.")


# --- deliveries -----------------------------------------------------------------------------------


def keep(scene: Scene, state: DeliveryState, wake_at: timedelta | None = None) -> None:
    at = None if wake_at is None else NOW + wake_at
    one = replace(a_delivery(), state=state, wake_at=at, topic="customers/redact", attempts=3)
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.deliveries.add(replace(one, reason="erase customer 77 within 30 days"))
        uow.commit()


def close_delivery(scene: Scene, ref: DeliveryId = REF) -> Closing:
    return CloseDelivery(scene.storage, scene.clock)(scene.tenant.id, ref, "Kim")


def replay_delivery(scene: Scene) -> object:
    return ReplayDelivery(scene.storage, scene.clock)(scene.tenant.id, REF, "Kim")


def stored(scene: Scene) -> StoredDelivery:
    with scene.storage.read(scene.tenant.id) as uow:
        found = uow.deliveries.get(REF)
    assert found is not None
    return found


def dead_letters(engine: Engine, kind: str) -> float:
    """What the documented alert looks at."""
    [found] = [
        one.value
        for one in read_gauges(engine, NOW)
        if one.series == "makegood_dead_letters" and one.labels == (kind,)
    ]
    return found


@pytest.mark.parametrize("state", NOT_APPLIED, ids=str)
def test_a_delivery_that_ended_badly_is_closed(
    scene: Scene, engine: Engine, state: DeliveryState
) -> None:
    keep(scene, state)
    assert dead_letters(engine, "delivery") == 1
    assert close_delivery(scene) == Closed()
    after = stored(scene)
    assert (after.state, after.reason, after.wake_at) == (
        DeliveryState.IGNORED,
        DONE_BY_HAND,
        None,
    )
    assert (after.topic, after.attempts, after.is_closed) == ("customers/redact", 3, True)
    with scene.storage.read(scene.tenant.id) as uow:
        assert uow.deliveries.not_applied(9) == []
        assert uow.tallies.not_applied(9) == {}
        entry = uow.audit.entries(0, 99)[-1]
    assert dead_letters(engine, "delivery") == 0
    assert scene.storage.due(NOW + timedelta(days=99), 9) == []
    assert (entry.actor, entry.action, entry.subject) == ("Kim", "delivery.closed", REF)
    assert entry.details == {"was": state, "reason": "erase customer 77 within 30 days"}


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (DeliveryState.RECEIVED, WhyNot.IN_LINE),
        (DeliveryState.WAITING, WhyNot.IN_LINE),
        (DeliveryState.APPLIED, WhyNot.DONE),
        (DeliveryState.IGNORED, WhyNot.DONE),
    ],
    ids=str,
)
def test_what_does_not_wait_for_a_person_is_not_closed(
    scene: Scene, state: DeliveryState, why: WhyNot
) -> None:
    is_over = why is WhyNot.DONE
    keep(scene, state, None if is_over else timedelta(hours=1))
    before = stored(scene)
    assert close_delivery(scene) == NotClosable(why)
    assert stored(scene) == before
    assert "delivery.closed" not in scene.audited()


def test_a_delivery_that_somebody_replayed_meanwhile_is_not_closed(scene: Scene) -> None:
    keep(scene, DeliveryState.FAILED)
    assert replay_delivery(scene) == Replayed()
    assert close_delivery(scene) == NotClosable(WhyNot.IN_LINE)
    assert stored(scene).state is DeliveryState.RECEIVED


def test_a_closed_delivery_is_not_replayed(scene: Scene) -> None:
    keep(scene, DeliveryState.FAILED)
    close_delivery(scene)
    before = stored(scene)
    assert replay_delivery(scene) == NotReplayable(WhyNot.CLOSED_BEFORE)
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.deliveries.put_back(STORE, (DONE_BY_HAND, before.reason), NOW)
        uow.commit()
    assert stored(scene) == before


def test_of_many_presses_at_once_one_closes_a_delivery(scene: Scene) -> None:
    keep(scene, DeliveryState.UNRECOGNISED)
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda _: close_delivery(scene), range(8)))
    assert outcomes.count(Closed()) == 1
    assert outcomes.count(NotClosable(WhyNot.CLOSED_BEFORE)) == 7
    assert scene.audited().count("delivery.closed") == 1


def test_a_delivery_that_is_not_there_is_not_closed(scene: Scene) -> None:
    assert close_delivery(scene, DeliveryId("nobody")) == NotClosable(WhyNot.NOT_THERE)


# --- effects --------------------------------------------------------------------------------------


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


def close_effect(scene: Scene, key: EffectKey) -> Closing:
    return CloseEffect(scene.storage, scene.clock)(scene.tenant.id, key, "Kim")


def states(scene: Scene) -> list[EffectState]:
    return [effect.state for effect in scene.effects(RUN)]


def run_state(scene: Scene) -> RunState:
    with scene.storage.read(scene.tenant.id) as uow:
        run = uow.effects.run(RUN)
    assert run is not None
    return run.state


@pytest.fixture
def stuck(scene: Scene) -> EffectKey:
    """A course that the store refused to take away; it would not refuse again."""
    scene.shop.held[EMAIL] |= {COURSE}
    scene.shop.raises["revoke"] = [Refused("right_missing")]
    (key,) = a_run(scene, TAKE)
    return key


def test_an_effect_that_needs_a_person_is_closed_and_nothing_is_done_outside(
    scene: Scene, engine: Engine, stuck: EffectKey
) -> None:
    assert dead_letters(engine, "effect") == 1
    assert close_effect(scene, stuck) == Closed()
    scene.wait(days=3)
    (effect,) = scene.effects(RUN)
    assert (effect.state, effect.outcome) == (EffectState.ALREADY, DONE_BY_HAND)
    assert scene.shop.called("revoke") == ["c1"]
    assert dead_letters(engine, "effect") == 0
    with scene.storage.read(scene.tenant.id) as uow:
        assert uow.effects.open(9) == []
        [entry] = [one for one in uow.audit.entries(0, 99) if one.action == "effect.closed"]
    assert (entry.actor, entry.subject) == ("Kim", stuck)
    assert entry.details == {
        "kind": "RevokeAccess",
        "run": RUN,
        "was": "needs_person",
        "outcome": "right_missing",
    }


def test_a_mail_that_may_have_gone_out_is_closed_and_never_sent_again(scene: Scene) -> None:
    scene.mailer.raises["send"] = [OutcomeUnknown("mail_server_quiet")]
    (key,) = a_run(scene, MAIL)
    assert states(scene) == [EffectState.UNKNOWN]
    assert close_effect(scene, key) == Closed()
    again = ReplayEffect(scene.storage, scene.clock)
    outcome = again(scene.tenant.id, key, "Kim", although_it_may_repeat=True)
    assert outcome == NotReplayable(WhyNot.CLOSED_BEFORE)
    scene.wait(days=1)
    assert scene.mailer.sent == []
    assert states(scene) == [EffectState.ALREADY]


def test_an_effect_that_somebody_replayed_meanwhile_is_not_closed(
    scene: Scene, stuck: EffectKey
) -> None:
    assert ReplayEffect(scene.storage, scene.clock)(scene.tenant.id, stuck, "Kim") == Replayed()
    assert close_effect(scene, stuck) == NotClosable(WhyNot.IN_LINE)
    scene.work()
    assert close_effect(scene, stuck) == NotClosable(WhyNot.DONE)
    assert states(scene) == [EffectState.DONE]
    assert "effect.closed" not in scene.audited()


def test_of_many_presses_at_once_one_closes_an_effect(scene: Scene, stuck: EffectKey) -> None:
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda _: close_effect(scene, stuck), range(8)))
    assert outcomes.count(Closed()) == 1
    assert outcomes.count(NotClosable(WhyNot.CLOSED_BEFORE)) == 7
    assert scene.audited().count("effect.closed") == 1


def test_an_effect_that_is_not_there_is_not_closed(scene: Scene) -> None:
    assert close_effect(scene, EffectKey("nobody")) == NotClosable(WhyNot.NOT_THERE)


def test_a_run_in_which_one_was_closed_ends_with_its_check_and_its_note(scene: Scene) -> None:
    """The check waits for a change that is put off; the note leaves out what was done by hand."""
    other = a_course("c2")
    scene.shop.held[EMAIL] |= {COURSE, other}
    scene.shop.raises["revoke"] = [Refused("right_missing"), RetryLater("busy")]
    check = VerifyAccess(STORE, (COURSE, other), ())
    note = AddTicketNote(DESK, TicketId("77"), "Refunded 49.00 EUR.", ())
    scene.desk.raises["add_note"] = [RetryLater("busy")]
    key, *_ = a_run(scene, TAKE, RevokeAccess(other), check, note)
    assert states(scene)[:3] == [
        EffectState.NEEDS_PERSON,
        EffectState.WAITING,
        EffectState.WAITING,
    ]
    scene.shop.held[EMAIL] -= {COURSE}
    assert close_effect(scene, key) == Closed()
    assert run_state(scene) is RunState.WAITING
    scene.wait(hours=1)
    assert states(scene) == [EffectState.ALREADY, *[EffectState.DONE] * 3]
    assert run_state(scene) is RunState.DONE
    [written] = scene.desk.notes
    assert "c1" not in str(written)
