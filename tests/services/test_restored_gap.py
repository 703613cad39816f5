"""A restored house whose past is not to be had: forgotten by the platform, or by the database."""

from __future__ import annotations

from datetime import timedelta

import pytest

from plugin.chance import SystemMint
from plugin.ports.records import RESTORED, Hold, Sweep
from plugin.services.examine_drift import CloseDrift
from plugin.services.restored_house import HoldOlder, hold_restored
from plugin.services.sweep_account import SweepAccount
from tests.factories import BANK, STORE, a_course
from tests.services.scene import Scene
from tests.services.test_restored_house import Telling, end_hold, held, restored, unread


@pytest.fixture
def scene(scene: Scene) -> Scene:
    """Shop and bank tell the news of thirty days."""
    scene.shop, scene.bank = Telling(), Telling()
    scene.shop.clock = scene.bank.clock = scene.clock
    scene.shop.paid = scene.bank.paid
    scene.platforms.adapters |= {STORE: scene.shop, BANK: scene.bank}
    return scene


def swept_for_real(scene: Scene) -> None:
    """By the use case, as often as it goes on."""
    for ref in (STORE, BANK):
        keys = (scene.storage, scene.platforms, scene.clock, SystemMint())
        sweep = SweepAccount(*keys)
        while (swept := sweep.now(scene.tenant.id, ref)) is not None and swept.goes_on:
            scene.clock.advance(seconds=1)


@pytest.mark.parametrize("age", [timedelta(days=31), timedelta(days=29)])
def test_it_stands_where_the_platform_forgot_some_of_its_news(scene: Scene, age: timedelta) -> None:
    """What was refunded in those days is neither in the copy nor in the news."""
    now = scene.clock.now()
    with scene.storage.begin(scene.tenant.id) as uow:
        hold_restored(uow, now - age, scene.platforms, now)
        uow.commit()
    swept_for_real(scene)
    has_gap = age > timedelta(days=30)
    left = unread(scene)
    assert (left.behind, left.silent) == ((), ())
    assert {one.connection.installation for one in left.gaps} == (
        {STORE, BANK} if has_gap else set()
    )
    end_hold(scene)
    assert (held(scene) is not None) is has_gap

    with scene.storage.read(scene.tenant.id) as uow:
        gaps = uow.drifts.open(100)
    for gap in gaps:  # a person looked there
        assert CloseDrift(scene.storage)(scene.tenant.id, gap.id, "ana", scene.clock.now())
    scene.clock.advance(seconds=5)
    end_hold(scene)
    assert held(scene) is None


def test_a_gap_that_was_there_before_the_copy_keeps_nothing(scene: Scene) -> None:
    before = scene.clock.now() - timedelta(days=60)
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.sweeps.begin(Sweep(BANK, before, None, scene.clock.now()))
        uow.commit()
    swept_for_real(scene)
    scene.clock.advance(seconds=1)
    restored(scene)
    swept_for_real(scene)
    assert unread(scene).is_nothing


def test_a_database_that_forgot_something_is_held_as_a_restored_one(scene: Scene) -> None:
    scene.decided(scene.sell(a_course()))
    now = scene.clock.now()
    known_until = now - timedelta(hours=3)
    hold = HoldOlder(scene.storage, scene.platforms, scene.clock)
    hold({scene.tenant.id: known_until})
    assert held(scene) == Hold(RESTORED, now, known_until, now)
    assert unread(scene).refunds == 1
    scene.clock.advance(hours=1)
    hold({scene.tenant.id: known_until})  # another worker looked at the same time
    assert held(scene) == Hold(RESTORED, now, known_until, now)


def test_a_hold_that_an_older_copy_brought_with_it_is_one_anew(scene: Scene) -> None:
    """The copy was made while a hold stood, which was over long before the copy was put back."""
    restored(scene)
    scene.clock.advance(seconds=60)
    swept_for_real(scene)
    known_until = scene.clock.now()
    scene.clock.advance(hours=30)
    HoldOlder(scene.storage, scene.platforms, scene.clock)({scene.tenant.id: known_until})
    end_hold(scene)
    hold = held(scene)
    assert hold is not None
    assert (hold.since, hold.read_from) == (scene.clock.now(), known_until)
