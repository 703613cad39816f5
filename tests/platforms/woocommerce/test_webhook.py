"""A shop's order webhook: the contract, refunds in either order, hostile bodies."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, get_args

import pytest

from plugin.domain.events import PaymentRefunded, SaleMade, StoreEvent, Unrecognised
from plugin.domain.money import Money
from plugin.domain.orders import PaymentRef, RefundRoute
from plugin.platforms.strict_json import JsonValue, Malformed, read_json
from plugin.stores.woocommerce.account import manifest
from plugin.stores.woocommerce.store import OF_SUBSCRIPTIONS, TOPIC
from tests.contracts.webhook import (
    INSTALLATION,
    RECEIVED,
    Recording,
    WebhookContract,
    WebhookSource,
)
from tests.platforms.woocommerce.books import Books
from tests.platforms.woocommerce.fake import NOW
from webhooks.delivery import Delivery
from webhooks.signatures import Verified, verify
from webhooks.stores.woocommerce import TOPICS, parse

_FOLDER = Path(__file__).parent / "recordings"
_TOPIC = "X-WC-Webhook-Topic"
_SIGNATURE = "X-WC-Webhook-Signature"
_SECRET = b"secret0recorded"
# printf '{"id":727,"total":"29.35"}' | openssl dgst -sha256 -hmac secret0recorded -binary | base64
_KNOWN_BODY = b'{"id":727,"total":"29.35"}'
_KNOWN_ANSWER = "nIQp0NfEYxgdaWTbkELsdpqnjLxVIwRP/AW0ZT8zzHc="


def _renamed(recording: Recording, topic: str) -> tuple[Delivery, JsonValue]:
    return recording.delivery(headers={_TOPIC: topic}), read_json(recording.body)


def _recordings() -> tuple[Recording, ...]:
    return tuple(Recording.read(path) for path in sorted(_FOLDER.glob("*.json")))


class TestWebhooks(WebhookContract):
    @pytest.fixture
    def source(self) -> WebhookSource:
        declared = manifest().webhooks
        assert declared is not None
        return WebhookSource(
            webhooks=declared,
            parse=parse,
            secret=_SECRET,
            recordings=_recordings(),
            rename_topic=_renamed,
            attempt_header="X-WC-Webhook-Delivery-ID",
        )


def _accepted(body: bytes, headers: dict[str, str], *secrets: bytes) -> bool:
    declared = manifest().webhooks
    assert declared is not None
    assert declared.signature is not None
    delivery = Delivery.from_headers(headers.items(), body, RECEIVED)
    return isinstance(verify(declared.signature, delivery, secrets, RECEIVED), Verified)


def test_a_signature_that_another_program_made_is_accepted() -> None:
    assert _accepted(_KNOWN_BODY, {_SIGNATURE: _KNOWN_ANSWER}, _SECRET)


@pytest.mark.parametrize(
    ("body", "headers", "secret"),
    [
        (_KNOWN_BODY + b" ", {_SIGNATURE: _KNOWN_ANSWER}, _SECRET),
        (_KNOWN_BODY, {_SIGNATURE: _KNOWN_ANSWER}, b"secret1recorded"),
        (_KNOWN_BODY, {_SIGNATURE: _KNOWN_ANSWER}, b""),
        (_KNOWN_BODY, {_SIGNATURE: ""}, _SECRET),
        (_KNOWN_BODY, {_SIGNATURE: _KNOWN_ANSWER.rstrip("=")}, _SECRET),
        (_KNOWN_BODY, {_SIGNATURE: _KNOWN_ANSWER.swapcase()}, _SECRET),
        (_KNOWN_BODY, {}, _SECRET),
    ],
)
def test_anything_else_is_refused(body: bytes, headers: dict[str, str], secret: bytes) -> None:
    assert not _accepted(body, headers, secret)


def test_the_topics_asked_for_are_those_that_are_declared_and_read() -> None:
    declared = manifest().webhooks
    assert declared is not None
    assert {TOPIC, *OF_SUBSCRIPTIONS} == TOPICS == set(declared.topics)


def _parsed(body: JsonValue, headers: dict[str, str] | None = None) -> list[StoreEvent]:
    raw = json.dumps(body).encode()
    folded = {name.lower(): value for name, value in (headers or {}).items()}
    return parse(Delivery(raw, folded, RECEIVED), INSTALLATION, read_json(raw))


@pytest.fixture
def books() -> Books:
    return Books(NOW.replace(tzinfo=None))


def test_a_paid_order_is_a_sale_and_says_no_refund(books: Books) -> None:
    order = books.sell(("10.00", "1.90"), ("20.00", "3.80"))
    [event] = _parsed(books.told(order["id"]))
    assert isinstance(event, SaleMade)
    assert [line.paid for line in event.order.lines] == [Money(1190, "EUR"), Money(2380, "EUR")]
    assert event.order.lines[0].title == "A & B – Course"
    assert event.order.payments[0].route is RefundRoute.BY_API


def test_an_order_that_was_not_paid_says_nothing(books: Books) -> None:
    order = books.sell(("10.00", "0"), paid=False)
    assert _parsed(books.told(order["id"])) == []
    paid = books.sell(("10.00", "0"), status="trash")
    assert _parsed(books.told(paid["id"])) == []


@pytest.mark.parametrize("newest_first", [True, False])
def test_refunds_say_the_same_in_either_order_of_the_list(
    books: Books, *, newest_first: bool
) -> None:
    books.newest_first = newest_first
    order = books.sell(("30.00", "0"))
    books.refund(order["id"], {"amount": "10.00", "reason": "Refund mg-abc-a2 (part)"})
    books.refund(order["id"], {"amount": "20.00", "reason": "xmg-abc-a2"})
    _, *events = _parsed(books.told(order["id"]))
    told = [
        (event.refund, event.amount.minor, event.reference, event.whole)
        for event in events
        if isinstance(event, PaymentRefunded)
    ]
    first, second = sorted(row["id"] for row in books.refunds[order["id"]])
    assert told == [(str(first), 1000, "mg-abc-a2", False), (str(second), 2000, None, True)]
    assert {event.payment for event in events if isinstance(event, PaymentRefunded)} == {
        PaymentRef(INSTALLATION, str(order["id"]))
    }


def test_a_body_without_a_topic_is_an_order_and_another_topic_is_kept(books: Books) -> None:
    order = books.told(books.sell(("10.00", "0"))["id"])
    assert _parsed(order) == _parsed(order, {_TOPIC: TOPIC})
    assert _parsed(order, {_TOPIC: "order.deleted"}) == [Unrecognised("order.deleted")]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", None),
        ("id", []),
        ("total", "1e3"),
        ("total", "١٢.00"),
        ("total", 10),
        ("total", "9" * 14),
        ("currency", "eur"),
        ("currency", "EURO"),
        ("date_paid_gmt", "2026-13-01T00:00:00"),
        ("date_paid_gmt", "2026-11-22"),
        ("date_modified_gmt", None),
        ("refunds", None),
        ("refunds", [{"id": "7", "total": "-1.00"}]),
        ("refunds", [{"id": 7, "total": "-9" * 20}]),
        ("refunds", [{"id": 7, "total": "-9999999999999"}] * 2),
        ("line_items", [None]),
        ("line_items", "none"),
        ("billing", "x"),
        ("meta_data", [{"key": "_subscription_renewal"}]),
    ],
)
def test_what_is_no_order_is_malformed(books: Books, field: str, value: JsonValue) -> None:
    order = books.told(books.sell(("10.00", "0"))["id"])
    with pytest.raises(Malformed):
        _parsed({**order, field: value})


def test_an_amount_larger_than_any_order_is_malformed(books: Books) -> None:
    order = books.told(books.sell(("10.00", "0"))["id"])
    with pytest.raises(Malformed, match="total"):
        _parsed({**order, "currency": "KWD", "total": "9" * 13})


_ODD: list[Any] = [None, True, 0, -1, 2**62, 1.5, "", "x", "-0", "9" * 13, "0.00000001", [], {}]


def _places(value: JsonValue, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    inner = enumerate(value) if isinstance(value, list) else ()
    if isinstance(value, dict):
        for key in value:
            yield from _places(value[key], (*path, key))
    for index, one in inner:
        yield from _places(one, (*path, index))


def test_thousands_of_changed_bodies_give_events_or_are_malformed() -> None:
    """Every place of every recording holds every odd value once; then two places at a time."""
    chance, tried = random.Random(7), 0
    for recording in _recordings():
        body = read_json(recording.body)
        places = [path for path in _places(body) if path]
        changes = [[(path, odd)] for path in places for odd in _ODD]
        changes += [
            [(chance.choice(places), chance.choice(_ODD)) for _ in range(2)] for _ in range(300)
        ]
        for change in changes:
            tried += 1
            changed = deepcopy(body)
            for path, odd in change:
                _put(changed, path, odd)
            try:
                events = _parsed(changed, {_TOPIC: recording.headers[_TOPIC]})
            except Malformed:
                continue
            assert all(isinstance(event, get_args(StoreEvent)) for event in events)
    assert tried > 3000


def _put(body: Any, path: tuple[Any, ...], value: Any) -> None:  # noqa: ANN401 - any JSON
    for step in path[:-1]:
        try:
            body = body[step]
        except (KeyError, IndexError, TypeError):
            return  # an earlier change took the place away
    if isinstance(body, dict | list):
        body[path[-1]] = value
