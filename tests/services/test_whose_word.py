"""Whose word settles a refund: never another account's, nor news of another payment."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugin.domain.events import SaleMade, StoreEvent
from plugin.domain.facts import Refunded
from plugin.domain.ids import InstallationId
from plugin.domain.orders import Order, RefundRoute, RefundStage
from plugin.domain.plan import Plan
from plugin.domain.refunds import Move, RefundState
from plugin.services.applying import PATIENCE, Applied
from plugin.services.settle_refund import release_by_hand, settle_refund
from tests.factories import (
    BANK,
    STORE,
    a_choice,
    a_course,
    a_line,
    a_payment,
    an_order,
    an_order_ref,
    eur,
)
from tests.fakes.platforms import FakeStore, Mood
from tests.services.event_cases import cancelled, facts, hand_sale, refunded
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


# --- a gateway that tells of one payment ----------------------------------------------------------


def test_news_of_one_payment_are_no_evidence_for_another_one(scene: Scene) -> None:
    paid = (
        a_payment("card", captured=eur(4900)),
        a_payment("gift", captured=eur(4900), route=RefundRoute.BY_HAND, account=BANK),
    )
    line = a_line("l1", paid=eur(9800), gives=(a_course("c1"),), order=an_order_ref("10412"))
    order = scene.sell(order=sale(payments=paid, lines=(line,)))
    scene.apply(SaleMade(order))
    plan = scene.decided(order)
    scene.bank.moods = [Mood.NO]
    scene.wait(seconds=11)
    assert sorted(scene.states(plan)) == [S.MANUAL, S.REFUSED]
    card = replace(refunded(refund="re-x", payment="card", whole=False), at=scene.clock.now())
    scene.apply(card, at=BANK)
    assert sorted(scene.states(plan)) == [S.MANUAL, S.REFUSED]
    assert [fact.refund for fact in facts(scene, Refunded)] == ["re-x"]  # type: ignore[attr-defined]  # facts of that kind
    gift = replace(refunded(refund="re-y", payment="gift", whole=False), at=scene.clock.now())
    scene.apply(gift, at=BANK)
    assert sorted(scene.states(plan)) == [S.REFUSED, S.SUCCEEDED]


@pytest.mark.parametrize("first", ["bank", "store"])
def test_a_gateways_refund_that_failed_after_its_store_cancelled_changes_nothing_there(
    scene: Scene, first: str
) -> None:
    """Whoever told first: the store's word stands, and nobody is told twice of one thing."""
    order = joined(scene)
    charge = scene.bank.orders["ch-1"]
    paid = refunded(refund="re-1", payment="ch-1", order=charge)
    failed = refunded(RefundStage.FAILED, refund="re-1", payment="ch-1", order=charge)
    told: dict[str, tuple[StoreEvent, InstallationId]] = {
        "bank": (paid, BANK),
        "store": (cancelled(order), STORE),
    }
    for name in (first, *(told.keys() - {first})):
        event, at = told[name]
        scene.apply(event, at=at)
        scene.work()
    assert len(scene.mailer.sent) == 1
    scene.apply(replace(failed, at=scene.clock.now()), at=BANK)
    scene.work()
    assert (scene.owed(), scene.held()) == (set(), set())


def test_news_of_a_refund_that_was_released_are_no_evidence_for_the_next_one(scene: Scene) -> None:
    lines = (a_line("l1", gives=(a_course("c1"),), paid=eur(9800)),)
    order = sale(lines=lines, payments=(a_payment("pay-10412", captured=eur(9800)),))
    scene.sell(order=order)
    scene.apply(SaleMade(order))
    first = scene.decided(order, a_choice(order, free=eur(4900)))
    in_doubt(scene, first, scene.bank)
    (released,) = scene.refunds(first)
    with scene.storage.begin(scene.tenant.id) as uow:
        now = scene.clock.now()
        assert release_by_hand(uow, first.id, "Ana", "", now, released.id)
        uow.commit()
    second = scene.decided(order, a_choice(order, free=eur(4900)))
    in_doubt(scene, second, scene.bank)
    for refund, name in ((released, "re-1"), (scene.refunds(second)[0], "re-2")):
        told = refunded(refund=name, whole=False, reference=refund.key, order=order)
        scene.apply(replace(told, at=scene.clock.now()), at=BANK)
    assert scene.states(second) == [S.SUCCEEDED]
    assert sum(fact.amount.minor for fact in facts(scene, Refunded)) == 9800  # type: ignore[attr-defined]
    assert scene.owed() == set()
