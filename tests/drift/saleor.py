"""An account of Saleor: what its staff and its payment app do, in the books of our fake."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime

from plugin.domain.ids import InstallationId
from plugin.domain.orders import Resource
from plugin.stores.saleor.metadata import key_of
from tests.drift.account import PAID, StoreAccount
from tests.platforms.saleor.books import Thing
from tests.platforms.saleor.deliveries import event_of, refunded
from tests.platforms.saleor.fake import TOKEN, FakeSaleor


class SaleorAccount(StoreAccount):
    platform = "saleor"
    products = ("ProductVariant:501", "ProductVariant:502")
    members = ("first", "second")
    tags = ("early", "vip")

    def __init__(self, name: InstallationId, clock: Callable[[], datetime]) -> None:
        super().__init__(name, clock)
        self.fake = FakeSaleor()
        self._paid_by: dict[str, str] = {}
        self._refunds = 0

    @property
    def place(self) -> str:
        return self.fake.place

    @property
    def settings(self) -> Mapping[str, str]:
        return {"base_url": self.fake.url, "host": "ada.example.com"}

    @property
    def secrets(self) -> Mapping[str, str]:
        return {"app_token": TOKEN}

    def running(self) -> AbstractContextManager[object]:
        return self.fake

    def stumble(self, chance: random.Random) -> None:
        kind = chance.choice(("unavailable", "truncated", "rate_limited"))
        self.fake.fail(kind, on="MakegoodChangedOrders")

    def add_customer(self, email: str) -> str:
        return str(self.fake.books.add_user(email)["id"])

    def sell(self, email: str, customer: str, which: int) -> str:
        transaction = self.fake.books.sell(PAID, email=email)
        ref = str(transaction["order"])
        self._paid_by[ref] = transaction["id"]
        order = self._order(ref)
        order["created"] = order["updatedAt"] = self._written
        order["user"] = self.fake.books.users[customer]
        order["lines"][0]["productVariantId"] = self.products[which]
        return ref

    def hold(self, customer: str, resource: Resource, *, held: bool) -> None:
        mine = self.fake.books.users[customer]
        key = key_of(resource)
        others = [item for item in mine["privateMetadata"] if item["key"] != key]
        mine["privateMetadata"] = [*others, {"key": key, "value": resource.ref}] if held else others

    def pay_back(self, order: str, minor: int) -> str:
        """Where the payment was taken: the payment app reports it."""
        self._refunds += 1
        psp = f"psp-{self._refunds}"
        self._tell(order, "REFUND_SUCCESS", minor, psp)
        return psp

    def cancel(self, order: str, minor: int) -> str:
        self._order(order)["status"] = "CANCELED"
        return self.pay_back(order, minor)

    def grant(self, order: str, minor: int) -> str:
        """In the dashboard: granted, and asked of the payment app."""
        ref = refunded(self.fake.books, self._paid_by[order], minor)
        self._order(order)["updatedAt"] = self._written
        return ref

    def reverse(self, order: str, refund: str, minor: int) -> None:
        """The bank gives a refund back to the shop."""
        self._tell(order, "REFUND_REVERSE", minor, refund)

    def charge_back(self, order: str) -> None:
        self._tell(order, "CHARGE_BACK", PAID, f"bank-{order}")

    @contextmanager
    def unseen(self, order: str) -> Iterator[None]:
        """What happens in the block does not count as a change of the order."""
        before = self._order(order)["updatedAt"]
        yield
        self._order(order)["updatedAt"] = before

    def went_back(self, order: str) -> int:
        return sum(self.fake.books.moved(self._paid_by[order]))

    def webhook(self, order: str, refund: str, minor: int) -> tuple[bytes, Mapping[str, str]]:
        del refund, minor  # the order is told as it stands
        event = event_of(self.fake, "OrderUpdated", order=self.fake.books.order(order))
        return json.dumps(event).encode(), {"saleor-event": "order_updated"}

    def _tell(self, order: str, kind: str, minor: int, psp: str) -> None:
        self.fake.books.tell(self._paid_by[order], kind, minor, psp, at=self._written)

    @property
    def _written(self) -> str:
        return self.now.isoformat()

    def _order(self, ref: str) -> Thing:
        return self.fake.books.orders[ref]
