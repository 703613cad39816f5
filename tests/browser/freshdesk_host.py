"""Freshdesk around our app, for browser tests: its agent's page, its client script, its servers.

Freshworks' own client script cannot be had; `CLIENT` answers the calls that the app's page makes.
`FreshdeskHouse` is our whole application with one such desk, and `frame_house` puts both at their
real origins with playwright's `route()`: nothing leaves.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from flask.testing import FlaskClient
from playwright.sync_api import BrowserContext, Frame, Locator, Page, Request, Route, expect

from plugin.app import create_app, put_together, worker_tasks
from plugin.chance import SystemMint
from plugin.domain.ids import InstallationId, PairingId, TenantId
from plugin.first_start import prepare_house
from plugin.ports.records import Installation, InstallationStatus
from plugin.practice import open_practice
from plugin.services.mail_pairing import MailPairing
from plugin.settings import read_settings
from tests.browser.judging import tab_to
from tests.databases import settings_of
from tests.fakes.platforms import FakeMailer
from tests.platforms.freshdesk.account import APP_SECRET
from tests.platforms.freshdesk.fake import FakeFreshdesk
from tests.platforms.freshdesk.world import connection
from tests.platforms.practice.fixtures import TurnedClock
from tests.web.practice_house import PracticeHouse

UI: Final = Path(__file__).parents[2] / "ui_extensions" / "freshdesk"
DESK: Final = "https://acme.freshdesk.com"
HOST: Final = "https://d3h0owdjgzys62.cloudfront.net"
"""Where Freshworks serves the files of apps."""
OURS: Final = "https://refunds.plugin.test"
CLIENT: Final = """
window.asked = []; window.heights = []; window.told = {}; window.number = "5001"; window.fails = 0;
const client = {
  events: { on: (name, act) => { window.told[name] = act; act(); } },
  data: { get: async (name) => name === "ticket"
    ? { ticket: { id: Number(window.number) } } : { loggedInUser: { id: 102 } } },
  request: { invokeTemplate: async (name, said) => {
    window.asked.push([name, said.body]);
    if (window.fails-- > 0) throw new Error("502");
    const answer = await fetch("/template", { method: "POST", body: said.body });
    return { status: answer.status, response: await answer.text() };
  } },
  instance: { resize: (said) => {
    window.heights.push(said.height);
    parent.postMessage(said.height, "*");
  } },
};
window.app = { initialized: async () => client };
"""
_WIDTH: Final = 320
"""A column of Freshdesk's ticket page, the narrowest."""
_FORM: Final = "application/x-www-form-urlencoded"


class FreshdeskHouse(PracticeHouse):
    """Practice's shop with a Freshdesk beside it, and a mail server that keeps what it gets."""

    def __init__(self, folder: Path, fake: FakeFreshdesk, database: str = "") -> None:
        self._fake = fake
        super().__init__(folder, TurnedClock(), database=database)

    def __post_init__(self) -> None:
        self.mailer = FakeMailer()
        self.settings = read_settings(
            {
                "MAKEGOOD_DATA_DIR": str(self.folder),
                "MAKEGOOD_PUBLIC_URL": OURS,
                "MAKEGOOD_SMTP_URL": "smtp://mail.example",
                "MAKEGOOD_ALLOW_PRIVATE_HOSTS": self._fake.place,
                **settings_of(self.database),
            }
        )
        prepare_house(self.settings, self.clock, SystemMint()).engine.dispose()
        self.parts = parts = put_together(self.settings, self.clock)
        self.first_link = open_practice(parts)
        desk = replace(
            connection(base_url=self._fake.base_url),
            tenant=self.tenant,
            installation=InstallationId("f" * 32),
        )
        with parts.house.storage.begin(self.tenant) as uow:
            uow.installations.add(
                Installation(desk, InstallationStatus.CONNECTED, self.clock.now())
            )
            uow.commit()
        self.panel = f"/panel/{desk.platform}/{desk.installation}"
        self.app = create_app(self.settings, parts)
        mail = MailPairing(
            parts.house.storage, parts.platforms, self.mailer, self.clock, parts.mint, OURS
        )
        self._tasks = worker_tasks(parts)
        self._tasks["pairing"] = lambda tenant, ref: mail(TenantId(tenant), PairingId(ref))

    def add_ticket(self, name: str = "Ana Horvat", asks: str = "Please refund order 20418.") -> int:
        """A ticket of a customer of practice's, by her name."""
        account = self._fake.account
        email = f"{name.lower().replace(' ', '.')}@mail.example"
        person = account.add_contact([email], name=name)
        return account.add_ticket(person, description_text=asks)


