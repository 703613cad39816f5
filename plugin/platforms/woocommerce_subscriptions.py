"""Reads subscriptions of the Subscriptions extension, for the adapter and for the parser. Pure.

The extension's webhooks bring a subscription as its REST API tells it, as it stands when it is
sent. What is on hold waits for a payment or was paused: it may go on, so nothing has ended. What
expired was paid to the last: a course paid in three instalments is the customer's from then on, and
what a limited term opened, the shop's own extensions end. So that ends nothing here.
https://woocommerce.github.io/subscriptions-rest-api-docs/
https://github.com/Automattic/woocommerce-subscriptions-core, includes/class-wcs-webhooks.php
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from plugin.domain.events import Irrelevant, SubscriptionNews, Unrecognised
from plugin.domain.ids import InstallationId
from plugin.domain.orders import SubscriptionStatus
from plugin.platforms.strict_json import Reader
from plugin.platforms.woocommerce_orders import moment

_RUNNING: Final = frozenset({"active", "on-hold", "pending"})
_OVER: Final = frozenset({"cancelled", "expired", "switched", "trash"})
_ENDING: Final = "pending-cancel"
_PAID_UP: Final = "expired"


def status_of(body: Reader) -> SubscriptionStatus:
    """How it stands; UNKNOWN for a word that another extension may have added."""
    word = body.text("status")
    if word in _OVER:
        return SubscriptionStatus.ENDED
    if word == _ENDING:
        return SubscriptionStatus.ENDING
    return SubscriptionStatus.ACTIVE if word in _RUNNING else SubscriptionStatus.UNKNOWN


def end_of(body: Reader) -> datetime | None:
    """When it ends or ended, as far as the shop tells. One that runs may have a last day too."""
    return moment(body, "end_date_gmt") if body.optional_text("end_date_gmt") else None


def subscription_news(
    body: Reader, installation: InstallationId
) -> SubscriptionNews | Irrelevant | Unrecognised:
    """What a subscription says about itself. Raises Malformed."""
    if body.text("status") == _PAID_UP:
        return Irrelevant("subscription: expired", "all that was agreed is paid: it takes nothing")
    status = status_of(body)
    if status is SubscriptionStatus.UNKNOWN:
        return Unrecognised("subscription: status")
    runs = status is SubscriptionStatus.ACTIVE
    parent = body.optional_identifier("parent_id")
    return SubscriptionNews(
        installation=installation,
        subscription=body.identifier("id"),
        email=body.optional_text("billing", "email") or "",
        ended=status is SubscriptionStatus.ENDED,
        ends_at=None if runs else end_of(body),
        at=moment(body, "date_modified_gmt"),
        # The shop's staff may make one that no order began: its parent is 0.
        begun_by=None if parent == "0" else parent,
    )
