"""The net below careful logging: JSON lines without addresses, credentials, or what errors say."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import Any

import pytest
from flask import Flask, Response, abort

from plugin.logs import JsonLines, redacted
from plugin.ports.watching import RequestAnswered, RequestBegun, Told
from plugin.web.access_log import install_access_log

MISHAPS = """
import logging, threading
from plugin.logs import log_to_stderr
log_to_stderr()
logging.getLogger("urllib3").info("nothing to see")
logging.getLogger("makegood.x").info("x.happened id=%s", 7)
thread = threading.Thread(target=lambda: int("canary-1"))
thread.start(); thread.join()
import dbos
logging.getLogger("dbos").error("failed with jane@example.com")
raise ValueError("canary-2")
"""


def line_of(message: str, *args: object, **named: Any) -> dict[str, Any]:  # noqa: ANN401 - what a record takes
    record = logging.LogRecord("makegood.x", logging.INFO, __file__, 1, message, args, None)
    vars(record).update(named)
    document: dict[str, Any] = json.loads(JsonLines().format(record))
    return document


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("told jane.doe+x@example.com about it", "told [address] about it"),
        ("to=<jane@example.com>", "to=<[address]>"),
        ("to=jane@example.com", "to=[address]"),
        ("key sk_live_51Habc was refused", "key [secret] was refused"),
        ("rk_test_journey", "[secret]"),
        ("secret whsec_c2VjcmV0", "secret [secret]"),
        ("Authorization: Bearer abc.def-1", "Authorization: [secret]"),
        ("authorization: basic YTpi", "authorization: [secret]"),
        ("token eyJhbGciOi.J9.x", "token [secret]"),
        ("GET /panel/practice/1?s=eyJ0&ticket=7 failed", "GET /panel/practice/1?[query] failed"),
        ("kind=refund id=42", "kind=refund id=42"),
    ],
)
def test_addresses_credentials_and_queries_are_taken_out(text: str, kept: str) -> None:
    assert redacted(text) == kept


def test_a_line_says_when_where_and_what() -> None:
    line = line_of("intake.taken installation=%s", "i-1", process=42, created=0.0)
    assert line == {
        "at": "1970-01-01T00:00:00.000+00:00",
        "level": "info",
        "from": "makegood.x",
        "process": 42,
        "event": "intake.taken installation=i-1",
        "name": "intake.taken",
        "facts": {"installation": "i-1"},
    }


@pytest.mark.parametrize("message", ["words for people", "x.y of words", "x.y a=b c", "X.y a=b"])
def test_what_is_no_event_of_ours_has_no_parts(message: str) -> None:
    assert not {"name", "facts"} & set(line_of(message))


def test_a_message_of_many_lines_is_one_event_without_what_follows() -> None:
    assert line_of("broke\nTraceback\nValueError: canary")["event"] == "broke"


def test_of_an_exception_only_kind_and_places_are_told() -> None:
    with pytest.raises(ValueError, match="canary") as caught:
        int("canary")
    line = line_of("broke", exc_info=(caught.type, caught.value, caught.tb))
    assert line["error"] == "ValueError"
    assert (
        line["code_places"][-1]
        .partition(":")[0]
        .endswith("test_of_an_exception_only_kind_and_places_are_told")
    )
    assert "canary" not in json.dumps(line)


def test_what_nobody_catches_and_what_libraries_say_are_lines_too() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MISHAPS], capture_output=True, text=True, check=False, timeout=60
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 1
    assert [(line["from"], line["event"]) for line in lines] == [
        ("makegood.x", "x.happened id=7"),
        ("makegood", "process.broke"),
        ("dbos", "failed with [address]"),
        ("makegood", "process.broke"),
    ]
    assert "canary" not in done.stderr


def answered(caplog: pytest.LogCaptureFixture, path: str, method: str = "GET") -> list[str]:
    """What is logged when a small app with our access log is asked for `path`."""
    app = Flask("tests")
    install_access_log(app, lambda: "request-1")
    app.add_url_rule("/things/<name>", "thing", lambda name: name)
    app.add_url_rule("/healthz", "public.healthz", lambda: "ok")
    app.add_url_rule("/assets/<name>", "public.asset", lambda name: abort(Response(name, 404)))
    app.add_url_rule("/broken", "broken", lambda: abort(Response(status=500)))
    with caplog.at_level(logging.INFO, "makegood.access"):
        app.test_client().open(path, method=method)
    return [record.getMessage().rpartition(" ms=")[0] for record in caplog.records]


@pytest.mark.parametrize(
    ("path", "method", "line"),
    [
        ("/things/jane?link=canary", "GET", "route=/things/<name> method=GET status=200"),
        ("/things/jane", "CANARY", "route=none method=other status=405"),
        ("/jane/canary?x=1", "GET", "route=none method=GET status=404"),
        ("/broken", "GET", "route=/broken method=GET status=500"),
        ("/assets/canary", "GET", "route=/assets/<name> method=GET status=404"),
    ],
)
def test_an_answer_is_logged_by_its_route_never_by_its_address(
    caplog: pytest.LogCaptureFixture, path: str, method: str, line: str
) -> None:
    assert answered(caplog, path, method) == [f"web.answered {line}"]


def test_health_is_asked_all_day_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert answered(caplog, "/healthz") == []


def test_an_answer_and_its_lines_carry_one_id_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    app, lines = Flask("tests"), list[dict[str, Any]]()
    install_access_log(app, lambda: "request-1")

    def thing() -> str:
        lines.append(line_of("thing.done"))
        return "ok"

    app.add_url_rule("/thing", "thing", thing)
    answer = app.test_client().get("/thing", headers={"X-Request-Id": "canary"})
    assert answer.headers.getlist("X-Request-Id") == ["request-1"]
    assert [line["request"] for line in lines] == ["request-1"]
    # What the thread does next, a webhook say, is no part of it.
    assert "request" not in line_of("intake.taken")


def test_whoever_watches_is_told_of_requests_by_their_route() -> None:
    told: list[Told] = []
    app = Flask("tests")
    install_access_log(app, lambda: "request-1", told.append)
    app.add_url_rule("/things/<name>", "thing", lambda name: name)
    app.add_url_rule("/healthz", "public.healthz", lambda: "ok")
    app.test_client().get("/healthz")
    assert told == []
    app.test_client().get("/things/jane?link=canary")
    begun, answered = told
    assert begun == RequestBegun("request-1")
    assert isinstance(answered, RequestAnswered)
    assert (answered.route, answered.method, answered.status) == ("/things/<name>", "GET", 200)
