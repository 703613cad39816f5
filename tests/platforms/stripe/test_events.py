"""Stripe's events become our words: recordings, the vendor's own fixtures, every odd one out."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import stripe

from plugin.domain.events import (
    AccountClosed,
    DisputeNews,
    PaymentRefunded,
    StoreEvent,
    SubscriptionNews,
    TestDelivery,
    Unrecognised,
)
from plugin.domain.money import Money
from plugin.domain.orders import DisputeStage, PaymentRef, RefundStage
from plugin.platforms.strict_json import JsonValue, Malformed, read_json
from plugin.stores.stripe.account import manifest
from tests.contracts.webhook import (
    INSTALLATION,
    RECEIVED,
    Recording,
    WebhookContract,
    WebhookSource,
)
from tests.platforms.stripe.hooks import sign
from tests.platforms.stripe.shapes import example
from webhooks.delivery import Delivery
from webhooks.signatures import Verified, verify
from webhooks.stores.stripe import TOPICS, WIRE, parse

_FOLDER = Path(__file__).parent / "recordings"
_AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def _renamed(recording: Recording, topic: str) -> tuple[Delivery, JsonValue]:
    told = json.loads(recording.body)
    body = json.dumps({**told, "type": topic}).encode()
    return recording.delivery(body), read_json(body)


class TestWebhooks(WebhookContract):
    @pytest.fixture
    def source(self) -> WebhookSource:
        declared = manifest().webhooks
        assert declared is not None
        return WebhookSource(
            webhooks=declared,
            parse=parse,
            secret=b"whsec_recorded",
            recordings=tuple(Recording.read(path) for path in sorted(_FOLDER.glob("*.json"))),
            rename_topic=_renamed,
        )


def _parsed(topic: str, thing: object, **more: object) -> list[StoreEvent]:
    """What an event built by Stripe's own library says after its way through our reader."""
    told = {
        "id": "evt_1",
        "object": "event",
        "api_version": "2025-02-24.acacia",
        "created": int(_AT.timestamp()),
        "data": {"object": thing},
        "livemode": False,
        "type": topic,
        **more,
    }
    body = json.dumps(told)
    now = int(time.time())  # the library reads the clock by itself
    event = stripe.Webhook.construct_event(body, sign(body.encode(), "whsec_1", now), "whsec_1")
    raw = str(event).encode()
    delivery = Delivery(raw, {}, RECEIVED)
    return parse(delivery, INSTALLATION, read_json(raw))


def _one(topic: str, thing: object, **more: object) -> StoreEvent:
    [event] = _parsed(topic, thing, **more)
    return event


def _a_refund(**changed: object) -> dict[str, Any]:
    refund = {
        "id": "re_1",
        "object": "refund",
        "amount": 1500,
        "charge": "ch_1",
        "created": 1795300000,
        "currency": "eur",
        "metadata": {},
        "payment_intent": "pi_1",
        "status": "succeeded",
    }
    return {**refund, **changed}


def test_every_declared_topic_is_read_and_the_amounts_are_written_as_declared() -> None:
    declared = manifest()
    assert declared.webhooks is not None
    assert set(declared.webhooks.topics) <= TOPICS
    assert declared.money.wire == WIRE


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("pending", RefundStage.PENDING),
        ("requires_action", RefundStage.PENDING),
        ("succeeded", RefundStage.SUCCEEDED),
        ("failed", RefundStage.FAILED),
        ("canceled", RefundStage.FAILED),
    ],
)
@pytest.mark.parametrize(
    "topic", ["refund.created", "refund.updated", "refund.failed", "charge.refund.updated"]
)
def test_all_events_of_one_refund_say_the_same(topic: str, status: str, state: RefundStage) -> None:
    assert _one(topic, _a_refund(status=status)) == PaymentRefunded(
        payment=PaymentRef(INSTALLATION, "ch_1"),
        refund="re_1",
        amount=Money(1500, "EUR"),
        state=state,
        at=_AT,
    )


def test_our_own_refund_is_known_by_its_reference() -> None:
    ours = {"makegood_refund": "abc", "makegood_key": "mg-abc-a1"}
    event = _one("refund.created", _a_refund(metadata=ours))
    assert isinstance(event, PaymentRefunded)
    assert event.reference == "mg-abc-a1"


def test_a_failed_refund_says_why() -> None:
    event = _one("refund.failed", _a_refund(status="failed", failure_reason="declined"))
    assert isinstance(event, PaymentRefunded)
    assert event.reason == "declined"


def test_a_refund_without_a_charge_belongs_to_its_payment_intent() -> None:
    event = _one("refund.created", _a_refund(charge=None))
    assert isinstance(event, PaymentRefunded)
    assert event.payment == PaymentRef(INSTALLATION, "pi_1")


