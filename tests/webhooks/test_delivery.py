"""A delivery keeps what came, refuses doubled headers, and can be told from its repeats."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.delivery import Delivery, DuplicateHeader

_NOW = datetime(2026, 11, 22, 6, 30, tzinfo=UTC)


def _delivery(*pairs: tuple[str, str], body: bytes = b"{}") -> Delivery:
    return Delivery.from_headers(pairs, body, _NOW)


def test_headers_are_found_in_any_case_and_keep_their_value() -> None:
    delivery = _delivery(("X-Event", " Sale é "), ("X-Two", "2"))
    assert delivery.headers == {"x-event": " Sale é ", "x-two": "2"}
    assert delivery.header("X-EVENT") == " Sale é "
    assert delivery.header("X-Absent") is None


@pytest.mark.parametrize("second", ["X-Signature", "x-signature", "X_Signature"])
def test_a_doubled_header_is_refused_by_name_only(second: str) -> None:
    with pytest.raises(DuplicateHeader) as refusal:
        _delivery(("X-Signature", "secret-a"), (second, "secret-a"))
    assert refusal.value.name == "x-signature"
    assert "secret" not in str(refusal.value)


def test_lists_that_proxies_repeat_are_joined_in_order() -> None:
    delivery = _delivery(("Via", "1.1 a"), ("VIA", "1.1 b"), ("via", "1.1 c"))
    assert delivery.header("via") == "1.1 a, 1.1 b, 1.1 c"


def test_the_headers_cannot_be_changed_afterwards() -> None:
    given_headers = {"x-event": "a"}
    delivery = Delivery(b"", given_headers, _NOW)
    given_headers["x-event"] = "b"
    assert delivery.header("x-event") == "a"
    with pytest.raises(TypeError):
        delivery.headers["x-event"] = "c"  # type: ignore[index]  # the refusal is what is tested


@pytest.mark.parametrize(
    "received_at",
    [datetime(2026, 1, 1), _NOW.astimezone(timezone(timedelta(hours=1)))],  # noqa: DTZ001 - a naive time is what is refused
)
def test_the_time_must_be_utc(received_at: datetime) -> None:
    with pytest.raises(ValueError, match="UTC"):
        Delivery(b"", {}, received_at)


@pytest.mark.parametrize("name", ["X-Event", "x_event"])
def test_header_names_that_were_not_folded_are_a_mistake_of_ours(name: str) -> None:
    with pytest.raises(ValueError, match="from_headers"):
        Delivery(b"", {name: "a"}, _NOW)


def test_the_digest_is_that_of_the_raw_body() -> None:
    assert _delivery(body=b"").digest() == (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
    assert _delivery(body=b"\xff\0").digest() == sha256(b"\xff\0").hexdigest()


def test_the_declared_header_is_the_delivery_id() -> None:
    delivery = _delivery(("X-Message-Id", "0193-abc"))
    assert delivery.delivery_id("X-Message-Id") == "0193-abc"


@pytest.mark.parametrize("value", ["", "a b", "é", "a\n", "\0", "x" * 201])
def test_an_id_that_cannot_be_a_key_gives_way_to_the_digest(value: str) -> None:
    delivery = _delivery(("X-Message-Id", value))
    assert delivery.delivery_id("X-Message-Id") == f"sha256:{delivery.digest()}"


@pytest.mark.parametrize("header_name", [None, "X-Other"])
def test_without_a_declared_or_sent_header_the_digest_is_the_id(header_name: str | None) -> None:
    delivery = _delivery(("X-Message-Id", "0193-abc"))
    assert delivery.delivery_id(header_name) == f"sha256:{delivery.digest()}"


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "evt_1", "type": 1}',
        b'{"id":"evt_1"',  # its first field is enough: what follows is the reader's
        b'{"type": "a", "data": {"id": "no"}, "id": "evt_1"}',
        b' \n{"type": "a", "id" : "evt_1" , "list": [{"id": "no"}]}',
    ],
)
def test_a_field_of_the_body_is_the_delivery_id_wherever_it_stands(body: bytes) -> None:
    assert _delivery(body=body).delivery_id(None, "id") == "evt_1"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b'["id", "evt_1"]',
        b'"id"',
        b"{}",
        b'{"id": null}',
        b'{"id": 1}',
        b'{"id": ["evt_1"]}',
        b'{"id": ""}',
        b'{"id": "a b"}',
        b'{"id": "\\u00e9"}',
        b'{"data": {"id": "evt_1"}}',
        b'{"a": 1, "id": "evt_1", "id": "evt_2"}',
        b'{"a": 1, "id": "%s"}' % (b"x" * 201),
    ],
)
def test_a_body_that_names_no_delivery_is_known_by_its_digest(body: bytes) -> None:
    delivery = _delivery(body=body)
    assert delivery.delivery_id(None, "id") == f"sha256:{delivery.digest()}"


@given(st.lists(st.tuples(st.text(max_size=6), st.text(max_size=6)), max_size=6), st.binary())
def test_random_headers_give_a_delivery_or_the_one_error(
    pairs: list[tuple[str, str]], body: bytes
) -> None:
    try:
        delivery = Delivery.from_headers(pairs, body, _NOW)
    except DuplicateHeader:
        return
    assert delivery.body == body
    assert all(delivery.delivery_id(name) for name, _ in pairs)
    assert delivery.delivery_id(None, "id")
