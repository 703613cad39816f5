"""A refund by hand: a person's word and the store's own news of it are one refund, not two."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from plugin.domain.events import PaymentRefunded, SaleMade
from plugin.domain.facts import Refunded
from plugin.domain.ids import PlanId
from plugin.domain.orders import Order, RefundRoute
from plugin.domain.refunds import RefundState
from plugin.services.applying import SKEW
from plugin.services.settle_refund import attest_by_hand
from tests.factories import STORE, a_choice, a_course, a_line, a_payment, an_order_ref, eur
from tests.services.event_cases import facts, refunded
from tests.services.scene import Scene, sale

ORDER = an_order_ref("10412")
LINES = tuple(a_line(f"l{n}", gives=(a_course(f"c{n}"),), order=ORDER) for n in (1, 2))
LATER = timedelta(hours=1)


@pytest.fixture
def order(scene: Scene) -> Order:
    """Two courses for 98.00, at a store whose staff pay back."""
    paid = a_payment("pay-10412", route=RefundRoute.BY_HAND, account=STORE)
    payments = (replace(paid, captured=eur(9800)),)
    order = scene.sell(order=sale(payments=payments, lines=LINES))
    scene.apply(SaleMade(order))
    return order


def attest(scene: Scene, plan: PlanId) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        assert attest_by_hand(uow, plan, "Ana", "done", scene.clock.now())
        uow.commit()


def news(scene: Scene, order: Order, refund: str = "re-1", amount: int = 4900) -> PaymentRefunded:
    """The store tells that a part of it went back just now."""
    back = tuple(replace(paid, refunded=eur(amount)) for paid in order.payments)
    told = replace(order, payments=back, read_at=scene.clock.now())
    scene.shop.orders[ORDER.ref] = told
    of_it = refunded(refund=refund, amount=amount, whole=False, order=told)
    return replace(of_it, payment=order.payments[0].ref, at=scene.clock.now())


@pytest.mark.parametrize("by_line", [True, False])
@pytest.mark.parametrize("is_attested_first", [True, False])
def test_whoever_tells_first_it_is_one_refund(
    scene: Scene, order: Order, *, is_attested_first: bool, by_line: bool
) -> None:
    choice = a_choice(order, "l1") if by_line else a_choice(order, free=eur(4900))
    plan = scene.decided(order, choice)
    event = news(scene, order)
    if is_attested_first:
        attest(scene, plan.id)
    scene.apply(event)
    scene.apply(event)  # a store tells of it more than once
    if not is_attested_first:
        with scene.storage.begin(scene.tenant.id) as uow:
            assert not attest_by_hand(uow, plan.id, "Ana", "done", scene.clock.now())
    assert scene.states(plan) == [RefundState.SUCCEEDED]
    assert len(facts(scene, Refunded)) == 1
    assert scene.owed() == ({"c2"} if by_line else {"c1", "c2"})


def test_what_is_refunded_after_the_word_is_another_refund(scene: Scene, order: Order) -> None:
    plan = scene.decided(order, a_choice(order, "l1"))
    attest(scene, plan.id)
    scene.clock.advance(hours=1)
    scene.apply(news(scene, order))
    assert len(facts(scene, Refunded)) == 2
    assert scene.owed() == set()


def test_the_second_of_two_refunds_in_time_is_another_one(scene: Scene, order: Order) -> None:
    plan = scene.decided(order, a_choice(order, "l1"))
    attest(scene, plan.id)
    for refund in ("re-1", "re-2"):
        scene.apply(news(scene, order, refund))
    assert len(facts(scene, Refunded)) == 2


@pytest.mark.parametrize("is_heard_before", [True, False])
def test_what_was_refunded_before_the_decision_is_no_evidence(
    scene: Scene, order: Order, *, is_heard_before: bool
) -> None:
    """A store tells of all refunds of an order whenever anything of it changes."""
    by_staff = news(scene, order, "re-0")
    if is_heard_before:
        scene.apply(by_staff)
    scene.clock.advance(days=1)
    plan = scene.decided(order, a_choice(order, "l1"))

    for _ in range(2):
        scene.apply(by_staff)
    assert scene.states(plan) == [RefundState.MANUAL]
    assert len(facts(scene, Refunded)) == 1

    scene.clock.advance(hours=1)
    scene.apply(news(scene, order, "re-1"))
    scene.apply(by_staff)
    assert scene.states(plan) == [RefundState.SUCCEEDED]
    assert len(facts(scene, Refunded)) == 2


@pytest.mark.parametrize(
    ("seconds", "amount", "entries"),
    [(SKEW.total_seconds(), 4900, 1), (SKEW.total_seconds() + 1, 4900, 2), (0, 4800, 2)],
)
def test_only_what_fits_its_time_and_its_amount_is_its_news(
    scene: Scene, order: Order, seconds: float, amount: int, entries: int
) -> None:
    plan = scene.decided(order, a_choice(order, "l1"))
    event = news(scene, order, amount=amount)
    attest(scene, plan.id)
    said_at = scene.clock.now()
    scene.apply(replace(event, at=said_at + timedelta(seconds=seconds)))
    assert len(facts(scene, Refunded)) == entries
