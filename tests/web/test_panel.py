"""A refund in the panel over practice: from the button to the end, in every way it can go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from plugin.domain.ids import PlanId
from plugin.domain.money import Money
from plugin.domain.orders import Order
from plugin.domain.refunds import Move, RefundState
from plugin.platforms.practice_shop import Mood
from plugin.ports import OrderQuery
from plugin.services.settle_refund import settle_refund
from plugin.stores.practice import PracticeStore
from tests.platforms.practice.fixtures import TurnedClock
from tests.web.panel_desk import ANA, BY_HAND, SILENT, opened, paid_back, pass_time, sale
from tests.web.practice_house import PracticeHouse


def test_a_refund_is_seen_from_the_button_to_the_end(
    house: PracticeHouse, clock: TurnedClock
) -> None:
    desk = opened(house, ANA)
    assert "opens 1 course" in desk.text
    assert "Refund 297.00 EUR to Visa …4242" in desk.text
    desk.press()
    assert desk.page.status_code == 200
    assert "10 seconds, then 297.00 EUR is sent" in desk.text
    assert "297.00 being refunded" in desk.text
    assert paid_back(house) == []
    plan = desk.field("refund")
    clock.turn(timedelta(seconds=11))
    assert "Sent to Practice shop" in desk.timeline(plan).text  # the worker has not come by yet
    house.work()
    desk.timeline(plan)
    assert "297.00 EUR refunded" in desk.text
    assert "Gone 10:30 Course Portrait Lighting, full course Tag portrait-student" in desk.text
    assert "Ana Horvat was told at 10:30. The ticket has a note." in desk.text
    assert "1 refund in 12 months" in desk.text
    assert paid_back(house) == [Money(29700, "EUR")]


def test_undo_sends_nothing_and_opens_the_order_again(
    house: PracticeHouse, clock: TurnedClock
) -> None:
    desk = opened(house, ANA).press()
    desk.send("undo", desk.order("20418"), ("refund", desk.field("refund")))
    assert "Taken back Nothing was sent. No money has moved." in desk.text
    assert "Refund 297.00 EUR to Visa …4242" in desk.text
    pass_time(house, clock, 60)
    assert paid_back(house) == []


def test_undo_after_it_was_sent_shows_where_it_is(house: PracticeHouse, clock: TurnedClock) -> None:
    desk = opened(house, ANA).press()
    plan = desk.field("refund")
    pass_time(house, clock, 11)
    desk.send("undo", desk.order("20418"), ("refund", plan))
    assert "297.00 EUR refunded" in desk.text


def test_a_second_press_of_the_same_button_pays_once(
    house: PracticeHouse, clock: TurnedClock
) -> None:
    desk = opened(house, ANA)
    pressed = [
        ("order", desk.field("order")),
        ("plan", desk.field("plan")),
        ("hash", desk.field("hash")),
    ]
    desk.send("refund", *pressed)
    desk.send("refund", *pressed)
    assert "seconds, then 297.00 EUR is sent" in desk.text
    pass_time(house, clock, 11)
    assert desk.send("refund", *pressed).page.status_code == 200
    pass_time(house, clock, 60)
    assert paid_back(house) == [Money(29700, "EUR")]


def test_a_silent_gateway_is_unknown_until_a_look_finds_it(
    house: PracticeHouse, clock: TurnedClock
) -> None:
    desk = opened(house, SILENT).press()
    plan = desk.field("refund")
    pass_time(house, clock, 11)
    desk.timeline(plan)
    assert "No answer yet" in desk.text
    assert "The money may or may not have moved." in desk.text
    assert "unchanged until we know" in desk.text
    looks = [("order", house.order("20436")), ("refund", plan)]
    assert "We are looking it up" in desk.send("look", *looks).text
    house.work()  # the first look is in vain
    assert "No answer yet" in desk.timeline(plan).text
    desk.send("look", *looks)
    house.work()
    assert "89.00 EUR refunded" in desk.timeline(plan).text
    assert paid_back(house) == [Money(8900, "EUR")]


def test_a_refund_by_hand_waits_for_a_person_and_ends_by_their_word(house: PracticeHouse) -> None:
    desk = opened(house, BY_HAND)
    assert "Refund 240.00 EUR by hand" in desk.text
    desk.press()
    assert "3 steps, about a minute" in desk.text
    assert "I refunded 240.00 EUR by hand" in desk.text
    plan = desk.field("refund")
    desk.send("attest", desk.order("20444"), ("refund", plan))
    assert "Refunded by hand" in desk.text
    assert "240.00 already refunded" in desk.text
    house.work()
    assert "240.00 EUR refunded" in desk.timeline(plan).text
    assert "Open the order again" not in desk.text
    assert paid_back(house) == []  # we paid nothing: a person did


@pytest.mark.parametrize("still_unshown", [True, False])
def test_a_word_that_the_payment_never_bears_out_is_taken_back_while_it_does_not(
    house: PracticeHouse, monkeypatch: pytest.MonkeyPatch, *, still_unshown: bool
) -> None:
    as_it_is = PracticeStore.find_orders

    def by_its_charge(store: PracticeStore, query: OrderQuery) -> Sequence[Order]:
        """The order as it is shown with the charge of a gateway that was silent before."""
        return [
            replace(
                order,
                payments=tuple(replace(p, ref=replace(p.ref, ref="ch")) for p in order.payments),
            )
            for order in as_it_is(store, query)
        ]

    desk = opened(house, BY_HAND).press()
    plan = desk.field("refund")
    desk.send("attest", desk.order("20444"), ("refund", plan))
    house.work()
    assert "It never went back" not in desk.timeline(plan).text
    monkeypatch.setattr(PracticeStore, "find_orders", by_its_charge)
    desk = opened(house, BY_HAND)
    assert "shows nothing of it" in desk.text
    part = ("part", desk.field("part"))
    if not still_unshown:
        monkeypatch.setattr(PracticeStore, "find_orders", as_it_is)
    desk.send("attest", desk.order("20444"), ("refund", plan), part, ("found", "nothing"))
    assert ("Came back" in desk.text) is still_unshown
    assert ("240.00 EUR refunded" in desk.text) is not still_unshown


def test_a_refund_by_hand_can_be_taken_back(house: PracticeHouse) -> None:
    desk = opened(house, BY_HAND).press()
    desk.send("undo", desk.order("20444"), ("refund", desk.field("refund")))
    assert "Taken back" in desk.text
    assert "Refund 240.00 EUR by hand" in desk.text


@pytest.mark.parametrize(
    ("found", "shown"),
    [("paid", "89.00 EUR refunded"), ("nothing", "Refund 89.00 EUR to Visa …6127")],
)
def test_a_person_who_looked_says_what_they_found(
    house: PracticeHouse, clock: TurnedClock, found: str, shown: str
) -> None:
    desk = opened(house, SILENT).press()
    plan = desk.field("refund")
    pass_time(house, clock, 11)
    with house.parts.house.storage.begin(house.tenant) as uow:
        (refund,) = uow.refunds.of_plan(PlanId(plan))
        lost = Move(RefundState.NEEDS_PERSON, None, None, "never_answered")
        assert settle_refund(uow, refund, lost, "worker", clock.now())
        uow.commit()
    assert "Look there, then say what you found." in desk.timeline(plan).text
    part = ("part", desk.field("part"))
    desk.send("attest", desk.order("20436"), ("refund", plan), part, ("found", found))
    house.work()
    assert shown in desk.timeline(plan).text


def test_two_agents_on_one_order_make_one_refund(house: PracticeHouse, clock: TurnedClock) -> None:
    first, second = opened(house, ANA), opened(house, ANA, "practice-lead")
    first.press()
    second.press()
    assert second.page.status_code == 409
    assert "seconds, then 297.00 EUR is sent" in second.text
    third = opened(house, ANA)
    pass_time(house, clock, 11)
    assert "297.00 EUR refunded" in third.timeline().text
    assert paid_back(house) == [Money(29700, "EUR")]


def test_what_changed_meanwhile_is_shown_before_and_now(
    house: PracticeHouse, clock: TurnedClock
) -> None:
    second = opened(house, ANA)
    house.world.pay_back("pay-20418-1", Money(5000, "EUR"), "in the shop's own screen", clock.now())
    second.press()
    assert second.page.status_code == 409
    assert "Someone refunded 50.00 EUR meanwhile. No money has moved from here." in second.text
    assert "Ana gets 297.00 247.00" in second.text
    second.press()
    assert "seconds, then 247.00 EUR is sent" in second.text


def test_an_order_that_someone_else_refunded_in_full_cannot_go_twice(
    house: PracticeHouse, clock: TurnedClock
) -> None:
    desk = opened(house, ANA)
    house.world.pay_back("pay-20418-1", Money(29700, "EUR"), "elsewhere", clock.now())
    desk.press()
    assert desk.page.status_code == 409
    assert "It cannot be refunded now." in desk.text
    assert 'type="button" disabled' in desk.html


def test_a_plan_older_than_five_minutes_asks_again(
    house: PracticeHouse, clock: TurnedClock
) -> None:
    desk = opened(house, ANA)
    clock.turn(timedelta(minutes=6))
    desk.press()
    assert desk.page.status_code == 409
    assert "A plan holds for five minutes. Nothing has changed since" in desk.text
    assert "seconds, then 297.00 EUR is sent" in desk.press().text


def test_after_a_part_went_back_the_rest_can_go_too(
    house: PracticeHouse, clock: TurnedClock
) -> None:
    desk = opened(house, ANA).free("50")
    desk.press(("line", "line-20418-1"), ("amount", "free"), ("free", "50"))
    pass_time(house, clock, 11)
    desk.timeline(desk.field("refund"))
    assert "50.00 EUR refunded" in desk.text
    desk.send("order", desk.order("20418"), ("again", "yes"))
    assert "Refund 247.00 EUR" in desk.text
    desk.free("100")  # and it stays open while the agent chooses
    assert "Refund 100.00 EUR" in desk.text
    desk.press(("line", "line-20418-1"), ("amount", "free"), ("free", "100"))
    pass_time(house, clock, 11)
    assert paid_back(house) == [Money(5000, "EUR"), Money(10000, "EUR")]


def test_a_gateway_that_takes_its_time_is_waited_for(
    house: PracticeHouse, clock: TurnedClock
) -> None:
    house.world.add_order(sale(house, clock, "30001"), Mood.PENDING)
    desk = opened(house, ANA).send("order", ("order", house.order("30001"))).press()
    plan = desk.field("refund")
    pass_time(house, clock, 11)
    assert "Not through yet , now Practice shop has it and works on it." in desk.timeline(plan).text


def test_a_refusal_says_that_no_money_moved_and_offers_a_new_plan(
    house: PracticeHouse, clock: TurnedClock
) -> None:
    desk = opened(house, ANA).press()
    plan = desk.field("refund")
    house.world.open_dispute(
        "pay-20418-1", house.clock.now()
    )  # the gateway knows, and nobody has told us
    pass_time(house, clock, 11)
    desk.timeline(plan)
    assert "Refused" in desk.text
    assert "297.00 EUR did not go out. No money has moved for it." in desk.text
    desk.send("order", desk.order("20418"), ("again", "yes")).send("orders", desk.order("20418"))
    assert paid_back(house) == []
