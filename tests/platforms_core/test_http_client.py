"""The one way out, against real servers on loopback: what it refuses and what it gives up."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
import requests
import responses
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from plugin.domain.errors import InvalidInput, MakegoodError, OutcomeUnknown, Refused, RetryLater
from plugin.platforms import http_client
from plugin.platforms.addresses import resolve
from plugin.platforms.checked_connection import CheckedAdapter, CutOff, Line
from plugin.platforms.http_client import AllowedHosts, Answer, Call, HttpClient, ReadRetry
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
        self.respond: Callable[[BaseHTTPRequestHandler], None] = answering(200, b"{}")
        self.released = threading.Event()
        peer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

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


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


def client_for(
    *places: str,
    private: bool = True,
    resolver: Callable[[str, int], Sequence[str]] = resolve,
    timeouts: Timeouts | None = None,
    budget: Budget | None = None,
    ca_file: Path | None = None,
) -> HttpClient:
    return HttpClient(
        allowed=AllowedHosts(frozenset(places)),
        clock=FixedClock(),
        budget=budget,
        timeouts=timeouts,
        allow_private=frozenset(places) if private else frozenset(),
        resolver=resolver,
        ca_file=ca_file,
    )


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


# --- what goes out and comes back ---------------------------------------------------------------


def test_an_answer_comes_back_whole(peer: Peer) -> None:
    peer.respond = answering(201, b'{"id": 7}', X_Limit="9")

    answer = client_for(peer.place).send(get(peer.url("/orders"), query=[("email", "a b@c.de")]))

    assert (answer.status, answer.is_ok, answer.json()) == (201, True, {"id": 7})
    assert answer.headers["x-limit"] == "9"
    method, path, headers, body = peer.requests[0]
    assert (method, path, body) == ("GET", "/orders?email=a+b%40c.de", b"")
    assert headers["accept-encoding"] == "identity"
    assert headers["user-agent"] == "Makegood"


@pytest.mark.parametrize(
    ("options", "content_type", "body"),
    [
        ({"json": {"a": "ü", "b": [1]}}, "application/json", b'{"a":"\\u00fc","b":[1]}'),
        (
            {"form": [("amount", "100"), ("metadata[id]", "a b")]},
            "application/x-www-form-urlencoded",
            b"amount=100&metadata%5Bid%5D=a+b",
        ),
        (
            {"body": b"\x00raw", "headers": {"Content-Type": "application/zip"}},
            "application/zip",
            b"\x00raw",
        ),
        (
            {"json": {}, "headers": {"content-type": "application/merge-patch+json"}},
            "application/merge-patch+json",
            b"{}",
        ),
    ],
)
def test_a_body_goes_out_as_declared(
    peer: Peer, options: dict[str, object], content_type: str, body: bytes
) -> None:
    client_for(peer.place).send(post(peer.url(), **options))

    _method, _path, headers, sent = peer.requests[0]
    assert (headers["content-type"], sent) == (content_type, body)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_a_refusal_in_words_is_an_answer(peer: Peer, status: int) -> None:
    peer.respond = answering(status, b'{"code": "no"}')

    answer = client_for(peer.place).send(post(peer.url()))

    assert (answer.status, answer.is_ok, answer.json()) == (status, False, {"code": "no"})


def test_a_status_that_the_adapter_reads_itself_is_an_answer(peer: Peer) -> None:
    peer.respond = answering(500, b'{"code": "cannot_refund"}')

    assert client_for(peer.place).send(post(peer.url(), answers=frozenset({500}))).status == 500


def test_neither_call_nor_answer_shows_its_content() -> None:
    call = post(
        "https://x.example", headers={"Authorization": CANARY}, query=[("k", CANARY)], json=CANARY
    )
    answer = Answer(200, {"Set-Cookie": CANARY}, CANARY.encode())

    assert CANARY not in repr(call)
    assert CANARY not in repr(answer)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(200, {}, b"<html>"), RetryLater),
        (Answer(200, {}, b"<html>", after_read=False), OutcomeUnknown),
        (Answer(500, {}, b"<html>", after_read=False), OutcomeUnknown),
        (Answer(422, {}, b"<html>", after_read=False), Refused),
    ],
)
def test_an_answer_that_is_no_json_means_what_the_call_was(
    answer: Answer, kind: type[MakegoodError]
) -> None:
    with pytest.raises(kind, match=r"answer_unreadable: HTTP \d+, syntax"):
        answer.json()


# --- where it may go ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        "https://api.toy.example.evil.example/",
        "https://api.toy.example:8443/",
        "https://api.toy.example./",
        "https://user@api.toy.example/",
        "https://api.toy.example@evil.example/",
        "https://api.toy.example\\@evil.example/",
        "https://api.toy.example\n.evil.example/",
        "https://xn--/",
        "https://[::1]/",
        "https://[::1/",
        "https://2130706433/",
        "https://api.toy.example:port/",
        "https://api.toy.example:99999/",
        "https://\u0430pi.toy.example/",
        "ftp://api.toy.example/",
        "file:///etc/passwd",
        "//api.toy.example/",
        "",
    ],
)
def test_no_place_off_the_list_is_reached(url: str) -> None:
    def never(_host: str, _port: int) -> Sequence[str]:
        raise AssertionError("nothing may be looked up")

    client = client_for("api.toy.example:443", private=False, resolver=never)

    assert isinstance(failure(client, get(url)), Refused)


def test_plain_http_is_for_listed_development_peers_only(peer: Peer) -> None:
    error = failure(client_for(peer.place, private=False), get(peer.url()))

    assert isinstance(error, Refused)
    assert error.code == "https_only"
    assert peer.requests == []


def test_an_inside_address_is_refused_unless_listed() -> None:
    client = client_for("127.0.0.1:9", private=False)

    error = failure(client, post("https://127.0.0.1:9/"))

    assert isinstance(error, Refused)
    assert str(error) == "address_refused: refund.create"


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.8", "169.254.169.254", "::1", "nonsense"])
def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    client = client_for(
        "api.toy.example:443",
        private=False,
        resolver=lambda _host, _port: ["93.184.215.14", address],
    )

    error = failure(client, get("https://api.toy.example/"))

    assert isinstance(error, Refused)
    assert address not in str(error)


def test_a_name_that_changes_its_mind_gains_nothing(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the first look-up is checked and is the one that is connected to."""
    looks: list[str] = []
    dialled: list[tuple[str, int]] = []

    def rebinding(host: str, _port: int) -> Sequence[str]:
        looks.append(host)
        return ["93.184.215.14"] if len(looks) == 1 else ["127.0.0.1"]

    def dial(address: tuple[str, int], *_: object, **__: object) -> socket.socket:
        dialled.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr("plugin.platforms.checked_connection.create_connection", dial)
    client = client_for(f"rebind.example:{peer.port}", private=False, resolver=rebinding)

    error = failure(client, get(f"https://rebind.example:{peer.port}/"))

    assert isinstance(error, RetryLater)
    assert looks == ["rebind.example"]
    assert dialled == [("93.184.215.14", peer.port)]
    assert peer.requests == []


