"""Two refunds of one customer at once: the second plan knows what the first will end."""

from __future__ import annotations

import pytest

from plugin.domain.effects import TellCustomer
from plugin.domain.events import SaleMade
from plugin.domain.orders import Order
from plugin.domain.plan import Plan
from plugin.services.decide_refund import Decided
from tests.factories import a_course
from tests.fakes.platforms import Mood
from tests.services.event_cases import hand_sale
from tests.services.scene import Scene, sale

COURSE = a_course("c1", "Watercolour")


def named(plan: Plan) -> tuple[list[str], list[str]]:
    goes, stays = ([item.resource.ref for item in items] for items in (plan.goes, plan.stays))
    return goes, stays


def mail_of(plan: Plan) -> str:
    [told] = [e.effect for e in plan.effects if isinstance(e.effect, TellCustomer)]
    return told.body


def both(scene: Scene, first: Order) -> Order:
    """Two orders that pay for the same course; returns the second."""
    second = sale(COURSE, ref="200", days=8)
    for order in (first, second):
        scene.sell(order=order)
        scene.apply(SaleMade(order))
    return second


@pytest.mark.parametrize("hours", [0, 3])
@pytest.mark.parametrize("by_hand", [False, True])
def test_what_another_refund_on_its_way_ends_is_not_said_to_stay(
    scene: Scene, by_hand: bool, hours: int
) -> None:
    first = hand_sale(COURSE, ref="100") if by_hand else sale(COURSE, ref="100")
    second = both(scene, first)
    scene.decided(first)
    scene.clock.advance(hours=hours)
    plan = scene.plan(second)
    assert named(plan) == (["c1"], [])
    assert "You keep" not in mail_of(plan)


def test_once_both_are_through_it_is_gone(scene: Scene) -> None:
    second = both(scene, sale(COURSE, ref="100"))
    scene.decided(sale(COURSE, ref="100"))
    scene.decided(second)
    scene.wait(seconds=11)
    assert scene.held() == set()


def test_what_was_undone_pays_again(scene: Scene) -> None:
    first = sale(COURSE, ref="100")
    second = both(scene, first)
    scene.undo(scene.decided(first))
    plan = scene.plan(second)
    assert named(plan) == ([], ["c1"])
    assert "You keep" in mail_of(plan)


def test_what_only_the_other_refund_ends_is_not_told_with_this_one(scene: Scene) -> None:
    drawing = sale(a_course("d", "Drawing"), ref="100")
    etching = sale(a_course("e", "Etching"), ref="200")
    for order in (drawing, etching):
        scene.sell(order=order)
        scene.apply(SaleMade(order))
    other, plan = scene.decided(drawing), scene.decided(etching)
    assert named(plan) == (["e"], [])
    assert "Drawing" not in mail_of(plan)
    scene.bank.moods = [Mood.NO]
    scene.clock.advance(seconds=11)
    scene.send(scene.refunds(other)[0].id)
    scene.work()
    assert scene.held() == {"d"}
    assert "Drawing" not in str(scene.desk.replies)


def test_a_plan_stands_when_the_other_refund_is_through(scene: Scene) -> None:
    drawing = sale(a_course("d", "Drawing"), ref="100")
    etching = sale(a_course("e", "Etching"), ref="200")
    for order in (drawing, etching):
        scene.sell(order=order)
        scene.apply(SaleMade(order))
    scene.decided(drawing)
    plan = scene.plan(etching)
    scene.wait(seconds=11)
    assert isinstance(scene.decide(plan), Decided)
