"""Whose word settles a refund: never another account's, nor news of another payment."""

from __future__ import annotations

from dataclasses import replace

from plugin.domain.events import SaleMade
from plugin.domain.orders import Order
from plugin.domain.plan import Plan
from plugin.domain.refunds import Move, RefundState
from plugin.services.applying import PATIENCE, Applied
from plugin.services.settle_refund import settle_refund
from tests.factories import (
    BANK,
    STORE,
    a_course,
    a_payment,
    an_order,
    an_order_ref,
)
from tests.fakes.platforms import FakeStore, Mood
from tests.services.event_cases import cancelled, hand_sale
from tests.services.scene import Scene, sale

S = RefundState


def in_doubt(scene: Scene, plan: Plan, taker: FakeStore) -> None:
    """Its call got no answer, and no look-up told more: it waits for a person."""
    taker.moods = [Mood.SILENT_BEFORE]
    scene.wait(seconds=11)
    (refund,) = scene.refunds(plan)
    with scene.storage.begin(scene.tenant.id) as uow:
        move = Move(S.NEEDS_PERSON, None, None, "never_answered")
        settle_refund(uow, refund, move, "worker", scene.clock.now())
        uow.commit()


def joined(scene: Scene) -> Order:
    """A sale by hand, whose payment the bank took and can give back."""
    order = scene.sell(order=hand_sale(a_course("c1")))
    scene.apply(SaleMade(order))
    charge = an_order(
        payments=(a_payment("ch-1"),), ref=an_order_ref("ch-1", BANK), bought_at=order.bought_at
    )
    scene.bank.orders["ch-1"] = charge
    return order


# --- a store that cancels its sale ----------------------------------------------------------------


def test_a_store_does_not_settle_what_is_in_doubt_at_a_gateway(scene: Scene) -> None:
    order = joined(scene)
    plan = scene.decided(order)
    in_doubt(scene, plan, scene.bank)
    news = replace(cancelled(order), at=scene.clock.now())
    assert scene.apply(news, age=PATIENCE) == Applied()
    scene.work()
    assert scene.states(plan) == [S.NEEDS_PERSON]
    assert scene.desk.replies == []
    assert scene.owed() == set()  # what the sale gave is over, whatever becomes of our refund


def test_a_store_settles_what_is_in_doubt_at_itself(scene: Scene) -> None:
    order = scene.sell(order=sale(a_course("c1"), payments=(a_payment("own", account=STORE),)))
    scene.apply(SaleMade(order))
    plan = scene.decided(order)
    in_doubt(scene, plan, scene.shop)
    assert scene.apply(replace(cancelled(order), at=scene.clock.now())) == Applied()
    assert scene.states(plan) == [S.SUCCEEDED]
