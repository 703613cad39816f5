"""Our page in a host like Shopify's admin, in Chromium over https origins: connects, and for whom.

The admin and its App Bridge are stand-ins (`shopify_host.py`). Cookies of other sites are off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.judging import is_clean, keeps_nothing, tab_to
from tests.browser.served import NO_THIRD_PARTY_COOKIES, chromium
from tests.browser.shopify_host import CDN, HOSTILE, OURS, Scene
from tests.databases import Databases
from tests.platforms.shopify.admin import PAGE, ShopifyAdmin, open_admin
from tests.platforms.shopify.grants import APP
from tests.web.site import TENANT


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


@pytest.mark.parametrize("by", ["keyboard", "mouse"])
def test_what_a_plan_gives_is_said_changed_and_forgotten(scene: Scene, by: str) -> None:
    scene.admin.connected()
    scene.go()
    ours, press = scene.ours, _presser(scene, by)
    press(ours.get_by_role("button", name="Say what each plan gives"))
    # Who goes on by keyboard stands where they came in.
    expect(ours.get_by_role("button", name="Back to the connection")).to_be_focused()
    _type(scene, by, ours.get_by_label("Its id"), "632910392")
    if by == "keyboard":
        tab_to(scene.page, ours.get_by_label("Member"))
        scene.page.keyboard.press("Space")
    else:
        ours.get_by_label("Member").check()
    press(ours.get_by_role("button", name="Save what it opens"))
    expect(ours.locator(".notice.good")).to_have_text("Saved")
    expect(ours.locator(".notice.good")).to_be_focused()
    row = ours.locator("tbody tr")
    expect(row).to_contain_text("Price plan A course")
    expect(row).to_contain_text("membership Member")
    press(row.get_by_role("button", name="Change Price plan A course"))
    expect(ours.get_by_label("Its id")).to_be_focused()
    expect(ours.get_by_label("Its id")).to_have_value("632910392")
    expect(ours.get_by_label("Member")).to_be_checked()
    press(ours.get_by_role("button", name="Forget it: unknown again"))
    expect(ours.locator(".notice.good")).to_have_text("Forgotten: what it opens is unknown again")
    expect(ours.locator(".notice.good")).to_be_focused()
    expect(row).to_have_count(0)
    press(ours.get_by_role("button", name="Back to the connection"))
    expect(ours.get_by_role("button", name="Say what each plan gives")).to_be_focused()
    assert scene.page.context.cookies() == []
    keeps_nothing(ours)
    assert scene.said == []
    with scene.admin.site.storage.read(TENANT.id) as uow:
        saved = [one.actor for one in uow.audit.entries(0, 99) if one.action == "access_map.saved"]
    assert saved == ["shopify 548380009"] * 2


@pytest.mark.parametrize("by", ["keyboard", "mouse"])
def test_an_entry_that_cannot_be_used_loses_nothing_and_shows_where(scene: Scene, by: str) -> None:
    scene.admin.connected()
    scene.go()
    ours, press = scene.ours, _presser(scene, by)
    press(ours.get_by_role("button", name="Say what each plan gives"))
    ours.get_by_label("A tag").check()
    _type(scene, by, ours.get_by_label("Its id"), "vip")
    ours.get_by_label("Something else").select_option("tag")
    _type(scene, by, ours.get_by_label("Id of what it opens"), "gold")
    press(ours.get_by_role("button", name="Save what it opens"))
    expect(ours.get_by_text("tag vip may not open another tag")).to_be_focused()
    expect(ours.get_by_label("A tag")).to_be_checked()
    expect(ours.get_by_label("Its id")).to_have_value("vip")
    expect(ours.get_by_label("Id of what it opens")).to_have_value("gold")
    is_clean(ours)
    _type(scene, by, ours.get_by_label("Its id"), " ")
    press(ours.get_by_role("button", name="Save what it opens"))
    expect(ours.get_by_label("Its id")).to_be_focused()
    expect(ours.get_by_label("Its id")).to_have_attribute("aria-invalid", "true")
    expect(ours.locator("#ref-f")).to_contain_text("give its id")
    is_clean(ours)
    assert not any("422" not in line for line in scene.said)


def test_a_token_that_holds_no_more_saves_nothing(scene: Scene) -> None:
    scene.admin.connected()
    scene.go()
    ours = scene.ours
    ours.get_by_role("button", name="Say what each plan gives").click()
    ours.get_by_label("Its id").fill("632910392")
    scene.spoilt = True
    ours.get_by_role("button", name="Save what it opens").click()
    expect(ours.get_by_text("Nothing is connected here")).to_be_visible()
    scene.spoilt = False
    ours.get_by_role("button", name="Look again").click()
    expect(ours.get_by_text("not said yet")).to_be_visible()


def _presser(scene: Scene, by: str) -> Callable[[Locator], None]:
    def press(button: Locator) -> None:
        if by == "mouse":
            button.click()
            return
        tab_to(scene.page, button)
        scene.page.keyboard.press("Enter")

    return press


def _type(scene: Scene, by: str, field: Locator, text: str) -> None:
    if by == "mouse":
        field.fill(text)
        return
    tab_to(scene.page, field)
    scene.page.keyboard.press("Control+a")
    scene.page.keyboard.type(text)


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
    if is_claimed:
        scene.admin.call("entry", fields={"part": "products", "ref": "632910392", "more": "a.b"})
        scene.ours.get_by_role("button", name="Say what each plan gives").click()
        expect(scene.ours.get_by_role("heading", name="Said so far")).to_be_visible()
        is_clean(scene.ours)
        scene.ours.get_by_role("button", name="Change").click()
        expect(scene.ours.get_by_role("heading", name="Change an entry")).to_be_visible()
        is_clean(scene.ours)
