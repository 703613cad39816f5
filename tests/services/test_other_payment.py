"""A sale whose gateway comes and goes is refunded once: by its own payment or by the charge."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugin.domain.errors import RetryLater
from plugin.domain.orders import Order
from plugin.domain.plan import Blocked, BlockedBy, Plan
from plugin.domain.refunds import RefundState
from plugin.services.decide_refund import ChangedSince, Decided
from plugin.services.settle_refund import attest_by_hand
from tests.factories import (
    BANK,
    a_choice,
    a_course,
    a_line,
    a_payment,
    an_order,
    an_order_ref,
    eur,
)
from tests.fakes.platforms import Mood
from tests.services.event_cases import hand_sale
from tests.services.scene import Scene, sale

OTHER = Blocked(BlockedBy.OTHER_PAYMENT)


@pytest.fixture
def sold(scene: Scene) -> Order:
    """A sale that only a person can refund, and the bank's own charge for it."""
    order = scene.sell(order=hand_sale(a_course("c1")))
    ref = an_order_ref("ch-1", BANK)
    line = a_line("x", gives=None, order=ref, product="")
    charge = an_order(line, payments=(a_payment("ch-1"),), ref=ref, bought_at=order.bought_at)
    scene.bank.orders["ch-1"] = charge
    return order


def silence_bank(scene: Scene) -> None:
    scene.bank.raises["find_orders"] = [RetryLater("slow")] * 9


def bank_is_back(scene: Scene) -> None:
    scene.bank.raises["find_orders"] = []


def outcome(scene: Scene, order: Order) -> Plan | Blocked:
    return scene.preview(order).outcome


@pytest.mark.parametrize("mood", [None, Mood.SILENT_AFTER])
def test_what_went_back_through_the_charge_counts_while_its_gateway_is_silent(
    scene: Scene, sold: Order, mood: Mood | None
) -> None:
    plan = scene.decided(sold)
    scene.bank.moods = [] if mood is None else [mood]
    scene.wait(seconds=11)
    is_through = RefundState.SUCCEEDED if mood is None else RefundState.UNKNOWN
    assert scene.states(plan) == [is_through]
    silence_bank(scene)
    assert outcome(scene, sold) == OTHER


def test_a_refund_by_hand_in_flight_counts_when_its_gateway_is_back(
    scene: Scene, sold: Order
) -> None:
    silence_bank(scene)
    plan = scene.decided(sold)
    bank_is_back(scene)
    assert outcome(scene, sold) == OTHER
    with scene.storage.begin(scene.tenant.id) as uow:
        attest_by_hand(uow, plan.id, "Ana", "", scene.clock.now())
        uow.commit()
    assert outcome(scene, sold) == OTHER


def test_a_plan_made_before_the_other_was_decided_is_not_decided_beside_it(
    scene: Scene, sold: Order
) -> None:
    through_charge = scene.plan(sold)
    silence_bank(scene)
    assert isinstance(scene.decide(scene.plan(sold)), Decided)
    bank_is_back(scene)
    decision = scene.decide(through_charge)
    assert isinstance(decision, ChangedSince)
    assert decision.now.outcome == OTHER


def test_what_was_undone_hinders_nothing(scene: Scene, sold: Order) -> None:
    assert scene.undo(scene.decided(sold))
    silence_bank(scene)
    assert isinstance(outcome(scene, sold), Plan)


def test_the_rest_may_follow_by_the_same_payment(scene: Scene, sold: Order) -> None:
    scene.decided(sold, a_choice(sold, free=eur(2000)))
    scene.wait(seconds=11)
    rest = scene.plan(sold, a_choice(sold, free=eur(2900)))
    assert rest.parts[0].refunded_before == eur(2000)


def test_a_payment_that_its_store_names_anew_may_give_back_the_rest_of_it(scene: Scene) -> None:
    lines = tuple(a_line(f"l{n}", gives=(), order=an_order_ref("10412")) for n in (1, 2))
    paid = a_payment("pay-10412", captured=eur(9800))
    order = scene.sell(order=sale(lines=lines, payments=(paid,)))
    scene.decided(order, a_choice(order, "l1"))
    scene.wait(seconds=11)
    named_anew = replace(a_payment("pay-new", captured=eur(9800)), refunded=eur(4900))
    scene.sell(order=replace(order, payments=(named_anew,), read_at=scene.clock.now()))
    assert isinstance(scene.preview(order, a_choice(order, "l1")).outcome, Blocked)
    assert scene.plan(order, a_choice(order, "l2")).amount == eur(4900)
