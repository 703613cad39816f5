"""Pairing in Chromium, from the unpaired frame to the refund and the revoking.

The real application over TLS, inside a desk's page of another site, inside a frame of a third one
that is sandboxed as desks do. Third-party cookies are off. The mail goes through a real SMTP peer,
and its link is opened from a webmail of yet another site.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus, urlencode

import jwt
import pytest
from aiosmtpd.controller import Controller
from playwright.sync_api import Browser, BrowserContext, Frame, Page, expect

from plugin.domain.ids import AgentId, PairingId, TenantId, TicketId
from plugin.mail import SmtpMailer
from plugin.services.mail_pairing import MailPairing
from plugin.services.pair_agent import revoke_pairing
from plugin.services.sign_in_admin import SignInAdmin
from tests.browser.judging import is_clean, tab_to
from tests.browser.secure_origins import Wsgi, a_page, serving_https, strict_chromium
from tests.journey.house import Post
from tests.kill.places import free_port
from tests.platforms.practice.fixtures import TurnedClock
from tests.web.pairing_house import ANA, PairingHouse, ToyRegistry

OURS, DESK = "refunds.makegood.test", "acme.desk.test"
APPS, MAIL, HOSTILE = "apps.desk-files.test", "post.webmail.test", "hostile.test"
TICKET = TicketId("1001")
SANDBOX = "allow-scripts allow-same-origin allow-forms allow-popups"
ESCAPES = f"{SANDBOX} allow-popups-to-escape-sandbox"


class SecureHouse(PairingHouse):
    """The toy desk's house under https, with real mail and the pages around it."""

    public_url = f"https://{OURS}"

    def __init__(self, folder: Path, clock: TurnedClock, mail_url: str, post: Post) -> None:
        self.smtp_url = mail_url
        self.post = post
        super().__init__(folder, clock)
        mail = MailPairing(
            self.parts.house.storage,
            self.parts.platforms,
            SmtpMailer(mail_url, "desk@makegood.test"),
            self.clock,
            self.parts.mint,
            self.settings.public_url,
        )
        self._tasks["pairing"] = lambda tenant, ref: mail(TenantId(tenant), PairingId(ref))

    @property
    def origins(self) -> dict[str, Wsgi]:
        return {OURS: self.app.wsgi_app, DESK: self.desk_page, APPS: self.app_page}

    def frame_url(self, claims: str = ANA) -> str:
        return f"{self.link(TICKET, AgentId(ANA))}&{urlencode({'claims': claims})}"

    def desk_page(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:  # noqa: ANN401 - WSGI's own
        """The ticket, with the app's frame beside it; the query is the frame's sandbox."""
        sandbox = unquote_plus(environ["QUERY_STRING"])
        html = (
            "<body style='margin:0'><main><h1>A ticket</h1><textarea aria-label='Reply'></textarea>"
            f"<iframe title='Apps' name='apps' src='https://{APPS}/app' sandbox='{sandbox}' "
            "style='width:400px;height:1600px;border:0'></iframe></main>"
        )
        return a_page(html)(environ, start)

    def app_page(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:  # noqa: ANN401 - WSGI's own
        html = (
            "<body style='margin:0'><iframe title='Makegood' name='panel' "
            f"src='{escape(self.frame_url())}' "
            "style='width:100%;height:1590px;border:0'></iframe>"
        )
        return a_page(html)(environ, start)

    def newest_link(self) -> str:
        """What stands in the mail that the worker sends now."""
        self.work()
        found = re.search(r"https://\S+", self.post.letters[-1].get_content())
        assert found is not None
        return found[0]


@pytest.fixture(scope="module")
def origins() -> dict[str, Wsgi]:
    """What answers at which name; each test puts its own house there."""
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
def house(
    tmp_path: Path, origins: dict[str, Wsgi], monkeypatch: pytest.MonkeyPatch
) -> Iterator[SecureHouse]:
    monkeypatch.setattr(ToyRegistry, "framed_by", (f"https://{DESK}", f"https://{APPS}"))
    post = Post()
    mail = Controller(post, hostname="127.0.0.1", port=free_port())
    mail.start()
    one = SecureHouse(
        tmp_path, TurnedClock(datetime.now(UTC)), f"smtp://127.0.0.1:{mail.port}", post
    )
    one.says.shared.add(TICKET)
    origins.update(one.origins)
    yield one
    origins.clear()
    one.close()
    mail.stop()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    one = browser.new_context(
        viewport={"width": 1280, "height": 1900}, ignore_https_errors=True, reduced_motion="reduce"
    )
    one.set_default_timeout(30_000)
    yield one
    one.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def panel_of(page: Page, sandbox: str = ESCAPES) -> Frame:
    """Our frame beside the ticket."""
    page.goto(f"https://{DESK}/tickets/1001?{sandbox}")
    expect(page.frame_locator("iframe").frame_locator("iframe").locator("#order")).to_be_visible()
    page.wait_for_load_state("networkidle")
    return next(one for one in page.frames if one.url.startswith(f"https://{OURS}"))


def open_window(panel: Frame) -> Page:
    with panel.page.expect_popup() as opened:
        panel.get_by_role("button", name="Say who I am").click()
    return opened.value


def open_mail(context: BrowserContext, origins: dict[str, Wsgi], link: str) -> Page:
    """Press on the link in a webmail of another site."""
    origins[MAIL] = a_page(f"<a href='{escape(link)}' target='_blank' rel='noopener'>the link</a>")
    webmail = context.new_page()
    webmail.goto(f"https://{MAIL}/inbox")
    with context.expect_page() as opened:
        webmail.get_by_role("link", name="the link").click()
    webmail.close()
    return opened.value


def pair(panel: Frame, house: SecureHouse, origins: dict[str, Wsgi]) -> None:
    """The whole way, by mouse."""
    window = open_window(panel)
    window.get_by_role("button", name="Mail me the link").click()
    expect(window.locator("h1")).to_have_text("Look into your mail")
    window.close()
    link = open_mail(panel.page.context, origins, house.newest_link())
    link.get_by_role("button", name="Yes, this is me").click()
    expect(link.locator("h1")).to_have_text("You can close this window")
    link.close()
    wake(panel)


def wake(panel: Frame) -> None:
    """What the frame does by itself every five seconds, now."""
    panel.locator("#again-pair").evaluate(
        """form => new Promise((done) => {
          document.addEventListener("htmx:afterSettle", () => done(), { once: true });
          form.requestSubmit();
        })"""
    )
    expect(panel.locator("#pairing")).to_have_count(0)


def claims_of(panel: Frame) -> dict[str, object]:
    token = panel.locator('meta[name="session"]').get_attribute("content")
    claims: dict[str, object] = jwt.decode(str(token), options={"verify_signature": False})
    return claims


@pytest.mark.parametrize("sandbox", [SANDBOX, ESCAPES])
def test_the_way_by_mouse_from_looking_to_the_refund_and_back_to_looking(
    page: Page, house: SecureHouse, origins: dict[str, Wsgi], sandbox: str
) -> None:
    panel = panel_of(page, sandbox)
    expect(panel.locator("#who")).to_contain_text("Ana Horvat")
    expect(panel.locator("#pay")).to_be_disabled()
    assert "frm" in claims_of(panel)

    pair(panel, house, origins)
    expect(panel.locator("#pairing")).to_have_count(0)
    [pairing] = house.pairings()
    claims = claims_of(panel)
    assert (claims["sub"], claims["tkt"], claims["par"]) == (ANA, TICKET, pairing.id)
    assert claims["tid"] == house.tenant
    assert "frm" not in claims
    assert int(str(claims["exp"])) - int(str(claims["iat"])) <= timedelta(minutes=15).seconds

    panel.locator("#pay").click()
    expect(panel.locator("#undo-button")).to_be_visible()
    panel.locator("#undo-button").click()
    expect(panel.locator("#pay")).to_be_enabled()

    now, storage = house.clock.now(), house.parts.house.storage
    assert revoke_pairing(storage, TenantId(house.tenant), pairing.id, "admin", now)
    panel.locator("#pay").click()
    expect(panel.locator("#trouble")).to_contain_text("Your session has ended")
    again = panel_of(page, sandbox)
    expect(again.locator("#pairing")).to_be_visible()
    expect(again.locator("#pay")).to_be_disabled()
    window = open_window(again)
    expect(window.locator("h1")).to_have_text("Say who you are")


def test_what_was_chosen_while_looking_is_still_chosen_after_pairing(
    page: Page, house: SecureHouse, origins: dict[str, Wsgi]
) -> None:
    panel = panel_of(page)
    panel.fill("#free", "20.5")
    expect(panel.locator("#pay")).to_contain_text("Refund 20.50 EUR")
    expect(panel.locator("#pay")).to_be_disabled()
    pair(panel, house, origins)
    expect(panel.locator("#pay")).to_contain_text("Refund 20.50 EUR")
    expect(panel.locator("#pay")).to_be_enabled()
    expect(panel.locator("#free")).to_have_value("20.5")


def test_the_way_by_keyboard_and_the_frame_wakes_by_itself(
    page: Page, house: SecureHouse, origins: dict[str, Wsgi]
) -> None:
    panel = panel_of(page)
    offer = panel.get_by_role("button", name="Say who I am")
    page.get_by_label("Reply").focus()
    tab_to(page, offer)
    with page.expect_popup() as opened:
        page.keyboard.press("Enter")
    window = opened.value
    press_the_only_button(window)
    expect(window.locator("h1")).to_have_text("Look into your mail")
    window.close()
    link = open_mail(page.context, origins, house.newest_link())
    press_the_only_button(link)
    expect(link.locator("h1")).to_have_text("You can close this window")
    link.close()
    page.bring_to_front()
    expect(panel.locator("#pairing")).to_have_count(0)
    tab_to(page, panel.locator("#pay"))
    page.keyboard.press("Enter")
    expect(panel.locator("#undo-button")).to_be_visible()


def press_the_only_button(window: Page) -> None:
    tab_to(window, window.get_by_role("button"))
    window.keyboard.press("Enter")


def test_the_frame_keeps_no_cookie_and_the_window_keeps_its_own(
    page: Page, house: SecureHouse, origins: dict[str, Wsgi]
) -> None:
    third = f"<iframe title='third' src='https://{MAIL}/sets'></iframe>"
    origins[HOSTILE] = a_page(third)
    origins[MAIL] = a_page("", **{"Set-Cookie": "probe=1; SameSite=None; Secure; Path=/"})
    page.goto(f"https://{HOSTILE}/")
    assert page.context.cookies() == []  # no third party keeps one in this browser

    panel = panel_of(page)
    assert page.context.cookies() == []
    pair(panel, house, origins)
    [cookie] = page.context.cookies()
    assert cookie["name"] == f"__Host-makegood-agent-{house.desk}"
    assert (cookie["domain"], cookie["path"], cookie["sameSite"]) == (OURS, "/", "Lax")
    assert cookie["secure"]
    assert cookie["httpOnly"]
    assert panel.evaluate("document.cookie") == ""
    # Another frame of this browser goes on after the press, without another mail.
    again = panel_of(page)
    window = open_window(again)
    expect(window.locator("h1")).to_have_text("You can close this window")
    wake(again)
    expect(again.locator("#pairing")).to_have_count(0)
    assert len(house.post.letters) == 1


def test_a_foreign_page_neither_frames_the_window_nor_leads_into_it(
    page: Page, house: SecureHouse, origins: dict[str, Wsgi]
) -> None:
    panel = panel_of(page)
    token = panel.locator('meta[name="session"]').get_attribute("content")
    fields = f"<input name='session' value='{token}'><input name='press' value='yes'>"
    action = f"https://{OURS}{house.base}/pairing"
    origins[HOSTILE] = a_page(
        f"<iframe title='a' name='a' src='https://{OURS}/pair?link=x'></iframe>"
        "<iframe title='b' name='b'></iframe>"
        f"<form id='framed' method='post' action='{action}' target='b'>{fields}</form>"
        f"<form id='opened' method='post' action='{action}' target='_blank'>{fields}</form>"
    )
    hostile = page.context.new_page()
    hostile.goto(f"https://{HOSTILE}/")
    with hostile.expect_response(action) as answered:
        hostile.locator("#framed").evaluate("form => form.submit()")
    assert answered.value.status == 403
    hostile.wait_for_load_state("networkidle")
    assert [one.url for one in hostile.frames if one.url.startswith(f"https://{OURS}")] == []
    with hostile.expect_popup() as opened:
        hostile.locator("#opened").evaluate("form => form.submit()")
    expect(opened.value.locator("h1")).to_have_text("That did not come from this page")
    assert (house.trail(), page.context.cookies()) == ([], [])


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_axe_finds_nothing_in_the_frame_the_window_and_the_admins_list(
    page: Page, house: SecureHouse, origins: dict[str, Wsgi], width: int, theme: str
) -> None:
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    panel = panel_of(page)
    is_clean(panel)
    window = open_window(panel)
    window.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    window.set_viewport_size({"width": width, "height": 800})
    is_clean(window)
    press(window, "Mail me the link", "Look into your mail")
    window.goto(house.newest_link())
    is_clean(window)
    press(window, "Yes, this is me", "You can close this window")
    window.goto(f"https://{OURS}/pair?link=spent")
    is_clean(window)
    link = SignInAdmin(house.parts.house.storage, house.parts.mint)
    window.goto(link.make_link(house.tenant, house.settings.public_url, house.clock.now()))
    press(window, "Sign in", "Overview")
    window.goto(f"https://{OURS}/admin/pairings")
    is_clean(window)
    window.get_by_role("button", name="Revoke").click()
    expect(window.get_by_role("status")).to_contain_text("Revoked")
    is_clean(window)
    assert house.pairings() == []


def press(window: Page, button: str, heading: str) -> None:
    """Press, and look at the page that comes."""
    window.get_by_role("button", name=button).click()
    expect(window.locator("h1")).to_have_text(heading)
    is_clean(window)
