"""The shop, the bank and the words for what they sell: everything outside of the product.

Platforms in memory that keep books. They tell of changes through hooks that the driver sets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from plugin.domain.access_map import AccessMap
from plugin.domain.money import Money
from plugin.domain.orders import (
    Order,
    OrderRef,
    Payment,
    PaymentRef,
    RefundRoute,
    RefundSeen,
    RefundStage,
    Resource,
    ResourceKind,
)
from plugin.domain.plan import AmountKind, Choice
from plugin.domain.refunds import Refund, RefundAnswer
from plugin.ports import Changed, Contact
from plugin.ports.news import News
from tests.factories import BANK, NOW, STORE, a_line
from tests.fakes.platforms import FakeStore, Paid
from tests.histories.model import BUNDLES, OPENED_BY_TAG, Step

LATE = NOW + timedelta(days=1)
"""After the accounts were connected."""


def thing(words: str) -> Resource:
    """`course c1` as the product names it."""
    kind, ref = words.split()
    return Resource(STORE, ResourceKind(kind), ref)


def words_of(resource: Resource) -> str:
    return f"{resource.kind} {resource.ref}"


def email_of(who: int) -> str:
    return f"customer-{who}@mail.example"


ACCESS = AccessMap(
    bundles={thing(b): tuple(map(thing, inside)) for b, inside in BUNDLES.items()},
    tags={thing(tag): tuple(map(thing, opened)) for tag, opened in OPENED_BY_TAG.items()},
)


@dataclass
class Telling(FakeStore):
    """Lists what it told of late, in pages, as long as it exists."""

    listed: list[News] = field(default_factory=list)

    def kept_since(self, now: datetime) -> datetime:
        return now - timedelta(days=3650)

    def read_news(self, since: datetime, until: datetime) -> Iterator[Sequence[News]]:
        found = [news for news in self.listed if since <= news.at <= until]
        for place in range(0, len(found), 10):
            yield found[place : place + 10]


@dataclass
class Shop(Telling):
    """A shop that reports its tags, by whomever they were changed, and opens what they open."""

    tell: Callable[[str, Resource, bool], None] = lambda *_: None

    def _give(self, contact: Contact, resource: Resource) -> Changed:
        changed = super()._give(contact, resource)
        if changed is Changed.DONE and resource.kind is ResourceKind.TAG:
            self.held[contact.email] |= set(ACCESS.opened_by(resource))
            self.tell(contact.email, resource, True)
        return changed

    def _take(self, contact: Contact, resource: Resource) -> Changed:
        changed = super()._take(contact, resource)
        if changed is Changed.DONE and resource.kind is ResourceKind.TAG:
            self.tell(contact.email, resource, False)
        return changed


@dataclass
class Bank(Telling):
    """A gateway that pays nobody more than was left, says so, and may tell before it answers."""

    asked_over: list[str] = field(default_factory=list)
    while_paying: Callable[[Paid], None] = lambda _: None
    left_of: Callable[[str], int] = lambda _: 0

    def refund(self, refund: Refund) -> RefundAnswer:
        left = self.left_of(refund.payment.ref)
        is_known = any(p.key == refund.key for p in self.paid)
        if not is_known and refund.amount.minor > left:
            self.asked_over.append(f"{refund.payment.ref}: {refund.amount} of {left}")
        return super().refund(refund)

    def _as_it_is(self, order: Order) -> Order:
        """With its refunds one by one, all of late: an old one is nobody's news."""
        order = super()._as_it_is(order)
        refs = {payment.ref.ref: payment.ref for payment in order.payments}
        refunds = (
            RefundSeen(p.ref, refs[p.payment], p.amount, RefundStage(p.state), LATE, p.key or None)
            for p in self.paid
            if p.payment in refs
        )
        return replace(order, refunds=tuple(refunds))

    def _pay(self, refund: Refund, state: str) -> Paid:
        is_new = all(p.key != refund.key for p in self.paid)
        paid = super()._pay(refund, state)
        if is_new:
            self.while_paying(paid)
        return paid


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def payment_of(ref: str, minor: int, *, own: bool) -> Payment:
    """A payment that the bank took; a shop that only sells knows it by its own name."""
    account = BANK if own else STORE
    route = RefundRoute.BY_API if own else RefundRoute.BY_HAND
    name = ref if own else ref.partition("/")[0]
    nothing = eur(0)
    return Payment(
        PaymentRef(account, name), "Visa …4242", eur(minor), nothing, nothing, route, partial=own
    )


def charge_of(order: Order) -> Order:
    """The gateway's own view of a sale: a charge, which gives nothing that it knows of."""
    name = f"{order.ref.ref}/0"
    ref = OrderRef(BANK, name)
    line = a_line("charge", order=ref, paid=eur(order.paid.minor), product="charge")
    return replace(
        order,
        ref=ref,
        number=name,
        lines=(replace(line, gives=None, kind=None),),
        payments=(payment_of(name, order.paid.minor, own=True),),
        subscription=None,
    )


def choice_of(order: Order, step: Step) -> Choice:
    lines = tuple(line.ref for line in order.lines)
    match step["what"]:
        case "all":
            return Choice(lines, AmountKind.POLICY)
        case "line":
            return Choice((lines[step["line"]],), AmountKind.POLICY)
        case _:
            return Choice(lines, AmountKind.FREE, eur(step["minor"]), stop_subscription=False)
