"""Shopify's webhooks become our words: recordings, and every odd one out."""

from __future__ import annotations

import base64
import hmac
import json
import random
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest

from plugin.domain.errors import Refused, RetryLater
from plugin.domain.events import (
    AccountClosed,
    DisputeNews,
    Irrelevant,
    PaymentRefunded,
    SaleMade,
    StoreEvent,
    TestDelivery,
    Unrecognised,
)
from plugin.domain.money import Money
from plugin.domain.orders import DisputeStage, PaymentRef, RefundStage
from plugin.platforms.strict_json import JsonValue, Malformed, Unreadable, read_json
from plugin.stores.shopify import ShopifyStore
from plugin.stores.shopify.account import manifest
from tests.contracts.webhook import (
    INSTALLATION,
    RECEIVED,
    Recording,
    WebhookContract,
    WebhookSource,
)
from tests.platforms.shopify.books import Thing
from tests.platforms.shopify.fake import FakeShopify, ref_of
from tests.platforms.shopify.test_money import first_payment
from webhooks.delivery import Delivery
from webhooks.signatures import Verified, verify
from webhooks.stores.shopify import parse

_FOLDER = Path(__file__).parent / "recordings"
_AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def _renamed(recording: Recording, topic: str) -> tuple[Delivery, JsonValue]:
    named = {"X-Shopify-Topic": topic.lower()[:9] + "/new"}
    return recording.delivery(headers=named), read_json(recording.body)


class TestWebhooks(WebhookContract):
    @pytest.fixture
    def source(self) -> WebhookSource:
        declared = manifest().webhooks
        assert declared is not None
        return WebhookSource(
            webhooks=declared,
            parse=parse,
            secret=b"shpss_recorded",
            recordings=tuple(Recording.read(path) for path in sorted(_FOLDER.glob("*.json"))),
            rename_topic=_renamed,
        )


def events_of(topic: str, body: Any) -> list[StoreEvent]:  # noqa: ANN401 - any JSON
    delivery = Delivery(b"", {"x-shopify-topic": topic}, RECEIVED)
    return parse(delivery, INSTALLATION, read_json(json.dumps(body).encode()))


def recorded(name: str) -> Thing:
    found: Thing = json.loads(Recording.read(_FOLDER / f"{name}.json").body)
    return found


def told_by(name: str) -> list[StoreEvent]:
    recording = Recording.read(_FOLDER / f"{name}.json")
    return parse(recording.delivery(), INSTALLATION, read_json(recording.body))


def _refund(number: str, minor: int, state: RefundStage, parent: str = "389404469") -> StoreEvent:
    return PaymentRefunded(
        payment=PaymentRef(INSTALLATION, f"450789469-{parent}"),
        refund=number,
        amount=Money(minor, "EUR"),
        state=state,
        at=_AT,
    )


# --- signatures -----------------------------------------------------------------------------------


def _accepted(body: bytes, signature: str | None, secret: bytes) -> bool:
    declared = manifest().webhooks
    assert declared is not None
    assert declared.signature is not None
    headers = {} if signature is None else {"x-shopify-hmac-sha256": signature}
    delivery = Delivery(body, headers, RECEIVED)
    return isinstance(verify(declared.signature, delivery, (secret,), RECEIVED), Verified)


def test_the_signature_is_the_known_one() -> None:
    """RFC 4231's second test case, in base64: HMAC-SHA256 of a known key and text."""
    body, secret = b"what do ya want for nothing?", b"Jefe"
    good = base64.b64encode(
        bytes.fromhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    ).decode()
    assert _accepted(body, good, secret)
    assert not _accepted(body + b" ", good, secret)
    assert not _accepted(body, good, b"jefe")
    assert not _accepted(body, good, b"")
    assert not _accepted(body, None, secret)
    assert not _accepted(body, "", secret)
    hexadecimal = hmac.digest(secret, body, "sha256").hex()
    assert not _accepted(body, hexadecimal, secret)


# --- what each topic says -------------------------------------------------------------------------


def test_a_refund_by_us_carries_our_key() -> None:
    [event] = told_by("refunds_create_ours")
    assert isinstance(event, PaymentRefunded)
    assert event.reference == "mg-0123456789abcdef0123456789abcdef-a1"
    assert replace(event, reference=None) == _refund("179259970", 1500, RefundStage.SUCCEEDED)


def test_a_refund_that_was_written_down_is_as_far_as_its_transaction() -> None:
    assert told_by("refunds_create_pending") == [_refund("179259971", 1000, RefundStage.PENDING)]
    assert told_by("order_transactions_create_refund") == [
        _refund("179259971", 1000, RefundStage.SUCCEEDED)
    ]


