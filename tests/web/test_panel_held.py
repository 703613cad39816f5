"""While nothing is sent, the panel says so and why, and nobody can start a refund."""

from __future__ import annotations

from plugin.ports.records import RESTORED, Hold
from tests.platforms.practice.fixtures import TurnedClock
from tests.web.panel_desk import ANA, opened, paid_back, pass_time
from tests.web.practice_house import PracticeHouse


def hold(house: PracticeHouse, clock: TurnedClock) -> None:
    with house.parts.house.storage.begin(house.tenant) as uow:
        uow.holds.put(Hold(RESTORED, clock.now(), clock.now()))
        uow.commit()


def release(house: PracticeHouse) -> None:
    with house.parts.house.storage.begin(house.tenant) as uow:
        assert uow.holds.lift(RESTORED)
        uow.commit()


def test_an_open_order_says_that_sending_is_held_and_has_no_button(
    house: PracticeHouse, clock: TurnedClock
) -> None:
    hold(house, clock)
    desk = opened(house, ANA)
    assert "Sending is held Restored from a copy of" in desk.text
    assert "Nothing is sent until what happened since is read" in desk.text
    assert "Refund 297.00 EUR sending is held" in desk.text
    assert 'name="hash"' not in desk.html


def test_a_press_that_comes_too_late_starts_nothing(
    house: PracticeHouse, clock: TurnedClock
) -> None:
    desk = opened(house, ANA)
    hold(house, clock)
    told = desk.press()
    assert told.page.status_code == 409
    assert "Sending is held" in told.text
    pass_time(house, clock, 11)
    assert paid_back(house) == []
    release(house)
    assert "Sending is held" not in opened(house, ANA).text
    opened(house, ANA).press()
    pass_time(house, clock, 11)
    assert len(paid_back(house)) == 1


def test_a_refund_under_way_says_why_it_waits(house: PracticeHouse, clock: TurnedClock) -> None:
    opened(house, ANA).press()
    hold(house, clock)
    pass_time(house, clock, 11)
    assert paid_back(house) == []
    assert "Sending is held" in opened(house, ANA).text
