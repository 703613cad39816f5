"""A day that is watched: a sale and its cancellation, a refund by an agent, all peers on loopback.

What was counted and what spans came out of it, for the tests of both.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from plugin.domain.ids import DeliveryId, PlanId
from tests.databases import Databases
from tests.journey.house import House, open_house
from tests.journey.shop import BUYER, open_shop
from tests.journey.sidebar import Sidebar
from tests.otlp import Receiver, otlp_receiver

TOKEN = "a-token-made-up-for-tests"
NAME = "Mia Learner"
PRICE = 4900


@dataclass
class Day:
    """What is left of it. `page` is what a scrape in the evening said."""

    house: House
    receiver: Receiver
    page: str
    delivery: DeliveryId
    plan: PlanId
    request: str

    def value(self, series: str, **labels: str) -> float:
        """The sum over all samples of that name whose labels include these."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.page)
            for sample in family.samples
            if sample.name == series and labels.items() <= sample.labels.items()
        )


@contextmanager
def watched_day(folder: Path, databases: Databases) -> Iterator[Day]:
    """Live it."""
    with otlp_receiver() as receiver:
        settings = {
            "MAKEGOOD_METRICS_TOKEN": TOKEN,
            "MAKEGOOD_OTLP_ENDPOINT": receiver.endpoint,
        }
        with open_house(folder, databases, role="both", **settings) as house:
            plan = _an_agent_refunds(house)
            delivery = _a_sale_is_cancelled(house)
            client = house.app.test_client()
            asked = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
            assert asked.status_code == 200
            request = asked.headers["X-Request-Id"]
            assert house.parts.watching is not None
            house.parts.watching.end()
            yield Day(house, receiver, asked.text, delivery, plan, request)


def _an_agent_refunds(house: House) -> PlanId:
    books = house.world.stripe.books
    customer = books.add_customer(BUYER, NAME)["id"]
    ticket = house.world.desk.account.add_ticket()
    house.connect_stripe()
    desk = house.connect_desk()
    books.sell(PRICE, customer=customer)
    Sidebar.at(house, desk, ticket).press("refund")
    house.pass_time(seconds=10)
    house.rest()
    assert [one["amount"] for one in books.moved()] == [PRICE]
    with house.parts.house.storage.read(house.tenant) as uow:
        (refund,) = uow.refunds.newest(9)
    return refund.plan


def _a_sale_is_cancelled(house: House) -> DeliveryId:
    shop = open_shop(house)
    item = shop.sell(plan=shop.other_plan, courses=(shop.course,), tags=(shop.tag,))
    shop.books.refund(item)
    house.settle()
    house.rest()
    with house.parts.house.storage.read(house.tenant) as uow:
        newest = uow.deliveries.newest((), 20)
    (told,) = [d.id for d in newest if d.topic == "SALE_CANCELED"]
    return told
