"""Find a customer's orders across all connected stores at once, and say how sure the match is.

Asks the stores side by side and keeps what they say. A store that does not answer is named, and
what it last said is shown with its age. Matching is exact: by the addresses of the person who
wrote, by what an agent gave, or by what the ticket's text names. That last is anybody's word: it
finds and shows, and never proves who asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Final

from plugin.domain.ids import InstallationId, TenantId, customer_key
from plugin.domain.orders import Order, OrderRef
from plugin.ports import FindsOrders, Kind, OrderQuery
from plugin.ports.platforms import Gather, Platforms
from plugin.ports.records import Installation
from plugin.ports.storage import Storage, UnitOfWork
from plugin.services.ask_all import ask_all
from plugin.services.join_charges import join_charges


class Evidence(StrEnum):
    """Why we believe that an order belongs to the person in the ticket."""

    REQUESTER_EMAIL = "requester_email"
    TYPED_EMAIL = "typed_email"
    NAMED_EMAIL = "named_email"
    ORDER_NUMBER = "order_number"
    NAMED_NUMBER = "named_number"
    CARD_DIGITS = "card_digits"


_GIVEN: Final = frozenset({Evidence.TYPED_EMAIL, Evidence.ORDER_NUMBER, Evidence.CARD_DIGITS})
"""What an agent stands for. The rest was read in the ticket's text, which a stranger may write."""
_MOST_NUMBERS: Final = 8
"""So many words of a text are tried as order numbers: more would be guessing."""
_MANY_DIGITS: Final = 4
"""So many digits look like an order number; fewer are as often a price, a day or an hour."""


def is_strong(evidence: frozenset[Evidence]) -> bool:
    """Whether money may move: on the writer's own address, or on two proofs that an agent gave."""
    return Evidence.REQUESTER_EMAIL in evidence or len(evidence & _GIVEN) >= 2


@dataclass(frozen=True, slots=True)
class Search:
    """What is known of the customer, by who says so.

    `emails` are the requester's own, as the desk vouches. An agent gave `typed_email`, `number` and
    `card_digits`. `named_email` and `text` are what the ticket says, and proof of nothing.
    """

    emails: tuple[str, ...] = ()
    typed_email: str | None = None
    number: str | None = None
    card_digits: str | None = None
    named_email: str | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class StoreRead:
    """How one store answered. `count` are the orders it has for this customer."""

    installation: InstallationId
    title: str
    answered: bool
    count: int
    last_read: datetime | None = None


@dataclass(frozen=True, slots=True)
class FoundOrder:
    """An order and why we think it is hers."""

    order: Order
    evidence: frozenset[Evidence]
    store: str
    silent: bool = False


@dataclass(frozen=True, slots=True)
class FoundOrders:
    """All orders, newest first, and how each store answered."""

    orders: tuple[FoundOrder, ...]
    stores: tuple[StoreRead, ...]
    read_at: datetime

    def get(self, ref: OrderRef) -> FoundOrder | None:
        return next((found for found in self.orders if found.order.ref == ref), None)


