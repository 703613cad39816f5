"""No button that the server refuses, and no refusal that a button hides: for every role and state.

Whoever looks at a refund is shown the buttons that `refund_rights` allows. Here each button that
anybody is shown is pressed by everybody: those who see it are served, all others get 403.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest
from sqlalchemy import text

from plugin.domain.ids import AgentId, PlanId
from plugin.domain.money import Money
from plugin.domain.refunds import Move, RefundState
from plugin.helpdesks import practice
from plugin.ports import Agent
from plugin.services.settle_refund import settle_refund
from tests.platforms.practice.fixtures import TurnedClock
from tests.web.panel_desk import (
    ANA,
    BY_HAND,
    DISPUTE,
    LATE,
    NOBODY,
    SILENT,
    WEAK,
    Desk,
    opened,
    paid_back,
    pass_time,
)
from tests.web.practice_house import PracticeHouse

STARTER, OTHER, LEAD, ADMIN = "practice-agent", "other-agent", "practice-lead", "an-admin"
LIGHT, STRANGE = "light-agent", "strange-agent"
PEOPLE = {
    STARTER: ("Mia Agent", "agent"),
    OTHER: ("Mia Agent", "agent"),  # the same name: only the id tells them apart
    LEAD: ("Lea Lead", "lead"),
    ADMIN: ("Ada Admin", "admin"),
    LIGHT: ("Lou Light", "light_agent"),
    STRANGE: ("Sam Strange", "a role nobody has heard of"),
}
NO_ONE: frozenset[str] = frozenset()
LEADERS = frozenset({LEAD, ADMIN})
PAYERS = LEADERS | {STARTER, OTHER}


@pytest.fixture(autouse=True)
def people(monkeypatch: pytest.MonkeyPatch) -> None:
    """The practice desk with an agent of every role."""
    known = [Agent(AgentId(i), name, role, active=True) for i, (name, role) in PEOPLE.items()]
    monkeypatch.setattr(practice, "AGENTS", tuple(known))


# --- buttons as a page has them -------------------------------------------------------------------


@dataclass(frozen=True)
class Button:
    """One button that can be pressed: where it posts, and all that it sends along."""

    move: str
    fields: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """`undo`, `attest paid`: what tells it from the other buttons of the panel."""
        return " ".join([self.move, *(value for key, value in self.fields if key == "found")])


@dataclass
class _Form:
    action: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    moves: list[str] = field(default_factory=list)


class Buttons(HTMLParser):
    """Reads the forms of a page: every button in it that is not disabled."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self._forms: list[_Form] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self._forms.append(_Form(given["action"] or ""))
        elif "disabled" in given or not self._forms:
            return
        elif tag == "button" and given.get("type") == "submit":
            form = self._forms[-1]
            form.moves.append(given.get("formaction") or form.action)
        elif tag == "input" and (name := given.get("name")) and name != "session":
            ticks = given.get("type") in ("checkbox", "radio")
            if not ticks or "checked" in given:
                self._forms[-1].fields.append((name, given.get("value") or ""))

    def all(self) -> dict[str, Button]:
        found = [
            Button(move.rpartition("/")[2], tuple(form.fields))
            for form in self._forms
            for move in form.moves
        ]
        return {button.name: button for button in found}


def buttons(desk: Desk) -> dict[str, Button]:
    return Buttons(desk.html).all()


MONEY = frozenset({"refund", "undo", "attest paid", "attest nothing", "attest"})


# --- the states -----------------------------------------------------------------------------------


def _press(house: PracticeHouse, ticket: str, agent: str = STARTER) -> Desk:
    desk = opened(house, ticket, agent).press()
    assert desk.page.status_code == 200
    return desk


def _nothing(_house: PracticeHouse, _clock: TurnedClock) -> None:
    """The ticket as it is at first."""


def _ten_seconds(house: PracticeHouse, _clock: TurnedClock) -> None:
    _press(house, ANA)


def _ten_seconds_of_a_lead(house: PracticeHouse, _clock: TurnedClock) -> None:
    _press(house, ANA, LEAD)


