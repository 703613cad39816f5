"""What Stripe's events mean in our words: refunds, disputes, subscriptions.

Tables and field mapping, pure. Several events of one refund carry the same refund id, so that they
say the same thing. It never decides: what an event leaves open (the customer's e-mail, whether
anything of the payment is left) is read back by the adapter's `confirm`. Events carry no order.
https://docs.stripe.com/api/events/types
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TypeAlias

from plugin.domain.errors import InvalidInput
from plugin.domain.events import (
    AccountClosed,
    DisputeNews,
    PaymentRefunded,
    StoreEvent,
    SubscriptionNews,
    TestDelivery,
    Unrecognised,
)
from plugin.domain.ids import InstallationId
from plugin.domain.money import Money, WireFormat
from plugin.domain.orders import PaymentRef
from plugin.platforms.strict_json import JsonValue, Malformed, Reader
from plugin.platforms.stripe_words import DISPUTE_STATES, INQUIRIES, REFUND_STATES
from webhooks.delivery import Delivery

# As the manifest declares it (a test compares them): reading a file here would be I/O.
WIRE = WireFormat({"ISK": 2, "MGA": 0, "UGX": 2}, frozenset({"CLF", "IQD", "LYD", "UYI", "UYW"}))

_SUBSCRIPTION_OVER = frozenset({"canceled", "incomplete_expired"})


def parse(delivery: Delivery, installation: InstallationId, body: JsonValue) -> list[StoreEvent]:  # noqa: ARG001 - every parser takes the delivery; this one needs the body alone
    """Return what one event says.

    Empty where another event of the same change says it, and for a bank's mere inquiry.

    `body` was read strictly and its signature checked. Raises Malformed where an event of a known
    kind lacks what it must have.
    """
    event = Reader(body)
    topic = event.text("type")
    read = _READERS.get(topic)
    return [Unrecognised(topic)] if read is None else read(topic, installation, event)


def _read_refund(topic: str, installation: InstallationId, event: Reader) -> list[StoreEvent]:
    at = _moment(event.integer("created"))
    return [_refund(topic, installation, event.section("data", "object"), at)]


def _read_refunded_charge(
    topic: str, installation: InstallationId, event: Reader
) -> list[StoreEvent]:
    """Read the refunds listed in a charge. Newer API versions list none and send refund.created."""
    charge = event.section("data", "object")
    return [
        _refund(topic, installation, item, _moment(item.integer("created")), charge)
        for item in charge.optional_items("refunds", "data") or ()
    ]


def _refund(
    topic: str,
    installation: InstallationId,
    refund: Reader,
    at: datetime,
    charge: Reader | None = None,
) -> StoreEvent:
    # Refunds of a customer's cash balance belong to no payment.
    payment = refund.optional_text("charge") or refund.optional_text("payment_intent")
    state = REFUND_STATES.get(refund.optional_text("status") or "")
    if payment is None or state is None:
        return Unrecognised(f"{topic}: {'payment' if payment is None else 'status'}")
    return PaymentRefunded(
        payment=PaymentRef(installation, payment),
        refund=refund.text("id"),
        amount=_money(refund),
        state=state,
        at=at,
        reference=refund.optional_text("metadata", "makegood_key"),
        whole=charge is not None and bool(charge.optional_boolean("refunded")),
        reason=refund.optional_text("failure_reason") or "",
    )


def _read_dispute(topic: str, installation: InstallationId, event: Reader) -> list[StoreEvent]:
    dispute = event.section("data", "object")
    status = dispute.text("status")
    if status in INQUIRIES:
        return []
    payment = dispute.optional_text("charge") or dispute.text("payment_intent")
    state = DISPUTE_STATES.get(status)
    if state is None:
        return [Unrecognised(f"{topic}: {status}")]
    return [
        DisputeNews(
            payment=PaymentRef(installation, payment),
            dispute=dispute.text("id"),
            amount=_money(dispute),
            state=state,
            at=_moment(event.integer("created")),
        )
    ]


def _read_subscription(
    _topic: str, installation: InstallationId, event: Reader
) -> list[StoreEvent]:
    subscription = event.section("data", "object")
    ended = subscription.text("status") in _SUBSCRIPTION_OVER
    ends_at = subscription.optional_integer("ended_at" if ended else "cancel_at")
    if ends_at is None and subscription.optional_boolean("cancel_at_period_end"):
        ends_at = _period_end(subscription)
    return [
        SubscriptionNews(
            installation=installation,
            subscription=subscription.text("id"),
            email="",
            ended=ended,
            ends_at=None if ends_at is None else _moment(ends_at),
            at=_moment(event.integer("created")),
        )
    ]


def _period_end(subscription: Reader) -> int | None:
    """The end of the paid period: on the subscription, since 2025-03-31 on its items."""
    items = subscription.optional_items("items", "data") or ()
    ends = [subscription.optional_integer("current_period_end")]
    ends += [item.optional_integer("current_period_end") for item in items]
    return min((end for end in ends if end is not None), default=None)


def _read_deauthorized(
    _topic: str, _installation: InstallationId, event: Reader
) -> list[StoreEvent]:
    return [AccountClosed(_moment(event.integer("created")))]


def _read_ping(_topic: str, _installation: InstallationId, _event: Reader) -> list[StoreEvent]:
    return [TestDelivery()]


_Read: TypeAlias = Callable[[str, InstallationId, Reader], list[StoreEvent]]
_READERS: Mapping[str, _Read] = MappingProxyType(
    {
        "refund.created": _read_refund,
        "refund.updated": _read_refund,
        "refund.failed": _read_refund,
        "charge.refund.updated": _read_refund,
        "charge.refunded": _read_refunded_charge,
        "charge.dispute.created": _read_dispute,
        "charge.dispute.updated": _read_dispute,
        "charge.dispute.closed": _read_dispute,
        "charge.dispute.funds_withdrawn": _read_dispute,
        "charge.dispute.funds_reinstated": _read_dispute,
        "customer.subscription.updated": _read_subscription,
        "customer.subscription.deleted": _read_subscription,
        "account.application.deauthorized": _read_deauthorized,
        "v2.core.event_destination.ping": _read_ping,
    }
)
TOPICS = frozenset(_READERS)


def _money(thing: Reader) -> Money:
    try:
        return WIRE.read(thing.integer("amount"), thing.text("currency"))
    except InvalidInput as error:
        raise Malformed(f"{thing.path}.{error.field}") from None


def _moment(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        raise Malformed("created") from None
