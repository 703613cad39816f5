"""What Saleor's deliveries mean in our words: sales that were paid, and how each refund stands.

Pure. The body is the selection of our own subscription (`ON_EVENT` of the adapter), so an event
brings the whole order. `__typename` in the signed body tells the kind; the header is not signed.
Every event of an order tells all its refunds as they stand: Saleor sends no event for one refund.
https://docs.saleor.io/developer/extending/webhooks/subscription-webhook-payloads
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from plugin.domain.events import (
    AccountClosed,
    PaymentRefunded,
    SaleMade,
    StoreEvent,
    Unrecognised,
)
from plugin.domain.ids import InstallationId
from plugin.domain.orders import Order
from plugin.platforms.saleor_orders import moment, money, read_order
from plugin.platforms.strict_json import JsonValue, Reader
from webhooks.delivery import Delivery


def parse(delivery: Delivery, installation: InstallationId, body: JsonValue) -> list[StoreEvent]:  # noqa: ARG001 - every parser takes the delivery; this one needs the body alone
    """Return what one delivery says; empty for an order that nothing was paid for or refunded.

    Raises Malformed where an event of a known kind lacks what it must have.
    """
    event = Reader(body)
    topic = event.text("__typename")
    read = _READERS.get(topic)
    if read is None:
        return [Unrecognised(topic if topic.isalnum() and len(topic) <= _LONGEST else "__typename")]
    return read(event, installation)


def _read_paid(event: Reader, installation: InstallationId) -> list[StoreEvent]:
    order = _order(event, installation)
    return [] if order is None else [SaleMade(order)]


def _read_order(event: Reader, installation: InstallationId) -> list[StoreEvent]:
    """All that an order says: paid in full, it is a sale too, should its own event be lost."""
    order = _order(event, installation)
    if order is None:
        return []
    is_sold = order.captured >= money(event, "order", "total", "gross")
    return [*([SaleMade(order)] if is_sold else []), *_refunds(order)]


def _read_refunds(event: Reader, installation: InstallationId) -> list[StoreEvent]:
    order = _order(event, installation)
    return [] if order is None else _refunds(order)


def _order(event: Reader, installation: InstallationId) -> Order | None:
    """As it stood when it was changed last."""
    return read_order(event.section("order"), installation, moment(event, "order", "updatedAt"))


def _refunds(order: Order) -> list[StoreEvent]:
    left = {
        payment.ref: payment.captured - payment.refunded - payment.disputed
        for payment in order.payments
    }
    return [
        PaymentRefunded(
            payment=refund.payment,
            refund=refund.ref,
            amount=refund.amount,
            state=refund.state,
            at=refund.at,
            reference=refund.reference,
            whole=refund.payment in left and not left[refund.payment],
            order=order,
        )
        for refund in order.refunds
    ]


def _read_deleted(event: Reader, _installation: InstallationId) -> list[StoreEvent]:
    """Ours only: before 3.23 an app could be told of others."""
    if event.text("app", "id") != event.text("recipient", "id"):
        return [Unrecognised("AppDeleted: another app")]
    return [AccountClosed(moment(event, "issuedAt"))]


_LONGEST = 64
_Read: TypeAlias = Callable[[Reader, InstallationId], list[StoreEvent]]
_READERS: Mapping[str, _Read] = MappingProxyType(
    {
        "OrderFullyPaid": _read_paid,
        "OrderRefunded": _read_refunds,
        "OrderFullyRefunded": _read_refunds,
        "OrderUpdated": _read_order,
        "AppDeleted": _read_deleted,
    }
)
TOPICS = frozenset(_READERS)
