"""`/panel/<platform>/<installation>`: the panel in a desk's frame. Requests in, whole pages out.

The first request is proven by the desk's adapter; from then on a short token of ours names tenant,
desk, agent and ticket. Every answer is the whole page. Decides nothing: `plugin.web.panel_flow`
does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from flask import Blueprint, Response, current_app, make_response, request
from jinja2 import TemplateNotFound

from plugin.domain.errors import MakegoodError, Refused, RetryLater
from plugin.domain.ids import InstallationId
from plugin.platforms.manifest import HelpdeskManifest
from plugin.ports import Connection, Kind, ServesPanel, ShowsBesidePanel
from plugin.ports.canvas import ServesCanvas
from plugin.ports.records import Installation, InstallationStatus
from plugin.web.auth import (
    Access,
    PanelSession,
    Proofs,
    current_desk,
    current_panel,
    is_named,
    issue_panel_token,
    open_to,
)
from plugin.web.context import WebContext
from plugin.web.headers import allow_framing
from plugin.web.pairing_session import first_session
from plugin.web.panel_choice import Picked
from plugin.web.panel_flow import PanelFlow, Picture
from plugin.web.panel_forms import PanelMoves
from plugin.web.panel_passes import add_pass_route
from plugin.web.panel_scene import Sitting
from plugin.web.problems import NoRight, NotHere, NotVouchedFor
from plugin.web.strict_forms import read_pairs, single_fields
from plugin.web.views.build_say import say_state
from plugin.web.views.pairing_view import build_pairing_offer
from plugin.web.views.panel_parts import Frame, OrdersBlock, PairingOffer, PracticeBanner
from plugin.web.views.panel_view import OrderList, Panel, Told
from plugin.web.views.panel_words import word
from plugin.web.views.render_panel import PAGE, render_panel

LOOKING = frozenset({"open", "orders", "order", "plan", "timeline", "pair", "renew"})
"""The moves of an agent whom nobody has proven yet. Searching reads what no ticket shows."""
_NOBODY = "Refund desk"
"""The page's title where nobody's name is known yet."""


def panel_blueprint(context: WebContext) -> Blueprint:
    """The panel's routes."""
    blueprint = Blueprint("panel", __name__)
    flow = PanelFlow(context)
    screen = _Screen(context, flow)
    base = "/panel/<platform>/<installation>"

    @blueprint.route(base, methods=["GET", "POST"])
    @open_to(Access.PANEL_ENTRY)
    def enter(platform: str, installation: str) -> Response:
        return screen.enter(platform, installation)

    add_pass_route(blueprint, base, context)

    def move(name: str, act: Callable[[Sitting], Picture | None]) -> None:
        def view(platform: str, installation: str) -> Response:
            del platform, installation  # the guard has compared them with the token's
            session = current_panel()
            if not session.is_proven and name not in LOOKING:
                raise NoRight("not_paired")
            picture = act(_sitting(session))
            if picture is None:
                return screen.unchanged(session)
            return screen.answer(current_desk(), session, picture)

        # `open_to` is the outermost decorator, as everywhere.
        blueprint.add_url_rule(
            f"{base}/{name}", name, open_to(Access.PANEL_SESSION)(view), methods=["POST"]
        )

    moves = PanelMoves(flow)
    for name, act in (
        ("open", moves.open),
        ("orders", moves.orders),
        ("order", moves.order),
        ("plan", moves.plan),
        ("refund", moves.refund),
        ("undo", moves.undo),
        ("timeline", moves.timeline),
        ("look", moves.look),
        ("attest", moves.attest),
        ("steps", moves.steps),
        ("search", moves.search),
        ("prove", moves.prove),
        ("pair", moves.pair),
        ("renew", lambda _: None),
    ):
        move(name, act)
    return blueprint


