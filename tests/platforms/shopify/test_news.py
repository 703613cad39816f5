"""What a lost webhook would have said is found among the orders that changed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from plugin.domain.errors import Refused, RetryLater
from plugin.domain.events import PaymentRefunded, SaleMade, StoreEvent, Unrecognised
from plugin.domain.money import Money
from plugin.domain.orders import RefundStage
from plugin.platforms.strict_json import Malformed, read_json
from plugin.ports.news import News, TellsNews
from plugin.stores.shopify import ShopifyStore
from tests.contracts.money import a_refund
from tests.platforms.shopify.books import Thing
from tests.platforms.shopify.conftest import INSTALLATION, NOW
from tests.platforms.shopify.fake import FakeShopify, ref_of
from tests.platforms.shopify.test_money import first_payment
from webhooks.delivery import Delivery
from webhooks.stores.shopify import parse

_HOUR = timedelta(hours=1)
_NOW = "2026-11-22T08:59:00Z"
_LISTS = ["token", "ListRefunded", "ListSold"]


def all_news(store: ShopifyStore) -> list[News]:
    return [one for page in store.read_news(NOW - _HOUR, NOW) for one in page]


def meaning(news: News) -> list[StoreEvent]:
    return parse(Delivery(news.body, {}, NOW), INSTALLATION, read_json(news.body))


def sell(fake: FakeShopify, *amounts: int) -> Thing:
    paid = [Money(amount, "EUR") for amount in amounts or (4900,)]
    return fake.books.sell(*paid, updatedAt=_NOW)


def pay_back(
    fake: FakeShopify, order: Thing, amount: str, *, note: str | None = None, place: int = 0
) -> Thing:
    """Somebody refunds it in the shop; gives the refund's transaction."""
    return pay_back_over(fake, order, [(place, amount)], note)[0]


def pay_back_over(
    fake: FakeShopify, order: Thing, parts: list[tuple[int, str]], note: str | None = None
) -> list[Thing]:
    transactions = [
        {
            "parentId": order["transactions"][place]["id"],
            "gateway": "shopify_payments",
            "kind": "REFUND",
            "amount": amount,
        }
        for place, amount in parts
    ]
    sent = {"orderId": order["id"], "note": note, "transactions": transactions}
    made: list[Thing] = fake.books.refund(sent, f"key-{len(order['refunds'])}")["transactions"]
    return made


def confirmed(store: ShopifyStore, news: News) -> list[StoreEvent]:
    return [store.confirm(event) for event in meaning(news)]


