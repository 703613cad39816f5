"""What goes wrong on the web, in one table: exception -> status, code, plain words.

People get a page, machines `application/problem+json` (RFC 9457). What happened inside is logged by
its kind and place only: an exception's text may hold what a customer typed.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from flask import Flask, Response, json, render_template, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from plugin.domain.errors import (
    InvalidInput,
    MakegoodError,
    NeedsHuman,
    OutcomeUnknown,
    Refused,
    RetryLater,
)

_log = logging.getLogger("makegood.web")


class WebRefusal(Exception):
    """A request that is not served. `code` is a short word of ours, safe to show and to log."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NotSignedIn(WebRefusal):
    """Nobody, or somebody whose session is over."""


class NotVouchedFor(WebRefusal):
    """A frame whose first request its desk did not prove."""


class NotAllowed(WebRefusal):
    """Somebody, but not like this: a post from another site."""


class NoRight(WebRefusal):
    """Somebody we know, whose role does not cover this, or who may not undo another's refund."""


class NotHere(WebRefusal):
    """No such thing for this tenant; whether others have one is not told."""


class TooLarge(WebRefusal):
    """A body or a field over its limit."""


class WrongType(WebRefusal):
    """A body of a type, or packed in a way, that this route does not read."""


class Unreadable(WebRefusal):
    """A body that two readers could understand differently."""


class BadForm(WebRefusal):
    """A form whose fields cannot be used: `faults` by field, in words of ours."""

    def __init__(self, faults: Mapping[str, tuple[str, ...]]) -> None:
        super().__init__("bad_form")
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Problem:
    """What is answered. `title` says what happened, `advice` what to do next."""

    status: int
    code: str
    title: str
    advice: str
    faults: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


_GO_BACK: Final = "Go back, load the page again, and repeat what you did."
BROKEN: Final = Problem(
    500,
    "broken",
    "Something broke on our side",
    "It is in the log. If money was to move, look at the refund before you repeat anything.",
)
_NOT_NOW: Final = Problem(503, "not_now", "Not now", "Nothing was changed. Try again in a minute.")

TABLE: Final[Mapping[type[Exception], Problem]] = {
    NotSignedIn: Problem(
        401,
        "not_signed_in",
        "Sign in first",
        "Open the one-time link that Makegood prints when it starts. A session lasts twelve hours.",
    ),
    NotVouchedFor: Problem(
        401,
        "not_vouched_for",
        "The desk did not prove who you are",
        "Reload the apps of this ticket. If that changes nothing, the setup is not finished.",
    ),
    NotAllowed: Problem(403, "not_allowed", "That did not come from this page", _GO_BACK),
    NoRight: Problem(
        403,
        "no_right",
        "You may not do this",
        "Nothing was changed. Ask the agent who started it, a team lead or an admin.",
    ),
    NotHere: Problem(
        404, "not_here", "There is nothing here", "Check the address, or start from the first page."
    ),
    TooLarge: Problem(413, "too_large", "That is too much at once", "Send less in one go."),
    WrongType: Problem(415, "wrong_type", "That is of a type we do not read here", _GO_BACK),
    Unreadable: Problem(400, "unreadable", "We could not read that", _GO_BACK),
    BadForm: Problem(
        422, "bad_form", "Something typed cannot be used", "Go back and mend the fields named here."
    ),
    InvalidInput: Problem(
        422, "invalid_input", "Something typed cannot be used", "Go back and check what you typed."
    ),
    Refused: Problem(
        409, "refused", "The other side said no", "Nothing was changed. Repeating it will not help."
    ),
    RetryLater: _NOT_NOW,
    OutcomeUnknown: Problem(
        502,
        "unknown",
        "The other side went quiet",
        "It may or may not have happened. Makegood looks it up; do not repeat it by hand.",
    ),
    NeedsHuman: Problem(
        503, "needs_human", "A person must look at this", "`makegood check` says what to do."
    ),
    SQLAlchemyError: _NOT_NOW,
}
"""The first entry whose type fits, by the exception's own order of classes."""

_BY_STATUS: Final[Mapping[int, Problem]] = {
    400: TABLE[Unreadable],
    404: TABLE[NotHere],
    405: Problem(405, "wrong_method", "That cannot be done here", _GO_BACK),
    413: TABLE[TooLarge],
    415: TABLE[WrongType],
}


def problem_of(error: Exception) -> Problem:
    """The table's entry for `error`; BROKEN for what is not in it."""
    if isinstance(error, HTTPException):
        return _BY_STATUS.get(error.code or 500, TABLE[Unreadable])
    for kind in type(error).__mro__:
        found = TABLE.get(kind)
        if found is not None:
            return _told(found, error)
    return BROKEN


def _told(found: Problem, error: Exception) -> Problem:
    if isinstance(error, BadForm):
        return Problem(found.status, found.code, found.title, found.advice, error.faults)
    code = error.code if isinstance(error, WebRefusal | MakegoodError) else found.code
    return Problem(found.status, code, found.title, found.advice)


def answer(problem: Problem, stylesheet: str) -> Response:
    """The page or the document for a problem."""
    if _wants_page():
        page = render_template("problem.html", problem=problem, stylesheet=stylesheet)
        return Response(page, problem.status, mimetype="text/html")
    document: dict[str, object] = {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "code": problem.code,
        "detail": problem.advice,
    }
    if problem.faults:
        document["faults"] = {name: list(texts) for name, texts in problem.faults.items()}
    response = _json(document)
    response.status_code = problem.status
    return response


def install_problems(app: Flask, stylesheet: str) -> None:
    """Answer every failure of `app` from the table."""

    def handle(error: Exception) -> Response:
        problem = problem_of(error)
        if problem.status >= 500:
            _log.error(
                "web.failed endpoint=%s kind=%s at=%s",
                request.endpoint,
                type(error).__name__,
                _place(error),
            )
        response = answer(problem, stylesheet)
        if isinstance(error, RetryLater) and error.after_seconds is not None:
            response.headers["Retry-After"] = str(error.after_seconds)
        if isinstance(error, HTTPException):
            for name, value in error.get_headers(request.environ):
                if name == "Allow":
                    response.headers[name] = value
        return response

    app.register_error_handler(Exception, handle)


def _wants_page() -> bool:
    """Browsers name text/html; what accepts anything is a program."""
    return any(kind == "text/html" for kind, _ in request.accept_mimetypes)


def _json(document: Mapping[str, object]) -> Response:
    return Response(json.dumps(document), mimetype="application/problem+json")


def _place(error: Exception) -> str:
    """Where it was raised, as `file:line`: enough to find it, and nothing of its content."""
    frames = traceback.extract_tb(error.__traceback__)
    return "; ".join(f"{frame.name}:{frame.lineno}" for frame in frames[-3:])
