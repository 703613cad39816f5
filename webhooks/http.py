"""The door for webhooks: raw bytes in, 2xx only after they are committed. Never logs content.

Unsigned or wrongly signed: 401, nothing stored. Too large: 413. Unknown address: 404 (401 where a
platform has one address for all accounts, of which none may be told by asking). No byte that
is not rightly signed causes a write, an outgoing call or a 5xx; a database that does not answer is
a 503 that asks for a repeat.

A HEAD, with which some vendors try an address before they keep it, is told whether anybody listens
there: no more than an unsigned post is told.

The door speaks WSGI. It stands in Flask's table of routes like every other view, and `straight_in`
leads to it past Flask: making and unmaking a Flask request costs more than the whole accept.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from time import perf_counter
from typing import IO, TYPE_CHECKING

from flask import Blueprint, Response, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.datastructures import EnvironHeaders
from werkzeug.exceptions import ClientDisconnected
from werkzeug.wsgi import get_content_length, get_input_stream

from plugin.domain.errors import NeedsHuman, RetryLater
from plugin.domain.ids import InstallationId
from plugin.platforms.registry import Registry
from plugin.ports import Clock
from plugin.ports.storage import Storage
from plugin.ports.watching import DeliveryAnswered, Entry, Watch, unwatched
from plugin.web.auth import Access, open_to
from webhooks.delivery import Delivery, DuplicateHeader
from webhooks.inbox import Inbox
from webhooks.listeners import Listener, Listeners
from webhooks.signatures import Rejected, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

MAX_BODY = 1024 * 1024
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""The shape of an installation's id: no other text reaches the database, which may choke on it."""
_ADDRESS = re.compile(r"/webhooks/([a-z0-9_]+)/([A-Za-z0-9_-]{1,64})/?")
_log = logging.getLogger("makegood.intake")


