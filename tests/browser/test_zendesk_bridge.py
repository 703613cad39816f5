"""The bridge inside Zendesk's own client library, in Chromium: what it claims, and when.

Only the bridge and the frame's template are judged here: the panel's answers are the examples of
`tests/web`, and nothing behind them runs. Every address is answered by `route()`; nothing leaves.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from playwright.sync_api import Browser, Frame, Page, Route, expect, sync_playwright

from plugin.web.views.panel_parts import Icon, Notice, Tone
from plugin.web.views.panel_view import Panel, Told
from plugin.web.views.render_panel import render_panel
from tests.browser.zaf_host import FRAME_NAME, HOST_ORIGIN, SDK_URL, host_page, sdk_script
from tests.web.panel_states import example_panels

ROOT = Path(__file__).parents[2]
UI = ROOT / "ui_extensions"
TEMPLATES = ROOT / "plugin" / "web" / "templates"
APP = "https://refunds.plugin.test"
BASE = "/panel/zendesk/inst-7f3a"
TOKEN = "signed-by-zendesk"
SESSION = "our-session"
CSP = (
    "default-src 'none'; script-src 'self' https://static.zdassets.com; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    f"frame-ancestors {HOST_ORIGIN}"
)
CHROMIUM_FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


@dataclass
class Desk:
    """The agent's page with our app behind it, as one test sees them."""

    page: Page
    opened: list[tuple[str, str | None]] = field(default_factory=list)
    posts: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    status: int = 200
    shows: str = "nothing-found"
    serve_sdk: bool = True

    @property
    def frame(self) -> Frame:
        found = self.page.frame(FRAME_NAME)
        assert found is not None
        return found

    def go(self, **host: Any) -> None:  # noqa: ANN401 - as host_page takes them
        page = host_page(f"{APP}{BASE}", TOKEN, **host)
        self.page.route(
            f"{HOST_ORIGIN}/**", lambda route: route.fulfill(body=page, content_type="text/html")
        )
        self.page.goto(f"{HOST_ORIGIN}/agent/tickets/5001")

    def told(self, expression: str) -> Any:  # noqa: ANN401 - a value of the page
        return self.page.evaluate(f"desk.{expression}")

    def wait_for(self, condition: str) -> None:
        self.page.wait_for_function(condition)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        system = shutil.which("chromium")
        one = playwright.chromium.launch(executable_path=system, args=CHROMIUM_FLAGS.split())
        yield one
        one.close()


@pytest.fixture(scope="module")
def assets() -> dict[str, str]:
    dist = UI / "dist" / "assets.json"
    assert dist.is_file(), "the front end is not built: run `make build`"
    found: dict[str, str] = json.loads(dist.read_text())
    return found


@pytest.fixture(scope="module")
def render(assets: dict[str, str]) -> Callable[[Panel], str]:
    env = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined
    )

    def page(panel: Panel) -> str:
        frame = replace(
            panel.frame,
            base=BASE,
            session=SESSION,
            stylesheets=(f"/static/{assets['panel/panel.css']}",),
            scripts=tuple(
                f"/static/{assets[name]}" for name in ("zendesk/bridge.js", "panel/panel.js")
            ),
        )
        return render_panel(replace(panel, frame=frame), env, "frames/zendesk.html")

    return page


@pytest.fixture
def desk(browser: Browser, render: Callable[[Panel], str]) -> Iterator[Desk]:
    context = browser.new_context(viewport={"width": 360, "height": 900})
    one = Desk(context.new_page())
    one.page.set_default_timeout(10_000)
    examples = example_panels()
    waiting = Panel(
        next(iter(examples.values())).frame,
        Told(Notice(Tone.PLAIN, Icon.LOOK, "Reading the ticket", "One moment.")),
        say="Reading the ticket",
    )

    def app(route: Route) -> None:
        request = route.request
        path = urlsplit(request.url).path
        if path.startswith("/static/"):
            route.fulfill(path=UI / "dist" / path.removeprefix("/static/"))
            return
        one.posts.append(f"{request.method} {path}")
        if path == BASE:
            assert parse_qs(request.post_data or "")["token"] == [TOKEN]
            route.fulfill(
                body=render(waiting),
                content_type="text/html",
                headers={"Content-Security-Policy": CSP, "Referrer-Policy": "no-referrer"},
            )
            return
        said = parse_qs(request.post_data or "")
        one.opened.append((said["ticket"][0], request.headers.get("authorization")))
        route.fulfill(status=one.status, body=render(examples[one.shows]), content_type="text/html")

    def library(route: Route) -> None:
        if one.serve_sdk:
            body = sdk_script(UI / "node_modules")
            route.fulfill(body=body, content_type="application/javascript")
        else:
            route.abort()

    one.page.route("**/*", lambda route: route.abort())
    one.page.route(f"{APP}/**", app)
    one.page.route(SDK_URL, library)
    one.page.on(
        "console",
        lambda said: one.complaints.append(said.text) if said.type == "error" else None,
    )
    one.page.on("pageerror", lambda error: one.complaints.append(str(error)))
    yield one
    context.close()


