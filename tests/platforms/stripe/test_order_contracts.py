"""Stripe keeps the contracts on orders and on news."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from plugin.domain.events import StoreEvent
from plugin.domain.money import Money
from plugin.platforms.strict_json import read_json
from plugin.platforms.webhook_declaration import Webhooks
from plugin.ports.news import News
from plugin.stores.stripe import StripeStore
from plugin.stores.stripe.account import manifest
from tests.contracts.orders import FindsContract, NewsContract
from tests.platforms.stripe.conftest import INSTALLATION, NOW
from tests.platforms.stripe.fake import FakeStripe
from webhooks.delivery import Delivery
from webhooks.stores.stripe import parse


@dataclass
class StripeOrders:
    fake: FakeStripe
    store: StripeStore
    now: datetime = NOW
    customers: dict[str, str] = field(default_factory=dict)

    @property
    def webhooks(self) -> Webhooks:
        declared = manifest().webhooks
        assert declared is not None
        return declared

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

    def meaning(self, news: News) -> Sequence[StoreEvent]:
        return parse(Delivery(news.body, {}, NOW), INSTALLATION, read_json(news.body))


@pytest.fixture
def world(fake: FakeStripe, store: StripeStore) -> StripeOrders:
    fake.hooks.mode = "held"
    return StripeOrders(fake, store)


class TestFinds(FindsContract):
    """By the addresses of its customers."""


class TestNews(NewsContract):
    """From its list of events."""
