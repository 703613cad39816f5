"""Saleor's deliveries: the webhook contract, and what each of them means."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from plugin.domain.events import AccountClosed, PaymentRefunded, SaleMade, StoreEvent, Unrecognised
from plugin.domain.money import Money
from plugin.domain.orders import RefundStage
from plugin.platforms.strict_json import JsonValue, Malformed, Unreadable, read_json
from plugin.stores.saleor.account import manifest
from plugin.stores.saleor.documents import ASYNC_EVENTS
from tests.contracts.webhook import (
    INSTALLATION,
    RECEIVED,
    Recording,
    WebhookContract,
    WebhookSource,
)
from tests.platforms.saleor.books import Thing
from tests.platforms.saleor.deliveries import KEYS, RECORDINGS, event_of, refunded
from tests.platforms.saleor.fake import FakeSaleor
from webhooks.delivery import Delivery
from webhooks.signatures import Rejected, RejectionReason, verify
from webhooks.stores.saleor import TOPICS, parse

_ALL = tuple(Recording.read(path) for path in sorted(RECORDINGS.glob("*.json")))


def renamed(recording: Recording, topic: str) -> tuple[Delivery, JsonValue]:
    body = read_json(recording.body)
    assert isinstance(body, dict)
    named: JsonValue = {**body, "__typename": topic}
    return recording.delivery(json.dumps(named).encode()), named


class TestWebhook(WebhookContract):
    @pytest.fixture
    def source(self) -> WebhookSource:
        webhooks = manifest().webhooks
        assert webhooks is not None
        keys = KEYS.read_bytes()
        return WebhookSource(webhooks, parse, keys, _ALL, renamed)


def said(body: Thing) -> list[StoreEvent]:
    raw = json.dumps(body).encode()
    return parse(Delivery(raw, {}, RECEIVED), INSTALLATION, read_json(raw))


def test_what_we_subscribe_to_is_what_the_manifest_and_the_parser_know() -> None:
    hooks = manifest().webhooks
    assert hooks is not None
    assert {word.lower() for word in ASYNC_EVENTS} == set(hooks.topics)
    assert {word.title().replace("_", "") for word in ASYNC_EVENTS} == TOPICS


def test_a_paid_order_is_a_sale(fake: FakeSaleor) -> None:
    order = fake.books.sell(4900)["order"]
    [event] = said(event_of(fake, "OrderFullyPaid", order=fake.books.order(order)))
    assert isinstance(event, SaleMade)
    assert event.order.captured == Money(4900, "EUR")


def test_our_own_refund_comes_back_with_our_key(fake: FakeSaleor) -> None:
    sale = fake.books.sell(4900)
    grant = refunded(fake.books, sale["id"], 1500, "mg-abc-a1")
    [event] = said(event_of(fake, "OrderRefunded", order=fake.books.order(sale["order"])))
    assert isinstance(event, PaymentRefunded)
    assert (event.refund, event.reference, event.amount) == (grant, "mg-abc-a1", Money(1500, "EUR"))
    assert (event.state, event.whole) == (RefundStage.SUCCEEDED, False)


def test_somebody_elses_reason_is_never_taken_for_our_key(fake: FakeSaleor) -> None:
    sale = fake.books.sell(4900)
    refunded(fake.books, sale["id"], 4900, "late")
    [event] = said(event_of(fake, "OrderFullyRefunded", order=fake.books.order(sale["order"])))
    assert isinstance(event, PaymentRefunded)
    assert (event.reference, event.whole) == (None, True)


def test_a_refund_that_nobody_granted_has_the_same_id_in_each_of_its_events(
    fake: FakeSaleor,
) -> None:
    sale = fake.books.sell(4900)
    seen = []
    for word in ("REQUEST", "SUCCESS", "REVERSE"):
        fake.books.tell(sale["id"], f"REFUND_{word}", 700, "psp-1")
        sold, event = said(event_of(fake, "OrderUpdated", order=fake.books.order(sale["order"])))
        assert isinstance(sold, SaleMade)
        assert isinstance(event, PaymentRefunded)
        seen.append((event.refund, event.state))
    assert seen == [
        ("psp-1", RefundStage.PENDING),
        ("psp-1", RefundStage.SUCCEEDED),
        ("psp-1", RefundStage.FAILED),
    ]


def test_a_refund_without_a_psp_reference_counts_only_once_it_is_done(fake: FakeSaleor) -> None:
    sale = fake.books.sell(4900)
    fake.books.tell(sale["id"], "REFUND_REQUEST", 700, "")
    [sold] = said(event_of(fake, "OrderUpdated", order=fake.books.order(sale["order"])))
    assert isinstance(sold, SaleMade)
    event_id = fake.books.tell(sale["id"], "REFUND_SUCCESS", 700, "")["id"]
    _, event = said(event_of(fake, "OrderUpdated", order=fake.books.order(sale["order"])))
    assert isinstance(event, PaymentRefunded)
    assert event.refund == event_id


def test_a_changed_order_is_a_sale_too_once_it_is_paid_in_full(fake: FakeSaleor) -> None:
    sale = fake.books.sell(4900)
    sale["events"].clear()
    fake.books.tell(sale["id"], "CHARGE_SUCCESS", 4899, "psp-1")
    assert said(event_of(fake, "OrderUpdated", order=fake.books.order(sale["order"]))) == []
    fake.books.tell(sale["id"], "CHARGE_SUCCESS", 1, "psp-2")
    [event] = said(event_of(fake, "OrderUpdated", order=fake.books.order(sale["order"])))
    assert isinstance(event, SaleMade)
    assert event.order.captured == Money(4900, "EUR")


def test_an_order_that_nothing_was_paid_for_says_nothing(fake: FakeSaleor) -> None:
    sale = fake.books.sell(4900)
    sale["events"].clear()
    for kind in ("OrderFullyPaid", "OrderUpdated"):
        assert said(event_of(fake, kind, order=fake.books.order(sale["order"]))) == []


def test_only_our_own_app_closes_the_account(fake: FakeSaleor) -> None:
    ours, other = {"id": "App:3"}, {"id": "App:4"}
    [event] = said(event_of(fake, "AppDeleted", app=ours, recipient=ours))
    assert isinstance(event, AccountClosed)
    [event] = said(event_of(fake, "AppDeleted", app=other, recipient=ours))
    assert event == Unrecognised("AppDeleted: another app")


def test_a_kind_that_is_no_word_is_not_repeated() -> None:
    assert said({"__typename": "<b>"}) == [Unrecognised("__typename")]


@pytest.mark.parametrize(
    "body", [{"data": {"orderRefunded": {}}}, {"__typename": "OrderUpdated", "order": None}, {}]
)
def test_another_shape_is_malformed(body: Thing) -> None:
    with pytest.raises(Malformed):
        said(body)


@pytest.mark.parametrize("at", ["yesterday", "2026-11-22T09:00:00", "0001-01-01T00:00:00+23:59"])
def test_a_time_that_is_none_is_malformed(fake: FakeSaleor, at: str) -> None:
    order = fake.books.order(fake.books.sell(4900)["order"])
    assert order is not None
    with pytest.raises(Malformed):
        said(event_of(fake, "OrderFullyPaid", order={**order, "updatedAt": at}))
    app = {"id": "App:3"}
    with pytest.raises(Malformed):
        said({**event_of(fake, "AppDeleted", app=app, recipient=app), "issuedAt": at})


@pytest.mark.parametrize(
    "change", [{"fractionDigits": 9}, {"currency": "euro"}, {"fractionalAmount": -1}]
)
def test_an_amount_that_cannot_be_is_malformed(fake: FakeSaleor, change: Thing) -> None:
    order = fake.books.order(fake.books.sell(4900)["order"])
    assert order is not None
    charged = order["transactions"][0]["chargedAmount"]
    order["transactions"][0]["chargedAmount"] = {**charged, **change}
    with pytest.raises(Malformed):
        said(event_of(fake, "OrderFullyPaid", order=order))


def test_amounts_of_two_currencies_in_one_order_are_malformed(fake: FakeSaleor) -> None:
    sale = fake.books.sell(4900)
    fake.books.charge(sale["order"], 100, "USD")
    order = fake.books.order(sale["order"])
    with pytest.raises(Malformed):
        said(event_of(fake, "OrderFullyPaid", order=order))


def test_five_thousand_changed_bodies_are_read_or_refused_in_words() -> None:
    """Bytes flipped, cut, doubled and swapped: nothing but a typed refusal may come of it."""
    chance = random.Random(20261122)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(5000):
        body = bytearray(chance.choice(_ALL).body)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(body))
            match chance.randrange(4):
                case 0:
                    body[at] = chance.randrange(256)
                case 1:
                    del body[at : at + chance.randint(1, 20)]
                case 2:
                    body[at:at] = chance.choice([b"null", b"0", b'""', b"[]", b"-9", b"1e9"])
                case _:
                    body[at:at] = body[at : at + 8]
        try:
            parse(Delivery(bytes(body), {}, RECEIVED), INSTALLATION, read_json(bytes(body)))
            outcomes["read"] += 1
        except (Malformed, Unreadable):
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 50, outcomes


def test_a_key_that_the_shop_changed_since_is_told_apart_from_a_forgery() -> None:
    hooks = manifest().webhooks
    assert hooks is not None
    assert hooks.signature is not None
    recording = replace(_ALL[0])
    keys = KEYS.read_bytes().replace(b"ZGetxu", b"Another")
    verdict = verify(hooks.signature, recording.delivery(), [keys], RECEIVED)
    assert verdict == Rejected(RejectionReason.UNKNOWN_KEY)
