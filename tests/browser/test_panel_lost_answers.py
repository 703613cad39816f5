"""The panel in Chromium while answers are late, lost, or somebody else's: no press is lost.

The real application answers; requests are held and ended by the test, and the page's clock is in
its hands. What the panel says of the money must be true at each moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from plugin.domain.ids import TicketId
from plugin.domain.requests import Reason
from tests.browser.served import chromium, served_house
from tests.browser.test_panel_journey import add_sale, go
from tests.databases import Databases
from tests.platforms.practice.fixtures import TurnedClock
from tests.web.practice_house import PracticeHouse

STRANGERS = "<!doctype html><title>Maintenance</title><h1>We are back soon</h1>"
OFFLINE = "A refund is never sent twice"
WAITS = "Refundwaits for the plan of what you chose"


@pytest.fixture(scope="module")
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture(scope="module")
def house(
    tmp_path_factory: pytest.TempPathFactory, clock: TurnedClock, databases: Databases
) -> Iterator[PracticeHouse]:
    """Practice, served on loopback. The tests share it, and each has tickets of its own."""
    folder = tmp_path_factory.mktemp("practice")
    with (
        databases.fresh(folder) as database,
        served_house(folder, clock, database) as one,
    ):
        yield one


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(30_000)
    one = context.new_page()
    faults: list[str] = []
    one.on("pageerror", lambda error: faults.append(str(error)))
    yield one
    assert faults == []
    context.close()


class Held:
    """Requests to one address, kept waiting until they are let go."""

    def __init__(self, page: Page, address: str) -> None:
        self._page, self._address = page, address
        self.routes: list[Route] = []
        page.route(address, self._hold)

    def _hold(self, route: Route) -> None:
        self.routes.append(route)

    def let_go(self) -> None:
        self.routes.pop().continue_()
        self._page.unroute(self._address)


def stop_clock(page: Page, house: PracticeHouse, ticket: str) -> None:
    """Open a ticket in a page whose clock goes on only as it is told."""
    page.clock.install()
    go(page, house, ticket)
    page.clock.pause_at(page.evaluate("Date.now() + 1000"))


def under_way(page: Page, house: PracticeHouse, ticket: str) -> None:
    """A refund in its ten seconds, after which the page looks again by itself."""
    stop_clock(page, house, ticket)
    page.click("#pay")
    expect(page.locator("#undo-button")).to_be_visible()
    page.clock.run_for(100)  # the swap has settled


def look_by_itself(page: Page) -> None:
    with page.expect_response("**/timeline"):
        page.clock.run_for(10_500)
    page.wait_for_function("() => !document.querySelector('.htmx-request')")
    page.clock.run_for(100)


# --- choosing while a plan is on its way ----------------------------------------------------------


def test_a_plan_of_less_than_what_was_typed_meanwhile_leaves_the_button_waiting(
    page: Page, house: PracticeHouse, clock: TurnedClock
) -> None:
    add_sale(house, clock, "2301")
    stop_clock(page, house, "2301")
    plans = Held(page, "**/plan")
    page.focus("#free")
    page.keyboard.type("20.5")
    with page.expect_request("**/plan"):
        page.clock.run_for(600)
    page.keyboard.type("5")
    with page.expect_response("**/plan"):
        plans.let_go()
    page.wait_for_function("() => !document.querySelector('.htmx-request')")
    expect(page.locator("#pay")).to_have_text(WAITS)
    expect(page.locator("#plan")).to_have_attribute("aria-busy", "true")
    page.clock.run_for(600)
    expect(page.locator("#pay")).to_contain_text("Refund 20.55 EUR")
    expect(page.locator("#pay")).not_to_have_attribute("aria-disabled", "true")


def test_a_step_that_is_ticked_is_not_lost_to_the_plan_of_a_typed_amount(
    page: Page, house: PracticeHouse, clock: TurnedClock
) -> None:
    add_sale(house, clock, "2302")
    stop_clock(page, house, "2302")
    page.focus("#free")
    page.keyboard.type("20.5")
    steps = Held(page, "**/steps")
    with page.expect_request("**/steps"):
        page.check("#step-listen")
    page.clock.run_for(1000)
    steps.let_go()
    expect(page.locator("#steps .now")).to_have_text("Review")
    expect(page.locator("#step-listen")).to_be_checked()
    expect(page.locator("#pay")).to_contain_text("Refund 20.50 EUR")


@pytest.mark.parametrize("lost", [503, 0])
def test_after_a_plan_that_was_lost_the_button_asks_for_it_again(
    page: Page, house: PracticeHouse, clock: TurnedClock, lost: int
) -> None:
    ticket = f"23{3 + bool(lost):02}"
    add_sale(house, clock, ticket)
    go(page, house, ticket)
    page.route("**/plan", lambda r: r.fulfill(status=lost) if lost else r.abort())
    page.fill("#free", "20.5")
    expect(page.locator("#trouble")).to_contain_text(OFFLINE)
    expect(page.locator("#pay")).to_have_text(WAITS)
    with page.expect_request("**/plan"):
        page.focus("#pay")  # to leave the field asks once more
    page.wait_for_function("() => !document.querySelector('.htmx-request')")
    page.unroute("**/plan")
    page.keyboard.press("Enter")
    expect(page.locator("#pay")).to_contain_text("Refund 20.50 EUR")
    expect(page.locator("#trouble")).to_be_hidden()
    expect(page.locator("#undo-button")).to_have_count(0)


def test_a_reason_that_is_chosen_right_before_the_press_is_kept(
    page: Page, house: PracticeHouse, clock: TurnedClock
) -> None:
    add_sale(house, clock, "2305")
    go(page, house, "2305")
    plans = Held(page, "**/plan")
    with page.expect_request("**/plan"):
        page.check(f'input[value="{Reason.TECHNICAL}"]')
    page.click("#pay")
    expect(page.locator("#undo-button")).to_be_visible()
    assert plans.routes  # the press came first
    with house.parts.house.storage.read(house.tenant) as uow:
        [refund] = [one for one in uow.refunds.newest(50) if "32305" in one.order.ref]
        plan = uow.plans.get(refund.plan)
        assert plan is not None
        kept = uow.requests.get(plan.request)
    assert kept is not None
    assert (kept.ticket, kept.reason) == (TicketId("2305"), Reason.TECHNICAL)


# --- answers that are lost, or not ours -----------------------------------------------------------


@pytest.mark.parametrize("ask", ["plan", "refund"])
def test_a_page_of_somebody_else_does_not_take_the_panels_place(
    page: Page, house: PracticeHouse, clock: TurnedClock, ask: str
) -> None:
    ticket = {"plan": "2306", "refund": "2307"}[ask]
    add_sale(house, clock, ticket)
    go(page, house, ticket)
    page.route(f"**/{ask}", lambda r: r.fulfill(body=STRANGERS, content_type="text/html"))
    if ask == "plan":
        page.uncheck("#line-1")
    else:
        page.click("#pay")
    expect(page.locator("#trouble")).to_contain_text(OFFLINE)
    expect(page.locator("#who")).to_contain_text(f"Buyer {ticket}")
    page.unroute(f"**/{ask}")
    if ask == "refund":
        page.click("#pay")
        expect(page.locator("#undo-button")).to_be_visible()


def test_after_a_press_whose_answer_is_lost_the_focus_is_where_it_was(
    page: Page, house: PracticeHouse, clock: TurnedClock
) -> None:
    add_sale(house, clock, "2308")
    go(page, house, "2308")
    page.route("**/refund", lambda route: route.abort())
    page.focus("#pay")
    page.keyboard.press("Enter")
    expect(page.locator("#trouble")).to_contain_text(OFFLINE)
    expect(page.locator("#pay")).to_be_focused()


def test_looking_in_vain_by_itself_says_so_once(
    page: Page, house: PracticeHouse, clock: TurnedClock
) -> None:
    add_sale(house, clock, "2309")
    under_way(page, house, "2309")
    page.evaluate(
        """() => {
          window.told = 0;
          const what = { childList: true, subtree: true, characterData: true, attributes: true };
          new MutationObserver(() => { window.told += 1 }).observe(
            document.getElementById("trouble"), what);
        }"""
    )
    page.route("**/timeline", lambda route: route.abort())
    for _ in range(3):
        with page.expect_event("requestfailed"):
            page.clock.run_for(10_500)
        expect(page.locator("#trouble")).to_contain_text(OFFLINE)
    assert page.evaluate("told") == 1
    page.unroute("**/timeline")
    look_by_itself(page)
    expect(page.locator("#trouble")).to_be_hidden()


# --- what the panel does by itself ----------------------------------------------------------------


def test_looking_by_itself_takes_no_focus_and_moves_no_page(
    page: Page, house: PracticeHouse, clock: TurnedClock
) -> None:
    add_sale(house, clock, "2310")
    under_way(page, house, "2310")
    page.evaluate("document.activeElement.blur()")  # as a click on plain text does
    look_by_itself(page)
    assert page.evaluate("document.activeElement === document.body")


def test_looking_by_itself_leaves_what_was_typed(
    page: Page, house: PracticeHouse, clock: TurnedClock
) -> None:
    add_sale(house, clock, "2311")
    under_way(page, house, "2311")
    page.click("#elsewhere summary")
    page.fill("#q", "20418")
    page.focus("#search button")
    look_by_itself(page)
    expect(page.locator("#q")).to_have_value("20418")


def test_coming_back_to_a_page_shows_what_its_plan_was_made_for(
    page: Page, house: PracticeHouse, clock: TurnedClock
) -> None:
    add_sale(house, clock, "2312")
    go(page, house, "2312")
    page.fill("#free", "20.5")
    expect(page.locator("#pay")).to_contain_text("Refund 20.50 EUR")
    page.goto("about:blank")
    page.go_back()
    page.wait_for_load_state("networkidle")
    expect(page.locator("#pay")).to_contain_text("Refund 80.00 EUR")
    expect(page.locator("#amount-free")).not_to_be_checked()


# --- a ticket that stays open ---------------------------------------------------------------------


def pass_five_minutes(page: Page, clock: TurnedClock) -> None:
    clock.turn(timedelta(minutes=5))
    with page.expect_response("**/renew") as renewed:
        page.clock.run_for(5 * 60_000)
    assert renewed.value.status == 204
    page.clock.run_for(100)


def token_of(page: Page) -> str | None:
    return page.get_attribute('meta[name="session"]', "content")


def test_an_agent_who_writes_for_an_hour_can_still_refund(
    page: Page, house: PracticeHouse, clock: TurnedClock
) -> None:
    add_sale(house, clock, "2330")
    stop_clock(page, house, "2330")
    for _ in range(12):
        pass_five_minutes(page, clock)
    page.click("#pay")
    expect(page.locator("#status")).to_have_text("This plan ran out")  # and here is a new one
    page.click("#pay")
    expect(page.locator("#undo-button")).to_be_visible()


def test_a_token_that_comes_late_does_not_take_a_newer_ones_place(
    page: Page, house: PracticeHouse, clock: TurnedClock
) -> None:
    add_sale(house, clock, "2331")
    stop_clock(page, house, "2331")
    renewals = Held(page, "**/renew")
    with page.expect_request("**/renew"):
        page.clock.run_for(5 * 60_000)
    clock.turn(timedelta(minutes=1))
    with page.expect_response("**/plan"):
        page.uncheck("#line-1")
    page.clock.run_for(100)
    newer = token_of(page)
    clock.turn(timedelta(minutes=1))
    with page.expect_response("**/renew") as late:
        renewals.let_go()
    assert late.value.header_value("X-Makegood-Session") != newer
    page.clock.run_for(100)
    assert token_of(page) == newer
