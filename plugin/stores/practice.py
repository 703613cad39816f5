"""The practice store as an adapter: the same ports as every real store, over a pretended world.

It opens no connection and moves no money. `connection.settings["file"]` is the world's file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from plugin.domain.errors import Refused
from plugin.domain.events import StoreEvent
from plugin.domain.orders import Order, Resource, Subscription
from plugin.domain.refunds import LookUp, Refund, RefundAnswer
from plugin.platforms.http_client import HttpClient
from plugin.platforms.practice_world import PracticeWorld
from plugin.ports import Catalog, Changed, Clock, Connection, Contact, OrderQuery, Probe
from plugin.ports.news import News


class PracticeStore:
    """One practice shop."""

    def __init__(
        self,
        connection: Connection,
        http: HttpClient | None,  # noqa: ARG002 - all adapters are made alike; this one calls nobody
        clock: Clock,
    ) -> None:
        self._installation = connection.installation
        self._world = PracticeWorld(connection.settings["file"])
        self._clock = clock

    # --- orders and money -------------------------------------------------------------------------

    def find_orders(self, query: OrderQuery) -> Sequence[Order]:
        return self._world.find_orders(
            self._installation, self._clock.now(), query.emails, query.number
        )

    def read_order(self, ref: str) -> Order | None:
        return self._world.read_order(self._installation, self._clock.now(), ref)

    def refund(self, refund: Refund) -> RefundAnswer:
        return self._world.pay_back(
            refund.payment.ref, refund.amount, refund.key, self._clock.now()
        )

    def look_up(self, refund: Refund) -> LookUp:
        attempts = range(refund.attempt, 0, -1)
        return self._world.find_refund([replace(refund, attempt=n).key for n in attempts])

    # --- access, tags, subscriptions --------------------------------------------------------------

    def read_access(self, contact: Contact) -> Sequence[Resource]:
        return self._world.holdings(self._installation, contact.email)

    def revoke(self, contact: Contact, resource: Resource) -> Changed:
        return _changed(done=self._world.take(contact.email, resource.kind, resource.ref))

    def restore(self, contact: Contact, resource: Resource) -> Changed:
        return _changed(done=self._world.give(contact.email, resource))

    def add_tag(self, contact: Contact, tag: Resource) -> Changed:
        return self.restore(contact, tag)

    def remove_tag(self, contact: Contact, tag: Resource) -> Changed:
        return self.revoke(contact, tag)

    def read_subscription(self, contact: Contact, ref: str) -> Subscription | None:
        return self._world.read_subscription(
            self._installation, self._clock.now(), contact.email, ref
        )

    def cancel_subscription(self, contact: Contact, ref: str, *, at_once: bool) -> Changed:
        return _changed(
            done=self._world.cancel_subscription(
                contact.email, ref, self._clock.now(), at_once=at_once
            )
        )

    # --- news -------------------------------------------------------------------------------------

    def kept_since(self, now: datetime) -> datetime:  # noqa: ARG002 - it forgets nothing
        """For ever."""
        return datetime.min.replace(tzinfo=UTC)

    def read_news(self, since: datetime, until: datetime) -> Iterator[Sequence[News]]:
        """What the practice shop's bank told: it sends no webhooks, and so we hear of it."""
        count = 0
        while page := self._world.read_news(since, until, count):
            count += len(page)
            yield page

    # --- connecting -------------------------------------------------------------------------------

    def confirm(self, event: StoreEvent) -> StoreEvent:
        """The event itself: its signature proves all that it says."""
        return event

    def probe(self) -> Probe:
        if self._world.seeded_at() is None:
            raise Refused("practice_empty", "start practice again: its shop was never filled")
        return Probe("Practice shop", "simulated: no real money or people")

    def check_rights(self) -> str:
        return "may do everything; nothing of it is real"

    def read_catalog(self) -> Catalog:
        return self._world.catalog(self._installation)


def _changed(*, done: bool) -> Changed:
    return Changed.DONE if done else Changed.ALREADY
