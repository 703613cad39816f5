"""Pictures of our pages inside other people's: Freshdesk, Shopify, Saleor, Intercom's inbox.

What stands around them is drawn here, plainly: only the frame's content is ours. Intercom draws
the panel itself, and `canvas_drawn.py` draws in its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final, Literal

from playwright.sync_api import Browser, Page, expect

from plugin.storage.database import open_database
from plugin.storage.schema import migrate
from tests.browser import saleor_host, shopify_host
from tests.browser.canvas_drawn import draw_page
from tests.browser.freshdesk_host import DESK, FreshdeskHouse, frame_house, pair, panel_of
from tests.databases import SqliteDatabases
from tests.platforms.freshdesk.fake import FakeFreshdesk
from tests.platforms.intercom.fake import FakeIntercom
from tests.platforms.intercom.inbox import Inbox
from tests.platforms.practice.fixtures import TurnedClock
from tests.platforms.saleor.in_dashboard import open_dashboard
from tests.platforms.shopify.admin import open_admin
from tests.web.practice_house import PracticeHouse

Theme = Literal["light", "dark"]
THEMES: Final[tuple[Theme, ...]] = ("light", "dark")
_SAID: Final = (
    {"part": "products", "ref": "632910392", "gives": "membership:custom.member:Member"},
    {"part": "tags", "ref": "vip", "gives": "membership:custom.member:Member"},
)
_AROUND = """
  body { font: 14px/20px "Liberation Sans", Arial, sans-serif; color: #303030; }
  header { box-sizing: border-box; height: 48px; padding: 14px 20px; background: #303030;
    color: #fff; }
  body { display: grid; grid-template: 48px calc(100vh - 48px) / 200px 1fr; }
  header { grid-column: 1 / -1; }
  nav { background: #ebebeb; padding: 16px 20px; }
  nav p { margin: 0 0 10px; }
  iframe { width: 100% !important; height: 100% !important; }
  @media (max-width: 600px) {
    body { grid-template-columns: 1fr; }
    nav { display: none; }
  }
"""


def take_host_pictures(browser: Browser, place: Path, folder: Path) -> Iterator[Path]:
    """All of them, written into `folder`; the scenes are built below `place`."""
    yield from _freshdesk(browser, place / "freshdesk", folder)
    yield from _shopify(browser, place / "shopify", folder)
    yield from _saleor(browser, place / "saleor", folder)
    yield from _intercom(browser, place / "intercom", folder)


def migrated_files(place: Path) -> SqliteDatabases:
    """Fresh databases, whose template is in `place`, which is made."""
    place.mkdir()
    template = place / "template.db"
    engine = open_database(f"sqlite:///{template}")
    migrate(engine)
    engine.dispose()
    return SqliteDatabases(template)


def _freshdesk(browser: Browser, place: Path, folder: Path) -> Iterator[Path]:
    """The panel in Freshdesk's sidebar: of an agent whom nobody has proven, and once paired.

    Between them the window of our own, in which she says who she is.
    """
    for theme in THEMES:
        with ExitStack() as stack:
            fake = stack.enter_context(FakeFreshdesk())
            house = FreshdeskHouse(place / theme, fake)
            stack.callback(house.close)
            context = browser.new_context(color_scheme=theme, reduced_motion="reduce")
            stack.callback(context.close)
            ticket = house.add_ticket()
            frame_house(context, house, ticket)
            page = context.new_page()
            page.goto(f"{DESK}/a/tickets/{ticket}")
            panel = panel_of(page)
            for name in ("pairing", "panel"):
                if name == "panel":
                    link = folder / f"freshdesk-link-400-{theme}.png"
                    pair(page, panel, house, see_link=partial(_small_shot, path=link))
                    yield link
                    expect(panel.locator("#pay")).to_be_visible()
                path = folder / f"freshdesk-{name}-320-{theme}.png"
                page.wait_for_load_state("networkidle")
                panel.evaluate("document.activeElement?.blur(); scrollTo(0, 0)")
                page.locator("iframe").screenshot(path=path)
                yield path


def _small_shot(page: Page, path: Path) -> None:
    page.set_viewport_size({"width": 400, "height": 520})
    page.evaluate("document.activeElement?.blur()")
    page.screenshot(path=path)


def _dress(page: Page, who: str, *places: str) -> None:
    """Draw the host's own page around our frame."""
    menu = "".join(f"<p>{one}</p>" for one in places)
    page.add_style_tag(content=_AROUND)
    page.evaluate(
        "html => document.body.insertAdjacentHTML('afterbegin', html)",
        f"<header>{who}</header><nav>{menu}<p><b>Makegood</b></p></nav>",
    )


def _shopify(browser: Browser, place: Path, folder: Path) -> Iterator[Path]:
    """Our page in Shopify's admin: connected, and what its plans give."""
    with open_admin(place, migrated_files(place)) as admin:
        admin.connected()
        page = _window(browser)
        scene = shopify_host.Scene(page, admin)
        scene.go()
        expect(scene.ours.locator("#self-test [role=status]")).to_have_text("3 of 3 done")
        _dress(page, "acme", "Home", "Orders", "Products", "Customers", "Apps")
        yield _shot(page, folder / "shopify-1280-light.png")
        yield _small(page, folder / "shopify-400-light.png", "light")
        for fields in _SAID:
            assert admin.call("entry", fields=fields).status_code == 200
        scene.ours.get_by_role("button", name="Say what each plan gives").click()
        expect(scene.ours.get_by_role("heading", name="Said so far")).to_be_visible()
        page.set_viewport_size({"width": 1280, "height": 860})
        scene.ours.evaluate("document.activeElement?.blur()")
        yield _shot(page, folder / "shopify-map-1280-light.png")
        page.context.close()


def _saleor(browser: Browser, place: Path, folder: Path) -> Iterator[Path]:
    """Our page in Saleor's dashboard, connected."""
    with open_dashboard(place, migrated_files(place)) as at:
        page = _window(browser)
        scene = saleor_host.Scene(page, at)
        scene.go()
        expect(scene.ours.locator("#self-test [role=status]")).to_have_text("3 of 3 done")
        _dress(page, "ada.example.com", "Products", "Fulfillment", "Customers", "Extensions")
        yield _shot(page, folder / "saleor-1280-light.png")
        yield _small(page, folder / "saleor-400-dark.png", "dark")
        page.context.close()


def _window(browser: Browser) -> Page:
    context = browser.new_context(
        viewport={"width": 1280, "height": 760}, color_scheme="light", reduced_motion="reduce"
    )
    return context.new_page()


def _shot(page: Page, path: Path, *, whole: bool = False) -> Path:
    page.wait_for_load_state("networkidle")
    page.screenshot(path=path, full_page=whole)
    return path


def _small(page: Page, path: Path, theme: Theme) -> Path:
    """As on a telephone, by day or at night; the page is put back as it was."""
    usual = page.viewport_size
    assert usual is not None
    page.set_viewport_size({"width": 400, "height": 860})
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    _shot(page, path)
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.set_viewport_size(usual)
    return path


def _intercom(browser: Browser, place: Path, folder: Path) -> Iterator[Path]:
    """What stands beside a conversation: as it opens, an order with its plan, and done."""
    clock = TurnedClock()
    house = PracticeHouse(place, clock)
    with FakeIntercom() as fake:
        inbox = Inbox(house, clock, fake)
        workspace = fake.workspace
        person = workspace.add_contact("mirela.kovac@mail.example", "user", "Mirela Kovač")
        opened = inbox.open(conversation=str(workspace.add_conversation(person)))
        order = opened.press("order", order=house.order("20312"))
        sent = order.press("refund")
        inbox.pass_time(11)
        done = sent.press("timeline")
        columns = (
            [("Beside the conversation", opened.components), ("Ten seconds", sent.components)],
            [("An order, pressed", order.components)],
            [("Done", done.components)],
        )
    house.close()
    page = browser.new_page(viewport={"width": 1056, "height": 800})
    page.set_content(draw_page(columns))
    yield _shot(page, folder / "intercom-1056-light.png", whole=True)
    page.close()
