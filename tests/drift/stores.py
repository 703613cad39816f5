"""Customers of Shopify, WooCommerce and Saleor, and what happens there that no webhook tells.

`KINDS` are found by a sweep; `UNSEEN` are planted as well, and are not: no list of the store's
tells of them. One that is found all the same turns the harness red, so that its words here go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from plugin.domain.drift import DriftKind
from plugin.domain.facts import Refunded
from plugin.domain.ids import CustomerKey
from plugin.domain.orders import Order, Resource
from plugin.ports import FindsOrders
from tests.drift.account import PAID, StoreAccount
from tests.drift.saleor import SaleorAccount
from tests.drift.shopify import ShopifyAccount
from tests.drift.woocommerce import WoocommerceAccount
from tests.drift.world import Key, Plant, World, key_of
from tests.factories import eur

IN_TWO = (3000, 1900)
"""What went back of the first order, long ago: all of it, in two refunds."""
IN_PART = 500
BACK = 1500


@dataclass(frozen=True, slots=True)
class Customer:
    """Bought two things. Of the first all went back, in two refunds; of the second a part."""

    account: StoreAccount
    email: str
    ref: str
    first: str
    second: str
    refunds: tuple[str, str, str]

    @property
    def key(self) -> CustomerKey:
        return key_of(self.email)


def customers(world: World, account: StoreAccount, number: int) -> Iterator[Customer]:
    """Customers who hold what our books say, and whose orders the store and we know."""
    made = [_bought(world, account) for _ in range(number)]
    finds = world.unhurried.able(world.connection(account.name), FindsOrders)
    assert finds is not None
    read = [[finds.read_order(ref) for ref in (one.first, one.second)] for one in made]
    with world.books() as uow:
        for who, orders in zip(made, read, strict=True):
            first, second = (order for order in orders if order is not None)
            world.know(uow, first)
            world.know(uow, second)
            one, two, part = who.refunds
            facts = (
                _refunded(world, first, one, IN_TWO[0], whole=False),
                _refunded(world, first, two, IN_TWO[1], whole=True),
                _refunded(world, second, part, IN_PART, whole=False),
            )
            world.book(uow, who.key, *facts)
            yield who


def _bought(world: World, account: StoreAccount) -> Customer:
    email = world.email()
    ref = account.add_customer(email)
    first, second = (account.sell(email, ref, which) for which in (0, 1))
    one, two = (account.pay_back(first, minor) for minor in IN_TWO)
    for resource in account.gives(1):
        account.hold(ref, resource, held=True)
    return Customer(
        account, email, ref, first, second, (one, two, account.pay_back(second, IN_PART))
    )


def _refunded(world: World, order: Order, ref: str, minor: int, *, whole: bool) -> Refunded:
    amount = eur(minor)
    return Refunded(
        order.customer,
        order.ref,
        ref,
        world.now - timedelta(days=1),
        amount,
        whole=whole,
        by_payment=((order.payments[0].ref, amount),),
        captured=order.captured,
    )


# --- in every store -------------------------------------------------------------------------------


def refund(who: Customer) -> Key:
    return _told(who, who.account.pay_back(who.second, BACK))


def cancel(who: Customer) -> Key:
    return _told(who, who.account.cancel(who.second, PAID - IN_PART))


def give_back(who: Customer) -> Key:
    return _held(who, who.account.gives(0)[0], held=True)


def take(who: Customer) -> Key:
    return _held(who, who.account.gives(1)[0], held=False)


def give_tag_back(who: Customer) -> Key:
    return _held(who, who.account.gives(0)[1], held=True)


def take_tag(who: Customer) -> Key:
    return _held(who, who.account.gives(1)[1], held=False)


def _told(who: Customer, ref: str) -> Key:
    return ("Refunded", who.account.name, ref)


def _held(who: Customer, resource: Resource, *, held: bool) -> Key:
    who.account.hold(who.ref, resource, held=held)
    kind = DriftKind.ACCESS_LEFT if held else DriftKind.ACCESS_MISSING
    return _drift(who, kind, f"{resource.kind}:{resource.ref}")


def _drift(who: Customer, kind: DriftKind, subject: str) -> Key:
    return ("drift", who.account.name, who.key, kind, subject)


# --- in one of them -------------------------------------------------------------------------------


def fail_one_of_two(who: Customer) -> Key:
    """Something of the order is still refunded: so it is listed, with both."""
    assert isinstance(who.account, ShopifyAccount)
    who.account.fail(who.first, who.refunds[1])
    return ("RefundFailed", who.account.name, who.refunds[1])


def fail_the_only_one(who: Customer) -> Key:
    """Nothing of the order is refunded any more: no list of refunded orders has it."""
    assert isinstance(who.account, ShopifyAccount)
    who.account.fail(who.second, who.refunds[2])
    return _drift(who, DriftKind.REFUND_GONE, who.refunds[2])


def open_dispute(who: Customer) -> Key:
    assert isinstance(who.account, ShopifyAccount)
    return ("DisputeOpened", who.account.name, who.account.dispute(who.second))


def refund_by_hand(who: Customer) -> Key:
    """Written down in the shop, paid back elsewhere."""
    assert isinstance(who.account, WoocommerceAccount)
    return _told(who, who.account.pay_back(who.second, BACK, by_hand=True))


def strike_refund(who: Customer) -> Key:
    assert isinstance(who.account, WoocommerceAccount)
    who.account.strike(who.refunds[2])
    return _drift(who, DriftKind.REFUND_GONE, who.refunds[2])


def end_subscription(who: Customer) -> Key:
    assert isinstance(who.account, WoocommerceAccount)
    ended = who.account.end_subscription(who.email, who.ref, who.second)
    return ("PaidUntil", who.account.name, ended)


def grant_refund(who: Customer) -> Key:
    assert isinstance(who.account, SaleorAccount)
    return _told(who, who.account.grant(who.second, BACK))


def reverse_refund(who: Customer) -> Key:
    assert isinstance(who.account, SaleorAccount)
    who.account.reverse(who.first, who.refunds[1], IN_TWO[1])
    return ("RefundFailed", who.account.name, who.refunds[1])


def refund_unheard(who: Customer) -> Key:
    """The order does not count as changed, so no list of changed orders has it."""
    assert isinstance(who.account, SaleorAccount)
    with who.account.unseen(who.second):
        made = who.account.pay_back(who.second, BACK)
    return _drift(who, DriftKind.REFUND_UNHEARD, made)


def charge_back(who: Customer) -> Key:
    assert isinstance(who.account, SaleorAccount)
    who.account.charge_back(who.second)
    return ("DisputeOpened of", who.account.name, who.second)


Happening = Callable[[Customer], Key]
_EVERYWHERE: Mapping[str, Happening] = {
    "refund": refund,
    "cancelled": cancel,
    "access_given_back": give_back,
    "access_taken": take,
}
_OF_TAGS: Mapping[str, Happening] = {"tag_given_back": give_tag_back, "tag_removed": take_tag}
OF_STORE: Mapping[str, Mapping[str, Happening]] = {
    "shopify": {
        **_EVERYWHERE,
        **_OF_TAGS,
        "late_failure": fail_one_of_two,
        "refund_gone": fail_the_only_one,
    },
    "woocommerce": {
        **_EVERYWHERE,
        "refund_by_hand": refund_by_hand,
        "refund_gone": strike_refund,
    },
    "saleor": {
        **_EVERYWHERE,
        **_OF_TAGS,
        "refund_granted": grant_refund,
        "late_failure": reverse_refund,
        "refund_unheard": refund_unheard,
    },
}
KINDS: Mapping[str, Happening] = {
    f"{platform}_{word}": happen for platform, of in OF_STORE.items() for word, happen in of.items()
}
"""What a sweep finds, each named with its store."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """What no sweep finds, and why."""

    happen: Happening
    why: str


UNSEEN: Mapping[str, Unseen] = {
    "shopify_dispute": Unseen(
        open_dispute,
        "a dispute is not among what the sweep lists, which are orders by their last change and "
        "their refunds: it comes by webhook, or with the order when somebody opens it",
    ),
    "woocommerce_subscription_ended": Unseen(
        end_subscription,
        "the vendor documents no list of subscriptions by their last change: an end comes by "
        "webhook, or when the customer is looked up",
    ),
    "saleor_charge_back": Unseen(
        charge_back,
        "Saleor tells that the bank took money and not how it goes on: it is no dispute here, and "
        "the amount is held back when the order is read",
    ),
}


def store_of(kind: str) -> str:
    return kind.partition("_")[0]


def plants(
    kind: str, moments: Sequence[datetime], people: Mapping[str, Iterator[Customer]]
) -> Iterator[Plant]:
    happen = KINDS[kind] if kind in KINDS else UNSEEN[kind].happen
    for at in moments:
        who = next(people[store_of(kind)])
        yield Plant(kind, at, lambda who=who: happen(who))  # type: ignore[misc]  # bound now


def plant_controls(world: World, moments: Sequence[datetime], people: Iterator[Customer]) -> None:
    """What is no difference.

    A sale that opens access, of which only the list will tell; and a refund of which the webhook
    does come, soon or late, and perhaps after the sweep.
    """
    for place, at in enumerate(moments):
        who = next(people)
        happen = _sell_again if place % 2 else _tell_late
        world.later.append((at, lambda who=who, happen=happen: happen(world, who)))  # type: ignore[misc]  # bound now


def _sell_again(world: World, who: Customer) -> None:
    del world
    who.account.sell(who.email, who.ref, 0)
    for resource in who.account.gives(0):
        who.account.hold(who.ref, resource, held=True)


def _tell_late(world: World, who: Customer) -> None:
    ref = who.account.pay_back(who.second, BACK)
    body, headers = who.account.webhook(who.second, ref, BACK)
    wait = timedelta(seconds=world.chance.choice((5, 240, 480)))
    world.later.append(
        (world.now + wait, lambda: world.hear(who.account.name, body, headers)),
    )
