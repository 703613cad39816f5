"""The app's page and our bridge in Chromium, inside a page like Freshdesk's: who hears whom.

Only the bridge and the app's page run here; `test_freshdesk_whole_way.py` has all of ours behind
them. Every address is answered by `route()`; nothing leaves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from playwright.sync_api import Browser, Frame, Page, Route, expect

from plugin.web.headers import Framing, content_security_policy
from plugin.web.views.panel_parts import Icon, Notice, Tone
from plugin.web.views.panel_view import Panel, Told
from plugin.web.views.render_panel import render_panel
from tests.browser.freshdesk_host import DESK, HOST, OURS, UI, app_files
from tests.browser.served import NO_THIRD_PARTY_COOKIES, chromium
from tests.web.panel_states import example_panels

TEMPLATES = Path(__file__).parents[2] / "plugin" / "web" / "templates"
HOSTILE = "https://hostile.plugin.test"
BASE = "/panel/freshdesk/inst-7f3a"


@dataclass
class Scene:
    """The agent's page, as one test sees it."""

    page: Page
    entered: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    around: str = f"{HOST}/app/index.html"
    fails: int = 0

    def go(self) -> None:
        self.page.goto(f"{DESK}/a/tickets/5001")

    def frame(self, start: str) -> Frame:
        return next(one for one in self.page.frames if one.url.startswith(start))

    @property
    def app(self) -> Frame:
        return self.frame(f"{HOST}/app/")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(NO_THIRD_PARTY_COOKIES) as one:
        yield one


@pytest.fixture(scope="module")
def first_page() -> str:
    """The frame's first page, with the bridge alone: what the panel does is judged elsewhere."""
    env = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined
    )
    frame = replace(
        next(iter(example_panels().values())).frame,
        base=BASE,
        session="our-session",
        stylesheets=(),
        scripts=("/bridge.js",),
    )
    told = Told(Notice(Tone.PLAIN, Icon.LOOK, "Reading the ticket", "One moment."))
    return render_panel(Panel(frame, told, say="One moment."), env, "frames/freshdesk.html")


@pytest.fixture
def scene(browser: Browser, first_page: str) -> Iterator[Scene]:
    context = browser.new_context(viewport={"width": 360, "height": 900})
    one = Scene(context.new_page())
    one.page.set_default_timeout(10_000)
    policy = content_security_policy(Framing((DESK, HOST)))

    def desk(route: Route) -> None:
        frames = f'<iframe src="{one.around}"></iframe><iframe src="{HOSTILE}/x"></iframe>'
        route.fulfill(body=f"<!doctype html>{frames}", content_type="text/html")

    def host(route: Route) -> None:
        if urlsplit(route.request.url).path == "/template":
            route.fulfill(json={"pass": "a-pass"})
        else:
            app_files(f"{OURS}{BASE}", f"window.fails = {one.fails};")(route)

    def ours(route: Route) -> None:
        request = route.request
        path = urlsplit(request.url).path
        if path == "/bridge.js":
            route.fulfill(path=UI / "bridge.js")
            return
        said = parse_qs(request.post_data or "")
        if path == BASE:
            one.entered.append(said["pass"][0])
            headers = {"Content-Security-Policy": policy}
            route.fulfill(body=first_page, content_type="text/html", headers=headers)
            return
        one.opened.append(said["ticket"][0])
        route.fulfill(status=204)  # the panel's script would put the answer in

    one.page.route("**/*", lambda route: route.abort())
    one.page.route(f"{DESK}/**", desk)
    one.page.route(f"{HOST}/**", host)
    one.page.route(f"{OURS}/**", ours)
    one.page.route(
        f"{HOSTILE}/**", lambda route: route.fulfill(body="hostile", content_type="text/html")
    )
    one.page.on("pageerror", lambda error: one.complaints.append(str(error)))
    yield one
    context.close()


def test_one_pass_opens_the_frame_and_the_ticket_of_the_page_is_claimed(scene: Scene) -> None:
    with scene.page.expect_response(f"**{BASE}/open"):
        scene.go()
    assert scene.entered == ["a-pass"]
    assert scene.opened == ["5001"]
    assert scene.app.evaluate("asked") == [["makegoodPass", "agent=102"]]
    assert scene.complaints == []