def test_a_refund_without_transactions_moved_no_money() -> None:
    body = {**recorded("refunds_create_ours"), "transactions": []}
    assert events_of("refunds/create", body) == []


def test_a_refund_over_two_payments_is_one_event_for_each() -> None:
    assert told_by("refunds_create_two_gateways") == [
        _refund("179259972", 1000, RefundStage.SUCCEEDED),
        _refund("179259973", 500, RefundStage.SUCCEEDED, "389404470"),
    ]


def test_a_failure_says_why() -> None:
    [event] = told_by("order_transactions_create_failed")
    assert isinstance(event, PaymentRefunded)
    assert (event.state, event.reason) == (RefundStage.FAILED, "card_declined")


def test_money_that_came_in_says_nothing_of_refunds() -> None:
    body = {**recorded("order_transactions_create_refund"), "kind": "sale"}
    assert events_of("order_transactions/create", body) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"parent_id": None}, "order_transactions/create: payment"),
        ({"status": "new"}, "order_transactions/create: status"),
        ({"status": None}, "order_transactions/create: status"),
    ],
)
def test_a_transaction_we_cannot_place_is_kept(change: Thing, what: str) -> None:
    body = {**recorded("order_transactions_create_refund"), **change}
    assert events_of("order_transactions/create", body) == [Unrecognised(what)]


def test_without_its_own_time_it_happened_when_it_came() -> None:
    body = {**recorded("order_transactions_create_refund"), "processed_at": None}
    [event] = events_of("order_transactions/create", {**body, "created_at": None})
    assert isinstance(event, PaymentRefunded)
    assert event.at == RECEIVED


def test_an_updated_order_tells_each_of_its_refunds() -> None:
    assert told_by("orders_updated") == [_refund("179259969", 1500, RefundStage.SUCCEEDED)]
    assert events_of("orders/updated", {"id": 1}) == []


@pytest.mark.parametrize(
    ("topic", "why"),
    [
        ("orders/cancelled", "a refund of it is told by itself"),
        ("returns/request", "a refund of it is told by itself"),
        ("returns/approve", "a refund of it is told by itself"),
        ("returns/process", "a refund of it is told by itself"),
        ("returns/close", "a refund of it is told by itself"),
        ("subscription_contracts/create", "an app's own contracts, and Makegood makes none"),
        ("subscription_contracts/update", "an app's own contracts, and Makegood makes none"),
        ("subscription_contracts/cancel", "an app's own contracts, and Makegood makes none"),
    ],
)
def test_what_moves_no_money_and_ends_nothing_is_nothing_to_us(topic: str, why: str) -> None:
    assert events_of(topic, {"id": 1}) == [Irrelevant(topic, why)]


def test_a_paid_order_shares_shipping_between_its_lines() -> None:
    [event] = told_by("orders_paid")
    assert isinstance(event, SaleMade)
    order = event.order
    assert (order.ref.ref, order.number, order.email) == ("450789469", "1001", "ada@example.com")
    assert (order.name, order.contact, order.payments) == ("Ada Lovelace", "207119551", ())
    assert [line.paid.minor for line in order.lines] == [5232, 1068]
    assert sum(line.paid.minor for line in order.lines) == 6300
    assert [line.ref.ref for line in order.lines] == ["866550311766439021", "141249953214522974"]
    assert [line.product for line in order.lines] == ["632910392", ""]


def test_a_paid_order_may_lack_what_is_not_needed() -> None:
    body = recorded("orders_paid")
    lines = [{**line, "price_set": _zero()} for line in body["line_items"]]
    del lines[0]["total_discount_set"]
    bare = {**body, "customer": None, "email": None, "processed_at": None, "line_items": lines}
    [event] = events_of("orders/paid", bare)
    assert isinstance(event, SaleMade)
    assert (event.order.email, event.order.contact) == ("", None)
    assert [line.paid.minor for line in event.order.lines] == [3150, 3150]
    [event] = events_of("orders/paid", {**body, "line_items": []})
    assert isinstance(event, SaleMade)
    assert event.order.lines == ()


def _zero() -> Thing:
    return {"presentment_money": {"amount": "0.00", "currency_code": "EUR"}}


def test_a_price_in_another_currency_than_the_orders_is_malformed() -> None:
    body = recorded("orders_paid")
    total = {"presentment_money": {"amount": "63.00", "currency_code": "USD"}}
    with pytest.raises(Malformed):
        events_of("orders/paid", {**body, "total_price_set": total})


