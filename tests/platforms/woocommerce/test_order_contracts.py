"""WooCommerce keeps the contracts on orders and on news."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from plugin.domain.money import Money
from plugin.stores.woocommerce import WoocommerceStore
from tests.contracts.asking import FindsOverTheNetwork, NewsOverTheNetwork, Trouble
from tests.contracts.orders import FindsContract, NewsContract
from tests.platforms.order_worlds import BehindANetwork, Declared
from tests.platforms.woocommerce.fake import FakeShop

_FAULTS = {
    Trouble.KEY_EXPIRED: "unauthorised",
    Trouble.RATE_LIMITED: "busy",
    Trouble.FAILED: "error",
    Trouble.DOWN: "down",
    Trouble.SILENT: "drop_before",
    Trouble.PAGE: "page",
    Trouble.CUT: "cut",
    Trouble.EMPTY: "nothing",
    Trouble.LOST: "lost",
}


@dataclass
class ShopOrders(Declared, BehindANetwork):
    stem: ClassVar = "woocommerce"
    faults: ClassVar[Mapping[Trouble, str]] = _FAULTS
    fake: FakeShop
    store: WoocommerceStore

    @property
    def now(self) -> datetime:
        return self.fake.books.now.replace(tzinfo=UTC)

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

    def fail(self, kind: str) -> None:
        self.fake.faults.append(kind)
        self.fake.meets = lambda *_: True


@pytest.fixture
def world(fake: FakeShop, store: WoocommerceStore) -> ShopOrders:
    return ShopOrders(fake, store)


class TestFinds(FindsContract, FindsOverTheNetwork):
    """By a search of words, and only who was asked for."""


class TestNews(NewsContract, NewsOverTheNetwork):
    """From the orders that changed."""
