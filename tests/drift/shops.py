"""Customers of the Systeme.io accounts, and what hands change there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from plugin.domain.drift import DriftKind
from plugin.domain.facts import Refunded
from plugin.domain.ids import CustomerKey, InstallationId
from plugin.domain.orders import Order, Resource, ResourceKind
from tests.drift.world import Key, Plant, World, bought_of, key_of
from tests.factories import a_line, an_order, an_order_ref, eur
from tests.platforms.systeme_io.books import Books


@dataclass(frozen=True, slots=True)
class Sold:
    """What a shop sells: one course, another one, and a tag."""

    shop: InstallationId
    books: Books
    first: Resource
    second: Resource
    tag: Resource


@dataclass(frozen=True, slots=True)
class Customer:
    """Bought two courses and a tag; of the first course the money went back."""

    email: str
    contact: int
    sold: Sold

    @property
    def key(self) -> CustomerKey:
        return key_of(self.email)


def open_shops(world: World) -> list[Sold]:
    """Things to sell in each account."""
    made = []
    for name, fake in world.shops.items():
        books = fake.books
        course, other, tag = books.add_course("Oil"), books.add_course("Ink"), books.add_tag("vip")
        made.append(
            Sold(
                name,
                books,
                Resource(name, ResourceKind.COURSE, str(course), "Oil"),
                Resource(name, ResourceKind.COURSE, str(other), "Ink"),
                Resource(name, ResourceKind.TAG, str(tag), "vip"),
            )
        )
    return made


def customers(world: World, sold: Sold, number: int) -> Iterator[Customer]:
    """Customers who hold what our books say."""
    with world.books() as uow:
        for _ in range(number):
            email = world.email()
            contact = sold.books.add_contact(email)
            sold.books.enrol(contact, int(sold.second.ref))
            sold.books.contacts[contact]["tags"] = [{"id": int(sold.tag.ref), "name": "vip"}]
            back = _order(world, email, contact, sold, sold.first)
            kept = _order(world, email, contact, sold, sold.second, sold.tag)
            for order in (back, kept):
                world.know(uow, order)
            refund = Refunded(
                key_of(email), back.ref, f"re-{email}", world.now, back.paid, whole=True
            )
            world.book(uow, key_of(email), refund)
            yield Customer(email, contact, sold)


def _order(world: World, email: str, contact: int, sold: Sold, *gives: Resource) -> Order:
    ref = an_order_ref(f"order-{next(world.numbers)}", sold.shop)
    line = replace(a_line(gives=gives, order=ref, paid=eur(4900)), kind=None)
    bought = world.now - timedelta(days=5)
    order = an_order(line, ref=ref, email=email, bought_at=bought, read_at=bought, payments=())
    return replace(order, customer=key_of(email), contact=str(contact))


# --- what hands do --------------------------------------------------------------------------------


def give_course_back(world: World, who: Customer) -> Key:
    del world
    who.sold.books.enrol(who.contact, int(who.sold.first.ref))
    return _drift(who, DriftKind.ACCESS_LEFT, who.sold.first)


def take_course(world: World, who: Customer) -> Key:
    del world
    books, course = who.sold.books, int(who.sold.second.ref)
    mine = [
        r
        for r, e in books.enrolments.items()
        if (e["_contact"], e["_course"]) == (who.contact, course)
    ]
    for ref in mine:
        del books.enrolments[ref]
    return _drift(who, DriftKind.ACCESS_MISSING, who.sold.second)


def remove_tag(world: World, who: Customer) -> Key:
    del world
    who.sold.books.take_tag(who.contact, int(who.sold.tag.ref))
    return _drift(who, DriftKind.ACCESS_MISSING, who.sold.tag)


def _drift(who: Customer, kind: DriftKind, resource: Resource) -> Key:
    return ("drift", who.sold.shop, who.key, kind, f"{resource.kind}:{resource.ref}")


KINDS: dict[str, Callable[[World, Customer], Key]] = {
    "access_given_back": give_course_back,
    "access_taken": take_course,
    "tag_removed": remove_tag,
}


def plants(
    world: World, kind: str, moments: list[datetime], people: Iterator[Customer]
) -> Iterator[Plant]:
    happen = KINDS[kind]
    for at in moments:
        who = next(people)
        yield Plant(kind, at, lambda who=who: happen(world, who))  # type: ignore[misc]  # bound now


def plant_controls(world: World, moments: list[datetime], people: Iterator[Customer]) -> None:
    """Access that opens by a sale of which the news is on its way: no difference."""
    for at in moments:
        who = next(people)

        def happen(who: Customer = who) -> None:
            give_course_back(world, who)
            again = _order(world, who.email, who.contact, who.sold, who.sold.first)
            again = replace(again, bought_at=world.now)
            world.later.append((world.now + timedelta(seconds=120), lambda: tell(who, again)))

        def tell(who: Customer, order: Order) -> None:
            with world.books() as uow:
                world.know(uow, order)
                world.book(uow, who.key, *bought_of(order))

        world.later.append((at, happen))
