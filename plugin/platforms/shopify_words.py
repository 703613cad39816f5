"""Shopify's words, amounts and our mark, as both its adapter and its parser read them. Pure.

GraphQL writes statuses in capitals, webhooks in small letters: both are read here. Amounts are
decimal text with a currency beside it (https://shopify.dev/docs/api/admin-graphql#scalars Decimal).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from plugin.domain.errors import InvalidInput
from plugin.domain.ids import InstallationId
from plugin.domain.money import Money, exponent
from plugin.domain.orders import DisputeStage, PaymentRef, RefundStage

TRANSACTION_STATES: Mapping[str, RefundStage] = MappingProxyType(
    {
        "SUCCESS": RefundStage.SUCCEEDED,
        "FAILURE": RefundStage.FAILED,
        "ERROR": RefundStage.FAILED,
        "PENDING": RefundStage.PENDING,
        "AWAITING_RESPONSE": RefundStage.PENDING,
        "UNKNOWN": RefundStage.PENDING,
    }
)
"""Where the money of a refund is. A refund that was created says nothing about that."""

DISPUTE_STATES: Mapping[str, DisputeStage] = MappingProxyType(
    {
        "NEEDS_RESPONSE": DisputeStage.OPEN,
        "UNDER_REVIEW": DisputeStage.OPEN,
        "LOST": DisputeStage.LOST,
        "ACCEPTED": DisputeStage.LOST,
        "WON": DisputeStage.WON,
        "PREVENTED": DisputeStage.WON,
        "CHARGE_REFUNDED": DisputeStage.WON,
    }
)
"""`WON` where the bank holds nothing more: won, prevented, or over because the money went back."""

RETURNS_OVER = frozenset({"NO_RETURN", "RETURNED", "RETURN_FAILED"})
"""What an order's returns are where none is open. Any other word may be a new kind of open."""

_AMOUNT = re.compile(r"([0-9]{1,13})(?:\.([0-9]{1,12}))?", re.ASCII)
_GID = re.compile(r"gid://shopify/[A-Za-z]{1,64}/([0-9]{1,20})(?:\?[^\s]{0,200})?", re.ASCII)
_DIGITS = re.compile(r"[0-9]{1,20}", re.ASCII)
_PAYMENT = re.compile(r"([0-9]{1,20})-([0-9]{1,20})", re.ASCII)
_OFFSET = re.compile(r"T.+(?:Z|[+-][0-9]{2}:[0-9]{2})\Z", re.ASCII)
_NOTE = re.compile(r"Makegood refund ([\w-]{1,64}) (mg-[\w-]{1,64}-a[1-9][0-9]{0,5})", re.ASCII)


def read_amount(text: str, currency: str) -> Money:
    """`89.99` of USD, `3800` or `3800.0` of JPY. Raises InvalidInput for any other form."""
    found = _AMOUNT.fullmatch(text)
    if found is None:
        raise InvalidInput("amount", "this is no decimal amount")
    places = exponent(currency)
    fraction = (found[2] or "").rstrip("0")
    if len(fraction) > places:
        raise InvalidInput("amount", f"{currency} has no such fraction")
    return Money(int(found[1] + fraction.ljust(places, "0")), currency)


def id_of(gid: str) -> str:
    """The number in `gid://shopify/Order/450789469`. Raises InvalidInput for any other form."""
    found = _GID.fullmatch(gid)
    if found is None:
        raise InvalidInput("id", "this is no id of Shopify's")
    return found[1]


def gid(kind: str, ref: str) -> str | None:
    """The id as GraphQL wants it; None where `ref` is no number, so that no such thing can be."""
    return f"gid://shopify/{kind}/{ref}" if _DIGITS.fullmatch(ref) else None


def payment_ref(installation: InstallationId, order: str, transaction: str) -> PaymentRef:
    """A refund must name the order and the transaction that captured the money: both are kept."""
    return PaymentRef(installation, f"{order}-{transaction}")


def order_and_transaction(payment: PaymentRef) -> tuple[str, str] | None:
    """The two numbers in a payment's name; None for a name that is not ours."""
    found = _PAYMENT.fullmatch(payment.ref)
    return None if found is None else (found[1], found[2])


def note_of(refund: str, key: str) -> str:
    """The note that a refund of ours carries, by which it is found again."""
    return f"Makegood refund {refund} {key}"


def read_note(note: str | None) -> tuple[str, str] | None:
    """Id and key of the refund of ours that has this note; None for anybody else's."""
    found = _NOTE.fullmatch(note or "")
    return None if found is None else (found[1], found[2])


def moment(text: str) -> datetime:
    """An ISO 8601 time with its offset, in UTC. Raises InvalidInput for any other form."""
    if _OFFSET.search(text) is None:
        raise InvalidInput("time", "this is no time with an offset")
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput("time", "this is no time with an offset") from None
