"""Our page in a host like Shopify's admin, in Chromium over https origins: connects, and for whom.

Shopify's App Bridge cannot be had: a stand-in at its address asks the page around for a token as
App Bridge does. Our own side is the whole application. Cookies of other sites are off. Every
address is answered by `route()`; nothing leaves.
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
from tests.platforms.shopify.admin import FRAMED, PAGE, ShopifyAdmin, open_admin
from tests.platforms.shopify.grants import APP, session_token

OURS = "https://refunds.plugin.test"
ADMIN = "https://admin.shopify.com"
HOSTILE = "https://hostile.plugin.test"
CDN = "https://cdn.shopify.com"

APP_BRIDGE = """
{
  const key = document.querySelector('meta[name="shopify-api-key"]').content;
  let asked = 0;
  const waiting = new Map();
  window.addEventListener("message", ({ source, origin, data }) => {
    if (source !== parent || origin !== "https://admin.shopify.com") return;
    waiting.get(data.id)?.(data.token);
  });
  window.shopify = {
    idToken: () => new Promise((resolve) => {
      asked += 1;
      waiting.set(asked, resolve);
      parent.postMessage({ id: asked, key }, "https://admin.shopify.com");
    }),
  };
}
"""
HOST_PAGE = """<!doctype html><html lang="en"><title>acme, Shopify</title>
<style>body { margin: 0 } iframe { border: 0; width: 100vw; height: 100vh }</style>
<iframe title="Makegood" src="%s"></iframe>
<script>
window.addEventListener("message", async ({ source, data }) => {
  const frame = document.querySelector("iframe");
  if (source !== frame.contentWindow) return;
  const token = await (await fetch("/token?key=" + data.key)).text();
  source.postMessage({ id: data.id, token }, "https://refunds.plugin.test");
});
</script></html>"""


@dataclass
class Scene:
    """Somebody at the shop's admin, as one test sees it."""

    page: Page
    admin: ShopifyAdmin
    asked: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    spoilt: bool = False

    def go(self, start: str = ADMIN) -> None:
        self.page.goto(f"{start}/store/acme/apps/makegood")

    @property
    def ours(self) -> Frame:
        return next(one for one in self.page.frames if one.url.startswith(OURS))

    def answer(self, route: Route) -> None:
        """Our application, behind https."""
        request = route.request
        address = urlsplit(request.url)
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        client = self.admin.site.app.test_client(use_cookies=False)
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
        """Shopify's admin, or whoever says so: a page around, and its word for who asks."""
        address = urlsplit(route.request.url)
        if address.path == "/token":
            self.asked.append(address.query)
            token = session_token(self.admin.site.clock.now())
            route.fulfill(body=token[:-4] + "AAAA" if self.spoilt else token)
            return
        framed = f"{OURS}{PAGE}?{urlencode(FRAMED)}"
        route.fulfill(body=HOST_PAGE % framed.replace("&", "&amp;"), content_type="text/html")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    flags = [*CHROMIUM_FLAGS.split(), "--test-third-party-cookie-phaseout"]
    with sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        yield one
        one.close()


@pytest.fixture
def admin(tmp_path: Path, migrated_sqlite: Path) -> Iterator[ShopifyAdmin]:
    with open_admin(tmp_path, migrated_sqlite) as one:
        yield one


@pytest.fixture
def scene(browser: Browser, admin: ShopifyAdmin) -> Iterator[Scene]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    one = Scene(context.new_page(), admin)
    one.page.set_default_timeout(15_000)
    one.page.route("**/*", lambda route: route.abort())
    one.page.route(f"{OURS}/**", one.answer)
    one.page.route(f"{ADMIN}/**", one.host)
    one.page.route(f"{HOSTILE}/**", one.host)
    script = "text/javascript"
    one.page.route(
        f"{CDN}/shopifycloud/app-bridge.js",
        lambda route: route.fulfill(body=APP_BRIDGE, content_type=script),
    )
    one.page.on("console", lambda line: one.said.append(line.text))
    one.page.on("pageerror", lambda error: one.said.append(str(error)))
    yield one
    context.close()


