"""A refund by hand: a person's word and the store's own news of it are one refund, not two."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from plugin.domain.events import PaymentRefunded, SaleMade
from plugin.domain.facts import Refunded, RefundFailed
from plugin.domain.ids import PlanId
from plugin.domain.orders import Order, RefundRoute, RefundStage
from plugin.domain.refunds import Move, RefundState
from plugin.services.applying import SKEW
from plugin.services.settle_refund import attest_by_hand, release_by_hand, settle_refund
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


def booked(scene: Scene) -> dict[str, int]:
    """What counts as back, by the refund that it counts as: one told twice counts once."""
    counted: dict[str, int] = {}
    failed = {fact.refund for fact in facts(scene, RefundFailed) if isinstance(fact, RefundFailed)}
    for fact in facts(scene, Refunded):
        if isinstance(fact, Refunded) and fact.refund not in failed:
            counted[fact.refund] = max(counted.get(fact.refund, 0), fact.amount.minor)
    return counted


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
    [
        (SKEW.total_seconds(), 4900, 1),
        (SKEW.total_seconds() + 1, 4900, 2),
        (SKEW.total_seconds(), 4800, 1),
        (SKEW.total_seconds() + 1, 4800, 2),
    ],
)
def test_only_what_fits_its_time_is_its_news(
    scene: Scene, order: Order, seconds: float, amount: int, entries: int
) -> None:
    plan = scene.decided(order, a_choice(order, "l1"))
    event = news(scene, order, amount=amount)
    attest(scene, plan.id)
    said_at = scene.clock.now()
    scene.apply(replace(event, at=said_at + timedelta(seconds=seconds)))
    assert len(booked(scene)) == entries


# --- of another amount than was planned -----------------------------------------------------------


@pytest.mark.parametrize("amount", [4800, 5000])
def test_what_was_paid_by_hand_in_another_amount_is_one_refund_and_told_of(
    scene: Scene, order: Order, amount: int
) -> None:
    plan = scene.decided(order, a_choice(order, "l1"))
    event = news(scene, order, amount=amount)
    attest(scene, plan.id)
    for _ in range(2):
        scene.apply(event)
    assert booked(scene) == {plan.id: max(amount, 4900)}
    assert scene.owed() == {"c2"}
    scene.work()
    mails = [mail for mail in scene.mailer.sent if "not from here" in mail.body]
    assert len(mails) == 1
    assert "49.00\xa0EUR was refunded by hand" in mails[0].body


def test_one_that_was_paid_by_hand_in_two_is_one_refund(scene: Scene, order: Order) -> None:
    plan = scene.decided(order, a_choice(order, "l1"))
    attest(scene, plan.id)
    scene.apply(news(scene, order, "re-1", 4000))
    scene.apply(news(scene, order, "re-2", 900))
    assert booked(scene) == {plan.id: 4900}
    assert scene.owed() == {"c2"}


def test_the_word_of_a_person_is_found_among_two_refunds_whatever_was_told_first(
    scene: Scene, order: Order
) -> None:
    """The other one was told before hers was made; a store tells of all refunds again."""
    plan = scene.decided(order, a_choice(order, "l1"))
    other, hers = news(scene, order, "re-1", 4000), news(scene, order, "re-2", 4900)
    attest(scene, plan.id)
    scene.apply(other)
    assert booked(scene) == {plan.id: 4900}
    for event in (hers, other):
        scene.apply(event)
    assert booked(scene) == {plan.id: 4900, "re-1": 4000}
    assert scene.owed() == {"c2"}


def test_all_of_the_money_is_all_of_it_whatever_was_planned(scene: Scene, order: Order) -> None:
    plan = scene.decided(order, a_choice(order, "l1"))
    attest(scene, plan.id)
    scene.apply(replace(news(scene, order, amount=9800), whole=True))
    assert booked(scene) == {plan.id: 9800}
    assert scene.owed() == set()


def test_who_says_done_after_news_of_another_amount_is_asked_whether_that_is_it(
    scene: Scene, order: Order
) -> None:
    plan = scene.decided(order, a_choice(order, "l1"))
    scene.apply(news(scene, order, amount=5000))
    attest(scene, plan.id)
    assert scene.states(plan) == [RefundState.NEEDS_PERSON]
    assert [refund.reason for refund in scene.refunds(plan)] == ["other_amount_told"]
    assert booked(scene) == {"re-1": 5000}
    assert scene.owed() == {"c1", "c2"}


@pytest.mark.parametrize("is_besides", [True, False])
def test_the_answer_to_that_question_is_the_end_of_it(
    scene: Scene, order: Order, *, is_besides: bool
) -> None:
    plan = scene.decided(order, a_choice(order, "l1"))
    scene.apply(news(scene, order, amount=4000))
    attest(scene, plan.id)
    [part] = scene.refunds(plan)
    with scene.storage.begin(scene.tenant.id) as uow:
        say = attest_by_hand if is_besides else release_by_hand
        assert say(uow, plan.id, "Ana", "", scene.clock.now(), part.id)
        uow.commit()
    assert booked(scene) == ({"re-1": 4000, plan.id: 4900} if is_besides else {"re-1": 4000})
    assert scene.owed() == ({"c2"} if is_besides else {"c1", "c2"})


def test_news_of_the_planned_amount_answer_it_too(scene: Scene, order: Order) -> None:
    plan = scene.decided(order, a_choice(order, "l1"))
    scene.apply(news(scene, order, "re-1", 4000))
    attest(scene, plan.id)
    scene.apply(news(scene, order, "re-2", 4900))
    assert scene.states(plan) == [RefundState.SUCCEEDED]
    assert booked(scene) == {"re-1": 4000, plan.id: 4900}


def test_nobody_is_asked_about_what_failed_or_went_back_before(scene: Scene, order: Order) -> None:
    scene.apply(news(scene, order, "re-0", 1000))
    scene.clock.advance(hours=1)
    plan = scene.decided(order, a_choice(order, "l2"))
    failed = news(scene, order, "re-1", 900)
    scene.apply(failed)
    scene.apply(replace(failed, state=RefundStage.FAILED))
    attest(scene, plan.id)
    assert scene.states(plan) == [RefundState.SUCCEEDED]


def test_what_we_sent_ourselves_has_our_name_there_and_takes_no_other_for_itself(
    scene: Scene,
) -> None:
    order = scene.sell(order=sale(lines=LINES, payments=(a_payment("p", captured=eur(9800)),)))
    plan = scene.decided(order, a_choice(order, "l1"))
    [part] = scene.refunds(plan)
    for state in (RefundState.UNKNOWN, RefundState.NEEDS_PERSON):
        [part] = scene.refunds(plan)
        with scene.storage.begin(scene.tenant.id) as uow:
            settle_refund(uow, part, Move(state), "worker", scene.clock.now())
            uow.commit()
    with scene.storage.begin(scene.tenant.id) as uow:
        assert attest_by_hand(uow, plan.id, "Ana", "", scene.clock.now(), part.id)
        uow.commit()
    scene.apply(news(scene, order, amount=4000))
    assert booked(scene) == {plan.id: 4900, "re-1": 4000}
