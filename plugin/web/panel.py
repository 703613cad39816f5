"""`/panel/<platform>/<installation>`: the panel inside a desk's frame. Requests in, whole pages out.

The first request is proven by the desk's adapter; from then on a short token of ours names tenant, desk, agent
and ticket. Every answer is the whole page. Decides nothing: `plugin.web.panel_flow` does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from flask import Blueprint, Response, current_app, make_response, request
from jinja2 import TemplateNotFound
from marshmallow import fields, validate

from plugin.domain.errors import MakegoodError, Refused, RetryLater
from plugin.domain.ids import AgentId, InstallationId, TicketId
from plugin.platforms.manifest import HelpdeskManifest
from plugin.ports import Connection, ServesPanel, ShowsBesidePanel
from plugin.ports.storage import Installation, InstallationStatus
from plugin.web.auth import (
    Access,
    PanelSession,
    Proofs,
    current_desk,
    current_panel,
    issue_panel_token,
    open_to,
)
from plugin.web.context import WebContext
from plugin.web.headers import allow_framing
from plugin.web.panel_flow import PanelFlow, Picked, Picture, Sitting
from plugin.web.problems import NotHere, NotSignedIn
from plugin.web.strict_forms import Form, read_form, read_pairs, single_fields
from plugin.web.views.panel_parts import Frame, OrdersBlock, PracticeStripe
from plugin.web.views.panel_view import OrderList, Panel
from plugin.web.views.panel_words import word
from plugin.web.views.render_panel import PAGE, render_panel

_KEY = validate.Length(max=300)
_SHORT = validate.Length(max=200)
_TOKEN = validate.Length(max=4096)


class OrderForm(Form):
    """What every move may carry."""

    session = fields.String(validate=_TOKEN)
    order = fields.String(load_default="", validate=_KEY)
    again = fields.String(load_default="", validate=_SHORT)


class ChoiceForm(OrderForm):
    """The choice of an open order; with `plan` and `hash` it is the button."""

    line = fields.List(fields.String(validate=_KEY), load_default=list, validate=_SHORT)
    amount = fields.String(
        load_default="", validate=validate.OneOf(["", "full", "lines", "free", "prorata"])
    )
    free = fields.String(load_default="", validate=validate.Length(max=40))
    reason = fields.String(load_default="", validate=validate.Length(max=40))
    sub = fields.String(load_default="", validate=validate.OneOf(["", "stop", "keep"]))
    plan = fields.String(load_default="", validate=_SHORT)
    hash = fields.String(load_default="", validate=_SHORT)
    step = fields.List(fields.String(validate=_SHORT), load_default=list, validate=_SHORT)


class RefundForm(OrderForm):
    """A refund that was started: `refund` names its plan."""

    refund = fields.String(load_default="", validate=_SHORT)
    step = fields.List(fields.String(validate=_SHORT), load_default=list, validate=_SHORT)


class StepsForm(ChoiceForm):
    """The full set of ticked steps, and what else stands in the form around them."""

    refund = fields.String(load_default="", validate=_SHORT)


class SearchForm(OrderForm):
    """Another e-mail, number or phone."""

    q = fields.String(load_default="", validate=_SHORT)


class ProofForm(OrderForm):
    """One more proof of who it is."""

    proof = fields.String(load_default="", validate=_SHORT)


class TicketForm(OrderForm):
    """Which ticket the page says that it stands beside: a claim."""

    ticket = fields.String(required=True, validate=[_SHORT, validate.Regexp(r"[0-9A-Za-z_-]+\Z")])


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

    def move(name: str, act: Callable[[Sitting], Picture]) -> None:
        def view(platform: str, installation: str) -> Response:
            del platform, installation  # the guard has compared them with the token's
            return screen.answer(current_desk(), current_panel(), act(_sitting(current_panel())))

        # `open_to` is the outermost decorator, as everywhere.
        blueprint.add_url_rule(
            f"{base}/{name}", name, open_to(Access.PANEL_SESSION)(view), methods=["POST"]
        )

    def act_on_order(sitting: Sitting) -> Picture:
        form = read_form(OrderForm)
        return flow.show(sitting, order=form["order"], fresh=False, again=form["again"] == "yes")

    def act_on_orders(sitting: Sitting) -> Picture:
        return flow.show(sitting, order=read_form(OrderForm)["order"], fresh=True)

    def act_on_timeline(sitting: Sitting) -> Picture:
        return flow.show(sitting, order=read_form(RefundForm)["order"], fresh=False)

    def act_on_plan(sitting: Sitting) -> Picture:
        return flow.plan(sitting, _picked(read_form(ChoiceForm)))

    def act_on_refund(sitting: Sitting) -> Picture:
        form = read_form(ChoiceForm)
        return flow.refund(sitting, _picked(form), form["plan"], form["hash"])

    def act_on_undo(sitting: Sitting) -> Picture:
        form = read_form(RefundForm)
        return flow.undo(sitting, form["order"], form["refund"])

    def act_on_look(sitting: Sitting) -> Picture:
        form = read_form(RefundForm)
        return flow.look(sitting, form["order"], form["refund"])

    def act_on_attest(sitting: Sitting) -> Picture:
        form = read_form(RefundForm)
        return flow.attest(sitting, form["order"], form["refund"])

    def act_on_steps(sitting: Sitting) -> Picture:
        form = read_form(StepsForm)
        return flow.steps(sitting, form["order"], form["step"])

    def act_on_search(sitting: Sitting) -> Picture:
        return flow.search(sitting, read_form(SearchForm)["q"])

    def act_on_prove(sitting: Sitting) -> Picture:
        form = read_form(ProofForm)
        return flow.prove(sitting, form["order"], form["proof"])

    def act_on_open(sitting: Sitting) -> Picture:
        claimed = TicketId(read_form(TicketForm)["ticket"])
        opened = Sitting(sitting.tenant, sitting.installation, sitting.agent, claimed)
        return flow.show(opened if claimed != sitting.ticket else sitting)

    for name, act in (
        ("open", act_on_open),
        ("orders", act_on_orders),
        ("order", act_on_order),
        ("plan", act_on_plan),
        ("refund", act_on_refund),
        ("undo", act_on_undo),
        ("timeline", act_on_timeline),
        ("look", act_on_look),
        ("attest", act_on_attest),
        ("steps", act_on_steps),
        ("search", act_on_search),
        ("prove", act_on_prove),
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
        if port is None:
            raise NotHere("not_here")
        form = single_fields(read_pairs()) if request.method == "POST" else {}
        query = {name: value for name, value in request.args.items() if len(value) <= 4096}
        now = self._context.clock.now()
        try:
            signed = port.sign_in(form, query, now)
        except Refused as error:
            raise NotSignedIn(error.code) from None
        if signed.agent is None:
            raise NotSignedIn("agent_unknown")
        session = PanelSession(
            connection.tenant,
            connection.installation,
            signed.agent,
            now,
            signed.ticket if signed.ticket_proven else None,
        )
        if session.ticket is None:
            return self._waiting(connection, session)
        return self.answer(connection, session, self._flow.show(_sitting(session)))

    def _waiting(self, connection: Connection, session: PanelSession) -> Response:
        """The first page of a frame that has not said yet beside which ticket it stands."""
        token = issue_panel_token(session, self._context.signing_keys, session.since)
        block = OrdersBlock((), skeletons=2)
        panel = Panel(self._frame(connection, token, "en", "Refund desk"), OrderList(), None, block)
        return self._page(connection, session, panel, 200, token)

    def answer(self, connection: Connection, session: PanelSession, picture: Picture) -> Response:
        """The whole page, and a token that lives on."""
        goes_on = _session(session, picture.sitting)
        now = self._context.clock.now()
        token = issue_panel_token(goes_on, self._context.signing_keys, now)
        who, orders = self._flow.upper(picture)
        locale = picture.scene.tell.locale if picture.scene else "en"
        title = who.name if who else "Refund desk"
        frame = self._frame(connection, token, locale, title)
        panel = Panel(frame, picture.state, who, orders, _say(picture, locale))
        return self._page(connection, goes_on, panel, picture.status, token)

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
            practice=PracticeStripe(word(locale, "practice.stripe")) if simulated else None,
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
        manifest = self._manifest(connection)
        allow_framing(
            manifest.panel.frame_ancestors_for(connection.settings), manifest.panel.script_hosts
        )
        page = self._page_name(connection.platform)
        html = render_panel(
            panel, current_app.jinja_env, page, self._beside(connection, session.agent, session)
        )
        response = make_response(html, status)
        response.headers["X-Makegood-Session"] = token
        return response

    def _beside(
        self, connection: Connection, agent: AgentId, session: PanelSession
    ) -> object | None:
        port = self._context.platforms.able(connection, ShowsBesidePanel)
        if port is None or session.ticket is None:
            return None
        try:
            return port.frame_page(session.ticket, agent)
        except (RetryLater, MakegoodError):
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
        connection.kind == "helpdesk"
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
    )


def _session(session: PanelSession, sitting: Sitting) -> PanelSession:
    """The session with what the picture learnt: the ticket, and further proofs."""
    proofs = Proofs(sitting.typed_email, sitting.number, sitting.card_digits)
    return replace(session, ticket=sitting.ticket, proofs=proofs)


def _picked(form: dict[str, object]) -> Picked:
    lines = form["line"]
    return Picked(
        order=str(form["order"]),
        lines=tuple(str(line) for line in lines) if isinstance(lines, list) else (),
        amount=str(form["amount"]),
        free=str(form["free"]),
        reason=str(form["reason"]),
        sub=str(form["sub"]),
    )


def _say(picture: Picture, locale: str) -> str:
    """The one sentence that a screen reader hears; empty where the page speaks for itself."""
    name = f"say.{type(picture.state).__name__}"
    try:
        return word(locale, name)
    except KeyError:
        return ""
