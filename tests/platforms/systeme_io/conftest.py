"""One fake account, and an adapter that talks to it through the real HTTP client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from plugin.domain.ids import InstallationId, TenantId
from plugin.domain.orders import Resource, ResourceKind
from plugin.platforms.http_client import AllowedHosts, HttpClient
from plugin.platforms.manifest import Timeouts
from plugin.ports import Connection, Contact, Kind
from plugin.stores.systeme_io import SystemeIoStore
from tests.contracts.access import Trouble
from tests.platforms.systeme_io.books import Books, price_plan
from tests.platforms.systeme_io.fake import KEY, FakeSystemeIo, Fault
from tests.platforms.systeme_io.vendor import check_exchanges

INSTALLATION = InstallationId("inst-1")
START = datetime(2026, 11, 20, 9, 15, 30, tzinfo=UTC)


class StoppedClock:
    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment

    def pass_time(self, **time: int) -> None:
        self.moment += timedelta(**time)


def course(ref: int | str, name: str = "") -> Resource:
    return Resource(INSTALLATION, ResourceKind.COURSE, str(ref), name)


def community(ref: int | str) -> Resource:
    return Resource(INSTALLATION, ResourceKind.COMMUNITY, str(ref))


def tag(ref: int | str) -> Resource:
    return Resource(INSTALLATION, ResourceKind.TAG, str(ref))


class World:
    """A buyer and a stranger with the same course, community and tag; the buyer pays monthly."""

    def __init__(self, fake: FakeSystemeIo, clock: StoppedClock, key: str = KEY) -> None:
        self.fake = fake
        self.clock = clock
        self.books_of = fake.books
        self.retry_after = fake.retry_after
        books = fake.books
        self.course_ref = books.add_course("Portrait Lighting")
        self.tag_ref = books.add_tag("buyer")
        self.plan = price_plan(3456410, "Membership", 1500, every="month")
        self.buyer_ref = self._buyer(books, "Jane@example.com")
        self.stranger_ref = self._buyer(books, "john@example.com")
        self.subscription_ref = books.subscribe(self.buyer_ref, self.plan)
        self.contact = Contact("jane@example.com", str(self.buyer_ref))
        self.stranger = Contact("john@example.com", str(self.stranger_ref))
        self.held = course(self.course_ref)
        self.tag = tag(self.tag_ref)
        self.subscription = str(self.subscription_ref)
        self.store = self.connect(key)

    def connect(
        self,
        key: str = KEY,
        places: frozenset[str] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> SystemeIoStore:
        http = HttpClient(
            allowed=AllowedHosts(places or frozenset({self.fake.place})),
            clock=self.clock,
            allow_private=frozenset({self.fake.place}),
            timeouts=Timeouts(connect=2, read=3, total=5),
        )
        connection = Connection(
            TenantId("tenant-1"),
            INSTALLATION,
            Kind.STORE,
            "systeme_io",
            "Shop",
            settings or {"base_url": self.fake.url},
            {"api_key": key},
        )
        return SystemeIoStore(connection, http, self.clock)

    def _buyer(self, books: Books, email: str) -> int:
        ref = books.add_contact(email)
        books.enrol(ref, self.course_ref)
        books.give_tag(ref, self.tag_ref)
        return ref

    def books(self, contact: Contact) -> Sequence[Resource]:
        books = self.fake.books
        ref = next(r for r, one in books.contacts.items() if one["email"].lower() == contact.email)
        held = [
            course(one["_course"]) for one in books.enrolments.values() if one["_contact"] == ref
        ]
        held += [
            community(one["_community"])
            for one in books.memberships.values()
            if one["_contact"] == ref
        ]
        return [*held, *(tag(one["id"]) for one in books.contacts[ref]["tags"])]

    def charges_go_on(self) -> bool:
        found = self.fake.books.subscriptions[self.subscription_ref]
        return found["status"] == "active" and found["cancelledAt"] is None

    def trouble(self, trouble: Trouble, *, on_writes: bool) -> None:
        if trouble is Trouble.KEY_EXPIRED:
            self.fake.key = "another"
            return
        faults = {
            Trouble.RATE_LIMITED: Fault.RATE_LIMIT,
            Trouble.MALFORMED: Fault.MALFORMED,
            Trouble.SILENT: Fault.SILENCE,
            Trouble.SILENT_AFTER: Fault.SILENCE_AFTER,
            Trouble.FAILED_AFTER: Fault.SERVER_ERROR_AFTER,
        }
        self.fake.plan_fault(faults[trouble], "DELETE|POST" if on_writes else "GET")


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock(START)


@pytest.fixture
def world(clock: StoppedClock) -> Iterator[World]:
    with FakeSystemeIo(now=clock.now).running() as fake:
        yield World(fake, clock)
        check_exchanges(fake.exchanges)
