"""What was confirmed is what is sent: a refund elsewhere meanwhile withdraws one that waits."""

from __future__ import annotations

from dataclasses import replace

from plugin.domain.events import NamedBy, PaymentRefunded, SaleMade, SaleRefunded
from plugin.domain.facts import Refunded
from plugin.domain.orders import Order, RefundStage
from plugin.domain.plan import Plan
from plugin.domain.refunds import RefundState
from plugin.ports.records import RefundMove
from plugin.services.applying import PATIENCE
from tests.factories import BANK, a_choice, a_course, a_line, a_payment, an_order, an_order_ref, eur
from tests.fakes.platforms import Mood
from tests.services.event_cases import cancelled, facts, refunded
from tests.services.scene import Scene, sale

RESERVED, WITHDRAWN = [RefundState.RESERVED], [RefundState.WITHDRAWN]
SUCCEEDED, UNKNOWN = [RefundState.SUCCEEDED], [RefundState.UNKNOWN]


def sold(scene: Scene, cents: int = 9800) -> Order:
    """One line, whose sale was told of."""
    line = a_line("l1", paid=eur(cents), gives=(a_course("c1"),), order=an_order_ref("10412"))
    paid = a_payment("pay-10412", captured=eur(cents))
    order = scene.sell(order=sale(lines=(line,), payments=(paid,)))
    scene.apply(SaleMade(order))
    return order


def part_decided(scene: Scene, order: Order, cents: int = 4900) -> Plan:
    return scene.decided(order, a_choice(order, free=eur(cents)))


def elsewhere(
    scene: Scene,
    refund: str = "re-dash",
    state: RefundStage = RefundStage.SUCCEEDED,
    reference: str | None = None,
) -> PaymentRefunded:
    """A refund of 49.00 that the gateway tells of now, without the state of its charge."""
    told = refunded(state, refund=refund, whole=False, reference=reference)
    return replace(told, at=scene.clock.now())


def read_charge(scene: Scene, cents: int) -> None:
    """The bank's own list was read, and shows so much refunded."""
    paid = a_payment("pay-10412", captured=eur(14700), refunded=eur(cents))
    charge = an_order(payments=(paid,), ref=an_order_ref("pay-10412", BANK))
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.orders.save(replace(charge, read_at=scene.clock.now()))
        uow.commit()


# --- somebody else was first ----------------------------------------------------------------------


def test_what_was_refunded_elsewhere_while_ours_waited_is_not_paid_again(scene: Scene) -> None:
    plan = part_decided(scene, sold(scene))
    scene.bank.moods = [Mood.BUSY]
    scene.wait(seconds=11)
    assert scene.states(plan) == RESERVED
    scene.apply(elsewhere(scene), at=BANK)
    scene.wait(hours=1)
    assert scene.states(plan) == WITHDRAWN
    assert scene.bank.paid == []
    assert [fact.refund for fact in facts(scene, Refunded)] == ["re-dash"]  # type: ignore[attr-defined]  # facts of that kind
    assert scene.owed() == {"c1"}


def test_within_the_ten_seconds_too_and_the_ticket_and_the_owner_are_told(scene: Scene) -> None:
    plan = part_decided(scene, sold(scene))
    scene.clock.advance(seconds=3)
    scene.apply(elsewhere(scene), at=BANK)
    scene.wait(seconds=7)
    assert scene.states(plan) == WITHDRAWN
    assert scene.bank.called("refund") == []
    notes = [note.body for note in scene.desk.notes]
    for told in (*notes[-1:], scene.mailer.sent[-1].body):
        assert "More of this payment went back since this was decided" in told


def test_what_was_withdrawn_is_free_to_be_decided_on_what_stands_now(scene: Scene) -> None:
    order = sold(scene)
    plan = part_decided(scene, order)
    scene.clock.advance(seconds=3)
    scene.apply(elsewhere(scene), at=BANK)
    scene.wait(seconds=7)
    shown = (replace(order.payments[0], refunded=eur(4900)),)
    scene.sell(order=replace(order, payments=shown, read_at=scene.clock.now()))
    again = part_decided(scene, order)
    scene.wait(seconds=10)
    assert (scene.states(plan), scene.states(again)) == (WITHDRAWN, SUCCEEDED)


def test_what_only_the_gateways_own_list_shows_counts_as_well(scene: Scene) -> None:
    plan = part_decided(scene, sold(scene))
    read_charge(scene, 4900)
    scene.wait(seconds=10)
    assert scene.states(plan) == WITHDRAWN


