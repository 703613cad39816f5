"""The window in which an agent says who they are, the link's page, and the admin's list.

The window is opened by a post from the frame, so that nobody can be led into it by an address. A
link is spent by a press in the browser that asked, never by looking at it. Decides nothing:
`plugin.services.pair_agent` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, assert_never

from flask import Blueprint, Response, make_response, render_template, request
from marshmallow import fields, validate
from werkzeug.wrappers import Response as BaseResponse

from plugin.domain.ids import InstallationId, PairingId
from plugin.ports import Connection
from plugin.services.pair_agent import (
    LINK_LIFE,
    PAIRING_LIFE,
    Asked,
    AskForPairing,
    Frame,
    Known,
    LinkGone,
    NotAtDesk,
    PairAgent,
    Paired,
    TooOften,
    revoke_pairing,
)
from plugin.web.auth import Access, current_admin, current_desk, current_panel, is_named, open_to
from plugin.web.context import WebContext
from plugin.web.headers import open_from_sandbox
from plugin.web.pages import ACTOR, Pages, see_other
from plugin.web.problems import NotAllowed
from plugin.web.schemas import AdminForm, LinkQuery, SpendLink, one_of
from plugin.web.strict_forms import Form, read_form, read_query
from plugin.web.views import pairing_view as view
from plugin.web.views.admin_view import When

_ASKING_LIFE: Final = LINK_LIFE * 2
"""A wish waits as long as a link before it is one."""
_Cookies = Mapping[str, tuple[str, timedelta]]


class WindowForm(Form):
    """What the frame posts, and then the window's own press."""

    session = fields.String(required=True, validate=validate.Length(max=4096))
    press = one_of(("", "yes"), default="")


class SaidQuery(Form):
    """What became of the press that led to the list."""

    said = one_of(("", "revoked", "gone"), default="")


def pairing_blueprint(context: WebContext) -> Blueprint:
    """Routes of the window and of the list."""
    blueprint = Blueprint("pairing", __name__)
    screen = _Screen(context)

    @blueprint.before_app_request
    def expect_window() -> None:
        # Before the guard, so that its refusals are seen in the window too.
        if request.endpoint == "pairing.window":
            open_from_sandbox()

    @blueprint.post("/panel/<platform>/<installation>/pairing")
    @open_to(Access.PANEL_SESSION)
    def window(platform: str, installation: str) -> Response:
        del platform, installation  # the guard has compared them with the token's
        return screen.window()

    @blueprint.get("/pair")
    @open_to(Access.SIGN_IN)
    def link_page() -> Response:
        return screen.link_page(read_query(LinkQuery)["link"])

    @blueprint.post("/pair")
    @open_to(Access.SIGN_IN)
    def pair() -> Response:
        return screen.pair(read_form(SpendLink)["link"])

    @blueprint.get("/admin/pairings")
    @open_to(Access.ADMIN)
    def pairings() -> Response:
        return screen.pairings(read_query(SaidQuery)["said"])

    @blueprint.post("/admin/pairings/<pairing>/revoke")
    @open_to(Access.ADMIN)
    def revoke(pairing: str) -> BaseResponse:
        read_form(AdminForm)
        return screen.revoke(pairing)

    return blueprint


