"""The install page in Chromium while answers are late or lost: its list goes on, no word is stale.

Requests are held and ended by the test, and the page's clock is in its hands.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.served import chromium, serving
from tests.databases import Databases
from tests.platforms.systeme_io.fake import KEY
from tests.web.site import TENANT, Site, open_site

AT_REST = "() => !document.querySelector('.htmx-request')"


@pytest.fixture
def site(tmp_path: Path, databases: Databases) -> Iterator[Site]:
    with open_site(tmp_path, databases) as one:
        yield one


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    """The form that connects Systeme.io, filled in by somebody who has signed in."""
    context = browser.new_context()
    context.set_default_timeout(30_000)
    one = context.new_page()
    with serving(site.app) as address:
        one.goto(site.sign_in.make_link(TENANT.id, address, site.clock.now()))
        one.get_by_role("button", name="Sign in").click()
        one.goto(f"{address}/install/store/systeme_io")
        one.get_by_label("Public API key").fill(KEY)
        one.get_by_label("Address for development").fill(site.fake.url)
        yield one
        context.close()


def hold(page: Page, address: str) -> list[Route]:
    held: list[Route] = []

    def keep(route: Route) -> None:
        held.append(route)

    page.route(address, keep)
    return held


def connect(page: Page) -> None:
    page.get_by_role("button", name="Connect Systeme.io").click()


@pytest.mark.parametrize("lost", [503, 0])
def test_a_line_whose_answer_is_lost_is_asked_for_again(page: Page, lost: int) -> None:
    page.clock.install()
    page.route("**/step", lambda r: r.fulfill(status=lost) if lost else r.abort())
    with page.expect_event(
        "requestfinished" if lost else "requestfailed", lambda r: "step" in r.url
    ):
        connect(page)
    page.wait_for_function(AT_REST)
    page.unroute("**/step")
    page.clock.fast_forward(10_000)
    expect(page.locator("#self-test .ok")).to_have_count(4)


def test_a_button_keeps_the_focus_while_the_lines_tick(page: Page) -> None:
    held = hold(page, "**/step")
    with page.expect_request("**/step"):
        connect(page)
    page.get_by_role("button", name="Test again").focus()
    held.pop().continue_()
    expect(page.locator("#self-test .ok")).to_have_count(1)
    expect(page.get_by_role("button", name="Test again")).to_be_focused()
    page.unroute("**/step")


def test_the_policy_that_is_shown_is_the_one_that_is_chosen(page: Page) -> None:
    held = hold(page, "**/policy/preview")
    with page.expect_request("**/policy/preview"):
        page.locator("input[name=start]").nth(1).check()
    with page.expect_request("**/policy/preview"):
        page.get_by_role("radio", name="EU right of withdrawal").check()
    expect(page.get_by_role("radio", name="EU right of withdrawal")).to_be_checked()
    first, last = held
    first.continue_()
    page.wait_for_function("() => document.querySelectorAll('.htmx-request').length < 2")
    last.continue_()
    page.wait_for_function(AT_REST)
    expect(page.locator("#preview")).to_contain_text("withdraw within 14 days")
    page.unroute("**/policy/preview")
