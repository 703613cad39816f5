"""What a sweep tells of customers while news wait to be applied, and while its calls run out."""

from __future__ import annotations

from datetime import timedelta

import pytest

from plugin.domain.errors import RetryLater
from plugin.ports.platforms import Pace
from plugin.ports.records import DeliveryState
from plugin.services import examine_drift
from tests.factories import (
    BANK,
    a_course,
    a_line_ref,
    a_purchase,
    a_tag,
    a_tag_removed,
    ago,
    an_order_ref,
)
from tests.fakes.telling import TellingStore
from tests.services.scene import Scene
from tests.services.test_examine_drift import COURSE, examine, many, settle
from tests.services.test_sweep_account import account, bank, row, swept

__all__ = ["bank"]


def differ(scene: Scene) -> None:
    """A customer of whom something ended does not have at the bank what she bought there."""
    elsewhere = a_course("c8", store=BANK)
    with scene.storage.begin(scene.tenant.id) as uow:
        line = a_line_ref(order=an_order_ref("10600", BANK))
        uow.facts.append(a_purchase(elsewhere, line=line), "test", scene.clock.now())
        uow.facts.append(a_tag_removed(a_tag(), ago(days=1)), "test", scene.clock.now())
        uow.commit()


# --- news -----------------------------------------------------------------------------------------


def test_a_difference_is_not_told_in_the_turn_that_takes_its_news_in(
    scene: Scene, bank: TellingStore
) -> None:
    """The worker applies it only after that turn."""
    differ(scene)
    assert swept(scene).looked.suspected == 1
    scene.clock.advance(minutes=4)
    bank.tell("evt-1", scene.clock.now() - timedelta(seconds=90))
    account(scene).now(scene.tenant.id, BANK)
    with scene.storage.read(scene.tenant.id) as uow:
        assert uow.drifts.open(9) == []
    scene.clock.advance(minutes=1)

    assert swept(scene).looked.opened == 1


def test_news_that_come_in_after_an_outage_tell_no_difference_either(
    scene: Scene, bank: TellingStore
) -> None:
    """However long ago it was seen, the news of it may be among those that came just now."""
    differ(scene)
    assert swept(scene).looked.suspected == 1
    bank.tell("evt-1", scene.clock.now() + timedelta(minutes=1))
    for minutes in (5, 1, 2):
        scene.clock.advance(minutes=minutes)
        bank.raises["read_news"].append(RetryLater("server_error"))
        assert swept(scene).reason == "server_error"
    scene.clock.advance(minutes=4)
    done = account(scene).now(scene.tenant.id, BANK)

    assert done is not None
    assert (done.taken_in, done.looked.opened) == (1, 0)
    scene.clock.advance(minutes=1)
    assert swept(scene).looked.opened == 1


@pytest.mark.parametrize(("minutes", "opened"), [(10, 0), (40, 1)])
def test_news_that_could_not_be_applied_yet_keep_a_difference_back_for_a_while(
    scene: Scene, bank: TellingStore, minutes: int, opened: int
) -> None:
    """A refund that its shop has not settled, say. What waits for days holds nothing up."""
    differ(scene)
    bank.tell("evt-1", scene.clock.now())
    assert (swept(scene).taken_in, row(scene).wake_at) == (
        1,
        scene.clock.now() + timedelta(minutes=1),
    )
    with scene.storage.begin(scene.tenant.id) as uow:
        [waiting] = uow.deliveries.newest([DeliveryState.RECEIVED], 9)
        later = scene.clock.now() + timedelta(hours=1)
        uow.deliveries.settle(waiting.id, waiting.state, reason="unsettled", wake_at=later)
        uow.commit()
    scene.clock.advance(minutes=minutes)
    bank.told.clear()

    assert swept(scene).looked.opened == opened


# --- calls ----------------------------------------------------------------------------------------


def test_a_sweep_whose_looks_spent_their_calls_has_read_its_news_and_goes_on_after_a_rest(
    scene: Scene, bank: TellingStore
) -> None:
    """Failures that lie apart would else count as one after the other: later and later."""
    differ(scene)
    bank.raises["read_news"].append(RetryLater("server_error"))
    assert swept(scene).reason == "server_error"
    scene.clock.advance(minutes=1)
    bank.raises["read_access"].append(RetryLater("budget_spent", after_seconds=1))

    done, after = swept(scene), row(scene)

    assert (done.reason, done.goes_on) == ("", True)
    assert (after.failures, after.swept_at) == (0, scene.clock.now())
    assert after.wake_at == scene.clock.now() + timedelta(seconds=10)


def test_who_was_cut_off_by_spent_calls_comes_first_after_a_short_rest(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = many(scene, 12)
    monkeypatch.setattr(scene.platforms, "pace", lambda _: Pace(60, 60, 60))  # ten in a portion
    real = scene.shop.enter

    def spent_at_the_fourth(method: str, detail: str) -> None:
        real(method, detail)
        if len(scene.shop.called("read_access")) == 4:
            raise RetryLater("budget_spent", after_seconds=1)

    scene.shop.enter = spent_at_the_fourth  # type: ignore[method-assign]  # people took the rest

    portion = examine(scene)

    assert (portion.looked.customers, portion.examined, portion.error) == (3, names[2], None)
    assert portion.rest == timedelta(seconds=18)  # three tenths of a minute
    assert examine(scene, after=portion.examined).looked.customers == len(names) - 3
    assert scene.shop.called("read_access") == [*names[:4], *names[3:]]


def test_suspects_do_not_take_all_the_calls_that_there_are(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short turn is of four customers: were all four suspects, the round would stand still."""
    names = many(scene, 10)
    monkeypatch.setattr(scene.platforms, "pace", lambda _: Pace(60, 60, 60))  # ten in a portion
    for name in names[5:]:
        scene.shop.held[name].add(COURSE)
    settle(scene, names)
    assert examine(scene).looked.suspected == 5
    scene.clock.advance(minutes=3)
    scene.shop.calls.clear()
    real = scene.shop.enter

    def spent_at_the_fifth(method: str, detail: str) -> None:
        real(method, detail)
        if len(scene.shop.called("read_access")) == 5:
            raise RetryLater("budget_spent", after_seconds=1)

    scene.shop.enter = spent_at_the_fifth  # type: ignore[method-assign]  # people took the rest

    portion = examine(scene)

    assert (portion.looked.opened, portion.examined) == (3, names[0])


def test_who_alone_takes_all_calls_had_their_turn(scene: Scene) -> None:
    names = many(scene, 3)
    scene.shop.raises["read_access"].append(RetryLater("budget_spent", after_seconds=1))

    portion = examine(scene)

    assert (portion.examined, portion.rest) == (names[0], examine_drift.SHORTEST_REST)