def test_the_ticket_of_the_page_is_claimed_once_with_our_bearer(desk: Desk) -> None:
    desk.go(ticket=5001)
    expect(desk.frame.locator("#panel")).not_to_contain_text("Reading the ticket")
    assert desk.opened == [("5001", f"Bearer {SESSION}")]
    assert desk.posts == [f"POST {BASE}", f"POST {BASE}/open"]
    assert urlsplit(desk.frame.url).path == BASE
    assert desk.told("handshakes") == 1
    assert desk.complaints == []


def test_the_frame_is_as_tall_as_the_panel(desk: Desk) -> None:
    desk.go()
    expect(desk.frame.locator("#panel")).not_to_contain_text("Reading the ticket")
    desk.wait_for("desk.heights.length > 0")
    height = desk.frame.evaluate("Math.ceil(document.body.getBoundingClientRect().height)")
    desk.wait_for(f"desk.heights.at(-1) === '{height}px'")
    assert {name for name, _ in desk.told("invoked")} == {"resize"}


def test_another_ticket_is_opened_and_the_same_one_is_not_opened_twice(desk: Desk) -> None:
    desk.go(ticket=5001)
    desk.wait_for("desk.bound.has('ticket.id.changed')")
    expect(desk.frame.locator("#panel")).not_to_contain_text("Reading the ticket")
    with desk.page.expect_response(f"**{BASE}/open"):
        desk.page.evaluate("desk.openTicket(5002)")
    desk.page.evaluate("desk.activate()")
    with desk.page.expect_response(f"**{BASE}/open"):
        desk.page.evaluate("desk.openTicket(5003)")
    assert [ticket for ticket, _ in desk.opened] == ["5001", "5002", "5003"]


@pytest.mark.parametrize("status", [200, 503])
def test_a_ticket_that_changes_while_a_refund_is_under_way_is_opened_once_after_it(
    desk: Desk, render: Callable[[Panel], str], status: int
) -> None:
    desk.shows = "open-order"
    desk.go(ticket=5001)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    desk.page.route(f"{APP}{BASE}/refund", hold)
    with desk.page.expect_request(f"**{BASE}/refund"):
        desk.frame.click("#pay")
    desk.page.evaluate("desk.openTicket(5002); desk.openTicket(5003)")
    ticket = "document.querySelector('#desk-open').elements.ticket.value"
    desk.frame.wait_for_function(f"{ticket} === '5003'")
    assert [ticket for ticket, _ in desk.opened] == ["5001"]
    desk.shows = "nothing-found"
    answer = render(example_panels()["ten-seconds"])
    with desk.page.expect_response(f"**{BASE}/open"):
        held.pop().fulfill(status=status, body=answer, content_type="text/html")
    expect(desk.frame.locator("#panel")).to_contain_text("No purchase under this address")
    expect(desk.frame.locator("#trouble")).to_be_hidden()
    with desk.page.expect_response(f"**{BASE}/open"):
        desk.page.evaluate("desk.openTicket(5004)")
    assert [ticket for ticket, _ in desk.opened] == ["5001", "5003", "5004"]


def test_while_another_ticket_is_opened_nothing_of_the_old_one_can_be_pressed(
    desk: Desk, render: Callable[[Panel], str]
) -> None:
    desk.shows = "open-order"
    desk.go(ticket=5001)
    expect(desk.frame.locator("#pay")).to_be_enabled()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    desk.page.route(f"{APP}{BASE}/open", hold)
    with desk.page.expect_request(f"**{BASE}/open"):
        desk.page.evaluate("desk.openTicket(5002)")
    desk.frame.evaluate("document.querySelector('#choose').requestSubmit()")
    desk.frame.evaluate("document.querySelector('#pay').click()")
    change = "new Event('change', { bubbles: true })"
    desk.frame.evaluate(f"document.querySelector('#ask input').dispatchEvent({change})")
    # A third ticket is not kept waiting for the second.
    with desk.page.expect_request(f"**{BASE}/open"):
        desk.page.evaluate("desk.openTicket(5003)")
    assert desk.posts == [f"POST {BASE}", f"POST {BASE}/open"]
    assert desk.frame.evaluate("document.querySelector('#panel').inert")
    answer = render(example_panels()["nothing-found"])
    held.pop().fulfill(body=answer, content_type="text/html")
    expect(desk.frame.locator("#panel")).to_contain_text("No purchase under this address")
    desk.frame.wait_for_function("!document.querySelector('#panel').inert")


