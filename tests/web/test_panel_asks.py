"""Whom a click asks: whoever writes asks the desk itself, and a decision asks the stores once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from plugin.domain import refunds as domain
from plugin.domain.facts import DisputeOpened
from plugin.domain.ids import AgentId, TicketId, customer_key
from plugin.domain.money import Money
from plugin.domain.orders import Order, OrderRef, Resource
from plugin.helpdesks.practice import PracticeHelpdesk
from plugin.ports import Agent, Contact, OrderQuery, Ticket
from plugin.services.settle_refund import settle_refund
from plugin.stores.practice import PracticeStore
from tests.platforms.practice.fixtures import TurnedClock
from tests.web.panel_desk import ANA, BY_HAND, SILENT, Desk, opened, paid_back, pass_time
from tests.web.practice_house import PracticeHouse

NUMBERS = {ANA: "20418", BY_HAND: "20444", SILENT: "20436"}


# --- rights that were lost a moment ago -----------------------------------------------------------


@dataclass
class Lost:
    """What the desk no longer gives; a test turns it."""

    role: bool = False
    ticket: bool = False


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> Lost:
    """The practice desk, and hands to take an agent's role or ticket away."""
    now = Lost()
    agent_of, ticket_of = PracticeHelpdesk.read_agent, PracticeHelpdesk.read_ticket

    def read_agent(self: PracticeHelpdesk, agent: AgentId) -> Agent | None:
        known = agent_of(self, agent)
        return known and (replace(known, role="light_agent") if now.role else known)

    def read_ticket(self: PracticeHelpdesk, ticket: TicketId, agent: AgentId) -> Ticket | None:
        return None if now.ticket else ticket_of(self, ticket, agent)

    monkeypatch.setattr(PracticeHelpdesk, "read_agent", read_agent)
    monkeypatch.setattr(PracticeHelpdesk, "read_ticket", read_ticket)
    return now


def _fresh(house: PracticeHouse, _clock: TurnedClock, ticket: str) -> Desk:
    return opened(house, ticket)


def _pressed(house: PracticeHouse, _clock: TurnedClock, ticket: str) -> Desk:
    return opened(house, ticket).press()


def _silent(house: PracticeHouse, clock: TurnedClock, ticket: str) -> Desk:
    desk = opened(house, ticket).press()
    pass_time(house, clock, 11)
    return desk.timeline(desk.field("refund"))


def _lost_track(house: PracticeHouse, clock: TurnedClock, ticket: str) -> Desk:
    desk = _silent(house, clock, ticket)
    with house.parts.house.storage.begin(house.tenant) as uow:
        (refund,) = uow.refunds.of_order(OrderRef(house.shop, f"order-{NUMBERS[ticket]}"))
        gone = domain.Move(domain.RefundState.NEEDS_PERSON, None, None, "never_answered")
        assert settle_refund(uow, refund, gone, "worker", clock.now())
        uow.commit()
    return desk.timeline(desk.field("refund"))


@dataclass(frozen=True)
class Move:
    """A click that writes: at which ticket, after what, and what it sends."""

    name: str
    ticket: str
    before: Callable[[PracticeHouse, TurnedClock, str], Desk]
    pairs: tuple[tuple[str, str], ...] = ()

    def __call__(self, desk: Desk) -> Desk:
        """Press it, as the page that was shown has it."""
        if self.name == "refund":
            return desk.press(*self.pairs)
        refund = [] if self.name == "steps" else [("refund", desk.field("refund"))]
        part = [("part", desk.field("part"))] if ("found", "nothing") in self.pairs else []
        order = ("order", desk.field("order"))
        return desk.send(self.name, order, *refund, *part, *self.pairs)


MOVES = {
    "refund": Move("refund", ANA, _fresh),
    "undo": Move("undo", ANA, _pressed),
    "attest": Move("attest", BY_HAND, _pressed),
    "release": Move("attest", SILENT, _lost_track, (("found", "nothing"),)),
    "look": Move("look", SILENT, _silent),
    "steps": Move("steps", ANA, _fresh, (("step", "listen"),)),
}
NEEDS_A_ROLE = ("refund", "undo", "attest", "release")


