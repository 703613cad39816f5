"""The door: 2xx only after a commit, and no unsigned byte writes, calls or breaks anything."""

from __future__ import annotations

import hashlib
import hmac
import io
import logging
import random
import socket
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from typing_extensions import Buffer
from werkzeug.datastructures import EnvironHeaders

from plugin.domain.errors import NeedsHuman
from plugin.platforms.manifest_schema import InvalidManifest
from plugin.ports import Kind
from plugin.ports.records import DeliveryState
from plugin.storage.grouped_intake import GroupedIntake
from tests.storage.test_write_turns import wait_until
from tests.webhooks.door import (
    DESK,
    GONE,
    HEADED,
    PING,
    SECRET,
    SHOP,
    TIMED,
    Answer,
    Door,
    document,
    sign,
)
from webhooks.http import MAX_BODY

SHOP_PATH = f"/webhooks/practice/{SHOP}"


def test_a_signed_delivery_is_committed_before_the_thanks(door: Door) -> None:
    with door.writes() as writes:
        answer = door.deliver()
    assert (answer.status, answer.body) == (200, b"")
    assert writes
    (stored,) = door.stored()
    assert (stored.body, stored.name, stored.topic) == (PING, "d-1", "")
    assert (stored.installation, stored.state) == (SHOP, DeliveryState.RECEIVED)


def test_a_repeated_delivery_is_thanked_for_and_kept_once(door: Door) -> None:
    for body in (PING, document(type="ping", again=True)):
        assert door.deliver(body).status == 200
    assert len(door.stored()) == 1


def test_a_slash_at_the_end_changes_nothing(door: Door) -> None:
    assert door.call(f"{SHOP_PATH}/", PING, {"X-Practice-Signature": sign(PING)}).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Practice-Signature": ""},
        {"X-Practice-Signature": sign(PING, "wrong")},
        {"X-Practice-Signature": sign(b"other bytes")},
        {"X-Practice-Signature": sign(PING, "not-for-signing")},
        {"X-Practice-Signature": sign(PING) + "\n"},
        {"X-Practice-Signature": "é" * 64},
        {"X-Practice-Signature": f"{sign(PING)}, {sign(PING)}"},
    ],
)
def test_what_is_not_rightly_signed_is_refused_and_not_stored(
    door: Door, headers: dict[str, str]
) -> None:
    with door.writes() as writes:
        answer = door.call(SHOP_PATH, PING, headers)
    assert (answer.status, answer.body) == (401, b"")
    assert writes == []
    assert door.stored() == []


@pytest.mark.parametrize(
    "path",
    [
        "/webhooks/practice/nobody",
        f"/webhooks/systeme_io/{SHOP}",
        f"/webhooks/nobody/{SHOP}",
        f"/webhooks/practice/{GONE}",
        f"/webhooks/practice/{DESK}",
        "/webhooks/practice/%00",
        "/webhooks/practice/\x00",
        "/webhooks/practice/\xff\xfe",
        f"/webhooks/practice/{SHOP} ",
        f"/webhooks/practice/{'x' * 65}",
        "/webhooks/practice/' OR 1=1 --",
        "/webhooks/practice",
    ],
)
def test_an_address_that_is_nobodys_is_not_found_and_writes_nothing(door: Door, path: str) -> None:
    with door.writes() as writes:
        answer = door.call(path, PING, {"X-Practice-Signature": sign(PING)})
    assert answer.status == 404
    assert writes == []


def test_a_removed_foreign_or_unknown_installation_all_look_alike(door: Door) -> None:
    signed = {"X-Practice-Signature": sign(PING)}
    answers = [
        door.call(f"/webhooks/practice/{ref}", PING, signed) for ref in ("nobody", GONE, HEADED)
    ]
    assert answers[0] == answers[1] == answers[2]


def test_a_platform_whose_manifest_is_gone_is_not_found(door: Door) -> None:
    door.registry._found.clear()
    assert door.deliver().status == 404


