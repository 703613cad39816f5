"""Stripe keeps the contracts on orders and on news."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar

import pytest

from plugin.domain.money import Money
from plugin.stores.stripe import StripeStore
from tests.contracts.asking import FindsOverTheNetwork, NewsOverTheNetwork, Trouble
from tests.contracts.orders import FindsContract, NewsContract
from tests.platforms.order_worlds import BehindANetwork, Declared
from tests.platforms.stripe.conftest import NOW
from tests.platforms.stripe.fake import FakeStripe

_FAULTS = {
    Trouble.KEY_EXPIRED: "expired",
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
class StripeOrders(Declared, BehindANetwork):
    stem: ClassVar = "stripe"
    faults: ClassVar[Mapping[Trouble, str]] = _FAULTS
    fake: FakeStripe
    store: StripeStore
    now: datetime = NOW
    customers: dict[str, str] = field(default_factory=dict)

    def sell(self, email: str, amount: Money, *, days_ago: int = 0) -> str:
        books = self.fake.books
        if email not in self.customers:
            self.customers[email] = books.add_customer(email)["id"]
        at = int((self.now - timedelta(days=days_ago)).timestamp())
        charge = books.sell(
            amount.minor, amount.currency.lower(), customer=self.customers[email], created=at
        )
        return str(charge["id"])

    def pay_back(self, order: str, amount: Money) -> None:
        self.fake.books.refund({"charge": order, "amount": str(amount.minor)})

    def calls(self) -> int:
        return len(self.fake.calls)

    def fail(self, kind: str) -> None:
        self.fake.fail(kind, on="GET ")


@pytest.fixture
def world(fake: FakeStripe, store: StripeStore) -> StripeOrders:
    fake.hooks.mode = "held"
    return StripeOrders(fake, store)


class TestFinds(FindsContract, FindsOverTheNetwork):
    """By the addresses of its customers."""


class TestNews(NewsContract, NewsOverTheNetwork):
    """From its list of events."""
