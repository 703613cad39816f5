"""Headers of every answer."""

from __future__ import annotations

import pytest
from flask import Flask, Response

from plugin.web.headers import (
    Framing,
    allow_framing,
    content_security_policy,
    install_headers,
    unframed,
)
from tests.web.site import Site


def _app(*, https: bool = False) -> Flask:
    app = Flask("headers", static_folder=None)

    @app.get("/plain")
    def plain() -> str:
        return "hello"

    @app.get("/framed")
    def framed() -> str:
        allow_framing(["https://acme.zendesk.com"], ["https://static.zdassets.com"])
        return "hello"

    @app.get("/asset")
    def asset() -> Response:
        return Response("x", headers={"Cache-Control": "public, max-age=9"})

    install_headers(app, https=https)
    return app


def test_nobody_frames_a_page_and_nobody_keeps_it() -> None:
    headers = _app().test_client().get("/plain").headers
    policy = headers["Content-Security-Policy"].split("; ")
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert "Strict-Transport-Security" not in headers


def test_a_panel_is_framed_by_its_own_desk_only() -> None:
    headers = _app().test_client().get("/framed").headers
    policy = headers["Content-Security-Policy"].split("; ")
    assert "frame-ancestors https://acme.zendesk.com" in policy
    assert "script-src 'self' https://static.zdassets.com" in policy
    assert "X-Frame-Options" not in headers


def test_one_panels_desk_does_not_reach_the_next_answer() -> None:
    client = _app().test_client()
    client.get("/framed")
    assert "frame-ancestors 'none'" in client.get("/plain").headers["Content-Security-Policy"]


def test_what_a_view_says_of_keeping_stands() -> None:
    assert _app().test_client().get("/asset").headers["Cache-Control"] == "public, max-age=9"


def test_with_https_browsers_are_told_to_stay_with_it() -> None:
    headers = _app(https=True).test_client().get("/plain").headers
    assert headers["Strict-Transport-Security"] == "max-age=31536000"


def test_a_policy_of_nothing_frames_nothing() -> None:
    assert content_security_policy(Framing()).endswith("frame-ancestors 'none'")


@pytest.mark.parametrize("https", [True, False])
def test_what_answers_past_flask_is_given_the_same(https: bool) -> None:
    headers = dict(_app(https=https).test_client().get("/plain").headers)
    assert dict(unframed(https=https)).items() <= headers.items()
    assert headers.keys() - dict(unframed(https=https)).keys() == {"Content-Type", "Content-Length"}


def test_an_answer_to_a_webhook_carries_them_too(site: Site) -> None:
    answer = site.app.test_client().post("/webhooks/practice/nobody", data=b"{}")
    assert answer.status_code == 404
    assert "Content-Type" not in answer.headers, "this did not go past Flask"
    assert set(unframed(https=site.parts.settings.is_https)) <= set(answer.headers)


@pytest.mark.parametrize("path", ["/nothing", "/admin", "/healthz", "/assets/none"])
def test_errors_carry_them_too(site: Site, path: str) -> None:
    headers = site.browser().get(path).headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
