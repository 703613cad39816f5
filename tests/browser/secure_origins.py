"""Several https origins on one loopback port, in a Chromium that keeps no cookie of a third party.

The browser is told by its own settings that every name below `.test` is here; TLS, cookies,
`Sec-Fetch-*` and frames are its own. Nothing leaves.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.browser.served import NO_THIRD_PARTY_COOKIES, chromium
from tests.platforms_core.certificates import make_certificate

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Any]


class _Quiet(WSGIRequestHandler):
    """Paths hold one-time links: nothing of them belongs into a test's output."""

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - theirs
        """Say nothing."""


def a_page(html: str, **headers: str) -> Wsgi:
    """An origin with this one page, at whatever path."""

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        del environ
        start("200 OK", [("Content-Type", "text/html; charset=utf-8"), *headers.items()])
        return [f"<!doctype html><html lang=en><title>A page</title>{html}".encode()]

    return answer


@contextmanager
def serving_https(origins: Mapping[str, Wsgi], folder: Path) -> Iterator[int]:
    """The port at which each of `origins` (by host name) answers until the block ends."""

    def dispatch(environ: dict[str, Any], start: Callable[..., Any]) -> Any:  # noqa: ANN401 - WSGI's own
        return origins.get(environ["HTTP_HOST"], a_page("nobody"))(environ, start)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificate(folder, "plugin.test"))
    server = make_server(
        "127.0.0.1", 0, dispatch, threaded=True, request_handler=_Quiet, ssl_context=context
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def strict_chromium(port: int) -> Iterator[Browser]:
    """Chromium without third-party cookies, for which all of `.test` is at `port`."""
    here = f"--host-resolver-rules=MAP *.test 127.0.0.1:{port}"
    with chromium(here, NO_THIRD_PARTY_COOKIES) as one:
        yield one
