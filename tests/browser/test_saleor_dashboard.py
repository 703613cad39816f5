"""Our page in a dashboard like Saleor's, in Chromium over https origins: by its AppBridge alone.

The dashboard is a stand-in that speaks as the vendor's AppBridge expects (@saleor/app-sdk 1.15): a
token by `handshake` once we said `notifyReady`, and by `tokenRefresh` later. Our own side is the
whole application. Cookies of other sites are switched off. Every address is answered by `route()`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from axe_core_python.sync_playwright import Axe  # type: ignore[import-untyped]  # ships no types
from playwright.sync_api import Browser, Frame, Page, Route, expect, sync_playwright

from tests.browser.served import CHROMIUM_FLAGS
from tests.platforms.saleor.in_dashboard import API, PAGE, InDashboard, open_dashboard

OURS = "https://refunds.plugin.test"
DASHBOARD = "https://ada.example.com"
HOSTILE = "https://hostile.plugin.test"
HOST_PAGE = """<!doctype html><html lang="en"><title>Dashboard</title>
<style>body { margin: 0 } iframe { border: 0; width: 100vw; height: 90vh }</style>
%s<iframe id="app" title="Makegood" src="%s"></iframe>
<script>
const app = document.querySelector("#app");
window.ready = 0;
window.tell = async (type) => {
  const token = await (await fetch("/token")).text();
  app.contentWindow.postMessage({ type, payload: { token, version: 1 } }, "%s");
};
window.addEventListener("message", ({ source, origin, data }) => {
  if (source !== app.contentWindow || origin !== "%s") return;
  if (data.type !== "notifyReady" || !data.payload.actionId) return;
  window.ready += 1;
  tell("handshake");
});
</script></html>"""
SIBLING = """<iframe title="Other" srcdoc="<script>setInterval(() => {
  for (let at = 0; at &lt; parent.length; at += 1) parent[at].postMessage(
    { type: 'handshake', payload: { token: 'evil' } }, '*');
}, 5)</script>" sandbox="allow-scripts"></iframe>"""


@dataclass
class Scene:
    """Staff at the dashboard, as one test sees it."""

    page: Page
    at: InDashboard
    beside: str = ""
    sent: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def go(self, start: str = DASHBOARD) -> None:
        self.page.goto(f"{start}/dashboard/apps/makegood")

    @property
    def ours(self) -> Frame:
        return next(one for one in self.page.frames if one.url.startswith(OURS))

    def answer(self, route: Route) -> None:
        """Our application, behind https."""
        request = route.request
        address = urlsplit(request.url)
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        self.sent.append(headers.get("authorization", ""))
        client = self.at.ways.site.app.test_client(use_cookies=False)
        answer = client.open(
            f"{address.path}?{address.query}",
            method=request.method,
            headers=headers,
            data=request.post_data_buffer or b"",
        )
        body = answer.data
        answer.close()
        route.fulfill(status=answer.status_code, headers=dict(answer.headers.items()), body=body)

    def host(self, route: Route) -> None:
        if urlsplit(route.request.url).path == "/token":
            route.fulfill(body=self.at.token())
            return
        framed = f"{OURS}{PAGE}?{urlencode({'saleorApiUrl': API, 'id': 'App:3'})}"
        body = HOST_PAGE % (self.beside, framed.replace("&", "&amp;"), OURS, OURS)
        route.fulfill(body=body, content_type="text/html")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    flags = [*CHROMIUM_FLAGS.split(), "--test-third-party-cookie-phaseout"]
    with sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        yield one
        one.close()


@pytest.fixture
def scene(browser: Browser, tmp_path: Path, migrated_sqlite: Path) -> Iterator[Scene]:
    with open_dashboard(tmp_path, migrated_sqlite) as at:
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        one = Scene(context.new_page(), at)
        one.page.set_default_timeout(15_000)
        one.page.route("**/*", lambda route: route.abort())
        one.page.route(f"{OURS}/**", one.answer)
        one.page.route(f"{DASHBOARD}/**", one.host)
        one.page.route(f"{HOSTILE}/**", one.host)
        one.page.on("console", lambda line: one.said.append(line.text))
        one.page.on("pageerror", lambda error: one.said.append(str(error)))
        yield one
        context.close()


def test_the_page_opens_by_the_dashboards_handshake_and_no_cookie(scene: Scene) -> None:
    scene.go()
    expect(scene.ours.locator("#self-test [role=status]")).to_have_text("3 of 3 done")
    expect(scene.ours.locator(".chip").first).to_have_text("Connected")
    assert scene.page.evaluate("window.ready") == 1
    assert scene.page.context.cookies() == []
    assert [one for one in scene.said if "favicon" not in one] == []
    found = Axe().run(scene.ours)["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []


def test_a_later_token_takes_the_place_of_the_one_before(scene: Scene) -> None:
    scene.go()
    expect(scene.ours.locator(".chip").first).to_have_text("Connected")
    before = scene.ours.evaluate("window.makegood.token()")
    scene.at.ways.site.clock.advance(seconds=400)
    scene.page.evaluate("tell('tokenRefresh')")
    scene.ours.wait_for_function(
        "(before) => window.makegood.token().then((now) => now !== before)", arg=before
    )
    assert scene.at.call(token=before).status_code == 401
    assert scene.at.call(token=scene.ours.evaluate("window.makegood.token()")).status_code == 200


def test_a_foreign_page_cannot_frame_it(scene: Scene) -> None:
    scene.go(HOSTILE)
    scene.page.wait_for_function("document.querySelector('#app') !== null")
    assert not any(one.startswith("Bearer") for one in scene.sent)
    assert any("frame-ancestors" in one for one in scene.said)


def test_a_hostile_sibling_gives_us_no_token(scene: Scene) -> None:
    scene.beside = SIBLING
    scene.go()
    expect(scene.ours.locator(".chip").first).to_have_text("Connected")
    assert "Bearer evil" not in scene.sent
