"""The practice store keeps the contracts on orders, on usage and on news."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from plugin.domain.events import StoreEvent
from plugin.domain.ids import customer_key
from plugin.domain.money import Money
from plugin.domain.orders import LineRef, Order, OrderRef, UsageKnown, UsageUnknown
from plugin.platforms.data_files import DataFiles
from plugin.platforms.registry import Registry
from plugin.platforms.strict_json import read_json
from plugin.platforms.webhook_declaration import Webhooks
from plugin.ports import Kind
from plugin.ports.news import News
from plugin.stores.practice import PracticeStore
from tests.contracts.orders import ADA, PRICE, FindsContract, NewsContract, UsageContract
from tests.platforms.practice.fixtures import NOW, SHOP, Practice
from tests.platforms.practice.test_practice_contracts import a_sale
from webhooks.delivery import Delivery
from webhooks.stores.practice import parse


@dataclass
class PracticeOrders:
    practice: Practice
    sold: int = 0

    @property
    def now(self) -> datetime:
        return self.practice.clock.now()

    @property
    def store(self) -> PracticeStore:
        return self.practice.store

    @property
    def webhooks(self) -> Webhooks:
        declared = Registry([DataFiles().manifests()]).manifest(Kind.STORE, "practice").webhooks
        assert declared is not None
        return declared

    def sell(self, email: str, amount: Money, *, days_ago: int = 0) -> str:
        return self._add(email, amount, self.now - timedelta(days=days_ago)).ref.ref

    def sell_used(self, usage: UsageKnown) -> str:
        return self._add(ADA, PRICE, self.now, usage).ref.ref

    def _add(
        self, email: str, amount: Money, at: datetime, usage: UsageKnown | None = None
    ) -> Order:
        self.sold += 1
        made = a_sale(amount, self.sold)
        ref, number = OrderRef(SHOP, made.ref.ref), str(30000 + self.sold)
        [first] = made.lines
        lines = [replace(first, ref=LineRef(ref, f"{ref.ref}-1"), usage=UsageUnknown())]
        if usage is not None:
            nothing = Money(0, amount.currency)
            free = replace(first, ref=LineRef(ref, f"{ref.ref}-2"), paid=nothing, usage=usage)
            lines.append(free)
        order = replace(
            made,
            email=email,
            customer=customer_key(email),
            number=number,
            bought_at=at,
            lines=tuple(lines),
        )
        self.practice.world.add_order(order)
        return order

    def pay_back(self, order: str, amount: Money) -> None:
        sold = self.store.read_order(order)
        assert sold is not None
        self.practice.world.pay_back(
            sold.payments[0].ref.ref, amount, f"elsewhere-{order}", self.now
        )

    def calls(self) -> int:
        """It is a file: nobody is called."""
        return 0

    def meaning(self, news: News) -> Sequence[StoreEvent]:
        return parse(Delivery(news.body, {}, NOW), SHOP, read_json(news.body))


@pytest.fixture
def world(practice: Practice) -> PracticeOrders:
    return PracticeOrders(practice)


class TestPracticeFinds(FindsContract):
    """In its file."""


class TestPracticeUsage(UsageContract):
    """As its cases tell it."""


class TestPracticeNews(NewsContract):
    """What its bank did."""
