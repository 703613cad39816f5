"""Shopify's news: sales and refunds of orders that changed in a time, each as its webhook tells it.

Two searches, each page as cheap as it can be: a shop has few points, and what was found is read
again by itself afterwards. Shopify names a delivery by an id that no list tells. So a sale has one
name for good, and the refunds of an order one for as long as they stand the same: who was told
both ways reads them twice, and applies the same.
https://shopify.dev/docs/api/usage/search-syntax
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from plugin.domain.errors import RetryLater
from plugin.platforms.shopify_words import id_of, moment
from plugin.platforms.strict_json import JsonObject, JsonValue, Malformed, Reader
from plugin.ports.news import News
from plugin.stores.shopify.account import Account, understood
from plugin.stores.shopify.documents import FEW_REFUNDS

KEPT: Final = timedelta(days=60)
"""How old an order may be that the right `read_orders` shows."""
SOLD: Final = "orders/paid"
REFUNDED: Final = "orders/updated"
_BACK: Final = "(financial_status:refunded OR financial_status:partially_refunded)"
_PAID: Final = (
    "(financial_status:paid OR financial_status:refunded OR financial_status:partially_refunded)"
)


def read(account: Account, since: datetime, until: datetime) -> Iterator[Sequence[News]]:
    """Refunds first, then sales, page by page: money that went back must not be given twice."""
    during = f"updated_at:>='{_written(since)}' updated_at:<='{_written(until, 1)}'"
    for page in _pages(account, "order.list_refunded", f"{during} {_BACK}"):
        yield [news for node in page if (news := _refunds(account, node)) is not None]
    for page in _pages(account, "order.list_sold", f"{during} {_PAID}"):
        with understood(RetryLater):
            news_of_page = [news for node in page if (news := _sale(node)) is not None]
        yield news_of_page


def _pages(account: Account, label: str, query: str) -> Iterator[Sequence[Reader]]:
    """A page begins behind an order: one that changes meanwhile goes to the end, none is missed."""
    after: str | None = None
    while True:
        data = account.ask(label, {"query": query, "after": after})
        with understood(RetryLater):
            page = data.items("orders", "nodes")
            has_more = data.boolean("orders", "pageInfo", "hasNextPage")
            behind = data.optional_text("orders", "pageInfo", "endCursor")
            if has_more and behind in (None, after):
                raise Malformed("orders.pageInfo.endCursor")  # the same page for ever
        yield page
        if not has_more:
            return
        after = behind


def _sale(node: Reader) -> News | None:
    """None for an order that cost nothing: nothing of it can go back."""
    total = node.section("totalPriceSet", "presentmentMoney")
    amount, currency = total.text("amount"), total.text("currencyCode")
    if not amount.strip("0."):
        return None
    told: JsonObject = {
        "id": int(id_of(node.text("id"))),
        "name": node.text("name"),
        "email": node.optional_text("email"),
        "processed_at": node.text("processedAt"),
        "presentment_currency": currency,
        "total_price_set": {"presentment_money": {"amount": amount, "currency_code": currency}},
        "line_items": [],
    }
    return _news(SOLD, told, moment(node.text("updatedAt")))


def _refunds(account: Account, node: Reader) -> News | None:
    with understood(RetryLater):
        at, order = moment(node.text("updatedAt")), node.text("id")
        refunds = node.items("refunds")
        parts = [refund.items("transactions", "nodes") for refund in refunds]
        # As many as were asked for: there may be more.
        is_cut = max([len(refunds), *map(len, parts)]) >= FEW_REFUNDS
    whole = account.ask("order.read", {"id": order}) if is_cut else None
    with understood(RetryLater):
        if whole is None:
            noted = [
                (one, refund.optional_text("note"))
                for refund, part in zip(refunds, parts, strict=True)
                for one in part
            ]
        else:
            found = whole.optional_section("order")
            noted = [] if found is None else _all_of(found)
        number = int(id_of(order))
        listed = [_refund(one, note, number) for one, note in noted if one.text("kind") == "REFUND"]
        if not listed:
            return None
        return _news(REFUNDED, {"id": number, "refunds": listed}, at)


def _all_of(order: Reader) -> list[tuple[Reader, str | None]]:
    notes = {
        one.text("id"): refund.optional_text("note")
        for refund in order.items("refunds")
        for one in refund.items("transactions", "nodes")
    }
    return [(one, notes.get(one.text("id"))) for one in order.items("transactions")]


def _refund(transaction: Reader, note: str | None, order: int) -> JsonValue:
    amount = transaction.section("amountSet", "presentmentMoney")
    parent = transaction.optional_text("parentTransaction", "id")
    told: JsonObject = {
        "id": int(id_of(transaction.text("id"))),
        "order_id": order,
        "parent_id": None if parent is None else int(id_of(parent)),
        "kind": "refund",
        "status": transaction.text("status").lower(),
        "amount": amount.text("amount"),
        "currency": amount.text("currencyCode"),
        "processed_at": transaction.optional_text("processedAt"),
        "created_at": transaction.text("createdAt"),
    }
    return {"order_id": order, "note": note, "transactions": [told]}


def _news(topic: str, told: JsonObject, at: datetime) -> News:
    """The topic is in the body: no header comes with it."""
    read: JsonObject = {"topic": topic, "told": told}
    body = json.dumps(read, sort_keys=True, separators=(",", ":")).encode("ascii")
    return News(f"sha256:{hashlib.sha256(body).hexdigest()}", topic, at, body)


def _written(at: datetime, more_seconds: int = 0) -> str:
    """Whole seconds, downwards: what is asked for is a little more and never less."""
    return (at + timedelta(seconds=more_seconds)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
