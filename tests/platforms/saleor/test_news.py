"""What a lost delivery would have said is read from the orders, under the delivery's own name."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from plugin.domain.errors import Refused, RetryLater
from plugin.domain.events import PaymentRefunded, SaleMade, StoreEvent
from plugin.domain.orders import RefundStage
from plugin.platforms.strict_json import read_json
from plugin.ports.news import News
from plugin.stores.saleor import SaleorStore
from tests.platforms.saleor.conftest import INSTALLATION, NOW
from tests.platforms.saleor.deliveries import event_of, refunded
from tests.platforms.saleor.fake import FakeSaleor
from webhooks.delivery import Delivery
from webhooks.stores.saleor import parse

_HOUR = timedelta(hours=1)


def all_news(store: SaleorStore, since: datetime = NOW - _HOUR) -> list[News]:
    return [one for page in store.read_news(since, NOW) for one in page]


def meaning(news: News) -> list[StoreEvent]:
    return parse(Delivery(news.body, {}, NOW), INSTALLATION, read_json(news.body))


def order_of(news: News) -> str:
    sold = meaning(news)[0]
    assert isinstance(sold, SaleMade)
    return sold.order.ref.ref


def test_an_order_is_named_as_the_delivery_of_its_last_change(
    fake: FakeSaleor, store: SaleorStore
) -> None:
    sale = fake.books.sell(4900)
    fake.books.orders[sale["order"]]["billingAddress"]["firstName"] = "Zoë"
    refunded(fake.books, sale["id"], 1500, "mg-abc-a1")
    event = event_of(fake, "OrderUpdated", order=fake.books.order(sale["order"]))
    raw = json.dumps(event).encode()
    [news] = all_news(store)
    assert news.body == raw
    assert news.name == Delivery(raw, {}, NOW).delivery_id(None)
    assert (news.topic, news.at) == ("order_updated", NOW)
    sold, back = meaning(news)
    assert isinstance(sold, SaleMade)
    assert isinstance(back, PaymentRefunded)
    assert (back.reference, back.state) == ("mg-abc-a1", RefundStage.SUCCEEDED)


def test_what_changed_before_or_after_and_what_nobody_paid_is_no_news(
    fake: FakeSaleor, store: SaleorStore
) -> None:
    for at in ("2026-11-22T07:59:59+00:00", "2026-11-22T09:00:01+00:00"):
        order = fake.books.sell(100)["order"]
        fake.books.orders[order]["updatedAt"] = at
    unpaid = fake.books.sell(100)
    del fake.books.transactions[unpaid["id"]]
    assert all_news(store) == []
    assert store.kept_since(NOW) < NOW - timedelta(days=365)


def test_all_pages_are_read_and_no_order_is_passed_over_while_others_change(
    fake: FakeSaleor, store: SaleorStore
) -> None:
    fake.books.page = 2
    sold = [fake.books.sell(100)["order"] for _ in range(5)]
    pages = store.read_news(NOW - _HOUR, NOW)
    found = [order_of(news) for news in next(pages)]
    fake.books.orders[sold[0]]["updatedAt"] = "2026-11-22T09:30:00+00:00"
    found += [order_of(news) for page in pages for news in page]
    assert sorted(found) == sorted(sold)
    assert len(fake.calls) == 3


def test_no_orders_is_one_call_and_an_empty_page(fake: FakeSaleor, store: SaleorStore) -> None:
    assert list(store.read_news(NOW - _HOUR, NOW)) == [[]]
    assert len(fake.calls) == 1


@pytest.mark.parametrize("behind", [None, "the same"])
def test_a_list_that_does_not_go_on_is_left(
    fake: FakeSaleor,
    store: SaleorStore,
    monkeypatch: pytest.MonkeyPatch,
    behind: str | None,
) -> None:
    told = {"orders": {"edges": [], "pageInfo": {"hasNextPage": True, "endCursor": behind}}}
    monkeypatch.setattr(fake, "answer", lambda _document, _variables: told)
    with pytest.raises(RetryLater, match="answer_malformed"):
        list(store.read_news(NOW - _HOUR, NOW))


def test_an_order_without_the_time_of_its_change_is_not_guessed(
    fake: FakeSaleor, store: SaleorStore
) -> None:
    order = fake.books.sell(100)["order"]
    fake.books.orders[order]["updatedAt"] = "2026-11-22T08:30:00"
    with pytest.raises(RetryLater, match="answer_malformed"):
        all_news(store)


@pytest.mark.parametrize(
    ("fault", "error"), [("denied", Refused), ("drop_before", RetryLater), ("html", RetryLater)]
)
def test_what_is_wrong_on_the_way_is_said(
    fake: FakeSaleor, store: SaleorStore, fault: str, error: type[Exception]
) -> None:
    fake.fail(fault, on="MakegoodChangedOrders")
    with pytest.raises(error):
        all_news(store)
