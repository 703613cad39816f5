"""Goods on their way back: the shop's staff refund those, and what they refunded is known here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugin.domain.errors import OutcomeUnknown
from plugin.domain.events import PaymentRefunded
from plugin.domain.facts import Refunded
from plugin.domain.message_texts import REASONS
from plugin.domain.money import Money
from plugin.domain.orders import RefundRoute
from plugin.domain.refunds import Declined, Found, Succeeded
from plugin.ports import OrderQuery
from plugin.ports.records import DeliveryState
from plugin.stores.shopify import ShopifyStore
from tests.contracts.money import a_refund
from tests.emptied_postgres import emptied_postgres, engine
from tests.platforms.shopify.books import Thing
from tests.platforms.shopify.fake import FakeShopify, ref_of
from tests.platforms.shopify.house import delivered, facts, shop, work
from tests.platforms.shopify.test_events import events_of, recorded, told_by
from tests.platforms.shopify.test_money import first_payment
from tests.platforms.shopify.test_news import pay_back
from tests.platforms.swept import SweptShop

__all__ = ["emptied_postgres", "engine", "shop"]
OPEN = ("RETURN_REQUESTED", "IN_PROGRESS", "INSPECTION_COMPLETE", "A_WORD_OF_TOMORROW")
OVER = ("NO_RETURN", "RETURNED", "RETURN_FAILED")


@pytest.fixture
def order(fake: FakeShopify) -> Thing:
    return fake.books.sell(Money(4900, "EUR"))


def process_return(fake: FakeShopify, order: Thing, amount: str) -> Thing:
    """The staff take the goods back and refund them with the return; gives the transaction."""
    order["returnStatus"] = "RETURNED"
    order["lineItems"][0]["currentQuantity"] = 0
    made = pay_back(fake, order, amount, note="Return #1001-R1")
    order["refunds"][-1]["return"] = {"id": fake.books.gid("Return")}
    return made


@pytest.mark.parametrize("status", OPEN)
def test_while_a_return_is_open_a_refund_is_made_by_hand(
    fake: FakeShopify, store: ShopifyStore, order: Thing, status: str
) -> None:
    order["returnStatus"] = status
    read = store.read_order(ref_of(order))
    [found] = store.find_orders(OrderQuery(("ada@example.com",)))
    for one in (read, found):
        assert one is not None
        assert [payment.route for payment in one.payments] == [RefundRoute.BY_HAND]


@pytest.mark.parametrize("status", OVER)
def test_without_an_open_return_it_is_made_by_api(
    store: ShopifyStore, order: Thing, status: str
) -> None:
    order["returnStatus"] = status
    read = store.read_order(ref_of(order))
    assert read is not None
    assert [payment.route for payment in read.payments] == [RefundRoute.BY_API]
    assert isinstance(store.refund(a_refund(first_payment(order), 1500)), Succeeded)


@pytest.mark.parametrize("status", OPEN)
def test_a_return_that_was_opened_since_stops_the_refund_and_leaves_it_to_a_person(
    fake: FakeShopify, store: ShopifyStore, order: Thing, status: str
) -> None:
    order["returnStatus"] = status
    answer = store.refund(a_refund(first_payment(order), 1500))
    assert answer == Declined("return_open", by_hand=True)
    assert fake.named("CreateRefund") == []
    assert "refund it in the store, with the return" in REASONS["en"][0]["return_open"]


def test_a_call_that_may_still_arrive_is_not_left_to_a_person_to_pay_beside_it(
    fake: FakeShopify, store: ShopifyStore, order: Thing
) -> None:
    order["returnStatus"] = OPEN[0]
    again = replace(a_refund(first_payment(order), 1500), looks=1)
    with pytest.raises(OutcomeUnknown, match="return_open"):
        store.refund(again)
    assert order["refunds"] == []


def test_a_refund_of_ours_is_found_though_a_return_was_opened_since(
    fake: FakeShopify, store: ShopifyStore, order: Thing
) -> None:
    refund = a_refund(first_payment(order), 1500)
    made = store.refund(refund)
    order["returnStatus"] = "IN_PROGRESS"
    assert isinstance(made, Succeeded)
    assert store.look_up(refund) == Found(made)
    assert store.refund(refund) == made
    assert len(fake.named("CreateRefund")) == 1


def test_what_a_return_paid_back_leaves_so_much_less(
    fake: FakeShopify, store: ShopifyStore, order: Thing
) -> None:
    process_return(fake, order, "40.00")
    assert store.refund(a_refund(first_payment(order), 901)) == Declined("amount_too_large")
    assert isinstance(store.refund(a_refund(first_payment(order), 900)), Succeeded)


@pytest.mark.parametrize("is_told", [True, False], ids=["by webhook", "by the sweep alone"])
def test_a_refund_through_a_return_is_known_as_one_made_elsewhere(
    shop: SweptShop, fake: FakeShopify, *, is_told: bool
) -> None:
    shop.sweep()
    now = shop.door.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    order = fake.books.sell(Money(4900, "EUR"), processedAt=now, updatedAt=now)
    made = process_return(fake, order, "49.00")
    if is_told:
        told = {
            "id": int(ref_of(made)),
            "order_id": int(ref_of(order)),
            "parent_id": int(ref_of(order["transactions"][0])),
            "kind": "refund",
            "status": "success",
            "amount": "49.00",
            "currency": "EUR",
            "created_at": now,
        }
        refund = {"order_id": told["order_id"], "return": {"id": 7}, "transactions": [told]}
        assert delivered(shop, "refunds/create", refund) == 200
    else:
        shop.sweep()
    work(shop)
    assert {one.state for one in shop.door.stored()} == {DeliveryState.APPLIED}
    [fact] = [one for one in facts(shop) if isinstance(one, Refunded)]
    assert (fact.amount, fact.whole) == (Money(4900, "EUR"), True)
    assert fake.named("CreateRefund") == []


def test_a_refund_through_a_return_is_a_refund_like_any_other() -> None:
    body = {**recorded("refunds_create_ours"), "note": "Return #1001-R1"}
    body["return"] = {"id": 7, "admin_graphql_api_id": "gid://shopify/Return/7"}
    [event] = events_of("refunds/create", body)
    [ours] = told_by("refunds_create_ours")
    assert isinstance(ours, PaymentRefunded)
    assert event == replace(ours, reference=None)
