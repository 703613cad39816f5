"""`/canvas/<platform>/<installation>/...`: the panel of desks that draw it from components.

Each request is one signed post, proven by the desk's adapter over its raw bytes; there is no
session. The answer is always a whole canvas: also for what went wrong on our side, since such a
desk shows nothing else. Decides nothing: `plugin.web.panel_flow` does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import Any, Final

from flask import Blueprint, Response, json, request

from plugin.domain.errors import Refused
from plugin.domain.ids import InstallationId
from plugin.platforms.strict_json import JsonObject
from plugin.ports import Connection, Kind
from plugin.ports.canvas import CanvasPost, ServesCanvas
from plugin.ports.records import InstallationStatus
from plugin.web.auth import Access, open_to
from plugin.web.canvas_buttons import Buttons, Pressed, read_pressed
from plugin.web.context import WebContext
from plugin.web.panel_choice import Picked
from plugin.web.panel_flow import PanelFlow, Picture
from plugin.web.panel_forms import PanelMoves
from plugin.web.panel_scene import Ask as Whom
from plugin.web.panel_scene import Sitting
from plugin.web.problems import NotHere, NotVouchedFor, Problem, TooLarge, problem_of
from plugin.web.strict_forms import Form, Pairs, load
from plugin.web.views.build_say import say_state
from plugin.web.views.canvas_panel import render_canvas
from plugin.web.views.canvas_words import canvas_word
from plugin.web.views.panel_parts import Ask, Frame, Icon, Notice, PracticeBanner, Press, Tone
from plugin.web.views.panel_view import (
    ByHand,
    Done,
    OpenOrder,
    OrderList,
    Panel,
    Told,
    UnderWay,
)
from plugin.web.views.panel_words import word

LARGEST_POST: Final = 512 * 1024
"""A post holds the conversation, the last canvas and what was kept with it."""
ANSWER_WITHIN: Final = 7.0
"""Seconds. A desk waits about ten for an answer; what takes longer goes on, and is looked at."""

_TALL: Final = (OpenOrder, UnderWay, ByHand, Done)
"""States that are shown once somebody asks for them: the list says how each order stands."""
_THREADS: Final = 8
_LONGEST_PROOF: Final = 200
_LOCALE: Final = "en"
"""Where it is not known yet whose panel it is."""
_log = logging.getLogger("makegood.web")

Move = Callable[[Sitting], Picture]


def canvas_blueprint(context: WebContext, answer_within: float = ANSWER_WITHIN) -> Blueprint:
    """The routes of the three posts that such a desk makes."""
    blueprint = Blueprint("canvas", __name__)
    screen = _Screen(context, PanelFlow(context), answer_within)
    base = "/canvas/<platform>/<installation>"

    @blueprint.route(f"{base}/initialize", methods=["POST"])
    @open_to(Access.SIGNED_WEBHOOK)
    def initialize(platform: str, installation: str) -> Response:
        return screen.initialize(platform, installation)

    @blueprint.route(f"{base}/submit", methods=["POST"])
    @open_to(Access.SIGNED_WEBHOOK)
    def submit(platform: str, installation: str) -> Response:
        return screen.submit(platform, installation)

    @blueprint.route(f"{base}/configure", methods=["POST"])
    @open_to(Access.SIGNED_WEBHOOK)
    def configure(platform: str, installation: str) -> Response:
        return screen.configure(platform, installation)

    return blueprint


@dataclass(frozen=True, slots=True)
class _Asked:
    """One proven post, and who sits there."""

    connection: Connection
    post: CanvasPost
    sitting: Sitting


class _Screen:
    """Turns posts into canvases."""

    def __init__(self, context: WebContext, flow: PanelFlow, answer_within: float) -> None:
        self._context = context
        self._flow = flow
        self._buttons = Buttons(context)
        self._within = answer_within
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="canvas")

    # --- the three posts --------------------------------------------------------------------------

    def initialize(self, platform: str, installation: str) -> Response:
        """The panel is opened beside a conversation."""
        asked = self._proven(platform, installation)
        return self._answer(asked, self._first, first=True)

    def submit(self, platform: str, installation: str) -> Response:
        """Something was pressed. A number that is spent does nothing: what stands is shown."""
        asked = self._proven(platform, installation)
        pressed = read_pressed(asked.post.pressed)
        move = None if pressed is None else self._move(pressed, asked.post)
        spends = pressed is not None and self._buttons.spend(asked.sitting, pressed.nonce)
        if pressed is not None and move is not None and spends:
            return self._answer(asked, move, pressed.field("order"))
        order = "" if pressed is None else pressed.field("order")
        told = canvas_word(_LOCALE, "spent")
        return self._answer(
            asked,
            lambda sitting: self._flow.show(sitting, Picked(order), Whom.WHEN_STALE),
            order,
            told,
        )

    def configure(self, platform: str, installation: str) -> Response:
        """The app is added to an inbox: nothing is to be chosen."""
        self._proven(platform, installation)
        return _json({"results": {}})

    def _first(self, sitting: Sitting) -> Picture:
        """What stands there before anybody pressed: low, so that it does not hide other apps."""
        picture = self._flow.show(sitting, Picked(""))
        return _as_list(picture) if isinstance(picture.state, _TALL) else picture

    def _list(self, sitting: Sitting) -> Picture:
        """All orders, none of them open."""
        return _as_list(self._flow.show(sitting, Picked(""), Whom.WHEN_STALE))

    # --- who asks ---------------------------------------------------------------------------------

    def _proven(self, platform: str, installation: str) -> _Asked:
        """The post, once the desk's signature over its bytes holds. Nothing is read before."""
        found = self._context.storage.find_installation(InstallationId(installation))
        connection = None if found is None else found.connection
        if (
            found is None
            or connection is None
            or connection.kind is not Kind.HELPDESK
            or connection.platform != platform
            or found.status is InstallationStatus.REMOVED
        ):
            raise NotHere("not_here")
        port = self._context.platforms.able(connection, ServesCanvas)
        if port is None:
            raise NotHere("not_here")
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            post = port.read_post(_body(), headers)
        except Refused as error:
            raise NotVouchedFor(error.code) from None
        return _Asked(connection, post, _sitting(connection, post))

    # --- what was pressed -------------------------------------------------------------------------

    def _move(self, pressed: Pressed, post: CanvasPost) -> Move | None:
        """The move that a button makes, its fields read by the panel's own forms."""
        moves = PanelMoves(self._flow, _reader(pressed, post))
        known: Mapping[str, Move] = {
            "list": self._list,
            "orders": moves.orders,
            "order": moves.order,
            "plan": moves.plan,
            "refund": moves.refund,
            "undo": moves.undo,
            "timeline": moves.timeline,
            "look": moves.look,
            "attest": moves.attest,
            "steps": moves.steps,
            "search": moves.search,
            "prove": moves.prove,
        }
        return known.get(pressed.verb)

    # --- the answer -------------------------------------------------------------------------------

    def _answer(
        self, asked: _Asked, move: Move, order: str = "", told: str = "", *, first: bool = False
    ) -> Response:
        """The canvas after `move`, or after a while one that says that it goes on."""
        making = self._pool.submit(copy_context().run, self._made, asked, move)
        try:
            panel, sitting = making.result(timeout=self._within)
        except TimeoutError:
            # What waits for a free thread is taken back: it might begin when nobody expects it.
            words = "busy" if making.cancel() else "slow"
            panel, sitting, told = self._not_yet(asked, order, words), asked.sitting, ""
        nonce = self._buttons.issue(sitting)
        return _json(render_canvas(panel, nonce, _kept(sitting), told, first=first))

    def _made(self, asked: _Asked, move: Move) -> tuple[Panel, Sitting]:
        try:
            picture = move(asked.sitting)
            return self._panel(asked.connection, picture), picture.sitting
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the desk shows a canvas or nothing
            problem = problem_of(error)
            # Its kind alone: the text may hold what a customer typed.
            kind = type(error).__name__
            _log.warning("canvas.failed code=%s kind=%s", problem.code, kind)
            return self._problem(asked.connection, problem), asked.sitting

    def _panel(self, connection: Connection, picture: Picture) -> Panel:
        scene = picture.scene
        if scene is None:
            return Panel(self._frame(connection, _LOCALE), picture.state)
        who, orders = self._flow.reader.upper(scene, picture.sitting, picture.opened)
        said = say_state(scene.tell, picture.state)
        frame = self._frame(connection, scene.tell.locale)
        return Panel(frame, picture.state, who, orders, said)

    def _problem(self, connection: Connection, problem: Problem) -> Panel:
        again = Press(word(_LOCALE, "way.again"), Ask.ORDERS)
        notice = Notice(Tone.BAD, Icon.WARN, problem.title, problem.advice, (again,))
        return Panel(self._frame(connection, _LOCALE), Told(notice))

    def _not_yet(self, asked: _Asked, order: str, words: str) -> Panel:
        again = Press(word(_LOCALE, "way.again"), Ask.ORDERS, (("order", order),) if order else ())
        title, text = (canvas_word(_LOCALE, f"{words}.{key}") for key in ("title", "text"))
        notice = Notice(Tone.PLAIN, Icon.CLOCK, title, text, (again,))
        return Panel(self._frame(asked.connection, _LOCALE), Told(notice))

    def _frame(self, connection: Connection, locale: str) -> Frame:
        simulated = self._context.registry.helpdesk(connection.platform).simulated
        return Frame(
            base=f"/canvas/{connection.platform}/{connection.installation}",
            session="",
            title="",
            locale=locale,
            practice=PracticeBanner(word(locale, "practice.banner")) if simulated else None,
        )


