"""Our panel inside Zendesk's client library, in Chromium: from connecting to the ticket's note.

The agent's page stands at the desk's real origin, our app at an https address of its own, and the
client library at the vendor's; playwright's `route()` answers all three, ours from the Flask app.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Frame, Page, Route, expect, sync_playwright

from plugin.commands.connect import package_desk
from plugin.domain.ids import InstallationId
from tests.browser.zaf_host import FRAME_NAME, HOST_ORIGIN, SDK_URL, host_page, sdk_script
from tests.databases import Databases
from tests.journey.house import House, open_house, plain
from tests.journey.shop import BUYER
from tests.journey.sidebar import Sidebar
from tests.platforms.zendesk import tokens
from tests.platforms.zendesk.data import AGENT, APP, APP_INSTALLATION, EMAIL, OUTSIDER, SUBDOMAIN
from tests.platforms.zendesk.data import TOKEN as API_TOKEN

PUBLIC_URL = "https://refunds.plugin.test"
NODE_MODULES = Path(__file__).parents[2] / "ui_extensions" / "node_modules"
CHROMIUM_FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
FORM = {"subdomain": SUBDOMAIN, "email": EMAIL, "api_token": API_TOKEN}
_HOP_BY_HOP = frozenset({"content-length", "connection", "date", "server"})


@pytest.fixture
def house(tmp_path: Path, databases: Databases) -> Iterator[House]:
    """Reached by https, as the desk demands."""
    with open_house(tmp_path, databases, public_url=PUBLIC_URL) as one:
        yield one


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        system = shutil.which("chromium")
        one = playwright.chromium.launch(executable_path=system, args=CHROMIUM_FLAGS.split())
        yield one
        one.close()


@dataclass
class Ticket:
    """An agent's page at one ticket, with our frame beside it."""

    house: House
    desk: InstallationId
    number: int
    page: Page
    client: FlaskClient
    complaints: list[str] = field(default_factory=list)
    answers: list[tuple[str, int]] = field(default_factory=list)

    @property
    def frame(self) -> Frame:
        found = self.page.frame(FRAME_NAME)
        assert found is not None
        return found

    @property
    def panel_url(self) -> str:
        return f"{PUBLIC_URL}/panel/zendesk/{self.desk}"

    def go(self, *, agent: int = AGENT, token: str | None = None, host: str = HOST_ORIGIN) -> None:
        """Open the ticket as `agent`, on a page of `host`."""
        signed = self.house.frame_token(agent) if token is None else token
        html = host_page(self.panel_url, signed, ticket=self.number, agent=agent)
        self.page.route(
            f"{host}/**", lambda route: route.fulfill(body=html, content_type="text/html")
        )
        self.page.goto(f"{host}/agent/tickets/{self.number}")

    def answer(self, route: Route) -> None:
        """Our app's own answer to what the browser asks of it."""
        request, place = route.request, urlsplit(route.request.url)
        answer = self.client.open(
            f"{place.path}?{place.query}" if place.query else place.path,
            method=request.method,
            base_url=PUBLIC_URL,
            headers=request.all_headers(),
            data=request.post_data_buffer,
            buffered=True,
        )
        answer.close()
        self.answers.append((f"{request.method} {place.path}", answer.status_code))
        headers = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP}
        route.fulfill(status=answer.status_code, headers=headers, body=answer.data)

    def let_ten_seconds_pass(self) -> None:
        """For the worker and for the page."""
        self.house.pass_time(seconds=10)
        self.house.rest()
        self.page.clock.fast_forward(11_000)

    def is_refunded(self) -> None:
        """The page says so, the money moved once, and the ticket was told once."""
        expect(self.frame.locator("#order")).to_contain_text("49.00 EUR refunded")
        account, moved = self.house.world.desk.account, self.house.world.stripe.books.moved()
        assert [one["amount"] for one in moved] == [4900]
        note, reply = account.comments[self.number]
        assert not note["public"]
        assert "Refunded 49.00 EUR for Course" in plain(note["body"])
        assert "By Ada Agent." in note["body"]
        assert reply["public"]
        assert account.tickets[self.number]["tags"] == ["refunded"]
        assert self.complaints == []


@pytest.fixture
def ticket(house: House, browser: Browser) -> Iterator[Ticket]:
    books = house.world.stripe.books
    books.sell(4900, customer=books.add_customer(BUYER, "Mia Learner")["id"])
    house.connect_stripe()
    desk = house.connect_desk()
    number = house.world.desk.account.add_ticket()
    context = browser.new_context(viewport={"width": 360, "height": 900})
    context.clock.install()
    one = Ticket(house, desk, number, context.new_page(), house.app.test_client())
    one.page.set_default_timeout(10_000)
    library = sdk_script(NODE_MODULES)
    one.page.route("**/*", lambda route: route.abort())
    one.page.route(f"{PUBLIC_URL}/**", one.answer)
    one.page.route(
        SDK_URL,
        lambda route: route.fulfill(body=library, content_type="application/javascript"),
    )
    one.page.on(
        "console",
        lambda said: one.complaints.append(said.text) if said.type == "error" else None,
    )
    one.page.on("pageerror", lambda error: one.complaints.append(str(error)))
    yield one
    context.close()


# --- connecting -----------------------------------------------------------------------------------


