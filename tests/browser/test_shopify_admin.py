"""Our page in a host like Shopify's admin, in Chromium over https origins: connects, and for whom.

The admin and its App Bridge are stand-ins (`shopify_host.py`). Cookies of other sites are off.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.judging import is_clean, keeps_nothing, tab_to
from tests.browser.served import NO_THIRD_PARTY_COOKIES, chromium
from tests.browser.shopify_host import CDN, HOSTILE, OURS, Scene
from tests.databases import Databases
from tests.platforms.shopify.admin import PAGE, ShopifyAdmin, open_admin
from tests.platforms.shopify.grants import APP


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(NO_THIRD_PARTY_COOKIES) as one:
        yield one


@pytest.fixture
def admin(tmp_path: Path, databases: Databases) -> Iterator[ShopifyAdmin]:
    with open_admin(tmp_path, databases) as one:
        yield one


@pytest.fixture
def scene(browser: Browser, admin: ShopifyAdmin) -> Iterator[Scene]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    yield Scene(context.new_page(), admin)
    context.close()


def test_the_page_loads_connects_and_its_self_test_ticks(scene: Scene) -> None:
    scene.admin.claim()
    scene.go()
    ours = scene.ours
    expect(ours.locator("#self-test [role=status]")).to_have_text("3 of 3 done")
    expect(ours.locator(".chip").first).to_have_text("Connected")
    [found] = scene.admin.site.installations()
    link = ours.get_by_role("link", name="Settings in Makegood")
    expect(link).to_have_attribute(
        "href", f"http://localhost/install/at/{found.connection.installation}#connect"
    )
    expect(link).to_have_attribute("target", "_blank")
    assert set(scene.asked) == {f"key={APP}"}
    assert scene.page.context.cookies() == []
    keeps_nothing(ours)
    assert scene.said == []


def test_a_new_key_is_had_by_keyboard(scene: Scene) -> None:
    scene.admin.connected()
    scene.go()
    ours = scene.ours
    expect(ours.locator("#self-test [role=status]")).to_have_text("3 of 3 done")
    tab_to(scene.page, ours.get_by_role("link", name="Settings in Makegood"))
    tab_to(scene.page, ours.get_by_role("button", name="Give Makegood a new key"))
    with scene.page.expect_response("**/again"):
        scene.page.keyboard.press("Enter")
    expect(ours.locator("#self-test [role=status]")).to_have_text("3 of 3 done")
    [found] = scene.admin.site.installations()
    assert found.connection.secrets["access_token"] == "shpat_offline_2"


@pytest.mark.parametrize("by", ["keyboard", "mouse"])
def test_a_shop_that_nobody_named_is_told_what_to_do(scene: Scene, by: str) -> None:
    scene.go()
    ours = scene.ours
    expect(ours.get_by_text("Nothing is connected here")).to_be_visible()
    scene.admin.claim()
    again = ours.get_by_role("button", name="Look again")
    if by == "keyboard":
        tab_to(scene.page, again)
        scene.page.keyboard.press("Enter")
    else:
        again.click()
    expect(ours.locator("#self-test [role=status]")).to_have_text("3 of 3 done")


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


def test_a_hostile_sibling_neither_speaks_for_the_admin_nor_presses_anything(scene: Scene) -> None:
    scene.beside = f'<iframe title="Other" src="{HOSTILE}/sibling"></iframe>'
    scene.page.route(
        f"{HOSTILE}/sibling",
        lambda route: route.fulfill(body="another app", content_type="text/html"),
    )
    scene.admin.connected()
    scene.go()
    ours = scene.ours
    expect(ours.locator("#self-test [role=status]")).to_have_text("3 of 3 done")
    ours.evaluate(
        "() => { window.heard = []; addEventListener('message', (it) => heard.push(it.data)) }"
    )
    sibling = next(one for one in scene.page.frames if one.url.startswith(HOSTILE))
    sibling.evaluate(
        """() => {
          const them = parent.frames[0];
          for (let id = 1; id < 9; id += 1) them.postMessage({ id, token: "evil" }, "*");
          for (const type of ["handshake", "tokenRefresh"])
            them.postMessage({ type, payload: { token: "evil" } }, "*");
          them.postMessage({ makegood: "again" }, "*");
          them.postMessage("the last", "*");
        }"""
    )
    ours.wait_for_function("heard.at(-1) === 'the last'")
    touched = "() => { try { return parent.frames[0].document.title } catch { return 'shut' } }"
    assert sibling.evaluate(touched) == "shut"
    assert not any(one.startswith(f"{PAGE}/again") for one in scene.sent)
    # What it said goes into no later call either.
    with scene.page.expect_response("**/again") as answered:
        ours.get_by_role("button", name="Give Makegood a new key").click()
    assert answered.value.status == 200
    assert [one for one in scene.sent if "evil" in one] == []


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
    scene: Scene, theme: str, width: int, *, is_claimed: bool
) -> None:
    page = scene.page
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 800})
    if is_claimed:
        scene.admin.connected()
    scene.go()
    shown = scene.ours.locator("#self-test" if is_claimed else ".notice strong").last
    expect(shown).to_be_visible()
    is_clean(scene.ours)