def test_a_connection_goes_to_the_agreed_place_only() -> None:
    with CutOff(5) as cut_off:
        line = Line(place="api.toy.example:443", is_private=True, resolver=resolve, cut_off=cut_off)
        prepared = requests.Request("GET", "https://127.0.0.1:1/").prepare()
        with pytest.raises(requests.ConnectionError):
            CheckedAdapter(line).send(prepared, timeout=(1, 1))

    assert line.address_refused


def test_a_name_is_reached_by_the_first_address_that_answers(peer: Peer) -> None:
    client = client_for(
        f"shop.example:{peer.port}", resolver=lambda _host, _port: ["::1", "127.0.0.1"]
    )
    # ::1 is loopback too, but nobody listens there.
    assert client.send(get(f"http://shop.example:{peer.port}/")).status == 200
    assert peer.requests[0][2]["host"] == f"shop.example:{peer.port}"


def test_ipv6_places_are_reached() -> None:
    client = client_for("[::1]:1")

    assert failure(client, post("http://[::1]:1/")).code == "not_sent"


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY", "REQUESTS_CA_BUNDLE"])
def test_the_environment_does_not_change_the_way(
    peer: Peer, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:9")

    assert client_for(peer.place).send(get(peer.url())).status == 200


# --- redirects ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 304, 307, 308])
def test_a_read_never_follows_a_redirect(peer: Peer, status: int) -> None:
    peer.respond = answering(status, b"", Location=peer.url("/elsewhere"))

    error = failure(client_for(peer.place), get(peer.url(), headers={"X-Token": CANARY}))

    assert isinstance(error, Refused)
    assert len(peer.requests) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, OutcomeUnknown),
        (302, OutcomeUnknown),
        (303, OutcomeUnknown),
        (307, Refused),
        (308, Refused),
    ],
)
def test_a_redirected_write_counts_as_not_done_only_where_http_says_so(
    peer: Peer, status: int, kind: type[MakegoodError]
) -> None:
    peer.respond = answering(status, b"", Location="https://evil.example/\x7f[")

    error = failure(client_for(peer.place), post(peer.url()))

    assert isinstance(error, kind)
    assert len(peer.requests) == 1