@pytest.mark.parametrize(
    ("name", "state"),
    [("disputes_create", DisputeStage.OPEN), ("disputes_update_lost", DisputeStage.LOST)],
)
def test_a_dispute_names_its_order(name: str, state: DisputeStage) -> None:
    [event] = told_by(name)
    assert isinstance(event, DisputeNews)
    assert event.payment == PaymentRef(INSTALLATION, "450789469")
    assert (event.dispute, event.amount, event.state) == ("35982383", Money(6300, "EUR"), state)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"type": "inquiry"}, []),
        ({"order_id": None}, [Unrecognised("disputes/create: order")]),
        ({"status": "new"}, [Unrecognised("disputes/create: status")]),
    ],
)
def test_a_dispute_that_holds_nothing_or_says_nothing(
    change: Thing, expected: list[StoreEvent]
) -> None:
    assert events_of("disputes/create", {**recorded("disputes_create"), **change}) == expected


def test_a_dispute_without_a_time_is_as_of_now() -> None:
    body = {**recorded("disputes_create"), "initiated_at": None}
    [event] = events_of("disputes/create", body)
    assert isinstance(event, DisputeNews)
    assert event.at == RECEIVED


def test_the_end_of_the_app_closes_the_account() -> None:
    assert told_by("app_uninstalled") == [AccountClosed(RECEIVED)]


@pytest.mark.parametrize("name", ["customers_data_request", "customers_redact", "shop_redact"])
def test_a_wish_for_data_or_erasure_is_kept_for_a_person(name: str) -> None:
    topic = name.replace("_", "/", 1)
    [wish] = told_by(name)
    assert isinstance(wish, Unrecognised)
    assert wish.what.startswith(f"{topic}: ")
    assert wish.what.endswith(", by hand, within 30 days")


@pytest.mark.parametrize("topic", ["", "Orders/Paid", "orders paid", "ada@example.com"])
def test_an_unreadable_topic_is_not_shown(topic: str) -> None:
    [event] = events_of(topic, {})
    assert event == Unrecognised("a delivery without a readable X-Shopify-Topic")


@pytest.mark.parametrize(
    "when", ["2026-11-22T10:00:00", "2026-11-22", "x", "0001-01-01T00:00:00+23:59"]
)
def test_a_time_that_is_none_is_malformed(when: str) -> None:
    body = {**recorded("order_transactions_create_refund"), "processed_at": when}
    with pytest.raises(Malformed):
        events_of("order_transactions/create", body)


@pytest.mark.parametrize("gid", ["179259971", "gid://shopify/OrderTransaction/x", "gid://evil/A/1"])
def test_an_odd_id_is_malformed(gid: str) -> None:
    body = {**recorded("order_transactions_create_refund"), "admin_graphql_api_id": gid}
    with pytest.raises(Malformed):
        events_of("order_transactions/create", body)


def test_the_whole_id_is_taken_where_the_number_is_rounded() -> None:
    body = {**recorded("order_transactions_create_refund"), "id": 245135271310201180}
    body["admin_graphql_api_id"] = "gid://shopify/OrderTransaction/245135271310201194"
    [event] = events_of("order_transactions/create", body)
    assert isinstance(event, PaymentRefunded)
    assert event.refund == "245135271310201194"
    [event] = events_of("order_transactions/create", {**body, "admin_graphql_api_id": None})
    assert isinstance(event, PaymentRefunded)
    assert event.refund == "245135271310201180"


# --- bodies nobody sent ---------------------------------------------------------------------------


