"""An address to be pasted at a platform, in Chromium: one press copies it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.judging import is_clean, tab_to
from tests.browser.served import chromium, serving
from tests.databases import Databases
from tests.web.site import TENANT
from tests.web.ways import SALEOR, Ways, open_ways


@pytest.fixture
def ways(tmp_path: Path, databases: Databases) -> Iterator[Ways]:
    with open_ways(tmp_path, databases) as one:
        yield one


@pytest.fixture
def address(ways: Ways) -> Iterator[str]:
    with serving(ways.site.app) as one:
        yield one


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture(params=[True, False], ids=["script", "no-script"])
def page(
    request: pytest.FixtureRequest, browser: Browser, ways: Ways, address: str
) -> Iterator[Page]:
    """The page that waits for Saleor's token."""
    context = browser.new_context(java_script_enabled=request.param)
    one = context.new_page()
    one.goto(ways.site.sign_in.make_link(TENANT.id, address, ways.site.clock.now()))
    one.get_by_role("button", name="Sign in").click()
    one.goto(f"{address}{ways.page(SALEOR)}")
    yield one
    context.close()


@pytest.mark.parametrize("page", [True], indirect=True)
@pytest.mark.parametrize("by", ["keyboard", "mouse"])
def test_one_press_copies_the_address(page: Page, by: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button = page.get_by_role("button", name="Copy Address to paste there")
    shown = page.get_by_label("Address to paste there", exact=True).input_value()
    if by == "keyboard":
        tab_to(page, button)
        page.keyboard.press("Enter")
    else:
        button.click()
    page.wait_for_function("navigator.clipboard.readText().then((text) => text !== '')")
    assert page.evaluate("navigator.clipboard.readText()") == shown
    assert shown.startswith("http://localhost/installing/saleor/")


@pytest.mark.parametrize("page", [False], indirect=True)
def test_without_script_no_button_offers_what_it_cannot_do(page: Page) -> None:
    expect(page.get_by_label("Address to paste there", exact=True)).to_be_visible()
    expect(page.locator("[data-copies]")).to_be_hidden()


@pytest.mark.parametrize("page", [True], indirect=True)
@pytest.mark.parametrize("width", [1280, 400, 320])
def test_axe_finds_nothing(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for theme in ("light", "dark"):
        page.emulate_media(
            color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce"
        )
        is_clean(page)
