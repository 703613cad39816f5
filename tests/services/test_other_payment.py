"""A sale whose gateway comes and goes is refunded once: by its own payment or by the charge."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugin.domain.errors import RetryLater
from plugin.domain.events import SaleMade
from plugin.domain.orders import Order
from plugin.domain.plan import Blocked, BlockedBy, Plan
from plugin.domain.refunds import RefundState
from plugin.services.decide_refund import ChangedSince, Decided
from plugin.services.find_orders import Search
from plugin.services.plan_refund import PlanRefund, Preview, unshown
from plugin.services.settle_refund import attest_by_hand, take_back_word
from tests.factories import (
    BANK,
    a_choice,
    a_course,
    a_line,
    a_payment,
    a_request,
    an_order,
    an_order_ref,
    eur,
)
from tests.fakes.platforms import Mood, one_after_the_other
from tests.services.event_cases import hand_sale, refunded
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


def attest(scene: Scene, plan: Plan) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        assert attest_by_hand(uow, plan.id, "Ana", "", scene.clock.now())
        uow.commit()


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
    attest(scene, plan)
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


# --- a charge that is found by its own number -----------------------------------------------------

BY_NUMBER = Search(number="ch-1", card_digits="4242")


def alone(scene: Scene) -> Preview:
    """What comes of refunding the charge, found by its number: its sale is not."""
    [found] = scene.find(BY_NUMBER)
    assert found.order.ref == an_order_ref("ch-1", BANK)
    return PlanRefund(scene.storage, scene.platforms, one_after_the_other)(
        scene.tenant.id,
        found,
        a_request(order=found.order.ref),
        a_choice(found.order),
        scene.reader,
        scene.fresh_id(),
        scene.clock.now(),
    )


@pytest.mark.parametrize("is_attested", [True, False])
def test_a_charge_found_alone_is_not_refunded_beside_its_sale(
    scene: Scene, sold: Order, *, is_attested: bool
) -> None:
    silence_bank(scene)
    plan = scene.decided(sold)
    if is_attested:
        attest(scene, plan)
    bank_is_back(scene)
    assert alone(scene).outcome == OTHER


@pytest.mark.parametrize("is_through", [True, False])
def test_a_sale_is_not_refunded_beside_its_charge_that_was_found_alone(
    scene: Scene, sold: Order, *, is_through: bool
) -> None:
    scene.find()  # both are known
    outcome_alone = alone(scene).outcome
    assert isinstance(outcome_alone, Plan)
    assert isinstance(scene.decide(outcome_alone, search=BY_NUMBER), Decided)
    if is_through:
        scene.wait(seconds=11)
    silence_bank(scene)
    assert outcome(scene, sold) == OTHER


def test_a_charge_that_shows_what_went_back_of_its_sale_may_give_back_the_rest(
    scene: Scene, sold: Order
) -> None:
    silence_bank(scene)
    attest(scene, scene.decided(sold, a_choice(sold, free=eur(2000))))
    bank_is_back(scene)
    assert alone(scene).outcome == OTHER
    charge = scene.bank.orders["ch-1"]
    payments = tuple(replace(paid, refunded=eur(2000)) for paid in charge.payments)
    lines = tuple(replace(line, refunded=eur(2000)) for line in charge.lines)
    scene.bank.orders["ch-1"] = replace(charge, payments=payments, lines=lines)
    rest = alone(scene).outcome
    assert isinstance(rest, Plan)
    assert rest.amount == eur(2900)


# --- a word that the charge never shows -----------------------------------------------------------


def take_back(scene: Scene, plan: Plan) -> bool:
    """What the panel does where the order, read just now, is shown with its charge."""
    [found] = scene.find()
    with scene.storage.begin(scene.tenant.id) as uow:
        done = [
            take_back_word(uow, refund, "Ana", scene.clock.now())
            for refund in unshown(uow, found.order)
            if refund.plan == plan.id
        ]
        uow.commit()
    return any(done)


def test_who_finds_that_it_never_went_back_takes_the_word_back_and_the_sale_is_free(
    scene: Scene, sold: Order
) -> None:
    silence_bank(scene)
    plan = scene.decided(sold)
    attest(scene, plan)
    bank_is_back(scene)
    assert outcome(scene, sold) == OTHER
    assert scene.owed() == set()
    assert take_back(scene, plan)
    assert not take_back(scene, plan)
    assert scene.states(plan) == [RefundState.FAILED_LATER]
    assert scene.owed() == {"c1"}
    again = outcome(scene, sold)
    assert isinstance(again, Plan)
    assert [part.payment for part in again.parts] == [a_payment("ch-1").ref]
    with scene.storage.read(scene.tenant.id) as uow:
        entries = [e for e in uow.audit.entries(0, 99) if e.action == "refund.failed_later"]
    assert [entry.actor for entry in entries] == ["Ana"]


@pytest.mark.parametrize("amount", [4900, 4000])
def test_a_word_that_news_bear_out_is_not_taken_back(scene: Scene, amount: int) -> None:
    """Also where they tell of another amount: money went back, so not all of it is free."""
    order = scene.sell(order=hand_sale(a_course("c1")))
    scene.apply(SaleMade(order))
    plan = scene.decided(order)
    attest(scene, plan)
    told = refunded(amount=amount, whole=False, order=order)
    scene.apply(replace(told, payment=order.payments[0].ref, at=scene.clock.now()))
    [said] = scene.refunds(plan)
    with scene.storage.begin(scene.tenant.id) as uow:
        assert not unshown(uow, order)
        assert not take_back_word(uow, said, "Ana", scene.clock.now())
    assert scene.states(plan) == [RefundState.SUCCEEDED]


def test_what_a_gateway_answered_for_is_never_taken_back_by_a_word(
    scene: Scene, sold: Order
) -> None:
    plan = scene.decided(sold)
    scene.wait(seconds=11)
    assert not take_back(scene, plan)
    assert scene.states(plan) == [RefundState.SUCCEEDED]
