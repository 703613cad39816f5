"""Carrying out what cannot be done now: how long it waits, and for whom."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta

import pytest

from plugin.domain.effects import EffectState, RevokeAccess, TellCustomer, VerifyAccess
from plugin.domain.errors import ACCOUNT_RESTING, RetryLater
from plugin.domain.ids import TenantId, TicketId
from plugin.domain.orders import Resource
from plugin.ports import Changed, Contact
from plugin.ports.records import Run, RunState
from plugin.ports.storage import Storage, UnitOfWork
from plugin.services.carry_out import CarryOut
from plugin.services.retry_plan import RETRIES
from plugin.services.run_rules import MOMENT
from tests.factories import CUSTOMER, DESK, EMAIL, NOW, STORE, a_course
from tests.fakes.platforms import one_after_the_other
from tests.services.effect_runs import RUN, a_run, hold, outcomes, run_state, states
from tests.services.scene import Scene

REPLY = TellCustomer(DESK, TicketId("77"), EMAIL, "Sent", "We have sent it.", "en")


def test_changes_wait_longer_each_time_and_then_for_a_person(scene: Scene) -> None:
    hold(scene, "c1")
    scene.shop.raises["revoke"] = [RetryLater("busy")] * 20
    a_run(scene, RevokeAccess(a_course("c1")))
    scene.work()
    waits = []
    while states(scene) == [EffectState.WAITING]:
        (effect,) = scene.effects(RUN)
        assert effect.wake_at is not None
        waits.append(effect.wake_at - scene.clock.now())
        scene.wait(seconds=waits[-1].total_seconds())
    assert len(waits) == len(RETRIES)
    assert all(plan <= wait <= plan * 1.25 for plan, wait in zip(RETRIES, waits, strict=True))
    assert any(plan < wait for plan, wait in zip(RETRIES, waits, strict=True))
    assert sum(waits, timedelta()) >= timedelta(hours=75)
    assert states(scene) == [EffectState.NEEDS_PERSON]
    assert outcomes(scene) == ["busy"]
    assert run_state(scene) is RunState.DONE


def test_a_store_that_names_a_longer_wait_gets_it(scene: Scene) -> None:
    scene.shop.raises["revoke"] = [RetryLater("busy", after_seconds=90)]
    a_run(scene, RevokeAccess(a_course("c1")))
    scene.work()
    scene.wait(seconds=89)
    assert states(scene) == [EffectState.WAITING]
    scene.wait(seconds=90 / 4 + 1)
    assert states(scene) == [EffectState.ALREADY]


def test_while_an_account_rests_no_attempt_is_used_up(scene: Scene) -> None:
    hold(scene, "c1")
    rests = [RetryLater(ACCOUNT_RESTING, after_seconds=300)] * 50
    scene.shop.raises["revoke"] = [RetryLater("busy"), *rests, RetryLater("busy")]
    a_run(scene, RevokeAccess(a_course("c1")))
    scene.work()
    scene.wait(seconds=7)
    for _ in range(49):
        (effect,) = scene.effects(RUN)
        assert (effect.state, effect.attempts) == (EffectState.WAITING, 1)
        assert effect.outcome == ACCOUNT_RESTING
        assert effect.wake_at is not None
        assert timedelta(seconds=300) <= effect.wake_at - scene.clock.now()
        assert effect.wake_at - scene.clock.now() <= timedelta(seconds=375)
        scene.wait(seconds=375)
    scene.wait(seconds=375)
    assert [effect.attempts for effect in scene.effects(RUN)] == [2]
    scene.wait(minutes=1)
    assert states(scene) == [EffectState.DONE]


def test_a_mail_beside_an_account_that_rests_is_not_unknown(scene: Scene) -> None:
    scene.desk.raises["has_marker"] = [RetryLater(ACCOUNT_RESTING, after_seconds=5)]
    a_run(scene, REPLY)
    scene.work()
    assert states(scene) == [EffectState.WAITING]
    scene.wait(seconds=7)
    assert states(scene) == [EffectState.DONE]
    assert len(scene.desk.replies) == 1


def test_a_run_whose_effect_must_wait_for_another_is_not_looked_at_all_the_time(
    scene: Scene,
) -> None:
    scene.shop.raises["revoke"] = [RetryLater("busy")]
    check = VerifyAccess(STORE, (a_course("c1"),), ())
    a_run(scene, RevokeAccess(a_course("c1")), check)
    assert scene.work() < 5


class Overtaken:
    """The storage as one sees it who is overtaken: the other does it all just before the write."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.read = scene.storage.read

    def begin(self, tenant: TenantId) -> AbstractContextManager[UnitOfWork]:
        self._scene.carry_out(RUN)
        return self._scene.storage.begin(tenant)


def test_a_booked_moment_that_another_worker_has_just_done_is_left_alone(scene: Scene) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.effects.add_run(Run(RUN, CUSTOMER, MOMENT, RunState.WAITING, NOW), [], NOW)
        uow.commit()
    storage: Storage = Overtaken(scene)  # type: ignore[assignment]  # all that is asked of it
    carry_out = CarryOut(storage, scene.platforms, scene.mailer, scene.clock, one_after_the_other)
    carry_out(scene.tenant.id, RUN)
    with scene.storage.read(scene.tenant.id) as uow:
        run = uow.effects.run(RUN)
    assert run is not None
    assert (run.state, run.wakes) == (RunState.DONE, 1)


def test_what_whoever_took_over_found_stands(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    a_run(scene, RevokeAccess(a_course("c1")))
    real = scene.shop.revoke

    def slow(contact: Contact, resource: Resource) -> Changed:
        with scene.storage.begin(scene.tenant.id) as uow:
            (mine,) = uow.effects.of_run(RUN)
            done = replace(mine, state=EffectState.DONE, outcome="by whoever took over")
            uow.effects.set_state(mine.planned.key, EffectState.SENDING, done)
            uow.commit()
        return real(contact, resource)

    monkeypatch.setattr(scene.shop, "revoke", slow)
    scene.work()
    assert outcomes(scene) == ["by whoever took over"]
    assert scene.audited() == []
