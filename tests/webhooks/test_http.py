"""The webhook door: 2xx only after the commit, and nothing at all for what is not signed."""

from __future__ import annotations

import io
import json
import logging
import random
import shutil
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from plugin.platforms.data_files import DataFiles
from plugin.platforms.registry import Registry
from plugin.ports.storage import DeliveryState, InstallationStatus
from plugin.storage.keyring import Keyring
from plugin.storage.unit_of_work import SqlStorage
from tests.web.site import TENANT
from tests.webhooks.door import BODY, PLACE, SHOP, Answer, Door, a_shop, call_wsgi, signed
from webhooks.http import MAX_BODY

CASES = 3000


# --- the way in -----------------------------------------------------------------------------------


def test_a_signed_delivery_is_kept_before_it_is_answered(door: Door) -> None:
    assert door.knock().status == 200

    (stored,) = door.kept()
    assert stored.body == BODY
    assert (stored.installation, stored.name, stored.topic) == (SHOP, "d-1", "ping")
    assert (stored.state, stored.wake_at) == (DeliveryState.RECEIVED, door.site.clock.now())
    assert stored.headers["x-practice-delivery"] == "d-1"


def test_the_secret_before_still_signs_while_it_is_replaced(door: Door) -> None:
    assert door.knock(headers=signed(BODY, secret="secret-before")).status == 200
    assert door.count() == 1


def test_duplicates_are_answered_like_the_first_and_kept_once(door: Door) -> None:
    answers = [door.knock() for _ in range(3)]

    assert answers == [answers[0]] * 3
    assert (answers[0].status, answers[0].body, door.count()) == (200, b"", 1)


def test_without_a_name_the_bytes_are_the_name(door: Door) -> None:
    other = b'{"type": "ping", "n": 2}'
    for body in (BODY, other, BODY):
        assert door.knock(body, signed(body, name=None)).status == 200

    assert door.count() == 2
    assert all(stored.name.startswith("sha256:") for stored in door.kept())


@pytest.mark.parametrize("body", [b"", b"[1, 2", b'{"a": 1, "a": 2}', b"\xff\xfe", b"[" * 9999])
def test_signed_but_unreadable_is_kept_and_answered_well(door: Door, body: bytes) -> None:
    assert door.knock(body).status == 200

    (stored,) = door.kept()
    assert (stored.state, stored.body, stored.topic) == (DeliveryState.UNREADABLE, body, "")


@pytest.mark.parametrize("body", [b"[]", b'{"type": 7}', b'{"kind": "x"}', b'"ping"'])
def test_a_body_without_a_topic_is_kept_without_one(door: Door, body: bytes) -> None:
    assert door.knock(body).status == 200
    assert [stored.topic for stored in door.kept()] == [""]


def test_a_topic_in_a_header_is_taken_from_there(door: Door) -> None:
    door.connect(a_shop("systeme", platform="systeme_io"))
    digest = signed(BODY)["X-Practice-Signature"]
    place = "/webhooks/systeme_io/systeme"
    for headers in ({"X-Webhook-Event": "SALE_NEW", "X-Webhook-Message-Id": "m-1"}, {}):
        answer = door.knock(headers={"X-Webhook-Signature": digest, **headers}, place=place)
        assert answer.status == 200

    assert sorted(stored.topic for stored in door.kept()) == ["", "SALE_NEW"]


def test_one_slash_at_the_end_is_no_other_place(door: Door) -> None:
    assert door.knock(place=PLACE + "/").status == 200


# --- who is not let in ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Practice-Signature": ""},
        {"X-Practice-Signature": "0" * 64},
        {"X-Practice-Signature": "café"},
        signed(BODY, secret="other"),
        signed(b'{"type":"ping"}'),
    ],
)
def test_what_is_not_signed_is_refused_and_leaves_nothing(
    door: Door, headers: dict[str, str]
) -> None:
    before = door.writes()

    assert door.knock(headers=headers).status == 401
    assert (door.writes(), door.count()) == (before, 0)