def test_the_page_loads_connects_and_its_self_test_ticks(scene: Scene) -> None:
    scene.admin.claim()
    scene.go()
    ours = scene.ours
    expect(ours.locator("#self-test [role=status]")).to_have_text("3 of 3 done", timeout=30_000)
    expect(ours.locator(".chip").first).to_have_text("Connected")
    [found] = scene.admin.site.installations()
    link = ours.get_by_role("link", name="Settings in Makegood")
    expect(link).to_have_attribute(
        "href", f"http://localhost/install/at/{found.connection.installation}#connect"
    )
    expect(link).to_have_attribute("target", "_blank")
    assert set(scene.asked) == {f"key={APP}"}
    assert scene.page.context.cookies() == []
    # This browser gives a frame of another site no place to keep anything in.
    kept = ours.evaluate("() => { try { return localStorage.length } catch { return 'shut' } }")
    assert kept == "shut"
    assert scene.said == []


def test_a_new_key_is_had_by_keyboard(scene: Scene) -> None:
    scene.admin.connected()
    scene.go()
    ours = scene.ours
    expect(ours.locator("#self-test [role=status]")).to_have_text("3 of 3 done")
    ours.get_by_role("link", name="Settings in Makegood").focus()
    scene.page.keyboard.press("Tab")
    with scene.page.expect_response("**/again"):
        scene.page.keyboard.press("Enter")
    expect(ours.locator("#self-test [role=status]")).to_have_text("3 of 3 done", timeout=30_000)
    [found] = scene.admin.site.installations()
    assert found.connection.secrets["access_token"] == "shpat_offline_2"


def test_a_shop_that_nobody_named_is_told_what_to_do(scene: Scene) -> None:
    scene.go()
    ours = scene.ours
    expect(ours.get_by_text("Nothing is connected here")).to_be_visible()
    scene.admin.claim()
    ours.get_by_role("button", name="Look again").click()
    expect(ours.locator("#self-test [role=status]")).to_have_text("3 of 3 done", timeout=30_000)


def test_a_token_that_is_not_shopifys_opens_nothing(scene: Scene) -> None:
    scene.admin.claim()
    scene.spoilt = True
    scene.go()
    expect(scene.ours.get_by_text("Nothing is connected here")).to_be_visible()
    assert scene.admin.site.installations() == []
    assert scene.admin.fake.calls == []


def test_a_foreign_page_cannot_frame_it(scene: Scene) -> None:
    scene.admin.claim()
    with scene.page.expect_response(f"{OURS}{PAGE}**") as answered:
        scene.go(HOSTILE)
    assert answered.value.status == 200
    scene.page.wait_for_load_state("networkidle")
    assert not any(one.url.startswith(OURS) for one in scene.page.frames)
    assert any("frame-ancestors" in line for line in scene.said)
    assert scene.asked == []
    assert scene.admin.fake.calls == []


def test_no_other_script_of_the_cdn_runs(scene: Scene) -> None:
    scene.admin.connected()
    scene.go()
    expect(scene.ours.locator("#self-test [role=status]")).to_have_text("3 of 3 done")
    scene.ours.evaluate(
        """source => {
          const script = document.createElement("script");
          script.src = source;
          document.head.append(script);
        }""",
        f"{CDN}/s/files/1/evil.js",
    )
    scene.page.wait_for_load_state("networkidle")
    assert any("script-src" in line for line in scene.said)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("is_claimed", [True, False], ids=["connected", "unknown"])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_frame(
    scene: Scene, theme: str, width: int, *, is_claimed: bool, tmp_path: Path
) -> None:
    page = scene.page
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 800})
    if is_claimed:
        scene.admin.connected()
    scene.go()
    shown = scene.ours.locator("#self-test" if is_claimed else ".notice strong").last
    expect(shown).to_be_visible()
    page.screenshot(path=tmp_path / f"shopify-{width}-{theme}-{is_claimed}.png")
    assert scene.ours.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found = Axe().run(scene.ours)
    assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []
