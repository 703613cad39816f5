"""The practice store keeps the contracts on orders, on usage and on news."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar

import pytest

from plugin.domain.ids import customer_key
from plugin.domain.money import Money
from plugin.domain.orders import LineRef, Order, OrderRef, UsageKnown, UsageUnknown
from plugin.stores.practice import PracticeStore
from tests.contracts.orders import ADA, PRICE, FindsContract, NewsContract, UsageContract
from tests.platforms.order_worlds import Declared
from tests.platforms.practice.fixtures import SHOP, Practice
from tests.platforms.practice.test_practice_contracts import a_sale


@dataclass
class PracticeOrders(Declared):
    stem: ClassVar = "practice"
    installation: ClassVar = SHOP
    practice: Practice
    sold: int = 0

    @property
    def now(self) -> datetime:
        return self.practice.clock.now()

    @property
    def store(self) -> PracticeStore:
        return self.practice.store

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


@pytest.fixture
def world(practice: Practice) -> PracticeOrders:
    return PracticeOrders(practice)


class TestPracticeFinds(FindsContract):
    """In its file."""


class TestPracticeUsage(UsageContract):
    """As its cases tell it."""


class TestPracticeNews(NewsContract):
    """What its bank did."""