def test_two_signatures_are_none(door: Door) -> None:
    headers = signed(BODY)
    twice = {"HTTP_x_practice_signature": headers["X-Practice-Signature"]}

    assert door.knock(headers=headers, environ=twice).status == 401
    assert door.count() == 0


def test_a_refusal_is_logged_by_its_reason_alone(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    door.knock(b'{"email": "ana@mail.example"}', {"X-Practice-Signature": "d34d" * 16})

    (record,) = [r for r in caplog.records if r.name == "makegood.intake"]
    assert record.getMessage() == (f"intake.refused installation={SHOP} reason=wrong signature")


# --- sizes and forms ------------------------------------------------------------------------------


def test_too_large_a_body_is_refused_by_its_declared_length(door: Door) -> None:
    before = door.writes()
    assert door.knock(b"", {}, environ={"CONTENT_LENGTH": str(MAX_BODY + 1)}).status == 413
    assert door.writes() == before


def test_too_large_a_body_is_refused_without_a_length(door: Door) -> None:
    body = b" " * (MAX_BODY + 1)
    chunked = {"CONTENT_LENGTH": None, "wsgi.input_terminated": True}

    assert door.knock(body, environ=chunked).status == 413
    assert door.count() == 0


def test_a_body_in_chunks_of_the_largest_size_is_taken(door: Door) -> None:
    body = BODY + b" " * (MAX_BODY - len(BODY))
    chunked = {"CONTENT_LENGTH": None, "wsgi.input_terminated": True}

    assert door.knock(body, environ=chunked).status == 200
    assert len(door.kept()[0].body) == MAX_BODY


def test_what_was_cut_short_on_its_way_is_not_what_was_signed(door: Door) -> None:
    whole = str(len(BODY))
    assert door.knock(BODY[:-1], signed(BODY), environ={"CONTENT_LENGTH": whole}).status == 401
    assert door.count() == 0


def test_compressed_bodies_are_refused(door: Door) -> None:
    """What was signed and what would be read could differ, and a bomb could be inside."""
    assert door.knock(headers=signed(BODY) | {"Content-Encoding": "gzip"}).status == 415
    assert door.knock(headers=signed(BODY) | {"Content-Encoding": "IDENTITY"}).status == 200
    assert door.count() == 1


# --- wrong addresses ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place",
    [
        f"/webhooks/stripe/{SHOP}",
        "/webhooks/practice/nobody",
        "/webhooks/practice/" + "x" * 65,
        "/webhooks/practice/\u00e9",
        "/webhooks/practice/a b",
        f"/webhooks/practice/{SHOP}/more",
        "/webhooks/practice",
    ],
)
def test_other_addresses_are_not_known(door: Door, place: str) -> None:
    assert door.knock(place=place).status == 404
    assert door.count() == 0


def test_an_account_that_was_removed_is_not_known(door: Door) -> None:
    door.connect(a_shop("gone", status=InstallationStatus.REMOVED))

    assert door.knock(place="/webhooks/practice/gone").status == 404
    assert door.count() == 0


def test_a_platform_that_declares_no_webhook_is_not_known(door: Door) -> None:
    door.connect(a_shop("desk", kind="helpdesk"))

    assert door.knock(place="/webhooks/practice/desk").status == 404


def test_a_platform_whose_files_are_gone_is_not_known(door: Door) -> None:
    door.connect(a_shop("orphan", platform="no_more"))

    assert door.knock(place="/webhooks/no_more/orphan").status == 404


def test_a_platform_that_does_not_sign_is_refused(door: Door, tmp_path: Path) -> None:
    unsigned = {"signature": None, "trust": "unsigned"}
    door.know(registry_with(tmp_path / "unsigned", unsigned))

    assert door.knock().status == 404
    assert door.count() == 0


def test_other_methods_are_refused(door: Door) -> None:
    assert door.knock(environ={"REQUEST_METHOD": "GET"}).status == 405


# --- troubles of ours: ask for a repeat -----------------------------------------------------------


