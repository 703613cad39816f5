"""Our page in a dashboard like Saleor's, in Chromium over https origins: by its AppBridge alone.

The dashboard is a stand-in (`saleor_host.py`). Cookies of other sites are switched off.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.judging import is_clean, keeps_nothing, tab_to
from tests.browser.saleor_host import HOSTILE, SIBLING, Scene
from tests.browser.served import NO_THIRD_PARTY_COOKIES, chromium
from tests.databases import Databases
from tests.platforms.saleor.in_dashboard import open_dashboard


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(NO_THIRD_PARTY_COOKIES) as one:
        yield one


@pytest.fixture
def scene(browser: Browser, tmp_path: Path, databases: Databases) -> Iterator[Scene]:
    with open_dashboard(tmp_path, databases) as at:
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        yield Scene(context.new_page(), at)
        context.close()


def test_the_page_opens_by_the_dashboards_handshake_and_no_cookie(scene: Scene) -> None:
    scene.go()
    expect(scene.ours.locator("#self-test [role=status]")).to_have_text("3 of 3 done")
    expect(scene.ours.locator(".chip").first).to_have_text("Connected")
    assert scene.page.evaluate("window.ready") == 1
    assert scene.page.context.cookies() == []
    keeps_nothing(scene.ours)
    assert [one for one in scene.said if "favicon" not in one] == []


def test_by_keyboard_one_goes_to_makegood_in_a_window_of_its_own(scene: Scene) -> None:
    scene.page.context.route("http://localhost/**", lambda route: route.fulfill(body="ours"))
    scene.go()
    ours = scene.ours
    expect(ours.locator("#self-test [role=status]")).to_have_text("3 of 3 done")
    tab_to(scene.page, ours.get_by_role("link", name="Settings in Makegood"))
    with scene.page.expect_popup() as opened:
        scene.page.keyboard.press("Enter")
    [found] = scene.at.ways.site.installations()
    here = f"http://localhost/install/at/{found.connection.installation}#connect"
    expect(opened.value).to_have_url(here)
    assert opened.value.evaluate("window.opener") is None


@pytest.mark.parametrize("by", ["keyboard", "mouse"])
def test_whoever_is_not_known_looks_again_with_the_dashboards_next_token(
    scene: Scene, by: str
) -> None:
    scene.spoilt = True
    scene.go()
    ours = scene.ours
    expect(ours.get_by_text("Nothing is connected here")).to_be_visible()
    before = ours.evaluate("window.makegood.token()")
    scene.spoilt = False
    scene.page.evaluate("tell('tokenRefresh')")
    ours.wait_for_function(
        "(before) => window.makegood.token().then((now) => now !== before)", arg=before
    )
    again = ours.get_by_role("button", name="Look again")
    if by == "keyboard":
        tab_to(scene.page, again)
        scene.page.keyboard.press("Enter")
    else:
        again.click()
    expect(ours.locator("#self-test [role=status]")).to_have_text("3 of 3 done")


@pytest.mark.parametrize("by", ["keyboard", "mouse"])
def test_what_a_product_gives_is_said_in_the_dashboard(scene: Scene, by: str) -> None:
    scene.go()
    ours = scene.ours

    def press(name: str) -> None:
        button = ours.get_by_role("button", name=name)
        if by == "mouse":
            button.click()
            return
        tab_to(scene.page, button)
        scene.page.keyboard.press("Enter")

    press("Say what each plan gives")
    expect(ours.get_by_text("Saleor does not list what a sale may open")).to_be_visible()
    ours.get_by_label("Its id").fill("UHJvZHVjdDox")
    ours.get_by_label("Kind").select_option("membership")
    ours.get_by_label("Id of what it opens").fill("gold")
    press("Save what it opens")
    expect(ours.locator(".notice.good")).to_be_focused()
    expect(ours.locator("tbody tr")).to_contain_text("membership gold")
    press("Change Price plan UHJvZHVjdDox")
    expect(ours.get_by_label("gold")).to_be_checked()
    press("Forget it: unknown again")
    expect(ours.locator("tbody tr")).to_have_count(0)
    press("Back to the connection")
    expect(ours.get_by_text("not said yet")).to_be_visible()
    assert scene.page.context.cookies() == []
    keeps_nothing(ours)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("spoilt", [False, True], ids=["connected", "unknown"])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_frame(
    scene: Scene, theme: str, width: int, *, spoilt: bool
) -> None:
    scene.page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    scene.page.set_viewport_size({"width": width, "height": 800})
    scene.spoilt = spoilt
    scene.go()
    shown = scene.ours.locator(".notice strong" if spoilt else "#self-test").last
    expect(shown).to_be_visible()
    is_clean(scene.ours)
    if not spoilt:
        scene.ours.get_by_role("button", name="Say what each plan gives").click()
        expect(scene.ours.get_by_role("heading", name="Said so far")).to_be_visible()
        is_clean(scene.ours)


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


def test_a_hostile_sibling_gives_us_no_token_and_presses_nothing(scene: Scene) -> None:
    # It speaks from before our page is there until the end.
    scene.beside, scene.spoilt = SIBLING, True
    scene.go()
    ours = scene.ours
    expect(ours.get_by_text("Nothing is connected here")).to_be_visible()
    before, calls = ours.evaluate("window.makegood.token()"), len(scene.calls)
    ours.evaluate(
        "() => { window.heard = []; addEventListener('message', (it) => heard.push(it.data)) }"
    )
    sibling = next(one for one in scene.page.frames if one.url == "about:srcdoc")
    sibling.evaluate(
        """() => {
          for (let at = 0; at < parent.length; at += 1) {
            for (const type of ["handshake", "tokenRefresh"])
              parent[at].postMessage({ type, payload: { token: "evil" } }, "*");
            parent[at].postMessage({ makegood: "again" }, "*");
            parent[at].postMessage("the last", "*");
          }
        }"""
    )
    # What was sent before is heard before: then the hostile words were, too.
    ours.wait_for_function("heard.includes('the last')")
    assert {"handshake", "tokenRefresh"} <= set(ours.evaluate("heard.map((it) => it.type ?? '')"))
    assert ours.evaluate("window.makegood.token()") == before
    assert len(scene.calls) == calls
    # What it said goes into no later call either.
    scene.spoilt = False
    scene.page.evaluate("tell('tokenRefresh')")
    ours.wait_for_function(
        "(before) => window.makegood.token().then((now) => now !== before)", arg=before
    )
    ours.get_by_role("button", name="Look again").click()
    expect(ours.locator("#self-test [role=status]")).to_have_text("3 of 3 done")
    assert len(scene.calls) > calls
    assert [one for one in scene.sent if "evil" in one] == []
