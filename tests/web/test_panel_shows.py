"""What the panel shows of each practice ticket, and what it says of amounts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

import pytest

from plugin.domain.errors import RetryLater
from plugin.domain.ids import TicketId
from plugin.domain.money import Money
from plugin.domain.orders import Order
from plugin.platforms.practice_desk import PracticeTickets
from plugin.ports import OrderQuery, Ticket
from plugin.stores.practice import PracticeStore
from tests.platforms.practice.fixtures import TurnedClock
from tests.web.panel_desk import (
    ANA,
    DISPUTE,
    LATE,
    NOBODY,
    TWICE,
    WEAK,
    YEAR,
    YEN,
    opened,
    paid_back,
    pass_time,
    sale,
)
from tests.web.practice_house import PracticeHouse

# --- what is shown --------------------------------------------------------------------------------


def test_the_order_that_the_ticket_names_is_open_and_the_others_are_folded(
    house: PracticeHouse,
) -> None:
    desk = opened(house, TWICE)
    assert "Order 20457" in desk.text
    assert "1 other order" in desk.text
    assert "Stays 1 Course Colour Mixing Basics also bought on 17 Nov 2026" in desk.text


def test_several_orders_of_which_none_is_named_make_a_list(
    house: PracticeHouse, clock: TurnedClock
) -> None:
    for number in ("30001", "30002"):
        house.world.add_order(sale(house, clock, number))
    ticket = TicketId("2001")
    asked = Ticket(ticket, "Refund", "Ana Horvat", ("ana.horvat@mail.example",), (), open=True)
    PracticeTickets(house.folder / "practice.sqlite").add_ticket(asked, clock.now())
    desk = opened(house, ticket)
    assert "3 in 1 store" in desk.text
    assert "What this will do" not in desk.text
    assert "What this will do" in desk.send("order", desk.order("30001")).text


def test_months_not_started_are_shown_as_a_sum_with_the_question_about_the_renewal(
    house: PracticeHouse,
) -> None:
    desk = opened(house, YEAR)
    assert "12 months, opens 1 course, 1 course by the tag wy-member" in desk.text
    assert "12 months paid 149.00 3 months started −37.25 9 months back 111.75" in desk.text
    assert 'aria-label="3 of 12 months used"' in desk.html
    assert "Yes, stop 149.00 EUR on 3 Sep 2027 stops" in desk.text
    assert "91.79 to Visa …4242, 19.96 to gift card …K7QD" in desk.text
    line = ("line", "line-20312-1")
    desk.send("plan", desk.order("20312"), line, ("amount", "prorata"), ("sub", "keep"))
    assert "this order still gives it" in desk.text
    assert "Goes" not in desk.text


def test_a_line_that_the_policy_refuses_cannot_be_ticked(house: PracticeHouse) -> None:
    desk = opened(house, YEAR)
    assert "Paper guide, download 19.00 The time is over, clause 3.1" in desk.text
    guide = ("line", "line-20312-2")
    desk.send("plan", desk.order("20312"), guide, ("amount", "lines"))
    assert "the policy says no" in desk.text


def test_needs_review_leaves_it_to_the_agent(house: PracticeHouse) -> None:
    desk = opened(house, YEN)
    assert "Needs review clause 3.2" in desk.text
    assert "Refund 3,800 JPY to JCB …0505" in desk.text
    assert 'placeholder="0"' in desk.html


def test_not_eligible_has_a_kind_sentence_and_no_button(house: PracticeHouse) -> None:
    desk = opened(house, LATE)
    assert "You bought Colour Mixing Basics on 1 Mar 2026." in desk.text
    assert "Refund 49.00 EUR clause 2.1 says no" in desk.text
    copied = re.search(r'data-copy="(Thank you[^"]*)"', desk.html)
    assert copied is not None
    assert "“" not in copied[1]


def test_an_open_dispute_has_no_button_and_says_what_to_write(house: PracticeHouse) -> None:
    desk = opened(house, DISPUTE)
    assert "The bank already holds this money" in desk.text
    assert "“Your bank is already looking into this payment" in desk.text
    assert 'id="pay"' not in desk.html


def test_a_weak_match_pays_nothing_until_the_card_proves_it(
    house: PracticeHouse, clock: TurnedClock
) -> None:
    desk = opened(house, WEAK)
    assert "Weak match: e-mail in the ticket" in desk.text
    assert "bought with an address that the ticket names" in desk.text
    assert "waits for a proof of who this is" in desk.text
    desk.send("prove", desk.order("20449"), ("proof", "0000"))
    assert desk.page.status_code == 422
    assert "That does not fit any order here." in desk.text
    desk.send("prove", desk.order("20449"), ("proof", "3318"))
    assert "Matched by another e-mail + card digits" in desk.text
    desk.press()
    pass_time(house, clock, 11)
    assert paid_back(house) == [Money(8900, "EUR")]


def test_a_weak_match_is_proven_by_the_order_number_too(house: PracticeHouse) -> None:
    desk = opened(house, WEAK).send("prove", ("proof", "#20449"))
    assert "Matched by another e-mail + order number" in desk.text


def test_nothing_found_says_where_it_looked_and_searches_on(house: PracticeHouse) -> None:
    desk = opened(house, NOBODY)
    assert "Practice shop: nothing" in desk.text
    desk.send("search", ("q", "nobody@mail.example"))
    assert desk.page.status_code == 422
    assert "Nothing under that either." in desk.text
    desk.send("search", ("q", "20449"))
    assert "Weak match: order number" in desk.text
    assert "waits for a proof of who this is" in desk.text


def test_another_purchase_can_be_looked_for_beside_the_ones_found(house: PracticeHouse) -> None:
    desk = opened(house, ANA).send("search", ("q", "20449"))
    assert "Gouache from Scratch" in desk.text
    assert "Weak match: order number" in desk.text  # the badge is that of the open order
    assert "1 other order" in desk.text


@pytest.fixture
def silent_store(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the store is silent; a test turns it."""
    silent = [False]
    speaks = PracticeStore.find_orders

    def find_orders(self: PracticeStore, query: OrderQuery) -> Sequence[Order]:
        if silent[0]:
            raise RetryLater("practice_silent")
        return speaks(self, query)

    monkeypatch.setattr(PracticeStore, "find_orders", find_orders)
    return silent


def test_a_silent_store_shows_old_data_and_is_asked_again_every_minute(
    house: PracticeHouse, clock: TurnedClock, silent_store: list[bool]
) -> None:
    opened(house, ANA)
    silent_store[0] = True
    clock.turn(timedelta(hours=3, minutes=12))
    desk = opened(house, ANA)
    assert "You see what it said 3 h 12 min ago. No money has moved." in desk.text
    assert "Verdict unknown old data" in desk.text
    assert "Refund 297.00 EUR waits for Practice shop" in desk.text
    assert "does not answer" in desk.send("order", desk.order("20418")).text
    silent_store[0] = False
    assert "Refund 297.00 EUR to Visa" in desk.send("order", desk.order("20418")).text


def test_a_store_that_fell_silent_lets_no_plan_through(
    house: PracticeHouse, clock: TurnedClock, silent_store: list[bool]
) -> None:
    desk = opened(house, ANA)
    silent_store[0] = True
    desk.press()
    assert desk.page.status_code == 409
    pass_time(house, clock, 60)
    assert paid_back(house) == []


def test_nothing_found_names_the_store_that_did_not_answer(
    house: PracticeHouse, silent_store: list[bool]
) -> None:
    silent_store[0] = True
    assert "Practice shop does not answer" in opened(house, NOBODY).text


def test_guided_steps_are_kept_and_forget_no_choice(house: PracticeHouse) -> None:
    desk = opened(house, ANA)
    chosen = [("line", "line-20418-1"), ("amount", "free"), ("free", "50")]
    desk.send("steps", desk.order("20418"), ("step", "listen"), ("step", "review"), *chosen)
    assert "Refund 50.00 EUR" in desk.text
    again = opened(house, ANA)
    assert again.html.count('name="step"') == 9
    assert len(re.findall(r'id="step-(\w+)" value="\w+" checked', again.html)) == 2
    again.send("steps", again.order("20418"), ("step", "listen"))
    assert re.findall(r'id="step-(\w+)" value="\w+" checked', opened(house, ANA).html) == ["listen"]


def test_the_reason_is_kept_with_the_request(house: PracticeHouse) -> None:
    desk = opened(house, ANA)
    line = ("line", "line-20418-1")
    desk.send("plan", desk.order("20418"), line, ("amount", "lines"), ("reason", "no_time"))
    assert 'value="no_time" checked' in opened(house, ANA).html


def test_a_screen_reader_hears_what_the_button_will_do(house: PracticeHouse) -> None:
    desk = opened(house, ANA)
    said = "Portrait Lighting, full course. Refund 297.00 EUR, to Visa …4242."
    assert f'data-say="{said}"' in desk.html
    assert 'data-say="You have 10 seconds to undo. Nothing has been sent yet."' in desk.press().html


# --- amounts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("-5", "Write an amount such as 12.50, up to 297.00."),
        ("1e2", "Write an amount such as 12.50, up to 297.00."),
        ("12,50", "Write an amount such as 12.50, up to 297.00."),
        ("1.001", "Write an amount such as 12.50, up to 297.00."),
        ("0", "Write an amount such as 12.50, up to 297.00."),
        ("٥", "Write an amount such as 12.50, up to 297.00."),
        ("NaN", "Write an amount such as 12.50, up to 297.00."),
        ("297.01", "More than can go back: write up to 297.00."),
        ("9999999999999", "More than can go back: write up to 297.00."),
    ],
)
def test_an_amount_that_cannot_be_paid_is_refused_in_words(
    house: PracticeHouse, typed: str, shown: str
) -> None:
    desk = opened(house, ANA)
    plan, plan_hash = desk.field("plan"), desk.field("hash")
    desk.free(typed)
    assert desk.page.status_code == 422
    assert shown in desk.text
    assert "waits for an amount it can pay" in desk.text
    # The same by force: the old plan's button with the new amount.
    forced = [("line", "line-20418-1"), ("amount", "free"), ("free", typed)]
    desk.send("refund", desk.order("20418"), ("plan", plan), ("hash", plan_hash), *forced)
    assert desk.page.status_code == 422
    house.work()
    assert paid_back(house) == []


def test_yen_are_typed_without_a_point(house: PracticeHouse) -> None:
    desk = opened(house, YEN).free("12.5", "20461")
    assert "Write an amount such as 1250, up to 3,800." in desk.text
    assert "Refund 1,250 JPY" in desk.free("1250", "20461").text


def test_an_amount_that_is_not_typed_yet_is_no_fault(house: PracticeHouse) -> None:
    desk = opened(house, ANA).free("")
    assert desk.page.status_code == 200
    assert "waits for an amount it can pay" in desk.text


def test_no_line_ticked_waits_for_one(house: PracticeHouse) -> None:
    desk = opened(house, ANA)
    assert "tick a line first" in desk.send("plan", desk.order("20418"), ("amount", "lines")).text
