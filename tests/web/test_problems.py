"""What goes wrong: one table, two forms, and never an exception's text."""

from __future__ import annotations

import logging

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import Conflict, MethodNotAllowed, NotFound, RequestEntityTooLarge

from plugin.domain.errors import (
    InvalidInput,
    NeedsHuman,
    OutcomeUnknown,
    Refused,
    RetryLater,
)
from plugin.web.problems import (
    BROKEN,
    BadForm,
    NoRight,
    NotAllowed,
    NotHere,
    NotSignedIn,
    TooLarge,
    Unreadable,
    WrongType,
    install_problems,
    problem_of,
)

CANARY = "mirela@mail.example"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotSignedIn("session_ended"), 401, "session_ended"),
        (NotAllowed("cross_site"), 403, "cross_site"),
        (NoRight("role_may_not_refund"), 403, "role_may_not_refund"),
        (NotHere("not_here"), 404, "not_here"),
        (TooLarge("form_too_large"), 413, "form_too_large"),
        (WrongType("packed_body"), 415, "packed_body"),
        (Unreadable("form_unreadable"), 400, "form_unreadable"),
        (BadForm({"one": ("too long",)}), 422, "bad_form"),
        (InvalidInput("amount", CANARY), 422, "invalid_input"),
        (Refused("no_such_order", CANARY), 409, "no_such_order"),
        (RetryLater("busy", CANARY), 503, "busy"),
        (OutcomeUnknown("silent", CANARY), 502, "silent"),
        (NeedsHuman("unsafe_sqlite", CANARY), 503, "unsafe_sqlite"),
        (OperationalError(CANARY, {}, ValueError(CANARY)), 503, "not_now"),
        (NotFound(CANARY), 404, "not_here"),
        (MethodNotAllowed(["GET"]), 405, "wrong_method"),
        (RequestEntityTooLarge(), 413, "too_large"),
        (Conflict(CANARY), 400, "unreadable"),
        (ValueError(CANARY), 500, "broken"),
    ],
)
def test_every_error_has_its_place_in_the_table(error: Exception, status: int, code: str) -> None:
    problem = problem_of(error)
    assert (problem.status, problem.code) == (status, code)
    assert CANARY not in repr(problem)


def test_a_refusal_of_rights_is_not_blamed_on_another_page() -> None:
    refused, strange = problem_of(NoRight("not_yours_to_undo")), problem_of(NotAllowed("x"))
    assert refused.title == "You may not do this"
    assert strange.title == "That did not come from this page"
    assert "Ask the agent who started it, a team lead or an admin." in refused.advice


def _app(error: Exception) -> Flask:
    app = Flask("plugin.web", static_folder=None, template_folder="templates")

    @app.get("/")
    def fail() -> str:
        raise error

    install_problems(app, "/assets/panel.css")
    return app


def test_people_get_a_page() -> None:
    answer = (
        _app(BadForm({"amount": ("too long",)}))
        .test_client()
        .get("/", headers={"Accept": "text/html,*/*;q=0.8"})
    )
    assert answer.status_code == 422
    assert answer.mimetype == "text/html"
    assert "Something typed cannot be used" in answer.text
    assert "<b>amount</b>: too long" in answer.text


def test_machines_get_a_document() -> None:
    answer = _app(BadForm({"amount": ("too long",)})).test_client().get("/")
    assert answer.mimetype == "application/problem+json"
    assert answer.get_json(force=True) == {
        "type": "about:blank",
        "title": "Something typed cannot be used",
        "status": 422,
        "code": "bad_form",
        "detail": "Go back and mend the fields named here.",
        "faults": {"amount": ["too long"]},
    }


@pytest.mark.parametrize("accept", ["text/html", "*/*"])
def test_what_happened_inside_is_neither_shown_nor_logged(
    accept: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        client = _app(ValueError(CANARY)).test_client()
        answer = client.get("/", headers={"Accept": accept})
    assert answer.status_code == 500
    assert BROKEN.title in answer.text
    assert CANARY not in answer.text + caplog.text
    assert "kind=ValueError at=" in caplog.text
    assert "fail:" in caplog.text


def test_refusals_are_no_matter_for_the_log(caplog: pytest.LogCaptureFixture) -> None:
    _app(NotHere("not_here")).test_client().get("/")
    assert "web.failed" not in caplog.text


def test_a_wish_to_wait_is_passed_on() -> None:
    answer = _app(RetryLater("busy", after_seconds=7)).test_client().get("/")
    assert answer.headers["Retry-After"] == "7"
    assert "Retry-After" not in _app(RetryLater("busy")).test_client().get("/").headers


def test_a_wrong_method_says_which_are_right() -> None:
    answer = _app(NotHere("x")).test_client().post("/")
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
