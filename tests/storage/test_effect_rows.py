"""Rule runs and effects: each effect once, in order, and what we took counted in turns."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from plugin.domain.access_map import AccessMap
from plugin.domain.effects import (
    AddTicketNote,
    EffectState,
    PlannedEffect,
    RestoreAccess,
    access_key,
    run_key,
)
from plugin.domain.facts import Fact, RefundFailed
from plugin.domain.ids import EffectKey, RunId, customer_key
from plugin.domain.ledger import read_ledger
from plugin.domain.rules import Turn, rule_effects, with_tells
from plugin.ports.records import Run, RunState, StoredEffect, TagChange
from plugin.storage.unit_of_work import SqlStorage, SqlUnitOfWork
from tests.factories import (
    CUSTOMER,
    NOW,
    ORDER,
    TENANT,
    a_course,
    a_line_ref,
    a_purchase,
    a_refund_fact,
    a_tag,
    ago,
    an_order_ref,
    soon,
)

COURSE, TAG = a_course("c1", "Watercolour"), a_tag("t1", "Buyers")
BOUGHT: tuple[Fact, ...] = (a_purchase(COURSE, TAG), a_refund_fact(a_line_ref()))
ENDED = (BOUGHT[1].id,)
FAILED = RefundFailed(CUSTOMER, ORDER, "re-1", NOW)


def a_run(run: str = "run-1", wake_at: datetime | None = NOW) -> Run:
    return Run(RunId(run), CUSTOMER, "delivery d1", RunState.WAITING, wake_at)


def ruled(uow: SqlUnitOfWork, run: Run, *facts: Fact) -> tuple[PlannedEffect, ...]:
    """What the rules ask for after `facts`, with a note at the end, written down under `run`."""
    ledger = read_ledger(facts, AccessMap(), NOW)
    effects = rule_effects(CUSTOMER, run.id, ledger, uow.effects.turns(CUSTOMER))
    effects = with_tells(run.id, effects, [("note", AddTicketNote(None, None, "Done."))])
    assert uow.effects.add_run(run, effects, NOW)
    return effects


def test_a_run_is_kept_with_its_effects_in_order(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        effects = ruled(uow, a_run(), *BOUGHT)

        assert uow.effects.run(RunId("run-1")) == a_run()
        assert uow.effects.run(RunId("other")) is None
        assert uow.effects.of_run(RunId("run-1")) == [
            StoredEffect(planned, RunId("run-1"), CUSTOMER, EffectState.WAITING, changed_at=NOW)
            for planned in effects
        ]


def test_the_same_cause_runs_once(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        effects = ruled(uow, a_run(), *BOUGHT)

        assert not uow.effects.add_run(a_run(), (), NOW)
        assert len(uow.effects.of_run(a_run().id)) == len(effects)


def test_an_effect_that_is_there_already_stays_as_it_is(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        (revoke, *_rest) = ruled(uow, a_run(), *BOUGHT)
        done = _in_state(uow, revoke.key, EffectState.DONE)

        assert uow.effects.add_run(a_run("run-2"), (revoke,), NOW)
        assert uow.effects.of_run(RunId("run-2")) == []
        assert uow.effects.of_run(a_run().id)[0] == done


def test_a_booked_run_gets_its_effects_when_its_time_comes(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        uow.effects.add_run(a_run(wake_at=soon(days=1)), (), NOW)
        ledger = read_ledger(BOUGHT, AccessMap(), NOW)
        effects = rule_effects(CUSTOMER, a_run().id, ledger, {})
        uow.effects.add_effects(a_run(), effects, NOW)
        uow.effects.add_effects(a_run(), effects, NOW)

        assert [stored.planned for stored in uow.effects.of_run(a_run().id)] == list(effects)
        assert uow.effects.turns(CUSTOMER) == {
            COURSE: Turn(1, taken=True, seen=ENDED),
            TAG: Turn(1, taken=True, seen=ENDED),
        }


def test_waking_a_run_counts_and_sets_its_state(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        uow.effects.add_run(a_run(), (), NOW)
        uow.effects.wake_run(a_run(), wake_at=soon(minutes=1), state=RunState.WAITING)
        waiting = uow.effects.run(a_run().id)
        uow.effects.wake_run(a_run(), wake_at=None, state=RunState.DONE)
        done = uow.effects.run(a_run().id)

    assert waiting == replace(a_run(), wake_at=soon(minutes=1), wakes=1)
    assert done == replace(a_run(), wake_at=None, wakes=2, state=RunState.DONE)


def test_turns_count_what_the_rules_took_and_gave_back(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        assert uow.effects.turns(CUSTOMER) == {}
        ruled(uow, a_run(), *BOUGHT)
        taken = uow.effects.turns(CUSTOMER)
        ruled(uow, a_run("run-2"), *BOUGHT, FAILED)
        given_back = uow.effects.turns(CUSTOMER)
        again = a_refund_fact(a_line_ref(), refund="re-2")
        ruled(uow, a_run("run-3"), *BOUGHT, FAILED, again)

        first = Turn(1, taken=True, seen=ENDED)
        assert taken == {COURSE: first, TAG: first}
        assert given_back == {COURSE: Turn(2, taken=False), TAG: Turn(2, taken=False)}
        assert uow.effects.turns(CUSTOMER)[COURSE] == Turn(3, taken=True, seen=(again.id,))
        assert uow.effects.turns(customer_key("other@mail.example")) == {}
        assert uow.effects.changes_of(CUSTOMER, COURSE) == [
            (access_key(CUSTOMER, COURSE, turn), EffectState.WAITING) for turn in (1, 2, 3)
        ]
        assert uow.effects.changes_of(customer_key("other@mail.example"), COURSE) == []


def test_making_sure_of_what_stays_is_a_turn_too(shop: SqlStorage) -> None:
    second = a_purchase(COURSE, line=a_line_ref("1", an_order_ref("2")))
    with shop.begin(TENANT) as uow:
        effects = ruled(uow, a_run(), *BOUGHT, second)

        assert RestoreAccess(COURSE) in [planned.effect for planned in effects]
        assert uow.effects.turns(CUSTOMER) == {
            COURSE: Turn(1, taken=False, seen=ENDED),
            TAG: Turn(1, taken=True, seen=ENDED),
        }


def test_of_two_who_move_an_effect_one_wins(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        (revoke, *_rest) = ruled(uow, a_run(), *BOUGHT)
        stored = uow.effects.of_run(a_run().id)[0]
        sending = replace(
            stored,
            state=EffectState.SENDING,
            attempts=1,
            wake_at=soon(seconds=5),
            outcome="o" * 300,
            changed_at=soon(seconds=1),
        )

        assert uow.effects.set_state(revoke.key, EffectState.WAITING, sending)
        assert not uow.effects.set_state(revoke.key, EffectState.WAITING, sending)
        assert uow.effects.of_run(a_run().id)[0] == replace(sending, outcome="o" * 255)


@pytest.mark.parametrize("state", EffectState)
def test_a_person_sees_what_needs_one_oldest_first(shop: SqlStorage, state: EffectState) -> None:
    with shop.begin(TENANT) as uow:
        (first, second, *_rest) = ruled(uow, a_run(), *BOUGHT)
        _in_state(uow, first.key, state, ago(minutes=2))
        _in_state(uow, second.key, state, ago(minutes=1))
        seen = [stored.planned.key for stored in uow.effects.open(9)]

        is_open = state in (EffectState.NEEDS_PERSON, EffectState.UNKNOWN)
        assert seen == ([first.key, second.key] if is_open else [])
        assert [stored.planned.key for stored in uow.effects.open(1)] == seen[:1]


@pytest.mark.parametrize("state", EffectState)
def test_our_last_change_of_a_tag_is_known(shop: SqlStorage, state: EffectState) -> None:
    other = customer_key("other@mail.example")
    with shop.begin(TENANT) as uow:
        ruled(uow, a_run(), *BOUGHT)
        _in_state(uow, _key_of_the_tag(uow), state, ago(minutes=1))

        ours = state in (EffectState.SENDING, EffectState.DONE, EffectState.ALREADY)
        removed = TagChange(added=False, at=ago(minutes=1)) if ours else None
        assert uow.effects.last_tag_change(CUSTOMER, a_tag("t1"), NOW) == removed
        assert uow.effects.last_tag_change(CUSTOMER, a_tag("t1"), ago(minutes=2)) is None
        assert uow.effects.last_tag_change(CUSTOMER, a_tag("t2"), NOW) is None
        assert uow.effects.last_tag_change(other, a_tag("t1"), NOW) is None


def test_of_our_changes_of_a_tag_the_last_until_then_counts(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        ruled(uow, a_run(), *BOUGHT)
        _in_state(uow, _key_of_the_tag(uow), EffectState.DONE, ago(minutes=9))
        ruled(uow, a_run("run-2"), *BOUGHT, FAILED)
        _in_state(uow, _key_of_the_tag(uow, "run-2"), EffectState.DONE, ago(minutes=1))

        given = TagChange(added=True, at=ago(minutes=1))
        taken = TagChange(added=False, at=ago(minutes=9))
        assert uow.effects.last_tag_change(CUSTOMER, a_tag("t1"), NOW) == given
        assert uow.effects.last_tag_change(CUSTOMER, a_tag("t1"), ago(minutes=5)) == taken


def test_a_key_of_a_run_is_not_the_key_of_another(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        ruled(uow, a_run(), *BOUGHT)
        ruled(uow, a_run("run-2"), *BOUGHT)

        notes = [
            stored.planned.key
            for run in ("run-1", "run-2")
            for stored in uow.effects.of_run(RunId(run))
            if isinstance(stored.planned.effect, AddTicketNote)
        ]
    assert notes == [run_key(RunId("run-1"), "note"), run_key(RunId("run-2"), "note")]


def _key_of_the_tag(uow: SqlUnitOfWork, run: str = "run-1") -> EffectKey:
    return next(
        stored.planned.key
        for stored in uow.effects.of_run(RunId(run))
        if getattr(stored.planned.effect, "tag", None) == TAG
    )


def _in_state(
    uow: SqlUnitOfWork, key: EffectKey, state: EffectState, at: datetime = NOW
) -> StoredEffect:
    stored = next(
        s
        for run in ("run-1", "run-2")
        for s in uow.effects.of_run(RunId(run))
        if s.planned.key == key
    )
    changed = replace(stored, state=state, changed_at=at)
    assert uow.effects.set_state(key, EffectState.WAITING, changed)
    return changed