def test_another_ticket_is_claimed_without_another_pass(scene: Scene) -> None:
    with scene.page.expect_response(f"**{BASE}/open"):
        scene.go()
    with scene.page.expect_response(f"**{BASE}/open"):
        scene.app.evaluate("number = '5002'; told['app.activated']()")
    scene.app.evaluate("told['app.activated']()")
    assert scene.opened == ["5001", "5002"]
    assert len(scene.app.evaluate("asked")) == 1


def test_the_app_is_as_tall_as_the_panel_up_to_the_desks_limit(scene: Scene) -> None:
    with scene.page.expect_response(f"**{BASE}/open"):
        scene.go()
    panel = scene.frame(f"{OURS}{BASE}")
    for wished in (50, 300.2, 9000):
        panel.evaluate(f"makegood.onResize({wished})")
    scene.app.wait_for_function("heights.length === 3")
    assert scene.app.evaluate("heights") == ["120px", "301px", "700px"]


def test_a_hostile_sibling_drives_neither_the_app_nor_the_panel(scene: Scene) -> None:
    with scene.page.expect_response(f"**{BASE}/open"):
        scene.go()
    scene.frame(HOSTILE).evaluate(
        """() => {
          const app = parent.frames[0];
          for (const aim of [app, app.frames[0]]) {
            aim.postMessage({ makegood: "ticket", ticket: "666" }, "*");
            aim.postMessage({ makegood: "height", height: 222 }, "*");
            aim.postMessage({ makegood: "ready" }, "*");
          }
        }"""
    )
    # What was sent before is heard before: then the hostile words were, too.
    with scene.page.expect_response(f"**{BASE}/open"):
        scene.app.evaluate("number = '5003'; told['app.activated']()")
    assert "666" not in scene.opened
    assert scene.app.evaluate("heights") == []


@pytest.mark.parametrize("ticket", ["NaN", "0", "-5", "1.5"])
def test_what_is_no_ticket_is_not_claimed(scene: Scene, ticket: str) -> None:
    with scene.page.expect_response(f"**{BASE}/open"):
        scene.go()
    scene.app.evaluate(f"number = '{ticket}'; told['app.activated']()")
    with scene.page.expect_response(f"**{BASE}/open"):
        scene.app.evaluate("number = '5003'; told['app.activated']()")
    assert scene.opened == ["5001", "5003"]


def test_a_pass_that_cannot_be_fetched_is_said_in_words(scene: Scene) -> None:
    scene.fails = 1
    scene.go()
    trouble = scene.app.locator("#trouble")
    expect(trouble).to_contain_text("nothing has been done")
    scene.app.evaluate("told['app.activated']()")  # too soon for another pass: the words stay
    expect(trouble).to_be_visible()
    assert len(scene.app.evaluate("asked")) == 1
    assert scene.entered == []


def test_after_a_ticket_that_could_not_be_told_the_next_one_is_shown(scene: Scene) -> None:
    with scene.page.expect_response(f"**{BASE}/open"):
        scene.go()
    trouble, frame = scene.app.locator("#trouble"), scene.app.locator("#panel")
    scene.app.evaluate(
        "number = { toString() { throw new Error('502') } }; told['app.activated']()"
    )
    expect(trouble).to_be_visible()
    expect(frame).to_be_hidden()
    with scene.page.expect_response(f"**{BASE}/open"):
        scene.app.evaluate("number = '5002'; told['app.activated']()")
    expect(trouble).to_be_hidden()
    expect(frame).to_be_visible()
    assert scene.opened == ["5001", "5002"]


def test_a_foreign_page_cannot_frame_the_panel(scene: Scene) -> None:
    scene.around = f"{HOSTILE}/frames-us"
    scene.page.route(
        f"{HOSTILE}/frames-us",
        lambda route: route.fulfill(
            body=f'<form method="post" action="{OURS}{BASE}" target="f">'
            '<input name="pass" value="x"></form><iframe name="f"></iframe>'
            "<script>document.forms[0].submit()</script>",
            content_type="text/html",
        ),
    )
    with scene.page.expect_response(f"{OURS}{BASE}"):
        scene.go()
    assert scene.entered == ["x"]
    assert not any(one.url.startswith(OURS) for one in scene.page.frames)
    assert scene.opened == []