@dataclass(frozen=True, slots=True)
class Intake:
    """What the door needs."""

    storage: Storage
    registry: Registry
    inbox: Inbox
    clock: Clock
    watch: Watch = unwatched


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, and after how many seconds to come again. Never with a body.

    The rest is for whoever watches: `platform` is `none` until somebody listens at the address.
    """

    status: HTTPStatus
    retry_after: int | None = None
    entry: Entry = Entry.UNUSABLE
    platform: str = "none"
    delivery: str = ""


NOT_HERE = Answer(HTTPStatus.NOT_FOUND, entry=Entry.NOT_HERE)


class Door:
    """Takes one request after the other in, from any thread."""

    def __init__(self, intake: Intake) -> None:
        self._inbox = intake.inbox
        self._clock = intake.clock
        self._watch = intake.watch
        self._listeners = Listeners(intake.storage, intake.registry)

    def answer(self, environ: WSGIEnvironment, platform: str, installation: str) -> Answer:
        """What to answer to a post at the address of `platform` and `installation`."""
        body = self._body(environ)
        begun = perf_counter()
        answer = (
            body if isinstance(body, Answer) else self._take(environ, platform, installation, body)
        )
        self._tell(answer, perf_counter() - begun)
        return answer

    def tried(self, platform: str, installation: str) -> Answer:
        """What to answer to a HEAD at the address of `platform` and `installation`."""
        begun = perf_counter()
        answer = self._guarded(installation, lambda ref: self._try_out(platform, ref))
        self._tell(answer, perf_counter() - begun)
        return answer

    def broken(self) -> Answer:
        """What to answer after a bug."""
        answer = Answer(HTTPStatus.INTERNAL_SERVER_ERROR, entry=Entry.BROKEN)
        self._tell(answer, 0.0)
        return answer

    def _tell(self, answer: Answer, seconds: float) -> None:
        self._watch(DeliveryAnswered(answer.platform, answer.entry, seconds, answer.delivery))

    def _body(self, environ: WSGIEnvironment) -> bytes | Answer:
        """The body, or why it is not taken."""
        length = get_content_length(environ)
        if length is not None and length > MAX_BODY:
            return Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            body = _read_body(get_input_stream(environ))
        except ClientDisconnected:
            return Answer(HTTPStatus.BAD_REQUEST)
        if len(body) > MAX_BODY:
            return Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        if environ.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
            return Answer(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        return body

    def _take(
        self, environ: WSGIEnvironment, platform: str, installation: str, body: bytes
    ) -> Answer:
        return self._guarded(installation, lambda ref: self._take_in(environ, platform, ref, body))

    def _guarded(self, installation: str, act: Callable[[InstallationId], Answer]) -> Answer:
        """What `act` answers for this text, should it be an id, or why not now."""
        if not _ID.fullmatch(installation):
            return NOT_HERE
        try:
            return act(InstallationId(installation))
        except (SQLAlchemyError, RetryLater) as error:
            # Its kind alone: the statement's parameters are the delivery.
            kind = type(error).__name__
            _log.error("intake.database_failed installation=%s kind=%s", installation, kind)
            return Answer(HTTPStatus.SERVICE_UNAVAILABLE, retry_after=30, entry=Entry.NOT_NOW)
        except NeedsHuman as error:
            _log.error("intake.unusable installation=%s code=%s", installation, error.code)
            return Answer(HTTPStatus.SERVICE_UNAVAILABLE, retry_after=300, entry=Entry.NOT_NOW)

    def _try_out(self, platform: str, installation: InstallationId) -> Answer:
        if self._listeners.read(platform, installation) is not None:
            return Answer(HTTPStatus.OK, entry=Entry.PING, platform=platform)
        if self._listeners.has_app_address(platform):
            return Answer(HTTPStatus.UNAUTHORIZED, entry=Entry.REFUSED)
        return NOT_HERE

    def _take_in(
        self, environ: WSGIEnvironment, platform: str, installation: InstallationId, body: bytes
    ) -> Answer:
        now = self._clock.now()
        listener = self._listeners.remembered(platform, installation)
        proven = None if listener is None else _proven(listener, environ, body, now)
        if listener is None or not isinstance(proven, Delivery):
            # Memory is a second old: before anybody is turned away, the database is asked.
            listener = self._listeners.read(platform, installation)
            if listener is None:
                if not self._listeners.has_app_address(platform):
                    return NOT_HERE
                return self._take_in_for_app(environ, platform, installation, body, now)
            proven = _proven(listener, environ, body, now)
            if not isinstance(proven, Delivery):
                if listener.declared.is_ping(body) and listener.awaits_ping(now):
                    return Answer(HTTPStatus.OK, entry=Entry.PING, platform=platform)
                _log.warning("intake.refused installation=%s reason=%s", installation, proven)
                return Answer(HTTPStatus.UNAUTHORIZED, entry=Entry.REFUSED, platform=platform)
        return self._keep(listener, proven, platform)

    def _take_in_for_app(
        self, environ: WSGIEnvironment, platform: str, app: str, body: bytes, now: datetime
    ) -> Answer:
        """What came to an app's one address goes to whoever's secret proves it.

        Whose it might be is nobody's business: for an unknown account and a wrong signature the
        answer is the same.
        """
        reasons: dict[str, None] = {}
        for listener in self._listeners.of_app(platform, app, _header(environ)):
            proven = _proven(listener, environ, body, now)
            if isinstance(proven, Delivery):
                return self._keep(listener, proven, platform)
            reasons[proven] = None
        if not reasons:
            return Answer(HTTPStatus.UNAUTHORIZED, entry=Entry.REFUSED)
        _log.warning("intake.refused installation=%s reason=%s", app, ", ".join(reasons))
        return Answer(HTTPStatus.UNAUTHORIZED, entry=Entry.REFUSED, platform=platform)

    def _keep(self, listener: Listener, proven: Delivery, platform: str) -> Answer:
        taken = self._inbox.take_in(
            listener.tenant, listener.installation, proven, listener.declared
        )
        if taken is None:
            return Answer(HTTPStatus.OK, entry=Entry.DUPLICATE, platform=platform)
        return Answer(HTTPStatus.OK, entry=Entry.TAKEN, platform=platform, delivery=taken)


def _read_body(stream: IO[bytes]) -> bytes:
    """The body, or a little more than the most that is taken: a read may give less than asked."""
    body = bytearray()
    while len(body) <= MAX_BODY and (chunk := stream.read(MAX_BODY + 1 - len(body))):
        body += chunk
    return bytes(body)


def _header(environ: WSGIEnvironment) -> Callable[[str], str | None]:
    headers = EnvironHeaders(environ)
    return headers.get


def _proven(
    listener: Listener, environ: WSGIEnvironment, body: bytes, now: datetime
) -> Delivery | str:
    """The delivery, when it is rightly signed; else why not, in a few words for the log."""
    try:
        delivery = Delivery.from_headers(EnvironHeaders(environ).items(), body, now)
    except DuplicateHeader as error:
        return error.code
    verdict = verify(listener.signature, delivery, listener.secrets, now)
    return verdict.reason if isinstance(verdict, Rejected) else delivery


# --- two ways in ----------------------------------------------------------------------------------


def webhooks_blueprint(intake: Intake) -> Blueprint:
    """Routes `/webhooks/<platform>/<installation>`."""
    blueprint = Blueprint("webhooks", __name__)
    door = Door(intake)

    def receive(platform: str, installation: str) -> Response:
        is_try = request.method == "HEAD"
        answer = (
            door.tried(platform, installation)
            if is_try
            else door.answer(request.environ, platform, installation)
        )
        response = Response(status=answer.status)
        if answer.retry_after is not None:
            response.headers["Retry-After"] = str(answer.retry_after)
        return response

    blueprint.add_url_rule(
        "/webhooks/<platform>/<installation>",
        "receive",
        open_to(Access.SIGNED_WEBHOOK)(receive),
        methods=["HEAD", "POST"],
        provide_automatic_options=False,
        strict_slashes=False,
    )
    return blueprint


def straight_in(
    application: WSGIApplication, intake: Intake, headers: Sequence[tuple[str, str]]
) -> WSGIApplication:
    """`application`, with posts to a webhook's address led to the door, and `headers` on answers.

    All else, also what looks like such an address and is none, is the application's.
    """
    door = Door(intake)
    common = [*headers, ("Content-Length", "0")]

    def lead(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        address = _ADDRESS.fullmatch(environ.get("PATH_INFO", ""))
        if address is None or environ["REQUEST_METHOD"] != "POST":
            return application(environ, start_response)
        try:
            answer = door.answer(environ, address[1], address[2])
        except Exception as error:  # noqa: BLE001 - nobody stands behind us to answer for a bug
            _log.exception("intake.fault kind=%s", type(error).__name__)
            answer = door.broken()
        status, later = answer.status, answer.retry_after
        more = [] if later is None else [("Retry-After", str(later))]
        start_response(f"{status.value} {status.phrase}", [*common, *more])
        return [b""]

    return lead
