"""Find a customer's orders across all connected stores at once, and say how sure the match is.

Asks the stores side by side and keeps what they say. A store that does not answer is named, and
what it last said is shown with its age. Matching is exact: by the addresses of the person who
wrote, or by what was typed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

from plugin.domain.errors import MakegoodError
from plugin.domain.ids import InstallationId, TenantId, customer_key
from plugin.domain.orders import Order, OrderRef, RefundRoute
from plugin.ports import FindsOrders, OrderQuery
from plugin.ports.platforms import Gather, Platforms
from plugin.ports.storage import Installation, Storage, UnitOfWork

CHARGE_WINDOW = timedelta(minutes=15)
"""A sale and the gateway's charge for it are made within this time."""


class Evidence(StrEnum):
    """Why we believe that an order belongs to the person in the ticket."""

    REQUESTER_EMAIL = "requester_email"
    TYPED_EMAIL = "typed_email"
    ORDER_NUMBER = "order_number"
    CARD_DIGITS = "card_digits"


def is_strong(evidence: frozenset[Evidence]) -> bool:
    """Whether money may move on this evidence: the writer's own address, or two separate proofs."""
    return Evidence.REQUESTER_EMAIL in evidence or len(evidence) >= 2


@dataclass(frozen=True, slots=True)
class Search:
    """What is known of the customer. `emails` are proven by the desk; an agent typed the rest."""

    emails: tuple[str, ...] = ()
    typed_email: str | None = None
    number: str | None = None
    card_digits: str | None = None
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
            (store, finder)
            for store in stores
            if (finder := self.platforms.able(store.connection, FindsOrders)) is not None
        ]
        answers = self.gather([partial(finder.find_orders, query) for _, finder in asked])
        told: dict[InstallationId, Sequence[Order] | None] = {}
        for (store, _), answer in zip(asked, answers, strict=True):
            if isinstance(answer, Exception) and not isinstance(answer, MakegoodError):
                raise answer
            told[store.connection.installation] = None if isinstance(answer, Exception) else answer
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
        joined = join_charges(
            current.values(), gateways={i for i, orders in told.items() if orders is not None}
        )
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
    """All proofs that fit this order."""
    evidence = set()
    if order.customer in {customer_key(email) for email in search.emails}:
        evidence.add(Evidence.REQUESTER_EMAIL)
    if search.typed_email and order.customer == customer_key(search.typed_email):
        evidence.add(Evidence.TYPED_EMAIL)
    number = order.number.casefold()
    if number and (number == _typed_number(search) or number in _words(search.text)):
        evidence.add(Evidence.ORDER_NUMBER)
    digits = (search.card_digits or "").strip()
    is_digits = len(digits) == 4 and digits.isascii() and digits.isdecimal()
    if is_digits and any(p.label.endswith(digits) for p in order.payments):
        evidence.add(Evidence.CARD_DIGITS)
    return frozenset(evidence)


def join_charges(orders: Iterable[Order], gateways: set[InstallationId]) -> tuple[Order, ...]:
    """Join sales that only a person can refund with the gateway's own charge for them.

    A charge fits when address, amount and currency are the same and both were made within
    `CHARGE_WINDOW`. Only a single fit joins; the gateway's own order is then shown no more. Two
    charges that fit one sale, or two sales one charge, stay as they are: a person chooses.
    """
    orders = tuple(orders)
    charges = [
        order
        for order in orders
        if order.ref.installation in gateways
        and any(p.route is RefundRoute.BY_API for p in order.payments)
    ]
    sales = [
        order
        for order in orders
        if any(payment.route is RefundRoute.BY_HAND for payment in order.payments)
    ]
    joined: dict[OrderRef, Order] = {}
    used: set[OrderRef] = set()
    for sale in sales:
        fits = [charge for charge in charges if _fits(sale, charge)]
        if len(fits) == 1 and sum(_fits(other, fits[0]) for other in sales) == 1:
            used.add(fits[0].ref)
            joined[sale.ref] = replace(sale, payments=fits[0].payments)
    return tuple(joined.get(order.ref, order) for order in orders if order.ref not in used)


def _fits(sale: Order, charge: Order) -> bool:
    return (
        sale.ref.installation != charge.ref.installation
        and sale.customer == charge.customer
        and sale.currency == charge.currency
        and sum(p.captured.minor for p in sale.payments)
        == sum(p.captured.minor for p in charge.payments)
        and abs(sale.bought_at - charge.bought_at) <= CHARGE_WINDOW
    )


def _is_store(installation: Installation) -> bool:
    return installation.connection.kind == "store"


def _addresses(search: Search) -> tuple[str, ...]:
    typed = (search.typed_email,) if search.typed_email else ()
    return tuple(dict.fromkeys(customer_key(email) for email in (*search.emails, *typed)))


def _kept(uow: UnitOfWork, emails: Iterable[str], number: str | None) -> Sequence[Order]:
    orders = [order for email in emails for order in uow.orders.of_customer(customer_key(email))]
    if number:
        orders.extend(uow.orders.by_number(number.strip()))
    return list({order.ref: order for order in orders}.values())


def _last_read(orders: Iterable[Order], installation: InstallationId) -> datetime | None:
    reads = [order.read_at for order in orders if order.ref.installation == installation]
    return max(reads, default=None)


def _typed_number(search: Search) -> str:
    return (search.number or "").strip().casefold()


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip(".,;:!?()[]#\"'").casefold() for word in text.split())
