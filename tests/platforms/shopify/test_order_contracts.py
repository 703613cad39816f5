"""Shopify keeps the contracts on orders and on news."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from plugin.domain.events import StoreEvent
from plugin.domain.money import Money
from plugin.platforms.strict_json import read_json
from plugin.platforms.webhook_declaration import Webhooks
from plugin.ports.news import News
from plugin.stores.shopify import ShopifyStore
from plugin.stores.shopify.account import manifest
from tests.contracts.orders import FindsContract, NewsContract
from tests.platforms.shopify.conftest import INSTALLATION, NOW, store_at
from tests.platforms.shopify.fake import FakeShopify, ref_of
from webhooks.delivery import Delivery
from webhooks.stores.shopify import parse


@dataclass
class ShopifyOrders:
    fake: FakeShopify
    store: ShopifyStore
    now: datetime = NOW

    @property
    def webhooks(self) -> Webhooks:
        declared = manifest().webhooks
        assert declared is not None
        return declared

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

    def meaning(self, news: News) -> Sequence[StoreEvent]:
        return parse(Delivery(news.body, {}, NOW), INSTALLATION, read_json(news.body))


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def world(fake: FakeShopify, store: ShopifyStore) -> ShopifyOrders:
    """On a day that has its token already: every process asks for one a day."""
    store_at(fake.url).read_catalog()
    return ShopifyOrders(fake, store)


class TestFinds(FindsContract):
    """By the addresses of its orders."""


class TestNews(NewsContract):
    """From the orders that changed."""
