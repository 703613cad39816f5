"""Stripe tells of one customer's payments in any order and more than once: the end is the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from plugin.platforms.webhook_declaration import Webhooks
from plugin.stores.stripe import StripeStore
from plugin.stores.stripe.account import manifest
from tests.contracts.any_order import AnyOrderContract, emptied_postgres, engine
from tests.contracts.webhook import RECEIVED, Parse
from tests.platforms.stripe.fake import FakeStripe
from webhooks.delivery import Delivery
from webhooks.stores.stripe import parse

__all__ = ["emptied_postgres", "engine"]


@dataclass
class Bought:
    """A charge refunded in part, then wholly; a lost dispute; a subscription that ends."""

    fake: FakeStripe
    confirms: StripeStore
    parse: Parse = parse

    @property
    def webhooks(self) -> Webhooks:
        declared = manifest().webhooks
        assert declared is not None
        return declared

    def steps(self) -> Iterator[Sequence[Delivery]]:
        books = self.fake.books
        customer = books.add_customer("ada@example.com")["id"]
        course = {"customer": customer, "metadata": {"product_id": "prod_1"}}
        charge = books.sell(4900, **course)["id"]
        other = books.sell(1500, customer=customer, metadata={"product_id": "prod_2"})["id"]
        subscription = books.subscribe(customer, 900)["id"]
        books.refund({"charge": charge, "amount": "1000", "metadata[makegood_key]": "mg-0-a1"})
        yield self._sent()
        failing = books.refund({"charge": charge, "amount": "3900"})["id"]
        yield self._sent()
        books.settle(failing, "failed")
        yield self._sent()
        books.refund({"charge": charge})
        yield self._sent()
        dispute = books.dispute(other)["id"]
        yield self._sent()
        books.close_dispute(dispute, "lost")
        yield self._sent()
        books.end_later(subscription)
        yield self._sent()
        books.end_now(subscription)
        yield self._sent()

    def _sent(self) -> Sequence[Delivery]:
        declared, events = self.webhooks.topics, self.fake.books.events
        told = [json.dumps(event).encode() for event in events if event["type"] in declared]
        events.clear()
        return [Delivery(body, {}, RECEIVED) for body in told]


class TestAnyOrder(AnyOrderContract):
    @pytest.fixture
    def story(self, fake: FakeStripe, store: StripeStore) -> Bought:
        return Bought(fake, store)
