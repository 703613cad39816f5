"""Small things of the panel that a person leans on: ways out, what is open, whose words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from plugin.domain.errors import NeedsHuman
from plugin.domain.ids import PlanId
from plugin.domain.orders import Order, Resource, ResourceKind
from plugin.domain.refunds import Move, RefundState
from plugin.helpdesks.practice import PracticeHelpdesk
from plugin.platforms.practice_shop import Shop
from plugin.ports import Contact, OrderQuery, SignIn
from plugin.services.settle_refund import settle_refund
from plugin.stores.practice import PracticeStore
from tests.platforms.practice.fixtures import TurnedClock
from tests.web.panel_desk import ANA, BY_HAND, SILENT, Desk, opened, pass_time, sale
from tests.web.practice_house import PracticeHouse

LINK = "https://bank.example/payments/30001"


Tell = Callable[[str], None]


@pytest.fixture
def payments_at(monkeypatch: pytest.MonkeyPatch) -> Tell:
    """Give every payment a page of its own at the gateway."""
    find = PracticeStore.find_orders

    def tell(link: str) -> None:
        def find_orders(self: PracticeStore, query: OrderQuery) -> Sequence[Order]:
            return [
                replace(order, payments=tuple(replace(p, deep_link=link) for p in order.payments))
                for order in find(self, query)
            ]

        monkeypatch.setattr(PracticeStore, "find_orders", find_orders)

    return tell


# --- ways out -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("link", "shown"), [(LINK, True), ("javascript:alert(1)", False)])
def test_while_a_gateway_is_silent_its_own_page_is_one_click_away(
    house: PracticeHouse, clock: TurnedClock, payments_at: Tell, link: str, shown: bool
) -> None:
    payments_at(link)
    desk = opened(house, SILENT).press()
    pass_time(house, clock, 11)
    desk.timeline(desk.field("refund"))
    assert "We are looking it up" in desk.text
    assert (f'href="{link}"' in desk.html) is shown
    assert ("Look now Open in Practice shop" in desk.text) is shown


def test_a_person_who_must_look_has_the_way_there_first(
    house: PracticeHouse, clock: TurnedClock, payments_at: Tell
) -> None:
    payments_at(LINK)
    desk = opened(house, SILENT).press()
    plan = desk.field("refund")
    pass_time(house, clock, 11)
    with house.parts.house.storage.begin(house.tenant) as uow:
        (refund,) = uow.refunds.of_plan(PlanId(plan))
        lost = Move(RefundState.NEEDS_PERSON, None, None, "never_answered")
        assert settle_refund(uow, refund, lost, "worker", clock.now())
        uow.commit()
    text = desk.timeline(plan).text
    assert "Open in Practice shop (opens in a new tab) The money went back" in text


def test_a_refund_by_hand_starts_with_the_way_into_the_store(
    house: PracticeHouse, payments_at: Tell
) -> None:
    payments_at(LINK)
    desk = opened(house, BY_HAND).press()
    assert "do this now Open Practice shop (opens in a new tab)" in desk.text
    assert f'href="{LINK}"' in desk.html


# --- what is still open at the end ----------------------------------------------------------------


def _untold(house: PracticeHouse, clock: TurnedClock, *gives: Resource) -> Desk:
    """A refund, to its end, of a line that gave a course and `gives`."""
    order = sale(house, clock, "30001")
    line = order.lines[0]
    given = (*(line.gives or ()), *gives)
    house.world.add_order(replace(order, lines=(replace(line, gives=given),)))
    desk = opened(house, ANA).send("order", ("order", house.order("30001"))).press()
    plan = desk.field("refund")
    pass_time(house, clock, 11)
    return desk.timeline(plan)


def test_the_end_names_what_nobody_could_tell(house: PracticeHouse, clock: TurnedClock) -> None:
    bundle = Resource(house.shop, ResourceKind.BUNDLE, "guests", "Guest Lectures")
    desk = _untold(house, clock, bundle)
    assert "50.00 EUR refunded" in desk.text
    said = "Still open 1 Bundle Guest Lectures Nobody told which courses are in it."
    assert said in desk.text


def test_the_end_names_what_could_not_be_taken_away_and_how_often_it_was_tried(
    house: PracticeHouse, clock: TurnedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def revoke(self: PracticeStore, contact: Contact, resource: Resource) -> None:
        raise NeedsHuman("no_such_contact")

    monkeypatch.setattr(PracticeStore, "revoke", revoke)
    desk = _untold(house, clock)
    assert "A person must look: Course 30001" in desk.text
    for _ in range(20):  # until looking again is given up
        clock.turn(timedelta(days=1))
        house.work()
    desk = opened(house, ANA).send("order", ("order", house.order("30001")))
    assert "Still open asked once Course Course 30001 We could not end it." in desk.text
    assert "A person must look in Practice shop." in desk.text


# --- the line's words and the plan's --------------------------------------------------------------


def test_a_line_says_what_it_opens_through_a_bundle(house: PracticeHouse) -> None:
    text = opened(house, "1005").text
    assert "opens 3 courses in the bundle Illustrator's Shelf" in text
    assert "part of the bundle Illustrator's Shelf" in text


def test_what_a_line_gives_and_its_tag_opens_too_is_given_by_the_line(
    house: PracticeHouse, clock: TurnedClock
) -> None:
    shop = Shop(house.shop, clock.now())
    paper = shop.course("paper-pigment", "Paper & Pigment")
    order = sale(house, clock, "30001")
    line = replace(order.lines[0], gives=(paper, shop.tag("wy-member")))
    house.world.add_order(replace(order, lines=(line,)))
    text = opened(house, ANA).send("order", ("order", house.order("30001"))).text
    assert "50.00 opens 1 course Amount" in text
    assert "Course Paper & Pigment given by the ticked line" in text


# --- before the desk has said which ticket it is --------------------------------------------------


def test_the_first_paint_says_what_it_waits_for_and_keeps_the_places(
    house: PracticeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in = PracticeHelpdesk.sign_in

    def unproven(*given: Any) -> SignIn:  # noqa: ANN401 - all that the port gets
        return replace(sign_in(*given), ticket_proven=False)

    monkeypatch.setattr(PracticeHelpdesk, "sign_in", unproven)
    desk = opened(house, ANA)
    assert "Orders waiting for the ticket" in desk.text
    assert desk.html.count('class="later"') == 2
    assert "Read the stores again" not in desk.html
    assert "Ana Horvat" in desk.send("open", ("ticket", ANA)).text
