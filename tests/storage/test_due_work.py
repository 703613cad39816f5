"""What is due is found in fair turns, and at a cost that no backlog changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, event, insert, literal, select

from plugin.domain.ids import RunId, TenantId
from plugin.ports.records import DueWork, Run, RunState, Tenant
from plugin.storage import tables as t
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import (
    BANK,
    CUSTOMER,
    NOW,
    STORE,
    TENANT,
    a_delivery,
    a_plan,
    a_refund,
    a_request,
    a_tenant,
    ago,
    an_installation,
)
from tests.fairness import town

Values = tuple[object, ...] | dict[str, object]
OTHER = TenantId("tenant-2")
LIMIT = 8


@pytest.fixture
def shop(storage: SqlStorage, tenant: Tenant) -> SqlStorage:
    with storage.begin(tenant.id) as uow:
        uow.installations.add(an_installation(STORE))
        uow.installations.add(an_installation(BANK))
        uow.commit()
    storage.add_tenant(a_tenant(OTHER), NOW)
    return storage


def deliver(shop: SqlStorage, *refs: str, minutes_ago: float = 1) -> None:
    at = ago(minutes=minutes_ago)
    with shop.begin(TENANT) as uow:
        for ref in refs:
            uow.deliveries.add(a_delivery(ref, received_at=at, wake_at=at))
        uow.commit()


def have_run(shop: SqlStorage, ref: str, tenant: TenantId = OTHER, *, minutes_ago: float) -> None:
    with shop.begin(tenant) as uow:
        run = Run(RunId(ref), CUSTOMER, "x", RunState.WAITING, ago(minutes=minutes_ago))
        uow.effects.add_run(run, (), NOW)
        uow.commit()


def refs(shop: SqlStorage, limit: int = LIMIT) -> list[str]:
    return [work.ref for work in shop.due(NOW, limit)]


# --- turns ----------------------------------------------------------------------------------------


def test_a_flood_of_one_tenant_does_not_stand_before_what_another_has(shop: SqlStorage) -> None:
    deliver(shop, *[f"d-{n:02}" for n in range(30)], minutes_ago=60)
    have_run(shop, "r-1", minutes_ago=2)
    have_run(shop, "r-2", minutes_ago=1)

    assert refs(shop)[:4] == ["d-00", "r-1", "d-01", "r-2"]
    assert len(refs(shop)) == LIMIT


def test_a_flood_of_the_same_kind_does_not_either(shop: SqlStorage) -> None:
    """Here the oldest of all tenants together would show none of the other's."""
    for number in range(30):
        have_run(shop, f"a-{number:02}", TENANT, minutes_ago=60 - number)
    have_run(shop, "b-1", minutes_ago=2)

    assert refs(shop)[:3] == ["a-00", "b-1", "a-01"]


def test_money_does_not_wait_behind_the_deliveries_of_its_own_tenant(shop: SqlStorage) -> None:
    deliver(shop, *[f"d-{n:02}" for n in range(30)], minutes_ago=60)
    refund = a_refund(wake_at=ago(minutes=1))
    with shop.begin(TENANT) as uow:
        uow.requests.save(a_request())
        uow.plans.add(a_plan(), a_request().id)
        uow.refunds.add(refund, "agent", NOW)
        uow.commit()

    assert refs(shop)[:2] == ["d-00", refund.id]


def test_among_those_whose_turn_it_is_the_oldest_is_first(shop: SqlStorage) -> None:
    deliver(shop, "d-1", minutes_ago=1)
    deliver(shop, "d-2", minutes_ago=5)
    have_run(shop, "r-1", minutes_ago=3)

    assert shop.due(NOW, LIMIT) == [
        DueWork("delivery", TENANT, "d-2", 0),
        DueWork("run", OTHER, "r-1", 0),
        DueWork("delivery", TENANT, "d-1", 0),
    ]
    assert refs(shop, 1) == ["d-2"]


