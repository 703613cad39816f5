"""An account of WooCommerce with Memberships and Subscriptions, in the books of our fake."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from decimal import Decimal

from plugin.domain.ids import InstallationId
from plugin.domain.money import Money
from plugin.domain.orders import Resource
from tests.drift.account import PAID, StoreAccount
from tests.platforms.woocommerce.books import Books
from tests.platforms.woocommerce.fake import BASE, KEY, SECRET, FakeShop


class WoocommerceAccount(StoreAccount):
    platform = "woocommerce"
    products = ("501", "502")
    members = ("11", "12")

    def __init__(self, name: InstallationId, clock: Callable[[], datetime]) -> None:
        super().__init__(name, clock)
        self.fake = FakeShop()
        self.fake.books.memberships, self.fake.books.subscriptions = {}, {}
        self.fake.customers.clear()
        self.fake.meets = lambda method, path: (method, path) == ("GET", f"{BASE}/orders")

    @property
    def place(self) -> str:
        return self.fake.place

    @property
    def settings(self) -> Mapping[str, str]:
        return {"base_url": self.fake.url, "shop": "shop.example"}

    @property
    def secrets(self) -> Mapping[str, str]:
        return {"consumer_key": KEY, "consumer_secret": SECRET}

    def running(self) -> AbstractContextManager[object]:
        return self.fake

    def stumble(self, chance: random.Random) -> None:
        self.fake.faults.append(chance.choice(("down", "cut", "busy", "page")))

    def add_customer(self, email: str) -> str:
        number = self._books.new_id()
        self.fake.customers.append({"id": number, "email": email, "role": "customer"})
        return str(number)

    def sell(self, email: str, customer: str, which: int) -> str:
        price = Money(PAID, "EUR").decimal()
        order = self._books.sell((price, "0.00"), email=email, customer_id=int(customer))
        order["line_items"][0]["product_id"] = int(self.products[which])
        return str(order["id"])

    def hold(self, customer: str, resource: Resource, *, held: bool) -> None:
        kept = self._books.memberships
        assert kept is not None
        mine = [
            row
            for row in kept.values()
            if (row["customer_id"], row["plan_id"]) == (int(customer), int(resource.ref))
        ]
        for row in mine:
            row["status"] = "active" if held else "cancelled"
        if held and not mine:
            ref = self._books.new_id()
            row = {"id": ref, "customer_id": int(customer), "plan_id": int(resource.ref)}
            kept[ref] = {**row, "status": "active", "order_id": 47}

    def pay_back(self, order: str, minor: int, *, by_hand: bool = False) -> str:
        asked = {"amount": Money(minor, "EUR").decimal(), "api_refund": not by_hand}
        return str(self._books.refund(int(order), asked)["id"])

    def cancel(self, order: str, minor: int) -> str:
        """The status Refunded writes a refund of what is left, which the gateway knows nothing of.

        The status Cancelled moves no money at all.
        """
        return self.pay_back(order, minor, by_hand=True)

    def strike(self, refund: str) -> None:
        """The gateway's extension takes the row away: the money came back."""
        self._books.delete_refund(int(refund))

    def end_subscription(self, email: str, customer: str, order: str) -> str:
        """One that `order` began ends by hand."""
        books = self._books
        assert books.subscriptions is not None
        ref = books.new_id()
        books.subscriptions[ref] = {
            "id": ref,
            "parent_id": int(order),
            "status": "cancelled",
            "customer_id": int(customer),
            "billing": {"email": email},
            "date_modified_gmt": books.gmt(),
            "end_date_gmt": books.gmt(),
            "line_items": books.orders[int(order)]["line_items"],
        }
        return str(ref)

    def went_back(self, order: str) -> int:
        rows = self._books.refunds[int(order)]
        return sum(int(Decimal(row["amount"]).scaleb(2)) for row in rows)

    def webhook(self, order: str, refund: str, minor: int) -> tuple[bytes, Mapping[str, str]]:
        del refund, minor  # the order is told as it stands
        body = json.dumps(self._books.told(int(order))).encode()
        return body, {"x-wc-webhook-topic": "order.updated"}

    @property
    def _books(self) -> Books:
        books = self.fake.books
        books.now = self.now.replace(tzinfo=None)
        return books
