"""Counts for whoever looks at the whole: right, bounded, and by an index however much there is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event

from plugin.domain.effects import EffectState, PlannedEffect, RemoveTag, RevokeAccess, TellOwner
from plugin.domain.ids import EffectKey, InstallationId, RunId
from plugin.domain.refunds import RefundState
from plugin.ports.records import (
    NOT_APPLIED,
    DeliveryState,
    InstallationStatus,
    Run,
    RunState,
)
from plugin.ports.storage import UnitOfWork
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import (
    BANK,
    CUSTOMER,
    DESK,
    NOW,
    STORE,
    TENANT,
    a_course,
    a_delivery,
    a_payment_ref,
    a_plan,
    a_refund,
    a_request,
    a_tag,
    a_tenant,
    ago,
    an_installation,
)

HOURS = [ago(hours=3 - hour) for hour in range(4)]
BIG = ("mg_deliveries", "mg_refunds", "mg_effects", "mg_facts", "mg_orders", "mg_drifts")


def add_deliveries(
    storage: SqlStorage, *at: timedelta, to: InstallationId = STORE, state: str = "applied"
) -> None:
    with storage.begin(TENANT) as uow:
        for number, length in enumerate(at):
            one = a_delivery(
                f"{to}-{state}-{number}-{length}",
                installation=to,
                received_at=NOW - length,
                state=DeliveryState(state),
            )
            assert uow.deliveries.add(one)
        uow.commit()


def add_refunds(storage: SqlStorage, *states: RefundState, account: InstallationId = BANK) -> None:
    with storage.begin(TENANT) as uow:
        uow.requests.save(a_request())
        for number, state in enumerate(states):
            plan = f"plan-{account}-{number}"
            uow.plans.add(a_plan(plan_id=plan), a_request().id)
            payment = a_payment_ref(account=account)
            uow.refunds.add(a_refund(plan=plan, payment=payment, state=state), "ines", NOW)
        uow.commit()


def add_effects(storage: SqlStorage, *states: EffectState) -> None:
    """By turns a course, a tag and a mail, in these states."""
    makers = (
        lambda n: RevokeAccess(a_course(f"c{n}")),
        lambda n: RemoveTag(a_tag(f"t{n}", store=BANK)),
        lambda n: TellOwner(f"subject {n}", "body"),
    )
    with storage.begin(TENANT) as uow:
        run = Run(RunId("run"), CUSTOMER, "plan", RunState.WAITING, None)
        planned = [
            PlannedEffect(EffectKey(f"e{n}"), n, makers[n % 3](n)) for n in range(len(states))
        ]
        uow.effects.add_run(run, planned, NOW)
        for one, state in zip(uow.effects.of_run(run.id), states, strict=True):
            after = replace(one, state=state, changed_at=NOW)
            assert uow.effects.set_state(one.planned.key, one.state, after)
        uow.commit()


def test_refunds_are_counted_by_the_account_that_pays(shop: SqlStorage) -> None:
    add_refunds(shop, RefundState.PENDING, RefundState.UNKNOWN, RefundState.SUCCEEDED)
    add_refunds(shop, RefundState.PENDING, account=STORE)
    with shop.read(TENANT) as uow:
        states = (RefundState.PENDING, RefundState.UNKNOWN)
        assert uow.tallies.refunds(states, 9) == {BANK: 2, STORE: 1}
        assert sum(uow.tallies.refunds(states, 2).values()) == 2
        assert uow.tallies.refunds((RefundState.MANUAL,), 9) == {}


def test_effects_are_counted_up_to_an_end(shop: SqlStorage) -> None:
    add_effects(shop, *[EffectState.NEEDS_PERSON] * 3, EffectState.UNKNOWN, EffectState.DONE)
    with shop.read(TENANT) as uow:
        assert uow.tallies.effects((EffectState.NEEDS_PERSON, EffectState.UNKNOWN), 9) == 4
        assert uow.tallies.effects((EffectState.NEEDS_PERSON, EffectState.UNKNOWN), 2) == 2
        assert uow.tallies.effects((EffectState.DONE,), 9) == 1


def test_closings_are_what_is_to_be_taken_away_and_is_not_yet(shop: SqlStorage) -> None:
    waits, sends, done = EffectState.WAITING, EffectState.SENDING, EffectState.DONE
    add_effects(shop, sends, sends, sends, done, done, done, sends)
    with shop.read(TENANT) as uow:
        assert uow.tallies.closings(9) == {STORE: 2, BANK: 1}
        assert sum(uow.tallies.closings(1).values()) <= 1
    assert waits is EffectState.WAITING


def test_deliveries_that_were_not_applied_are_counted_by_state(shop: SqlStorage) -> None:
    hour = timedelta(hours=1)
    for state in DeliveryState:
        add_deliveries(shop, hour, hour * 2, state=state)
    with shop.read(TENANT) as uow:
        assert uow.tallies.not_applied(9) == dict.fromkeys(NOT_APPLIED, 2)
        assert sum(uow.tallies.not_applied(3).values()) == 3
        found = uow.deliveries.not_applied(9)
        assert [one.received_at for one in found] == sorted(one.received_at for one in found)
        assert {one.state for one in found} == set(NOT_APPLIED)
        assert len(found) == 6
        one_kind = uow.deliveries.newest((DeliveryState.FAILED,), 9)
        assert [one.state for one in one_kind] == [DeliveryState.FAILED] * 2


def test_each_hour_of_each_connection_is_counted_by_itself(shop: SqlStorage) -> None:
    minute = timedelta(minutes=1)
    add_deliveries(shop, minute * 179, minute * 120, minute * 119, minute * 5)
    add_deliveries(shop, minute * 60, timedelta(), to=BANK)  # at the end, so not in any hour
    with shop.read(TENANT) as uow:
        assert uow.tallies.deliveries(HOURS, 9) == {
            STORE: [1, 2, 1],
            BANK: [0, 0, 1],
            DESK: [0, 0, 0],
        }
        assert uow.tallies.deliveries(HOURS, 1)[STORE] == [1, 1, 1]


def test_when_bad_ones_came_is_told_for_a_span(shop: SqlStorage) -> None:
    minute = timedelta(minutes=1)
    add_deliveries(shop, minute * 180, minute * 30, timedelta(), minute * 200, state="failed")
    add_deliveries(shop, minute * 31)
    with shop.read(TENANT) as uow:
        found = uow.tallies.not_applied_between(HOURS[0], HOURS[-1], 9)
        assert set(found) == {(STORE, HOURS[0]), (STORE, NOW - minute * 30)}
        assert len(uow.tallies.not_applied_between(HOURS[0], HOURS[-1], 1)) == 1


def test_the_last_times_are_told_newest_first(shop: SqlStorage) -> None:
    minute = timedelta(minutes=1)
    add_deliveries(shop, minute * 9, minute, minute * 5)
    with shop.read(TENANT) as uow:
        assert uow.tallies.heard(2) == {STORE: [NOW - minute, NOW - minute * 5]}
        assert uow.deliveries.last_received() == {STORE: NOW - minute}


def test_connections_that_were_removed_are_not_told_of(shop: SqlStorage) -> None:
    add_deliveries(shop, timedelta(minutes=5))
    with shop.begin(TENANT) as uow:
        for ref in (STORE, BANK, DESK):
            found = uow.installations.get(ref)
            assert found is not None
            uow.installations.save(replace(found, status=InstallationStatus.REMOVED))
        assert uow.tallies.heard(9) == {}
        assert uow.tallies.deliveries(HOURS, 9) == {}


def test_nothing_of_another_business_is_counted(shop: SqlStorage) -> None:
    add_deliveries(shop, timedelta(minutes=5), state="failed")
    add_refunds(shop, RefundState.PENDING)
    add_effects(shop, EffectState.WAITING)
    other = a_tenant("other")
    shop.add_tenant(other, NOW)
    with shop.begin(other.id) as uow:
        uow.installations.add(an_installation("theirs", tenant=other.id))
        tallies = uow.tallies
        assert tallies.refunds(tuple(RefundState), 9) == {}
        assert tallies.effects(tuple(EffectState), 9) == 0
        assert tallies.closings(9) == {}
        assert tallies.not_applied(9) == {}
        assert tallies.deliveries(HOURS, 9) == {InstallationId("theirs"): [0, 0, 0]}
        assert tallies.not_applied_between(HOURS[0], NOW, 9) == []
        assert tallies.heard(9) == {}


# --- what it costs --------------------------------------------------------------------------------


def ask_all(uow: UnitOfWork) -> None:
    """All that the health page and the overview ask of tables that grow."""
    tallies = uow.tallies
    tallies.refunds((RefundState.PENDING, RefundState.UNKNOWN), 201)
    tallies.effects((EffectState.NEEDS_PERSON, EffectState.UNKNOWN), 201)
    tallies.closings(201)
    tallies.not_applied(201)
    tallies.deliveries(HOURS, 5000)
    tallies.not_applied_between(HOURS[0], NOW, 5000)
    tallies.heard(50)
    uow.refunds.newest(20)
    uow.refunds.newest(201, (RefundState.UNKNOWN,))
    uow.refunds.oldest(201, (RefundState.UNKNOWN, RefundState.MANUAL))
    uow.effects.open(201)
    uow.deliveries.not_applied(201)
    uow.deliveries.newest((), 20)
    uow.deliveries.last_received()
    uow.drifts.open(201)


@contextmanager
def plans(engine: Engine) -> Iterator[list[str]]:
    """How SQLite finds what is asked inside the block, a line for each step."""
    steps: list[str] = []

    def explain(db: Any, _: object, statement: str, parameters: Any, *__: object) -> None:  # noqa: ANN401 - SQLAlchemy's
        if statement.startswith(("SELECT", "WITH")):
            raw = db.connection.driver_connection
            rows = raw.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            steps.extend(str(row[3]) for row in rows)

    event.listen(engine, "before_cursor_execute", explain)
    yield steps
    event.remove(engine, "before_cursor_execute", explain)


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_no_table_that_grows_is_read_from_end_to_end(shop: SqlStorage, engine: Engine) -> None:
    with plans(engine) as steps, shop.read(TENANT) as uow:
        ask_all(uow)
    of_big = [step for step in steps if any(f" {name} " in f"{step} " for name in BIG)]
    assert len(of_big) > 20
    assert [step for step in of_big if not step.startswith("SEARCH ")] == []
    assert [step for step in of_big if "INDEX ix_mg_" not in step] == []


def steps_of(storage: SqlStorage, engine: Engine) -> int:
    """How many tens of steps SQLite makes for one look."""
    made = 0

    def count() -> int:
        nonlocal made
        made += 1
        return 0

    def watch(db: Any, *_: object) -> None:  # noqa: ANN401 - SQLAlchemy's
        db.connection.driver_connection.set_progress_handler(count, 10)

    event.listen(engine, "before_cursor_execute", watch)
    with storage.read(TENANT) as uow:
        ask_all(uow)
    event.remove(engine, "before_cursor_execute", watch)
    return made


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_look_costs_the_same_when_ten_times_as_much_is_over(
    shop: SqlStorage, engine: Engine
) -> None:
    day = timedelta(days=1)
    add_deliveries(shop, *(day * (2 + number) for number in range(60)))
    add_refunds(shop, *[RefundState.SUCCEEDED] * 30)
    add_effects(shop, *[EffectState.DONE] * 30)
    before = steps_of(shop, engine)
    add_deliveries(shop, *(day * (70 + number) for number in range(600)))
    add_refunds(shop, *[RefundState.SUCCEEDED] * 300, account=STORE)
    assert steps_of(shop, engine) <= before * 1.1
