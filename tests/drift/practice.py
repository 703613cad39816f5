"""Customers of the practice shop, and what its bank does without us. It sends no webhooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from plugin.domain.orders import Order
from plugin.domain.refunds import Succeeded
from tests.drift.world import PRACTICE, PRACTICE_TENANT, Key, Plant, World
from tests.factories import a_line, a_payment, an_order, an_order_ref, eur

BACK = 1200


def orders(world: World, number: int) -> list[Order]:
    """Sales that the practice shop and we know."""
    made = []
    for _ in range(number):
        email = world.email()
        ref = an_order_ref(f"practice-{next(world.numbers)}", PRACTICE)
        line = replace(a_line(gives=(), order=ref, paid=eur(4900)), kind=None)
        payment = a_payment(f"pay-{ref.ref}", account=PRACTICE)
        bought = world.now - timedelta(days=3)
        order = an_order(
            line,
            ref=ref,
            number=ref.ref,
            email=email,
            bought_at=bought,
            read_at=bought,
            payments=(payment,),
        )
        made.append(order)
        world.practice.add_order(order)
    with world.books(PRACTICE_TENANT) as uow:
        for order in made:
            world.know(uow, order)
    return made


def refund(world: World, order: Order) -> str:
    paid = world.practice.pay_back(
        order.payments[0].ref.ref, eur(BACK), f"bank-{order.ref.ref}", world.now
    )
    assert isinstance(paid, Succeeded)
    return paid.gateway_ref


def plants(world: World, kind: str, moments: list[datetime]) -> Iterator[Plant]:
    for order, at in zip(orders(world, len(moments)), moments, strict=True):
        yield Plant(kind, at, _happening(world, kind, order))


def _happening(world: World, kind: str, order: Order) -> Callable[[], Key]:
    def refunded() -> Key:
        return ("Refunded", PRACTICE, refund(world, order))

    def failed() -> Key:
        ref = known[0]
        world.practice.finish_refund(ref, world.now, failed=True)
        return ("RefundFailed", PRACTICE, ref)

    def disputed() -> Key:
        payment = order.payments[0].ref.ref
        world.practice.open_dispute(payment, world.now)
        return ("DisputeOpened", PRACTICE, f"dispute-{payment}")

    known: list[str] = []
    if kind == "practice_late_failure":
        known.append(refund(world, order))
        return failed
    return refunded if kind == "practice_refund" else disputed


KINDS = ("practice_refund", "practice_late_failure", "practice_dispute")
