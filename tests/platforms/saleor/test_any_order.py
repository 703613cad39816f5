"""Saleor tells of one purchase in any order and more than once: the end is the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from plugin.platforms.webhook_declaration import Webhooks
from plugin.stores.saleor.account import manifest
from tests.contracts.any_order import AnyOrderContract, emptied_postgres, engine
from tests.contracts.webhook import RECEIVED, Parse
from tests.platforms.saleor.deliveries import event_of
from tests.platforms.saleor.fake import FakeSaleor
from webhooks.delivery import Delivery
from webhooks.stores.saleor import parse

__all__ = ["emptied_postgres", "engine"]

SOLD = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@dataclass
class Bought:
    """Paid; refunded in part by us; the rest elsewhere, which the bank gave back; once more."""

    fake: FakeSaleor
    parse: Parse = parse
    confirms: None = None

    @property
    def webhooks(self) -> Webhooks:
        declared = manifest().webhooks
        assert declared is not None
        return declared

    def steps(self) -> Iterator[Sequence[Delivery]]:
        books = self.fake.books
        books.add_user("ada@example.com")
        sale = books.sell(4900)
        ref, order = sale["id"], sale["order"]

        def sent(at: int, *kinds: str) -> Sequence[Delivery]:
            books.orders[order]["updatedAt"] = (SOLD + timedelta(minutes=at)).isoformat()
            bodies = (event_of(self.fake, kind, order=books.order(order)) for kind in kinds)
            return [Delivery(json.dumps(body).encode(), {}, RECEIVED) for body in bodies]

        yield sent(0, "OrderFullyPaid")
        amount = {"transactionId": ref, "amount": "15.00", "reason": "mg-0123-a1"}
        grant, _ = books.grant(order, amount)
        assert grant is not None
        books.outcome = "PENDING"
        books.request(grant["id"])
        yield sent(1, "OrderUpdated")
        books.settle(grant["id"], "SUCCESS")
        yield sent(2, "OrderRefunded")
        books.tell(ref, "REFUND_SUCCESS", 3400, "psp-1")
        yield sent(3, "OrderFullyRefunded")
        books.tell(ref, "REFUND_REVERSE", 3400, "psp-1")
        yield sent(4, "OrderUpdated")
        books.tell(ref, "REFUND_SUCCESS", 3400, "psp-2")
        yield sent(5, "OrderRefunded", "OrderFullyRefunded")


class TestAnyOrder(AnyOrderContract):
    @pytest.fixture
    def story(self, fake: FakeSaleor) -> Bought:
        return Bought(fake)
