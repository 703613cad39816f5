"""One refund is booked once, by whomever and in whatever order it is told: half is never all."""

from __future__ import annotations

import pytest

from plugin.domain.events import SaleMade
from plugin.domain.facts import Refunded
from plugin.domain.orders import Order, RefundStage
from plugin.domain.plan import Plan
from plugin.domain.refunds import Move, RefundState
from plugin.services.applying import PATIENCE
from plugin.services.settle_refund import attest_by_hand, settle_refund
from tests.factories import BANK, a_course, a_line, a_payment, an_order_ref, eur
from tests.fakes.platforms import Mood
from tests.services.event_cases import facts, refunded
from tests.services.scene import Scene, sale
from tests.services.test_refunded_meanwhile import elsewhere, part_decided, sold

S = RefundState


def silent(scene: Scene, mood: Mood) -> Plan:
    """49.00 of 98.00, of which the gateway's answer was lost."""
    plan = part_decided(scene, sold(scene))
    scene.bank.moods = [mood]
    scene.wait(seconds=10)
    assert scene.states(plan) == [S.UNKNOWN]
    return plan


def booked(scene: Scene) -> list[str]:
    return sorted(fact.refund for fact in facts(scene, Refunded))  # type: ignore[attr-defined]  # facts of that kind


def test_what_a_person_made_at_the_gateway_is_told_first_and_attested_then(scene: Scene) -> None:
    plan = silent(scene, Mood.SILENT_BEFORE)
    (refund,) = scene.refunds(plan)
    with scene.storage.begin(scene.tenant.id) as uow:
        move = Move(S.NEEDS_PERSON, None, None, "never_answered")
        settle_refund(uow, refund, move, "worker", scene.clock.now())
        uow.commit()
    scene.clock.advance(minutes=5)
    for name in ("first", "again"):
        scene.apply(elsewhere(scene, "re-hand"), name, at=BANK)
    (refund,) = scene.refunds(plan)
    assert (refund.state, refund.gateway_ref) == (S.SUCCEEDED, "re-hand")
    with scene.storage.begin(scene.tenant.id) as uow:
        assert not attest_by_hand(uow, plan.id, "Ana", "", scene.clock.now(), refund.id)
    scene.work()
    assert booked(scene) == [plan.fact.refund]
    assert scene.owed() == {"c1"}


def told_as_made_elsewhere(scene: Scene) -> Plan:
    """The news without our reference was booked before the look-up found what it is about."""
    plan = silent(scene, Mood.SILENT_AFTER)
    scene.apply(elsewhere(scene, scene.bank.paid[0].ref), age=PATIENCE, at=BANK)
    scene.wait(minutes=1)
    assert scene.states(plan) == [S.SUCCEEDED]
    return plan


def test_what_was_booked_as_made_elsewhere_and_is_found_then_counts_once(scene: Scene) -> None:
    told_as_made_elsewhere(scene)
    assert scene.owed() == scene.held() == {"c1"}
    scene.apply(elsewhere(scene, "re-rest"), at=BANK)
    scene.work()
    assert scene.owed() == scene.held() == set()


def test_what_was_booked_as_made_elsewhere_and_fails_later_counts_no_more(scene: Scene) -> None:
    plan = told_as_made_elsewhere(scene)
    scene.apply(elsewhere(scene, "re-1", RefundStage.FAILED), "failed", at=BANK)
    assert scene.states(plan) == [S.FAILED_LATER]
    scene.apply(elsewhere(scene, "re-rest"), at=BANK)
    scene.work()
    assert scene.owed() == {"c1"}


# --- a payment that went back before we were connected --------------------------------------------


def two_payments(*back: int) -> Order:
    line = a_line("l1", paid=eur(9800), gives=(a_course("c1"),), order=an_order_ref("10412"))
    payments = tuple(
        a_payment(f"p-{number}", captured=eur(4900), refunded=eur(cents))
        for number, cents in enumerate(back, start=1)
    )
    return sale(lines=(line,), payments=payments)


@pytest.mark.parametrize(
    ("told", "owed"),
    [(two_payments(4900, 4900), set()), (two_payments(0, 4900), {"c1"})],
    ids=["all back", "one back"],
)
def test_the_last_payment_of_an_order_ends_it_where_the_gateway_shows_that_all_is_back(
    scene: Scene, told: Order, owed: set[str]
) -> None:
    scene.apply(SaleMade(scene.sell(order=two_payments(4900, 0))))
    scene.apply(refunded(refund="re-2", payment="p-2", order=told), at=BANK)
    scene.work()
    assert scene.owed() == owed
