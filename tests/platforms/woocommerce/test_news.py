"""News and confirmation: what a lost webhook would have said is read from the orders."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from plugin.domain.errors import Refused, RetryLater
from plugin.domain.events import PaymentRefunded, SaleMade, StoreEvent, Unrecognised
from plugin.domain.orders import RefundStage
from plugin.platforms.strict_json import read_json
from plugin.ports.news import News
from plugin.stores.woocommerce import WoocommerceStore
from tests.contracts.webhook import Recording
from tests.platforms.woocommerce.conftest import INSTALLATION
from tests.platforms.woocommerce.fake import NOW, FakeShop
from tests.platforms.woocommerce.test_webhook import _FOLDER
from webhooks.delivery import Delivery
from webhooks.stores.woocommerce import parse

_HOUR = timedelta(hours=1)


def all_news(store: WoocommerceStore) -> list[News]:
    return [one for page in store.read_news(NOW - _HOUR, NOW) for one in page]


def meaning(news: News) -> list[StoreEvent]:
    return parse(Delivery(news.body, {}, NOW), INSTALLATION, read_json(news.body))


def test_a_changed_order_is_named_and_read_as_its_webhook(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    recording = Recording.read(_FOLDER / "paid.json")
    order = read_json(recording.body)
    assert isinstance(order, dict)
    fake.books.orders[701] = {**order}
    fake.books.refunds[701] = []
    [news] = all_news(store)
    assert news.body == recording.body
    assert news.name == recording.delivery().delivery_id(None)
    assert [type(event) for event in meaning(news)] == [SaleMade]


def test_old_and_unpaid_orders_are_no_news(fake: FakeShop, store: WoocommerceStore) -> None:
    fake.books.sell(("1.00", "0"), date_modified_gmt="2026-11-22T07:00:00")
    fake.books.sell(("1.00", "0"), paid=False)
    assert all_news(store) == []
    assert store.kept_since(NOW) < NOW - timedelta(days=365)


@pytest.mark.parametrize("no_total", [True, False])
def test_all_pages_are_read(fake: FakeShop, store: WoocommerceStore, *, no_total: bool) -> None:
    fake.no_total = no_total
    sold = {str(fake.books.sell(("1.00", "0"))["id"]) for _ in range(205)}
    assert {_ref(news) for news in all_news(store)} == sold
    assert len(fake.calls) == 3


def test_no_order_is_passed_over_when_others_leave_the_list(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    sold = [fake.books.sell(("1.00", "0"))["id"] for _ in range(205)]
    pages = store.read_news(NOW - _HOUR, NOW)
    found = [_ref(news) for news in next(pages)]
    fake.before_page = [sold[0]]
    found += [_ref(news) for page in pages for news in page]
    assert set(found) == {str(number) for number in sold}


def _ref(news: News) -> str:
    [event] = meaning(news)
    assert isinstance(event, SaleMade)
    return event.order.ref.ref


# --- confirming -----------------------------------------------------------------------------------


def _told(fake: FakeShop, reason: str = "", *, by_api: bool = True) -> PaymentRefunded:
    order = fake.books.sell(("49.00", "0"))
    asked = {"amount": "9.00", "reason": reason, "api_refund": by_api}
    fake.books.refund(order["id"], asked)
    fake.books.advance(60)
    body = fake.books.told(order["id"])
    body["date_modified_gmt"] = fake.books.gmt()
    raw = read_json(json.dumps(body).encode())
    [_, event] = parse(Delivery(b"", {}, NOW), INSTALLATION, raw)
    assert isinstance(event, PaymentRefunded)
    return event


def test_a_refund_is_confirmed_with_its_own_time(fake: FakeShop, store: WoocommerceStore) -> None:
    event = _told(fake, "Refund mg-abc-a1")
    confirmed = store.confirm(event)
    assert isinstance(confirmed, PaymentRefunded)
    assert confirmed.state is RefundStage.SUCCEEDED
    assert confirmed.at == NOW
    assert confirmed.reference == "mg-abc-a1"
    assert len(fake.calls) == 1


def test_a_sale_needs_no_confirmation(fake: FakeShop, store: WoocommerceStore) -> None:
    order = _told(fake).order
    assert order is not None
    assert store.confirm(SaleMade(order)) == SaleMade(order)
    assert fake.calls == []


@pytest.mark.parametrize(
    ("reason", "state"),
    [("paid back by transfer", RefundStage.SUCCEEDED), ("mg-abc-a1", RefundStage.PENDING)],
)
def test_a_row_that_no_gateway_paid_counts_after_a_while_and_ours_not_at_all(
    fake: FakeShop, store: WoocommerceStore, reason: str, state: RefundStage
) -> None:
    event = _told(fake, reason, by_api=False)
    with pytest.raises(RetryLater, match="not_settled") as caught:
        store.confirm(event)
    assert caught.value.after_seconds
    fake.books.advance(60)
    confirmed = store.confirm(event)
    assert isinstance(confirmed, PaymentRefunded)
    assert confirmed.state is state


def test_a_refund_that_its_order_lists_no_more_is_work_for_a_person(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    event = _told(fake)
    fake.books.strike_refund(int(event.refund))
    confirmed = store.confirm(event)
    assert isinstance(confirmed, Unrecognised)
    assert confirmed.what.startswith(f"refund {event.refund} is not listed any more")


def test_a_refund_that_is_listed_and_cannot_be_read_is_asked_for_again(
    fake: FakeShop, store: WoocommerceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = _told(fake)
    listed = fake.books.told(int(event.payment.ref))
    fake.books.delete_refund(int(event.refund))
    monkeypatch.setattr(fake.books, "told", lambda _: listed)
    with pytest.raises(RetryLater, match="not_readable"):
        store.confirm(event)


def test_a_refund_of_an_order_that_is_gone_says_nothing(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    event = _told(fake)
    fake.books.orders.clear()
    with pytest.raises(Refused, match="not_in_this_account"):
        store.confirm(event)
