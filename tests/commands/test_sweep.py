"""`makegood sweep`: missed news is taken in, what differs is listed, and what failed is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from plugin.app import Parts
from plugin.domain.drift import NEXT_STEPS, Difference, DriftKind, DriftState
from plugin.domain.ids import InstallationId, TenantId
from plugin.first_start import home_tenant
from plugin.platforms.practice_world import PracticeWorld
from plugin.ports import Kind
from plugin.ports.records import Drift, InstallationStatus
from tests.commands.conftest import Run
from tests.factories import DESK, STORE, a_line, a_payment, an_installation, an_order, eur

SHOP = InstallationId("shop-1")


@pytest.fixture
def tenant(parts: Parts) -> TenantId:
    return home_tenant(parts.house.storage).id


@pytest.fixture
def world(parts: Parts, tenant: TenantId) -> PracticeWorld:
    """A store that tells its news: the practice shop, here in the tenant of the command line."""
    file = parts.settings.data_dir / "practice.sqlite"
    made = PracticeWorld(file)
    made.seed(parts.clock.now())
    shop = an_installation(SHOP, tenant=tenant, created_at=parts.clock.now() - timedelta(days=1))
    connection = replace(shop.connection, settings={"file": str(file)})
    with parts.house.storage.begin(tenant) as uow:
        uow.installations.add(replace(shop, connection=connection))
        uow.installations.add(an_installation(DESK, tenant=tenant, kind=Kind.HELPDESK))
        uow.commit()
    return made


def pay_back(parts: Parts, world: PracticeWorld) -> None:
    line, payment = a_line(gives=()), a_payment("pay-1")
    world.add_order(an_order(line, payments=(payment,)))
    world.pay_back("pay-1", eur(500), "elsewhere", parts.clock.now())


def test_missed_news_are_taken_in_once(run: Run, parts: Parts, world: PracticeWorld) -> None:
    pay_back(parts, world)

    first = run("sweep", "--json")
    again = run("sweep", SHOP, "--json")

    assert first.code == 0
    [account] = first.facts["accounts"]
    assert (account["installation"], account["swept"]) == (SHOP, True)
    assert (account["read"], account["missed"]) == (1, 1)
    assert "1 of 1 news were missed and are taken in" in first.err
    assert again.facts["accounts"][0]["missed"] == 0


def test_open_differences_are_listed_with_their_next_step(
    run: Run, parts: Parts, world: PracticeWorld, tenant: TenantId
) -> None:
    del world
    now = parts.clock.now()
    difference = Difference(DriftKind.ACCESS_LEFT, "course:c1")
    with parts.house.storage.begin(tenant) as uow:
        uow.drifts.put(Drift("drift-1", SHOP, None, difference, DriftState.OPEN, now, now))
        uow.commit()

    shown = run("sweep", "--json")

    assert shown.facts["drifts"] == [
        {
            "id": "drift-1",
            "installation": SHOP,
            "kind": "access_left",
            "subject": "course:c1",
            "found_at": now.isoformat(),
        }
    ]
    assert NEXT_STEPS[DriftKind.ACCESS_LEFT] in shown.err


def test_an_account_that_does_not_answer_is_code_1_and_named(
    run: Run, parts: Parts, world: PracticeWorld
) -> None:
    del world
    (parts.settings.data_dir / "practice.sqlite").write_bytes(b"something else lies here" * 99)

    shown = run("sweep", "--json")

    assert shown.code == 1
    assert shown.facts["faults"] == [f"{SHOP}: practice_file_unreadable"]
    assert "did not come to its end: practice_file_unreadable" in shown.err


def test_an_account_that_is_being_connected_is_not_looked_at(
    run: Run, parts: Parts, tenant: TenantId
) -> None:
    waiting = an_installation(STORE, tenant=tenant, status=InstallationStatus.CONNECTING)
    with parts.house.storage.begin(tenant) as uow:
        uow.installations.add(waiting)
        uow.commit()

    shown = run("sweep", "--json")

    assert shown.code == 0
    assert shown.facts["accounts"] == [{"installation": STORE, "swept": False}]
    assert "not now" in shown.err


def test_a_store_that_is_not_there_is_said(run: Run, world: PracticeWorld) -> None:
    del world
    shown = run("sweep", "nobodys", "--json")

    assert shown.code == 2
    assert SHOP in shown.facts["detail"]
    assert DESK not in shown.facts["detail"]
