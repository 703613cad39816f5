"""Shopify keeps the contracts on orders and on news."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

import pytest

from plugin.domain.money import Money
from plugin.stores.shopify import ShopifyStore
from tests.contracts.asking import FindsOverTheNetwork, NewsOverTheNetwork, Trouble
from tests.contracts.orders import FindsContract, NewsContract
from tests.platforms.order_worlds import BehindANetwork, Declared
from tests.platforms.shopify.conftest import NOW
from tests.platforms.shopify.fake import FakeShopify, ref_of

_FAULTS = {
    Trouble.KEY_EXPIRED: "unauthorised",
    Trouble.RATE_LIMITED: "throttled",
    Trouble.FAILED: "error_after",
    Trouble.DOWN: "unavailable",
    Trouble.SILENT: "drop_before",
    Trouble.PAGE: "html",
    Trouble.CUT: "truncated",
    Trouble.EMPTY: "empty",
    Trouble.LOST: "lost",
}


@dataclass
class ShopifyOrders(Declared, BehindANetwork):
    stem: ClassVar = "shopify"
    faults: ClassVar[Mapping[Trouble, str]] = _FAULTS
    fake: FakeShopify
    store: ShopifyStore
    now: datetime = NOW

    def sell(self, email: str, amount: Money, *, days_ago: int = 0) -> str:
        at = _moment(self.now - timedelta(days=days_ago))
        now = _moment(self.now)
        sold = self.fake.books.sell(
            amount, email=email, createdAt=at, processedAt=at, updatedAt=now
        )
        return ref_of(sold)

    def pay_back(self, order: str, amount: Money) -> None:
        sold = self.fake.books.orders[f"gid://shopify/Order/{order}"]
        back = {
            "parentId": sold["transactions"][0]["id"],
            "gateway": "shopify_payments",
            "kind": "REFUND",
            "amount": amount.decimal(),
        }
        sent = {"orderId": sold["id"], "note": None, "transactions": [back]}
        self.fake.books.refund(sent, f"elsewhere-{order}")

    def calls(self) -> int:
        return len(self.fake.calls)

    def fail(self, kind: str) -> None:
        self.fake.fail(kind, on="Find List Read")


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def world(fake: FakeShopify, store: ShopifyStore) -> ShopifyOrders:
    """On a day that has its token already: every process asks for one a day."""
    store.read_catalog()
    return ShopifyOrders(fake, store)


class TestFinds(FindsContract, FindsOverTheNetwork):
    """By the addresses of its orders."""


class TestNews(NewsContract, NewsOverTheNetwork):
    """From the orders that changed."""
