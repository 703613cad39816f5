"""What the practice store's events mean: field mapping, no I/O.

The format is ours and small. A body is one object with `type` and `at` (ISO 8601 with an offset):

    {"type": "sale.made", "at": T, "order": ORDER}
    {"type": "sale.refunded", "at": T, "order": ORDER, "refund": ID}
    {"type": "subscription.cancelled", "at": T, "order": ORDER, "subscription": ID,
     "paid_until": T?, "ended": false?}
    {"type": "payment.refunded", "at": T, "payment": ID, "refund": ID, "amount": MINOR,
     "currency": "EUR", "state": "pending" | "succeeded" | "failed", "reference": KEY?,
     "whole": false?, "reason": TEXT?, "order": ORDER?}
    {"type": "dispute.opened" | "dispute.won" | "dispute.lost", "at": T, "payment": ID,
     "dispute": ID, "amount": MINOR, "currency": "EUR", "order": ORDER?}
    {"type": "tag.added" | "tag.removed", "at": T, "email": ADDRESS,
     "tag": {"id": ID, "name": TEXT?}}
    {"type": "ping"}

    ORDER = {"id": ID, "number": TEXT, "email": ADDRESS, "name": TEXT?, "contact": ID?,
             "bought_at": T, "currency": "EUR", "lines": [LINE], "payments": [PAYMENT]?,
             "subscription": {"id": ID, "status": "active" | "ending" | "ended" | "unknown",
                              "paid_until": T?}?}
    LINE = {"id": ID, "title": TEXT, "product": ID, "paid": MINOR, "refunded": MINOR?,
            "kind": KIND?, "gives": [{"kind": KIND, "id": ID, "name": TEXT?}]?,
            "subscription": ID?}
    PAYMENT = {"id": ID, "label": TEXT, "captured": MINOR, "refunded": MINOR?, "by_hand": false?}

`?` marks what may be missing or null; ids may be texts or integers. `gives` missing says that the
store does not tell; an empty list says that the line gives nothing. Amounts are minor units, never
negative. Deliveries are signed with `hmac_sha256_hex` in `X-Practice-Signature`, and
`X-Practice-Delivery` names them. A kind that has no words here becomes `Unrecognised`; a needed
field that is missing or wrong raises `Malformed` with its place, never with its content.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from plugin.domain.errors import InvalidInput
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
from plugin.domain.ids import InstallationId, customer_key
from plugin.domain.money import Money, zero
from plugin.domain.orders import (
    DisputeStage,
    Line,
    LineRef,
    Order,
    OrderRef,
    Payment,
    PaymentRef,
    RefundRoute,
    RefundStage,
    Resource,
    ResourceKind,
    Subscription,
    SubscriptionStatus,
)
from plugin.platforms.strict_json import JsonValue, Malformed, Reader
from webhooks.delivery import Delivery

_Choice = TypeVar("_Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class _News:
    """One delivery on its way through: what it said, to whom, and when it came."""

    installation: InstallationId
    body: Reader
    received_at: datetime

    @property
    def at(self) -> datetime:
        return _moment(self.body, "at")

    @property
    def payment(self) -> PaymentRef:
        return PaymentRef(self.installation, self.body.identifier("payment"))

    def amount(self) -> Money:
        return _amount(self.body, _currency(self.body), "amount")

    def order(self) -> Order:
        return _order(self.body.section("order"), self.installation, self.received_at)

    def optional_order(self) -> Order | None:
        return None if self.body.optional_section("order") is None else self.order()


def parse(delivery: Delivery, installation: InstallationId, body: JsonValue) -> list[StoreEvent]:
    """Return what one delivery says. `body` was read strictly. Raises Malformed."""
    read = Reader(body)
    topic = read.text("type")
    reader = _READERS.get(topic)
    if reader is None:
        return [Unrecognised(topic)]
    return [reader(_News(installation, read, delivery.received_at))]


def _sale_made(news: _News) -> StoreEvent:
    return SaleMade(news.order())


def _sale_refunded(news: _News) -> StoreEvent:
    return SaleRefunded(news.order(), news.at, news.body.identifier("refund"))


def _subscription_cancelled(news: _News) -> StoreEvent:
    return SubscriptionCancelled(
        news.order(),
        news.body.identifier("subscription"),
        news.at,
        paid_until=_optional_moment(news.body, "paid_until"),
        ended=news.body.optional_boolean("ended") or False,
    )


def _payment_refunded(news: _News) -> StoreEvent:
    return PaymentRefunded(
        payment=news.payment,
        refund=news.body.identifier("refund"),
        amount=news.amount(),
        state=_one_of(RefundStage, news.body, "state"),
        at=news.at,
        reference=news.body.optional_text("reference"),
        whole=news.body.optional_boolean("whole") or False,
        order=news.optional_order(),
        reason=news.body.optional_text("reason") or "",
    )


def _dispute(state: DisputeStage) -> Callable[[_News], StoreEvent]:
    def read(news: _News) -> StoreEvent:
        return DisputeNews(
            payment=news.payment,
            dispute=news.body.identifier("dispute"),
            amount=news.amount(),
            state=state,
            at=news.at,
            order=news.optional_order(),
        )

    return read


def _tag(*, added: bool) -> Callable[[_News], StoreEvent]:
    def read(news: _News) -> StoreEvent:
        tag = news.body.section("tag")
        return TagNews(
            email=news.body.text("email"),
            tag=_resource(tag, ResourceKind.TAG, news.installation),
            added=added,
            at=news.at,
        )

    return read


def _ping(_news: _News) -> StoreEvent:
    return TestDelivery()


_READERS: Mapping[str, Callable[[_News], StoreEvent]] = MappingProxyType(
    {
        "sale.made": _sale_made,
        "sale.refunded": _sale_refunded,
        "subscription.cancelled": _subscription_cancelled,
        "payment.refunded": _payment_refunded,
        "dispute.opened": _dispute(DisputeStage.OPEN),
        "dispute.won": _dispute(DisputeStage.WON),
        "dispute.lost": _dispute(DisputeStage.LOST),
        "tag.added": _tag(added=True),
        "tag.removed": _tag(added=False),
        "ping": _ping,
    }
)
TOPICS = tuple(_READERS)
"""Every kind that has words; the manifest declares the same (a test compares them)."""


def _order(read: Reader, installation: InstallationId, received_at: datetime) -> Order:
    ref, currency = OrderRef(installation, read.identifier("id")), _currency(read)
    email = read.text("email")
    return Order(
        ref=ref,
        number=read.text("number"),
        customer=customer_key(email),
        email=email,
        name=read.optional_text("name") or "",
        bought_at=_moment(read, "bought_at"),
        currency=currency,
        lines=tuple(_line(line, ref, currency) for line in read.items("lines")),
        payments=tuple(
            _payment(payment, installation, currency)
            for payment in read.optional_items("payments") or ()
        ),
        read_at=received_at,
        subscription=_subscription(read.optional_section("subscription"), installation),
        contact=read.optional_identifier("contact"),
    )


def _line(read: Reader, order: OrderRef, currency: str) -> Line:
    given = read.optional_items("gives")
    kind = None if read.optional_text("kind") is None else _one_of(ResourceKind, read, "kind")
    return Line(
        ref=LineRef(order, read.identifier("id")),
        title=read.text("title"),
        product=read.identifier("product"),
        paid=_amount(read, currency, "paid"),
        refunded=_optional_amount(read, currency, "refunded"),
        kind=kind,
        gives=None
        if given is None
        else tuple(
            _resource(item, _one_of(ResourceKind, item, "kind"), order.installation)
            for item in given
        ),
        subscription=read.optional_identifier("subscription"),
    )


def _payment(read: Reader, installation: InstallationId, currency: str) -> Payment:
    by_hand = read.optional_boolean("by_hand") or False
    return Payment(
        ref=PaymentRef(installation, read.identifier("id")),
        label=read.text("label"),
        captured=_amount(read, currency, "captured"),
        refunded=_optional_amount(read, currency, "refunded"),
        disputed=zero(currency),
        route=RefundRoute.BY_HAND if by_hand else RefundRoute.BY_API,
    )


def _subscription(read: Reader | None, installation: InstallationId) -> Subscription | None:
    if read is None:
        return None
    return Subscription(
        installation,
        read.identifier("id"),
        _one_of(SubscriptionStatus, read, "status"),
        _optional_moment(read, "paid_until"),
    )


def _resource(read: Reader, kind: ResourceKind, installation: InstallationId) -> Resource:
    return Resource(installation, kind, read.identifier("id"), read.optional_text("name") or "")


def _currency(read: Reader) -> str:
    code = read.text("currency")
    try:
        return zero(code).currency
    except InvalidInput:
        raise _malformed(read, "currency") from None


def _amount(read: Reader, currency: str, key: str) -> Money:
    minor = read.integer(key)
    try:
        amount = Money(minor, currency)
    except InvalidInput:
        raise _malformed(read, key) from None
    if minor < 0:
        raise _malformed(read, key)
    return amount


def _optional_amount(read: Reader, currency: str, key: str) -> Money:
    """The amount, or nothing where none is told."""
    return zero(currency) if read.optional_integer(key) is None else _amount(read, currency, key)


def _moment(read: Reader, key: str) -> datetime:
    try:
        moment = datetime.fromisoformat(read.text(key))
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise _malformed(read, key)


def _optional_moment(read: Reader, key: str) -> datetime | None:
    return None if read.optional_text(key) is None else _moment(read, key)


def _one_of(kind: type[_Choice], read: Reader, key: str) -> _Choice:
    try:
        return kind(read.text(key))
    except ValueError:
        raise _malformed(read, key) from None


def _malformed(read: Reader, key: str) -> Malformed:
    return Malformed(f"{read.path}.{key}" if read.path else key)