def test_a_locked_database_asks_for_a_repeat(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    with door.site.storage.begin(TENANT.id):
        answer = door.knock(b'{"email": "ana@mail.example"}')

    assert (answer.status, answer.headers["Retry-After"]) == (503, "30")
    assert "intake.database_failed" in caplog.text
    assert "ana@mail.example" not in caplog.text
    assert door.knock().status == 200


def test_missing_keys_ask_for_a_repeat(door: Door) -> None:
    elsewhere = SqlStorage(door.site.parts.house.engine, Keyring([Fernet.generate_key().decode()]))
    with elsewhere.begin(TENANT.id) as uow:
        uow.installations.add(a_shop("sealed"))
        uow.commit()

    answer = door.knock(place="/webhooks/practice/sealed")

    assert (answer.status, answer.headers["Retry-After"]) == (503, "300")


def test_a_broken_manifest_asks_for_a_repeat(door: Door, tmp_path: Path) -> None:
    door.know(registry_with(tmp_path / "broken", {"trust": "hearsay"}))

    assert door.knock().status == 503
    assert door.count() == 0


def registry_with(root: Path, webhooks: dict[str, Any]) -> Registry:
    """The declared platforms, but for what the practice shop says about its webhooks."""
    shutil.copytree(DataFiles().manifests(), root)
    file = root / "stores" / "practice" / "platform.json"
    told = json.loads(file.read_text("utf-8"))
    told["webhooks"] |= webhooks
    file.write_text(json.dumps(told), "utf-8")
    return Registry([root])


# --- anything at all ------------------------------------------------------------------------------


@pytest.fixture
def connected_to(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """Every address that anything tries to reach."""
    tried: list[object] = []

    def connect(_self: socket.socket, address: object) -> None:
        tried.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect)
    yield tried
    monkeypatch.undo()


def test_no_bytes_break_the_door_write_unsigned_or_call_out(
    door: Door, connected_to: list[object]
) -> None:
    fuzz = Fuzz(random.Random(20261122))
    seen: Counter[tuple[bool, int]] = Counter()
    names: set[str] = set()
    for number in range(CASES):
        before = door.writes()
        case = fuzz.case(number)
        answer = case.knock(door)
        seen[case.is_signed, answer.status] += 1
        assert answer.status < 500, case
        if answer.status == 200 and case.is_post:
            assert case.is_signed, case
            names.add(case.name)
        else:
            assert door.writes() == before, case

    assert connected_to == []
    assert door.count() == len(names)
    # The cases reach what they are meant to reach.
    assert seen[True, 200] > CASES / 3
    assert {status for is_signed, status in seen if not is_signed} >= {401, 404, 405, 413, 415}


class Case:
    """One call: `environ` as a server might hand it over."""

    def __init__(self, environ: dict[str, object], body: bytes, name: str, signed_: bool) -> None:
        self.environ = environ
        self.body = body
        self.name = name
        self.is_signed = signed_

    @property
    def is_post(self) -> bool:
        return self.environ.get("REQUEST_METHOD", "POST") == "POST"

    def __repr__(self) -> str:
        return f"Case({self.environ!r}, {self.body[:200]!r}, signed={self.is_signed})"

    def knock(self, door: Door) -> Answer:
        return call_wsgi(door.app, self.environ, self.body)


class Fuzz:
    """Odd bytes, odd headers, odd addresses; seven of ten rightly signed."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def case(self, number: int) -> Case:
        body = self._body()
        name = f"n-{number}"
        environ: dict[str, object] = {"PATH_INFO": PLACE, "CONTENT_LENGTH": str(len(body))}
        for _ in range(self.chance.choice((0, 0, 1, 3, 20))):
            environ[f"HTTP_{self._word(12).upper()}"] = self._text(40)
        is_signed = self.chance.random() < 0.7
        headers = signed(body, name) if is_signed else self._false_headers(body)
        environ |= {f"HTTP_{k.upper().replace('-', '_')}": v for k, v in headers.items()}
        if self.chance.random() < (0.2 if is_signed else 0.6):
            environ |= self._odd_environ()
        return Case(environ, body, name, is_signed)

    def _false_headers(self, body: bytes) -> dict[str, str]:
        right = signed(body)["X-Practice-Signature"]
        wrong = (
            self._text(64),
            right[:-1],
            right + "0",
            right[:-1] + ("0" if right[-1] != "0" else "1"),
            f"{right}\n",
            f"sha256={right}",
            signed(body, secret="")["X-Practice-Signature"],
            "",
        )
        return {"X-Practice-Signature": self.chance.choice(wrong), "X-Practice-Delivery": "false"}

    def _odd_environ(self) -> dict[str, object]:
        odd: tuple[dict[str, object], ...] = (
            {"CONTENT_LENGTH": self.chance.choice(("", "-1", "abc", "1e3", "\u0663", "9" * 30))},
            {"CONTENT_LENGTH": None},
            {"CONTENT_LENGTH": None, "wsgi.input_terminated": True},
            {"CONTENT_LENGTH": str(self.chance.randrange(MAX_BODY * 2))},
            {"CONTENT_LENGTH": None, "HTTP_TRANSFER_ENCODING": "chunked"},
            {"HTTP_CONTENT_ENCODING": self.chance.choice(("gzip", "identity", self._text(9)))},
            {"CONTENT_TYPE": self._text(50)},
            {"CONTENT_TYPE": "multipart/form-data; boundary=x"},
            {"REQUEST_METHOD": self.chance.choice(("GET", "PUT", "HEAD", "OPTIONS", "B\u00e9"))},
            {"PATH_INFO": f"/webhooks/{self._text(8)}/{self._text(40)}"},
            {"PATH_INFO": PLACE + self._text(3)},
            {"PATH_INFO": f"/webhooks/practice/{'x' * self.chance.randrange(5000)}"},
            {"PATH_INFO": "/webhooks/practice/\xff\xfe\x00%00"},
            {"QUERY_STRING": self._text(100)},
            {"HTTP_HOST": self._text(20)},
            {"HTTP_COOKIE": self._text(200)},
            {"SERVER_PROTOCOL": "HTTP/1.0", "HTTP_EXPECT": "100-continue"},
            {"wsgi.input": io.BytesIO(b"x" * self.chance.randrange(50)), "CONTENT_LENGTH": "50"},
            {"wsgi.input": io.BytesIO(b" " * (MAX_BODY + 9)), "wsgi.input_terminated": True},
        )
        return self.chance.choice(odd)

    def _body(self) -> bytes:
        kind = self.chance.randrange(6)
        if kind == 0:
            return self.chance.randbytes(self.chance.randrange(200))
        if kind == 1:
            depth = self.chance.choice((3, 300, 20_000))
            return self.chance.choice((b"[", b'{"a":')) * depth
        whole = bytearray(json.dumps(self._value(3)).encode())
        if kind == 2:
            for _ in range(self.chance.randrange(1, 4)):
                whole[self.chance.randrange(len(whole))] = self.chance.randrange(256)
        if kind == 3:
            return b'{"type": "' + self._text(30).encode("latin-1") + b'", "a": NaN}'
        return bytes(whole)

    def _value(self, depth: int) -> object:
        kinds = self.chance.randrange(8 if depth else 5)
        if kinds == 0:
            return self._text(12)
        if kinds == 1:
            return self.chance.choice((None, True, 0, -1, 10**30, 1e308, -0.0))
        if kinds <= 4:
            return self.chance.choice(("ping", "sale.made", "\ud800", "\x00", "type"))
        if kinds == 5:
            return [self._value(depth - 1) for _ in range(self.chance.randrange(4))]
        keys = ("type", "at", "order", "email", self._text(5))
        return {self.chance.choice(keys): self._value(depth - 1) for _ in range(4)}

    def _word(self, longest: int) -> str:
        letters = "abcdefghijklmnopqrstuvwxyz_0123456789"
        return "".join(self.chance.choices(letters, k=self.chance.randrange(1, longest)))

    def _text(self, longest: int) -> str:
        """Bytes as WSGI shows them."""
        return self.chance.randbytes(self.chance.randrange(longest)).decode("latin-1")