def _bent(value: Any, chance: random.Random) -> Any:  # noqa: ANN401 - any JSON
    """`value` with something in it replaced, dropped or doubled."""
    odd: list[Any] = [
        None,
        True,
        -1,
        2**70,
        1e300,
        "",
        "x",
        "NaN",
        "2026-13-45T00:00:00Z",
        [],
        {},
        [[]],
    ]
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(sorted(value))
        if chance.random() < 0.1:
            return {name: inner for name, inner in value.items() if name != key}
        return {**value, key: _bent(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.9:
        at = chance.randrange(len(value))
        return [*value[:at], _bent(value[at], chance), *value[at:][chance.randrange(2) :]]
    return chance.choice([*odd, str(value)[:30], "-" + str(value)[:30]])


@pytest.mark.parametrize("name", sorted(path.stem for path in _FOLDER.glob("*.json")))
def test_hundreds_of_bent_bodies_give_events_or_are_malformed(name: str) -> None:
    recording = Recording.read(_FOLDER / f"{name}.json")
    chance = random.Random(name)
    ends = set()
    for _ in range(400):
        body = json.loads(recording.body)
        for _ in range(chance.randint(1, 3)):
            body = _bent(body, chance)
        try:
            told = read_json(json.dumps(body).encode())
            events = parse(recording.delivery(), INSTALLATION, told)
        except (Malformed, Unreadable) as error:
            ends.add(type(error))
            continue
        assert all(isinstance(event, get_args(StoreEvent)) for event in events)
    assert Malformed in ends


# --- read back ------------------------------------------------------------------------------------


def test_news_of_a_refund_are_read_back_in_one_call(fake: FakeShopify, store: ShopifyStore) -> None:
    order = fake.books.sell(Money(4900, "EUR"))
    payment = first_payment(order)
    made = fake.books.refund(
        {
            "orderId": order["id"],
            "note": "Makegood refund r1 mg-r1-a1",
            "transactions": [
                {
                    "parentId": order["transactions"][0]["id"],
                    "gateway": "shopify_payments",
                    "kind": "REFUND",
                    "amount": "49.00",
                }
            ],
        },
        "key",
    )
    told = PaymentRefunded(
        payment, ref_of(made["transactions"][0]), Money(1, "EUR"), RefundStage.PENDING, _AT
    )
    event = store.confirm(told)
    assert isinstance(event, PaymentRefunded)
    assert (event.amount, event.state) == (Money(4900, "EUR"), RefundStage.SUCCEEDED)
    assert (event.reference, event.whole) == ("mg-r1-a1", True)
    assert event.order is not None
    assert [name for name, _, _ in fake.calls] == ["token", "ReadOrder"]
    other = store.confirm(replace(told, refund="1"))
    assert isinstance(other, PaymentRefunded)
    assert (other.amount, other.state) == (Money(1, "EUR"), RefundStage.PENDING)


def test_a_sale_is_read_back_with_its_payments(fake: FakeShopify, store: ShopifyStore) -> None:
    order = fake.books.sell(Money(4900, "EUR"))
    [told] = told_by("orders_paid")
    assert isinstance(told, SaleMade)
    ref = replace(told.order.ref, ref=ref_of(order))
    event = store.confirm(SaleMade(replace(told.order, ref=ref)))
    assert isinstance(event, SaleMade)
    assert [payment.captured for payment in event.order.payments] == [Money(4900, "EUR")]


def test_a_dispute_is_read_back_with_its_payment(fake: FakeShopify, store: ShopifyStore) -> None:
    order = fake.books.sell(Money(4900, "EUR"))
    fake.books.dispute(order["id"])
    [told] = told_by("disputes_create")
    assert isinstance(told, DisputeNews)
    named = replace(told, payment=PaymentRef(INSTALLATION, ref_of(order)))
    event = store.confirm(named)
    assert isinstance(event, DisputeNews)
    assert event.payment == first_payment(order)
    assert event.order is not None
    # Once read, it names its payment: to read it again gives the same.
    assert isinstance(again := store.confirm(event), DisputeNews)
    assert again.payment == event.payment


def test_what_our_rights_do_not_reach_stands_as_it_was_told(store: ShopifyStore) -> None:
    for name in ("refunds_create_ours", "disputes_create"):
        [told] = told_by(name)
        assert store.confirm(told) == told
    assert store.confirm(TestDelivery()) == TestDelivery()
    nameless = PaymentRefunded(
        PaymentRef(INSTALLATION, "x"), "1", Money(1, "EUR"), RefundStage.PENDING, _AT
    )
    assert store.confirm(nameless) == nameless


def test_a_sale_of_another_shop_of_the_same_app_is_refused(store: ShopifyStore) -> None:
    [told] = told_by("orders_paid")
    with pytest.raises(Refused) as caught:
        store.confirm(told)
    assert caught.value.code == "not_in_this_account"


def test_a_sale_that_cost_nothing_stands_as_it_was_told(store: ShopifyStore) -> None:
    [told] = events_of("orders/paid", {**recorded("orders_paid"), "total_price_set": _zero()})
    assert store.confirm(told) == told


def test_the_end_of_the_app_is_believed_where_the_shop_lets_it_in_no_more(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    [told] = told_by("app_uninstalled")
    assert isinstance(store.confirm(told), Unrecognised)
    fake.fail("drop_before", on="ReadAccount")
    with pytest.raises(RetryLater):
        store.confirm(told)
    fake.key_state = "expired"
    assert store.confirm(told) == told
