"""An account of Shopify: what its staff and its bank do, in the books of our fake."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime

from plugin.domain.ids import InstallationId
from plugin.domain.money import Money
from plugin.domain.orders import Resource, ResourceKind
from tests.drift.account import PAID, StoreAccount
from tests.platforms.shopify.books import Thing
from tests.platforms.shopify.fake import FakeShopify, ref_of

_GATEWAY = "shopify_payments"


class ShopifyAccount(StoreAccount):
    platform = "shopify"
    products = ("501", "502")
    members = ("custom.first", "custom.second")
    tags = ("early", "vip")

    def __init__(self, name: InstallationId, clock: Callable[[], datetime]) -> None:
        super().__init__(name, clock)
        self.fake = FakeShopify()

    @property
    def place(self) -> str:
        return self.fake.place

    @property
    def settings(self) -> Mapping[str, str]:
        return {"base_url": self.fake.url, "shop": "acme", "client_id": "client-1"}

    @property
    def secrets(self) -> Mapping[str, str]:
        return {"client_secret": "shpss_made_up"}

    def running(self) -> AbstractContextManager[object]:
        return self.fake

    def stumble(self, chance: random.Random) -> None:
        kind = chance.choice(("unavailable", "truncated", "throttled"))
        self.fake.fail(kind, on=chance.choice(("ListRefunded", "ListSold")))

    def add_customer(self, email: str) -> str:
        return ref_of(self.fake.books.add_customer(email))

    def sell(self, email: str, customer: str, which: int) -> str:
        del customer  # the shop finds her by her address
        at = self._written
        times = {"createdAt": at, "processedAt": at, "updatedAt": at}
        order = self.fake.books.sell(Money(PAID, "EUR"), email=email, **times)
        product = {"id": f"gid://shopify/Product/{self.products[which]}"}
        order["lineItems"][0]["product"] = product
        return ref_of(order)

    def hold(self, customer: str, resource: Resource, *, held: bool) -> None:
        mine = self.fake.books.customers[f"gid://shopify/Customer/{customer}"]
        if resource.kind is ResourceKind.TAG:
            others = [tag for tag in mine["tags"] if tag != resource.ref]
            mine["tags"] = [*others, resource.ref] if held else others
        else:
            mine["metafields"][resource.ref] = ("boolean", "true" if held else "false")

    def pay_back(self, order: str, minor: int) -> str:
        found = self._order(order)
        asked = {
            "parentId": found["transactions"][0]["id"],
            "gateway": _GATEWAY,
            "kind": "REFUND",
            "amount": Money(minor, "EUR").decimal(),
        }
        sent = {"orderId": found["id"], "note": None, "transactions": [asked]}
        refund = self.fake.books.refund(sent, f"{order}-{len(found['refunds'])}")
        [made] = refund["transactions"]
        made |= {"processedAt": self._written, "createdAt": self._written}
        found["updatedAt"] = self._written
        return ref_of(made)

    def cancel(self, order: str, minor: int) -> str:
        self._order(order)["cancelledAt"] = self._written
        return self.pay_back(order, minor)

    def fail(self, order: str, refund: str) -> None:
        """The bank gives it back to the shop."""
        self.fake.books.settle(refund, "FAILURE")
        self._order(order)["updatedAt"] = self._written

    def dispute(self, order: str) -> str:
        """The customer's bank takes the money: the order itself does not change by it."""
        found = self._order(order)
        self.fake.books.dispute(found["id"])
        return ref_of(found["disputes"][-1])

    def went_back(self, order: str) -> int:
        return sum(self.fake.books.paid_back(ref_of(self._order(order)["transactions"][0])))

    def webhook(self, order: str, refund: str, minor: int) -> tuple[bytes, Mapping[str, str]]:
        parent = ref_of(self._order(order)["transactions"][0])
        told = {
            "id": int(refund),
            "order_id": int(order),
            "parent_id": int(parent),
            "kind": "refund",
            "status": "success",
            "amount": Money(minor, "EUR").decimal(),
            "currency": "EUR",
            "processed_at": self._written,
        }
        body = {"id": int(refund), "order_id": int(order), "note": None, "transactions": [told]}
        headers = {"x-shopify-topic": "refunds/create", "x-shopify-webhook-id": f"told-{refund}"}
        return json.dumps(body).encode(), headers

    @property
    def _written(self) -> str:
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _order(self, ref: str) -> Thing:
        return self.fake.books.orders[f"gid://shopify/Order/{ref}"]