class _Screen:
    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._pages = Pages(context)
        self._ask = AskForPairing(context.storage, context.mint)
        self._pair = PairAgent(context.storage, context.platforms, context.mint)
        self._https = context.settings.is_https

    # --- the window -------------------------------------------------------------------------------

    def window(self) -> Response:
        """Opened from the frame: go on where this browser is known, else offer the link."""
        form = read_form(WindowForm)
        if request.headers.get("Sec-Fetch-Site") != "same-origin":
            # Another site's page could hold its maker's frame, for somebody else to prove.
            raise NotAllowed("cross_site")
        session, desk, now = current_panel(), current_desk(), self._context.clock.now()
        if session.frame is None:
            return self._letter(view.DONE)
        if not is_named(session):
            return self._letter(view.unnamed_letter(self._name(desk)), 409)
        frame = Frame(desk, session.agent, session.frame)
        browser = self._cookie(self._agent_cookie(desk.installation))
        if self._ask.go_on(frame, browser, now) is not None:
            return self._letter(view.DONE)
        if not form["press"]:
            action = f"/panel/{desk.platform}/{desk.installation}/pairing"
            name = self._name(desk)
            return self._letter(view.ask_letter(name, session.agent, action, form["session"]))
        if not self._context.settings.smtp_url:
            return self._letter(view.NO_MAIL)
        match self._ask(frame, browser, now):
            case Asked(asking):
                cookies = {self._asking_cookie: (asking, _ASKING_LIFE)}
                return self._letter(view.asked_letter(self._name(desk)), cookies=cookies)
            case Known():
                return self._letter(view.DONE)
            case TooOften():
                return self._letter(view.TOO_OFTEN, 429)
            case other:
                assert_never(other)

    # --- the link ---------------------------------------------------------------------------------

    def link_page(self, link: str) -> Response:
        """Who would be paired. Looking at it changes nothing."""
        asking = self._cookie(self._asking_cookie)
        found = self._pair.look(link, asking, self._context.clock.now())
        if found is None:
            return self._letter(view.GONE, 410)
        with self._context.storage.read(found.tenant) as uow:
            desk = uow.installations.get(found.desk)
        name = "" if desk is None else self._name(desk.connection)
        return self._letter(view.open_letter(found, name, link))

    def pair(self, link: str) -> Response:
        """Spend the link. A second press finds it spent."""
        asking, now = self._cookie(self._asking_cookie), self._context.clock.now()
        found = self._pair.look(link, asking, now)
        if found is None:
            return self._letter(view.GONE, 410)
        kept = self._agent_cookie(found.desk)
        match self._pair(link, asking, self._cookie(kept), now):
            case Paired(_, browser):
                cookies = {self._asking_cookie: ("", timedelta()), kept: (browser, PAIRING_LIFE)}
                return self._letter(view.DONE, cookies=cookies)
            case LinkGone():
                return self._letter(view.GONE, 410)
            case NotAtDesk():
                return self._letter(view.NOT_AT_DESK, 403)
            case other:
                assert_never(other)

    # --- the admin's list -------------------------------------------------------------------------

    def pairings(self, said: str) -> Response:
        """Who is proven, where, and until when."""
        now = self._context.clock.now()
        with self._context.storage.read(current_admin().tenant) as uow:
            when = When(uow.settings.tenant())
            found = uow.pairings.all(now)
            desks = {
                one.connection.installation: self._name(one.connection)
                for one in uow.installations.all()
            }
        rows = view.pairing_rows(found, desks, when)
        return self._pages.render("admin/pairings.html", "pairings", rows=rows, said=said)

    def revoke(self, pairing: str) -> BaseResponse:
        """End it. The panel that goes on by it is told at its next request."""
        now = self._context.clock.now()
        did = revoke_pairing(
            self._context.storage, current_admin().tenant, PairingId(pairing), ACTOR, now
        )
        return see_other(f"/admin/pairings?said={'revoked' if did else 'gone'}")

    # --- this browser -----------------------------------------------------------------------------

    def _cookie(self, name: str) -> str:
        """What a cookie of ours holds in this browser; empty where there is none."""
        return request.cookies.get(name, "")

    @property
    def _asking_cookie(self) -> str:
        """Where the browser's secret stands until its link is opened."""
        return _cookie_name("asking", https=self._https)

    def _agent_cookie(self, desk: InstallationId) -> str:
        """Where the secret stands by which it is paired with an agent of this desk."""
        return _cookie_name(f"agent-{desk}", https=self._https)

    def _letter(
        self, letter: view.Letter, status: int = 200, *, cookies: _Cookies | None = None
    ) -> Response:
        page = render_template(
            "pairing/letter.html", letter=letter, stylesheet=self._pages.asset("panel/panel.css")
        )
        response = make_response(page, status)
        for name, (value, life) in (cookies or {}).items():
            response.set_cookie(
                name,
                value,
                max_age=life,
                path="/",
                secure=self._https,
                httponly=True,
                samesite="Lax",
            )
        return response

    def _name(self, desk: Connection) -> str:
        title = self._context.platforms.title(desk)
        return f"{title} ({desk.label})" if desk.label else title


def _cookie_name(purpose: str, *, https: bool) -> str:
    """A name of its own: what names a browser signs nobody in as admin.

    `__Host-` binds it to this host and https, so that no neighbour can plant one.
    """
    return f"__Host-makegood-{purpose}" if https else f"makegood-{purpose}"
