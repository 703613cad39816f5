"""The HTTP client against real loopback peers: budget, retries, secrets and TLS."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path

import pytest
import requests
import responses

from plugin.domain.errors import MakegoodError, OutcomeUnknown, Refused, RetryLater
from plugin.platforms.addresses import resolve
from plugin.platforms.http_client import Call, ReadRetry
from tests.platforms_core.http_peers import (
    CANARY,
    SHORT_OF_TIME,
    Peer,
    answering,
    at_loopback,
    client_for,
    dripping,
    failure,
    get,
    hanging_up,
    post,
    short_of_time,
)

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

    assert isinstance(error, Refused)  # nothing left us: a definitive no, for a write too
    assert error.code == "key_unusable"
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


def test_the_certificate_is_checked_for_the_name_while_the_address_was_checked_before(
    secure_peer: tuple[Peer, Path],
) -> None:
    peer, authority = secure_peer
    place = f"shop.example:{peer.port}"
    client = client_for(place, resolver=at_loopback, ca_file=authority)

    assert client.send(post(f"https://{place}/refunds", json={})).is_ok
    assert peer.requests[0][1] == "/refunds"


@pytest.mark.parametrize("trusted", [True, False], ids=["another name", "unknown authority"])
def test_a_wrong_certificate_sends_nothing(
    secure_peer: tuple[Peer, Path], *, trusted: bool
) -> None:
    peer, authority = secure_peer
    place = f"{'other' if trusted else 'shop'}.example:{peer.port}"
    client = client_for(place, resolver=at_loopback, ca_file=authority if trusted else None)

    error = failure(client, post(f"https://{place}/", json={}))

    assert (type(error), error.code) == (RetryLater, "not_sent")
    assert "SSLError" in error.detail
    assert peer.requests == []


def test_a_dripping_peer_is_cut_off_under_tls_too(secure_peer: tuple[Peer, Path]) -> None:
    peer, authority = secure_peer
    peer.respond = dripping(peer, b"HTTP/1.1 200 OK\r\n\r\n")
    place = f"shop.example:{peer.port}"
    client = client_for(place, resolver=at_loopback, ca_file=authority, timeouts=SHORT_OF_TIME)

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
