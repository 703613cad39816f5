"""A search that the shop's answer cut says so: what it did not show may pay for the same things."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugin.domain.orders import Order
from plugin.ports import OrderQuery
from plugin.stores.woocommerce import WoocommerceStore
from plugin.stores.woocommerce.account import PAGE
from tests.platforms.woocommerce.fake import FakeShop

ADA = OrderQuery(emails=("ada@example.com",))


def sell(fake: FakeShop, times: int = 1, email: str = "ada@example.com") -> None:
    for _ in range(times):
        fake.books.sell(("10.00", "0"), email=email)


def unseen(store: WoocommerceStore, query: OrderQuery = ADA) -> set[bool | None]:
    found: list[Order] = list(store.find_orders(query))
    assert found
    return {order.others_unseen for order in found}


@pytest.mark.parametrize(("orders", "told"), [(PAGE, {False}), (PAGE + 1, {True})])
def test_more_orders_than_a_page_are_unseen(
    fake: FakeShop, store: WoocommerceStore, orders: int, told: set[bool]
) -> None:
    sell(fake, orders)
    assert unseen(store) == told


@pytest.mark.parametrize(("orders", "told"), [(PAGE - 1, {False}), (PAGE, {True})])
def test_a_full_page_without_a_count_may_have_more_behind_it(
    fake: FakeShop, store: WoocommerceStore, orders: int, told: set[bool]
) -> None:
    fake.no_total = True
    sell(fake, orders)
    assert unseen(store) == told


def test_a_page_full_of_others_may_hide_hers(fake: FakeShop, store: WoocommerceStore) -> None:
    """The shop searches for words: `ada@example.com` is in other addresses too."""
    sell(fake)
    sell(fake, PAGE - 1, email="ada@example.com.au")
    assert unseen(store) == {False}
    sell(fake, 1, email="nada@example.com")
    sell(fake, 1)
    assert unseen(store) == {True}


@pytest.mark.parametrize(("addresses", "told"), [(2, {False}), (3, {True})])
def test_more_addresses_than_a_search_takes_are_unseen(
    fake: FakeShop, store: WoocommerceStore, addresses: int, told: set[bool]
) -> None:
    sell(fake)
    emails = tuple(f"{name}@example.com" for name in ("ada", "bob", "cyd")[:addresses])
    assert unseen(store, replace(ADA, emails=emails)) == told


def test_one_address_that_was_cut_is_enough(fake: FakeShop, store: WoocommerceStore) -> None:
    sell(fake, PAGE + 1)
    sell(fake, 1, email="bob@example.com")
    both = OrderQuery(emails=("ada@example.com", "bob@example.com"))
    assert unseen(store, both) == {True}


def test_what_is_looked_for_by_number_tells_of_no_others(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    numbered = fake.books.sell(("10.00", "0"))
    sell(fake)
    number = str(numbered["id"])
    assert unseen(store, OrderQuery(number=number)) == {None}
    read = store.read_order(number)
    assert read is not None
    assert read.others_unseen is None
    numbered["number"] = "A-1"
    assert unseen(store, OrderQuery(number="A-1")) == {None}


def test_more_orders_of_one_number_than_a_page_are_unseen(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    for _ in range(PAGE + 1):
        fake.books.sell(("10.00", "0"))["number"] = "A-1"
    assert unseen(store, OrderQuery(number="A-1")) == {True}
