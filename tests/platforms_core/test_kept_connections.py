"""Connections that rest: reads go on with them, writes never do, and nobody has one for long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from urllib3.connection import HTTPConnection

from plugin.domain.errors import OutcomeUnknown, RetryLater
from plugin.platforms.http_client import HttpClient
from plugin.platforms.kept_connections import KeptConnections
from tests.platforms_core.http_peers import (
    Peer,
    answering,
    at_loopback,
    client_for,
    failure,
    get,
    hanging_up,
    post,
)

WAY = ("http", "shop.example:80", False, "")


@pytest.fixture
def kept() -> Iterator[KeptConnections]:
    kept = KeptConnections()
    yield kept
    for connection in list(kept._resting):
        kept._close(connection)


@pytest.fixture
def client(peer: Peer, kept: KeptConnections) -> HttpClient:
    return client_for(peer.place, kept=kept)


def then(
    *answers: Callable[[BaseHTTPRequestHandler], None],
) -> Callable[[BaseHTTPRequestHandler], None]:
    """Answer with each in turn."""
    left = list(answers)

    def respond(request: BaseHTTPRequestHandler) -> None:
        left.pop(0)(request)

    return respond


def test_a_read_goes_on_with_the_connection_of_the_call_before(
    peer: Peer, client: HttpClient
) -> None:
    assert client.send(post(peer.url())).is_ok
    assert client.send(get(peer.url())).is_ok
    assert client.send(get(peer.url())).is_ok
    assert (peer.connections, len(peer.requests)) == (1, 3)


def test_a_write_has_a_connection_of_its_own(peer: Peer, client: HttpClient) -> None:
    client.send(get(peer.url()))
    client.send(post(peer.url()))
    client.send(post(peer.url()))
    assert peer.connections == 3


def test_without_a_place_to_rest_each_call_has_its_own_and_says_so(peer: Peer) -> None:
    client = client_for(peer.place)
    client.send(get(peer.url()))
    client.send(get(peer.url()))
    assert peer.connections == 2
    assert {headers["connection"] for _, _, headers, _ in peer.requests} == {"close"}


def test_a_read_on_a_connection_that_died_at_rest_is_made_again_on_a_new_one(
    peer: Peer, client: HttpClient
) -> None:
    peer.respond = then(answering(200, b"{}"), hanging_up, answering(200, b"[]"))
    client.send(get(peer.url()))
    assert client.send(get(peer.url())).json() == []
    assert (peer.connections, len(peer.requests)) == (2, 3)


def test_it_is_made_again_once_only(peer: Peer, client: HttpClient) -> None:
    peer.respond = then(answering(200, b"{}"), hanging_up, hanging_up, answering(200, b"{}"))
    client.send(get(peer.url()))
    assert isinstance(failure(client, get(peer.url())), RetryLater)
    assert len(peer.requests) == 3


def test_a_write_that_finds_nobody_is_never_made_again(peer: Peer, client: HttpClient) -> None:
    peer.respond = then(answering(200, b"{}"), hanging_up, answering(200, b"{}"))
    client.send(get(peer.url()))
    assert isinstance(failure(client, post(peer.url())), OutcomeUnknown)
    assert len(peer.requests) == 2


def test_what_the_peer_has_closed_is_not_used(peer: Peer, client: HttpClient) -> None:
    def closing(request: BaseHTTPRequestHandler) -> None:
        answering(200, b"{}")(request)
        request.close_connection = True

    peer.respond = closing
    for _ in range(3):
        assert client.send(get(peer.url())).is_ok
    assert peer.connections == len(peer.requests) == 3


def test_more_than_was_announced_is_never_read_as_the_next_answer(
    peer: Peer, client: HttpClient
) -> None:
    def talking(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n")

    peer.respond = then(talking, answering(200, b"[]"))
    client.send(get(peer.url()))
    assert client.send(get(peer.url())).json() == []


def test_under_tls_a_connection_rests_too_but_not_for_who_trusts_others(
    secure_peer: tuple[Peer, Path], kept: KeptConnections
) -> None:
    peer, authority = secure_peer
    place = f"shop.example:{peer.port}"
    client = client_for(place, resolver=at_loopback, ca_file=authority, kept=kept)
    assert client.send(get(f"https://{place}/")).is_ok
    assert client.send(get(f"https://{place}/")).is_ok
    assert peer.connections == 1

    stranger = client_for(place, resolver=at_loopback, kept=kept)
    assert failure(stranger, get(f"https://{place}/")).code == "not_sent"


def test_a_place_that_may_not_lie_inside_gets_no_connection_that_may(
    peer: Peer, client: HttpClient, kept: KeptConnections
) -> None:
    client.send(get(peer.url()))
    (way,) = (way for way, _ in kept._resting.values())
    assert way == ("http", peer.place, True, "")
    assert kept.take(("http", peer.place, False, "")) is None


def test_many_threads_never_share_one(peer: Peer, client: HttpClient) -> None:
    meeting = threading.Barrier(4)

    def meet(request: BaseHTTPRequestHandler) -> None:
        meeting.wait(60)
        answering(200, b"{}")(request)

    peer.respond = meet
    for _ in range(2):
        threads = [threading.Thread(target=client.send, args=[get(peer.url())]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (peer.connections, len(peer.requests)) == (4, 8)


def test_what_nobody_takes_in_time_is_closed(peer: Peer) -> None:
    is_closed = threading.Event()

    class Noted(HTTPConnection):
        def close(self) -> None:
            super().close()
            is_closed.set()

    kept = KeptConnections(rest_seconds=0)
    connection = Noted("127.0.0.1", peer.port)
    connection.connect()
    kept.keep(WAY, connection)
    assert is_closed.wait(60)
    assert kept.take(WAY) is None


def test_the_oldest_makes_room(peer: Peer) -> None:
    kept = KeptConnections(most=2)
    three = [HTTPConnection("127.0.0.1", peer.port) for _ in range(3)]
    for connection in three:
        connection.connect()
        kept.keep(WAY, connection)
    assert three[0].sock is None
    assert (kept.take(WAY), kept.take(WAY), kept.take(WAY)) == (three[2], three[1], None)
    for connection in three:
        connection.close()


def test_a_fork_takes_none_of_its_parents(peer: Peer, kept: KeptConnections) -> None:
    connection = HTTPConnection("127.0.0.1", peer.port)
    connection.connect()
    kept.keep(WAY, connection)
    kept._begin_anew()
    assert kept.take(WAY) is None
    assert connection.sock is not None
    connection.close()
