"""What accounts may still call, and the deliveries of yesterday by the hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from plugin.domain.ids import InstallationId
from plugin.platforms.token_bucket import Rate
from plugin.ports.platforms import Pace
from plugin.ports.records import (
    DeliveryState,
)
from plugin.services import look_at_health
from plugin.services.health import (
    ConnectionHealth,
    Count,
    Health,
)
from plugin.services.look_at_health import LookAtHealth, budget, yesterday
from plugin.storage.budgets import SqlBudgets
from tests.factories import (
    BANK,
    DESK,
    NOW,
    STORE,
    a_delivery,
)
from tests.services.scene import Scene


@pytest.fixture
def budgets(engine: Engine) -> SqlBudgets:
    return SqlBudgets(engine)


def look(scene: Scene) -> Health:
    return LookAtHealth(scene.storage, scene.platforms, scene.clock)(scene.tenant.id)


def at(scene: Scene, installation: InstallationId = STORE) -> ConnectionHealth:
    return next(one for one in look(scene).connections if one.id == installation)


def hear(scene: Scene, *lengths: timedelta, state: DeliveryState = DeliveryState.APPLIED) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        for length in lengths:
            one = a_delivery(f"{state}-{length}", received_at=NOW - length, state=state)
            uow.deliveries.add(one)
        uow.commit()


# --- budgets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "left"), [(0.0, 20), (0.01, 19), (0.1, 19), (0.11, 18), (2.0, 0), (9.0, 0)]
)
def test_a_budget_tells_how_many_calls_are_left(seconds: float, left: int) -> None:
    assert budget(Pace(10, 1, 20), seconds).left == left


def test_calls_that_were_made_are_taken_from_the_budget(scene: Scene, budgets: SqlBudgets) -> None:
    theirs = budgets.budget_for(STORE, Rate(1, 60, 20))
    assert [theirs.take() for _ in range(6)] == [0.0] * 6
    found = at(scene).budget
    untouched = at(scene, BANK).budget
    assert found is not None
    assert untouched is not None
    assert found.left == 14
    assert untouched.left == 20


def test_a_platform_that_is_never_called_has_no_budget(scene: Scene) -> None:
    scene.platforms.never_called.add(DESK)
    assert at(scene, DESK).budget is None


# --- yesterday ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "zone", "begins", "hours"),
    [
        (NOW, "UTC", datetime(2026, 11, 22, tzinfo=UTC), 24),
        (NOW, "Europe/Zagreb", datetime(2026, 11, 21, 23, tzinfo=UTC), 24),
        (NOW, "Asia/Kathmandu", datetime(2026, 11, 21, 18, 15, tzinfo=UTC), 24),
        (datetime(2026, 10, 26, 9, tzinfo=UTC), "Europe/Zagreb",
         datetime(2026, 10, 24, 22, tzinfo=UTC), 25),
        (datetime(2026, 3, 30, 9, tzinfo=UTC), "Europe/Zagreb",
         datetime(2026, 3, 28, 23, tzinfo=UTC), 23),
    ],
)  # fmt: skip
def test_yesterday_is_the_tenants_own_day(
    now: datetime, zone: str, begins: datetime, hours: int
) -> None:
    moments = yesterday(now, zone)
    assert moments[0] == begins
    assert len(moments) == hours + 1
    assert moments[-1] == begins + timedelta(hours=hours)


def test_a_day_that_is_not_made_of_whole_hours_ends_with_a_short_one() -> None:
    moments = yesterday(datetime(2026, 10, 5, 9, tzinfo=UTC), "Australia/Lord_Howe")
    assert moments[-1] - moments[0] == timedelta(hours=23, minutes=30)
    assert moments[-1] - moments[-2] == timedelta(minutes=30)


def test_deliveries_of_yesterday_stand_in_their_hours(scene: Scene) -> None:
    midnight = datetime(2026, 11, 22, 23, tzinfo=UTC)  # in Zagreb, where the tenant is
    before = NOW - midnight
    minute = timedelta(minutes=1)
    hear(scene, before, before + minute, before + 70 * minute, before + 25 * 60 * minute)
    hear(scene, before + 65 * minute, state=DeliveryState.FAILED)
    health = look(scene)
    assert len(health.hours) == 24
    assert [one.delivered.number for one in health.hours[-3:]] == [0, 2, 1]
    assert [one.not_applied for one in health.hours[-3:]] == [0, 1, 0]
    assert at(scene).yesterday == Count(3)
    assert health.hours[0].begins == midnight - timedelta(days=1)


def test_an_hour_with_very_much_is_not_counted_to_its_end(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look_at_health, "MOST_IN_AN_HOUR", 2)
    begin = timedelta(hours=20)
    hear(scene, *(begin + timedelta(seconds=n) for n in range(5)))
    assert at(scene).yesterday == Count(2, more=True)
    assert Count(2, more=True) in [one.delivered for one in look(scene).hours]
