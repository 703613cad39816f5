"""The practice store keeps the contracts of money and of access, like every real store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from plugin.domain.money import Money
from plugin.domain.orders import Order, OrderRef, PaymentRef, Resource, ResourceKind
from plugin.platforms.practice_cases import practice_cases
from plugin.platforms.practice_file import PracticeFile
from plugin.platforms.practice_shop import Mood
from plugin.ports import Contact
from plugin.stores.practice import PracticeStore
from tests.contracts.access import AccessContract
from tests.contracts.money import PAID_ALL_THE_SAME, MoneyContract, Trouble
from tests.platforms.practice.fixtures import NOW, SHOP, Practice

_MOODS = {
    **dict.fromkeys(PAID_ALL_THE_SAME, Mood.UNHEARD),  # without a network all of them are one
    Trouble.DROPPED_BEFORE_PAYING: Mood.DOWN,
    Trouble.DOWN: Mood.DOWN,
    Trouble.BUSY: Mood.BUSY,
}


class _Till:
    """The pretended gateway, as the money contract looks at it."""

    honours_key = True

    def __init__(self, practice: Practice) -> None:
        self._practice = practice
        self._sold = 0

    @property
    def store(self) -> PracticeStore:
        return self._practice.store

    def sell(self, amount: Money) -> PaymentRef:
        self._sold += 1
        order = a_sale(amount, self._sold)
        self._practice.world.add_order(order)
        return order.payments[0].ref

    def paid_back(self, payment: PaymentRef) -> Sequence[int]:
        return [
            seen.amount.minor
            for seen in self._practice.world.refunds(SHOP)
            if seen.payment == payment and seen.state != "failed"
        ]

    def trouble_next(self, trouble: Trouble) -> None:
        self._set_mood(_MOODS[trouble])

    def pend_next(self) -> None:
        self._set_mood(Mood.PENDING)

    def fail_later(self, gateway_ref: str) -> None:
        self._practice.world.finish_refund(gateway_ref, self._practice.clock.now(), failed=True)

    def dispute(self, payment: PaymentRef) -> None:
        self._practice.world.open_dispute(payment.ref, self._practice.clock.now())

    def expire_key(self) -> None:
        raise NotImplementedError("there is no key: the test that needs one is left out below")

    def _set_mood(self, mood: Mood) -> None:
        with PracticeFile(self._practice.file).writing() as db:
            db.execute("UPDATE payments SET mood = ?", (mood,))


def a_sale(amount: Money, number: int) -> Order:
    order = practice_cases(SHOP, NOW)[0].orders[0]
    line = replace(order.lines[0], paid=amount, refunded=Money(0, amount.currency))
    payment = replace(
        order.payments[0],
        ref=PaymentRef(SHOP, f"sold-{number}"),
        captured=amount,
        refunded=Money(0, amount.currency),
        disputed=Money(0, amount.currency),
        fee_kept=None,
    )
    return replace(
        order,
        ref=OrderRef(SHOP, f"sale-{number}"),
        currency=amount.currency,
        lines=(line,),
        payments=(payment,),
    )


class TestPracticeMoney(MoneyContract):
    @pytest.fixture
    def world(self, practice: Practice) -> _Till:
        return _Till(practice)

    # The practice shop has no key that could expire.
    test_a_key_that_is_not_accepted_is_refused_and_pays_nothing = None  # type: ignore[assignment]  # left out on purpose


class _Books:
    """Two customers who hold the same, in the store's own books."""

    contact = Contact("mirela.kovac@mail.example")
    stranger = Contact("daniel.okafor@post.example")
    held = Resource(SHOP, ResourceKind.COURSE, "watercolour-year", "Watercolour Year")
    tag = Resource(SHOP, ResourceKind.TAG, "wy-member", "wy-member")
    subscription = "sub-20312"

    def __init__(self, practice: Practice) -> None:
        self._practice = practice
        case = next(c for c in practice_cases(SHOP, NOW) if c.slug == "three_of_twelve")
        order = replace(case.orders[0], lines=case.orders[0].lines[:1])
        practice.world.add_order(order)
        for resource in (self.held, self.tag):
            practice.world.give(self.stranger.email, resource)

    @property
    def store(self) -> PracticeStore:
        return self._practice.store

    def books(self, contact: Contact) -> Sequence[Resource]:
        with PracticeFile(self._practice.file).reading() as db:
            rows = db.execute(
                "SELECT kind, ref, name FROM holdings WHERE email = ?", (contact.email,)
            ).fetchall()
        return [Resource(SHOP, ResourceKind(row["kind"]), row["ref"], row["name"]) for row in rows]

    def charges_go_on(self) -> bool:
        with PracticeFile(self._practice.file).reading() as db:
            row = db.execute("SELECT status, renews_at FROM subscriptions").fetchone()
        return row["status"] == "active" and row["renews_at"] is not None


class TestPracticeAccess(AccessContract):
    @pytest.fixture
    def world(self, practice: Practice) -> _Books:
        return _Books(practice)
