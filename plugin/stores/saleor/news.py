"""Saleor's news: the orders that changed in a time, each as its webhook would bring it.

Saleor writes a delivery's body by Python's `json.dumps`, and sends ORDER_UPDATED with every change
of an order. Written so, an order that was not changed since has the same bytes, so the same name,
and is known. https://docs.saleor.io/developer/extending/webhooks/subscription-webhook-payloads
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from plugin.domain.errors import RetryLater
from plugin.platforms.saleor_orders import moment
from plugin.platforms.strict_json import JsonObject, Malformed, Reader
from plugin.ports.news import News
from plugin.stores.saleor.account import Account, Variables, understood
from plugin.stores.saleor.documents import CHANGED_ORDERS

EVENT: Final = "OrderUpdated"
TOPIC: Final = "order_updated"


def changed_orders(account: Account, since: datetime, until: datetime) -> Iterator[Sequence[News]]:
    """Page by page, the one that was changed first before the others.

    A page begins behind an order and not at a number: an order that is changed meanwhile goes to
    the end, and none is passed over.
    """
    after: str | None = None
    while True:
        asked: Variables = {"since": since.isoformat(), "until": until.isoformat(), "after": after}
        data = account.read("order.list", CHANGED_ORDERS, asked)
        with understood(RetryLater):
            nodes = [edge.section("node") for edge in data.items("orders", "edges")]
            page = [_news(node) for node in nodes if _is_paid(node)]
            has_more = data.boolean("orders", "pageInfo", "hasNextPage")
            behind = data.optional_text("orders", "pageInfo", "endCursor")
            if has_more and behind in (None, after):
                raise Malformed("orders.pageInfo.endCursor")  # the same page for ever
        yield page
        if not has_more:
            return
        after = behind


def _is_paid(order: Reader) -> bool:
    """Whether there is anything that money was taken by; perhaps it took none."""
    return bool(order.items("transactions") or order.items("payments"))


def _news(order: Reader) -> News:
    event: JsonObject = {"__typename": EVENT, "order": order.value}
    body = json.dumps(event).encode("ascii")
    return News(
        f"sha256:{hashlib.sha256(body).hexdigest()}", TOPIC, moment(order, "updatedAt"), body
    )
