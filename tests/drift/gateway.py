"""Customers of the Stripe account, and what may happen to their money without our hearing of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from plugin.domain.drift import DriftKind
from plugin.domain.facts import Refunded
from plugin.domain.ids import PlanId, RequestId
from plugin.domain.orders import Order, OrderRef, PaymentRef, SubscriptionRef
from plugin.domain.refunds import Refund, RefundState
from plugin.ports import FindsOrders
from tests.drift.world import STRIPE, Key, Plant, World, key_of
from tests.factories import a_plan, a_refund, a_request, eur

PAID = 9900
BACK = 1500


@dataclass(frozen=True, slots=True)
class Customer:
    """One with one charge. `refund` is one that was made at the gateway, and that we know."""

    email: str
    charge: str
    order: Order
    refund: str = ""


def customers(world: World, number: int, *, refunded: bool) -> Iterator[Customer]:
    """Sell to `number` customers, pay some of it back where `refunded`, and know it all."""
    finds = world.parts.platforms.able(world.connection(STRIPE), FindsOrders)
    assert finds is not None
    made = []
    for _ in range(number):
        email = world.email()
        customer = world.stripe.books.add_customer(email)["id"]
        charge = world.stripe.books.sell(PAID, customer=customer)["id"]
        ref = world.stripe.books.refund(_form(charge, BACK))["id"] if refunded else ""
        made.append((email, charge, ref))
        if refunded:
            # These were delivered before the harness begins.
            del world.stripe.books.told[-2:]
    read = []
    for _, charge, _ in made:
        order = finds.read_order(charge)
        assert order is not None
        read.append(order)
    with world.books() as uow:
        for (email, charge, ref), order in zip(made, read, strict=True):
            world.know(uow, order)
            if ref:
                payment = PaymentRef(STRIPE, charge)
                fact = Refunded(
                    key_of(email),
                    order.ref,
                    ref,
                    world.now,
                    eur(BACK),
                    by_payment=((payment, eur(BACK)),),
                    captured=order.captured,
                )
                world.book(uow, key_of(email), fact)
            yield Customer(email, charge, order, ref)


def _form(charge: str, minor: int) -> dict[str, str]:
    return {"charge": charge, "amount": str(minor)}


# --- lost webhooks --------------------------------------------------------------------------------


def lose_refund(world: World, who: Customer) -> Key:
    return ("Refunded", STRIPE, world.stripe.books.refund(_form(who.charge, BACK))["id"])


def lose_late_failure(world: World, who: Customer) -> Key:
    world.stripe.books.settle(who.refund, "failed")
    return ("RefundFailed", STRIPE, who.refund)


def lose_dispute(world: World, who: Customer) -> Key:
    return ("DisputeOpened", STRIPE, world.stripe.books.dispute(who.charge)["id"])


def lose_subscription(world: World, who: Customer) -> Key:
    customer = world.stripe.books.get(who.charge)["customer"]
    mine = world.stripe.books.all("subscription", customer=customer)[0]["id"]
    world.stripe.books.end_now(mine)
    return ("PaidUntil", STRIPE, str(SubscriptionRef(STRIPE, mine).ref))


# --- nobody tells ---------------------------------------------------------------------------------


def _silently(world: World, happen: Callable[[], object]) -> None:
    """It happens, and neither a webhook nor the list of events tells of it."""
    known = len(world.stripe.books.told)
    happen()
    del world.stripe.books.told[known:]


def change_amount(world: World, who: Customer) -> Key:
    books = world.stripe.books
    books.get(who.refund)["amount"] = BACK + 100
    books.recount(books.get(who.charge))
    return ("drift", STRIPE, key_of(who.email), DriftKind.REFUND_DIFFERS, who.refund)


def take_refund_back(world: World, who: Customer) -> Key:
    _silently(world, lambda: world.stripe.books.settle(who.refund, "failed"))
    return ("drift", STRIPE, key_of(who.email), DriftKind.REFUND_GONE, who.refund)


def refund_unheard(world: World, who: Customer) -> Key:
    made: list[str] = []
    books = world.stripe.books
    _silently(world, lambda: made.append(books.refund(_form(who.charge, 700))["id"]))
    return ("drift", STRIPE, key_of(who.email), DriftKind.REFUND_UNHEARD, made[0])


# --- our own --------------------------------------------------------------------------------------


def own_refund(world: World, who: Customer, state: RefundState, wake_at: datetime) -> Refund:
    """A refund of ours as its row and the gateway have it; nobody told anything."""
    plan_id = PlanId(f"plan-{who.charge}")
    payment = PaymentRef(STRIPE, who.charge)
    order = OrderRef(STRIPE, who.charge)
    refund = a_refund(
        plan=plan_id, payment=payment, amount=eur(BACK), order=order, send_at=world.now
    )
    form = _form(who.charge, BACK)
    form |= {"metadata[makegood_refund]": refund.id, "metadata[makegood_key]": refund.key}
    made: list[str] = []
    books = world.stripe.books
    books.outcome = "pending" if state is RefundState.PENDING else "succeeded"
    _silently(world, lambda: made.append(books.refund(form)["id"]))
    known = made[0] if state is RefundState.PENDING else None
    refund = replace(refund, state=state, gateway_ref=known, wake_at=wake_at)
    with world.books() as uow:
        request = replace(
            a_request(f"request-{who.charge}", ticket=None, order=order), customer=key_of(who.email)
        )
        uow.requests.save(request)
        uow.plans.add(a_plan(who.order, plan_id=plan_id, now=world.now), RequestId(request.id))
        uow.refunds.add(refund, "harness", world.now)
    return replace(refund, gateway_ref=made[0])


def finish_pending(world: World, refund: Refund) -> Key:
    ref = refund.gateway_ref or ""
    _silently(world, lambda: world.stripe.books.settle(ref, "succeeded"))
    return ("refund", refund.id, RefundState.SUCCEEDED)


def leave_unknown(world: World, who: Customer) -> Key:
    wake_at = world.now + timedelta(seconds=5)
    return (
        "refund",
        own_refund(world, who, RefundState.UNKNOWN, wake_at).id,
        RefundState.SUCCEEDED,
    )


KINDS = {
    "refund_lost": (lose_refund, False),
    "late_failure_lost": (lose_late_failure, True),
    "dispute_lost": (lose_dispute, False),
    "subscription_lost": (lose_subscription, False),
    "amount_differs": (change_amount, True),
    "refund_gone": (take_refund_back, True),
    "refund_unheard": (refund_unheard, True),
    "unknown": (leave_unknown, False),
}


def plants(world: World, kind: str, moments: list[datetime]) -> Iterator[Plant]:
    """`moments` of this kind, each for a customer of its own."""
    if kind == "pending":
        for who, at in zip(customers(world, len(moments), refunded=False), moments, strict=True):
            yield _pending(world, who, at)
        return
    happen, refunded = KINDS[kind]
    for who, at in zip(customers(world, len(moments), refunded=refunded), moments, strict=True):
        if kind == "subscription_lost":
            customer = world.stripe.books.get(who.charge)["customer"]
            world.stripe.books.subscribe(customer, 1900)
        yield Plant(kind, at, lambda who=who: happen(world, who))  # type: ignore[misc]  # bound now


def _pending(world: World, who: Customer, at: datetime) -> Plant:
    made: list[Refund] = []
    wait = timedelta(minutes=world.chance.randint(0, 10))
    world.later.append(
        (
            world.now,
            lambda: made.append(own_refund(world, who, RefundState.PENDING, world.now + wait)),
        )
    )
    return Plant("pending", at, lambda: finish_pending(world, made[0]))


def plant_controls(world: World, moments: list[datetime]) -> None:
    """Refunds of which the webhook does come, soon or late, and perhaps after the sweep."""
    for who, at in zip(customers(world, len(moments), refunded=True), moments, strict=True):
        wait = timedelta(seconds=world.chance.choice((5, 240, 480)))

        def happen(who: Customer = who, wait: timedelta = wait) -> None:
            known = len(world.stripe.books.told)
            world.stripe.books.refund(_form(who.charge, 300))
            for event in world.stripe.books.told[known:]:
                world.deliver_later(event, wait)

        world.later.append((at, happen))
