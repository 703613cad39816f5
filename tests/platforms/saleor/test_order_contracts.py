"""Saleor keeps the contracts on orders and on news."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

import pytest

from plugin.domain.money import Money
from plugin.stores.saleor import SaleorStore
from tests.contracts.asking import FindsOverTheNetwork, NewsOverTheNetwork, Trouble
from tests.contracts.orders import FindsContract, NewsContract
from tests.platforms.order_worlds import BehindANetwork, Declared
from tests.platforms.saleor.conftest import NOW
from tests.platforms.saleor.deliveries import refunded
from tests.platforms.saleor.fake import FakeSaleor

_FAULTS = {
    Trouble.KEY_EXPIRED: "denied",
    Trouble.RATE_LIMITED: "rate_limited",
    Trouble.FAILED: "error_after",
    Trouble.DOWN: "unavailable",
    Trouble.SILENT: "drop_before",
    Trouble.PAGE: "html",
    Trouble.CUT: "truncated",
    Trouble.EMPTY: "empty",
    Trouble.LOST: "lost",
}


@dataclass
class SaleorOrders(Declared, BehindANetwork):
    stem: ClassVar = "saleor"
    faults: ClassVar[Mapping[Trouble, str]] = _FAULTS
    fake: FakeSaleor
    store: SaleorStore
    now: datetime = NOW

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

    def fail(self, kind: str) -> None:
        self.fake.fail(kind, on=lambda _: True)


@pytest.fixture
def world(fake: FakeSaleor, store: SaleorStore) -> SaleorOrders:
    return SaleorOrders(fake, store)


class TestFinds(FindsContract, FindsOverTheNetwork):
    """By the addresses of its orders."""


class TestNews(NewsContract, NewsOverTheNetwork):
    """From the orders that changed."""