class _Screen:
    """Turns pictures into answers."""

    def __init__(self, context: WebContext, flow: PanelFlow) -> None:
        self._context = context
        self._flow = flow

    def enter(self, platform: str, installation: str) -> Response:
        """The frame's first request: the desk's adapter says who it is."""
        found = self._context.storage.find_installation(InstallationId(installation))
        if found is None or not _is_open_desk(found, platform):
            raise NotHere("not_here")
        connection = found.connection
        port = self._context.platforms.able(connection, ServesPanel)
        if port is None or self._context.platforms.able(connection, ServesCanvas) is not None:
            # A desk that draws the panel itself signs each click; a page would outlive its post.
            raise NotHere("not_here")
        # From here on also a refusal is read inside the desk.
        self._allow_framing(connection)
        form = single_fields(read_pairs()) if request.method == "POST" else {}
        query = {name: value for name, value in request.args.items() if len(value) <= 4096}
        now = self._context.clock.now()
        try:
            signed = port.sign_in(form, query, now)
        except (Refused, RetryLater) as error:
            # Nobody is proven yet: a desk that is silent must not let strangers make us fail.
            raise NotVouchedFor(error.code) from None
        session = first_session(self._context, connection, signed)
        if session.ticket is None:
            return self._waiting(connection, session)
        return self.answer(connection, session, self._flow.show(_sitting(session), Picked("")))

    def _waiting(self, connection: Connection, session: PanelSession) -> Response:
        """The first page of a frame that has not said yet beside which ticket it stands."""
        token = issue_panel_token(session, self._context.signing_keys, session.since)
        block = OrdersBlock((), waiting=word("en", "orders.waiting_desk"), skeletons=2)
        panel = Panel(self._frame(connection, token, "en", _NOBODY), OrderList(), None, block)
        return self._page(connection, session, panel, 200, token)

    def unchanged(self, session: PanelSession) -> Response:
        """Nothing new to show; only the token lives on."""
        response = make_response("", 204)
        now = self._context.clock.now()
        token = issue_panel_token(session, self._context.signing_keys, now)
        response.headers["X-Makegood-Session"] = token
        return response

    def answer(self, connection: Connection, session: PanelSession, picture: Picture) -> Response:
        """The whole page, and a token that lives on."""
        goes_on = _session(session, picture.sitting)
        now = self._context.clock.now()
        token = issue_panel_token(goes_on, self._context.signing_keys, now)
        scene = picture.scene
        if scene is None:
            said = picture.state.notice.title if isinstance(picture.state, Told) else ""
            frame = self._frame(connection, token, "en", _NOBODY)
            offer = self._offer(connection, session, "en")
            panel = Panel(frame, picture.state, say=said, pairing=offer)
        else:
            who, orders = self._flow.reader.upper(scene, picture.sitting, picture.opened)
            frame = self._frame(connection, token, scene.tell.locale, who.name)
            said = say_state(scene.tell, picture.state)
            offer = self._offer(connection, session, scene.tell.locale)
            panel = Panel(frame, picture.state, who, orders, said, offer)
        return self._page(connection, goes_on, panel, picture.status, token)

    def _offer(
        self, connection: Connection, session: PanelSession, locale: str
    ) -> PairingOffer | None:
        """How to say who it is, where the desk does not."""
        if session.is_proven:
            return None
        title = self._manifest(connection).name
        return build_pairing_offer(locale, title, is_named=is_named(session))

    def _frame(self, connection: Connection, token: str, locale: str, title: str) -> Frame:
        assets = self._context.assets
        stem = connection.platform
        styles = ["panel/panel.css", f"{stem}/desk.css", f"{stem}/bridge.css"]
        scripts = [f"{stem}/bridge.js", "panel/panel.js"]
        simulated = self._manifest(connection).simulated
        return Frame(
            base=f"/panel/{stem}/{connection.installation}",
            session=token,
            title=title,
            locale=locale,
            practice=PracticeBanner(word(locale, "practice.banner")) if simulated else None,
            stylesheets=tuple(f"/assets/{assets[name]}" for name in styles if name in assets),
            scripts=tuple(f"/assets/{assets[name]}" for name in scripts if name in assets),
        )

    def _page(
        self,
        connection: Connection,
        session: PanelSession,
        panel: Panel,
        status: int,
        token: str,
    ) -> Response:
        self._allow_framing(connection)
        page = self._page_name(connection.platform)
        beside = self._beside(connection, session)
        html = render_panel(panel, current_app.jinja_env, page, beside)
        response = make_response(html, status)
        response.headers["X-Makegood-Session"] = token
        return response

    def _allow_framing(self, connection: Connection) -> None:
        declared = self._manifest(connection).panel
        allow_framing(declared.frame_ancestors_for(connection.settings), declared.script_hosts)

    def _beside(self, connection: Connection, session: PanelSession) -> object | None:
        """What the desk's own page shows around the panel; without it the panel still works."""
        port = self._context.platforms.able(connection, ShowsBesidePanel)
        if port is None or session.ticket is None or not session.is_proven:
            return None
        try:
            return port.frame_page(session.ticket, session.agent)
        except MakegoodError:
            return None

    def _page_name(self, stem: str) -> str:
        """The desk's own page around the panel, where it has one."""
        name = f"frames/{stem}.html"
        try:
            current_app.jinja_env.get_template(name)
        except TemplateNotFound:
            return PAGE
        return name

    def _manifest(self, connection: Connection) -> HelpdeskManifest:
        return self._context.registry.helpdesk(connection.platform)


def _is_open_desk(found: Installation, platform: str) -> bool:
    connection = found.connection
    return (
        connection.kind is Kind.HELPDESK
        and connection.platform == platform
        and found.status is not InstallationStatus.REMOVED
    )


def _sitting(session: PanelSession) -> Sitting:
    proofs = session.proofs
    return Sitting(
        session.tenant,
        session.installation,
        session.agent,
        session.ticket,
        proofs.email,
        proofs.number,
        proofs.card,
        session.is_proven,
    )


def _session(session: PanelSession, sitting: Sitting) -> PanelSession:
    """The session with what the picture learnt: the ticket, and further proofs."""
    proofs = Proofs(sitting.typed_email, sitting.number, sitting.card_digits)
    return replace(session, ticket=sitting.ticket, proofs=proofs)
