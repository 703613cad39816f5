"""Headers of every answer: what the page may load, who may frame it, and that nobody keeps it.

A page may be framed by nobody unless its view calls `allow_framing`, which the panel does with what
the desk's manifest declares for this very installation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from flask import Flask, Response, g

_OWN: Final = (
    "default-src 'none'",
    "style-src 'self'",
    "img-src 'self'",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
)
_ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
_ONE_YEAR: Final = "max-age=31536000"


@dataclass(frozen=True, slots=True)
class Framing:
    """Who may frame a page, and whose scripts it may load: `https://acme.example`."""

    ancestors: tuple[str, ...] = ()
    script_hosts: tuple[str, ...] = ()


def allow_framing(ancestors: Sequence[str], script_hosts: Sequence[str] = ()) -> None:
    """Let these origins frame the page being answered.

    From the manifest, never from the request.
    """
    g.makegood_framing = Framing(tuple(ancestors), tuple(script_hosts))


def open_from_sandbox() -> None:
    """Let a frame that its desk sandboxed open the page being answered, in a window of its own.

    Browsers load no page with an opener policy in such a window. It is opened without an opener.
    """
    g.makegood_from_sandbox = True


def content_security_policy(framing: Framing) -> str:
    """The policy as one header value."""
    scripts = " ".join(("script-src 'self'", *framing.script_hosts))
    ancestors = " ".join(framing.ancestors) or "'none'"
    return "; ".join((*_OWN, scripts, f"frame-ancestors {ancestors}"))


def unframed(*, https: bool) -> Sequence[tuple[str, str]]:
    """The headers of an answer that no view had a word in."""
    return [
        ("Content-Security-Policy", content_security_policy(Framing())),
        *_ALWAYS.items(),
        ("Cache-Control", "no-store"),
        ("X-Frame-Options", "DENY"),
        *([("Strict-Transport-Security", _ONE_YEAR)] if https else []),
    ]


def install_headers(app: Flask, *, https: bool) -> None:
    """Set the headers of every answer of `app`. A view's own Cache-Control stays (assets)."""

    def add(response: Response) -> Response:
        framing: Framing = g.get("makegood_framing", Framing())
        response.headers["Content-Security-Policy"] = content_security_policy(framing)
        for name, value in _ALWAYS.items():
            response.headers[name] = value
        if g.get("makegood_from_sandbox", False):
            response.headers["Cross-Origin-Opener-Policy"] = "unsafe-none"
        response.headers.setdefault("Cache-Control", "no-store")
        if not framing.ancestors:
            response.headers["X-Frame-Options"] = "DENY"
        if https:
            response.headers["Strict-Transport-Security"] = _ONE_YEAR
        return response

    app.after_request(add)
