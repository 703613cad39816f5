"""What the database tells whoever watches: real businesses only, by index, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert, text

from plugin.domain.refunds import RefundState
from plugin.platforms.breaker import FAILURES_TO_OPEN, Admission, Outcome
from plugin.ports.records import DeliveryState, Hold, InstallationStatus, RefundMove
from plugin.ports.watching import Committed, DeliverySettled, RefundMoved, Told
from plugin.storage import tables as t
from plugin.storage.breakers import SqlBreakers
from plugin.storage.keyring import Keyring
from plugin.storage.unit_of_work import SqlStorage
from plugin.watch.series import LOOKED_UP
from tests.factories import (
    BANK,
    NOW,
    STORE,
    TENANT,
    a_delivery,
    a_payment_ref,
    a_plan,
    a_refund,
    a_request,
    a_tenant,
    an_installation,
    moved,
)

PRACTICE = "practice-1"
MINUTE = timedelta(minutes=1)
S = RefundState


@pytest.fixture
def shop(storage: SqlStorage) -> SqlStorage:
    """A real business and practice, each with a store and a gateway."""
    storage.add_tenant(a_tenant(), NOW)
    storage.add_tenant(replace(a_tenant(PRACTICE), simulated=True), NOW)
    for tenant, end in ((TENANT, ""), (PRACTICE, "-2")):
        with storage.begin(tenant) as uow:  # type: ignore[arg-type]  # a tenant's id
            for name in (STORE, BANK):
                uow.installations.add(an_installation(f"{name}{end}", tenant=tenant))
            uow.commit()
    return storage


def gauges(storage: SqlStorage) -> dict[tuple[str, ...], float]:
    found = storage.gauges(NOW)
    told = {(one.series.removeprefix("makegood_"), *one.labels): one.value for one in found}
    assert len(told) == len(found)
    return told


def deliver(storage: SqlStorage, tenant: str, name: str, **given: Any) -> None:  # noqa: ANN401 - as the factory
    end = "" if tenant == TENANT else "-2"
    with storage.begin(tenant) as uow:  # type: ignore[arg-type]  # a tenant's id
        made = a_delivery(name, tenant=tenant, installation=f"{STORE}{end}", **given)  # type: ignore[arg-type]  # an id
        assert uow.deliveries.add(made)
        uow.commit()


def test_every_series_that_is_looked_up_is_there(shop: SqlStorage) -> None:
    names = {series.name for series in LOOKED_UP} - {"makegood_database_up"}
    assert {one.series for one in shop.gauges(NOW)} == names


def test_in_a_quiet_house_all_is_zero_but_its_size(shop: SqlStorage) -> None:
    told = gauges(shop)
    assert told.pop(("database_bytes",)) > 100_000
    assert set(told.values()) == {0}


def test_the_backlog_is_what_is_due_what_waits_and_how_old_it_is(shop: SqlStorage) -> None:
    deliver(shop, TENANT, "late", wake_at=NOW - 7 * MINUTE)
    deliver(shop, TENANT, "due", wake_at=NOW)
    deliver(shop, TENANT, "later", wake_at=NOW + MINUTE)
    deliver(shop, TENANT, "done", wake_at=None, state=DeliveryState.APPLIED)
    deliver(shop, PRACTICE, "practice", wake_at=NOW - 70 * MINUTE)
    told = gauges(shop)
    assert told["backlog_due", "delivery"] == 2
    assert told["backlog_oldest_seconds", "delivery"] == 7 * 60
    assert told["backlog_waiting", "delivery"] == 1
    assert told["backlog_due", "refund"] == told["backlog_waiting", "run"] == 0


def test_refunds_that_are_not_over_stand_by_state_with_the_age_of_the_oldest(
    shop: SqlStorage,
) -> None:
    states = (S.UNKNOWN, S.UNKNOWN, S.NEEDS_PERSON, S.SUCCEEDED)
    with shop.begin(TENANT) as uow:
        uow.requests.save(a_request())
        for number, state in enumerate(states):
            uow.plans.add(replace(a_plan(), id=f"p{number}"), a_request().id)  # type: ignore[arg-type]  # an id
            sent = NOW - (number + 1) * MINUTE
            refund = a_refund(
                plan=f"p{number}", payment=a_payment_ref(f"{number}"), state=state, send_at=sent
            )
            assert uow.refunds.add(refund, "mia", NOW)
        uow.commit()
    told = gauges(shop)
    assert told["refunds", "unknown"] == 2
    assert told["refunds_oldest_seconds", "unknown"] == 120
    assert told["refunds", "pending"] == told["refunds_oldest_seconds", "pending"] == 0
    assert told["dead_letters", "refund"] == 1
    assert ("refunds", "succeeded") not in told


def test_dead_letters_and_drifts_wait_for_a_person(shop: SqlStorage, engine: Engine) -> None:
    for state in DeliveryState:
        deliver(shop, TENANT, state, wake_at=None, state=state)
    with engine.begin() as db:
        for drift, how in (("a", "open"), ("b", "closed")):
            values: dict[str, object] = dict.fromkeys(t.drifts.c.keys(), "x")
            values |= {"tenant_id": TENANT, "installation_id": STORE, "id": drift, "state": how}
            db.execute(insert(t.drifts).values(**values | {"found_at": NOW, "changed_at": NOW}))
    told = gauges(shop)
    assert told["dead_letters", "delivery"] == 3
    assert told["drifts_open",] == 1


def test_workers_that_beat_a_moment_ago_are_alive(shop: SqlStorage, engine: Engine) -> None:
    shop.beat("worker-a")
    shop.beat("worker-b")
    with engine.begin() as db:
        db.execute(
            text("UPDATE mg_workers SET beat_us = beat_us - 60000000 WHERE executor = 'worker-b'")
        )
    assert gauges(shop)["workers_alive",] == 1


def test_accounts_that_rest_are_counted_by_platform(shop: SqlStorage, engine: Engine) -> None:
    breaker = SqlBreakers(engine).breaker_for(BANK)
    for _ in range(FAILURES_TO_OPEN):
        admission = breaker.ask()
        assert isinstance(admission, Admission)
        breaker.tell(admission, Outcome.FAILED)
    assert gauges(shop)["breakers_open", "practice"] == 1
    with shop.begin(TENANT) as uow:
        gone = uow.installations.get(BANK)
        assert gone is not None
        uow.installations.save(replace(gone, status=InstallationStatus.REMOVED))
        uow.commit()
    assert gauges(shop)["breakers_open", "practice"] == 0


def test_tenants_that_are_held_are_counted_once(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        for reason in ("restored", "another"):
            uow.holds.put(Hold(reason, NOW, NOW))
        uow.commit()
    assert gauges(shop)["tenants_held",] == 1


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_no_table_that_grows_is_read_from_end_to_end(shop: SqlStorage, engine: Engine) -> None:
    steps: list[str] = []

    def explain(db: Any, _: object, statement: str, parameters: Any, *__: object) -> None:  # noqa: ANN401 - SQLAlchemy's
        if statement.startswith("SELECT"):
            raw = db.connection.driver_connection
            rows = raw.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            steps.extend(str(row[3]) for row in rows)

    event.listen(engine, "before_cursor_execute", explain)
    shop.gauges(NOW)
    big = ("mg_deliveries", "mg_refunds", "mg_effects", "mg_runs", "mg_drifts")
    of_big = [step for step in steps if any(f" {name} " in f"{step} " for name in big)]
    assert len(of_big) >= 10
    assert [step for step in of_big if not step.startswith("SEARCH ")] == []


# --- what a transaction tells ---------------------------------------------------------------------


@pytest.fixture
def told() -> list[Told]:
    return []


@pytest.fixture
def watched(
    engine: Engine, shop: SqlStorage, secret_key: str, told: list[Told]
) -> Callable[[], SqlStorage]:
    return lambda: SqlStorage(engine, Keyring([secret_key]), told.append)


def test_what_moves_is_told_once_it_is_lasting(
    watched: Callable[[], SqlStorage], told: list[Told]
) -> None:
    storage = watched()
    deliver(storage, TENANT, "one")
    with storage.begin(TENANT) as uow:
        uow.deliveries.settle(a_delivery("one").id, DeliveryState.APPLIED)
        assert told == []
        uow.commit()
        settled = DeliverySettled("one", DeliveryState.APPLIED, NOW)
        assert told == [Committed((settled,), simulated=False)]
        uow.commit()
    assert len(told) == 1


def test_what_never_happened_is_not_told(
    watched: Callable[[], SqlStorage], told: list[Told]
) -> None:
    storage = watched()
    deliver(storage, TENANT, "one")
    with storage.begin(TENANT) as uow:
        uow.deliveries.settle(a_delivery("one").id, DeliveryState.APPLIED)
        uow.deliveries.settle(a_delivery("no such").id, DeliveryState.APPLIED)
    assert told == []


def test_practice_says_that_it_is_practice(
    watched: Callable[[], SqlStorage], told: list[Told]
) -> None:
    storage = watched()
    deliver(storage, PRACTICE, "one")
    with storage.begin(PRACTICE) as uow:  # type: ignore[arg-type]  # a tenant's id
        uow.deliveries.settle(a_delivery("one").id, DeliveryState.FAILED)
        uow.commit()
    (committed,) = told
    assert isinstance(committed, Committed)
    assert committed.simulated


def test_a_refunds_moves_carry_when_it_was_decided(
    watched: Callable[[], SqlStorage], told: list[Told]
) -> None:
    storage, refund, later = watched(), a_refund(), NOW + 10 * MINUTE
    with storage.begin(TENANT) as uow:
        uow.requests.save(a_request())
        uow.plans.add(a_plan(), a_request().id)
        assert uow.refunds.add(refund, "mia", NOW)
        uow.commit()
    with storage.begin(TENANT) as uow:
        after = moved(refund, S.SUBMITTING)
        move = RefundMove(refund.id, refund.state, after.state, later, "worker")
        assert uow.refunds.move(refund, after, move)
        uow.commit()
    first, second = (one.moves for one in told if isinstance(one, Committed))
    assert first == (RefundMoved(refund.id, "plan-1", "planned", S.RESERVED, NOW, NOW),)
    assert second == (RefundMoved(refund.id, "plan-1", S.RESERVED, S.SUBMITTING, later, NOW),)
