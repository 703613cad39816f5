"""Shopify tells of one purchase in any order and more than once: the end is the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from plugin.domain.money import Money
from plugin.platforms.webhook_declaration import Webhooks
from plugin.stores.shopify import ShopifyStore
from plugin.stores.shopify.account import manifest
from tests.contracts.any_order import AnyOrderContract, emptied_postgres, engine
from tests.contracts.webhook import RECEIVED, Parse
from tests.platforms.shopify.books import Thing
from tests.platforms.shopify.conftest import MovingClock, store_at
from tests.platforms.shopify.fake import FakeShopify, ref_of
from webhooks.delivery import Delivery
from webhooks.stores.shopify import parse

__all__ = ["emptied_postgres", "engine"]

EUR = "EUR"


@dataclass
class Bought:
    """Paid and tagged; refunded in part, then wholly; another is charged back; tags go."""

    fake: FakeShopify
    parse: Parse = parse
    clock: MovingClock = field(default_factory=MovingClock)
    confirms: ShopifyStore = field(init=False)

    def __post_init__(self) -> None:
        self.confirms = store_at(self.fake.url, clock=self.clock)

    @property
    def webhooks(self) -> Webhooks:
        declared = manifest().webhooks
        assert declared is not None
        return declared

    def steps(self) -> Iterator[Sequence[Delivery]]:
        books = self.fake.books
        ada = books.add_customer("ada@example.com")
        order, other = books.sell(Money(4900, EUR)), books.sell(Money(1500, EUR))
        tags = {"customerId": ada["id"], "tags": ["vip"]}
        yield [
            self._sent("orders/paid", _rest(order)),
            self._sent("orders/paid", _rest(other)),
            self._sent("customer.tags_added", {**tags, "occurredAt": "2026-11-22T08:00:00.000Z"}),
        ]
        yield [self._sent("refunds/create", self._refunded(order, "10.00", "key-1"))]
        books.outcome = "PENDING"
        rest = self._refunded(order, "39.00", "key-2")
        yield [self._sent("refunds/create", rest)]
        [one] = rest["transactions"]
        books.settle(str(one["id"]), "SUCCESS")
        yield [
            self._sent("order_transactions/create", {**one, "status": "success"}),
            self._sent("orders/updated", {**_rest(order), "refunds": [rest]}),
            self._sent("orders/cancelled", _rest(order)),
        ]
        books.dispute(other["id"])
        yield [self._sent("disputes/create", _dispute(other, "needs_response"))]
        other["disputes"][0]["status"] = "LOST"
        yield [
            self._sent("disputes/update", _dispute(other, "lost")),
            self._sent("customer.tags_removed", {**tags, "occurredAt": "2026-11-22T08:30:00.000Z"}),
        ]

    def _sent(self, topic: str, body: Thing) -> Delivery:
        self.clock.at += timedelta(seconds=1)
        return Delivery(json.dumps(body).encode(), {"x-shopify-topic": topic}, RECEIVED)

    def _refunded(self, order: Thing, amount: str, key: str) -> Thing:
        """Refunded in the shop; the body of its webhook."""
        [paid] = [one for one in order["transactions"] if one["kind"] == "SALE"]
        asked = {
            "parentId": paid["id"],
            "amount": amount,
            "gateway": paid["gateway"],
            "kind": "REFUND",
        }
        sent = {"orderId": order["id"], "note": "", "transactions": [asked]}
        refund = self.fake.books.refund(sent, key)
        [made] = refund["transactions"]
        told = {
            "id": int(ref_of(made)),
            "order_id": int(ref_of(order)),
            "kind": "refund",
            "status": made["status"].lower(),
            "processed_at": made["processedAt"],
            "parent_id": int(ref_of(paid)),
            "amount": amount,
            "currency": EUR,
        }
        return {"order_id": int(ref_of(order)), "note": "", "transactions": [told]}


def _rest(order: Thing) -> Thing:
    """An order as the old REST resource has it, as far as the parser reads it."""
    price = order["transactions"][0]["amountSet"]["presentmentMoney"]
    bag = {"presentment_money": {"amount": price["amount"], "currency_code": EUR}}
    line = order["lineItems"][0]
    return {
        "id": int(ref_of(order)),
        "name": order["name"],
        "email": order["email"],
        "created_at": order["createdAt"],
        "currency": EUR,
        "total_price_set": bag,
        "customer": {"id": int(ref_of(order["customer"]))},
        "line_items": [
            {
                "id": int(ref_of(line)),
                "title": line["title"],
                "product_id": int(ref_of(line["product"])),
                "quantity": 1,
                "price_set": bag,
            }
        ],
    }


def _dispute(order: Thing, status: str) -> Thing:
    return {
        "id": 35982383,
        "order_id": int(ref_of(order)),
        "type": "chargeback",
        "amount": "15.00",
        "currency": EUR,
        "status": status,
        "initiated_at": "2026-11-22T08:10:00+00:00",
        "finalized_on": "2026-11-22T08:20:00+00:00" if status == "lost" else None,
    }


class TestAnyOrder(AnyOrderContract):
    @pytest.fixture
    def story(self, fake: FakeShopify) -> Bought:
        return Bought(fake)