def test_a_sale_that_its_store_cancelled_meanwhile_is_not_refunded_again(scene: Scene) -> None:
    order = sold(scene)
    plan = part_decided(scene, order)
    scene.clock.advance(seconds=3)
    news = SaleRefunded(cancelled(order).order, scene.clock.now(), "cancel-1", NamedBy.ORDER)
    scene.apply(news, age=PATIENCE)
    scene.wait(seconds=7)
    assert scene.states(plan) == WITHDRAWN


def test_what_we_had_refunded_before_explains_no_more_than_itself(scene: Scene) -> None:
    order = sold(scene, 14700)
    part_decided(scene, order)
    scene.wait(seconds=10)
    plan = part_decided(scene, order)
    read_charge(scene, 9800)
    scene.wait(seconds=10)
    assert scene.states(plan) == WITHDRAWN


# --- what does not hinder -------------------------------------------------------------------------


def test_what_was_refunded_of_another_payment_or_before_hinders_nothing(scene: Scene) -> None:
    order = sold(scene)
    shown = (replace(order.payments[0], refunded=eur(4900)),)
    scene.sell(order=replace(order, payments=shown))
    scene.apply(elsewhere(scene), at=BANK)
    plan = part_decided(scene, order)
    scene.clock.advance(seconds=1)
    other = replace(elsewhere(scene, "re-other"), payment=a_payment("pay-other").ref)
    scene.apply(replace(other, order=replace(order, payments=(a_payment("pay-other"),))), at=BANK)
    read_charge(scene, 4900)
    scene.wait(seconds=9)
    assert scene.states(plan) == SUCCEEDED


def test_a_refund_elsewhere_that_failed_hinders_nothing(scene: Scene) -> None:
    plan = part_decided(scene, sold(scene))
    scene.clock.advance(seconds=1)
    scene.apply(elsewhere(scene), at=BANK)
    scene.apply(elsewhere(scene, state=RefundStage.FAILED), at=BANK)
    scene.wait(seconds=9)
    assert scene.states(plan) == SUCCEEDED


def test_ours_that_was_on_its_way_at_the_decision_was_counted_then(scene: Scene) -> None:
    order = sold(scene, 14700)
    first = part_decided(scene, order)
    scene.clock.advance(seconds=5)
    second = part_decided(scene, order)
    scene.wait(seconds=5)
    assert (scene.states(first), scene.states(second)) == (SUCCEEDED, RESERVED)
    scene.apply(elsewhere(scene, scene.bank.paid[0].ref), at=BANK)
    read_charge(scene, 4900)
    scene.wait(seconds=5)
    assert scene.states(second) == SUCCEEDED


def test_ours_that_was_decided_later_and_overtook_it_counted_it_in(scene: Scene) -> None:
    order = sold(scene, 14700)
    first = part_decided(scene, order)
    scene.bank.moods = [Mood.BUSY]
    scene.wait(seconds=11)
    second = part_decided(scene, order)
    undone = part_decided(scene, order, 1000)
    assert scene.undo(undone)
    waiting = scene.refunds(first)[0]
    with scene.storage.begin(scene.tenant.id) as uow:  # as after many calls in vain
        later = replace(waiting, wake_at=scene.clock.now() + PATIENCE, wakes=waiting.wakes + 1)
        moved = RefundMove(waiting.id, waiting.state, later.state, scene.clock.now(), "test")
        assert uow.refunds.move(waiting, later, moved)
        uow.commit()
    scene.bank.moods = []
    scene.wait(seconds=10)
    assert (scene.states(first), scene.states(second)) == (RESERVED, SUCCEEDED)
    scene.apply(elsewhere(scene, scene.bank.paid[0].ref), at=BANK)
    read_charge(scene, 4900)
    scene.wait(seconds=PATIENCE.total_seconds())
    assert scene.states(first) == SUCCEEDED


def test_what_may_have_been_sent_may_be_what_was_told_and_is_never_withdrawn(scene: Scene) -> None:
    plan = part_decided(scene, sold(scene))
    scene.bank.moods = [Mood.SILENT_AFTER, Mood.BUSY]
    scene.wait(seconds=10)
    assert scene.states(plan) == UNKNOWN
    scene.apply(elsewhere(scene), age=PATIENCE, at=BANK)
    read_charge(scene, 4900)
    scene.wait(hours=1)
    assert scene.states(plan) == SUCCEEDED
    assert len(scene.bank.paid) == 1