def test_a_broken_manifest_is_our_trouble_and_asks_for_a_repeat(door: Door) -> None:
    door.registry._broken[Kind.STORE, "practice"] = InvalidManifest(["stem: give one"])
    answer = door.deliver()
    assert (answer.status, answer.body) == (503, b"")
    assert door.stored() == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_only_posting_and_trying_are_possible(door: Door, method: str) -> None:
    assert door.deliver(environ={"REQUEST_METHOD": method}).status == 405
    assert door.stored() == []


# --- bodies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"\xff", b"[" * 2000, b'{"a":1,"a":2}', b"", b"NaN"])
def test_what_is_signed_and_cannot_be_read_is_kept_and_thanked_for(door: Door, body: bytes) -> None:
    assert door.deliver(body).status == 200
    (stored,) = door.stored()
    assert (stored.state, stored.body, stored.topic) == (DeliveryState.RECEIVED, body, "")


def test_the_largest_body_is_taken_and_one_byte_more_is_not(door: Door) -> None:
    body = document(type="ping", fill="")
    largest = document(type="ping", fill="x" * (MAX_BODY - len(body)))
    assert len(largest) == MAX_BODY
    assert door.deliver(largest).status == 200
    assert door.deliver(largest + b" ", delivery="d-2").status == 413
    assert len(door.stored()) == 1


class Endless(io.RawIOBase):
    """A body that never ends. Counts what was read of it."""

    read_so_far = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)
        size = min(len(view), 65536)
        view[:size] = b"x" * size
        self.read_so_far += size
        return size


def test_a_body_without_a_length_is_read_no_further_than_the_limit(door: Door) -> None:
    endless = Endless()
    more = {"CONTENT_LENGTH": None, "wsgi.input": endless, "wsgi.input_terminated": True}
    assert door.deliver(environ=more).status == 413
    assert endless.read_so_far < MAX_BODY + 200_000


def test_a_body_without_a_length_is_taken_when_it_ends(door: Door) -> None:
    more = {
        "CONTENT_LENGTH": None,
        "wsgi.input": io.BytesIO(PING),
        "wsgi.input_terminated": True,
    }
    assert door.deliver(environ=more).status == 200


def test_a_body_that_is_announced_too_large_is_not_read(door: Door) -> None:
    endless = Endless()
    more = {"CONTENT_LENGTH": str(MAX_BODY + 1), "wsgi.input": endless}
    assert door.deliver(environ=more).status == 413
    assert endless.read_so_far == 0


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "٣", ""])
def test_a_length_that_is_none_is_no_way_in(door: Door, length: str) -> None:
    answer = door.deliver(environ={"CONTENT_LENGTH": length})
    assert answer.status in (400, 401)
    assert door.stored() == []


def test_a_body_that_breaks_off_is_refused(door: Door) -> None:
    assert door.deliver(environ={"CONTENT_LENGTH": "500"}).status == 400
    assert door.stored() == []


def test_a_packed_body_is_refused(door: Door) -> None:
    assert door.deliver(environ={"HTTP_CONTENT_ENCODING": "gzip"}).status == 415
    assert door.deliver(environ={"HTTP_CONTENT_ENCODING": "Identity"}).status == 200


# --- names and topics -----------------------------------------------------------------------------


def headed(door: Door, topic: str) -> Answer:
    declared = door.registry.store("systeme_io").webhooks
    assert declared is not None
    assert declared.signature is not None
    headers = {declared.signature.header: sign(PING), "X-Webhook-Event": topic}
    return door.call(f"/webhooks/systeme_io/{HEADED}", PING, headers)


def test_a_topic_in_a_header_is_kept(door: Door) -> None:
    assert headed(door, "SALE_NEW").status == 200
    (stored,) = door.stored()
    assert (stored.topic, stored.name.startswith("sha256:")) == ("SALE_NEW", True)


def test_a_topic_cannot_break_the_database(door: Door) -> None:
    assert headed(door, "SALE\x00\x85NEW").status == 200
    assert door.stored()[0].topic == "SALE NEW"


