"""What every store that shows orders must do: find them, and tell what became of them.

One class for each capability. A platform's tests give a `world` fixture: a store that sells and
pays back in books of its own. The contract asks the adapter and holds the answer against what was
sold. What may go wrong on the way is `asking`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from plugin.domain.events import PaymentRefunded, StoreEvent
from plugin.domain.money import Money, zero
from plugin.domain.orders import Order, PaymentRef, UsageKnown
from plugin.platforms.webhook_declaration import Webhooks
from plugin.ports import ConfirmsEvents, FindsOrders, OrderQuery
from plugin.ports.news import News, TellsNews

ADA, BOB = "ada@example.com", "bob@example.com"
PRICE = Money(4900, "EUR")
_DAY = timedelta(days=1)


class SellingWorld(Protocol):
    """One store account. What happens there comes from elsewhere: no adapter is told."""

    @property
    def now(self) -> datetime:
        """What time it is there."""

    def sell(self, email: str, amount: Money, *, days_ago: int = 0) -> str:
        """An order, paid in full; gives what the store calls it."""

    def pay_back(self, order: str, amount: Money) -> None:
        """A refund of it that is through, made by somebody at the store."""


class FindingWorld(SellingWorld, Protocol):
    """Of a store that finds orders."""

    @property
    def store(self) -> FindsOrders: ...

    def calls(self) -> int:
        """How many calls for data it took so far; what it takes to sign in is none."""


class FindingAndTelling(FindsOrders, TellsNews, Protocol):
    """An adapter with both."""


class TellingWorld(SellingWorld, Protocol):
    """Of a store that lists its news."""

    @property
    def store(self) -> FindingAndTelling: ...

    @property
    def webhooks(self) -> Webhooks:
        """What it declares to send."""

    def meaning(self, news: News) -> Sequence[StoreEvent]:
        """What its parser makes of one."""


class UsedWorld(Protocol):
    """Of a store that tells how much was used."""

    @property
    def store(self) -> FindsOrders: ...

    def sell_used(self, usage: UsageKnown) -> str:
        """An order of two lines: one used so much, and one of which nothing is known."""


def refs(found: Sequence[Order]) -> list[str]:
    return [order.ref.ref for order in found]


def by_mail(*emails: str) -> OrderQuery:
    return OrderQuery(emails=emails)


def there(store: FindsOrders, ref: str) -> Order:
    order = store.read_order(ref)
    assert order is not None
    return order


class FindsContract:
    """`find_orders`: exactly who is asked for, with what was paid, in two calls."""

    def test_a_customer_s_orders_are_found_newest_first_and_no_stranger_s(
        self, world: FindingWorld
    ) -> None:
        first = world.sell(ADA, PRICE, days_ago=3)
        for other in (BOB, f"not-{ADA}", f"{ADA}.example.net", ADA.replace(".", "-")):
            world.sell(other, PRICE, days_ago=2)
        second = world.sell(ADA, PRICE, days_ago=1)
        found = world.store.find_orders(by_mail(ADA))
        assert refs(found) == [second, first]
        assert {order.customer for order in found} == {ADA}

    @pytest.mark.parametrize("typed", ["Ada@Example.com", f" {ADA} "])
    def test_letters_and_spaces_of_an_address_do_not_matter(
        self, world: FindingWorld, typed: str
    ) -> None:
        sold = world.sell(ADA, PRICE)
        assert refs(world.store.find_orders(by_mail(typed))) == [sold]

    def test_several_addresses_take_two_calls_at_most_and_bring_each_order_once(
        self, world: FindingWorld
    ) -> None:
        sold = {world.sell(ADA, PRICE), world.sell(BOB, PRICE)}
        world.sell("cyd@example.com", PRICE)
        before = world.calls()
        found = refs(world.store.find_orders(by_mail(ADA, BOB, ADA.upper())))
        assert len(found) == 2
        assert set(found) == sold
        assert world.calls() - before <= 2

    @pytest.mark.parametrize(
        "email",
        [
            "nobody@example.com",
            "ada@example",
            "*@example.com",
            '" OR email:"ada@example.com',
            "' OR 1=1 --",
        ],
    )
    def test_an_address_that_nobody_has_finds_nobody(self, world: FindingWorld, email: str) -> None:
        world.sell(ADA, PRICE)
        assert list(world.store.find_orders(by_mail(email))) == []

    def test_nothing_asked_for_takes_no_call_and_finds_nothing(self, world: FindingWorld) -> None:
        world.sell(ADA, PRICE)
        before = world.calls()
        assert list(world.store.find_orders(OrderQuery())) == []
        assert world.calls() == before

    def test_an_order_is_found_by_its_number_and_with_it_no_stranger_s(
        self, world: FindingWorld
    ) -> None:
        sold = world.sell(ADA, PRICE)
        world.sell(BOB, PRICE)
        number = there(world.store, sold).number
        before = world.calls()
        found = world.store.find_orders(OrderQuery(number=number))
        assert refs([order for order in found if order.number == number]) == [sold]
        assert {order.customer for order in found} == {ADA}
        assert world.calls() - before <= 2

    @pytest.mark.parametrize("number", ["999999", "../1", '" OR name:"*', "' OR 1=1 --"])
    def test_a_number_that_no_order_has_finds_nothing(
        self, world: FindingWorld, number: str
    ) -> None:
        world.sell(ADA, PRICE)
        assert list(world.store.find_orders(OrderQuery(number=number))) == []

    def test_lines_and_payments_are_both_what_was_paid(self, world: FindingWorld) -> None:
        sold = world.sell(ADA, PRICE)
        [order] = world.store.find_orders(by_mail(ADA))
        assert order.lines
        assert order.payments
        assert (order.paid, order.captured) == (PRICE, PRICE)
        assert (order.refunded, order.disputed) == (zero("EUR"), zero("EUR"))
        assert {line.ref.order for line in order.lines} == {order.ref}
        assert (order.ref.ref, order.currency, order.email) == (sold, "EUR", ADA)

    def test_what_went_back_is_told_by_lines_and_payments_alike(self, world: FindingWorld) -> None:
        sold, back = world.sell(ADA, PRICE), Money(1501, "EUR")
        world.pay_back(sold, back)
        [order] = world.store.find_orders(by_mail(ADA))
        assert order.refunded == back
        assert sum(line.refunded.minor for line in order.lines) == back.minor
        assert (order.paid, order.captured) == (PRICE, PRICE)

    def test_an_order_that_is_read_again_is_the_one_that_was_found(
        self, world: FindingWorld
    ) -> None:
        sold = world.sell(ADA, PRICE, days_ago=1)
        world.pay_back(sold, Money(1501, "EUR"))
        [found] = world.store.find_orders(by_mail(ADA))
        again = there(world.store, sold)
        assert (again.ref, again.number, again.customer) == (found.ref, found.number, ADA)
        assert (again.lines, again.payments) == (found.lines, found.payments)
        assert again.bought_at == found.bought_at == world.now - _DAY

    def test_an_order_that_is_not_there_is_none(self, world: FindingWorld) -> None:
        assert world.store.read_order("999999") is None


class UsageContract:
    """`usage`: what was used is told for its line, and unknown stays unknown."""

    @pytest.mark.parametrize(
        "usage", [UsageKnown(share=20), UsageKnown(downloaded=False), UsageKnown(share=0)]
    )
    def test_usage_is_told_as_it_is_and_of_its_line_only(
        self, world: UsedWorld, usage: UsageKnown
    ) -> None:
        order = there(world.store, world.sell_used(usage))
        told = [line.usage for line in order.lines]
        assert len(told) == 2
        assert [one for one in told if isinstance(one, UsageKnown)] == [usage]


class NewsContract:
    """`news`: a refund that no webhook told is found, under one name, as what it is."""

    def read(self, world: TellingWorld, since: datetime, until: datetime) -> list[News]:
        return [news for page in world.store.read_news(since, until) for news in page]

    def newest(self, world: TellingWorld) -> list[News]:
        """Those of the last hour. A moment more, for what happens in this very one."""
        return self.read(world, world.now - timedelta(hours=1), world.now + timedelta(seconds=1))

    def told(self, world: TellingWorld, news: Sequence[News]) -> list[StoreEvent]:
        """What they mean, read back where the store's adapter does that."""
        events = [event for one in news for event in world.meaning(one)]
        confirms = world.store
        if not isinstance(confirms, ConfirmsEvents):
            return events
        return [confirms.confirm(event) for event in events]

    def test_where_nothing_happened_nothing_is_new(self, world: TellingWorld) -> None:
        assert self.newest(world) == []

    def test_each_refund_is_told_with_its_payment_and_amount(self, world: TellingWorld) -> None:
        back: set[tuple[PaymentRef, Money]] = set()
        for email, minor in ((ADA, 1500), (BOB, 4900)):
            sold, amount = world.sell(email, PRICE), Money(minor, "EUR")
            world.pay_back(sold, amount)
            [payment] = there(world.store, sold).payments
            back.add((payment.ref, amount))
        events = self.told(world, self.newest(world))
        refunded = [event for event in events if isinstance(event, PaymentRefunded)]
        assert {(event.payment, event.amount) for event in refunded} == back
        assert len({event.refund for event in refunded}) == 2

    def test_each_has_one_name_and_a_topic_that_is_declared(self, world: TellingWorld) -> None:
        for _ in range(2):
            world.pay_back(world.sell(ADA, PRICE), Money(1500, "EUR"))
        found = self.newest(world)
        assert len({news.name for news in found}) == len(found) > 0
        assert {news.topic for news in found} <= set(world.webhooks.topics)
        assert sorted(news.name for news in self.newest(world)) == sorted(n.name for n in found)

    def test_only_the_time_that_is_asked_for_is_told(self, world: TellingWorld) -> None:
        world.pay_back(world.sell(ADA, PRICE), Money(1500, "EUR"))
        assert self.read(world, world.now - 3 * _DAY, world.now - 2 * _DAY) == []
        assert self.read(world, world.now + 2 * _DAY, world.now + 3 * _DAY) == []
        assert all(abs(world.now - news.at) < _DAY for news in self.newest(world))

    def test_it_says_how_long_it_keeps_what_it_tells(self, world: TellingWorld) -> None:
        kept = world.store.kept_since(world.now)
        assert kept.tzinfo is UTC
        assert kept < world.now - _DAY