def test_after_a_failure_coming_back_asks_again(desk: Desk) -> None:
    desk.status = 503
    desk.go(ticket=5001)
    expect(desk.frame.locator("#trouble")).to_be_visible()
    desk.status = 200
    desk.page.evaluate("desk.activate()")
    expect(desk.frame.locator("#panel")).not_to_contain_text("Reading the ticket")
    expect(desk.frame.locator("#trouble")).to_be_hidden()
    assert len(desk.opened) == 2


def test_after_an_answer_that_was_lost_coming_back_asks_again(desk: Desk) -> None:
    desk.page.route(f"{APP}{BASE}/open", lambda route: route.abort())
    desk.go(ticket=5001)
    expect(desk.frame.locator("#trouble")).to_be_visible()
    desk.page.unroute(f"{APP}{BASE}/open")
    desk.page.evaluate("desk.activate()")
    expect(desk.frame.locator("#panel")).not_to_contain_text("Reading the ticket")
    expect(desk.frame.locator("#trouble")).to_be_hidden()
    assert [ticket for ticket, _ in desk.opened] == ["5001"]


@pytest.mark.parametrize("lost", [True, False], ids=["lost", "503"])
def test_beside_a_ticket_that_could_not_be_opened_stands_nothing_of_the_one_before(
    desk: Desk, *, lost: bool
) -> None:
    desk.shows = "open-order"
    desk.go(ticket=5001)
    expect(desk.frame.locator("#pay")).to_be_enabled()
    desk.status = 503
    if lost:
        desk.page.route(f"{APP}{BASE}/open", lambda route: route.abort())
    desk.page.evaluate("desk.openTicket(5002)")
    expect(desk.frame.locator("#trouble")).to_be_visible()
    expect(desk.frame.locator("#pay")).to_be_hidden()
    expect(desk.frame.locator("#who")).to_be_hidden()
    desk.page.unroute(f"{APP}{BASE}/open")
    desk.status = 200
    desk.page.evaluate("desk.activate()")
    expect(desk.frame.locator("#pay")).to_be_enabled()
    expect(desk.frame.locator("#trouble")).to_be_hidden()


def test_the_panel_wears_the_desks_theme(desk: Desk) -> None:
    desk.go(theme="dark")
    html = desk.frame.locator("html")
    expect(html).to_have_attribute("data-theme", "dark")
    desk.page.evaluate("desk.setTheme('light')")
    expect(html).to_have_attribute("data-theme", "light")


def test_a_frame_that_ends_listens_no_more(desk: Desk) -> None:
    desk.go(ticket=5001)
    expect(desk.frame.locator("#panel")).not_to_contain_text("Reading the ticket")
    desk.page.evaluate("desk.destroy()")
    # The client library itself keeps one.
    desk.wait_for("[...desk.bound].every((name) => name === 'context.updated')")
    desk.page.evaluate("desk.activate()")
    desk.page.evaluate("desk.openTicket(5002)")
    assert desk.frame.evaluate("window.makegood.onResize") is None
    assert len(desk.opened) == 1


def test_without_the_desks_script_the_panel_says_so(desk: Desk) -> None:
    desk.serve_sdk = False
    desk.go()
    expect(desk.frame.locator("#trouble")).to_contain_text("own script did not start")
    assert desk.opened == []


def test_outside_of_a_desk_the_panel_says_so(desk: Desk) -> None:
    desk.page.route(
        "https://elsewhere.test/**",
        lambda route: route.fulfill(
            body=f'<form method="post" action="{APP}{BASE}"><input name="token" value="{TOKEN}">'
            "</form><script>document.forms[0].submit()</script>",
            content_type="text/html",
        ),
    )
    desk.page.goto("https://elsewhere.test/")
    expect(desk.page.locator("#trouble")).to_contain_text("own script did not start")
    assert desk.opened == []
