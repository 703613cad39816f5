"""The practice desk in Chromium: columns at each width, axe, and a conversation that keeps up."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_core_python.sync_playwright import Axe  # type: ignore[import-untyped]  # ships no types
from playwright.sync_api import Browser, FloatRect, Page, Route, expect, sync_playwright

from plugin.platforms.practice_cases import FIRST_TICKET, PRACTICE_AGENT
from tests.platforms.practice.desk_page import BASE, desk_page
from tests.platforms.practice.fixtures import NOW, Practice

UI = Path(__file__).parents[2] / "ui_extensions"
APP = "https://practice.test"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
CHROMIUM_FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


@pytest.fixture
def practice(tmp_path: Path) -> Practice:
    made = Practice(tmp_path)
    made.world.seed(NOW)
    return made


@pytest.fixture(scope="module")
def assets() -> dict[str, str]:
    dist = UI / "dist" / "assets.json"
    assert dist.is_file(), "the front end is not built: run `make build`"
    found: dict[str, str] = json.loads(dist.read_text())
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        system = shutil.which("chromium")
        one = playwright.chromium.launch(executable_path=system, args=CHROMIUM_FLAGS.split())
        yield one
        one.close()


@pytest.fixture
def page(browser: Browser, assets: dict[str, str], practice: Practice) -> Iterator[Page]:
    """A page whose every answer is the desk as it stands at that moment."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    one = context.new_page()
    one.set_default_timeout(10_000)

    def app(route: Route) -> None:
        path = urlsplit(route.request.url).path
        if path.startswith("/static/"):
            route.fulfill(path=UI / "dist" / path.removeprefix("/static/"))
            return
        desk = practice.desk.frame_page(FIRST_TICKET, PRACTICE_AGENT)
        assert desk is not None
        html = desk_page(
            desk,
            stylesheets=tuple(
                f"/static/{assets[name]}" for name in ("panel/panel.css", "practice/bridge.css")
            ),
            scripts=(f"/static/{assets['panel/panel.js']}",),
        )
        route.fulfill(body=html, content_type="text/html", headers={"Content-Security-Policy": CSP})

    one.route("**/*", lambda route: route.abort())
    one.route(f"{APP}/**", app)
    yield one
    context.close()


def box(page: Page, name: str) -> FloatRect:
    found = page.locator(name).bounding_box()
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("width", "panel"), [(1280, 400), (1024, 400), (1000, 320), (640, 320), (600, 600), (320, 320)]
)
def test_the_panel_has_its_width_and_nothing_runs_out_sideways(
    page: Page, width: int, panel: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{APP}{BASE}")
    column, talk = box(page, "main.panel"), box(page, ".practice__talk")
    assert column["width"] == panel
    side_by_side = column["x"] >= talk["x"] + talk["width"]
    assert side_by_side is (width >= 640)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_stripe_stays_in_sight_and_is_said_once(page: Page) -> None:
    page.goto(f"{APP}{BASE}")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    assert box(page, ".practice__banner")["y"] == 0
    expect(page.locator(".train:visible")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 320])
def test_axe_finds_nothing(page: Page, scheme: str, width: int, practice: Practice) -> None:
    practice.desk.add_note(FIRST_TICKET, "Refunded 297.00 EUR.", ["refunded"], "marker-1")
    practice.desk.reply(FIRST_TICKET, "Your money is on its way.", "marker-2")
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{APP}{BASE}")
    # Run by the debugger, not by the page: the policy above allows no inline script.
    found = Axe().run(page)
    assert [(v["id"], [n["html"] for n in v["nodes"]]) for v in found["violations"]] == []


def test_a_note_appears_with_the_next_answer_of_the_panel(page: Page, practice: Practice) -> None:
    page.goto(f"{APP}{BASE}")
    expect(page.locator(".said")).to_have_count(1)
    practice.clock.turn(timedelta(minutes=1))
    practice.desk.add_note(FIRST_TICKET, "Refunded 297.00 EUR.", ["refunded"], "marker-1")
    page.locator("main form button[type=submit]:visible").first.click()
    expect(page.locator(".said--note")).to_contain_text("Refunded 297.00 EUR.")
    expect(page.locator(".practice__tags")).to_contain_text("refunded")
    expect(page.locator("#conversation")).to_have_count(1)
