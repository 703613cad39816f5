"""The panel in Chromium, served by the real application: mouse, keyboard, no script, axe.

The clock is turned by the tests and the worker's tasks run in their hands, so nothing is waited for
but the page itself. Every test ends with nothing kept in the browser and a silent console.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from axe_core_python.sync_playwright import Axe  # type: ignore[import-untyped]  # ships no types
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from plugin.domain.ids import AgentId, TicketId
from plugin.domain.money import Money
from plugin.domain.orders import RefundRoute
from plugin.platforms.practice_desk import PracticeTickets
from plugin.platforms.practice_shop import Shop
from plugin.ports import Ticket
from plugin.stores.practice import PracticeStore
from tests.browser.served import chromium, served_house
from tests.databases import Databases
from tests.platforms.practice.fixtures import TurnedClock
from tests.web.practice_house import PracticeHouse

SHIFTS = """
window.shifts = [];
const what = ({ node, previousRect: { y: before }, currentRect: { y: after } }) =>
  [node?.id || node?.className || node?.nodeName, before, after];
new PerformanceObserver((list) => {
  for (const { value, sources } of list.getEntries())
    window.shifts.push([value, sources.map(what)]);
}).observe({ type: "layout-shift", buffered: true });
"""
# A newer click replaces a waiting look; and Chromium itself notes 409 and 422, which carry pages.
EXPECTED = ("htmx:sendAbort", "htmx:afterRequest", "status of 409", "status of 422")


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
def context(browser: Browser) -> Iterator[BrowserContext]:
    one = browser.new_context(viewport={"width": 1280, "height": 900})
    one.set_default_timeout(30_000)
    yield one
    assert one.cookies() == []
    one.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    one = context.new_page()
    one.add_init_script(SHIFTS)
    said: list[str] = []
    one.on("console", lambda note: said.append(note.text) if note.type != "log" else None)
    one.on("pageerror", lambda error: said.append(str(error)))
    yield one
    kept = "[localStorage.length, sessionStorage.length, document.cookie]"
    assert one.evaluate(kept) == [0, 0, ""]
    assert [text for text in said if not any(known in text for known in EXPECTED)] == []


def go(page: Page, house: PracticeHouse, ticket: str, agent: str = "practice-agent") -> None:
    page.goto(house.link(ticket, AgentId(agent)))
    page.wait_for_load_state("networkidle")


def pass_time(house: PracticeHouse, clock: TurnedClock, seconds: float) -> None:
    clock.turn(timedelta(seconds=seconds))
    house.work()


def add_sale(house: PracticeHouse, clock: TurnedClock, ticket: str) -> None:
    """A ticket that no other test has, of a course for 80.00 EUR by a card with a long name."""
    name, email, now = f"Buyer {ticket}", f"buyer-{ticket}@mail.example", clock.now()
    shop = Shop(house.shop, now)
    card = "Visa of the Savings Bank of Zagreb …4242"
    house.world.add_order(shop.one_course(f"3{ticket}", name, email, 3, shop.gouache, 8000, card))
    asked = Ticket(TicketId(ticket), "Refund", name, (email,), (), open=True)
    PracticeTickets(house.folder / "practice.sqlite").add_ticket(asked, now)


def look_again(page: Page) -> None:
    """What the page does by itself after ten seconds, now."""
    page.locator("#again-timeline").evaluate("form => form.requestSubmit()")


def tab_to(page: Page, target: str) -> None:
    """Go on by Tab alone, until `target` has the focus; every stop on the way must be seen."""
    for _ in range(80):
        page.keyboard.press("Tab")
        # While an answer is swapped in, the focus is nowhere for a moment.
        expect(page.locator(":focus")).to_have_count(1)
        if page.locator(target).evaluate("it => it === document.activeElement"):
            return
        assert page.evaluate("document.activeElement.matches(':focus-visible')")
    pytest.fail(f"Tab never came to {target}")


def test_a_refund_by_mouse_takes_three_clicks_and_is_seen_to_its_end(
    page: Page, house: PracticeHouse, clock: TurnedClock
) -> None:
    go(page, house, "1002")
    page.click("#others summary")
    page.click('.others button[value$="20451"]')
    expect(page.locator("#order")).to_contain_text("Order 20451")
    page.click("#pay")
    expect(page.locator("#undo-button")).to_be_visible()
    expect(page.locator("#status")).to_have_text(
        "You have 10 seconds to undo. Nothing has been sent yet."
    )
    clock.turn(timedelta(seconds=9))
    go(page, house, "1002")
    page.click("#others summary")
    page.click('.others button[value$="20451"]')
    expect(page.locator(".secs")).to_have_text("1")
    pass_time(house, clock, 3)
    # The page asks by itself when its second is over.
    expect(page.locator("#order")).to_contain_text("49.00 EUR refunded")
    expect(page.locator("#order")).to_contain_text("Stayed")
    expect(page.locator(".said--note")).to_contain_text("Refunded 49.00 EUR")
    assert Money(4900, "EUR") in [seen.amount for seen in house.world.refunds(house.shop)]


def test_the_whole_flow_goes_by_keyboard_alone(
    page: Page, house: PracticeHouse, clock: TurnedClock
) -> None:
    go(page, house, "1004")
    tab_to(page, "#step-listen")
    page.keyboard.press("Space")
    expect(page.locator("#step-listen")).to_be_checked()
    expect(page.locator("#steps .now")).to_have_text("Review")
    tab_to(page, "#free")
    # However long the plan takes, the button waits in its place, and tells whoever is there.
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/plan", hold)
    page.keyboard.type("20.5")
    tab_to(page, "#pay")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("Press again when it is there")
    held.pop().continue_()
    page.unroute("**/plan")
    expect(page.locator("#pay")).to_contain_text("Refund 20.50 EUR")
    expect(page.locator("#pay")).not_to_have_attribute("aria-disabled", "true")
    expect(page.locator("#pay")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#order-h")).to_be_focused()
    tab_to(page, "#undo-button")
    page.keyboard.press("Enter")
    expect(page.locator("#order")).to_contain_text("Taken back")
    tab_to(page, "#pay")
    page.keyboard.press("Enter")
    expect(page.locator("#undo-button")).to_be_visible()
    pass_time(house, clock, 11)
    look_again(page)
    expect(page.locator("#order")).to_contain_text("111.75 EUR refunded")
    expect(page.locator("#step-listen")).to_be_checked()


def test_while_it_waits_for_a_plan_no_amount_of_the_one_before_is_named(
    page: Page, house: PracticeHouse, clock: TurnedClock
) -> None:
    add_sale(house, clock, "2011")
    page.set_viewport_size({"width": 320, "height": 900})
    go(page, house, "2011")
    pay, plan = page.locator("#pay"), page.locator("#plan")
    expect(pay).to_contain_text("Refund 80.00 EUR")
    page.focus("#free")
    size = pay.bounding_box()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/plan", hold)
    with page.expect_request("**/plan"):
        page.fill("#free", "20.5")
    # What a person reads, and what a screen reader says.
    expect(pay).to_have_text("Refundwaits for the plan of what you chose")
    expect(pay).to_have_attribute("aria-disabled", "true")
    expect(plan).to_have_attribute("aria-busy", "true")
    assert "80.00" not in f"{plan.inner_text()} {page.locator('#decide').inner_text()}"
    assert pay.bounding_box() == size
    held.pop().continue_()
    page.unroute("**/plan")
    expect(pay).to_contain_text("Refund 20.50 EUR")
    expect(pay).not_to_have_attribute("aria-disabled", "true")
    expect(plan).not_to_have_attribute("aria-busy", "true")
    expect(page.locator("#decide .tally")).to_be_visible()
    assert pay.get_attribute("style") is None
    assert faults(page) == {}


def test_a_typed_amount_that_is_planned_takes_one_press(
    page: Page, house: PracticeHouse, clock: TurnedClock
) -> None:
    add_sale(house, clock, "2013")
    go(page, house, "2013")
    page.fill("#free", "20.5")
    expect(page.locator("#pay")).to_contain_text("Refund 20.50 EUR")
    page.click("#pay")
    expect(page.locator("#undo-button")).to_be_visible()


def test_a_press_is_not_ended_by_the_plan_that_a_typed_amount_still_asks_for(
    page: Page, house: PracticeHouse, clock: TurnedClock
) -> None:
    add_sale(house, clock, "2014")
    page.clock.install()
    go(page, house, "2014")
    page.clock.pause_at(page.evaluate("Date.now() + 1000"))
    page.focus("#free")
    page.keyboard.type("20.5")
    # To leave the field asks at once; what was typed asks half a second after the last key.
    with page.expect_response("**/plan"):
        page.keyboard.press("Tab")
    expect(page.locator("#pay")).to_contain_text("Refund 20.50 EUR")
    page.clock.run_for(100)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/refund", hold)
    with page.expect_request("**/refund"):
        page.focus("#pay")
        page.keyboard.press("Enter")
    page.clock.run_for(1000)
    held.pop().continue_()
    expect(page.locator("#undo-button")).to_be_visible()


def test_an_answer_that_does_not_come_leaves_no_amount_on_the_button(
    page: Page, house: PracticeHouse, clock: TurnedClock
) -> None:
    add_sale(house, clock, "2012")
    go(page, house, "2012")
    page.route("**/plan", lambda route: route.fulfill(status=204))
    with page.expect_response("**/plan"):
        page.uncheck("#line-1")
    expect(page.locator("#pay")).to_have_text("Refundwaits for the plan of what you chose")
    page.focus("#pay")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("Press again when it is there")
    expect(page.locator("#undo-button")).to_have_count(0)


def test_without_script_the_same_forms_do_it(browser: Browser, house: PracticeHouse) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(house.link("1010"))
    page.click("#pay")
    expect(page.locator("h2#order-h")).to_have_text("Refund in Practice shop")
    page.click("#pay")
    expect(page.locator("#order")).to_contain_text("Refunded by hand")
    house.work()
    page.click("noscript button:has-text('Look again')")
    expect(page.locator("#order")).to_contain_text("240.00 EUR refunded")
    assert context.cookies() == []
    context.close()


def test_without_script_what_was_ticked_unseen_is_not_carried_out(
    browser: Browser, house: PracticeHouse
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(house.link("1003"))
    page.check("#amount-free")
    page.fill("#free", "12")
    page.click("#pay")
    expect(page.locator("#order")).to_contain_text("You changed something")
    page.click("#pay")
    expect(page.locator("#order")).to_contain_text("seconds, then 12.00 EUR is sent")
    page.click("#undo-button")
    context.close()


def test_whoever_opened_the_stores_page_has_done_the_first_step(
    context: BrowserContext,
    page: Page,
    house: PracticeHouse,
    clock: TurnedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop, email, link = Shop(house.shop, clock.now()), "rita@mail.example", "https://shop.example/"
    order = shop.one_course("30010", "Rita Sousa", email, 3, shop.gouache, 5000, "bank transfer")
    paid = replace(order.payments[0], route=RefundRoute.BY_HAND, deep_link=link)
    house.world.add_order(replace(order, payments=(paid,)))
    asked = Ticket(TicketId("2010"), "Refund", "Rita Sousa", (email,), (), open=True)
    PracticeTickets(house.folder / "practice.sqlite").add_ticket(asked, clock.now())
    linked = replace(order, payments=(paid,))
    monkeypatch.setattr(PracticeStore, "find_orders", lambda *_: [linked])
    context.route(f"{link}**", lambda route: route.fulfill(body="the store's own page"))
    go(page, house, "2010")
    page.click("#pay")
    first, second = page.locator(".sheet > li").nth(0), page.locator(".sheet > li").nth(1)
    expect(first).to_have_attribute("aria-current", "step")
    page.evaluate("window.shifts = []")
    page.click(".sheet a")
    for _ in range(2):
        expect(first).to_have_class("ok")
        expect(first.locator(":scope > b")).to_contain_text(", done")
        expect(second).to_have_class("on")
        expect(second.locator(":scope > b")).to_contain_text(", do this now")
        expect(second).to_have_attribute("aria-current", "step")
        with page.expect_response("**/timeline"):  # and an answer does not take it back
            look_again(page)
    assert page.evaluate("window.shifts") == []
    page.set_viewport_size({"width": 400, "height": 900})
    assert faults(page) == {}


def test_two_agents_at_once_make_one_refund(
    context: BrowserContext, page: Page, house: PracticeHouse, clock: TurnedClock
) -> None:
    other = context.new_page()
    for one, agent in ((page, "practice-agent"), (other, "practice-lead")):
        go(one, house, "1005", agent)
    page.click("#pay")
    expect(page.locator("#undo-button")).to_be_visible()
    other.click("#pay")
    expect(other.locator("#undo-button")).to_be_visible()
    pass_time(house, clock, 11)
    for one in (page, other):
        look_again(one)
        expect(one.locator("#order")).to_contain_text("199.00 EUR refunded")
    amounts = [seen.amount for seen in house.world.refunds(house.shop)]
    assert amounts.count(Money(19900, "EUR")) == 1


def test_nothing_moves_on_first_paint_nor_when_a_step_is_ticked(
    page: Page, house: PracticeHouse
) -> None:
    go(page, house, "1006")
    assert page.evaluate("window.shifts") == []
    page.check("#step-listen")
    expect(page.locator("#steps .now")).to_have_text("Review")
    page.check("#step-review")
    expect(page.locator("#steps .now")).to_have_text("Verify")
    assert page.evaluate("window.shifts") == []
    for width in (320, 400):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def faults(page: Page) -> dict[str, list[str]]:
    """What axe finds in both themes. Run by the debugger: the page's policy lets no one else in."""
    found: dict[str, list[str]] = {}
    for scheme in ("light", "dark"):
        # Without motion: a colour that is still on its way is no colour of ours.
        dark = scheme == "dark"
        page.emulate_media(color_scheme="dark" if dark else "light", reduced_motion="reduce")
        for fault in Axe().run(page)["violations"]:
            found[f"{scheme} {fault['id']}"] = [node["html"] for node in fault["nodes"]]
    return found


