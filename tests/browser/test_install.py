"""The install and admin pages in Chromium: the list ticks by itself, and axe finds nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_core_python.sync_playwright import Axe  # type: ignore[import-untyped]  # ships no types
from playwright.sync_api import Browser, Page, expect

from tests.browser.served import chromium, serving
from tests.databases import Databases
from tests.platforms.systeme_io.fake import KEY
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


def _sign_in(site: Site, page: Page, address: str) -> None:
    page.goto(site.sign_in.make_link(TENANT.id, address, site.clock.now()))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def _connect(site: Site, page: Page, address: str) -> None:
    page.goto(f"{address}/install/store/systeme_io")
    page.get_by_label("Public API key").fill(KEY)
    page.get_by_label("Address for development").fill(site.fake.url)
    page.get_by_role("button", name="Connect Systeme.io").click()


def test_the_self_test_ticks_by_itself(site: Site, browser: Browser, address: str) -> None:
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda one: said.append(one.text) if "favicon" not in one.text else None)
    page.on("pageerror", lambda one: said.append(str(one)))
    _sign_in(site, page, address)
    _connect(site, page, address)
    expect(page.locator("#self-test .ok")).to_have_count(4)
    expect(page.locator("#self-test [role=status]")).to_have_text("4 of 5 done")
    page.get_by_role("radio", name="EU right of withdrawal").check()
    expect(page.locator("#preview")).to_contain_text("withdraw within 14 days")
    assert [line for line in said if "404" not in line] == []
    page.close()


def test_without_script_the_same_is_done_by_pressing(
    site: Site, browser: Browser, address: str
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    _sign_in(site, page, address)
    _connect(site, page, address)
    for done in range(1, 4):
        page.get_by_role("button", name="Next line").click()
        expect(page.locator("#self-test .ok")).to_have_count(done)
    page.get_by_role("radio", name="EU right of withdrawal").check()
    page.get_by_role("button", name="Look at its page").click()
    expect(page.locator("#preview")).to_contain_text("withdraw within 14 days")
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_axe_finds_nothing(
    site: Site, browser: Browser, address: str, width: int, theme: str
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if theme == "dark" else "light",
    )
    page = context.new_page()
    _sign_in(site, page, address)
    _connect(site, page, address)
    expect(page.locator("#self-test .ok")).to_have_count(4)
    here = page.url.partition("#")[0]
    for path in (here, f"{here}/map", f"{address}/admin", f"{address}/admin/audit"):
        page.goto(path)
        found = Axe().run(page)["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in found] == [], path
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(overflow) == 0, path
    context.close()
