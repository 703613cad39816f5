"""`/admin`: sign in by a one-time link, see what is connected, what happened, what waits.

Changes nothing but sessions, and what is put back in line or closed on the health page. A link is
spent by pressing the button, not by opening its address.
"""

from __future__ import annotations

from flask import Blueprint, Response, make_response, render_template
from werkzeug.wrappers import Response as BaseResponse

from plugin.services.sign_in_admin import SignInAdmin
from plugin.web.auth import Access, clear_cookie, current_admin, open_to, set_cookie
from plugin.web.context import WebContext
from plugin.web.health_screen import HealthScreen
from plugin.web.pages import Pages, see_other
from plugin.web.schemas import AdminForm, HealthQuery, LinkQuery, ReplayEffectForm, SpendLink
from plugin.web.strict_forms import read_form, read_query
from plugin.web.views import admin_view as view

NEWEST = 20
MOST = 200
"""So many of a kind that wait for a person are shown; the page says when there are more."""


def admin_blueprint(context: WebContext) -> Blueprint:
    """Routes below `/admin`."""
    blueprint = Blueprint("admin", __name__, url_prefix="/admin")
    screen = _Screen(context)
    _health(blueprint, HealthScreen(context))

    @blueprint.get("")
    @open_to(Access.ADMIN)
    def home() -> Response:
        return screen.home()

    @blueprint.get("/audit")
    @open_to(Access.ADMIN)
    def audit() -> Response:
        return screen.audit()

    @blueprint.get("/sign-in")
    @open_to(Access.SIGN_IN)
    def sign_in_page() -> Response:
        return screen.sign_in_page(read_query(LinkQuery)["link"])

    @blueprint.post("/sign-in")
    @open_to(Access.SIGN_IN)
    def sign_in() -> BaseResponse:
        return screen.sign_in(read_form(SpendLink)["link"])

    @blueprint.post("/sign-out")
    @open_to(Access.ADMIN)
    def sign_out() -> BaseResponse:
        read_form(AdminForm)
        return screen.sign_out()

    return blueprint


def _health(blueprint: Blueprint, screen: HealthScreen) -> None:
    @blueprint.get("/health")
    @open_to(Access.ADMIN)
    def health() -> Response:
        return screen.show(read_query(HealthQuery)["said"])

    @blueprint.post("/health/deliveries/<delivery>/replay")
    @open_to(Access.ADMIN)
    def replay_delivery(delivery: str) -> BaseResponse:
        read_form(AdminForm)
        return screen.replay_delivery(delivery)

    @blueprint.post("/health/effects/<effect>/replay")
    @open_to(Access.ADMIN)
    def replay_effect(effect: str) -> BaseResponse:
        anyway = read_form(ReplayEffectForm)["anyway"] == "yes"
        return screen.replay_effect(effect, anyway=anyway)

    @blueprint.post("/health/deliveries/<delivery>/close")
    @open_to(Access.ADMIN)
    def close_delivery(delivery: str) -> BaseResponse:
        read_form(AdminForm)
        return screen.close_delivery(delivery)

    @blueprint.post("/health/effects/<effect>/close")
    @open_to(Access.ADMIN)
    def close_effect(effect: str) -> BaseResponse:
        read_form(AdminForm)
        return screen.close_effect(effect)

    @blueprint.post("/health/drifts/<drift>/close")
    @open_to(Access.ADMIN)
    def close_drift(drift: str) -> BaseResponse:
        read_form(AdminForm)
        return screen.close_drift(drift)


class _Screen:
    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._pages = Pages(context)
        self._sign_in = SignInAdmin(context.storage, context.mint)

    def home(self) -> Response:
        """Connections and their health, what waits for a person, the newest of everything."""
        with self._context.storage.read(current_admin().tenant) as uow:
            when = view.When(uow.settings.tenant())
            installations = uow.installations.all()
            heard = uow.deliveries.last_received()
            deliveries = uow.deliveries.newest((), NEWEST)
            refunds = uow.refunds.newest(NEWEST)
            # By state, oldest first: no newer one ever pushes out one that waits.
            open_refunds = uow.refunds.oldest(MOST + 1, view.WAITS_FOR_PERSON)
            open_effects = uow.effects.open(MOST + 1)
            bad = uow.deliveries.not_applied(MOST + 1)
        titles: dict[str, str] = {
            one.connection.installation: self._context.platforms.title(one.connection)
            for one in installations
        }
        return self._pages.render(
            "admin/home.html",
            "home",
            connections=view.health(installations, titles, heard, when),
            waiting=view.waiting(open_refunds[:MOST], open_effects[:MOST], bad[:MOST], when),
            more_wait=max(len(open_refunds), len(open_effects), len(bad)) > MOST,
            refunds=[view.refund_row(one, when) for one in refunds],
            deliveries=[view.delivery_row(one, titles, when) for one in deliveries],
        )

    def audit(self) -> Response:
        """The end of the trail, after every link of it was computed again."""
        with self._context.storage.read(current_admin().tenant) as uow:
            when = view.When(uow.settings.tenant())
            count, broken_at = uow.audit.verify()
            tail = uow.audit.entries(max(0, count - NEWEST), NEWEST)
        return self._pages.render(
            "admin/audit.html",
            "audit",
            count=count,
            broken_at=broken_at,
            entries=[view.audit_row(one, when) for one in reversed(tail)],
        )

    def sign_in_page(self, link: str) -> Response:
        """The button that spends the link. Looking at it changes nothing."""
        good = self._sign_in.is_good_link(link, self._context.clock.now())
        page = render_template(
            "admin/sign_in.html",
            link=link if good else "",
            stylesheet=self._pages.asset("panel/panel.css"),
        )
        return Response(page, 200 if good else 410, mimetype="text/html")

    def sign_in(self, link: str) -> BaseResponse:
        """Spend the link. A second press finds it spent, and opens nothing."""
        session = self._sign_in.spend_link(link, self._context.clock.now())
        if session is None:
            return self.sign_in_page("")
        response = make_response(see_other("/admin"))
        set_cookie(response, session, https=self._context.settings.is_https)
        return response

    def sign_out(self) -> BaseResponse:
        """End the session on our side too: a copy of the cookie opens nothing."""
        self._sign_in.end_session(current_admin().session, self._context.clock.now())
        response = make_response(see_other("/admin"))
        clear_cookie(response, https=self._context.settings.is_https)
        return response
