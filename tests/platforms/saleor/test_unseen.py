"""A search that Saleor's answer cut says so: what it did not show may pay for the same things."""

from __future__ import annotations

import pytest

from plugin.domain.errors import RetryLater
from plugin.ports import OrderQuery
from plugin.stores.saleor import SaleorStore
from plugin.stores.saleor.store import MOST_ADDRESSES
from tests.platforms.saleor.books import Thing
from tests.platforms.saleor.fake import FakeSaleor

PAGE = 50


def unseen(store: SaleorStore, query: OrderQuery) -> set[bool | None]:
    found = store.find_orders(query)
    assert found
    return {order.others_unseen for order in found}


@pytest.mark.parametrize(("orders", "told"), [(PAGE, {False}), (PAGE + 1, {True})])
def test_more_orders_than_a_page_are_unseen(
    fake: FakeSaleor, store: SaleorStore, orders: int, told: set[bool | None]
) -> None:
    for _ in range(orders):
        fake.books.sell(4900)
    assert unseen(store, OrderQuery(emails=("ada@example.com",))) == told
    assert len(fake.paths) == 1


@pytest.mark.parametrize(
    ("addresses", "told"), [(MOST_ADDRESSES, {False}), (MOST_ADDRESSES + 1, {True})]
)
def test_more_addresses_than_a_search_takes_are_unseen(
    fake: FakeSaleor, store: SaleorStore, addresses: int, told: set[bool | None]
) -> None:
    emails = tuple(f"{number:02}@example.com" for number in range(addresses))
    fake.books.sell(4900, email=emails[0])
    assert unseen(store, OrderQuery(emails=emails)) == told


def test_what_is_looked_for_by_number_tells_of_no_others(
    fake: FakeSaleor, store: SaleorStore
) -> None:
    order = fake.books.sell(4900)["order"]
    fake.books.sell(4900)
    for number in ("1", order):
        assert unseen(store, OrderQuery(number=number)) == {None}


def test_more_orders_of_one_number_than_are_asked_for_are_unseen(
    fake: FakeSaleor, store: SaleorStore
) -> None:
    for _ in range(6):
        order = fake.books.sell(4900)["order"]
        fake.books.orders[order]["number"] = "7"
    assert unseen(store, OrderQuery(number="7")) == {True}


def test_an_answer_that_does_not_say_whether_there_is_more_is_none(
    fake: FakeSaleor, store: SaleorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: Thing = {"orders": {"edges": [], "pageInfo": {}}}
    monkeypatch.setattr(fake, "answer", lambda _document, _variables: told)
    with pytest.raises(RetryLater, match="answer_malformed"):
        store.find_orders(OrderQuery(emails=("ada@example.com",)))