def test_axe_finds_nothing_in_any_state(
    page: Page, house: PracticeHouse, clock: TurnedClock
) -> None:
    page.set_viewport_size({"width": 400, "height": 900})
    states: dict[str, dict[str, list[str]]] = {}

    def check(name: str, shows: str) -> None:
        expect(page.locator("#panel")).to_contain_text(shows)
        states[name] = faults(page)

    for ticket, shows in (
        ("1001", "Refund 297.00 EUR"),
        ("1007", "The bank already holds this money"),
        ("1009", "Say it kindly"),
        ("1011", "No purchase under this address"),
        ("1012", "One more proof, please"),
    ):
        go(page, house, ticket)
        check(ticket, shows)
    page.fill("#proof", "0000")
    page.click("#prove button")
    check("wrong proof", "That does not fit")
    go(page, house, "1001")
    page.fill("#free", "-1")
    check("wrong amount", "Write an amount")
    go(page, house, "1001")
    at = clock.now()
    house.world.pay_back("pay-20418-1", Money(4700, "EUR"), "elsewhere", at)
    page.click("#pay")
    check("changed", "This order changed since you looked")
    page.click("#pay")
    check("ten seconds", "Undo, send nothing")
    pass_time(house, clock, 11)
    look_again(page)
    check("done", "250.00 EUR refunded")
    go(page, house, "1008", "practice-lead")
    page.click("#pay")
    expect(page.locator("#undo-button")).to_be_visible()
    go(page, house, "1008")
    check("ten seconds of another", "Only Practice lead, a team lead or an admin can undo this.")
    expect(page.locator("#undo-button")).to_have_count(0)
    pass_time(house, clock, 11)
    look_again(page)
    check("unknown", "We are looking it up")
    go(page, house, "1001", "practice-former")
    check("not yours", "This ticket is not yours to see")
    assert {name: found for name, found in states.items() if found} == {}