@dataclass(frozen=True, slots=True)
class FindOrders:
    """The use case, with its ports."""

    storage: Storage
    platforms: Platforms
    gather: Gather

    def __call__(self, tenant: TenantId, search: Search, now: datetime) -> FoundOrders:
        """Read all stores, keep the answers, and match. No store's failure fails the search."""
        with self.storage.read(tenant) as uow:
            stores = [i for i in uow.installations.all() if _is_store(i)]
        emails = _addresses(search)
        query = OrderQuery(emails, search.number)
        asked = [
            (store, port)
            for store in stores
            if (port := self.platforms.able(store.connection, FindsOrders)) is not None
        ]
        answers = ask_all(self.gather, [partial(port.find_orders, query) for _, port in asked])
        told: dict[InstallationId, Sequence[Order] | None] = {
            store.connection.installation: answer
            for (store, _), answer in zip(asked, answers, strict=True)
        }
        with self.storage.begin(tenant) as uow:
            for orders in told.values():
                for order in orders or ():
                    uow.orders.save(order)
            kept = _kept(uow, emails, search.number)
            uow.commit()
        return self._found(stores, told, kept, search, now)

    def recall(self, tenant: TenantId, search: Search, now: datetime) -> FoundOrders:
        """What the last search kept, without asking any store: for looking again a moment later."""
        with self.storage.read(tenant) as uow:
            stores = [i for i in uow.installations.all() if _is_store(i)]
            kept = _kept(uow, _addresses(search), search.number)
        asked = [
            s.connection.installation
            for s in stores
            if self.platforms.able(s.connection, FindsOrders) is not None
        ]
        told: dict[InstallationId, Sequence[Order] | None] = {
            i: [order for order in kept if order.ref.installation == i] for i in asked
        }
        return self._found(stores, told, kept, search, now)

    def _found(
        self,
        stores: Sequence[Installation],
        told: dict[InstallationId, Sequence[Order] | None],
        kept: Sequence[Order],
        search: Search,
        now: datetime,
    ) -> FoundOrders:
        titles = {s.connection.installation: self.platforms.title(s.connection) for s in stores}
        # A store that cannot be asked tells by events: what it told last is how things are.
        current = {
            order.ref: order if order.ref.installation in told else replace(order, read_at=now)
            for order in kept
            if order.ref.installation in titles
        }
        for orders in told.values():
            current |= {order.ref: order for order in orders or ()}
        silent = {installation for installation, orders in told.items() if orders is None}
        answered = {i for i, orders in told.items() if orders is not None}
        by_name = {store.connection.installation: store for store in stores}
        joined = join_charges(current.values(), answered, by_name.get)
        found = [
            FoundOrder(
                order,
                evidence_for(order, search),
                titles[order.ref.installation],
                order.ref.installation in silent,
            )
            for order in joined
        ]
        found.sort(key=lambda f: (f.order.bought_at, f.order.ref), reverse=True)
        reads = tuple(
            StoreRead(
                installation,
                title,
                installation not in silent,
                sum(f.order.ref.installation == installation for f in found),
                _last_read(current.values(), installation),
            )
            for installation, title in titles.items()
        )
        return FoundOrders(tuple(f for f in found if f.evidence), reads, now)


def evidence_for(order: Order, search: Search) -> frozenset[Evidence]:
    """All that speaks for this order. What an agent gave is not counted as named in the text."""
    evidence = set()
    if order.customer in {customer_key(email) for email in search.emails}:
        evidence.add(Evidence.REQUESTER_EMAIL)
    if search.typed_email and order.customer == customer_key(search.typed_email):
        evidence.add(Evidence.TYPED_EMAIL)
    elif search.named_email and order.customer == customer_key(search.named_email):
        evidence.add(Evidence.NAMED_EMAIL)
    number = _bare(order.number)
    if number and number == _typed_number(search):
        evidence.add(Evidence.ORDER_NUMBER)
    elif number and number in _named_numbers(search.text):
        evidence.add(Evidence.NAMED_NUMBER)
    digits = (search.card_digits or "").strip()
    is_digits = len(digits) == 4 and digits.isascii() and digits.isdecimal()
    if is_digits and any(p.label.endswith(digits) for p in order.payments):
        evidence.add(Evidence.CARD_DIGITS)
    return frozenset(evidence)


def _is_store(installation: Installation) -> bool:
    return installation.connection.kind is Kind.STORE


def _addresses(search: Search) -> tuple[str, ...]:
    others = [email for email in (search.typed_email, search.named_email) if email]
    return tuple(dict.fromkeys(customer_key(email) for email in (*search.emails, *others)))


def _kept(uow: UnitOfWork, emails: Iterable[str], number: str | None) -> Sequence[Order]:
    orders = [order for email in emails for order in uow.orders.of_customer(customer_key(email))]
    if number:
        bare = number.strip().removeprefix("#")
        for kept_as in (bare, f"#{bare}"):
            orders.extend(uow.orders.by_number(kept_as))
    return list({order.ref: order for order in orders}.values())


def _last_read(orders: Iterable[Order], installation: InstallationId) -> datetime | None:
    reads = [order.read_at for order in orders if order.ref.installation == installation]
    return max(reads, default=None)


def _typed_number(search: Search) -> str:
    return _bare(search.number or "")


def _bare(number: str) -> str:
    """`#1001` and `1001` are one number."""
    return number.strip().removeprefix("#").casefold()


def _named_numbers(text: str) -> Sequence[str]:
    """The few words of a text that look most like order numbers: `#7` before 20418 before 30."""
    words = [word.strip(".,;:!?()[]\"'").casefold() for word in text.split()]
    likely = [word for word in words if any(letter.isdigit() for letter in word)]
    likely.sort(key=_unlikeness)
    return list(dict.fromkeys(word.strip("#") for word in likely))[:_MOST_NUMBERS]


def _unlikeness(word: str) -> int:
    if word.startswith("#"):
        return 0
    return 1 if sum(letter.isdigit() for letter in word) >= _MANY_DIGITS else 2
