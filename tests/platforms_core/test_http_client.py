"""The HTTP client against real loopback peers: what goes out, where it may go, redirects."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import pytest
import requests

from plugin.domain.errors import MakegoodError, OutcomeUnknown, Refused, RetryLater
from plugin.platforms.addresses import resolve
from plugin.platforms.checked_connection import CheckedAdapter, CutOff, Line
from plugin.platforms.http_client import Answer
from tests.platforms_core.http_peers import (
    CANARY,
    Peer,
    answering,
    client_for,
    failure,
    get,
    post,
)

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
