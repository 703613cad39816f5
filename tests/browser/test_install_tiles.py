"""Where one sells and where one answers, in Chromium over https: a tile for every platform.

As an admin sees it at a desk and on a telephone, by mouse and by Tab alone; and no page of another
site can put it into a frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.judging import is_clean, tab_to
from tests.browser.secure_origins import Wsgi, a_page, serving_https, strict_chromium
from tests.databases import Databases
from tests.web.site import TENANT, Site, open_site

OURS, HOSTILE = "refunds.makegood.test", "hostile.test"
WIDTHS = (1280, 400)
BROKEN_WORDS = """
tile => {
  const broken = [];
  const texts = document.createTreeWalker(tile, NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    for (const { 0: word, index } of text.data.matchAll(/[\\p{L}\\p{N}]+/gu)) {
      const range = document.createRange();
      range.setStart(text, index);
      range.setEnd(text, index + word.length);
      if (range.getClientRects().length > 1) broken.push(word);
    }
  }
  return broken;
}
"""


@dataclass(frozen=True)
class Admin:
    """Somebody who has signed in, before the install screen."""

    page: Page
    site: Site

    @property
    def tiles(self) -> Locator:
        return self.page.locator(".tile")

    @property
    def platforms(self) -> list[str]:
        """Those of the manifests, but for practice."""
        declared = self.site.parts.registry.manifests()
        return [one.name for one in declared if not one.simulated]


@pytest.fixture(scope="module")
def origins() -> dict[str, Wsgi]:
    """What answers at which name; each test puts its own site there."""
    return {}


@pytest.fixture(scope="module")
def browser(
    origins: dict[str, Wsgi], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    with (
        serving_https(origins, tmp_path_factory.mktemp("tls")) as port,
        strict_chromium(port) as one,
    ):
        yield one


@pytest.fixture
def site(tmp_path: Path, databases: Databases, origins: dict[str, Wsgi]) -> Iterator[Site]:
    address = {"MAKEGOOD_PUBLIC_URL": f"https://{OURS}"}
    with open_site(tmp_path, databases, address) as one:
        origins[OURS] = one.app.wsgi_app
        yield one
        origins.clear()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    one = browser.new_context(ignore_https_errors=True, reduced_motion="reduce")
    one.set_default_timeout(30_000)
    yield one
    one.close()


@pytest.fixture
def admin(site: Site, context: BrowserContext) -> Admin:
    page = context.new_page()
    page.goto(site.sign_in.make_link(TENANT.id, f"https://{OURS}", site.clock.now()))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.goto(f"https://{OURS}/install")
    expect(page.get_by_role("heading", name="Where do you sell?")).to_be_visible()
    return Admin(page, site)


@pytest.mark.parametrize("width", WIDTHS)
def test_every_platform_has_its_tile_and_all_of_each_is_seen(admin: Admin, width: int) -> None:
    page = admin.page
    page.set_viewport_size({"width": width, "height": 800})
    shown = page.locator(".tile .h").all_text_contents()
    assert sorted(shown) == sorted(admin.platforms)
    assert len(shown) >= 8
    places: list[tuple[float, float, float, float]] = []
    for tile in admin.tiles.all():
        tile.scroll_into_view_if_needed()
        box = tile.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["width"] >= min(width, 280) - 32
        expect(tile.locator(".can > div").first).to_be_visible()
        assert tile.evaluate("it => it.scrollWidth <= it.clientWidth")
        assert tile.evaluate(BROKEN_WORDS) == []
        top = page.evaluate("scrollY") + box["y"]
        places.append((box["x"], top, box["x"] + box["width"], top + box["height"]))
    for at, one in enumerate(places):
        for other in places[at + 1 :]:
            apart = one[2] <= other[0] or other[2] <= one[0]
            assert apart or one[3] <= other[1] or other[3] <= one[1], "two tiles overlap"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_and_nothing_is_wider_than_the_window(
    admin: Admin, width: int, theme: str
) -> None:
    admin.page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    admin.page.set_viewport_size({"width": width, "height": 800})
    is_clean(admin.page)


@pytest.mark.parametrize("width", WIDTHS)
def test_tab_comes_to_every_tile_in_its_order_and_enter_opens_its_form(
    admin: Admin, width: int
) -> None:
    page = admin.page
    page.set_viewport_size({"width": width, "height": 800})
    ways = page.locator(".tile header a")
    assert ways.count() == len(admin.platforms)
    for way in ways.all():
        tab_to(page, way)  # one after the other: Tab never goes back
        expect(way).to_be_in_viewport(ratio=1)
    last = admin.tiles.last.locator(".h").inner_text()
    page.keyboard.press("Enter")
    expect(page.locator("#h-connect")).to_have_text(f"Connect {last}")
    expect(page.locator("#h-connect")).to_be_in_viewport()


def test_by_mouse_each_tile_opens_the_form_of_its_own_platform(admin: Admin) -> None:
    page = admin.page
    for name in admin.platforms:
        page.get_by_role("link", name=f"Connect {name}", exact=True).click()
        expect(page.locator("#h-connect")).to_have_text(f"Connect {name}")


def test_a_foreign_page_cannot_frame_what_an_admin_sees(
    admin: Admin, origins: dict[str, Wsgi]
) -> None:
    paths = ("/install", "/admin", "/admin/health", "/admin/sign-in")
    origins[HOSTILE] = a_page(
        "".join(f"<iframe title='{at}' src='https://{OURS}{at}'></iframe>" for at in paths)
    )
    hostile = admin.page.context.new_page()
    with hostile.expect_console_message(lambda line: "frame-ancestors" in line.text):
        hostile.goto(f"https://{HOSTILE}/")
    hostile.wait_for_load_state("networkidle")
    assert len(hostile.frames) == 1 + len(paths)
    assert [one.url for one in hostile.frames if one.url.startswith(f"https://{OURS}")] == []