def test_a_delivery_signed_long_ago_is_refused(door: Door) -> None:
    def stamped(age: timedelta) -> Answer:
        at = int((door.clock.now() - age).timestamp())
        made = hmac.digest(SECRET.encode(), f"{at}.".encode() + PING, hashlib.sha256).hex()
        headers = {"Stripe-Signature": f"t={at},v1={made}"}
        return door.call(f"/webhooks/stripe/{TIMED}", PING, headers)

    assert stamped(timedelta(days=1)).status == 401
    assert stamped(timedelta()).status == 200


def test_a_doubled_header_is_refused(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers join doubled headers; one that hands them on twice must not choose for us."""

    def doubled(_: object) -> list[tuple[str, str]]:
        return [("X-Practice-Signature", sign(PING)), ("x_practice_signature", "other")]

    monkeypatch.setattr(EnvironHeaders, "items", doubled)
    assert door.deliver().status == 401
    assert door.stored() == []


# --- our own trouble ------------------------------------------------------------------------------


def test_a_locked_database_asks_for_a_repeat(
    door: Door, database_kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    if database_kind != "sqlite":
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(door.storage, "take_in", raising(OperationalError("x", {}, Exception())))
            answer = door.deliver()
    else:
        door.storage._intake = GroupedIntake(door.engine, patience_seconds=0.05)  # type: ignore[attr-defined]  # of SQLite's
        with door.engine.connect() as other:
            other.exec_driver_sql("SELECT 1")  # BEGIN IMMEDIATE: the write lock is taken
            answer = door.deliver()
    assert (answer.status, answer.headers["Retry-After"], answer.body) == (503, "30", b"")
    assert door.stored() == []
    assert "ping" not in caplog.text
    assert door.deliver().status == 200


def raising(error: Exception) -> Callable[..., object]:
    def fail(*_: object) -> object:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "wait"), [(PoolTimeout("busy"), "30"), (NeedsHuman("secrets_unreadable"), "300")]
)
def test_trouble_of_ours_asks_for_a_repeat_and_says_no_more(
    door: Door, monkeypatch: pytest.MonkeyPatch, error: Exception, wait: str
) -> None:
    monkeypatch.setattr(door.storage, "find_installation", raising(error))
    answer = door.deliver()
    assert (answer.status, answer.headers["Retry-After"], answer.body) == (503, wait, b"")


def test_nothing_of_a_delivery_is_logged(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    body = document(type="ping", email="canary@mail.example")
    door.deliver(body)
    door.deliver(body, secret="wrong")
    wait_until(lambda: "intake.taken" in caplog.text)
    assert "intake.refused" in caplog.text
    assert "canary" not in caplog.text
    assert SECRET not in caplog.text
    assert sign(body) not in caplog.text


def test_a_fault_of_ours_asks_for_a_repeat_and_says_where(
    door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(door.storage, "find_installation", raising(ZeroDivisionError("canary")))
    answer = door.deliver()
    assert (answer.status, answer.body) == (500, b"")
    assert "intake.fault kind=ZeroDivisionError" in caplog.text


# --- two ways in ----------------------------------------------------------------------------------


def test_both_ways_answer_alike(door: Door) -> None:
    def answers() -> list[tuple[int, str | None]]:
        signed = {"X-Practice-Signature": sign(PING)}
        calls = [
            door.deliver(),
            door.deliver(secret="wrong"),
            door.call("/webhooks/practice/nobody", PING, signed),
            door.deliver(environ={"CONTENT_LENGTH": "500"}),
            door.deliver(environ={"CONTENT_LENGTH": str(MAX_BODY + 1)}),
            door.deliver(environ={"HTTP_CONTENT_ENCODING": "gzip"}),
            door.deliver(environ={"REQUEST_METHOD": "GET"}),
        ]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(door.storage, "find_installation", raising(NeedsHuman("odd")))
            calls.append(door.call("/webhooks/practice/other", PING, signed))
        return [(answer.status, answer.headers.get("Retry-After")) for answer in calls]

    straight = answers()
    door.wsgi = door.through_flask
    assert answers() == straight
    assert [status for status, _ in straight] == [200, 401, 404, 400, 413, 415, 405, 503]


def test_the_straight_way_carries_the_headers_of_every_answer(door: Door) -> None:
    assert door.deliver().headers == {"X-Common": "yes", "Content-Length": "0"}
    assert door.deliver(secret="wrong").headers["X-Common"] == "yes"


# --- fuzz -----------------------------------------------------------------------------------------

_PIECES = ("", "\x00", "é", "'", "../", "%00", "\r\nX: y", "9" * 300, "\udcff", "practice", SHOP)


def _text(rng: random.Random, most: int = 40) -> str:
    if rng.random() < 0.5:
        return rng.choice(_PIECES)
    letters = (rng.choice((rng.randrange(256), rng.randrange(32, 127))) for _ in range(most))
    return "".join(map(chr, letters))[: rng.randrange(most)]


def _body(rng: random.Random) -> bytes:
    makers: Sequence[Callable[[], bytes]] = (
        lambda: rng.randbytes(rng.randrange(400)),
        lambda: document(type=_text(rng).encode("utf-8", "replace").decode(), at=_text(rng)),
        lambda: b"[" * rng.randrange(3000),
        lambda: b'{"type":' + rng.randbytes(10) + b"}",
        lambda: b'{"type": "sale.made", "order": ' + b"9" * rng.randrange(5000) + b"}",
        lambda: PING,
    )
    return rng.choice(makers)()


def test_no_bytes_break_the_door_and_none_without_a_signature_are_kept(
    door: Door,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    database_kind: str,
) -> None:
    caplog.set_level(logging.CRITICAL, logger="makegood.intake")

    def no_calls(*_: object) -> None:
        raise AssertionError("an outgoing call")

    if database_kind == "sqlite":
        monkeypatch.setattr(socket.socket, "connect", no_calls)
    rng = random.Random(20261122)
    signed = 0
    cases = 3000 if database_kind == "sqlite" else 500
    for number in range(cases):
        body = _body(rng)
        is_signed = rng.random() < 0.7
        headers = {f"X-{_name(rng)}": _header(rng) for _ in range(rng.randrange(4))}
        headers["X-Practice-Delivery"] = rng.choice((f"d-{number}", _header(rng)))
        headers["X-Practice-Signature"] = sign(body) if is_signed else _header(rng)
        path = SHOP_PATH if is_signed or rng.random() < 0.5 else f"/webhooks/{_path(rng)}"
        environ = {} if is_signed else _odd_environ(rng)
        with door.writes() as writes:
            answer = door.call(path, body, headers, environ)
        assert answer.status < 500, (path, headers, body)
        if is_signed:
            signed += 1
            assert answer.status == 200
        else:
            assert writes == []
            assert answer.status >= 300
    assert signed > cases * 0.6
    names = {stored.name for stored in door.stored()}
    assert 0 < len(names) <= signed


def _name(rng: random.Random) -> str:
    return "".join(rng.choice("abcdefgh-") for _ in range(1 + rng.randrange(8)))


def _header(rng: random.Random) -> str:
    """What a server hands on: latin-1, without line breaks."""
    text = _text(rng).encode("latin-1", "replace").decode("latin-1")
    return text.replace("\r", "").replace("\n", "")


def _path(rng: random.Random) -> str:
    return "/".join(_header(rng) for _ in range(rng.randrange(1, 4)))


def _odd_environ(rng: random.Random) -> dict[str, object]:
    odd: list[dict[str, object]] = [
        {},
        {"CONTENT_LENGTH": rng.choice(("-5", "abc", "99999999999999999999", "0", ""))},
        {"HTTP_CONTENT_ENCODING": _header(rng)},
        {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": None},
        {"CONTENT_TYPE": _header(rng)},
        {"REQUEST_METHOD": rng.choice(("GET", "OPTIONS", "PATCH", "TRACE", "post", "X"))},
        {"HTTP_HOST": _header(rng) or "x"},
        {"QUERY_STRING": _header(rng)},
        {"HTTP_X_FORWARDED_FOR": _header(rng)},
    ]
    return rng.choice(odd)
