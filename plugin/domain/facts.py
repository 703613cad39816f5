"""Facts of the ledger: what happened to a customer's purchases and tags, appended, never changed.

Each fact has an id made from what it says, so the same news twice is one fact, and news that says
more is another one: what is kept first never hides what comes later. Facts carry the store's times.
Their meaning must not depend on the order in which they arrive: `plugin.domain.ledger` reads them
as a set.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from plugin.domain.ids import CustomerKey, FactId, digest
from plugin.domain.money import Money
from plugin.domain.orders import LineRef, OrderRef, PaymentRef, Resource, SubscriptionRef


@dataclass(frozen=True, slots=True)
class Bought:
    """A line was sold. `gives` is what the event or API told; None leaves it to the access map.

    `subscription` is the store's id of what renews it, where it does.
    """

    customer: CustomerKey
    line: LineRef
    product: str
    title: str
    paid: Money
    at: datetime
    gives: tuple[Resource, ...] | None = None
    subscription: str | None = None

    @property
    def id(self) -> FactId:
        """Of all that it says but the title: a store may tell of a line again, and better."""
        given = ("untold",) if self.gives is None else ("told", *_resources(self.gives))
        renewed = () if self.subscription is None else ("renewed by", self.subscription)
        words = (*_line(self.line), self.product, *_money(self.paid), self.at.isoformat())
        return FactId(digest("bought", *words, *given, *renewed))


@dataclass(frozen=True, slots=True)
class Refunded:
    """Money of an order went back for good.

    `refund` is the gateway's id, or ours where it has none.

    `amounts` are the parts told per line: a line whose parts reach what was paid ends. `ends` are
    lines that end whatever the amount (pro-rated with their subscription). `whole` says that
    nothing of the order is left paid, so every line of it ends, also one that we hear of later.

    `by_payment` is the same money per payment: parts of an order that are refunded one by one add
    up. `captured` is all that was taken for the order, as far as it was known then.
    """

    customer: CustomerKey
    order: OrderRef
    refund: str
    at: datetime
    amount: Money
    amounts: tuple[tuple[LineRef, Money], ...] = ()
    ends: tuple[LineRef, ...] = ()
    whole: bool = False
    by_payment: tuple[tuple[PaymentRef, Money], ...] = ()
    captured: Money | None = None

    @property
    def id(self) -> FactId:
        """Of the refund and what it ends, not of its time: a gateway tells the same twice."""
        words = [self.order.installation, self.order.ref, self.refund, str(self.whole)]
        for line, amount in self.amounts:
            words += ["part", *_line(line), *_money(amount)]
        for line in self.ends:
            words += ["ends", *_line(line)]
        for payment, amount in self.by_payment:
            words += ["of payment", payment.installation, payment.ref, *_money(amount)]
        if self.captured is not None:
            words += ["captured", *_money(self.captured)]
        return FactId(digest("refunded", *words))


@dataclass(frozen=True, slots=True)
class RefundFailed:
    """A refund that had counted as done came back. Its line is owed again."""

    customer: CustomerKey
    order: OrderRef
    refund: str
    at: datetime

    @property
    def id(self) -> FactId:
        return FactId(digest("refund_failed", self.order.installation, self.order.ref, self.refund))


@dataclass(frozen=True, slots=True)
class PaidUntil:
    """How long a subscription is paid for: what it renews ends at `until`; None says it goes on.

    No money went back. The latest news counts. `of` is the line, or the subscription where nothing
    but that is named: its lines may become known later.
    """

    customer: CustomerKey
    of: LineRef | SubscriptionRef
    until: datetime | None
    at: datetime

    @property
    def id(self) -> FactId:
        """Of its time too: cancelled, resumed and cancelled again are three pieces of news."""
        named: tuple[str, ...]
        match self.of:
            case LineRef():
                named = ("line", *_line(self.of))
            case SubscriptionRef():
                named = ("subscription", self.of.installation, self.of.ref)
            case _:
                assert_never(self.of)
        until = "goes on" if self.until is None else self.until.isoformat()
        return FactId(digest("paid_until", *named, until, self.at.isoformat()))


@dataclass(frozen=True, slots=True)
class DisputeOpened:
    """The bank holds money of this order. Blocks refunds; changes no access by itself."""

    customer: CustomerKey
    order: OrderRef
    dispute: str
    amount: Money
    at: datetime

    @property
    def id(self) -> FactId:
        return FactId(
            digest("dispute_opened", self.order.installation, self.order.ref, self.dispute)
        )


@dataclass(frozen=True, slots=True)
class DisputeClosed:
    """The bank decided. Lost means the money is gone, and the order's grants with it."""

    customer: CustomerKey
    order: OrderRef
    dispute: str
    won: bool
    at: datetime

    @property
    def id(self) -> FactId:
        words = (self.order.installation, self.order.ref, self.dispute, str(self.won))
        return FactId(digest("dispute_closed", *words))


@dataclass(frozen=True, slots=True)
class TagAdded:
    """The store said that this customer got this tag."""

    customer: CustomerKey
    tag: Resource
    at: datetime

    @property
    def id(self) -> FactId:
        return FactId(digest("tag_added", *_tag(self.customer, self.tag), self.at.isoformat()))


@dataclass(frozen=True, slots=True)
class TagRemoved:
    """The store said that this customer lost this tag, by whomever."""

    customer: CustomerKey
    tag: Resource
    at: datetime

    @property
    def id(self) -> FactId:
        return FactId(digest("tag_removed", *_tag(self.customer, self.tag), self.at.isoformat()))


@dataclass(frozen=True, slots=True)
class Given:
    """A resource given without a sale: a gift, or staff."""

    customer: CustomerKey
    resource: Resource
    why: str
    at: datetime

    @property
    def id(self) -> FactId:
        return FactId(
            digest(
                "given",
                self.customer,
                self.resource.installation,
                self.resource.kind,
                self.resource.ref,
            )
        )


Fact = (
    Bought
    | Refunded
    | RefundFailed
    | PaidUntil
    | DisputeOpened
    | DisputeClosed
    | TagAdded
    | TagRemoved
    | Given
)


def _line(line: LineRef) -> tuple[str, str, str]:
    return (line.order.installation, line.order.ref, line.ref)


def _money(money: Money) -> tuple[str, str]:
    return (str(money.minor), money.currency)


def _resources(resources: tuple[Resource, ...]) -> list[str]:
    return [word for r in resources for word in (r.installation, r.kind, r.ref)]


def _tag(customer: CustomerKey, tag: Resource) -> tuple[str, str, str]:
    return (customer, tag.installation, tag.ref)
