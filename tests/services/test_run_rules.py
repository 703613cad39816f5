"""Rules: one run per cause, nobody told twice, and the moment of the next change is booked."""

from __future__ import annotations

from contextlib import AbstractContextManager

import pytest

from plugin.domain.effects import PlannedEffect, TellOwner
from plugin.domain.facts import PaidUntil
from plugin.domain.ids import RunId, TenantId
from plugin.domain.ledger import Ledger
from plugin.ports.records import RunState
from plugin.ports.storage import UnitOfWork
from plugin.services.run_rules import run_rules, tell_nobody, telling
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import (
    CUSTOMER,
    NOW,
    a_course,
    a_line_ref,
    a_purchase,
    a_refund_fact,
    soon,
)
from tests.services.scene import Scene

RUN = RunId("run-1")
OWNER = telling([("owner", TellOwner("News", "Something changed."))])


def run(uow: UnitOfWork) -> tuple[PlannedEffect, ...]:
    return run_rules(uow, CUSTOMER, RUN, "delivery d1", NOW, OWNER)


def append(uow: UnitOfWork, *facts: object) -> None:
    for fact in facts:
        uow.facts.append(fact, "test", NOW)  # type: ignore[arg-type]  # facts of the factories


def test_where_nothing_follows_there_is_no_run(scene: Scene) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        assert run_rules(uow, CUSTOMER, RUN, "delivery d1", NOW, tell_nobody) == ()
        assert uow.effects.run(RUN) is None


def test_a_run_holds_what_follows_and_whom_to_tell(scene: Scene) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        append(uow, a_purchase(a_course("c1")), a_refund_fact(a_line_ref()))
        effects = run(uow)
        stored = uow.effects.run(RUN)
        assert stored is not None
        assert (stored.cause, stored.state, stored.wake_at) == (
            "delivery d1",
            RunState.WAITING,
            NOW,
        )
        assert [e.planned for e in uow.effects.of_run(RUN)] == list(effects)
        assert [type(e.effect).__name__ for e in effects] == [
            "RevokeAccess",
            "VerifyAccess",
            "TellOwner",
        ]


def test_a_second_time_adds_only_what_is_new_and_wakes_the_run(scene: Scene) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        append(uow, a_purchase(a_course("c1")), a_refund_fact(a_line_ref()))
        run(uow)
        uow.commit()
    scene.carry_out(RUN)
    with scene.storage.begin(scene.tenant.id) as uow:
        run(uow)
        stored = uow.effects.run(RUN)
        assert stored is not None
        assert stored.state is RunState.DONE
        other = a_line_ref("2")
        append(uow, a_purchase(a_course("c2"), line=other), a_refund_fact(other, refund="re-2"))
        run(uow)
        uow.commit()
        stored = uow.effects.run(RUN)
        assert stored is not None
        assert (stored.state, stored.wake_at) == (RunState.WAITING, NOW)
    scene.work()
    kinds = [kind for kind, _ in scene.effect_states(RUN)]
    assert kinds.count("RevokeAccess") == 2
    assert kinds.count("TellOwner") == 1


def test_the_next_moment_is_booked_once_and_reads_the_ledger_then(scene: Scene) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        append(uow, a_purchase(a_course("c1")))
        append(uow, PaidUntil(CUSTOMER, a_line_ref(), soon(days=3), NOW))
        for _ in range(2):
            run_rules(uow, CUSTOMER, RUN, "delivery d1", NOW, tell_nobody)
        uow.commit()
    assert scene.storage.due(soon(days=2), 10) == []
    (work,) = scene.storage.due(soon(days=3), 10)
    assert work.kind == "run"
    scene.wait(days=3)
    kinds = [kind for kind, _ in scene.effect_states(work.ref)]
    assert kinds == ["RevokeAccess", "VerifyAccess"]


def test_a_moment_that_another_worker_took_meanwhile_is_left_alone(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        append(uow, a_purchase(a_course("c1")))
        append(uow, PaidUntil(CUSTOMER, a_line_ref(), soon(days=3), NOW))
        run_rules(uow, CUSTOMER, RUN, "delivery d1", NOW, tell_nobody)
        uow.commit()
    scene.clock.advance(days=3)
    (work,) = scene.storage.due(scene.clock.now(), 10)
    begin = type(scene.storage).begin

    def late(storage: SqlStorage, tenant: TenantId) -> AbstractContextManager[UnitOfWork]:
        """Between our look at the run and our transaction, somebody else does all of it."""
        monkeypatch.setattr(type(scene.storage), "begin", begin)
        scene.carry_out(RunId(work.ref))
        return begin(storage, tenant)

    monkeypatch.setattr(type(scene.storage), "begin", late)
    scene.carry_out(RunId(work.ref))
    with scene.storage.read(scene.tenant.id) as uow:
        stored = uow.effects.run(RunId(work.ref))
    assert stored is not None
    assert (stored.state, stored.wakes) == (RunState.DONE, 1)
    assert len(scene.shop.called("revoke")) == 1


def test_words_see_what_the_rules_decided(scene: Scene) -> None:
    seen: list[tuple[int, int]] = []

    def tellers(ledger: Ledger, effects: object) -> tuple[()]:
        assert isinstance(effects, tuple)
        seen.append((len(ledger.ended()), len(effects)))
        return ()

    with scene.storage.begin(scene.tenant.id) as uow:
        append(uow, a_purchase(a_course("c1")), a_refund_fact(a_line_ref()))
        run_rules(uow, CUSTOMER, RUN, "x", NOW, tellers)
    assert seen == [(1, 2)]
