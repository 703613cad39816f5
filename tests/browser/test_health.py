"""The health page in Chromium: nothing for axe at any width, and everything without script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_core_python.sync_playwright import Axe  # type: ignore[import-untyped]  # ships no types
from playwright.sync_api import Browser, Page, expect

from tests.browser.served import chromium, serving
from tests.databases import Databases
from tests.web.health_scene import make_calm, make_rich
from tests.web.site import TENANT, Site, open_site


@pytest.fixture
def site(tmp_path: Path, databases: Databases) -> Iterator[Site]:
    with open_site(tmp_path, databases) as one:
        yield one


@pytest.fixture
def address(site: Site) -> Iterator[str]:
    """The site over loopback HTTP."""
    with serving(site.app) as one:
        yield one


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


def _open(site: Site, page: Page, address: str) -> None:
    page.goto(site.sign_in.make_link(TENANT.id, address, site.clock.now()))
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Health").first.click()
    expect(page.get_by_role("heading", name="Health", exact=True)).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(site: Site, browser: Browser, address: str, theme: str) -> None:
    make_rich(site)
    context = browser.new_context(color_scheme="dark" if theme == "dark" else "light")
    page = context.new_page()
    _open(site, page, address)
    for width in (320, 400, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        page.locator("details summary").evaluate("it => it.parentElement.open = true")
        found = Axe().run(page)["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in found] == [], width
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(overflow) == 0, width
    context.close()


def test_axe_finds_nothing_when_all_is_well(site: Site, browser: Browser, address: str) -> None:
    make_calm(site)
    page = browser.new_page()
    _open(site, page, address)
    assert [one["id"] for one in Axe().run(page)["violations"]] == []
    page.close()


def test_without_script_and_by_keyboard_a_delivery_is_replayed(
    site: Site, browser: Browser, address: str
) -> None:
    make_rich(site)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    _open(site, page, address)
    waiting = page.locator("#deliveries form[action$=replay]")
    expect(waiting).to_have_count(3)
    page.get_by_role("button", name="Replay : charge.refunded, 22 Nov, 09:31").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("It is back in line.")
    expect(waiting).to_have_count(2)
    context.close()


def test_without_script_and_by_keyboard_what_was_done_by_hand_is_closed(
    site: Site, browser: Browser, address: str
) -> None:
    make_rich(site)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    _open(site, page, address)
    for name, card in (
        ("Done by hand : contact.deleted, 22 Nov, 09:14", "#deliveries"),
        ("Done by hand : Tell a customer, 10:40", "#effects"),
    ):
        rows = page.locator(f"{card} li")
        before = rows.count()
        page.get_by_role("button", name=name).focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("Closed as done by hand.")
        expect(rows).to_have_count(before - 1)
    context.close()


def test_bars_are_as_tall_as_their_hours_are_busy(
    site: Site, browser: Browser, address: str
) -> None:
    make_rich(site)
    page = browser.new_page()
    _open(site, page, address)
    tall = page.locator(".hours i").evaluate_all("all => all.map(it => it.clientHeight)")
    assert len(tall) == 24
    assert tall.index(max(tall)) == 11
    assert tall.index(min(tall)) == 4
    assert min(tall) > 0
    page.close()