# --- what fails ---------------------------------------------------------------------------------


def test_a_write_that_found_no_connection_was_not_sent(peer: Peer) -> None:
    peer.close()

    error = failure(client_for(peer.place), post(peer.url()))

    assert isinstance(error, RetryLater)
    assert error.code == "not_sent"


def test_a_write_whose_name_is_unknown_was_not_sent() -> None:
    def unknown(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror

    client = client_for("api.toy.example:443", private=False, resolver=unknown)

    assert failure(client, post("https://api.toy.example/")).code == "not_sent"


def test_a_name_without_addresses_is_not_reached() -> None:
    client = client_for("api.toy.example:443", private=False, resolver=lambda _h, _p: [])

    assert failure(client, post("https://api.toy.example/")).code == "not_sent"


def test_a_write_that_did_not_connect_in_time_was_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def dial(*_: object, **__: object) -> socket.socket:
        raise TimeoutError

    monkeypatch.setattr("plugin.platforms.checked_connection.create_connection", dial)

    error = failure(client_for("127.0.0.1:9"), post("http://127.0.0.1:9/"))

    assert (type(error), error.code) == (RetryLater, "not_sent")


def test_a_write_whose_connection_broke_is_unknown(peer: Peer) -> None:
    peer.respond = hanging_up

    error = failure(client_for(peer.place), post(peer.url(), json={"amount": 1}))

    assert isinstance(error, OutcomeUnknown)
    assert len(peer.requests) == 1


def test_a_read_whose_connection_broke_may_be_made_again(peer: Peer) -> None:
    peer.respond = hanging_up

    error = failure(client_for(peer.place), get(peer.url()))

    assert (type(error), error.code) == (RetryLater, "no_answer")


def test_a_post_that_only_reads_may_be_made_again(peer: Peer) -> None:
    peer.respond = hanging_up

    assert isinstance(failure(client_for(peer.place), post(peer.url(), reads=True)), RetryLater)


def test_a_get_that_writes_is_unknown(peer: Peer) -> None:
    peer.respond = hanging_up

    error = failure(client_for(peer.place), get(peer.url(), reads=False))

    assert isinstance(error, OutcomeUnknown)


def test_an_answer_cut_short_is_no_answer(peer: Peer) -> None:
    def short(request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}")

    peer.respond = short

    assert isinstance(failure(client_for(peer.place), post(peer.url())), OutcomeUnknown)


def test_what_is_no_http_is_no_answer(peer: Peer) -> None:
    def nonsense(request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True
        request.wfile.write(b"SSH-2.0-OpenSSH\r\n\r\n")

    peer.respond = nonsense

    assert isinstance(failure(client_for(peer.place), get(peer.url())), RetryLater)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_leaves_a_write_unknown(peer: Peer, status: int) -> None:
    peer.respond = answering(status, b"oops", Retry_After="7")
    client = client_for(peer.place)

    assert isinstance(failure(client, post(peer.url())), OutcomeUnknown)
    read = failure(client, get(peer.url()))
    assert isinstance(read, RetryLater)
    assert read.after_seconds == 7


@pytest.mark.parametrize("status", [425, 429])
def test_too_many_requests_did_nothing(peer: Peer, status: int) -> None:
    peer.respond = answering(status, b"", Retry_After="Sun, 22 Nov 2026 12:00:30 GMT")

    error = failure(client_for(peer.place), post(peer.url()))

    assert isinstance(error, RetryLater)
    assert error.after_seconds == 30


def test_a_peer_that_timed_out_leaves_a_write_unknown(peer: Peer) -> None:
    peer.respond = answering(408)
    client = client_for(peer.place)

    assert isinstance(failure(client, post(peer.url())), OutcomeUnknown)
    assert isinstance(failure(client, get(peer.url())), RetryLater)


# --- time and size ------------------------------------------------------------------------------


# The next byte always comes in time; the whole never does.
SHORT_OF_TIME = Timeouts(connect=3, read=10, total=0.2)  # type: ignore[arg-type] # a quick test


def short_of_time(place: str) -> HttpClient:
    return client_for(place, timeouts=SHORT_OF_TIME)


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["status", "headers", "body", "body without length", "chunks"],
)
def test_a_dripping_peer_is_cut_off(peer: Peer, first: bytes) -> None:
    peer.respond = dripping(peer, first)
    client = short_of_time(peer.place)

    read, write = failure(client, get(peer.url())), failure(client, post(peer.url()))

    assert (type(read), read.code) == (RetryLater, "time_over")
    assert (type(write), write.code) == (OutcomeUnknown, "time_over")


def test_time_that_is_over_before_connecting_sends_nothing(peer: Peer) -> None:
    client = client_for(peer.place, timeouts=Timeouts(connect=3, read=10, total=0))

    assert failure(client, post(peer.url())).code == "not_sent"
    assert peer.requests == []


def test_a_connection_made_after_the_cut_is_cut_at_once(peer: Peer) -> None:
    with CutOff(0) as cut_off:
        cut_off._cut()
        with socket.create_connection(("127.0.0.1", peer.port)) as connection:
            cut_off.watch(connection)

            assert connection.recv(1) == b""
            assert cut_off.passed
            assert cut_off.remaining() == 0


def test_cutting_a_connection_that_is_gone_does_no_harm(peer: Peer) -> None:
    with CutOff(60) as cut_off:
        connection = socket.create_connection(("127.0.0.1", peer.port))
        cut_off.watch(connection)
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()
        peer.close()

        cut_off._cut()
        cut_off._cut()

        assert cut_off.passed


def test_a_huge_answer_is_dropped(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "LARGEST_ANSWER", 1000)
    peer.respond = answering(200, b"x" * 1001)
    client = client_for(peer.place)

    read, write = failure(client, get(peer.url())), failure(client, post(peer.url()))

    assert (type(read), read.code) == (Refused, "answer_too_large")
    assert (type(write), write.code) == (OutcomeUnknown, "answer_too_large")


def test_an_answer_of_just_the_largest_size_is_taken(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "LARGEST_ANSWER", 1000)
    peer.respond = answering(200, b"x" * 1000)

    assert len(client_for(peer.place).send(get(peer.url())).body) == 1000


def test_an_answer_that_grows_when_unpacked_is_measured_unpacked(peer: Peer) -> None:
    peer.respond = answering(
        200, gzip.compress(b"0" * (http_client.LARGEST_ANSWER + 1)), Content_Encoding="gzip"
    )

    assert failure(client_for(peer.place), get(peer.url())).code == "answer_too_large"


def test_an_answer_that_cannot_be_unpacked_is_no_answer(peer: Peer) -> None:
    peer.respond = answering(200, b"not gzip", Content_Encoding="gzip")

    assert isinstance(failure(client_for(peer.place), get(peer.url())), RetryLater)


# --- budget and retries -------------------------------------------------------------------------


class Allowance:
    def __init__(self, *waits: float) -> None:
        self.waits = list(waits)

    def take(self) -> float:
        return self.waits.pop(0)


def test_a_spent_budget_sends_nothing(peer: Peer) -> None:
    error = failure(client_for(peer.place, budget=Allowance(1.2)), post(peer.url()))

    assert isinstance(error, RetryLater)
    assert (error.code, error.after_seconds) == ("budget_spent", 2)
    assert peer.requests == []


def test_a_budget_that_has_calls_left_lets_them_go(peer: Peer) -> None:
    assert client_for(peer.place, budget=Allowance(0.0)).send(get(peer.url())).is_ok


def test_a_read_is_tried_again_only_where_asked_and_with_growing_patience(peer: Peer) -> None:
    peer.respond = answering(503)
    pauses: list[float] = []
    retry = ReadRetry(tries=4, first_wait_seconds=1, jitter=lambda: 0.5, pause=pauses.append)
    client = client_for(peer.place)

    failure(client, get(peer.url()))
    assert len(peer.requests) == 1
    failure(client, get(peer.url()), retry)

    assert len(peer.requests) == 1 + 4
    assert pauses == [0.5, 1.0, 2.0]


def test_a_read_tried_again_may_succeed(peer: Peer) -> None:
    peer.respond = answering(429, b"", Retry_After="2")
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        peer.respond = answering(200, b"[]")

    retry = ReadRetry(tries=2, first_wait_seconds=0.1, jitter=lambda: 1, pause=pause)

    assert client_for(peer.place).send(get(peer.url()), retry).json() == []
    assert pauses == [2]


def test_no_wait_outlives_the_whole_call(peer: Peer) -> None:
    peer.respond = answering(429, b"", Retry_After="60")
    pauses: list[float] = []
    retry = ReadRetry(tries=5, first_wait_seconds=0.1, jitter=lambda: 1, pause=pauses.append)

    error = failure(client_for(peer.place), get(peer.url()), retry)

    assert isinstance(error, RetryLater)
    assert error.after_seconds == 60
    assert pauses == []


def test_a_write_is_never_tried_again(peer: Peer) -> None:
    retry = ReadRetry(tries=2, first_wait_seconds=0, jitter=lambda: 1, pause=lambda _: None)

    with pytest.raises(ValueError, match="saga"):
        client_for(peer.place).send(post(peer.url()), retry)
    assert peer.requests == []


# --- secrets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Key", f"{CANARY}\nX-Evil: 1"),
        ("X-Key", f" {CANARY}"),
        ("X-Key", f"{CANARY}\x00"),
        ("X-Key", f"{CANARY}ü"),
        ("X-Key", ""),
        ("X Key", CANARY),
    ],
)
def test_a_header_that_cannot_be_sent_is_refused_without_showing_it(
    peer: Peer, name: str, value: str
) -> None:
    error = failure(client_for(peer.place), get(peer.url(), headers={name: value}))

    assert isinstance(error, InvalidInput)
    assert CANARY not in str(error)
    assert peer.requests == []


