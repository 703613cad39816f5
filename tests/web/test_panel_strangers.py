"""What a ticket's text names finds an order and shows it; it never proves who asks."""

from __future__ import annotations

import pytest

from plugin.domain.ids import TicketId
from plugin.platforms.practice_desk import PracticeTickets
from plugin.ports import Ticket
from tests.platforms.practice.fixtures import TurnedClock
from tests.web.panel_desk import Desk, opened, paid_back, pass_time
from tests.web.practice_house import PracticeHouse

ANA, PETRA = "ana.horvat@mail.example", "petra@lindqvist.example"
STRANGER = "stranger@elsewhere.example"
MANY = " ".join(str(number) for number in range(20300, 20500))
WAITS = "waits for a proof of who this is"


def written(house: PracticeHouse, text: str, *, by: str = STRANGER, subject: str = "Hi") -> Desk:
    """The panel beside a ticket that somebody writes."""
    ticket = Ticket(TicketId("2001"), subject, "Sam", (by,), (), open=True, text=text)
    PracticeTickets(house.folder / "practice.sqlite").add_ticket(ticket, house.clock.now())
    return opened(house, "2001")


@pytest.mark.parametrize(
    "text",
    [
        f"I also use {ANA}. {MANY}",
        f"I also use {ANA}. Order 20418, please.",
        f"{ANA} #20418 Visa 4242, the card ending in 4242",
    ],
)
def test_a_foreign_address_with_its_order_numbers_opens_no_refund(
    house: PracticeHouse, clock: TurnedClock, text: str
) -> None:
    desk = written(house, text)
    assert "Portrait Lighting" in desk.text
    assert "Weak match: e-mail in the ticket" in desk.text
    assert "With a proof here you say that you believe the address too." in desk.text
    assert WAITS in desk.text
    assert 'name="plan"' not in desk.html
    stolen = [("plan", opened(house, "1001").field("plan")), ("hash", "x")]
    desk.send("refund", desk.order("20418"), *stolen)
    assert desk.page.status_code == 409
    assert WAITS in desk.text
    pass_time(house, clock, 60)
    assert paid_back(house) == []


def test_the_number_in_a_subject_is_the_customers_word_too(house: PracticeHouse) -> None:
    desk = written(house, f"I also use {ANA}", subject="Order 20418")
    assert "Weak match: e-mail in the ticket + number in the ticket" in desk.text
    assert WAITS in desk.text


@pytest.mark.parametrize(
    ("proof", "words"), [("20418", "order number"), ("4242", "number in the ticket + card digits")]
)
def test_an_agent_who_gives_a_proof_takes_the_named_address_as_true(
    house: PracticeHouse, proof: str, words: str
) -> None:
    desk = written(house, f"I also use {ANA}. Order 20418, please.")
    desk.send("prove", desk.order("20418"), ("proof", proof))
    assert f"Matched by another e-mail + {words}" in desk.text
    assert "Refund 297.00 EUR" in desk.text
    assert "Refund 297.00 EUR" in desk.send("orders", desk.order("20418")).text  # it is kept


def test_an_agent_who_types_address_and_number_gets_through(house: PracticeHouse) -> None:
    desk = written(house, "Please give me my money back.")
    assert "No purchase under this address" in desk.text
    assert WAITS in desk.send("search", ("q", ANA)).text
    assert "Refund 297.00 EUR" in desk.send("search", ("q", "20418")).text


def test_one_thing_that_the_agent_typed_beside_the_text_is_one_proof(house: PracticeHouse) -> None:
    typed_number = written(house, f"I also use {ANA}. Order 20418").send("search", ("q", "20418"))
    assert "Weak match: e-mail in the ticket + order number" in typed_number.text
    typed_email = opened(house, "2001").send("search", ("q", ANA))
    assert "Weak match: another e-mail + number in the ticket" in typed_email.text
    for desk in (typed_number, typed_email):
        assert WAITS in desk.text


def test_a_proof_that_fits_nothing_is_not_kept_and_opens_nothing(house: PracticeHouse) -> None:
    """A writer with a purchase of their own, who names another's."""
    desk = written(house, f"I also use {ANA}. Order 20418", by=PETRA)
    assert "Weak match: e-mail in the ticket + number in the ticket" in desk.text
    desk.send("prove", desk.order("20418"), ("proof", "9999"))
    assert desk.page.status_code == 422
    assert "That does not fit any order here." in desk.text
    assert "Weak match: e-mail in the ticket + number in the ticket" in desk.text
    assert "Refund 297.00 EUR" not in desk.text


def test_an_address_that_is_named_after_the_agent_looked_is_not_taken_as_true(
    house: PracticeHouse,
) -> None:
    desk = written(house, f"I also use {PETRA}.")
    desk.send("prove", desk.order("20418"), ("proof", "20418"))
    assert desk.page.status_code == 422
    assert "Weak match" in desk.text
    assert "Portrait Lighting" not in desk.text


def test_the_writers_own_order_that_the_text_names_is_opened(house: PracticeHouse) -> None:
    desk = written(house, "Order 20457, and 30 EUR for 2 things", by=PETRA)
    assert "Matched by e-mail + number in the ticket" in desk.text
    assert "Refund 49.00 EUR" in desk.text


def test_the_badge_over_a_list_is_that_of_the_proven_order(house: PracticeHouse) -> None:
    """The named one is newer, and stands first."""
    desk = written(house, f"I also use {ANA}.", by="luca.moretti@posta.example")
    assert "Matched by e-mail" in desk.text
