"""The HTTP client against real loopback peers: what fails, runs out of time, or is too large."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler

import pytest

from plugin.domain.errors import OutcomeUnknown, Refused, RetryLater
from plugin.platforms import http_client
from plugin.platforms.checked_connection import CutOff
from plugin.platforms.manifest import Timeouts
from tests.platforms_core.http_peers import (
    Peer,
    answering,
    client_for,
    dripping,
    failure,
    get,
    hanging_up,
    post,
    short_of_time,
)

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