def test_a_sale_that_no_webhook_told_is_read_with_its_payments(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    order = sell(fake)
    [news] = all_news(store)
    assert [name for name, _, _ in fake.calls] == _LISTS
    assert (news.topic, news.at) == ("orders/paid", NOW - timedelta(minutes=1))
    [sale] = confirmed(store, news)
    assert isinstance(sale, SaleMade)
    assert sale.order == store.read_order(ref_of(order))
    assert [payment.captured for payment in sale.order.payments] == [Money(4900, "EUR")]


def test_a_refund_that_no_webhook_told_comes_with_our_mark_and_before_its_sale(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    order = sell(fake)
    ours = a_refund(first_payment(order), 1500)
    store.refund(ours)
    refund, sale = all_news(store)
    assert (refund.topic, sale.topic) == ("orders/updated", "orders/paid")
    [told] = meaning(refund)
    assert isinstance(told, PaymentRefunded)
    assert (told.payment, told.amount) == (ours.payment, ours.amount)
    assert (told.reference, told.state) == (ours.key, RefundStage.SUCCEEDED)
    [again] = confirmed(store, refund)
    assert isinstance(again, PaymentRefunded)
    assert again.order is not None
    assert (again.refund, again.at) == (told.refund, told.at)


@pytest.mark.parametrize("times", [2, 3])
def test_an_order_with_many_refunds_is_read_whole(
    fake: FakeShopify, store: ShopifyStore, times: int
) -> None:
    order = sell(fake)
    made = [pay_back(fake, order, "10.00") for _ in range(times)]
    made.append(pay_back(fake, order, "1.00", note="Makegood refund r1 mg-r1-a1"))
    refund, _ = all_news(store)
    told = meaning(refund)
    assert [one.refund for one in told if isinstance(one, PaymentRefunded)] == [*map(ref_of, made)]
    assert [getattr(one, "reference", "") for one in told] == [*[None] * times, "mg-r1-a1"]
    assert "ReadOrder" in [name for name, _, _ in fake.calls]


def test_a_refund_over_many_payments_is_told_for_each(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    order = sell(fake, 1000, 2000, 3000)
    pay_back_over(fake, order, [(0, "10.00"), (1, "5.00"), (2, "1.00")])
    refund, _ = all_news(store)
    amounts = [one.amount.minor for one in meaning(refund) if isinstance(one, PaymentRefunded)]
    assert amounts == [1000, 500, 100]


def test_an_order_that_goes_while_it_is_read_tells_no_refund(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    order = sell(fake)
    for _ in range(2):
        pay_back(fake, order, "1.00")
    fake.__dict__["_read_order"] = lambda _variables: {"order": None}
    assert [news.topic for news in all_news(store)] == ["orders/paid"]


def test_a_name_stands_while_nothing_of_it_changed(fake: FakeShopify, store: ShopifyStore) -> None:
    """So an order that is changed again and again costs one row and one call."""
    order = sell(fake)
    back = pay_back(fake, order, "1.00")
    before = [news.name for news in all_news(store)]
    order["updatedAt"] = "2026-11-22T08:59:30Z"
    assert [news.name for news in all_news(store)] == before
    back["processedAt"] = "2026-11-22T08:59:31Z"
    refund, sale = (news.name for news in all_news(store))
    assert (refund != before[0], sale) == (True, before[1])
    assert all(name.startswith("sha256:") for name in before)


def test_what_changed_before_or_after_or_is_not_paid_or_cost_nothing_is_no_news(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    sell(fake)["updatedAt"] = "2026-11-22T07:59:59Z"
    sell(fake)["updatedAt"] = "2026-11-22T09:00:02Z"
    sell(fake)["transactions"][0]["status"] = "PENDING"
    sell(fake, 0)
    assert all_news(store) == []
    sell(fake)["updatedAt"] = "2026-11-22T09:00:01Z"
    assert len(all_news(store)) == 1


def test_a_refund_that_is_not_through_or_failed_moved_nothing_that_is_news(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    order = sell(fake)
    fake.books.outcome = "PENDING"
    first = pay_back(fake, order, "1.00")
    assert [news.topic for news in all_news(store)] == ["orders/paid"]
    first["status"] = "SUCCESS"
    assert [news.topic for news in all_news(store)] == ["orders/updated", "orders/paid"]


def test_an_order_that_is_called_refunded_and_lists_nothing_says_nothing(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    order = sell(fake)
    pay_back(fake, order, "49.00")
    order["refunds"].clear()
    assert [news.topic for news in all_news(store)] == ["orders/paid"]


def test_all_pages_are_read_and_no_order_is_passed_over_while_others_change(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    fake.page = 2
    sold = [sell(fake) for _ in range(5)]
    pages = store.read_news(NOW - _HOUR, NOW)
    found = [*next(pages), *next(pages)]
    sold[0]["updatedAt"] = "2026-11-22T09:30:00Z"
    found += [news for page in pages for news in page]
    orders = [one.order.ref.ref for news in found for one in meaning(news) if type(one) is SaleMade]
    assert sorted(orders) == sorted(ref_of(order) for order in sold)
    assert [name for name, _, _ in fake.calls] == [*_LISTS, "ListSold", "ListSold"]


@pytest.mark.parametrize("behind", [None, "the same"])
def test_a_list_that_does_not_go_on_is_left(
    fake: FakeShopify, store: ShopifyStore, behind: str | None
) -> None:
    told = {"orders": {"nodes": [], "pageInfo": {"hasNextPage": True, "endCursor": behind}}}
    fake.__dict__["_list_refunded"] = lambda _variables: told
    with pytest.raises(RetryLater, match="answer_malformed"):
        all_news(store)


@pytest.mark.parametrize("on", ["ListSold", "ListRefunded"])
@pytest.mark.parametrize("kind", ["drop_before", "unavailable", "html", "throttled"])
def test_what_is_wrong_on_the_way_is_said(
    fake: FakeShopify, store: ShopifyStore, on: str, kind: str
) -> None:
    sell(fake)
    fake.fail(kind, on=on)
    with pytest.raises(RetryLater):
        all_news(store)


def test_a_right_that_is_missing_is_said(fake: FakeShopify, store: ShopifyStore) -> None:
    fake.errors = [{"extensions": {"code": "ACCESS_DENIED"}}]
    with pytest.raises(Refused, match="right_missing"):
        all_news(store)


@pytest.mark.parametrize("field", ["updatedAt", "processedAt"])
def test_an_order_with_an_odd_time_is_not_guessed(
    fake: FakeShopify, store: ShopifyStore, field: str
) -> None:
    order = sell(fake)
    order[field] = "2026-11-22T08:30:00"
    if field == "updatedAt":
        with pytest.raises(RetryLater, match="answer_malformed"):
            all_news(store)
        return
    [news] = all_news(store)
    with pytest.raises(Malformed):
        meaning(news)


def test_a_sale_among_the_news_that_cannot_be_read_again_is_no_sale(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    sell(fake)
    [news] = all_news(store)
    fake.books.orders.clear()
    with pytest.raises(Refused, match="not_in_this_account"):
        confirmed(store, news)


def test_a_delivery_without_a_topic_is_news_only_where_it_is_shaped_so(store: ShopifyStore) -> None:
    for body in (b'{"topic": "orders/paid"}', b'{"topic": 1, "told": {}, "x": 1}', b"[]"):
        [event] = parse(Delivery(body, {}, NOW), INSTALLATION, read_json(body))
        assert event == Unrecognised("a delivery without a readable X-Shopify-Topic")
    with pytest.raises(Malformed):
        parse(Delivery(b"", {}, NOW), INSTALLATION, read_json(b'{"topic": 1, "told": {}}'))
    assert isinstance(store, TellsNews)
    assert store.kept_since(NOW) == NOW - timedelta(days=60)
