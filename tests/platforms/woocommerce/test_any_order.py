"""A shop tells of one purchase in any order and more than once: the end is the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from plugin.platforms.webhook_declaration import Webhooks
from plugin.stores.woocommerce import WoocommerceStore
from plugin.stores.woocommerce.account import manifest
from tests.contracts.any_order import AnyOrderContract, emptied_postgres, engine
from tests.contracts.webhook import RECEIVED, Parse
from tests.platforms.woocommerce.books import Thing
from tests.platforms.woocommerce.fake import FakeShop
from webhooks.delivery import Delivery
from webhooks.stores.woocommerce import parse

__all__ = ["emptied_postgres", "engine"]


@dataclass
class Bought:
    """Two lines refunded part by part, and cancelled; a renewal whose subscription ends."""

    fake: FakeShop
    confirms: WoocommerceStore
    parse: Parse = parse

    @property
    def webhooks(self) -> Webhooks:
        declared = manifest().webhooks
        assert declared is not None
        return declared

    def steps(self) -> Iterator[Sequence[Delivery]]:
        books = self.fake.books
        order = books.sell(("30.00", "0"), ("19.00", "0"))["id"]

        def sent() -> Sequence[Delivery]:
            told = self._sent("order.updated", books.told(order))
            books.advance(600)
            return [told]

        yield sent()
        books.refund(order, {"amount": "10.00", "reason": "asked by phone"})
        yield sent()
        books.newest_first = False
        books.refund(order, {"amount": "20.00", "reason": "mg-0123-a1"})
        yield sent()
        books.refund(order, {"amount": "19.00", "api_refund": False})
        yield sent()
        books.orders[order]["status"] = "cancelled"
        books.orders[order]["date_modified_gmt"] = books.gmt()
        renews = [{"key": "_subscription_renewal", "value": "1300"}]
        renewal = books.sell(("9.00", "0"), meta_data=renews)["id"]
        yield [*sent(), self._sent("order.updated", books.told(renewal))]
        books.subscriptions = {1300: {"id": 1300, "billing": {"email": "ada@example.com"}}}
        for status, topic in (
            ("on-hold", "subscription.updated"),
            ("cancelled", "subscription.updated"),
            ("trash", "subscription.deleted"),
        ):
            books.advance(600)
            now = {"status": status, "date_modified_gmt": books.gmt(), "end_date_gmt": ""}
            books.subscriptions[1300] |= now
            is_gone = status == "trash"
            body = {"id": 1300} if is_gone else books.subscriptions[1300]
            yield [self._sent(topic, body)]

    @staticmethod
    def _sent(topic: str, body: Thing) -> Delivery:
        return Delivery(json.dumps(body).encode(), {"x-wc-webhook-topic": topic}, RECEIVED)


class TestAnyOrder(AnyOrderContract):
    @pytest.fixture
    def story(self, fake: FakeShop, store: WoocommerceStore) -> Bought:
        return Bought(fake, store)
