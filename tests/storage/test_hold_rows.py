"""Holds: kept by reason, and what is due for a held tenant sends nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugin.domain.effects import (
    Effect,
    EffectState,
    PlannedEffect,
    RevokeAccess,
    TellCustomer,
    TellOwner,
    run_key,
)
from plugin.domain.ids import RunId
from plugin.domain.refunds import RefundState
from plugin.ports.records import RESTORED, Hold, RefundMove, Run, RunState, Tenant
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import (
    CUSTOMER,
    NOW,
    a_course,
    a_delivery,
    a_plan,
    a_refund,
    a_request,
    ago,
    an_order,
    soon,
)

HOLD = Hold(RESTORED, NOW, ago(hours=2), wake_at=soon(hours=1))
RUN = Run(RunId("run-1"), CUSTOMER, "delivery d1", RunState.WAITING, NOW)


def put(storage: SqlStorage, tenant: Tenant, hold: Hold = HOLD) -> None:
    with storage.begin(tenant.id) as uow:
        uow.holds.put(hold)
        uow.commit()


def kinds(storage: SqlStorage) -> list[str]:
    return sorted(work.kind for work in storage.due(NOW, 100))


def test_a_hold_is_kept_until_it_is_lifted(shop: SqlStorage, tenant: Tenant) -> None:
    put(shop, tenant)
    later = replace(HOLD, wake_at=soon(hours=2), wakes=1)
    put(shop, tenant, later)
    with shop.begin(tenant.id) as uow:
        assert uow.holds.all() == [later]
        assert not uow.holds.lift("another")
        assert uow.holds.lift(RESTORED)
        assert not uow.holds.lift(RESTORED)
        assert uow.holds.all() == []


@pytest.fixture
def busy(shop: SqlStorage, tenant: Tenant) -> SqlStorage:
    """Of each kind something is due."""
    with shop.begin(tenant.id) as uow:
        uow.deliveries.add(a_delivery(wake_at=NOW))
        uow.orders.save(an_order())
        uow.requests.save(a_request())
        uow.plans.add(a_plan(), a_request().id)
        uow.refunds.add(a_refund(wake_at=NOW), "ana", NOW)
        uow.effects.add_run(RUN, (), NOW)
        uow.commit()
    return shop


def test_of_a_held_tenant_only_what_sends_nothing_is_due(busy: SqlStorage, tenant: Tenant) -> None:
    assert kinds(busy) == ["delivery", "refund", "run"]
    put(busy, tenant)
    assert kinds(busy) == ["delivery"]


@pytest.mark.parametrize(
    "state", [RefundState.SUBMITTING, RefundState.UNKNOWN, RefundState.PENDING]
)
def test_refunds_that_are_looked_up_are_due_all_the_same(
    busy: SqlStorage, tenant: Tenant, state: RefundState
) -> None:
    put(busy, tenant)
    with busy.begin(tenant.id) as uow:
        [refund] = uow.refunds.newest(1)
        move = RefundMove(refund.id, refund.state, state, NOW, "worker")
        assert uow.refunds.move(refund, replace(refund, state=state), move)
        uow.commit()
    assert kinds(busy) == ["delivery", "refund"]


def test_a_hold_itself_is_due_when_it_is_to_be_looked_at(shop: SqlStorage, tenant: Tenant) -> None:
    put(shop, tenant, replace(HOLD, wake_at=NOW, wakes=3))
    [work] = shop.due(NOW, 100)
    assert (work.kind, work.ref, work.wakes) == ("hold", tenant.id, 3)


def test_what_came_by_a_moment_and_waits_is_told(shop: SqlStorage, tenant: Tenant) -> None:
    with shop.begin(tenant.id) as uow:
        uow.deliveries.add(replace(a_delivery(wake_at=soon(hours=5)), received_at=NOW))
        assert uow.holds.has_unapplied(NOW)
        assert not uow.holds.has_unapplied(ago(seconds=1))


def test_words_that_were_not_through_are_found(shop: SqlStorage, tenant: Tenant) -> None:
    effects: tuple[Effect, ...] = (
        TellOwner("s", "b"),
        TellCustomer(None, None, "a@b.example", "s", "b", "en"),
        RevokeAccess(a_course()),
    )
    planned = tuple(
        PlannedEffect(run_key(RUN.id, str(n)), n, effect) for n, effect in enumerate(effects)
    )
    with shop.begin(tenant.id) as uow:
        uow.effects.add_run(RUN, planned, NOW)
        found = {one.planned.key for one in uow.effects.unsent_messages()}
        assert found == {planned[0].key, planned[1].key}
        for state in (EffectState.SENDING, EffectState.DONE):
            stored = uow.effects.get(planned[0].key)
            assert stored is not None
            uow.effects.set_state(
                stored.planned.key, stored.state, replace(stored, state=state, changed_at=NOW)
            )
            keys = {one.planned.key for one in uow.effects.unsent_messages()}
            assert (planned[0].key in keys) is (state is EffectState.SENDING)
