"""Subscriptions, events read back, and connecting, against the fake over HTTP."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import stripe

from plugin.domain.errors import OutcomeUnknown, Refused, RetryLater
from plugin.domain.events import DisputeNews, PaymentRefunded, StoreEvent, SubscriptionNews, TagNews
from plugin.domain.money import Money
from plugin.domain.orders import (
    DisputeStage,
    PaymentRef,
    RefundStage,
    Resource,
    ResourceKind,
    SubscriptionStatus,
)
from plugin.platforms.strict_json import read_json
from plugin.ports import (
    CancelsSubscriptions,
    Changed,
    ConfirmsEvents,
    Connects,
    Contact,
    FindsOrders,
    Probe,
    RefundsMoney,
    RegistersWebhooks,
)
from plugin.ports.news import TellsNews
from plugin.stores.stripe import StripeStore
from plugin.stores.stripe.account import manifest
from tests.contracts.money import a_refund
from tests.platforms.stripe.conftest import INSTALLATION, NOW, store_at
from tests.platforms.stripe.fake import FakeStripe
from webhooks.delivery import Delivery
from webhooks.signatures import Verified, verify
from webhooks.stores.stripe import parse

URL = "https://makegood.example/webhooks/stripe/inst-1"


def test_the_store_fills_every_port_it_declares(store: StripeStore) -> None:
    for port in (
        FindsOrders,
        RefundsMoney,
        CancelsSubscriptions,
        ConfirmsEvents,
        Connects,
        RegistersWebhooks,
        TellsNews,
    ):
        assert isinstance(store, port), port.__name__


# --- subscriptions --------------------------------------------------------------------------------


@pytest.fixture
def contact(fake: FakeStripe) -> Contact:
    return Contact("a@example.com", fake.books.add_customer("a@example.com")["id"])


@pytest.fixture
def subscription(fake: FakeStripe, contact: Contact) -> str:
    return str(fake.books.subscribe(contact.ref or "", 1900)["id"])


@pytest.mark.parametrize(
    ("at_once", "status"),
    [(True, SubscriptionStatus.ENDED), (False, SubscriptionStatus.ENDING)],
)
def test_a_subscription_is_cancelled_once(
    store: StripeStore,
    contact: Contact,
    subscription: str,
    status: SubscriptionStatus,
    *,
    at_once: bool,
) -> None:
    for expected in (Changed.DONE, Changed.ALREADY):
        assert store.cancel_subscription(contact, subscription, at_once=at_once) is expected
    found = store.read_subscription(contact, subscription)
    assert found is not None
    assert found.status is status
    assert found.paid_until == NOW + timedelta(days=20)


def test_one_that_ends_later_can_still_be_ended_at_once(
    store: StripeStore, contact: Contact, subscription: str
) -> None:
    store.cancel_subscription(contact, subscription, at_once=False)
    assert store.cancel_subscription(contact, subscription, at_once=True) is Changed.DONE


def test_no_money_moves_by_cancelling(
    fake: FakeStripe, store: StripeStore, contact: Contact, subscription: str
) -> None:
    store.cancel_subscription(contact, subscription, at_once=True)
    assert fake.calls[-1][0] == "DELETE"
    assert fake.calls[-1][3] == ""  # neither invoice_now nor prorate
    assert fake.books.moved() == []


def test_a_subscription_that_is_gone_is_cancelled_already(
    fake: FakeStripe, store: StripeStore, contact: Contact, subscription: str
) -> None:
    assert store.cancel_subscription(contact, "sub_none", at_once=True) is Changed.ALREADY
    assert store.read_subscription(contact, "sub_none") is None


def test_one_cancelled_by_somebody_else_meanwhile_is_cancelled_already(
    fake: FakeStripe, store: StripeStore, contact: Contact, subscription: str
) -> None:
    kept = fake.books.get(subscription)
    fake.books.things[subscription] = {**kept}
    end_now = fake.books.end_now

    def beaten(ref: str) -> dict[str, Any]:
        end_now(ref)
        return end_now(ref)

    fake.books.end_now = beaten  # type: ignore[method-assign] # somebody else is faster
    assert store.cancel_subscription(contact, subscription, at_once=True) is Changed.ALREADY


def test_another_customers_subscription_is_refused(
    fake: FakeStripe, store: StripeStore, subscription: str
) -> None:
    stranger = Contact("b@example.com", "cus_stranger")
    with pytest.raises(Refused, match="subscription_of_another_customer"):
        store.cancel_subscription(stranger, subscription, at_once=True)
    by_mail_only = Contact("b@example.com")
    assert store.read_subscription(by_mail_only, subscription) is not None


# --- events read back -----------------------------------------------------------------------------


def _refunded(payment: str, refund: str) -> PaymentRefunded:
    at = PaymentRef(INSTALLATION, payment)
    return PaymentRefunded(at, refund, Money(1, "EUR"), RefundStage.PENDING, NOW)


@pytest.mark.parametrize(
    ("amount", "status", "whole"),
    [("1500", "succeeded", False), ("4900", "succeeded", True), ("4900", "failed", False)],
)
def test_a_refund_is_read_back_with_its_order(
    fake: FakeStripe, store: StripeStore, amount: str, status: str, *, whole: bool
) -> None:
    charge = fake.books.sell(4900)
    refund = fake.books.refund({"charge": charge["id"], "amount": amount})
    fake.books.settle(refund["id"], status)
    told = store.confirm(_refunded("pi_1", refund["id"]))
    assert isinstance(told, PaymentRefunded)
    assert told.payment.ref == charge["id"]
    assert (told.amount, told.state, told.whole) == (Money(int(amount), "EUR"), status, whole)
    assert told.reason == ("declined" if status == "failed" else "")
    assert told.order is not None
    assert told.order.ref.ref == charge["id"]
    assert told.reference is None
    assert len(fake.calls) == 2


def test_our_own_refund_is_read_back_with_our_reference(
    fake: FakeStripe, store: StripeStore
) -> None:
    payment = PaymentRef(INSTALLATION, fake.books.sell(4900)["id"])
    refund = a_refund(payment, 1500)
    store.refund(refund)
    [entry] = fake.books.moved()
    told = store.confirm(_refunded(payment.ref, entry["refund"]))
    assert isinstance(told, PaymentRefunded)
    assert told.reference == refund.key


def test_a_refund_of_no_charge_has_no_order(fake: FakeStripe, store: StripeStore) -> None:
    refund = fake.books.refund({"charge": fake.books.sell(4900)["id"]})
    refund["charge"] = None
    told = store.confirm(_refunded("pi_1", refund["id"]))
    assert isinstance(told, PaymentRefunded)
    assert (told.payment.ref, told.order, told.whole) == ("pi_1", None, False)


@pytest.mark.parametrize(
    ("status", "state"),
    [("needs_response", "open"), ("won", "won"), ("lost", "lost"), ("on_the_moon", "lost")],
)
def test_a_dispute_is_read_back(
    fake: FakeStripe, store: StripeStore, status: str, state: str
) -> None:
    charge = fake.books.sell(4900)
    dispute = fake.books.dispute(charge["id"], status)
    at = PaymentRef(INSTALLATION, charge["id"])
    told = store.confirm(DisputeNews(at, dispute["id"], Money(1, "EUR"), DisputeStage.LOST, NOW))
    assert isinstance(told, DisputeNews)
    assert (told.state, told.amount) == (state, Money(4900, "EUR"))
    assert told.order is not None


def test_a_dispute_of_no_charge_has_no_order(fake: FakeStripe, store: StripeStore) -> None:
    dispute = fake.books.dispute(fake.books.sell(4900)["id"])
    dispute["charge"] = None
    at = PaymentRef(INSTALLATION, "pi_1")
    told = store.confirm(DisputeNews(at, dispute["id"], Money(1, "EUR"), DisputeStage.OPEN, NOW))
    assert isinstance(told, DisputeNews)
    assert told.order is None


def _changed(ref: str) -> SubscriptionNews:
    return SubscriptionNews(INSTALLATION, ref, "", ended=False, ends_at=None, at=NOW)


def test_a_subscription_is_read_back_with_the_customers_address(
    fake: FakeStripe, store: StripeStore, subscription: str
) -> None:
    def told() -> tuple[str, bool, object]:
        event = store.confirm(_changed(subscription))
        assert isinstance(event, SubscriptionNews)
        return event.email, event.ended, event.ends_at

    assert told() == ("a@example.com", False, None)
    thing = fake.books.get(subscription)
    thing["cancel_at_period_end"] = True
    assert told() == ("a@example.com", False, NOW + timedelta(days=20))
    fake.books.end_later(subscription)
    assert told() == ("a@example.com", False, NOW + timedelta(days=20))
    fake.books.end_now(subscription)
    assert told() == ("a@example.com", True, NOW)
    thing["customer"] = None
    assert told() == ("", True, NOW)


@pytest.mark.parametrize(
    "event",
    [
        _refunded("ch_1", "re_none"),
        DisputeNews(
            PaymentRef(INSTALLATION, "ch_1"), "dp_none", Money(1, "EUR"), DisputeStage.OPEN, NOW
        ),
        _changed("sub_none"),
    ],
)
def test_what_this_account_does_not_have_is_not_believed(
    store: StripeStore, event: StoreEvent
) -> None:
    with pytest.raises(Refused, match="not_in_this_account"):
        store.confirm(event)


def test_other_news_stay_as_they_are(fake: FakeStripe, store: StripeStore) -> None:
    tag = Resource(INSTALLATION, ResourceKind.TAG, "1")
    event = TagNews("a@example.com", tag, added=True, at=NOW)
    assert store.confirm(event) is event
    assert fake.calls == []


# --- connecting -----------------------------------------------------------------------------------


def test_a_key_opens_an_account_by_name(fake: FakeStripe, store: StripeStore) -> None:
    assert store.probe() == Probe("Ada's Courses", "test mode", "acct_1, test mode")


def test_a_restricted_key_need_not_read_the_account(fake: FakeStripe, store: StripeStore) -> None:
    fake.denied = ["GET /v1/account"]
    assert store.probe().account == "Stripe"


def test_a_wrong_key_is_refused(fake: FakeStripe, store: StripeStore) -> None:
    with pytest.raises(Refused, match="key_refused"):
        store_at(fake.url, api_key="rk_live_x").probe()
    fake.key_state = "expired"
    for ask in (store.probe, store.check_rights):
        with pytest.raises(Refused, match="key_refused: api_key_expired"):
            ask()


def test_rights_are_tried_without_changing_anything(fake: FakeStripe, store: StripeStore) -> None:
    fake.books.sell(4900)
    words = store.check_rights()
    assert "Charges and Refunds: write" in words
    assert fake.books.moved() == []
    assert fake.books.events == []


@pytest.mark.parametrize(
    ("denied", "right"),
    [
        ("GET /v1/customers", "Customers: read"),
        ("GET /v1/charges", "Charges, Invoices and Balance transactions: read"),
        ("GET /v1/disputes", "Disputes: read"),
        ("POST /v1/refunds", "Charges and Refunds: write"),
        ("POST /v1/subscriptions", "Subscriptions: write"),
        ("DELETE /v1/webhook_endpoints", "Webhook Endpoints: write"),
    ],
)
def test_the_missing_right_is_named(
    fake: FakeStripe, store: StripeStore, denied: str, right: str
) -> None:
    fake.denied = [denied]
    with pytest.raises(Refused, match=f"right_missing: {right}"):
        store.check_rights()


def test_registering_again_replaces_our_webhook_and_nobody_elses(
    fake: FakeStripe, store: StripeStore
) -> None:
    foreign = fake.books.add("we", "webhook_endpoint", url=URL, status="enabled", secret="theirs")
    first = store.register_webhook(URL, "unused")
    second = store.register_webhook(URL, "unused")
    assert first.ref != second.ref
    kept = {thing["id"] for thing in fake.books.all("webhook_endpoint")}
    assert kept == {foreign["id"], second.ref}
    made = fake.books.get(second.ref)
    declared = manifest().webhooks
    assert declared is not None
    assert made["enabled_events"] == list(declared.topics)
    assert made["api_version"] == manifest().api_version
    assert made["secret"] == second.secret


def test_a_webhook_is_alive_until_it_is_switched_off_or_removed(
    fake: FakeStripe, store: StripeStore
) -> None:
    ref = store.register_webhook(URL, "").ref
    assert store.webhook_alive(ref)
    fake.books.get(ref)["status"] = "disabled"
    assert not store.webhook_alive(ref)
    assert store.remove_webhook(ref) is Changed.DONE
    assert store.remove_webhook(ref) is Changed.ALREADY
    assert not store.webhook_alive(ref)


def test_an_answer_without_a_secret_leaves_the_webhook_unknown(
    fake: FakeStripe, store: StripeStore
) -> None:
    fake.fail("empty", on="POST /v1/webhook_endpoints")
    with pytest.raises(OutcomeUnknown):
        store.register_webhook(URL, "")


def test_a_list_of_another_shape_is_asked_for_again(fake: FakeStripe, store: StripeStore) -> None:
    fake.fail("empty", on="GET /v1/webhook_endpoints")
    with pytest.raises(RetryLater):
        store.register_webhook(URL, "")


def test_stripe_sends_nothing_on_request(store: StripeStore) -> None:
    assert store.provoke_delivery() is None


# --- deliveries over HTTP -------------------------------------------------------------------------


@pytest.fixture
def receiver() -> Iterator[tuple[str, queue.Queue[Delivery]]]:
    """A server that takes deliveries as ours does."""
    taken: queue.Queue[Delivery] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.put(Delivery.from_headers(self.headers.items(), body, NOW))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/hook", taken
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("mode", "topics"),
    [
        ("normal", ["refund.created", "charge.refunded"]),
        ("reversed", ["charge.refunded", "refund.created"]),
        (
            "duplicate",
            ["refund.created", "refund.created", "charge.refunded", "charge.refunded"],
        ),
    ],
)
def test_a_webhook_may_arrive_before_the_answer_and_is_our_own_echo(
    fake: FakeStripe,
    store: StripeStore,
    receiver: tuple[str, queue.Queue[Delivery]],
    mode: str,
    topics: list[str],
) -> None:
    url, taken = receiver
    secret = store.register_webhook(url, "").secret.encode()
    payment = PaymentRef(INSTALLATION, fake.books.sell(4900)["id"])
    refund = a_refund(payment, 1500)
    fake.hooks.mode = mode
    fake.fail("webhook_first")
    store.refund(refund)
    deliveries = [taken.get_nowait() for _ in topics]
    declared = manifest().webhooks
    assert declared is not None
    assert declared.signature is not None
    for delivery in deliveries:
        assert isinstance(verify(declared.signature, delivery, [secret], NOW), Verified)
        header = delivery.header("Stripe-Signature") or ""
        assert stripe.WebhookSignature._get_timestamp_and_signatures(header, "v1")
    bodies = [read_json(delivery.body) for delivery in deliveries]
    assert [body["type"] for body in bodies if isinstance(body, dict)] == topics
    events = [
        event
        for delivery, body in zip(deliveries, bodies, strict=True)
        for event in parse(delivery, INSTALLATION, body)
    ]
    assert events
    for event in events:
        assert isinstance(event, PaymentRefunded)
        assert event.reference == refund.key
