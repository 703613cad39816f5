"""Take the pictures of the panel, the install screen and the health page that the documents show.

    python -m tests.browser.pictures docs/screens

Every picture is of the product's own pages, as practice serves them; only the sheet that sets its
states side by side is made here. Two things are told otherwise than in practice, so that more can
be seen: the Watercolour Year also holds a bundle of which nobody said what is in it, and payments
have pages of their own. The refund by hand is shown as at Systeme.io. The install screen
connects its fake; the health page shows a business with something in every part of it. The pages
inside of other people's are taken by `host_pictures.py`. Needs
`make build`; where pngquant is installed, the files are made small.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from playwright.sync_api import Browser, Page, expect

from plugin.domain.errors import RetryLater
from plugin.domain.ids import AgentId
from plugin.domain.money import Money
from plugin.domain.orders import Order, Resource, ResourceKind
from plugin.helpdesks.practice import PracticeHelpdesk
from plugin.platforms import practice_cases
from plugin.platforms.practice_shop import Shop
from plugin.platforms.practice_tickets import CASE_MAKERS, Case
from plugin.ports import Contact, OrderQuery, SignIn
from plugin.ports.platforms import WorksheetStep
from plugin.stores.practice import PracticeStore
from tests.browser.host_pictures import THEMES, Theme, migrated_files, take_host_pictures
from tests.browser.served import chromium, served_house, serving
from tests.platforms.practice.fixtures import TurnedClock
from tests.platforms.systeme_io.fake import KEY
from tests.web.health_scene import make_rich
from tests.web.practice_house import PracticeHouse
from tests.web.site import TENANT, Site, open_site

LINK = "https://shop.example/payments/"
LARGEST = 150_000
"""Bytes of a picture, before it has to do with fewer colours."""
PANEL_ALONE = """
  .practice { display: block; }
  .practice__banner, .practice__tickets, .practice__talk { display: none; }
"""
SHEET = """
  body { padding: 24px; }
  .lead { color: var(--ink-2); font: var(--t-read); margin-block: 4px 28px; }
  .states { display: grid; grid-template-columns: repeat(3, 340px); gap: 32px 26px; }
  body > h1 { font: var(--t-title); font-weight: 600; }
  .states figcaption { display: grid; margin-block-end: 8px; }
  .states .panel { border: 1px solid var(--line); border-radius: var(--r3); overflow: clip; }
  .states .panel > :first-child, .states .panel > section:first-child > :first-child {
    border-block-start: 0;
  }
  .states .decide { position: static; box-shadow: none; }
  .states .orders + section { border-block-start: 1px solid var(--line); }
