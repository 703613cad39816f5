"""Loopback peers and clients for the tests of the HTTP client."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from plugin.domain.errors import MakegoodError
from plugin.platforms.addresses import resolve
from plugin.platforms.breaker import Breaker
from plugin.platforms.http_client import AllowedHosts, Call, HttpClient, ReadRetry
from plugin.platforms.kept_connections import KeptConnections
from plugin.platforms.manifest import Timeouts
from plugin.platforms.token_bucket import Budget

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CANARY = "s3cret-canary"


class FixedClock:
    def now(self) -> datetime:
        return NOW


class Peer:
    """A server on loopback: `respond` writes whatever a test wants; `requests` are what came."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.connections = 0
        self.respond: Callable[[BaseHTTPRequestHandler], None] = answering(200, b"{}")
        self.released = threading.Event()
        peer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                peer.connections += 1
                super().setup()

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:
                    self.close_connection = True

            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                peer.requests.append((self.command, self.path, headers, body))
                peer.respond(self)

            do_GET = do_POST = do_PUT = do_HEAD = _any  # noqa: N815 - the names http.server calls

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign] # peers may break
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str = "/") -> str:
        return f"http://{self.place}{path}"

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def answering(
    status: int, body: bytes = b"", **headers: str
) -> Callable[[BaseHTTPRequestHandler], None]:
    def respond(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return respond


def dripping(peer: Peer, first: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    """Answer `first`, then a byte every few milliseconds until the test is over."""

    def respond(request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True
        request.wfile.write(first)
        while not peer.released.wait(0.005):
            request.wfile.write(b"a")

    return respond


def hanging_up(request: BaseHTTPRequestHandler) -> None:
    request.close_connection = True
    request.connection.shutdown(socket.SHUT_RDWR)


def client_for(
    *places: str,
    private: bool = True,
    resolver: Callable[[str, int], Sequence[str]] = resolve,
    timeouts: Timeouts | None = None,
    budget: Budget | None = None,
    breaker: Breaker | None = None,
    ca_file: Path | None = None,
    kept: KeptConnections | None = None,
) -> HttpClient:
    return HttpClient(
        allowed=AllowedHosts(frozenset(places)),
        clock=FixedClock(),
        budget=budget,
        breaker=breaker,
        timeouts=timeouts,
        allow_private=frozenset(places) if private else frozenset(),
        resolver=resolver,
        ca_file=ca_file,
        kept=kept,
    )


def at_loopback(_host: str, _port: int) -> Sequence[str]:
    return ["127.0.0.1"]


def get(url: str, **options: object) -> Call:
    return Call("GET", url, "order.read", **options)  # type: ignore[arg-type] # options of Call


def post(url: str, **options: object) -> Call:
    return Call("POST", url, "refund.create", **options)  # type: ignore[arg-type] # options of Call


def failure(client: HttpClient, call: Call, retry: ReadRetry | None = None) -> MakegoodError:
    with pytest.raises(MakegoodError) as caught:
        client.send(call, retry)
    error = caught.value
    assert error.__context__ is None, "a chained error would carry the URL into a traceback"
    return error


# The next byte always comes in time; the whole never does.
SHORT_OF_TIME = Timeouts(connect=3, read=10, total=0.2)  # type: ignore[arg-type] # a quick test


def short_of_time(place: str, breaker: Breaker | None = None) -> HttpClient:
    return client_for(place, timeouts=SHORT_OF_TIME, breaker=breaker)