@pytest.mark.parametrize(
    "respond",
    [answering(200, CANARY.encode()), answering(500, CANARY.encode()), hanging_up],
    ids=["answered", "failed", "broken"],
)
def test_no_log_line_and_no_error_holds_query_header_or_body(
    peer: Peer,
    caplog: pytest.LogCaptureFixture,
    respond: Callable[[BaseHTTPRequestHandler], None],
) -> None:
    peer.respond = respond
    call = Call(
        "POST",
        peer.url(f"/{CANARY}?key={CANARY}"),
        "refund.create",
        headers={"Authorization": f"Bearer {CANARY}"},
        query=[("email", CANARY)],
        json={"note": CANARY},
    )
    said = ""

    with caplog.at_level(logging.DEBUG):
        try:
            client_for(peer.place).send(call)
        except MakegoodError as error:
            said = repr(error)

    assert "refund.create" in caplog.text
    assert CANARY not in caplog.text + said


# --- TLS ----------------------------------------------------------------------------------------


def _certificate(folder: Path, name: str) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "certificate.pem", folder / "key.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return public, private


@pytest.fixture
def secure_peer(tmp_path: Path) -> Iterator[tuple[Peer, Path]]:
    public, private = _certificate(tmp_path, "shop.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    peer = Peer(context)
    yield peer, public
    peer.close()


def _at_loopback(_host: str, _port: int) -> Sequence[str]:
    return ["127.0.0.1"]


def test_the_certificate_is_checked_for_the_name_while_the_address_was_checked_before(
    secure_peer: tuple[Peer, Path],
) -> None:
    peer, authority = secure_peer
    place = f"shop.example:{peer.port}"
    client = client_for(place, resolver=_at_loopback, ca_file=authority)

    assert client.send(post(f"https://{place}/refunds", json={})).is_ok
    assert peer.requests[0][1] == "/refunds"


@pytest.mark.parametrize("trusted", [True, False], ids=["another name", "unknown authority"])
def test_a_wrong_certificate_sends_nothing(
    secure_peer: tuple[Peer, Path], *, trusted: bool
) -> None:
    peer, authority = secure_peer
    place = f"{'other' if trusted else 'shop'}.example:{peer.port}"
    client = client_for(place, resolver=_at_loopback, ca_file=authority if trusted else None)

    error = failure(client, post(f"https://{place}/", json={}))

    assert (type(error), error.code) == (RetryLater, "not_sent")
    assert "SSLError" in error.detail
    assert peer.requests == []


def test_a_dripping_peer_is_cut_off_under_tls_too(secure_peer: tuple[Peer, Path]) -> None:
    peer, authority = secure_peer
    peer.respond = dripping(peer, b"HTTP/1.1 200 OK\r\n\r\n")
    place = f"shop.example:{peer.port}"
    client = client_for(place, resolver=_at_loopback, ca_file=authority, timeouts=SHORT_OF_TIME)

    assert failure(client, post(f"https://{place}/")).code == "time_over"


def test_a_peer_that_drips_its_handshake_is_cut_off(peer: Peer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = f"127.0.0.1:{listener.getsockname()[1]}"
        client = short_of_time(place)

        error = failure(client, post(f"https://{place}/"))

    assert (type(error), error.code) == (RetryLater, "not_sent")


# --- with the stub library that adapters' tests use ---------------------------------------------


@responses.activate
def test_stubbed_answers_pass_through_the_same_judgement() -> None:
    responses.get("https://api.toy.example/orders", json={"items": []})
    responses.post("https://api.toy.example/refunds", body=requests.ConnectionError("cut"))
    client = client_for("api.toy.example:443", private=False)

    assert client.send(get("https://api.toy.example/orders")).json() == {"items": []}
    # Nothing was dialled, so nothing shows that nothing was sent.
    assert isinstance(failure(client, post("https://api.toy.example/refunds")), OutcomeUnknown)


def test_the_system_resolver_tells_addresses_once() -> None:
    addresses = resolve("localhost", 80)

    assert len(set(addresses)) == len(addresses) > 0
    assert all(ip_address(address).is_loopback for address in addresses)


def test_json_that_no_reader_takes_is_never_sent(peer: Peer) -> None:
    with pytest.raises(ValueError, match="JSON"):
        client_for(peer.place).send(post(peer.url(), json=float("nan")))
    assert json.loads("[]") == peer.requests