def test_connect_package_upload_finish(house: House, tmp_path: Path) -> None:
    desk = house.world.desk
    facts = house.connect("zendesk", {**FORM, "base_url": desk.base_url})
    name = InstallationId(facts["installation"])
    assert house.installation(name).status == "connected"
    early = Sidebar.enter(house, name)
    assert early.page.status == 401  # whose token it is cannot be told before the app is bound
    path = package_desk(house.parts, house.tenant, "zendesk", name, tmp_path / "app.zip")
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        assert {"translations/en.json", "assets/logo.png"} <= set(archive.namelist())
    assert manifest["signedUrls"] is True
    place = manifest["location"]["support"]["ticket_sidebar"]["url"]
    assert place == f"{PUBLIC_URL}{facts['panel_path']}"
    (parameter,) = manifest["parameters"]
    desk.account.install_app(parameter["default"])  # what the admin's upload does
    house.connect("zendesk", finish=True)
    settings = house.installation(name).connection.settings
    assert settings["app_id"] == str(APP)
    assert settings["app_installation_id"] == str(APP_INSTALLATION)
    assert Sidebar.enter(house, name).page.status == 200


# --- refunding ------------------------------------------------------------------------------------


def test_a_refund_by_mouse(ticket: Ticket) -> None:
    ticket.go()
    pay = ticket.frame.locator("#pay")
    expect(pay).to_contain_text("Refund 49.00 EUR")
    expect(ticket.frame.locator("#panel")).to_contain_text(BUYER)
    pay.click()
    expect(ticket.frame.locator("#undo-button")).to_be_visible()
    assert ticket.house.world.stripe.books.moved() == []
    ticket.let_ten_seconds_pass()
    ticket.is_refunded()
    assert f"GET /api/v2/tickets/{ticket.number}.json" in ticket.house.world.desk.calls()


def test_a_refund_by_keyboard_alone(ticket: Ticket) -> None:
    """Among two orders: open one, say a reason, refund, undo it, and refund after all."""
    books = ticket.house.world.stripe.books
    (customer,) = books.all("customer")
    books.sell(900, customer=customer["id"], created=books.now() - 86400, description="E-book")
    ticket.go()
    expect(ticket.frame.locator("#orders")).to_contain_text("E-book")
    press(ticket, "open-1", "Enter")
    expect(ticket.frame.locator("#pay")).to_contain_text("Refund 49.00 EUR")
    press(ticket, "reason-1", "Space")
    expect(ticket.frame.locator("#reason-1")).to_be_checked()
    expect(ticket.frame.locator("#pay")).to_be_enabled()
    press(ticket, "pay", "Enter")
    press(ticket, "undo-button", "Enter")
    expect(ticket.frame.locator("#pay")).to_contain_text("Refund 49.00 EUR")
    press(ticket, "pay", "Space")
    expect(ticket.frame.locator("#undo-button")).to_be_visible()
    ticket.let_ten_seconds_pass()
    ticket.is_refunded()


def press(ticket: Ticket, element: str, key: str) -> None:
    """Go to an element by the Tab key, as one must who has no mouse, and press `key`."""
    expect(ticket.frame.locator(f"#{element}")).to_be_visible()
    for _ in range(80):
        if ticket.frame.evaluate("document.activeElement?.id") == element:
            ticket.page.keyboard.press(key)
            return
        ticket.page.keyboard.press("Tab")
    pytest.fail(f"no way to {element} by keyboard")


# --- who may not ----------------------------------------------------------------------------------


def test_an_agent_who_may_not_see_the_ticket_is_told_so(ticket: Ticket) -> None:
    ticket.go(agent=OUTSIDER)
    expect(ticket.frame.locator("#panel")).to_contain_text("This ticket is not yours to see")
    assert BUYER not in ticket.frame.content()
    assert ticket.frame.locator("#pay").count() == 0


def test_a_page_of_somebody_else_cannot_frame_us(ticket: Ticket) -> None:
    with ticket.page.expect_console_message(lambda said: "frame-ancestors" in said.text):
        ticket.go(host="https://acme-zendesk.example")
    assert ticket.frame.locator("#panel").count() == 0
    assert not any("/open" in asked for asked, _ in ticket.answers)


def test_a_token_of_another_installation_opens_nothing(ticket: Ticket) -> None:
    other = tokens.claims(ticket.house.clock.now())
    place = f"https://{SUBDOMAIN}.zendesk.com/api/v2/apps/installations/999.json"
    ticket.go(token=tokens.sign(ticket.house.world.desk.key, {**other, "aud": place}))
    expect(ticket.frame.locator("body")).to_contain_text("The desk did not prove who you are")
    assert ticket.answers[0] == (f"POST /panel/zendesk/{ticket.desk}", 401)
    assert not any("/open" in asked for asked, _ in ticket.answers)
    assert ticket.house.world.desk.calls()[-1].endswith("public_key.pem")


def test_our_own_token_opens_no_other_installation(ticket: Ticket) -> None:
    sidebar = Sidebar.at(ticket.house, ticket.desk, ticket.number)
    form = sidebar.page.form("orders")
    elsewhere = form.action.replace(ticket.desk, "0" * 32)
    assert ticket.client.post(elsewhere, data=form.fields).status_code == 404
