"""Transactions: what is committed lasts, what is not never happened, and what is due is found."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from plugin.domain.ids import InstallationId, RefundId, RunId, TenantId
from plugin.domain.refunds import RefundState
from plugin.ports.records import (
    DeliveryState,
    DueWork,
    RefundMove,
    Run,
    RunState,
    SignInPurpose,
    StoredSignIn,
    Tenant,
)
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import (
    CUSTOMER,
    NOW,
    STORE,
    TENANT,
    a_delivery,
    a_gift,
    a_plan,
    a_refund,
    a_request,
    a_tag,
    a_tenant,
    ago,
    an_installation,
    an_order,
    moved,
    soon,
)


def test_what_is_committed_is_there_for_everyone(storage: SqlStorage, tenant: Tenant) -> None:
    with storage.begin(tenant.id) as uow:
        uow.facts.append(a_gift(a_tag()), "test", NOW)
        uow.commit()

    with storage.read(tenant.id) as uow:
        assert uow.tenant_id == tenant.id
        assert uow.facts.of_customer(CUSTOMER) == (a_gift(a_tag()),)


def test_what_is_not_committed_never_happened(storage: SqlStorage, tenant: Tenant) -> None:
    with storage.begin(tenant.id) as uow:
        uow.facts.append(a_gift(a_tag()), "test", NOW)
        uow.audit.write(NOW, "agent", "gift.given", "t1", {})
        assert len(uow.facts.of_customer(CUSTOMER)) == 1

    with storage.read(tenant.id) as uow:
        assert uow.facts.of_customer(CUSTOMER) == ()
        assert uow.audit.verify() == (0, None)


def test_an_error_undoes_everything_of_its_transaction(storage: SqlStorage, tenant: Tenant) -> None:
    def break_off() -> None:
        with storage.begin(tenant.id) as uow:
            uow.facts.append(a_gift(a_tag()), "test", NOW)
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError, match="crash"):
        break_off()

    with storage.read(tenant.id) as uow:
        assert uow.facts.of_customer(CUSTOMER) == ()


def test_a_reader_cannot_write(storage: SqlStorage, tenant: Tenant) -> None:
    with storage.read(tenant.id) as uow, pytest.raises(DBAPIError, match=r"read-?only"):
        uow.facts.append(a_gift(a_tag()), "test", NOW)

    with storage.begin(tenant.id) as uow:  # and the connection is as good as before
        assert uow.facts.append(a_gift(a_tag()), "test", NOW)


def test_a_reader_sees_one_moment_throughout(storage: SqlStorage, tenant: Tenant) -> None:
    with storage.read(tenant.id) as reading:
        assert reading.facts.of_customer(CUSTOMER) == ()
        with storage.begin(tenant.id) as uow:
            uow.facts.append(a_gift(a_tag()), "test", NOW)
            uow.commit()
        assert reading.facts.of_customer(CUSTOMER) == ()


def test_there_is_no_transaction_without_a_tenant(storage: SqlStorage, tenant: Tenant) -> None:
    with pytest.raises(KeyError, match="nobody"), storage.begin(TenantId("nobody")):
        raise AssertionError
    with storage.begin(tenant.id) as uow:  # the lock was given back
        assert uow.settings.tenant() == tenant


def test_tenants_are_listed_oldest_first(storage: SqlStorage) -> None:
    young, old = a_tenant("young"), replace(a_tenant("old"), simulated=True, owners=())
    storage.add_tenant(young, NOW)
    storage.add_tenant(old, ago(days=1))

    assert storage.tenants() == [old, young]


def test_a_tenants_owners_can_be_named_anew(storage: SqlStorage, tenant: Tenant) -> None:
    storage.add_tenant(a_tenant("tenant-2"), NOW)

    storage.name_owners(tenant.id, ["new@shop.example"])

    assert [made.owners for made in storage.tenants()] == [
        ("new@shop.example",),
        ("owner@shop.example",),
    ]


def test_an_installation_is_found_by_its_id_alone(shop: SqlStorage) -> None:
    assert shop.find_installation(STORE) == an_installation()
    assert shop.find_installation(InstallationId("nothing")) is None


def test_a_sign_in_is_found_by_its_hash_alone_and_spent_once(shop: SqlStorage) -> None:
    link = StoredSignIn(TENANT, "hash-1", SignInPurpose.LINK, soon(hours=1))
    late = replace(link, id="hash-2", expires_at=NOW)
    with shop.begin(TENANT) as uow:
        uow.sign_ins.add(link)
        uow.sign_ins.add(late)
        assert uow.sign_ins.use("hash-1", NOW)
        assert not uow.sign_ins.use("hash-1", NOW)
        assert not uow.sign_ins.use("hash-2", NOW)
        assert not uow.sign_ins.use("hash-3", NOW)
        uow.commit()

    assert shop.find_sign_in("hash-1") == replace(link, used_at=NOW)
    assert shop.find_sign_in("hash-3") is None


def test_sign_ins_long_expired_are_swept_when_one_is_added(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        for name, expires in (("old", ago(days=8)), ("kept", ago(days=6)), ("new", NOW)):
            uow.sign_ins.add(StoredSignIn(TENANT, name, SignInPurpose.SESSION, expires))
        uow.commit()

    assert shop.find_sign_in("old") is None
    assert shop.find_sign_in("kept") is not None


def test_due_work_of_all_tenants_comes_oldest_first(shop: SqlStorage) -> None:
    shop.add_tenant(a_tenant("tenant-2"), NOW)
    refund = a_refund(wake_at=ago(minutes=3))
    with shop.begin(TENANT) as uow:
        uow.deliveries.add(a_delivery("d1", wake_at=ago(minutes=1)))
        uow.deliveries.add(a_delivery("d2", wake_at=soon(seconds=1)))
        uow.deliveries.add(a_delivery("d3", wake_at=None))
        uow.requests.save(a_request())
        uow.plans.add(a_plan(an_order()), a_request().id)
        uow.refunds.add(refund, "agent", NOW)
        uow.commit()
    with shop.begin(TenantId("tenant-2")) as uow:
        run = Run(RunId("r1"), CUSTOMER, "delivery d1", RunState.WAITING, ago(minutes=2), 4)
        uow.effects.add_run(run, (), NOW)
        uow.commit()

    due = shop.due(NOW, 10)

    assert due == [
        DueWork("refund", TENANT, refund.id, 0),
        DueWork("run", TenantId("tenant-2"), "r1", 4),
        DueWork("delivery", TENANT, "d1", 0),
    ]
    assert shop.due(NOW, 2) == due[:2]
    assert [work.name for work in due][1:] == ["run:r1:4", "delivery:d1:0"]
    assert len(shop.due(soon(seconds=1), 10)) == 4


def test_settled_work_is_due_no_more_and_woken_work_has_another_name(shop: SqlStorage) -> None:
    refund = a_refund(wake_at=NOW)
    with shop.begin(TENANT) as uow:
        uow.deliveries.add(a_delivery("d1", wake_at=NOW))
        uow.requests.save(a_request())
        uow.plans.add(a_plan(), a_request().id)
        uow.refunds.add(refund, "agent", NOW)
        uow.effects.add_run(Run(RunId("r1"), CUSTOMER, "x", RunState.WAITING, NOW), (), NOW)
        uow.commit()
    before = {work.name for work in shop.due(NOW, 10)}

    with shop.begin(TENANT) as uow:
        run = uow.effects.run(RunId("r1"))
        assert run is not None
        uow.effects.wake_run(run, wake_at=NOW, state=RunState.WAITING)
        uow.deliveries.settle(a_delivery("d1").id, DeliveryState.APPLIED)
        again = moved(refund, RefundState.RESERVED, wake_at=NOW)
        assert uow.refunds.move(refund, again, _no_move(again.id))
        uow.commit()

    after = {work.name for work in shop.due(NOW, 10)}
    assert after == {"run:r1:1", f"refund:{refund.id}:1"}
    assert after.isdisjoint(before)


def _no_move(refund: str) -> RefundMove:
    return RefundMove(RefundId(refund), "reserved", "reserved", NOW, "worker")


def test_calls_that_a_dead_worker_left_are_due_at_once(shop: SqlStorage) -> None:
    left = a_refund(state=RefundState.SUBMITTING, wake_at=soon(seconds=30))
    waiting = a_refund(plan="plan-2", wake_at=soon(seconds=10))
    with shop.begin(TENANT) as uow:
        uow.requests.save(a_request())
        for refund in (left, waiting):
            uow.plans.add(a_plan(plan_id=refund.plan), a_request().id)
            uow.refunds.add(refund, "agent", NOW)
        uow.commit()

    shop.wake_interrupted(NOW)

    assert [work.ref for work in shop.due(NOW, 9)] == [left.id]


def test_a_time_without_a_zone_is_refused(storage: SqlStorage) -> None:
    with pytest.raises(Exception, match="must say its zone"):
        storage.add_tenant(a_tenant("naive"), NOW.replace(tzinfo=None))


def test_times_of_any_zone_are_stored_as_utc(engine: Engine, storage: SqlStorage) -> None:
    from zoneinfo import ZoneInfo

    storage.add_tenant(a_tenant(), NOW.astimezone(ZoneInfo("Asia/Tokyo")) + timedelta(0))

    with engine.connect() as db:
        (stored,) = db.exec_driver_sql("SELECT created_at FROM mg_tenants").one()
    assert stored == "2026-11-23T12:40:00.000000+00:00"
