"""What went back of an order: no more than was paid, and of each line what was meant for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugin.domain.events import SaleMade
from plugin.domain.orders import Order, RefundStage
from plugin.domain.plan import Plan
from plugin.services.settle_refund import attest_by_hand
from tests.factories import BANK, a_choice, a_course, a_line, a_payment, eur
from tests.fakes.platforms import Mood
from tests.services.event_cases import refunded
from tests.services.scene import Scene, sale


def two_lines(scene: Scene, *prices: int) -> Order:
    lines = tuple(
        a_line(f"l{n}", gives=(a_course(f"c{n}"),), paid=eur(price))
        for n, price in enumerate(prices, 1)
    )
    payment = a_payment("pay-10412", captured=eur(sum(prices)))
    order = scene.sell(order=sale(lines=lines, payments=(payment,)))
    scene.apply(SaleMade(order))
    return order


def by_hand(scene: Scene, order: Order, amount: int) -> Plan:
    """The gateway wants it done by hand, and a person says that it is."""
    plan = scene.decided(order, a_choice(order, free=eur(amount)))
    scene.bank.moods = [Mood.BY_HAND]
    scene.wait(seconds=11)
    with scene.storage.begin(scene.tenant.id) as uow:
        assert attest_by_hand(uow, plan.id, "Ana", "", scene.clock.now())
        uow.commit()
    return plan


def in_the_gateways_pages(
    scene: Scene, order: Order, amount: int, state: RefundStage = RefundStage.SUCCEEDED
) -> Order:
    """A day later somebody refunds there, and the gateway tells of it."""
    scene.clock.advance(days=1)
    back = eur(amount) if state is RefundStage.SUCCEEDED else eur(0)
    shown = scene.sell(order=replace(order, payments=(replace(order.payments[0], refunded=back),)))
    news = refunded(state, refund="re-1", amount=amount, whole=False)
    scene.apply(replace(news, at=scene.clock.now()), at=BANK)
    return shown


def test_what_went_by_hand_and_what_went_elsewhere_are_added_up(scene: Scene) -> None:
    order = two_lines(scene, 9800)
    by_hand(scene, order, 3000)
    shown = in_the_gateways_pages(scene, order, 4900)
    assert scene.plan(shown).amount == eur(1900)
    scene.decided(shown)
    scene.wait(seconds=11)
    assert [paid.amount for paid in scene.bank.paid] == [eur(1900)]


def test_what_failed_elsewhere_is_not(scene: Scene) -> None:
    order = two_lines(scene, 9800)
    by_hand(scene, order, 3000)
    in_the_gateways_pages(scene, order, 4900)
    shown = in_the_gateways_pages(scene, order, 4900, RefundStage.FAILED)
    assert scene.plan(shown).amount == eur(6800)


def test_one_refund_told_twice_counts_once(scene: Scene) -> None:
    order = two_lines(scene, 9800)
    by_hand(scene, order, 3000)
    in_the_gateways_pages(scene, order, 4900)
    assert scene.plan(in_the_gateways_pages(scene, order, 4900)).amount == eur(1900)


def spread(order: Order, amount: int) -> Order:
    """As a store tells it that tells no lines apart."""
    back = eur(amount).split([line.paid.minor for line in order.lines])
    lines = zip(order.lines, back, strict=True)
    return replace(order, lines=tuple(replace(line, refunded=one) for line, one in lines))


@pytest.mark.parametrize(("prices", "left"), [((4900, 4900), 4900), ((4900, 1000), 1000)])
def test_a_line_is_due_in_full_after_another_line_went_back(
    scene: Scene, prices: tuple[int, ...], left: int
) -> None:
    order = two_lines(scene, *prices)
    scene.decided(order, a_choice(order, "l1"))
    scene.wait(seconds=11)
    shown = scene.sell(order=spread(order, 4900))
    assert scene.plan(shown, a_choice(shown, "l2")).amount == eur(left)


def test_what_others_refunded_beside_it_is_spread_over_what_is_left(scene: Scene) -> None:
    order = two_lines(scene, 4900, 4900)
    scene.decided(order, a_choice(order, "l1"))
    scene.wait(seconds=11)
    payments = (replace(order.payments[0], refunded=eur(1000)),)  # and ours, by the bank's books
    shown = scene.sell(order=spread(replace(order, payments=payments), 5900))
    assert scene.plan(shown, a_choice(shown, "l2")).amount == eur(3900)


def test_where_every_line_went_back_nothing_is_left(scene: Scene) -> None:
    order = two_lines(scene, 4900, 4900)
    scene.decided(order)
    scene.wait(seconds=11)
    shown = scene.sell(order=spread(order, 9800))
    assert not isinstance(scene.preview(shown, a_choice(shown, "l2")).outcome, Plan)
