"""Whose plans may be decided and by whom; sessions and forms that are refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from plugin.domain.errors import RetryLater
from plugin.domain.ids import AgentId, PlanId, RefundId, TenantId, TicketId
from plugin.domain.refunds import RefundState
from plugin.helpdesks.practice import PracticeHelpdesk
from plugin.platforms.practice_desk import PracticeTickets
from plugin.ports import Agent, Ticket
from plugin.ports.records import Tenant
from plugin.web.auth import PanelSession, issue_panel_token
from tests.platforms.practice.fixtures import TurnedClock
from tests.web.panel_desk import ANA, BY_HAND, HTML, TWICE, WEAK, opened, paid_back, pass_time, sale
from tests.web.practice_house import PracticeHouse

# --- plans and who they belong to -----------------------------------------------------------------


def test_a_choice_other_than_the_plans_is_refused_as_changed(
    house: PracticeHouse, clock: TurnedClock
) -> None:
    desk = opened(house, ANA)
    desk.press(("line", "line-20418-1"), ("amount", "free"), ("free", "50"))
    assert desk.page.status_code == 409
    assert "You changed something" in desk.text
    assert "Refund 50.00 EUR" in desk.text
    pass_time(house, clock, 60)
    assert paid_back(house) == []


def test_a_plan_of_another_order_is_not_carried_out(
    house: PracticeHouse, clock: TurnedClock
) -> None:
    ana, petra = opened(house, ANA), opened(house, TWICE)
    plan = [("plan", petra.field("plan")), ("hash", petra.field("hash"))]
    for order in ("20418", "20457"):
        ana.send("refund", ana.order(order), *plan)
        assert ana.page.status_code == 409
    pass_time(house, clock, 60)
    assert paid_back(house) == []


def test_a_plan_made_for_another_tickets_request_is_not_carried_out(
    house: PracticeHouse, clock: TurnedClock
) -> None:
    asked = Ticket(TicketId("2002"), "20418", "Ana", ("ana.horvat@mail.example",), (), open=True)
    PracticeTickets(house.folder / "practice.sqlite").add_ticket(asked, clock.now())
    first, second = opened(house, ANA), opened(house, "2002")
    plan = [("plan", first.field("plan")), ("hash", first.field("hash"))]
    second.send("refund", second.order("20418"), *plan)
    assert second.page.status_code == 409
    assert "What this will do" in second.text  # a plan of its own, not the other's compared
    pass_time(house, clock, 60)
    assert paid_back(house) == []


def test_a_hash_that_was_altered_is_refused(house: PracticeHouse, clock: TurnedClock) -> None:
    desk = opened(house, ANA)
    plan = ("plan", desk.field("plan"))
    desk.send("refund", desk.order("20418"), plan, ("hash", "0" * 64))
    assert desk.page.status_code == 409
    pass_time(house, clock, 60)
    assert paid_back(house) == []


@pytest.mark.parametrize("move", ["undo", "look", "attest", "timeline"])
def test_a_refund_of_another_customer_cannot_be_touched(
    house: PracticeHouse, clock: TurnedClock, move: str
) -> None:
    ticket, number = (BY_HAND, "20444") if move == "attest" else (TWICE, "20457")
    theirs = opened(house, ticket).press()
    plan = theirs.field("refund")
    ana = opened(house, ANA)
    before = _states(house, plan)
    for order in (number, "20418"):
        ana.send(move, ana.order(order), ("refund", plan))
        missing = opened(house, ANA).send(move, ana.order(order), ("refund", "no such plan"))
        assert _same(ana.text) == _same(missing.text)
    assert _states(house, plan) == before
    assert "Petra" not in ana.text


def _states(house: PracticeHouse, plan: str) -> list[tuple[RefundId, RefundState]]:
    with house.parts.house.storage.read(house.tenant) as uow:
        return [(r.id, r.state) for r in uow.refunds.of_plan(PlanId(plan))]


def _same(text: str) -> str:
    return text.partition("conversation")[0]


def test_a_weak_match_can_neither_undo_nor_attest(house: PracticeHouse) -> None:
    proven = opened(house, WEAK).send("prove", ("proof", "3318")).press()
    plan = proven.field("refund")
    weak = opened(house, WEAK)
    weak.send("undo", weak.order("20449"), ("refund", plan))
    assert _states(house, plan)[0][1] is RefundState.RESERVED
    assert "waits for a proof of who this is" in weak.text


# --- who may --------------------------------------------------------------------------------------


@pytest.fixture
def light_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent's role, as the desk tells it, is one that may only look."""
    read = PracticeHelpdesk.read_agent

    def read_agent(self: PracticeHelpdesk, agent: AgentId) -> Agent | None:
        known = read(self, agent)
        return known and replace(known, role="light_agent")

    monkeypatch.setattr(PracticeHelpdesk, "read_agent", read_agent)


@pytest.mark.usefixtures("light_agent")
def test_a_light_agent_sees_all_and_moves_nothing(house: PracticeHouse, clock: TurnedClock) -> None:
    desk = opened(house, ANA)
    assert "your role may look, not refund" in desk.text
    assert 'name="hash"' not in desk.html
    token = desk.token
    with house.parts.house.storage.read(house.tenant) as uow:
        assert uow.refunds.newest(1) == []
    for move in ("refund", "undo", "attest"):
        desk.send(move, desk.order("20418"), token=token)
        assert desk.page.status_code == 403
    pass_time(house, clock, 60)
    assert paid_back(house) == []


def test_a_former_agent_sees_nothing(house: PracticeHouse) -> None:
    desk = opened(house, ANA, "practice-former")
    assert "This ticket is not yours to see" in desk.text
    assert "Ana" not in desk.text
    desk.send("undo", desk.order("20418"), ("refund", "x"))
    assert "This ticket is not yours to see" in desk.text


