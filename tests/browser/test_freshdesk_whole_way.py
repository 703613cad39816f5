"""An agent at Freshdesk, from the first ticket to a refund: app, pass, pairing and panel.

All of ours runs behind the frame, with a fake account behind that; Chromium holds no cookie of ours
inside the frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Frame, Page, Route, expect

from plugin.domain.money import Money
from plugin.domain.refunds import RefundState
from tests.browser.freshdesk_host import (
    DESK,
    HOST,
    OURS,
    FreshdeskHouse,
    Press,
    by_keyboard,
    by_mouse,
    frame_house,
    pair,
    panel_of,
)
from tests.browser.judging import is_clean, keeps_nothing
from tests.browser.served import NO_THIRD_PARTY_COOKIES, chromium
from tests.databases import Databases
from tests.platforms.freshdesk.fake import FakeFreshdesk

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(NO_THIRD_PARTY_COOKIES) as one:
        yield one


@pytest.fixture
def fake() -> Iterator[FakeFreshdesk]:
    with FakeFreshdesk() as one:
        yield one


@pytest.fixture
def house(tmp_path: Path, fake: FakeFreshdesk, databases: Databases) -> Iterator[FreshdeskHouse]:
    with databases.fresh(tmp_path) as database:
        one = FreshdeskHouse(tmp_path, fake, database)
        yield one
        one.close()


@pytest.fixture
def page(browser: Browser, house: FreshdeskHouse) -> Iterator[Page]:
    """An agent's page beside a ticket of practice's first customer."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    ticket = house.add_ticket()
    frame_house(context, house, ticket)
    one = context.new_page()
    one.set_default_timeout(30_000)
    one.goto(f"{DESK}/a/tickets/{ticket}")
    yield one
    context.close()


def judge(panel: Frame) -> None:
    # At the end, where the button covers nothing: axe measures what is half under it, too.
    panel.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    is_clean(panel)


@pytest.mark.parametrize("press", [by_keyboard, by_mouse])
def test_an_agent_is_paired_once_and_refunds_beside_the_ticket(
    page: Page, house: FreshdeskHouse, fake: FakeFreshdesk, press: Press
) -> None:
    panel = panel_of(page)
    expect(panel.locator("#order")).to_contain_text("This ticket is not shown yet")
    assert "Horvat" not in panel.content()
    keeps_nothing(panel)
    pair(page, panel, house, press)
    pay = panel.locator("#pay")
    expect(pay).to_contain_text("Refund 297.00")  # the panel goes on by itself
    expect(panel.locator("#who")).to_contain_text("Ana Horvat")
    assert panel.locator("#pairing").count() == 0
    press(page, pay)
    expect(panel.locator("#order")).to_contain_text("Undo, send nothing")
    assert not [
        call for call in fake.calls() if not call.startswith("GET")
    ]  # not before it is sent


def test_a_ticket_that_is_left_while_its_refund_is_under_way_gives_way_to_the_next(
    page: Page, house: FreshdeskHouse
) -> None:
    panel = panel_of(page)
    pair(page, panel, house)
    expect(panel.locator("#pay")).to_contain_text("Refund 297.00")
    other = house.add_ticket("Ingrid Solberg", "Please refund my order.")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(f"{OURS}{house.panel}/refund", hold)
    with page.expect_request("**/refund"):
        panel.click("#pay")
    app = next(one for one in page.frames if one.url.startswith(f"{HOST}/app/"))
    app.evaluate(f"number = '{other}'; told['app.activated']()")
    ticket = "document.querySelector('#desk-open').elements.ticket.value"
    panel.wait_for_function(f"{ticket} === '{other}'")
    held.pop().fallback()
    expect(panel.locator("#who")).to_contain_text("Ingrid Solberg")
    expect(panel.locator("#panel")).to_contain_text("Ink & Line")
    with house.parts.house.storage.read(house.tenant) as uow:
        [refund] = [one for one in uow.refunds.newest(10) if one.state is RefundState.RESERVED]
    assert refund.amount == Money(29700, "EUR")


def test_the_panel_takes_no_focus_from_who_writes_at_the_desk(page: Page) -> None:
    panel = panel_of(page)
    with page.expect_response("**/pair"):  # it looks again by itself
        pass
    panel.wait_for_function("!document.querySelector('#panel').inert")
    assert page.evaluate("document.activeElement.localName") == "textarea"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_panel_in_the_sidebar_is_clean_in_both_schemes(
    page: Page, house: FreshdeskHouse, scheme: str
) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    panel = panel_of(page)
    judge(panel)
    pair(page, panel, house)
    expect(panel.locator("#pay")).to_be_visible()
    judge(panel)