def _body() -> bytes:
    """The raw bytes that were signed. Raises TooLarge."""
    body = request.stream.read(LARGEST_POST + 1)
    if len(body) > LARGEST_POST:
        raise TooLarge("post_too_large")
    return body


def _sitting(connection: Connection, post: CanvasPost) -> Sitting:
    """Who sits where by the signature, and the proofs that were typed before."""
    kept = post.kept if post.kept.get("ticket") == post.ticket else {}
    email, number, card = (
        kept[name] if 0 < len(kept.get(name, "")) <= _LONGEST_PROOF else None
        for name in ("email", "number", "card")
    )
    return Sitting(
        connection.tenant, connection.installation, post.agent, post.ticket, email, number, card
    )


def _kept(sitting: Sitting) -> Mapping[str, str]:
    """What comes back with the next post: no authority, only what the agent typed themselves."""
    proofs = {
        "ticket": sitting.ticket,
        "email": sitting.typed_email,
        "number": sitting.number,
        "card": sitting.card_digits,
    }
    return {name: value for name, value in proofs.items() if value}


def _reader(pressed: Pressed, post: CanvasPost) -> Callable[[type[Form]], dict[str, Any]]:
    """Reads a form from what was pressed and from the inputs; of those, the form's own."""
    said = {name for name, _ in pressed.fields}
    typed: Pairs = [
        (name, value)
        for name, values in post.values.items()
        for value in values
        if name not in said
    ]

    def read(schema: type[Form]) -> dict[str, Any]:
        asked = schema().load_fields
        pairs = [(name, value) for name, value in (*pressed.fields, *typed) if name in asked]
        return load(schema, pairs)

    return read


def _as_list(picture: Picture) -> Picture:
    """The same orders, none of them open: each row opens its own."""
    if picture.scene is None or picture.opened is None:
        return picture
    return replace(picture, state=OrderList(), opened=None)


def _json(document: JsonObject) -> Response:
    # Written as it was measured: escaped, a text in another script would be three times as long.
    return Response(json.dumps(document, ensure_ascii=False), mimetype="application/json")
