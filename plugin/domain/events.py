"""Store events: what a delivery means, in our words. Past tense, never instructions.

A parser turns one delivery into events. What we do not know is `Unrecognised`: kept, counted,
shown, never raised and never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from plugin.domain.ids import InstallationId
from plugin.domain.money import Money
from plugin.domain.orders import DisputeStage, Order, PaymentRef, RefundStage, Resource


class NamedBy(StrEnum):
    """What of its sale a cancellation names by the store's own id; the rest are names we made."""

    ORDER = "order"
    LINE = "line"
    PLAN = "plan"


@dataclass(frozen=True, slots=True)
class SaleMade:
    """A sale, whole or one line of it. Lines carry what they give where the store tells."""

    order: Order


@dataclass(frozen=True, slots=True)
class SaleRefunded:
    """The store says that this sale's money went back in full (a one-shot sale cancelled)."""

    order: Order
    at: datetime
    refund: str
    named_by: NamedBy = NamedBy.ORDER


@dataclass(frozen=True, slots=True)
class SubscriptionCancelled:
    """A subscription sale was cancelled. Not money back: it must be re-read for its paid period.

    `paid_until` is None until it is re-read.
    """

    order: Order
    subscription: str | None
    at: datetime
    paid_until: datetime | None = None
    ended: bool = False
    named_by: NamedBy = NamedBy.ORDER


@dataclass(frozen=True, slots=True)
class PaymentRefunded:
    """A gateway's news of one refund of one payment.

    `reference` is our own key where the gateway kept it: that makes it our echo. `whole` says that
    nothing of the payment is left. `order` is the gateway's own view of the sale, where it can
    tell.
    """

    payment: PaymentRef
    refund: str
    amount: Money
    state: RefundStage
    at: datetime
    reference: str | None = None
    whole: bool = False
    order: Order | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DisputeNews:
    """A bank's dispute on one payment."""

    payment: PaymentRef
    dispute: str
    amount: Money
    state: DisputeStage
    at: datetime
    order: Order | None = None


@dataclass(frozen=True, slots=True)
class TagNews:
    """A contact got or lost a tag."""

    email: str
    tag: Resource
    added: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class SubscriptionNews:
    """A gateway's subscription changed: ends at `ends_at`, ended, or goes on where neither.

    `begun_by` is the order that began it, by the store's own id, where the platform names it.
    """

    installation: InstallationId
    subscription: str
    email: str
    ended: bool
    ends_at: datetime | None
    at: datetime
    begun_by: str | None = None


@dataclass(frozen=True, slots=True)
class AccountClosed:
    """The platform told us that we were uninstalled or lost all our rights."""

    at: datetime


@dataclass(frozen=True, slots=True)
class RightsChanged:
    """What we may do at the platform was changed there.

    `missing` names, for a person, what we need and may not do now; empty where nothing is missing.
    """

    missing: str


@dataclass(frozen=True, slots=True)
class TestDelivery:
    """The platform tried the webhook out. Ends the self-test's waiting; changes nothing else."""

    __test__ = False  # not a test class, whatever its name begins with


@dataclass(frozen=True, slots=True)
class Irrelevant:
    """Known, and nothing to us. `what` is a topic or a path, never content; `why` says it once."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Unrecognised:
    """Rightly signed, but of a kind that we have no words for.

    `what` is a topic or a path, never content.
    """

    what: str


StoreEvent = (
    SaleMade
    | SaleRefunded
    | SubscriptionCancelled
    | PaymentRefunded
    | DisputeNews
    | TagNews
    | SubscriptionNews
    | AccountClosed
    | RightsChanged
    | TestDelivery
    | Irrelevant
    | Unrecognised
)