def frame_house(context: BrowserContext, house: FreshdeskHouse, ticket: int) -> None:
    """Answer all of a browser's addresses: the desk's page, Freshworks' files, and our house.

    Our frame gets no cookies, as where third-party cookies are off; our own windows keep theirs.
    """
    windows, frames = house.app.test_client(), house.app.test_client(use_cookies=False)

    def ours(route: Route) -> None:
        path = urlsplit(route.request.url).path
        is_window = path == "/pair" or path.endswith("/pairing")
        _pass_on(route, windows if is_window else frames, route.request)

    def template(route: Route) -> None:
        told = frames.post(
            f"{house.panel}/pass",
            base_url=OURS,
            data=route.request.post_data,
            content_type=_FORM,
            headers={"Authorization": f"Bearer {APP_SECRET}"},
        )
        route.fulfill(status=told.status_code, body=told.data, content_type=told.content_type)

    context.route("**/*", lambda route: route.abort())
    context.route(f"{DESK}/**", _page(_agents_page()))
    context.route(f"{HOST}/**", app_files(f"{OURS}{house.panel}", f"window.number = '{ticket}';"))
    context.route(f"{HOST}/template", template)
    context.route(f"{OURS}/**", ours)


Press = Callable[[Page, Locator], None]
"""How somebody presses a button of a page, or of a frame in it."""


def by_keyboard(page: Page, button: Locator) -> None:
    tab_to(page, button)
    page.keyboard.press("Enter")


def by_mouse(page: Page, button: Locator) -> None:
    del page
    button.click()


def panel_of(page: Page) -> Frame:
    """Our frame, as soon as it has said something of the ticket."""
    app = page.frame_locator("iframe").frame_locator("#panel")
    expect(app.locator("#pairing")).to_be_visible()
    return next(one for one in page.frames if one.url.startswith(OURS))


def pair(
    page: Page,
    panel: Frame,
    house: FreshdeskHouse,
    press: Press = by_keyboard,
    see_link: Callable[[Page], object] | None = None,
) -> None:
    """The whole way through the window; `see_link` is shown the page that the mailed link opens."""
    with page.expect_popup() as opened:
        press(page, panel.get_by_role("button", name=re.compile("Say who I am")))
    window = opened.value
    press(window, window.get_by_role("button", name="Mail me the link"))
    expect(window.locator("h1")).to_have_text("Look into your mail")
    house.work()
    (mail,) = house.mailer.sent
    assert mail.to == "ada@acme.test"
    found = re.search(r"https://\S+", mail.body)
    assert found is not None
    window.goto(found[0])
    if see_link is not None:
        see_link(window)
    press(window, window.get_by_role("button", name="Yes, this is me"))
    expect(window.locator("h1")).to_have_text("You can close this window")
    window.close()


def app_files(panel: str, more: str = "") -> Callable[[Route], None]:
    """The app's own files as Freshworks serves them; `more` is run after its client script."""
    page = (UI / "package/app/index.html").read_text("utf-8")
    page = page.replace("MAKEGOOD_PANEL_ADDRESS", panel)

    def answer(route: Route) -> None:
        path = urlsplit(route.request.url).path
        if path.endswith("/client.js"):
            route.fulfill(body=f"{CLIENT}\n{more}", content_type="text/javascript")
        elif path.endswith("/index.html"):
            filled = page.replace("{{{appclient}}}", f"{HOST}/client.js")
            route.fulfill(body=filled, content_type="text/html")
        else:
            route.fulfill(path=UI / "package" / path.removeprefix("/"))

    return answer


def _page(html: str) -> Callable[[Route], None]:
    return lambda route: route.fulfill(body=html, content_type="text/html")


def _agents_page() -> str:
    return f"""<!doctype html><title>Ticket</title><style>body {{ margin: 0 }}
iframe {{ width: {_WIDTH}px; height: 500px; border: 0; display: block }}</style>
<textarea aria-label="Reply" autofocus></textarea>
<iframe src="{HOST}/app/index.html"></iframe>
<script>
const frame = document.querySelector("iframe");
addEventListener("message", ({{ data, origin }}) => {{
  if (origin === "{HOST}") frame.style.height = data;
}});
</script>"""


def _pass_on(route: Route, client: FlaskClient, asked: Request) -> None:
    """Hand a request to the application, with the headers that the browser gave it."""
    kept = ("authorization", "accept", "hx-request", "content-type")
    headers = {name: asked.headers[name] for name in kept if name in asked.headers}
    told = client.open(
        asked.url.removeprefix(OURS),
        base_url=OURS,
        method=asked.method,
        headers={**headers, "Sec-Fetch-Site": "same-origin"},
        data=asked.post_data_buffer,
        buffered=True,
    )
    route.fulfill(status=told.status_code, headers=dict(told.headers), body=told.data)
