"""How far accounts were read, whom to look at, and what differs: kept as it was put."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from plugin.domain.drift import Difference, DriftKind, DriftState
from plugin.domain.facts import Fact
from plugin.domain.ids import CustomerKey
from plugin.ports import Kind
from plugin.ports.records import Drift, InstallationStatus, Sweep, Tenant
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import (
    BANK,
    CUSTOMER,
    DESK,
    NOW,
    STORE,
    TENANT,
    a_delivery,
    a_dispute_closed,
    a_gift,
    a_purchase,
    a_refund_fact,
    a_tag,
    a_tag_added,
    a_tag_removed,
    ago,
    an_installation,
    soon,
)

SWEEP = Sweep(STORE, ago(hours=1), None, NOW)
DRIFT = Drift(
    "drift-1",
    STORE,
    CUSTOMER,
    Difference(DriftKind.ACCESS_LEFT, "course:c1", {"name": "Öl"}),
    DriftState.OPEN,
    NOW,
    NOW,
)


@pytest.fixture
def shop(storage: SqlStorage, tenant: Tenant) -> SqlStorage:
    del tenant
    with storage.begin(TENANT) as uow:
        uow.installations.add(an_installation(STORE, created_at=ago(days=9)))
        uow.installations.add(an_installation(BANK, created_at=ago(days=9)))
        uow.installations.add(an_installation(DESK, kind=Kind.HELPDESK))
        uow.commit()
    return storage


# --- sweeps ---------------------------------------------------------------------------------------


def test_a_sweep_is_begun_once_and_moved_by_whoever_comes_first(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        assert uow.sweeps.begin(SWEEP)
        assert not uow.sweeps.begin(replace(SWEEP, reason="another"))
        after = replace(SWEEP, swept_at=NOW, wakes=1, failures=2, reason="why", examined="a@b.c")
        assert uow.sweeps.save(SWEEP, after)
        assert not uow.sweeps.save(SWEEP, replace(SWEEP, wakes=1))
        assert uow.sweeps.get(STORE) == after
        assert uow.sweeps.get(BANK) is None
        assert uow.sweeps.all() == [after]
        assert uow.sweeps.wake(STORE, soon(hours=1))
        assert not uow.sweeps.wake(BANK, NOW)
        uow.commit()
    assert shop.due(NOW, 9) == []
    [due] = shop.due(soon(hours=1), 9)
    assert (due.kind, due.ref, due.wakes) == ("sweep", STORE, 1)
    assert due.name == f"sweep:{STORE}:1"


def test_every_store_without_a_sweep_gets_one_from_when_it_was_last_heard(
    shop: SqlStorage,
) -> None:
    with shop.begin(TENANT) as uow:
        removed = an_installation("gone", status=InstallationStatus.REMOVED)
        uow.installations.add(removed)
        for name, hours in (("d1", 5), ("d2", 3)):
            uow.deliveries.add(a_delivery(name, received_at=ago(hours=hours), wake_at=None))
        uow.commit()

    shop.begin_sweeps(NOW)
    shop.begin_sweeps(soon(hours=1))

    with shop.read(TENANT) as uow:
        assert {s.installation: (s.read_until, s.wake_at) for s in uow.sweeps.all()} == {
            STORE: (ago(hours=3), NOW),
            BANK: (ago(days=9), NOW),
        }


def test_those_of_whom_something_ended_are_looked_at_in_turn(shop: SqlStorage) -> None:
    ended: dict[str, Fact] = {
        "a@mail.example": a_refund_fact(),
        "b@mail.example": a_dispute_closed(won=True),
        "c@mail.example": a_tag_removed(a_tag(), NOW),
    }
    others: dict[str, Fact] = {
        "b2@mail.example": a_purchase(),
        "b3@mail.example": a_gift(a_tag()),
        "b4@mail.example": a_tag_added(a_tag(), NOW),
    }
    with shop.begin(TENANT) as uow:
        for name, fact in {**ended, **others}.items():
            uow.facts.append(replace(fact, customer=CustomerKey(name)), "test", NOW)
        uow.facts.append(
            replace(a_refund_fact(refund="re-2"), customer=CustomerKey("a@mail.example")),
            "test",
            NOW,
        )
        uow.commit()
    with shop.read(TENANT) as uow:
        assert uow.sweeps.customers("", 2) == sorted(ended)[:2]
        assert uow.sweeps.customers("a@mail.example", 9) == sorted(ended)[1:]
        assert uow.sweeps.customers("c@mail.example", 9) == []


# --- drifts ---------------------------------------------------------------------------------------


def test_a_difference_is_kept_and_replaced_by_its_id(shop: SqlStorage) -> None:
    closed = replace(DRIFT, state=DriftState.CLOSED, changed_at=soon(hours=1))
    with shop.begin(TENANT) as uow:
        uow.drifts.put(DRIFT)
        assert uow.drifts.get("drift-1") == DRIFT
        uow.drifts.put(closed)
        assert uow.drifts.get("drift-1") == closed
        assert uow.drifts.get("drift-2") is None
        assert uow.drifts.of_customer(STORE, CUSTOMER) == [closed]
        assert uow.drifts.of_customer(BANK, CUSTOMER) == []


def test_the_open_ones_are_told_newest_first_and_the_suspected_ones_when_they_are_ripe(
    shop: SqlStorage,
) -> None:
    with shop.begin(TENANT) as uow:
        for number, state in enumerate(
            (DriftState.OPEN, DriftState.OPEN, DriftState.MENDED, DriftState.SUSPECTED)
        ):
            at = NOW + timedelta(minutes=number)
            uow.drifts.put(replace(DRIFT, id=f"drift-{number}", state=state, found_at=at))
        nobodys = replace(DRIFT, id="gap", customer=None, state=DriftState.CLOSED)
        uow.drifts.put(nobodys)
        uow.commit()
    with shop.read(TENANT) as uow:
        assert [drift.id for drift in uow.drifts.open(9)] == ["drift-0", "drift-1"]
        assert [drift.id for drift in uow.drifts.open(1)] == ["drift-0"]
        assert uow.drifts.suspects(STORE, soon(minutes=2), 9) == []
        assert uow.drifts.suspects(STORE, soon(minutes=3), 9) == [CUSTOMER]
        assert uow.drifts.suspects(BANK, soon(minutes=3), 9) == []
        assert uow.drifts.of_customer(STORE, None) == [nobodys]