def test_a_ticket_that_does_not_exist_is_not_shown(house: PracticeHouse) -> None:
    desk = opened(house, ANA).send("open", ("ticket", "9999"))
    assert "This ticket is not yours to see" in desk.text
    for move in ("orders", "order", "plan", "refund", "undo", "look", "attest", "steps", "prove"):
        assert desk.send(move).page.status_code == 200, move
        assert "This ticket is not yours to see" in desk.text


def test_another_ticket_takes_no_proof_along(house: PracticeHouse) -> None:
    desk = opened(house, WEAK).send("prove", ("proof", "3318")).send("open", ("ticket", ANA))
    assert "Ana Horvat" in desk.text
    assert "Weak match" in desk.send("open", ("ticket", WEAK)).text


def test_a_desk_that_does_not_answer_says_that_no_money_moved(
    house: PracticeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = opened(house, ANA)

    def silent(self: PracticeHelpdesk, ticket: TicketId, agent: AgentId) -> None:
        raise RetryLater("desk_silent")

    monkeypatch.setattr(PracticeHelpdesk, "read_ticket", silent)
    assert "The desk does not answer" in desk.press().text


# --- sessions -------------------------------------------------------------------------------------


def test_a_session_ends_after_fifteen_minutes_without_a_click(
    house: PracticeHouse, clock: TurnedClock
) -> None:
    desk = opened(house, ANA)
    token = desk.token
    clock.turn(timedelta(minutes=16))
    assert desk.send("orders", token=token).page.status_code == 401


def test_a_page_that_stays_open_renews_its_token_for_twelve_hours(
    house: PracticeHouse, clock: TurnedClock
) -> None:
    desk = opened(house, ANA)
    for _ in range(71):
        clock.turn(timedelta(minutes=10))
        assert (desk.send("renew").page.status_code, desk.html) == (204, "")
    assert desk.send("orders").page.status_code == 200
    clock.turn(timedelta(minutes=10))
    assert desk.send("renew").page.status_code == 401


@pytest.mark.parametrize("how", ["none", "cut", "altered", "other key", "other purpose"])
def test_a_token_that_is_not_ours_opens_nothing(house: PracticeHouse, how: str) -> None:
    desk = opened(house, ANA)
    token = desk.token
    session = PanelSession(
        house.tenant, house.desk, AgentId("practice-agent"), house.clock.now(), TicketId(ANA)
    )
    head, body, sign = token.split(".")
    forged = {
        "none": "",
        "cut": f"{head}.{body}.",
        "altered": f"{head}.{body[:-4]}AAAA.{sign}",
        "other key": issue_panel_token(session, ["another key"], house.clock.now()),
        "other purpose": house.link(ANA).rpartition("s=")[2],
    }[how]
    assert desk.send("refund", desk.order("20418"), token=forged).page.status_code == 401


def test_a_token_opens_its_own_desk_only(house: PracticeHouse) -> None:
    desk = opened(house, ANA)
    token = desk.token
    for place in (house.shop, "0" * 32):
        path = f"/panel/practice/{place}/orders"
        page = desk.client.post(path, data=urlencode([("session", token)]), headers=HTML)
        assert page.status_code == 404
    path = f"/panel/zendesk/{house.desk}/orders"
    page = desk.client.post(path, data=urlencode([("session", token)]), headers=HTML)
    assert page.status_code == 404


def test_another_tenants_ids_are_answered_like_missing_ones(
    house: PracticeHouse, clock: TurnedClock
) -> None:
    other = Tenant(TenantId("another"), "Another store")
    house.parts.house.storage.add_tenant(other, clock.now())
    theirs = PanelSession(
        other.id, house.desk, AgentId("practice-agent"), clock.now(), TicketId(ANA)
    )
    stolen = issue_panel_token(theirs, house.parts.house.signing_keys, clock.now())
    desk = opened(house, ANA)
    assert desk.send("orders", token=stolen).page.status_code == 404


# --- forms ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pairs",
    [
        [("unknown", "1")],
        [("order", "a"), ("order", "b")],
        [("hash", "a"), ("hash", "b")],
        [("amount", "everything")],
        [("sub", "maybe")],
        [("again", "no")],
        [("order", "x" * 301)],
        [("free", "1" * 41)],
    ],
)
def test_a_form_with_anything_else_in_it_is_refused(
    house: PracticeHouse, pairs: list[tuple[str, str]]
) -> None:
    desk = opened(house, ANA).send("refund", *pairs)
    assert desk.page.status_code == 422
    assert paid_back(house) == []


def test_a_session_that_comes_twice_is_no_session(house: PracticeHouse) -> None:
    desk = opened(house, ANA)
    assert desk.send("orders", ("session", desk.token)).page.status_code == 401


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{}", "application/json", 415),
        (b"session=%ff", "application/x-www-form-urlencoded", 400),
        (b"session=\xff", "application/x-www-form-urlencoded", 400),
        (b"a" * (64 * 1024 + 1), "application/x-www-form-urlencoded", 413),
        (b"--x", "multipart/form-data; boundary=x", 415),
    ],
)
def test_a_body_that_is_no_small_form_is_refused(
    house: PracticeHouse, body: bytes, kind: str, status: int
) -> None:
    client = house.app.test_client()
    page = client.post(f"{house.base}/refund", data=body, content_type=kind)
    assert page.status_code == status


def test_what_a_customer_calls_herself_is_never_markup(
    house: PracticeHouse, clock: TurnedClock
) -> None:
    name = "<img src=x onerror=alert(1)>"
    house.world.add_order(replace(sale(house, clock, "30009"), name=name))
    desk = opened(house, ANA).send("orders").send("order", ("order", house.order("30009")))
    assert "<img" not in desk.html