def test_what_is_not_due_yet_is_not_shown_however_much_is(shop: SqlStorage) -> None:
    deliver(shop, *[f"d-{n:02}" for n in range(LIMIT)], minutes_ago=1)
    deliver(shop, "later", minutes_ago=-1)
    have_run(shop, "r-later", minutes_ago=-1)

    assert refs(shop, 99) == [f"d-{n:02}" for n in range(LIMIT)]
    assert len(refs(shop, LIMIT)) == LIMIT


def test_of_many_tenants_no_more_are_asked_than_can_have_a_turn(shop: SqlStorage) -> None:
    for number in range(LIMIT + 4):
        tenant = TenantId(f"many-{number:02}")
        shop.add_tenant(a_tenant(tenant), NOW)
        have_run(shop, f"m-{number:02}", tenant, minutes_ago=60 - number)

    assert refs(shop) == [f"m-{number:02}" for number in range(LIMIT)]


# --- cost -----------------------------------------------------------------------------------------


@contextmanager
def explained(engine: Engine) -> Iterator[list[str]]:
    """The plan of each statement that is run meanwhile."""
    plans: list[str] = []

    def explain(
        db: Connection, _cursor: object, statement: str, values: Values, *_: object
    ) -> None:
        if not statement.startswith("SELECT") or "EXPLAIN" in statement:
            return
        how = "EXPLAIN QUERY PLAN " if db.dialect.name == "sqlite" else "EXPLAIN "
        rows = db.exec_driver_sql(how + statement, values).all()
        plans.append("\n".join(str(row[-1]) for row in rows))

    event.listen(engine, "before_cursor_execute", explain)
    yield plans
    event.remove(engine, "before_cursor_execute", explain)


@pytest.mark.parametrize("is_analysed", [False, True])
def test_a_backlog_is_neither_read_through_nor_sorted(
    engine: Engine, shop: SqlStorage, *, is_analysed: bool
) -> None:
    """Whatever the database knows of its tables: statistics may be old, or none."""
    for tenant in (town.LOUD, town.QUIET):
        shop.add_tenant(a_tenant(tenant), NOW)
        with shop.begin(tenant) as uow:
            uow.installations.add(an_installation(town.shop_of(tenant), tenant=tenant))
            uow.commit()
    with engine.begin() as db:
        town.pile_up(db, town.LOUD, 0, 20_000, NOW)
        town.pile_up(db, town.QUIET, 0, 200, NOW + timedelta(seconds=-1))
        pile_up_runs(db)
    if is_analysed:
        with engine.begin() as db:
            db.exec_driver_sql("ANALYZE")

    with explained(engine) as plans:
        found = shop.due(NOW, 64)

    assert [work.tenant for work in found[:4]] == [town.QUIET, town.LOUD] * 2
    assert {work.kind for work in found[:4]} == {"delivery", "run"}
    assert len(plans) == 7, plans  # of all; and of each crowded kind: whose turn, and two tenants
    for plan in plans:
        assert re.search(r"ix_mg_(deliveries|runs)_(wake_at|waiting)", plan), plan
        # On SQLite and on PostgreSQL; all that is due being read would show as one of these.
        assert not re.search(
            r"(SCAN|Seq Scan on|Bitmap Heap Scan on) mg_(deliveries|runs)", plan
        ), plan
        sorts = re.findall(r"(.*)\n.*TEMP B-TREE", plan)
        assert set(sorts) <= {"SCAN mg_holds"}, plan  # one row for each tenant at most


def pile_up_runs(db: Connection) -> None:
    """A run for each delivery that waits."""
    d = t.deliveries
    values = {
        "tenant_id": d.c.tenant_id,
        "id": d.c.id,
        "customer": d.c.name,
        "cause": d.c.name,
        "state": literal(RunState.WAITING.value),
        "wake_at": d.c.wake_at,
        "wakes": literal(0),
        "created_at": d.c.received_at,
    }
    waits = select(*list(values.values())).where(d.c.wake_at.is_not(None))
    db.execute(insert(t.runs).from_select(list(values), waits))