def _ten_seconds_of_nobody_known(house: PracticeHouse, _clock: TurnedClock) -> None:
    _press(house, ANA)
    with house.parts.house.engine.begin() as database:
        forget = "UPDATE mg_plans SET decided_desk = NULL, decided_agent = NULL"
        database.execute(text(forget))


def _by_hand(house: PracticeHouse, _clock: TurnedClock) -> None:
    _press(house, BY_HAND)


def _unknown(house: PracticeHouse, clock: TurnedClock) -> None:
    _press(house, SILENT)
    pass_time(house, clock, 11)


def _person_must_look(house: PracticeHouse, clock: TurnedClock) -> None:
    plan = _press(house, SILENT).field("refund")
    pass_time(house, clock, 11)
    with house.parts.house.storage.begin(house.tenant) as uow:
        (refund,) = uow.refunds.of_plan(PlanId(plan))
        lost = Move(RefundState.NEEDS_PERSON, None, None, "never_answered")
        assert settle_refund(uow, refund, lost, "worker", clock.now())
        uow.commit()


def _refused(house: PracticeHouse, clock: TurnedClock) -> None:
    _press(house, ANA)
    house.world.open_dispute("pay-20418-1", house.clock.now())
    pass_time(house, clock, 11)


def _done_in_part(house: PracticeHouse, clock: TurnedClock) -> None:
    chosen = [("line", "line-20418-1"), ("amount", "free"), ("free", "50")]
    opened(house, ANA).free("50").press(*chosen)
    pass_time(house, clock, 11)


@dataclass(frozen=True)
class State:
    """How it comes about, at which ticket, and who is shown which buttons that touch money."""

    make: Callable[[PracticeHouse, TurnedClock], None]
    ticket: str
    shown: dict[str, frozenset[str]] = field(default_factory=dict)


STATES = {
    "open order": State(_nothing, ANA, {"refund": PAYERS}),
    "not eligible": State(_nothing, LATE),
    "weak match": State(_nothing, WEAK),
    "nothing found": State(_nothing, NOBODY),
    "dispute": State(_nothing, DISPUTE),
    "ten seconds": State(_ten_seconds, ANA, {"undo": LEADERS | {STARTER}}),
    "ten seconds of a lead": State(_ten_seconds_of_a_lead, ANA, {"undo": LEADERS}),
    "ten seconds of nobody known": State(_ten_seconds_of_nobody_known, ANA, {"undo": LEADERS}),
    "by hand": State(_by_hand, BY_HAND, {"undo": LEADERS | {STARTER}, "attest": PAYERS}),
    "unknown": State(_unknown, SILENT),
    "a person must look": State(
        _person_must_look, SILENT, {"attest paid": PAYERS, "attest nothing": PAYERS}
    ),
    "refused": State(_refused, ANA),
    "done in part": State(_done_in_part, ANA),
}


@pytest.fixture(params=STATES)
def state(request: pytest.FixtureRequest, house: PracticeHouse, clock: TurnedClock) -> State:
    found = STATES[request.param]
    found.make(house, clock)
    return found


# --- what is shown and what is served -------------------------------------------------------------


def test_each_role_is_shown_the_buttons_that_it_may_press(
    house: PracticeHouse, state: State
) -> None:
    for who in PEOPLE:
        shown = buttons(opened(house, state.ticket, who)).keys() & MONEY
        assert shown == {name for name, may in state.shown.items() if who in may}, who


def test_what_is_shown_is_served_and_what_is_not_shown_is_forbidden(
    house: PracticeHouse, state: State
) -> None:
    pages = {who: opened(house, state.ticket, who) for who in PEOPLE}
    shown = {who: buttons(page) for who, page in pages.items()}
    tokens = {who: page.token for who, page in pages.items()}
    anybodys = {name: button for mine in shown.values() for name, button in mine.items()}
    assert anybodys

    def press(who: str, button: Button) -> int:
        return pages[who].send(button.move, *button.fields, token=tokens[who]).page.status_code

    for who in PEOPLE:
        for name in anybodys.keys() - shown[who].keys():
            assert press(who, anybodys[name]) == 403, (who, name)
    for who in PEOPLE:
        for name, button in shown[who].items():
            assert press(who, button) in (200, 409, 422), (who, name)


