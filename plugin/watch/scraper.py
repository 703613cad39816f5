"""Who may read the metrics: whoever shows the token of the settings. And a worker's own small door.

The web answers `/metrics` for `makegood serve`. A worker that runs by itself has no web, so it
listens at a port of its own for this and nothing else.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6

from plugin.domain.errors import NeedsHuman

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def shows_token(authorization: str, token: str) -> bool:
    """Whether the header's value carries `token`. Where there is no token, none does."""
    kind, _, shown = authorization.partition(" ")
    given = shown.strip().encode("utf-8", "replace")
    is_same = hmac.compare_digest(given, token.encode())
    return bool(token) and kind.lower() == "bearer" and is_same


@contextmanager
def scrape_door(host: str, port: int, token: str, scrape: Callable[[], bytes]) -> Iterator[int]:
    """Answer `/metrics` at `host` and `port` (0: any) while inside. Gives the port.

    Raises NeedsHuman when it cannot listen there.
    """

    class Door(BaseHTTPRequestHandler):
        timeout = 10  # of a socket: nobody keeps a thread for longer

        def do_GET(self) -> None:
            if self.path != "/metrics":
                self._answer(HTTPStatus.NOT_FOUND)
            elif not shows_token(self.headers.get("Authorization", ""), token):
                self._answer(HTTPStatus.UNAUTHORIZED)
            else:
                self._answer(HTTPStatus.OK, scrape())

        def _answer(self, status: HTTPStatus, body: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing: what was asked for may be anything."""

    class Server(ThreadingHTTPServer):
        address_family = AF_INET6 if ":" in host else AF_INET
        daemon_threads = True

    try:
        server = Server((host, port), Door)
    except OSError as error:
        raise NeedsHuman(
            "port_taken",
            f"cannot listen on {host} port {port} for metrics ({error.strerror}): stop what runs "
            "there, or give another MAKEGOOD_METRICS_PORT",
        ) from None
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
