"""Two tenants with the same ids everywhere: neither sees, changes or points at the other's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Engine, Table, insert, select
from sqlalchemy.exc import IntegrityError

from plugin.domain.access_map import AccessMap
from plugin.domain.drift import Difference, DriftKind, DriftState
from plugin.domain.effects import (
    EffectState,
    PlannedEffect,
    RevokeAccess,
    TellOwner,
    access_key,
    run_key,
)
from plugin.domain.ids import InstallationId, RunId, TenantId, TicketId
from plugin.domain.orders import PaymentRef
from plugin.domain.plan import Plan
from plugin.domain.refunds import RefundState
from plugin.domain.starting_policies import STARTING_POLICIES
from plugin.ports.connecting import PendingState
from plugin.ports.records import (
    RESTORED,
    DeliveryState,
    Drift,
    Hold,
    InstallationStatus,
    RefundMove,
    Run,
    RunState,
    SignInPurpose,
    StoredSignIn,
    Sweep,
)
from plugin.storage import tables as t
from plugin.storage.rows import TenantRows
from plugin.storage.unit_of_work import SqlStorage, SqlUnitOfWork
from tests.factories import (
    BANK,
    CUSTOMER,
    DESK,
    NOW,
    ORDER,
    STORE,
    TENANT,
    a_course,
    a_delivery,
    a_gift,
    a_pairing,
    a_payment_ref,
    a_pending_install,
    a_plan,
    a_refund,
    a_request,
    a_tag,
    a_tag_removed,
    a_tenant,
    ago,
    an_installation,
    an_order,
    an_order_ref,
    moved,
    soon,
)

OTHER = TenantId("tenant-2")
RUN = Run(RunId("run-1"), CUSTOMER, "delivery d1", RunState.WAITING, NOW)
TAKE = PlannedEffect(access_key(CUSTOMER, a_course(), 1), 0, RevokeAccess(a_course()))
TELLING = Run(RunId("run-2"), CUSTOMER, "delivery d2", RunState.WAITING, NOW)
TELL = PlannedEffect(run_key(TELLING.id, "owner"), 0, TellOwner("subject", "body"))
REFUND = a_refund(wake_at=NOW)
PLAN: Plan = a_plan()
REQUEST = a_request()
POLICY = STARTING_POLICIES[0].version(NOW, "UTC")
SIGN_IN = StoredSignIn(TENANT, "hash", SignInPurpose.LINK, soon(hours=1))
SWEEP = Sweep(STORE, NOW, None, NOW)
DRIFT = Drift(
    "drift-1",
    STORE,
    CUSTOMER,
    Difference(DriftKind.ACCESS_LEFT, "course:c1"),
    DriftState.OPEN,
    NOW,
    NOW,
)
PAIRING = a_pairing()
TABLES: Sequence[Table] = [table for table in t.metadata.sorted_tables if "tenant_id" in table.c]


def fill(uow: SqlUnitOfWork) -> None:
    """One of everything."""
    for installation in (STORE, BANK, DESK):
        uow.installations.add(an_installation(installation, tenant=uow.tenant_id))
    uow.settings.add_policy(POLICY)
    uow.settings.save_access_map(STORE, AccessMap(products={(STORE, "p"): ()}), NOW)
    uow.deliveries.add(a_delivery())
    uow.facts.append(a_gift(a_tag()), "test", NOW)
    uow.orders.save(an_order(contact="12"))
    uow.orders.save(an_order(ref=an_order_ref("2"), email="bo@mail.example", contact="12"))
    uow.requests.save(REQUEST)
    uow.plans.add(PLAN, REQUEST.id)
    uow.refunds.add(REFUND, "ana", NOW)
    uow.effects.add_run(RUN, (TAKE,), NOW)
    uow.effects.add_run(TELLING, (TELL,), NOW)
    uow.audit.write(NOW, "ana", "refund.decided", "plan-1", {})
    uow.sign_ins.add(SIGN_IN)
    uow.pending_installs.add(a_pending_install(tenant=uow.tenant_id))
    uow.pairings.add(PAIRING)
    uow.holds.put(Hold(RESTORED, NOW, NOW))
    uow.facts.append(a_tag_removed(a_tag(), NOW), "test", NOW)
    uow.sweeps.begin(SWEEP)
    uow.drifts.put(DRIFT)
    uow.drifts.put(replace(DRIFT, id="drift-2", state=DriftState.SUSPECTED))


@pytest.fixture
def two(storage: SqlStorage) -> SqlStorage:
    """A tenant with one of everything, and another one with nothing."""
    storage.add_tenant(a_tenant(TENANT), NOW)
    storage.add_tenant(a_tenant(OTHER), NOW)
    with storage.begin(TENANT) as uow:
        fill(uow)
        uow.commit()
    return storage


def rows_of(engine: Engine, tenant: TenantId) -> dict[str, list[tuple[object, ...]]]:
    with engine.connect() as db:
        rows = {
            table.name: [
                tuple(row) for row in db.execute(select(table).where(table.c.tenant_id == tenant))
            ]
            for table in TABLES
        }
        own = select(t.tenants).where(t.tenants.c.id == tenant)
        return rows | {"mg_tenants": [tuple(row) for row in db.execute(own)]}


LONG_AGO = ago(days=99)
READS: dict[str, Callable[[SqlUnitOfWork], object]] = {
    "installations.get": lambda uow: uow.installations.get(STORE),
    "pending_installs.get": lambda uow: uow.pending_installs.get(a_pending_install().id),
    "pairings.get": lambda uow: uow.pairings.get(PAIRING.id),
    "pairings.asked_since": lambda uow: uow.pairings.asked_since(DESK, ago(hours=1)),
    "pairings.of_frame": lambda uow: uow.pairings.of_frame(DESK, PAIRING.agent, "frame-hash"),
    "pairings.of_browser": lambda uow: uow.pairings.of_browser(DESK, "browser-hash", NOW),
    "pairings.all": lambda uow: uow.pairings.all(NOW),
    "installations.all": lambda uow: uow.installations.all(),
    "settings.policy": lambda uow: uow.settings.policy(),
    "settings.access_map": lambda uow: uow.settings.access_map().products,
    "deliveries.get": lambda uow: uow.deliveries.get(a_delivery().id),
    "deliveries.newest": lambda uow: uow.deliveries.newest((), 9),
    "deliveries.not_applied": lambda uow: uow.deliveries.not_applied(9),
    "deliveries.ids_in": lambda uow: uow.deliveries.ids_in((DeliveryState.FAILED,)),
    "deliveries.put_off_since": lambda uow: uow.deliveries.put_off_since(STORE, LONG_AGO, LONG_AGO),
    "deliveries.last_received": lambda uow: uow.deliveries.last_received(),
    "facts.of_customer": lambda uow: uow.facts.of_customer(CUSTOMER),
    "orders.get": lambda uow: uow.orders.get(ORDER),
    "orders.of_customer": lambda uow: uow.orders.of_customer(CUSTOMER),
    "orders.sharing_accounts": lambda uow: uow.orders.sharing_accounts(CUSTOMER),
    "orders.by_number": lambda uow: uow.orders.by_number(ORDER.ref),
    "requests.get": lambda uow: uow.requests.get(REQUEST.id),
    "requests.for_ticket": lambda uow: uow.requests.for_ticket(DESK, TicketId("77"), ORDER),
    "plans.get": lambda uow: uow.plans.get(PLAN.id),
    "refunds.get": lambda uow: uow.refunds.get(REFUND.id),
    "refunds.of_plan": lambda uow: uow.refunds.of_plan(PLAN.id),
    "refunds.of_order": lambda uow: uow.refunds.of_order(ORDER),
    "refunds.of_customer": lambda uow: uow.refunds.of_customer(CUSTOMER),
    "refunds.of_payment": lambda uow: uow.refunds.of_payment(a_payment_ref()),
    "refunds.moves": lambda uow: uow.refunds.moves(PLAN.id),
    "refunds.newest": lambda uow: uow.refunds.newest(9),
    "refunds.oldest": lambda uow: uow.refunds.oldest(9, tuple(RefundState)),
    "effects.run": lambda uow: uow.effects.run(RUN.id),
    "effects.of_run": lambda uow: uow.effects.of_run(RUN.id),
    "effects.get": lambda uow: uow.effects.get(TAKE.key),
    "effects.turns": lambda uow: uow.effects.turns(CUSTOMER),
    "effects.changes_of": lambda uow: uow.effects.changes_of(CUSTOMER, a_course()),
    "effects.open": lambda uow: uow.effects.open(9),
    "effects.newest": lambda uow: uow.effects.newest(9),
    "effects.keys_in": lambda uow: uow.effects.keys_in(EffectState.NEEDS_PERSON),
    "effects.unsent_messages": lambda uow: uow.effects.unsent_messages(),
    "breakers.resting": lambda uow: uow.breakers.resting(),
    "holds.all": lambda uow: uow.holds.all(),
    "holds.has_unapplied": lambda uow: uow.holds.has_unapplied(soon(hours=1)),
    "sweeps.get": lambda uow: uow.sweeps.get(STORE),
    "sweeps.all": lambda uow: uow.sweeps.all(),
    "sweeps.customers": lambda uow: uow.sweeps.customers("", 9),
    "drifts.get": lambda uow: uow.drifts.get(DRIFT.id),
    "drifts.of_customer": lambda uow: uow.drifts.of_customer(STORE, CUSTOMER),
    "drifts.suspects": lambda uow: uow.drifts.suspects(STORE, NOW, 9),
    "drifts.open": lambda uow: uow.drifts.open(9),
    "audit.entries": lambda uow: uow.audit.entries(0, 9),
    "tallies.refunds": lambda uow: uow.tallies.refunds(tuple(RefundState), 9),
    "tallies.effects": lambda uow: uow.tallies.effects(tuple(EffectState), 9),
    "tallies.not_applied": lambda uow: uow.tallies.not_applied(9),
    "tallies.not_applied_between": lambda uow: uow.tallies.not_applied_between(
        NOW, soon(hours=1), 9
    ),
    "tallies.deliveries": lambda uow: uow.tallies.deliveries((NOW, soon(hours=1)), 9),
    "tallies.heard": lambda uow: uow.tallies.heard(9),
}
"""Every read, asked for what the other tenant has. Each must find it at home."""


@pytest.mark.parametrize("name", READS)
def test_what_one_tenant_has_another_cannot_read(
    two: SqlStorage, engine: Engine, name: str
) -> None:
    resting = {"account": STORE, "failures": 5, "opened_at_us": 1, "probe_at_us": 2}
    with engine.begin() as db:
        db.execute(insert(t.breakers).values(**resting))
    with two.begin(TENANT) as uow:
        uow.plans.decide(PLAN.id, "ana", NOW)
        stored = uow.effects.of_run(RUN.id)[0]
        for_a_person = replace(stored, state=EffectState.NEEDS_PERSON, changed_at=NOW)
        uow.effects.set_state(TAKE.key, EffectState.WAITING, for_a_person)
        uow.deliveries.settle(a_delivery().id, DeliveryState.FAILED, wake_at=NOW)
        assert READS[name](uow)
        uow.commit()

    with two.read(OTHER) as uow:
        assert not READS[name](uow)


def test_no_read_is_forgotten_here(two: SqlStorage) -> None:
    writes = {"add", "save", "append", "settle", "decide", "move", "write", "set_state", "use"}
    writes |= {"add_policy", "save_access_map", "add_run", "add_effects", "wake_run", "wake"}
    writes |= {"describe_tenant", "put", "put_back", "lift", "begin", "close"}
    told_of_their_own = {"settings.tenant", "effects.last_tag_change", "audit.verify"}
    told_of_their_own |= {"tallies.closings"}
    with two.read(TENANT) as uow:
        reads = {
            f"{part}.{name}"
            for part, rows in vars(uow).items()
            if isinstance(rows, TenantRows)
            for name in vars(type(rows))
            if not name.startswith("_") and name not in writes
        }

    assert reads == READS.keys() | told_of_their_own


def test_neither_tenant_can_change_what_the_other_has(two: SqlStorage, engine: Engine) -> None:
    with two.begin(TENANT) as uow:
        uow.deliveries.settle(a_delivery().id, DeliveryState.FAILED, reason="key_refused")
        uow.commit()
    before = rows_of(engine, TENANT)

    with two.begin(OTHER) as uow:
        removed = replace(an_installation(), status=InstallationStatus.REMOVED)
        uow.installations.save(removed)
        uow.deliveries.settle(a_delivery().id, DeliveryState.APPLIED)
        uow.deliveries.put_back(STORE, ("key_refused",), NOW)
        assert not uow.deliveries.close(a_delivery().id, "mallory")
        assert not uow.plans.decide(PLAN.id, "mallory", NOW)
        sent = moved(REFUND, RefundState.SUBMITTING)
        move = RefundMove(REFUND.id, "reserved", "submitting", NOW, "mallory")
        assert not uow.refunds.move(REFUND, sent, move)
        uow.refunds.wake(REFUND, soon(hours=1))
        uow.effects.wake_run(RUN, wake_at=None, state=RunState.DONE)
        with two.read(TENANT) as theirs:
            stored = theirs.effects.of_run(RUN.id)[0]
        done = replace(stored, state=EffectState.DONE, changed_at=NOW)
        assert not uow.effects.set_state(TAKE.key, EffectState.WAITING, done)
        assert not uow.sign_ins.use("hash", NOW)
        assert not uow.pairings.move(PAIRING, replace(PAIRING, role="mallory"))
        assert not uow.pending_installs.move(PendingState.WAITING, a_pending_install())
        assert not uow.holds.lift(RESTORED)
        assert not uow.sweeps.wake(STORE, NOW)
        assert not uow.sweeps.save(SWEEP, replace(SWEEP, reason="mallory"))
        uow.audit.write(NOW, "mallory", "refund.decided", "plan-1", {})
        uow.requests.save(replace(REQUEST, reason_text="Changed"))
        uow.facts.append(a_gift(a_tag()), "test", NOW)
        uow.commit()

    assert rows_of(engine, TENANT) == before
    with two.read(TENANT) as uow:
        assert uow.audit.verify() == (1, None)


def test_the_same_ids_in_two_tenants_are_two_things(two: SqlStorage) -> None:
    theirs = InstallationId("store-2")
    with two.begin(OTHER) as uow:
        uow.installations.add(an_installation(theirs, tenant=OTHER))
        assert uow.deliveries.add(replace(a_delivery(), tenant=OTHER, installation=theirs))
        assert uow.facts.append(a_gift(a_tag()), "test", NOW)
        uow.requests.save(REQUEST)
        uow.plans.add(PLAN, REQUEST.id)
        assert uow.plans.decide(PLAN.id, "ben", NOW)
        assert uow.refunds.add(replace(REFUND, payment=PaymentRef(theirs, "pay-1")), "ben", NOW)
        assert uow.effects.add_run(RUN, (TAKE,), NOW)
        uow.settings.add_policy(POLICY)
        uow.audit.write(NOW, "ben", "refund.decided", "plan-1", {})
        uow.commit()

    with two.read(TENANT) as uow:
        plan = uow.plans.get(PLAN.id)
        assert plan is not None
        assert plan.decided_by == ""
        assert len(uow.refunds.of_plan(PLAN.id)) == 1
        assert len(uow.effects.of_run(RUN.id)) == 1
        assert len(uow.audit.entries(0, 9)) == 1


POINTERS: dict[str, Callable[[SqlUnitOfWork], object]] = {
    "delivery to installation": lambda uow: uow.deliveries.add(a_delivery("mine")),
    "order to installation": lambda uow: uow.orders.save(an_order()),
    "access map to installation": lambda uow: uow.settings.save_access_map(STORE, AccessMap(), NOW),
    "plan to request": lambda uow: uow.plans.add(PLAN, REQUEST.id),
    "refund to plan": lambda uow: uow.refunds.add(
        replace(REFUND, payment=PaymentRef(InstallationId("store-2"), "pay-1")), "mallory", NOW
    ),
    "effect to run": lambda uow: uow.effects.add_effects(RUN, (TAKE,), NOW),
    "sweep to installation": lambda uow: uow.sweeps.begin(SWEEP),
    "drift to installation": lambda uow: uow.drifts.put(DRIFT),
    "move to refund": lambda uow: uow.refunds._add_move(
        REFUND, RefundMove(REFUND.id, "reserved", "withdrawn", NOW, "mallory")
    ),
}


@pytest.mark.parametrize("name", POINTERS)
def test_no_row_can_point_into_another_tenant(two: SqlStorage, name: str) -> None:
    with two.begin(OTHER) as uow:
        uow.installations.add(an_installation("store-2", tenant=OTHER))
        with pytest.raises(IntegrityError):
            POINTERS[name](uow)


def test_a_refund_cannot_be_sent_through_another_tenants_account(two: SqlStorage) -> None:
    with two.begin(OTHER) as uow:
        uow.requests.save(REQUEST)
        uow.plans.add(PLAN, REQUEST.id)
        with pytest.raises(IntegrityError):
            uow.refunds.add(REFUND, "mallory", NOW)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_is_keyed_by_its_tenant(table: Table) -> None:
    assert "tenant_id" in table.primary_key.columns
    for constraint in table.foreign_key_constraints:
        assert "tenant_id" in constraint.column_keys
