"""WooCommerce keeps the contracts on orders and on news."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from plugin.domain.events import StoreEvent
from plugin.domain.money import Money
from plugin.platforms.strict_json import read_json
from plugin.platforms.webhook_declaration import Webhooks
from plugin.ports.news import News
from plugin.stores.woocommerce import WoocommerceStore
from plugin.stores.woocommerce.account import manifest
from tests.contracts.orders import FindsContract, NewsContract
from tests.platforms.woocommerce.conftest import INSTALLATION
from tests.platforms.woocommerce.fake import FakeShop
from webhooks.delivery import Delivery
from webhooks.stores.woocommerce import parse


@dataclass
class ShopOrders:
    fake: FakeShop
    store: WoocommerceStore

    @property
    def now(self) -> datetime:
        return self.fake.books.now.replace(tzinfo=UTC)

    @property
    def webhooks(self) -> Webhooks:
        declared = manifest().webhooks
        assert declared is not None
        return declared

    def sell(self, email: str, amount: Money, *, days_ago: int = 0) -> str:
        at = (self.now - timedelta(days=days_ago)).strftime("%Y-%m-%dT%H:%M:%S")
        sold = self.fake.books.sell(
            (amount.decimal(), "0"), currency=amount.currency, email=email, date_paid_gmt=at
        )
        return str(sold["id"])

    def pay_back(self, order: str, amount: Money) -> None:
        self.fake.books.refund(int(order), {"amount": amount.decimal()})

    def calls(self) -> int:
        return len(self.fake.calls)

    def meaning(self, news: News) -> Sequence[StoreEvent]:
        at = self.now
        return parse(Delivery(news.body, {}, at), INSTALLATION, read_json(news.body))


@pytest.fixture
def world(fake: FakeShop, store: WoocommerceStore) -> ShopOrders:
    return ShopOrders(fake, store)


class TestFinds(FindsContract):
    """By a search of words, and only who was asked for."""


class TestNews(NewsContract):
    """From the orders that changed."""