@pytest.mark.parametrize("who", [LIGHT, STRANGE])
@pytest.mark.parametrize("move", ["refund", "undo", "attest"])
def test_who_may_only_look_is_forbidden_whatever_else_is_sent(
    house: PracticeHouse, who: str, move: str
) -> None:
    desk = opened(house, ANA, who)
    token, plan = desk.token, ("plan" if move == "refund" else "refund", "no such plan")
    for pairs in ([], [desk.order("20418")], [desk.order("20457"), plan]):
        assert desk.send(move, *pairs, token=token).page.status_code == 403


# --- undo -----------------------------------------------------------------------------------------


def _states(house: PracticeHouse, plan: str) -> list[RefundState]:
    with house.parts.house.storage.read(house.tenant) as uow:
        return [refund.state for refund in uow.refunds.of_plan(PlanId(plan))]


def _undo(house: PracticeHouse, who: str, plan: str) -> int:
    desk = opened(house, ANA, who)
    return desk.send("undo", desk.order("20418"), ("refund", plan)).page.status_code


@pytest.mark.parametrize("who", [OTHER, LIGHT, STRANGE])
def test_nobody_else_takes_back_what_an_agent_started(
    house: PracticeHouse, clock: TurnedClock, who: str
) -> None:
    plan = _press(house, ANA).field("refund")
    assert _undo(house, who, plan) == 403
    assert _states(house, plan) == [RefundState.RESERVED]
    pass_time(house, clock, 11)
    assert _states(house, plan) == [RefundState.SUCCEEDED]
    assert paid_back(house) == [Money(29700, "EUR")]


@pytest.mark.parametrize("who", [STARTER, LEAD, ADMIN])
def test_who_started_it_and_those_who_lead_take_it_back(
    house: PracticeHouse, clock: TurnedClock, who: str
) -> None:
    plan = _press(house, ANA).field("refund")
    assert _undo(house, who, plan) == 200
    assert _states(house, plan) == [RefundState.WITHDRAWN]
    pass_time(house, clock, 11)
    assert paid_back(house) == []


# --- words in place of buttons --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "ticket", "who", "words"),
    [
        (_nothing, ANA, LIGHT, "your role may look, not refund"),
        (_ten_seconds, ANA, LIGHT, "Only Mia Agent, a team lead or an admin can undo this."),
        (_ten_seconds, ANA, OTHER, "Only Mia Agent, a team lead or an admin can undo this."),
        (
            _ten_seconds_of_nobody_known,
            ANA,
            STARTER,
            "Only a team lead or an admin can undo this.",
        ),
        (_by_hand, BY_HAND, OTHER, "Only Mia Agent, a team lead or an admin can take it back."),
        (_by_hand, BY_HAND, LIGHT, "An agent who may refund says here when it is paid."),
        (_person_must_look, SILENT, LIGHT, "looks there, then says here what they found."),
        (_person_must_look, SILENT, OTHER, "Look there, then say what you found."),
    ],
)
def test_where_a_button_is_missing_the_panel_says_who_has_it(
    house: PracticeHouse,
    clock: TurnedClock,
    make: Callable[[PracticeHouse, TurnedClock], None],
    ticket: str,
    who: str,
    words: str,
) -> None:
    make(house, clock)
    assert words in opened(house, ticket, who).text


def test_who_started_it_is_named_in_words_where_the_desk_told_no_name(
    house: PracticeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    nameless = tuple(
        Agent(AgentId(who), "", role, active=True) for who, (_, role) in PEOPLE.items()
    )
    monkeypatch.setattr(practice, "AGENTS", nameless)
    _press(house, ANA)
    words = "Only the agent who started it, a team lead or an admin can undo this."
    assert words in opened(house, ANA, LIGHT).text


def test_a_screen_reader_is_not_told_to_undo_what_it_cannot(house: PracticeHouse) -> None:
    _press(house, ANA)
    html = opened(house, ANA, LIGHT).html
    assert 'data-say="It is sent in 10 seconds. Nothing has been sent yet."' in html
    assert 'aria-label="Time left until it is sent"' in html
    assert "Time left to undo" not in html