def test_a_refund_of_no_payment_is_kept_unrecognised() -> None:
    lone = _a_refund(charge=None, payment_intent=None)
    assert _one("refund.created", lone) == Unrecognised("refund.created: payment")


@pytest.mark.parametrize("status", [None, "on_the_moon"])
def test_a_refund_status_without_a_word_is_kept_unrecognised(status: str | None) -> None:
    event = _one("refund.updated", _a_refund(status=status))
    assert event == Unrecognised("refund.updated: status")


def test_yen_have_no_decimals_and_kronur_of_iceland_are_sent_with_two() -> None:
    yen = _one("refund.created", _a_refund(currency="jpy"))
    kronur = _one("refund.created", _a_refund(currency="isk"))
    assert isinstance(yen, PaymentRefunded)
    assert isinstance(kronur, PaymentRefunded)
    assert yen.amount == Money(1500, "JPY")
    assert kronur.amount == Money(15, "ISK")


@pytest.mark.parametrize(
    "changed",
    [
        {"currency": "lyd"},
        {"currency": "isk", "amount": 1501},
        {"currency": "euros"},
        {"amount": 12.5},
        {"amount": "1500"},
        {"id": None},
        {"charge": {"id": "ch_1"}},
    ],
)
def test_a_refund_that_cannot_be_read_exactly_is_malformed(changed: dict[str, object]) -> None:
    with pytest.raises(Malformed, match=r"data\.object"):
        _parsed("refund.created", _a_refund(**changed))


@pytest.mark.parametrize("created", [-(10**12), 10**15])
def test_a_time_no_calendar_has_is_malformed(created: int) -> None:
    with pytest.raises(Malformed):
        _parsed("refund.created", _a_refund(), created=created)


def test_a_refunded_charge_tells_of_each_refund_it_lists() -> None:
    listed = [_a_refund(id="re_2", amount=3400, created=1795300900), _a_refund()]
    charge = {"id": "ch_1", "refunded": True, "refunds": {"data": listed}}
    events = _parsed("charge.refunded", charge)
    assert [
        (event.refund, event.amount.minor, int(event.at.timestamp()), event.whole)
        for event in events
        if isinstance(event, PaymentRefunded)
    ] == [("re_2", 3400, 1795300900, True), ("re_1", 1500, 1795300000, True)]


def test_a_partly_refunded_charge_is_not_whole() -> None:
    charge = {"id": "ch_1", "refunded": False, "refunds": {"data": [_a_refund()]}}
    event = _one("charge.refunded", charge)
    assert isinstance(event, PaymentRefunded)
    assert not event.whole


@pytest.mark.parametrize("refunds", [{}, {"refunds": None}])
def test_a_refunded_charge_that_lists_nothing_is_told_by_refund_created(
    refunds: dict[str, object],
) -> None:
    assert _parsed("charge.refunded", {"id": "ch_1", "refunded": True, **refunds}) == []


def _a_dispute(status: str, **changed: object) -> dict[str, Any]:
    dispute = {"id": "dp_1", "amount": 4900, "currency": "eur", "charge": "ch_1", "status": status}
    return {**dispute, **changed}


@pytest.mark.parametrize(
    ("topic", "status", "state"),
    [
        ("charge.dispute.created", "needs_response", DisputeStage.OPEN),
        ("charge.dispute.updated", "under_review", DisputeStage.OPEN),
        ("charge.dispute.funds_withdrawn", "needs_response", DisputeStage.OPEN),
        ("charge.dispute.closed", "lost", DisputeStage.LOST),
        ("charge.dispute.closed", "won", DisputeStage.WON),
        ("charge.dispute.closed", "prevented", DisputeStage.WON),
        ("charge.dispute.funds_reinstated", "won", DisputeStage.WON),
    ],
)
def test_a_dispute_is_open_won_or_lost(topic: str, status: str, state: DisputeStage) -> None:
    assert _one(topic, _a_dispute(status)) == DisputeNews(
        payment=PaymentRef(INSTALLATION, "ch_1"),
        dispute="dp_1",
        amount=Money(4900, "EUR"),
        state=state,
        at=_AT,
    )


def test_a_dispute_without_a_charge_belongs_to_its_payment_intent() -> None:
    event = _one("charge.dispute.closed", _a_dispute("lost", charge=None, payment_intent="pi_1"))
    assert isinstance(event, DisputeNews)
    assert event.payment.ref == "pi_1"


