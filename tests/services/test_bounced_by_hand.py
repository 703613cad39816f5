"""A refund by hand that the bank sends back days later: it has failed, and access returns."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from plugin.domain.events import PaymentRefunded, SaleMade
from plugin.domain.ids import InstallationId
from plugin.domain.orders import Order, RefundRoute, RefundStage
from plugin.domain.plan import Plan
from plugin.domain.refunds import RefundState
from plugin.services.settle_refund import attest_by_hand
from tests.factories import BANK, STORE, a_course, a_payment, an_order, an_order_ref, eur
from tests.services.event_cases import hand_sale, refunded
from tests.services.scene import Scene, sale


def attest(scene: Scene, plan: Plan) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        assert attest_by_hand(uow, plan.id, "Ana", "done", scene.clock.now())
        uow.commit()


def by_hand(scene: Scene, order: Order) -> Plan:
    scene.sell(order=order)
    scene.apply(SaleMade(order))
    return scene.decided(order)


def bounces(scene: Scene, paid: PaymentRefunded, at: InstallationId) -> None:
    scene.clock.advance(days=3)
    scene.apply(replace(paid, state=RefundStage.FAILED, at=scene.clock.now()), at=at)
    scene.work()


@pytest.mark.parametrize("is_attested", [True, False])
def test_one_that_the_gateways_news_closed(scene: Scene, is_attested: bool) -> None:
    order = hand_sale(a_course("c1"))
    plan = by_hand(scene, order)
    if is_attested:
        attest(scene, plan)
    charge = an_order(
        payments=(a_payment("ch-1"),), ref=an_order_ref("ch-1", BANK), bought_at=order.bought_at
    )
    paid = replace(refunded(refund="re-1", payment="ch-1", order=charge), at=scene.clock.now())
    scene.apply(paid, at=BANK)
    scene.work()
    assert (scene.states(plan), scene.held()) == ([RefundState.SUCCEEDED], set())
    mails = len(scene.mailer.sent)
    bounces(scene, paid, BANK)
    assert (scene.states(plan), scene.owed()) == ([RefundState.FAILED_LATER], {"c1"})
    assert len(scene.mailer.sent) > mails


@pytest.mark.parametrize("amount", [4700, 4900])
def test_one_that_was_counted_with_what_a_person_called_done(scene: Scene, amount: int) -> None:
    payment = a_payment("pay-10412", route=RefundRoute.BY_HAND, account=STORE)
    order = sale(a_course("c1"), payments=(payment,))
    plan = by_hand(scene, order)
    attest(scene, plan)
    news = refunded(refund="re-1", amount=amount, whole=False)
    paid = replace(news, payment=payment.ref, at=scene.clock.now())
    scene.apply(paid)
    scene.work()
    assert scene.owed() == set()
    bounces(scene, paid, STORE)
    assert (scene.states(plan), scene.owed()) == ([RefundState.FAILED_LATER], {"c1"})


def test_another_one_that_failed_is_not_taken_for_it(scene: Scene) -> None:
    payment = a_payment("pay-10412", route=RefundRoute.BY_HAND, account=STORE)
    plan = by_hand(scene, sale(a_course("c1"), payments=(payment,)))
    attest(scene, plan)
    scene.clock.advance(days=1)
    other = replace(refunded(refund="re-2", amount=4700, whole=False), payment=payment.ref)
    other = replace(other, at=scene.clock.now() - timedelta(hours=1))
    bounces(scene, other, STORE)
    assert (scene.states(plan), scene.owed()) == ([RefundState.SUCCEEDED], set())
    assert plan.amount == eur(4900)