"""
WHO, ROW, LIST, STATE = "#who", "#orders ol.orders", "#orders", "#order"


@dataclass(frozen=True)
class Card:
    """One state on the sheet: its name, what it is about, and the parts of its page."""

    name: str
    about: str
    html: str


# --- the world ------------------------------------------------------------------------------------


def _as_pictured(make: Callable[[Shop], Case]) -> Callable[[Shop], Case]:
    def case(shop: Shop) -> Case:
        made = make(shop)
        if made.slug != "three_of_twelve":
            return made
        untold = Resource(shop.installation, ResourceKind.BUNDLE, "guests", "Guest Lectures")
        year, *others = made.orders[0].lines
        year = replace(year, gives=(*(year.gives or ()), untold))
        order = replace(made.orders[0], lines=(year, *others))
        return replace(made, orders=(order, *made.orders[1:]))

    return case


def _with_pages(orders: Sequence[Order]) -> list[Order]:
    return [
        replace(
            order,
            payments=tuple(replace(paid, deep_link=LINK + paid.ref.ref) for paid in order.payments),
        )
        for order in orders
    ]


@contextmanager
def _pictured(folder: Path, clock: TurnedClock) -> Iterator[PracticeHouse]:
    """Practice as it is pictured."""
    find = PracticeStore.find_orders

    def find_orders(store: PracticeStore, query: OrderQuery) -> Sequence[Order]:
        return _with_pages(find(store, query))

    makers = tuple(_as_pictured(make) for make in CASE_MAKERS)
    with ExitStack() as stack:
        stack.enter_context(patch.object(practice_cases, "CASE_MAKERS", makers))
        stack.enter_context(patch.object(PracticeStore, "find_orders", find_orders))
        yield stack.enter_context(served_house(folder, clock))


# --- one page -------------------------------------------------------------------------------------


class Studio:
    """A page over practice, and short ways to bring it into a state."""

    def __init__(self, browser: Browser, house: PracticeHouse, clock: TurnedClock) -> None:
        self.house, self.clock = house, clock
        # Our pages let nobody else's styles in; the sheet has some of its own.
        self._context = browser.new_context(bypass_csp=True, reduced_motion="reduce")
        self._context.route(f"{LINK}**", lambda route: route.fulfill(body="the store's own page"))
        self._context.route("https://systeme.io/**", lambda route: route.fulfill(body="the store"))
        self.page: Page = self._context.new_page()
        self.taken: list[Path] = []

    def go(self, ticket: str) -> None:
        self.page.goto(self.house.link(ticket, AgentId("practice-agent")))
        self.page.wait_for_load_state("networkidle")

    def press(self, shows: str) -> None:
        self.page.click("#pay")
        expect(self.page.locator(STATE)).to_contain_text(shows)

    def pass_time(self, **time: float) -> None:
        self.clock.turn(timedelta(**time))
        self.house.work()

    def card(self, name: str, about: str, *parts: str) -> Card:
        """The parts of the page as it stands, for the sheet."""
        html = [self.page.locator(part).first.evaluate("it => it.outerHTML") for part in parts]
        return Card(name, about, "".join(html))

    def shoot(self, path: Path, width: int, theme: Theme, height: int = 0) -> None:
        """A window of this size; of no height, as tall as the page, so that nothing covers it."""
        page = self.page
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        page.evaluate("document.activeElement?.blur()")
        page.set_viewport_size({"width": width, "height": height or 600})
        tall = height or page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": width, "height": tall})
        page.screenshot(path=path)
        self.taken.append(path)

    def close(self) -> None:
        self._context.close()


# --- the pictures ---------------------------------------------------------------------------------


def _panel(studio: Studio, folder: Path) -> None:
    """An open order, with steps ticked and a reason chosen."""
    studio.go("1004")
    page = studio.page
    for step, following in (("listen", "Review"), ("review", "Verify"), ("verify", "Offer")):
        page.check(f"#step-{step}")
        expect(page.locator("#steps .now")).to_have_text(following)
    with page.expect_response("**/plan"):
        page.check('input[name="reason"][value="no_time"]', force=True)
    page.wait_for_load_state("networkidle")
    page.add_style_tag(content=PANEL_ALONE)
    for width in (320, 400):
        for theme in THEMES:
            studio.shoot(folder / f"panel-{width}-{theme}.png", width, theme)


def _practice(studio: Studio, folder: Path) -> None:
    studio.go("1001")
    studio.shoot(folder / "practice-1280-light.png", 1280, "light", 800)


def _before_the_button(studio: Studio) -> Iterator[Card]:
    studio.go("1012")
    yield studio.card("Weak match", "Money is blocked until one more proof is given", WHO, STATE)
    studio.go("1011")
    yield studio.card("Nothing found", "Says where it looked; never guesses", WHO, STATE)
    sign_in = PracticeHelpdesk.sign_in

    def unproven(*given: Any) -> SignIn:  # noqa: ANN401 - all that the port gets
        return replace(sign_in(*given), ticket_proven=False)

    with patch.object(PracticeHelpdesk, "sign_in", unproven):
        studio.go("1001")
    yield studio.card("First paint", "What comes keeps its place; nothing moves", LIST)
    yield _offline(studio)
    studio.go("1009")
    yield studio.card("Not eligible", "The clause, and the kind way to say it", ROW, STATE)
    studio.go("1007")
    yield studio.card("A dispute is open", "A refund now could pay twice", STATE)
    studio.go("1001")
    elsewhere = Money(5000, "EUR")
    studio.house.world.pay_back("pay-20418-1", elsewhere, "elsewhere", studio.clock.now())
    studio.press("This order changed since you looked")
    yield studio.card(
        "Changed since you looked", "The plan no longer holds; shows the difference", STATE
    )


def _offline(studio: Studio) -> Card:
    def silent(*_: object) -> Sequence[Order]:
        message = "practice_silent"
        raise RetryLater(message)

    studio.go("1006")
    now = studio.clock.now()
    studio.pass_time(hours=3, minutes=12)
    with patch.object(PracticeStore, "find_orders", silent):
        studio.go("1006")
    card = studio.card(
        "A store is offline", "Old data with its age; the money stays put", ROW, STATE
    )
    studio.clock.turn(now - studio.clock.now())
    return card


def _after_the_button(studio: Studio) -> Iterator[Card]:
    studio.go("1005")
    studio.press("Undo, send nothing")
    studio.clock.turn(timedelta(seconds=3))
    studio.go("1005")
    yield studio.card("Ten seconds to undo", "Nothing has been sent yet", STATE)
    revoke = PracticeStore.revoke

    def slow(store: PracticeStore, contact: Contact, resource: Resource) -> object:
        if resource.name == "Paper & Pigment":
            message = "practice_busy"
            raise RetryLater(message)
        return revoke(store, contact, resource)

    studio.go("1004")
    studio.press("Undo, send nothing")
    with patch.object(PracticeStore, "revoke", slow):
        studio.pass_time(seconds=11)
        studio.pass_time(seconds=30)
        studio.go("1004")
    yield studio.card("Under way", "One step is current; each says what it waits for", STATE)
    studio.go("1008")
    studio.press("Undo, send nothing")
    studio.pass_time(seconds=11)
    studio.clock.turn(timedelta(seconds=4))
    studio.go("1008")
    yield studio.card("Unknown", "Calm: not a failure, and never sent again blindly", STATE)
    yield _by_hand(studio)
    studio.pass_time(minutes=10)
    studio.go("1004")
    expect(studio.page.locator(STATE)).to_contain_text("Still open")
    yield studio.card("Done", "What happened, and what did not", STATE)


def _by_hand(studio: Studio) -> Card:
    """As at a store that has no API for refunds, with the words of its own manifest."""
    manual = studio.house.parts.registry.store("systeme_io").refunds.manual
    assert manual is not None
    steps = [
        WorksheetStep(step, "", manual.link_for({}) if place == 0 else None)
        for place, step in enumerate(manual.steps)
    ]
    platforms = type(studio.house.parts.platforms)
    with (
        patch.object(platforms, "title", lambda *_: "Systeme.io"),
        patch.object(platforms, "worksheet", lambda *_: steps),
    ):
        studio.go("1010")
        studio.press("Refund in Systeme.io")
        studio.page.click(".sheet a")
        return studio.card(
            "By hand: Systeme.io", "Numbered, with the link; closed by evidence", STATE
        )


def _sheet(studio: Studio, cards: Sequence[Card], folder: Path, when: str) -> None:
    figures = "".join(
        f"<figure><figcaption><b>{escape(card.name)}</b>"
        f'<span class="m">{escape(card.about)}</span></figcaption>'
        f'<div class="panel">{card.html}</div></figure>'
        for card in cards
    )
    studio.go("1001")
    studio.page.evaluate(
        """html => {
          const sprite = document.querySelector(".sprite");
          document.body.className = "";
          document.body.innerHTML = html;
          document.body.prepend(sprite);
        }""",
        f"<h1>The panel {when} the button</h1><p class='lead'>Each state says what happened to "
        "the money, what it waits for, and what to do next.</p>"
        f"<div class='states'>{figures}</div>",
    )
    studio.page.add_style_tag(content=SHEET)
    studio.shoot(folder / f"states-{when}-1120-light.png", 1120, "light")


def _install(browser: Browser, place: Path, pictures: Sequence[Path]) -> None:
    """A store's account connected, with its self-test, the access map and the policies."""
    with _signed_in(browser, place) as (site, page, address):
        page.goto(f"{address}/install/store/systeme_io")
        page.get_by_label("Public API key").fill(KEY)
        development = page.get_by_label("Address for development")
        development.fill(site.fake.url)
        page.get_by_role("button", name="Connect Systeme.io").click()
        expect(page.locator("#self-test .ok")).to_have_count(4, timeout=20_000)
        # Only those see this field who may name private addresses.
        development.evaluate("field => field.closest('.field').remove()")
        for picture, width in zip(pictures, (1280, 400), strict=True):
            page.set_viewport_size({"width": width, "height": 800})
            page.evaluate("document.activeElement?.blur(); scrollTo(0, 0)")
            page.screenshot(path=picture, full_page=True)


