"""A refund of several parts: a person's word is about what she was asked, and nothing else."""

from __future__ import annotations

from dataclasses import replace

from plugin.domain.facts import Refunded
from plugin.domain.ids import RefundId
from plugin.domain.orders import RefundRoute
from plugin.domain.plan import Plan
from plugin.domain.refunds import Move, RefundState
from plugin.services.settle_refund import attest_by_hand, release_by_hand, settle_refund
from tests.factories import STORE, a_course, a_line, a_payment, an_order_ref, eur
from tests.services.event_cases import facts, refunded
from tests.services.scene import Scene, sale


def attest(scene: Scene, plan: Plan, part: RefundId | None = None) -> bool:
    with scene.storage.begin(scene.tenant.id) as uow:
        done = attest_by_hand(uow, plan.id, "agent Ana", "", scene.clock.now(), part)
        uow.commit()
    return done


def release(scene: Scene, plan: Plan, part: RefundId | None = None) -> bool:
    with scene.storage.begin(scene.tenant.id) as uow:
        done = release_by_hand(uow, plan.id, "agent Ana", "", scene.clock.now(), part)
        uow.commit()
    return done


def mixed(scene: Scene, *routes: RefundRoute) -> tuple[Plan, list[RefundId]]:
    """A course for 98.00, half of it by each of two payments, decided."""
    payments = tuple(
        a_payment(f"pay-{n}", captured=eur(4900), route=route)
        if route is RefundRoute.BY_API
        else a_payment(f"pay-{n}", captured=eur(4900), route=route, account=STORE)
        for n, route in enumerate(routes)
    )
    line = a_line("l1", paid=eur(9800), gives=(a_course("c1"),), order=an_order_ref("10412"))
    plan = scene.decided(scene.sell(order=sale(payments=payments, lines=(line,))))
    parts = sorted(scene.refunds(plan), key=lambda refund: refund.payment.ref)
    return plan, [part.id for part in parts]


def in_doubt(scene: Scene, *parts: RefundId) -> None:
    for part in parts:
        for state in (RefundState.UNKNOWN, RefundState.NEEDS_PERSON):
            with scene.storage.begin(scene.tenant.id) as uow:
                known = uow.refunds.get(part)
                assert known is not None
                settle_refund(uow, known, Move(state, None, None, "x"), "worker", scene.clock.now())
                uow.commit()


def states(scene: Scene, plan: Plan, parts: list[RefundId]) -> list[RefundState]:
    known = {refund.id: refund.state for refund in scene.refunds(plan)}
    return [known[part] for part in parts]


def test_the_worksheets_word_says_nothing_of_a_part_in_doubt(scene: Scene) -> None:
    plan, parts = mixed(scene, RefundRoute.BY_API, RefundRoute.BY_HAND)
    in_doubt(scene, parts[0])
    assert attest(scene, plan)
    assert states(scene, plan, parts) == [RefundState.NEEDS_PERSON, RefundState.SUCCEEDED]
    assert attest(scene, plan, parts[0])
    assert states(scene, plan, parts) == [RefundState.SUCCEEDED] * 2
    assert scene.owed() == set()


def test_of_two_parts_in_doubt_only_the_one_that_was_asked_about_is_freed(scene: Scene) -> None:
    plan, parts = mixed(scene, RefundRoute.BY_API, RefundRoute.BY_API)
    in_doubt(scene, *parts)
    assert release(scene, plan, parts[0])
    assert states(scene, plan, parts) == [RefundState.WITHDRAWN, RefundState.NEEDS_PERSON]


def test_what_cannot_be_paid_by_hand_is_freed_once_the_rest_was_paid(scene: Scene) -> None:
    plan, parts = mixed(scene, RefundRoute.BY_API, RefundRoute.BY_HAND)
    assert not release(scene, plan)  # nothing left us yet: all of it can be undone
    scene.wait(seconds=11)
    assert release(scene, plan)
    assert states(scene, plan, parts) == [RefundState.SUCCEEDED, RefundState.WITHDRAWN]
    assert [one.amount for one in facts(scene, Refunded) if isinstance(one, Refunded)] == [
        eur(4900)
    ]


def test_news_of_another_amount_stand_by_themselves_while_nothing_is_booked_yet(
    scene: Scene,
) -> None:
    plan, parts = mixed(scene, RefundRoute.BY_API, RefundRoute.BY_HAND)
    assert attest(scene, plan)
    order = scene.shop.orders["10412"]
    told = refunded(refund="re-1", amount=4000, whole=False, order=order)
    scene.apply(replace(told, payment=order.payments[1].ref, at=scene.clock.now()))
    assert states(scene, plan, parts) == [RefundState.RESERVED, RefundState.SUCCEEDED]
    assert [one.refund for one in facts(scene, Refunded) if isinstance(one, Refunded)] == ["re-1"]
