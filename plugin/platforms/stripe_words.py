"""Stripe's words for where a refund or a dispute stands, in ours. Tables only, read by both sides.

What an event tells and what the API answers must mean the same, and neither side may import the
other. A word that stands in no table is one that Stripe did not have when this was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from plugin.domain.orders import DisputeStage, RefundStage

REFUND_STATES: Mapping[str, RefundStage] = MappingProxyType(
    {
        "pending": RefundStage.PENDING,
        "requires_action": RefundStage.PENDING,
        "succeeded": RefundStage.SUCCEEDED,
        "failed": RefundStage.FAILED,
        "canceled": RefundStage.FAILED,
    }
)
"""Status of a refund.

https://docs.stripe.com/api/refunds/object#refund_object-status
"""

DISPUTE_STATES: Mapping[str, DisputeStage] = MappingProxyType(
    {
        "needs_response": DisputeStage.OPEN,
        "under_review": DisputeStage.OPEN,
        "won": DisputeStage.WON,
        # The bank was paid back by a refund, which tells of itself.
        "prevented": DisputeStage.WON,
        "lost": DisputeStage.LOST,
    }
)
"""Status of a dispute.

https://docs.stripe.com/api/disputes/object#dispute_object-status
"""

INQUIRIES = frozenset({"warning_needs_response", "warning_under_review", "warning_closed"})
"""A bank that only asks. It takes no money and is no dispute: refunding is what settles it."""
