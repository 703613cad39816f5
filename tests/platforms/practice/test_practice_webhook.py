"""Events of the practice store: recorded bytes, every field, and every way to be wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from plugin.domain.events import (
    DisputeNews,
    PaymentRefunded,
    SaleMade,
    SaleRefunded,
    StoreEvent,
    SubscriptionCancelled,
    TagNews,
    TestDelivery,
    Unrecognised,
)
from plugin.domain.money import Money
from plugin.domain.orders import (
    LineRef,
    OrderRef,
    PaymentRef,
    RefundRoute,
    RefundStage,
    Resource,
    ResourceKind,
    Subscription,
    SubscriptionStatus,
)
from plugin.platforms.data_files import DataFiles
from plugin.platforms.manifest_schema import read_manifest
from plugin.platforms.strict_json import JsonObject, JsonValue, Malformed, read_json
from plugin.platforms.webhook_declaration import Webhooks
from tests.contracts.webhook import (
    INSTALLATION,
    RECEIVED,
    Recording,
    WebhookContract,
    WebhookSource,
)
from webhooks.delivery import Delivery
from webhooks.stores.practice import TOPICS, parse

FOLDER = Path(__file__).parent / "recordings"
AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
ORDER: JsonObject = {
    "id": "order-1",
    "number": "20418",
    "email": "Ana.Horvat@mail.example",
    "bought_at": "2026-11-01T11:00:00+01:00",
    "currency": "EUR",
    "lines": [{"id": 7, "title": "Portrait Lighting", "product": "plan-portrait", "paid": 29700}],
}
REFUND: JsonObject = {
    "type": "payment.refunded",
    "at": "2026-11-22T10:00:00Z",
    "payment": "pay-1",
    "refund": "back-1",
    "amount": 500,
    "currency": "EUR",
    "state": "pending",
}


def declared() -> Webhooks:
    raw = (DataFiles().manifests() / "stores" / "practice" / "platform.json").read_bytes()
    webhooks = read_manifest(raw).webhooks
    assert webhooks is not None
    return webhooks


def renamed(recording: Recording, topic: str) -> tuple[Delivery, JsonValue]:
    body = read_json(recording.body)
    assert isinstance(body, dict)
    return recording.delivery(), {**body, "type": topic}


class TestPracticeWebhooks(WebhookContract):
    @pytest.fixture
    def source(self) -> WebhookSource:
        return WebhookSource(
            webhooks=declared(),
            parse=parse,
            secret=b"practice-webhook-secret",
            recordings=tuple(Recording.read(path) for path in sorted(FOLDER.glob("*.json"))),
            rename_topic=renamed,
        )


def read(body: JsonValue) -> StoreEvent:
    (event,) = parse(Delivery(b"", {}, RECEIVED), INSTALLATION, body)
    return event


def recorded(name: str) -> StoreEvent:
    return read(read_json(Recording.read(FOLDER / f"{name}.json").body))


def sale(**changes: JsonValue) -> JsonValue:
    return {"type": "sale.made", "at": "2026-11-22T10:00:00Z", "order": {**ORDER, **changes}}


def line(**changes: JsonValue) -> JsonValue:
    lines = ORDER["lines"]
    assert isinstance(lines, list)
    assert isinstance(lines[0], dict)
    return sale(lines=[{**lines[0], **changes}])


def test_the_parser_knows_exactly_the_declared_topics() -> None:
    assert set(TOPICS) == set(declared().topics)


def test_there_is_a_recording_of_every_topic() -> None:
    told = set()
    for path in FOLDER.glob("*.json"):
        body = read_json(Recording.read(path).body)
        assert isinstance(body, dict)
        told.add(body["type"])
    assert told == set(TOPICS)


def test_a_sale_is_told_in_full() -> None:
    event = recorded("sale_made")
    assert isinstance(event, SaleMade)
    order = event.order
    ref = OrderRef(INSTALLATION, "order-20312")
    assert (order.ref, order.number, order.customer) == (ref, "20312", "mirela.kovac@mail.example")
    assert (order.name, order.contact, order.read_at) == ("Mirela Kovač", "4711", RECEIVED)
    membership, guide = order.lines
    assert membership.ref == LineRef(ref, "line-20312-1")
    assert membership.kind is ResourceKind.MEMBERSHIP
    assert membership.gives == (
        Resource(INSTALLATION, ResourceKind.COURSE, "watercolour-year"),
        Resource(INSTALLATION, ResourceKind.TAG, "wy-member"),
    )
    assert [given.name for given in membership.gives] == ["Watercolour Year", ""]
    assert membership.subscription == "sub-20312"
    assert (guide.kind, guide.gives, guide.refunded) == (None, None, Money(0, "EUR"))
    visa, transfer = order.payments
    assert (visa.ref, visa.label) == (PaymentRef(INSTALLATION, "pay-20312-1"), "Visa …4242")
    assert (visa.captured, visa.route) == (Money(13800, "EUR"), RefundRoute.BY_API)
    assert (transfer.refunded, transfer.route) == (Money(1000, "EUR"), RefundRoute.BY_HAND)
    assert order.subscription == Subscription(
        INSTALLATION,
        "sub-20312",
        SubscriptionStatus.ACTIVE,
        datetime(2027, 8, 25, 8, tzinfo=UTC),
    )


def test_a_sale_may_tell_little() -> None:
    event = read(sale())
    assert isinstance(event, SaleMade)
    order = event.order
    assert (order.name, order.contact, order.payments, order.subscription) == ("", None, (), None)
    assert order.bought_at == datetime(2026, 11, 1, 10, tzinfo=UTC)
    assert (order.lines[0].ref.ref, order.lines[0].gives) == ("7", None)


def test_a_line_that_gives_nothing_is_not_one_that_does_not_tell() -> None:
    event = read(line(gives=[]))
    assert isinstance(event, SaleMade)
    assert event.order.lines[0].gives == ()


def test_a_refunded_sale_names_its_refund() -> None:
    event = recorded("sale_refunded")
    assert isinstance(event, SaleRefunded)
    assert (event.refund, event.at, event.order.number) == ("back-20418", AT, "20418")


def test_a_cancelled_subscription_tells_its_paid_period() -> None:
    event = recorded("subscription_cancelled")
    assert isinstance(event, SubscriptionCancelled)
    assert event.subscription == "sub-20312"
    assert event.paid_until == datetime(2027, 8, 25, 8, tzinfo=UTC)
    assert not event.ended
    body: JsonObject = {
        "type": "subscription.cancelled",
        "at": "2026-11-22T10:00:00Z",
        "order": ORDER,
        "subscription": "sub-1",
        "ended": True,
    }
    bare = read(body)
    assert isinstance(bare, SubscriptionCancelled)
    assert (bare.paid_until, bare.ended) == (None, True)


def test_a_refunded_payment_carries_our_reference_where_there_is_one() -> None:
    event = recorded("payment_refunded")
    assert isinstance(event, PaymentRefunded)
    assert (event.reference, event.whole, event.reason) == ("mg-abc-a1", True, "requested")
    assert event.order is not None
    bare = read(REFUND)
    assert bare == PaymentRefunded(
        PaymentRef(INSTALLATION, "pay-1"), "back-1", Money(500, "EUR"), RefundStage.PENDING, AT
    )


@pytest.mark.parametrize(
    ("name", "state"),
    [("dispute_opened", "open"), ("dispute_won", "won"), ("dispute_lost", "lost")],
)
def test_a_dispute_is_open_won_or_lost(name: str, state: str) -> None:
    event = recorded(name)
    assert isinstance(event, DisputeNews)
    assert (event.state, event.dispute, event.amount) == (state, "dp-1", Money(14900, "EUR"))


@pytest.mark.parametrize(("name", "added"), [("tag_added", True), ("tag_removed", False)])
def test_a_tag_comes_or_goes(name: str, added: bool) -> None:
    event = recorded(name)
    assert isinstance(event, TagNews)
    assert (event.added, event.tag.kind, event.tag.ref) == (added, ResourceKind.TAG, "newsletter")


def test_a_ping_is_a_test_delivery() -> None:
    assert read({"type": "ping"}) == TestDelivery()


def test_another_kind_is_kept_by_its_name() -> None:
    assert read({"type": "sale.dreamt"}) == Unrecognised("sale.dreamt")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ([], "the document"),
        ({}, "type"),
        ({"type": "sale.made"}, "order"),
        (sale(currency="euro"), "order.currency"),
        (sale(bought_at="yesterday"), "order.bought_at"),
        (sale(bought_at="2026-11-01T11:00:00"), "order.bought_at"),
        (sale(bought_at="0001-01-01T00:00:00+14:00"), "order.bought_at"),
        (sale(email=" "), "order.email"),
        (sale(payments=[{"id": 1, "label": "x", "captured": -1}]), "order.payments[0].captured"),
        (sale(subscription={"id": 1, "status": "paused"}), "order.subscription.status"),
        (line(paid=-1), "order.lines[0].paid"),
        (line(paid=10**16), "order.lines[0].paid"),
        (line(paid=1.5), "order.lines[0].paid"),
        (line(kind="poem"), "order.lines[0].kind"),
        (line(gives=[{"kind": "poem", "id": 1}]), "order.lines[0].gives[0].kind"),
        ({**REFUND, "state": "lost"}, "state"),
        ({**REFUND, "amount": "500"}, "amount"),
        ({**REFUND, "currency": "€"}, "currency"),
        ({**REFUND, "at": ""}, "at"),
    ],
)
def test_what_is_wrong_is_named_by_its_place_and_not_by_its_content(
    body: JsonValue, path: str
) -> None:
    with pytest.raises(Malformed) as caught:
        read(body)
    assert caught.value.path == path


def test_recordings_are_signed_by_what_they_are_tested_with() -> None:
    """The files were made with this secret; the contract above checks it byte by byte."""
    assert json.loads((FOLDER / "ping.json").read_text())["headers"].keys() == {
        "Content-Type",
        "X-Practice-Delivery",
        "X-Practice-Signature",
    }
