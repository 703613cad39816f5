"""A store in memory that lists what it told before, and the refunds of an order one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from plugin.domain.orders import Order, RefundSeen, RefundStage
from plugin.ports.news import News
from tests.fakes.platforms import FakeStore


@dataclass
class TellingStore(FakeStore):
    """Keeps its news for `kept` and gives them out in pages of `page`, newest first."""

    told: list[News] = field(default_factory=list)
    kept: timedelta = timedelta(days=30)
    page: int = 2
    at: dict[str, datetime] = field(default_factory=dict)

    def tell(self, name: str, at: datetime, topic: str = "payment.refunded") -> None:
        self.told.append(News(name, topic, at, f'{{"name":"{name}"}}'.encode()))

    def kept_since(self, now: datetime) -> datetime:
        return now - self.kept

    def read_news(self, since: datetime, until: datetime) -> Iterator[Sequence[News]]:
        found = [news for news in self.told if since <= news.at <= until][::-1]
        for place in range(0, max(len(found), 1), self.page):
            self.enter("read_news", f"{since:%H:%M} to {until:%H:%M}, page {place // self.page}")
            yield found[place : place + self.page]

    def read_order(self, ref: str) -> Order | None:
        self.enter("read_order", ref)
        return super().read_order(ref)

    def _as_it_is(self, order: Order) -> Order:
        order = super()._as_it_is(order)
        paid_by = {payment.ref.ref: payment.ref for payment in order.payments}
        return replace(
            order,
            refunds=tuple(
                RefundSeen(
                    paid.ref,
                    paid_by[paid.payment],
                    paid.amount,
                    RefundStage(paid.state),
                    self.at.get(paid.ref, order.bought_at),
                    paid.key or None,
                )
                for paid in self.paid
                if paid.payment in paid_by
            ),
        )