def _kept(house: PracticeHouse, ticket: str) -> object:
    """All that a click could have written."""
    order = OrderRef(house.shop, f"order-{NUMBERS[ticket]}")
    with house.parts.house.storage.read(house.tenant) as uow:
        request = uow.requests.for_ticket(house.desk, TicketId(ticket), order)
        return uow.refunds.of_order(order), request


@pytest.mark.parametrize("name", NEEDS_A_ROLE)
def test_an_agent_who_has_just_lost_the_role_moves_nothing(
    house: PracticeHouse, clock: TurnedClock, lost: Lost, name: str
) -> None:
    move = MOVES[name]
    desk = move.before(house, clock, move.ticket)
    before = _kept(house, move.ticket)
    lost.role = True
    move(desk)
    assert desk.page.status_code == 403
    assert "<h1>You may not do this</h1>" in desk.html
    assert _kept(house, move.ticket) == before


@pytest.mark.parametrize("name", MOVES)
def test_an_agent_who_has_just_lost_the_ticket_writes_nothing(
    house: PracticeHouse, clock: TurnedClock, lost: Lost, name: str
) -> None:
    move = MOVES[name]
    desk = move.before(house, clock, move.ticket)
    before = _kept(house, move.ticket)
    lost.ticket = True
    move(desk)
    assert "This ticket is not yours to see" in desk.text
    assert _kept(house, move.ticket) == before


@pytest.mark.parametrize("name", MOVES)
def test_with_the_rights_still_there_the_same_click_writes(
    house: PracticeHouse, clock: TurnedClock, lost: Lost, name: str
) -> None:
    move = MOVES[name]
    desk = move.before(house, clock, move.ticket)
    before = _kept(house, move.ticket)
    assert not lost.role
    assert move(desk).page.status_code == 200
    assert _kept(house, move.ticket) != before


# --- how often ------------------------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the store was asked for what."""
    count: Counter[str] = Counter()
    orders_of, access_of = PracticeStore.find_orders, PracticeStore.read_access

    def find_orders(self: PracticeStore, query: OrderQuery) -> Sequence[Order]:
        count["orders"] += 1
        return orders_of(self, query)

    def read_access(self: PracticeStore, contact: Contact) -> Sequence[Resource]:
        count["access"] += 1
        return access_of(self, contact)

    monkeypatch.setattr(PracticeStore, "find_orders", find_orders)
    monkeypatch.setattr(PracticeStore, "read_access", read_access)
    return count


def test_one_click_on_refund_asks_the_store_once(house: PracticeHouse, asked: Counter[str]) -> None:
    desk = opened(house, ANA)
    asked.clear()
    assert "seconds, then 297.00 EUR is sent" in desk.press().text
    assert asked == {"orders": 1, "access": 1}


def test_what_the_decision_read_is_what_is_shown(house: PracticeHouse, clock: TurnedClock) -> None:
    desk = opened(house, ANA)
    house.world.pay_back("pay-20418-1", Money(5000, "EUR"), "in the shop's own screen", clock.now())
    assert "50.00 already refunded" in desk.press().text


# --- a dispute of whose end nobody told -----------------------------------------------------------


def test_a_dispute_blocks_until_the_gateway_itself_says_better(
    house: PracticeHouse, clock: TurnedClock
) -> None:
    order = OrderRef(house.shop, "order-20418")
    ana, amount = customer_key("ana.horvat@mail.example"), Money(29700, "EUR")
    with house.parts.house.storage.begin(house.tenant) as uow:
        uow.facts.append(
            DisputeOpened(ana, order, "dp-1", amount, clock.now()), "test", clock.now()
        )
        uow.commit()
    assert "The bank already holds this money" in opened(house, ANA).text
    clock.turn(timedelta(days=2))
    assert "seconds, then 297.00 EUR is sent" in opened(house, ANA).press().text
    pass_time(house, clock, 11)
    assert paid_back(house) == [amount]
