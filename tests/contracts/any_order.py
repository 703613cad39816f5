"""What a store sends of one purchase comes in any order and more than once: the end is the same.

A platform's tests give a `story` fixture: a purchase from the sale to the last of it, step by step.
Each delivery is parsed, read back where the store's adapter does that, and applied, as dispatch
does. It is never read back in a state that the store was not in yet when it was sent, and perhaps
in a later one. What comes again has another name, as if its first name was forgotten: nothing may
hang on that a repeat is known by it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from itertools import permutations
from typing import Protocol

import pytest

from plugin.domain.access_map import AccessMap
from plugin.domain.effects import TellOwner
from plugin.domain.events import StoreEvent, SubscriptionNews, TagNews
from plugin.domain.facts import Refunded, RefundFailed
from plugin.domain.ids import CustomerKey, DeliveryId, customer_key
from plugin.domain.ledger import gives_of
from plugin.domain.orders import Order, Resource, ResourceKind
from plugin.platforms.strict_json import read_json
from plugin.platforms.webhook_declaration import Webhooks
from plugin.ports import ConfirmsEvents
from plugin.ports.records import Tenant
from plugin.ports.storage import UnitOfWork
from plugin.services.apply_event import apply_event
from plugin.services.applying import MustAsk, MustWait, Source
from plugin.services.ledger_of import ledger_of
from plugin.services.record_sale import sale_facts
from plugin.storage.unit_of_work import SqlStorage
from tests.contracts.webhook import INSTALLATION, RECEIVED, Parse, Recording, snake
from tests.emptied_postgres import emptied_postgres, engine
from tests.factories import an_installation
from webhooks.delivery import Delivery

__all__ = ["emptied_postgres", "engine"]

OF_A_PURCHASE = frozenset(
    {
        "sale_made",
        "sale_refunded",
        "subscription_cancelled",
        "payment_refunded",
        "dispute_news",
        "tag_news",
        "subscription_news",
    }
)
"""Kinds of news that change what a customer paid for or has."""
MOST_ORDERS = 120
"""All orders of five deliveries; of more, as many that a seed chose."""

Applied = Sequence[tuple[int, int]]
"""Deliveries by their place in the story, each with the step after which it is read back."""


class Story(Protocol):
    """One purchase at one store. `confirms` reads news back as the store is at that moment."""

    @property
    def webhooks(self) -> Webhooks: ...

    @property
    def parse(self) -> Parse: ...

    @property
    def confirms(self) -> ConfirmsEvents | None: ...

    def steps(self) -> Iterator[Sequence[Delivery]]:
        """Let one thing more happen at the store with each step, and give what is sent of it."""


@dataclass(frozen=True)
class RecordedStory:
    """What was recorded, one delivery for each step. Nothing is read back."""

    webhooks: Webhooks
    parse: Parse
    recordings: Sequence[Recording]
    confirms: ConfirmsEvents | None = None

    def steps(self) -> Iterator[Sequence[Delivery]]:
        for recording in self.recordings:
            yield [recording.delivery()]


@dataclass
class Told:
    """What the deliveries say: `events[step][place]`, and the step that each was sent in."""

    events: list[list[Sequence[StoreEvent]]] = field(default_factory=list)
    sent_in: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, story: Story) -> Told:
        told, sent = cls(), list[Delivery]()
        for step, deliveries in enumerate(story.steps()):
            sent += deliveries
            told.sent_in += [step] * len(deliveries)
            told.events.append([_read(story, one) for one in sent])
        return told

    @property
    def all(self) -> list[StoreEvent]:
        return [event for step in self.events for events in step for event in events]

    @property
    def customers(self) -> set[CustomerKey]:
        named = {order.customer for order in self.orders}
        by_address = (e.email for e in self.all if isinstance(e, TagNews | SubscriptionNews))
        return named | {customer_key(email) for email in by_address}

    @property
    def orders(self) -> list[Order]:
        found = (getattr(event, "order", None) for event in self.all)
        return [order for order in found if order is not None]

    @property
    def access(self) -> AccessMap:
        """Each product whose sale does not tell what it gives opens a course of its own."""
        sold = [fact for order in self.orders for fact in sale_facts(order)]
        untold = {one.product for one in sold if gives_of(one, AccessMap({})) is None}
        return AccessMap(
            {
                (INSTALLATION, product): (
                    Resource(INSTALLATION, ResourceKind.COURSE, f"of {product}", product),
                )
                for product in untold
            }
        )

    def soonest(self, order: Sequence[int]) -> Applied:
        """Each read back as soon as all that came before it had been sent."""
        moments = (max(self.sent_in[one] for one in order[: at + 1]) for at in range(len(order)))
        return list(zip(order, moments, strict=True))

    def late(self, order: Sequence[int], chance: random.Random) -> Applied:
        """Each read back at some moment from then on, and none before the one before it."""
        last, moments = len(self.events) - 1, list[int]()
        for at in range(len(order)):
            soonest = max(self.sent_in[one] for one in order[: at + 1])
            moments.append(chance.randint(max([soonest, *moments[-1:]]), last))
        return list(zip(order, moments, strict=True))

    def ways(self) -> Iterator[Applied]:
        """Every order, or many; then many in which everything comes twice."""
        chance, places = random.Random(20261123), list(range(len(self.sent_in)))
        if len(places) <= 5:
            yield from map(self.soonest, permutations(places))
        else:
            for _ in range(MOST_ORDERS):
                yield self.soonest(chance.sample(places, len(places)))
        for _ in range(MOST_ORDERS // 2):
            yield self.late(chance.sample(places * 2, len(places) * 2), chance)


def _read(story: Story, delivery: Delivery) -> Sequence[StoreEvent]:
    events = story.parse(delivery, INSTALLATION, read_json(delivery.body))
    confirms = story.confirms
    return events if confirms is None else [confirms.confirm(event) for event in events]


class AnyOrderContract:
    """Inherit it where the manifest declares webhooks with news of purchases."""

    @pytest.fixture
    def database_kind(self) -> str:
        """One kind will do: what a thousand news mean is no matter of databases."""
        return "sqlite"

    @pytest.fixture
    def told(self, story: Story) -> Told:
        return Told.of(story)

    def test_the_story_has_all_kinds_of_news_that_are_declared(
        self, story: Story, told: Told
    ) -> None:
        declared = {kind for kinds in story.webhooks.topics.values() for kind in kinds}
        missing = declared & OF_A_PURCHASE - {snake(type(event).__name__) for event in told.all}
        assert not missing, "the story must have news of all kinds: nothing is said of these"

    def test_told_in_any_order_and_twice_the_end_is_the_same(
        self, told: Told, storage: SqlStorage, tenant: Tenant
    ) -> None:
        with storage.begin(tenant.id) as uow:
            uow.installations.add(an_installation(INSTALLATION))
            uow.settings.save_access_map(INSTALLATION, told.access, RECEIVED)
            uow.commit()
        in_order = self.end_of(told, told.soonest(range(len(told.sent_in))), storage, tenant)
        assert any(end.ended for end in in_order.values()), "a story in which nothing ends"
        for way in told.ways():
            for customer, end in self.end_of(told, way, storage, tenant).items():
                differs = end.differs_from(in_order[customer])
                assert not differs, f"told as {way}: {differs}"
                # What is over when it is heard of is told to nobody: less is as good.
                assert end.owner_told <= in_order[customer].owner_told, f"told as {way}"

    def end_of(
        self, told: Told, way: Applied, storage: SqlStorage, tenant: Tenant
    ) -> dict[CustomerKey, End]:
        """What is known after it, by customer. Nothing of it is kept."""
        with storage.begin(tenant.id) as uow:
            for at, (place, step) in enumerate(way):
                now = RECEIVED + timedelta(hours=1, seconds=at)
                source = Source(
                    DeliveryId(f"delivery-{at}"),
                    INSTALLATION,
                    "Test shop",
                    now,
                    asked=frozenset(told.customers),
                )
                for event in told.events[step][place]:
                    outcome = apply_event(uow, event, source, now)
                    assert not isinstance(outcome, MustWait | MustAsk)
            return {customer: End.of(uow, customer) for customer in told.customers}


@dataclass(frozen=True)
class End:
    """What came of it for one customer. Which delivery brought a thing does not matter."""

    orders: tuple[Order, ...]
    back: frozenset[tuple[str, int]]
    owed: tuple[Resource, ...]
    ended: tuple[Resource, ...]
    taken: frozenset[Resource]
    next_change: object
    owner_told: int = field(compare=False)

    def differs_from(self, other: End) -> dict[str, tuple[object, object]]:
        """What is not the same, by name: this end's and the other's."""
        both = {one.name: (getattr(self, one.name), getattr(other, one.name)) for one in _SAME}
        return {name: pair for name, pair in both.items() if pair[0] != pair[1]}

    @classmethod
    def of(cls, uow: UnitOfWork, customer: CustomerKey) -> End:
        facts = uow.facts.of_customer(customer)
        failed = {one.refund for one in facts if isinstance(one, RefundFailed)}
        ledger = ledger_of(uow, customer, RECEIVED + timedelta(days=1))
        planned = (stored.planned.effect for stored in uow.effects.newest(1000))
        end = cls(
            orders=tuple(
                sorted(
                    (_as_told(order) for order in uow.orders.of_customer(customer)),
                    key=lambda order: order.ref,
                )
            ),
            back=frozenset(
                (fact.refund, fact.amount.minor)
                for fact in facts
                if isinstance(fact, Refunded) and fact.refund not in failed
            ),
            owed=ledger.owed(),
            ended=tuple(one.resource for one in ledger.ended()),
            taken=frozenset(r for r, turn in uow.effects.turns(customer).items() if turn.taken),
            next_change=ledger.next_change,
            owner_told=sum(isinstance(effect, TellOwner) for effect in planned),
        )
        assert end.taken == frozenset(end.ended) - ledger.tags_gone, "all that ended is taken"
        return end


_SAME = tuple(one for one in fields(End) if one.compare)


def _as_told(order: Order) -> Order:
    """The order but for the moment of its reading, and for the place of its lines."""
    lines = tuple(sorted(order.lines, key=lambda line: line.ref))
    refunds = tuple(sorted(order.refunds, key=lambda refund: refund.ref))
    return replace(order, read_at=RECEIVED, lines=lines, refunds=refunds)
