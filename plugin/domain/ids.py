"""Names for identifiers, so that one cannot be passed for another."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NewType

TenantId = NewType("TenantId", str)
InstallationId = NewType("InstallationId", str)
CustomerKey = NewType("CustomerKey", str)
"""A customer of one tenant: the canonical e-mail address (see `customer_key`)."""
AgentId = NewType("AgentId", str)
TicketId = NewType("TicketId", str)
DeliveryId = NewType("DeliveryId", str)
RequestId = NewType("RequestId", str)
PlanId = NewType("PlanId", str)
RefundId = NewType("RefundId", str)
"""One payment's part of a refund: hash of (plan, payment)."""
EffectKey = NewType("EffectKey", str)
RunId = NewType("RunId", str)
FactId = NewType("FactId", str)
PairingId = NewType("PairingId", str)


@dataclass(frozen=True, slots=True)
class AgentRef:
    """One agent of one desk, by the desk's own id: another desk may give the same to another."""

    desk: InstallationId
    agent: AgentId


_UNNAMED = "unnamed "


def customer_key(email: str) -> CustomerKey:
    """The e-mail as we compare it: trimmed and lower-cased.

    Never fuzzy: dots and plus signs count.
    """
    return CustomerKey(email.strip().lower())


def unnamed_key(*parts: str) -> CustomerKey:
    """A customer without an address, as whatever tells her from all others. Never like an address.

    Two of them are not one person: taken together, what one bought would stand for the other's.
    """
    return CustomerKey(f"{_UNNAMED}{digest(*parts)}")


def address_of(customer: CustomerKey) -> str:
    """The customer's address; blank where no order told one."""
    return "" if customer.startswith(_UNNAMED) else customer


def digest(*parts: str) -> str:
    """A 32-character name for `parts`.

    Lengths are hashed too, so ("ab","c") differs from ("a","bc").
    """
    joined = b"".join(b"%d:%s," % (len(raw), raw) for raw in (p.encode() for p in parts))
    return hashlib.sha256(joined).hexdigest()[:32]
