"""Saleor keeps the contracts on orders and on news."""

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
from plugin.stores.saleor import SaleorStore
from plugin.stores.saleor.account import manifest
from tests.contracts.orders import FindsContract, NewsContract
from tests.platforms.saleor.conftest import INSTALLATION, NOW
from tests.platforms.saleor.deliveries import refunded
from tests.platforms.saleor.fake import FakeSaleor
from webhooks.delivery import Delivery
from webhooks.stores.saleor import parse


@dataclass
class SaleorOrders:
    fake: FakeSaleor
    store: SaleorStore
    now: datetime = NOW

    @property
    def webhooks(self) -> Webhooks:
        declared = manifest().webhooks
        assert declared is not None
        return declared

    def sell(self, email: str, amount: Money, *, days_ago: int = 0) -> str:
        books = self.fake.books
        order = str(books.sell(amount.minor, amount.currency, email=email)["order"])
        books.orders[order]["created"] = (self.now - timedelta(days=days_ago)).isoformat()
        return order

    def pay_back(self, order: str, amount: Money) -> None:
        books = self.fake.books
        [paid] = [ref for ref, one in books.transactions.items() if one["order"] == order]
        refunded(books, paid, amount.minor)

    def calls(self) -> int:
        return len(self.fake.paths)

    def meaning(self, news: News) -> Sequence[StoreEvent]:
        return parse(Delivery(news.body, {}, NOW), INSTALLATION, read_json(news.body))


@pytest.fixture
def world(fake: FakeSaleor, store: SaleorStore) -> SaleorOrders:
    return SaleorOrders(fake, store)


class TestFinds(FindsContract):
    """By the addresses of its orders."""


class TestNews(NewsContract):
    """From the orders that changed."""