@pytest.mark.parametrize(
    ("topic", "status"),
    [
        ("charge.dispute.created", "warning_needs_response"),
        ("charge.dispute.updated", "warning_under_review"),
        ("charge.dispute.closed", "warning_closed"),
    ],
)
def test_an_inquiry_is_no_dispute_and_says_nothing(topic: str, status: str) -> None:
    assert _parsed(topic, _a_dispute(status)) == []


def test_a_dispute_status_without_a_word_is_kept_unrecognised() -> None:
    event = _one("charge.dispute.created", _a_dispute("on_the_moon"))
    assert event == Unrecognised("charge.dispute.created: on_the_moon")


@pytest.mark.parametrize(
    ("changed", "ended", "ends_at"),
    [
        ({"status": "active"}, False, None),
        ({"status": "active", "cancel_at": 1796000000}, False, 1796000000),
        (
            {"status": "active", "cancel_at_period_end": True, "current_period_end": 1796000001},
            False,
            1796000001,
        ),
        (
            {
                "status": "active",
                "cancel_at_period_end": True,
                "items": {
                    "data": [
                        {"current_period_end": 1796000003},
                        {"current_period_end": 1796000002},
                        {},
                    ]
                },
            },
            False,
            1796000002,
        ),
        ({"status": "active", "cancel_at_period_end": True}, False, None),
        ({"status": "canceled", "ended_at": 1796000004, "cancel_at": 1}, True, 1796000004),
        ({"status": "incomplete_expired"}, True, None),
    ],
)
def test_a_subscription_tells_when_it_ends(
    changed: dict[str, object], *, ended: bool, ends_at: int | None
) -> None:
    event = _one("customer.subscription.updated", {"id": "sub_1", "customer": "cus_1", **changed})
    assert event == SubscriptionNews(
        installation=INSTALLATION,
        subscription="sub_1",
        email="",
        ended=ended,
        ends_at=None if ends_at is None else datetime.fromtimestamp(ends_at, UTC),
        at=_AT,
    )


def test_losing_our_rights_closes_the_account() -> None:
    told = _one("account.application.deauthorized", {"id": "ca_1", "object": "application"})
    assert told == AccountClosed(_AT)


def test_a_ping_is_a_test_delivery() -> None:
    raw = b'{"id":"evt_1","object":"v2.core.event","type":"v2.core.event_destination.ping"}'
    assert parse(Delivery(raw, {}, RECEIVED), INSTALLATION, read_json(raw)) == [TestDelivery()]


@pytest.mark.parametrize("topic", ["invoice.paid", "charge.succeeded", "REFUND.CREATED"])
def test_other_topics_are_kept_unrecognised(topic: str) -> None:
    assert _one(topic, {"id": "x_1"}) == Unrecognised(topic)


@pytest.mark.parametrize("body", [[], {}, {"type": 1}, None, {"type": "refund.created"}])
def test_a_body_that_is_no_event_is_malformed(body: JsonValue) -> None:
    with pytest.raises(Malformed):
        parse(Delivery(b"", {}, RECEIVED), INSTALLATION, body)


@pytest.mark.parametrize(
    ("topic", "kind", "means"),
    [
        ("refund.created", "refund", PaymentRefunded),
        ("customer.subscription.updated", "subscription", SubscriptionNews),
        ("invoice.paid", "invoice", Unrecognised),
    ],
)
def test_the_vendors_own_examples_are_understood(topic: str, kind: str, means: type) -> None:
    assert isinstance(_one(topic, example(kind)), means)


def test_the_vendors_own_dispute_is_an_inquiry_until_the_bank_disputes() -> None:
    dispute = example("dispute")
    assert _parsed("charge.dispute.created", dispute) == []
    event = _one("charge.dispute.updated", dispute | {"status": "needs_response"})
    assert isinstance(event, DisputeNews)


def test_the_vendors_own_charge_with_its_refund_is_understood() -> None:
    charge, refund = example("charge"), example("refund")
    charge["refunds"]["data"] = [refund]
    event = _one("charge.refunded", charge)
    assert isinstance(event, PaymentRefunded)
    assert (event.refund, event.payment.ref) == (refund["id"], charge["id"])


def test_a_signature_by_stripes_library_is_ours_too() -> None:
    declared = manifest().webhooks
    assert declared is not None
    assert declared.signature is not None
    body, at = b'{"type":"refund.created"}', int(RECEIVED.timestamp())
    mac = stripe.WebhookSignature._compute_signature(f"{at}.{body.decode()}", "whsec_1")
    delivery = Delivery(body, {"stripe-signature": f"t={at},v1={mac},v0={mac}"}, RECEIVED)
    assert verify(declared.signature, delivery, [b"whsec_1"], RECEIVED) == Verified(0, RECEIVED)