def _health(browser: Browser, place: Path, pictures: Sequence[Path]) -> None:
    """A business with something in every part of the page."""
    with _signed_in(browser, place) as (site, page, address):
        make_rich(site)
        page.goto(f"{address}/admin/health")
        looks: Sequence[tuple[int, Theme]] = ((1280, "light"), (400, "dark"))
        for picture, (width, theme) in zip(pictures, looks, strict=True):
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            page.screenshot(path=picture, full_page=True)


@contextmanager
def _signed_in(browser: Browser, place: Path) -> Iterator[tuple[Site, Page, str]]:
    """A fresh site in `place`, an admin's page at it, and its address."""
    with open_site(place, migrated_files(place)) as site, serving(site.app) as address:
        page = browser.new_page(reduced_motion="reduce")
        page.goto(site.sign_in.make_link(TENANT.id, address, site.clock.now()))
        page.get_by_role("button", name="Sign in").click()
        yield site, page, address
        page.close()


def _shrink(pictures: Sequence[Path]) -> None:
    if program := shutil.which("pngquant"):
        how = [program, "--nofs", "--force", "--ext", ".png"]  # flat screens need no dithering
        subprocess.run([*how, "256", *pictures], check=True)
        if large := [one for one in pictures if one.stat().st_size > LARGEST]:
            subprocess.run([*how, "64", *large], check=True)


def take_pictures(folder: Path) -> None:
    """Write all of them into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    clock = TurnedClock()
    with (
        TemporaryDirectory() as place,
        _pictured(Path(place) / "practice", clock) as house,
        chromium() as browser,
    ):
        studio = Studio(browser, house, clock)
        _practice(studio, folder)
        _panel(studio, folder)
        _sheet(studio, [*_before_the_button(studio)], folder, "before")
        _sheet(studio, [*_after_the_button(studio)], folder, "after")
        studio.close()
        installed = [folder / f"install-{width}-light.png" for width in (1280, 400)]
        health = [folder / name for name in ("health-1280-light.png", "health-400-dark.png")]
        _install(browser, Path(place) / "install", installed)
        _health(browser, Path(place) / "health", health)
        hosts = list(take_host_pictures(browser, Path(place), folder))
    _shrink([*sorted(studio.taken), *installed, *health, *hosts])


if __name__ == "__main__":
    take_pictures(Path(sys.argv[1]))
