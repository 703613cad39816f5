"""What was sold, paid, refunded and given: snapshots of a store's answer, never changed in place.

An order is what one store said at `read_at`. What a platform does not tell is `None` or
`UsageUnknown`: unknown stays unknown, here and in every text made from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from plugin.domain.errors import InvalidInput
from plugin.domain.ids import CustomerKey, InstallationId, customer_key, unnamed_key
from plugin.domain.money import Money, total, zero


class ResourceKind(StrEnum):
    """Kinds of things a customer can hold.

    A tag is one too: it has reasons, and may open others.
    """

    COURSE = "course"
    BUNDLE = "bundle"
    COMMUNITY = "community"
    DOWNLOAD = "download"
    LICENCE = "licence"
    MEMBERSHIP = "membership"
    TAG = "tag"


@dataclass(frozen=True, slots=True, order=True)
class Resource:
    """One thing at one store account. The name is for people and takes no part in comparison."""

    installation: InstallationId
    kind: ResourceKind
    ref: str
    name: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, order=True)
class OrderRef:
    """One order at one store account, by the store's own id."""

    installation: InstallationId
    ref: str


@dataclass(frozen=True, slots=True, order=True)
class LineRef:
    """One line of an order, by the store's own id."""

    order: OrderRef
    ref: str


@dataclass(frozen=True, slots=True, order=True)
class SubscriptionRef:
    """One subscription at one store account, by the store's own id."""

    installation: InstallationId
    ref: str


@dataclass(frozen=True, slots=True, order=True)
class PaymentRef:
    """A captured payment at the account that took it, which may be another one than the order's."""

    installation: InstallationId
    ref: str


@dataclass(frozen=True, slots=True)
class UsageKnown:
    """What the store can prove. `share` is per cent used, 0 to 100, where it counts at all."""

    downloaded: bool | None = None
    share: int | None = None


@dataclass(frozen=True, slots=True)
class UsageUnknown:
    """The store does not tell. Never read as "not used"."""


Usage = UsageKnown | UsageUnknown


@dataclass(frozen=True, slots=True)
class Term:
    """A paid stretch of time cut into equal periods: 12 months from `start`, say."""

    start: datetime
    periods: int
    unit: str = "month"

    def __post_init__(self) -> None:
        if self.unit not in ("day", "week", "month", "year") or self.periods < 1:
            raise InvalidInput("term", "give one or more days, weeks, months or years")


@dataclass(frozen=True, slots=True)
class Line:
    """One thing sold.

    `gives` is None where neither event, store nor access map tells what it opened. `listed` is its
    list price, only where taxes, shipping or a discount of the whole order are told for no line
    alone: then `paid` is a share of the total (`plugin.domain.line_shares`).
    """

    ref: LineRef
    title: str
    product: str
    paid: Money
    refunded: Money
    kind: ResourceKind | None = None
    gives: tuple[Resource, ...] | None = None
    usage: Usage = UsageUnknown()
    term: Term | None = None
    subscription: str | None = None
    listed: Money | None = None

    @property
    def left(self) -> Money:
        return self.paid - self.refunded


class RefundRoute(StrEnum):
    """How money of a payment can go back today."""

    BY_API = "by_api"
    BY_HAND = "by_hand"
    NOT = "not"


@dataclass(frozen=True, slots=True)
class Payment:
    """A captured tender.

    `label` is for people: `Visa ...4242`. `fee_kept` is what the gateway keeps. `processor` is who
    took it for the store, in the store's own word; None where it does not tell.
    """

    ref: PaymentRef
    label: str
    captured: Money
    refunded: Money
    disputed: Money
    route: RefundRoute
    fee_kept: Money | None = None
    partial: bool = True
    dispute_open: bool = False
    deep_link: str | None = None
    processor: str | None = None


class SubscriptionStatus(StrEnum):
    """Whether a renewing sale goes on."""

    ACTIVE = "active"
    ENDING = "ending"  # cancelled, paid until `paid_until`
    ENDED = "ended"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A renewing sale. `paid_until` is None where the platform does not tell."""

    installation: InstallationId
    ref: str
    status: SubscriptionStatus
    paid_until: datetime | None = None
    renews: Money | None = None
    renews_at: datetime | None = None


class RefundStage(StrEnum):
    """How far a refund is at its gateway. One that was cancelled there has failed."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class DisputeStage(StrEnum):
    """Where a dispute stands at the bank: not decided, or for us, or against us."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class RefundSeen:
    """A refund the platform itself lists. `reference` is ours where the platform kept it."""

    ref: str
    payment: PaymentRef
    amount: Money
    state: RefundStage
    at: datetime
    reference: str | None = None


def buyer_key(email: str, ref: OrderRef, contact: str | None) -> CustomerKey:
    """Whose order it is: her address, else her account at that store, else nobody's but its own."""
    if email.strip():
        return customer_key(email)
    of = ("contact", contact) if contact else ("order", ref.ref)
    return unnamed_key(ref.installation, *of)


@dataclass(frozen=True, slots=True)
class Order:
    """One order as its store told it at `read_at`.

    `others_unseen`: its store has orders of the same customer that it did not show, and one of them
    may pay for the same things. None where this reading did not tell.
    """

    ref: OrderRef
    number: str
    customer: CustomerKey
    email: str
    name: str
    bought_at: datetime
    currency: str
    lines: tuple[Line, ...]
    payments: tuple[Payment, ...]
    read_at: datetime
    subscription: Subscription | None = None
    refunds: tuple[RefundSeen, ...] = ()
    contact: str | None = None
    deep_link: str | None = None
    others_unseen: bool | None = None

    @property
    def paid(self) -> Money:
        return total((line.paid for line in self.lines), self.currency)

    @property
    def captured(self) -> Money:
        """What was taken for it: by the payments where the store shows them, else by the lines."""
        if self.payments:
            return total((payment.captured for payment in self.payments), self.currency)
        return self.paid

    @property
    def refunded(self) -> Money:
        """What went back so far, by the payments where the store shows them, else by the lines."""
        if self.payments:
            return total((payment.refunded for payment in self.payments), self.currency)
        return total((line.refunded for line in self.lines), self.currency)

    @property
    def disputed(self) -> Money:
        return total((payment.disputed for payment in self.payments), self.currency)

    @property
    def title(self) -> str:
        """The first line's title; further lines are counted by whoever shows it."""
        return self.lines[0].title if self.lines else self.number

    def line(self, ref: LineRef) -> Line:
        """The line called `ref`. Raises KeyError when this order has no such line."""
        for line in self.lines:
            if line.ref == ref:
                return line
        raise KeyError(ref)

    def nothing(self) -> Money:
        return zero(self.currency)
