"""Settling: the fact when the last part is through, the way back when it was not, and told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugin.domain.effects import AddTicketNote, Effect
from plugin.domain.events import PaymentRefunded
from plugin.domain.facts import Refunded, RefundFailed
from plugin.domain.ids import EffectKey, RefundId, TicketId
from plugin.domain.orders import Order, RefundRoute, RefundStage
from plugin.domain.plan import Plan
from plugin.domain.refunds import Move, RefundState
from plugin.services.plan_refund import Reader
from plugin.services.settle_refund import (
    attest_by_hand,
    plan_of,
    release_by_hand,
    settle_refund,
)
from plugin.services.wording import field_words
from tests.factories import (
    BANK,
    CUSTOMER,
    a_course,
    a_payment,
    a_payment_ref,
    a_refund,
    a_tag,
    eur,
    soon,
)
from tests.fakes.platforms import Mood
from tests.services.scene import Scene, sale


def two_parts(scene: Scene) -> Order:
    payments = (a_payment("pay-1", captured=eur(3000)), a_payment("pay-2", captured=eur(1900)))
    return scene.sell(order=sale(a_course("c1"), a_tag("t1"), payments=payments))


def facts(scene: Scene, kind: type) -> list[object]:
    with scene.storage.read(scene.tenant.id) as uow:
        return [fact for fact in uow.facts.of_customer(CUSTOMER) if isinstance(fact, kind)]


def failed_later(refund: str = "re-1", payment: str = "pay-10412") -> PaymentRefunded:
    return PaymentRefunded(
        a_payment_ref(payment),
        refund,
        eur(4900),
        RefundStage.FAILED,
        soon(days=3),
        reason="account_closed",
    )


def elsewhere(
    payment: str, cents: int, order: Order, refund: str = "re-elsewhere"
) -> PaymentRefunded:
    return PaymentRefunded(
        a_payment_ref(payment), refund, eur(cents), RefundStage.SUCCEEDED, soon(days=4), order=order
    )


def by_hand(scene: Scene) -> Plan:
    payment = a_payment("pay-10412", route=RefundRoute.BY_HAND)
    return scene.decided(scene.sell(order=sale(a_course("c1"), payments=(payment,))))


def settle(scene: Scene, plan: Plan, move: Move, index: int = 0) -> bool:
    refund = scene.refunds(plan)[index]
    with scene.storage.begin(scene.tenant.id) as uow:
        done = settle_refund(uow, refund, move, "test", scene.clock.now())
        uow.commit()
    return done


def signed_off(key: EffectKey, effect: Effect) -> tuple[EffectKey, Effect]:
    """The effect without the name of who decided, which comes with the decision."""
    if not isinstance(effect, AddTicketNote):
        return key, effect
    assert effect.body.endswith("\n\nBy Ana.")
    return key, replace(effect, body=effect.body.removesuffix("\n\nBy Ana."))


def test_what_was_previewed_is_what_is_done(scene: Scene) -> None:
    order = scene.sell(a_course("c1"), a_tag("t1"))
    plan = scene.decided(order)
    assert [item.resource.ref for item in plan.goes] == ["c1", "t1"]
    scene.wait(seconds=10)
    done = [(e.planned.key, e.planned.effect) for e in scene.effects(plan.id)]
    assert [signed_off(*each) for each in done] == [(p.key, p.effect) for p in plan.effects]
    assert scene.held() == set()
    assert scene.owed() == set()


def test_the_fact_comes_with_the_last_part_and_not_before(scene: Scene) -> None:
    plan = scene.decided(two_parts(scene))
    scene.bank.moods = [Mood.PLAIN, Mood.PENDING]
    scene.wait(seconds=10)
    assert sorted(scene.states(plan)) == [RefundState.PENDING, RefundState.SUCCEEDED]
    assert facts(scene, Refunded) == []
    assert scene.held() == {"c1", "t1"}
    scene.bank.paid[1].state = "succeeded"
    scene.wait(hours=1)
    (fact,) = facts(scene, Refunded)
    assert isinstance(fact, Refunded)
    assert (fact.refund, fact.amount, fact.at) == (plan.id, eur(4900), scene.clock.now())
    assert scene.held() == set()


def test_a_part_that_is_refused_is_told_and_changes_no_access(scene: Scene) -> None:
    plan = scene.decided(two_parts(scene))
    scene.bank.moods = [Mood.PLAIN, Mood.NO]
    scene.wait(seconds=10)
    assert sorted(scene.states(plan)) == [RefundState.REFUSED, RefundState.SUCCEEDED]
    (fact,) = facts(scene, Refunded)  # the part that stands, by itself
    assert isinstance(fact, Refunded)
    assert (fact.refund == plan.id, fact.ends, fact.whole) == (False, (), False)
    assert scene.held() == {"c1", "t1"}
    assert len(scene.mailer.sent) == len(scene.desk.notes) == 1
    refused = next(r for r in scene.refunds(plan) if r.state is RefundState.REFUSED)
    assert scene.desk.notes[0].field == field_words("Not refunded", refused.amount)


def test_a_refund_that_fails_later_gives_access_back_and_tells(scene: Scene) -> None:
    plan = scene.decided(scene.sell(a_course("c1"), a_tag("t1")))
    scene.wait(seconds=10)
    assert scene.held() == set()
    scene.wait(days=3)
    scene.apply(failed_later(), at=BANK)
    scene.work()
    assert scene.states(plan) == [RefundState.FAILED_LATER]
    assert facts(scene, RefundFailed) != []
    assert scene.held() == {"c1", "t1"}
    (mail,) = scene.mailer.sent
    assert "failed later" in mail.body
    note = scene.desk.notes[-1]
    assert [one.field for one in scene.desk.notes] == [
        "Refunded 49.00 EUR",
        "Not refunded 49.00 EUR",
    ]
    assert "Course c1" in note.body
    assert "Tag t1" in note.body
    assert "account closed" in note.body
    assert note.ticket == "77"
    sent, failed = scene.desk.replies  # whoever was told of the money is told that it is not there
    assert "on its way" in sent.body or "have sent" in sent.body
    assert "did not go through" in failed.body
    assert "account closed" not in failed.body


def test_a_part_that_fails_later_before_the_customer_heard_of_it_is_not_told_her(
    scene: Scene,
) -> None:
    plan = scene.decided(two_parts(scene))
    scene.bank.moods = [Mood.PLAIN, Mood.PENDING]
    scene.wait(seconds=10)
    done = next(p for p in scene.bank.paid if p.state == "succeeded")
    scene.apply(failed_later(done.ref, done.payment), at=BANK)
    scene.work()
    assert RefundState.FAILED_LATER in scene.states(plan)
    assert scene.desk.replies == []


def test_each_part_that_fails_later_is_told_and_access_comes_back_once(scene: Scene) -> None:
    scene.decided(two_parts(scene))
    scene.wait(seconds=10)
    for number, payment in ((1, "pay-1"), (2, "pay-2")):
        paid = next(p for p in scene.bank.paid if p.payment == payment)
        scene.apply(failed_later(paid.ref, payment), f"late-{number}", at=BANK)
    scene.work()
    assert scene.held() == {"c1", "t1"}
    assert len(scene.mailer.sent) == 2
    assert scene.shop.called("restore").count("c1") == 1


def test_the_part_that_stands_counts_when_the_rest_is_refunded_elsewhere(scene: Scene) -> None:
    order = two_parts(scene)
    scene.decided(order)
    scene.wait(seconds=10)
    lost, stands = scene.bank.paid
    scene.apply(failed_later(lost.ref, lost.payment), at=BANK)
    scene.work()
    assert scene.held() == {"c1", "t1"}
    scene.apply(elsewhere(lost.payment, lost.amount.minor - 1, order), at=BANK)
    scene.work()
    assert scene.held() == {"c1", "t1"}
    scene.apply(elsewhere(lost.payment, 1, order, "re-last"), at=BANK)
    scene.work()
    assert scene.held() == set()
    scene.apply(failed_later(stands.ref, stands.payment), at=BANK)  # and then this one too
    scene.work()
    assert scene.held() == {"c1", "t1"}


@pytest.mark.parametrize("moods", [(Mood.NO, Mood.PENDING), (Mood.PENDING, Mood.NO)])
def test_a_part_that_goes_through_beside_a_refused_one_counts_by_itself(
    scene: Scene, moods: tuple[Mood, Mood]
) -> None:
    order = two_parts(scene)
    plan = scene.decided(order)
    scene.bank.moods = list(moods)
    scene.wait(seconds=10)
    (pending,) = scene.bank.paid
    pending.state = "succeeded"
    scene.wait(hours=1)
    assert sorted(scene.states(plan)) == [RefundState.REFUSED, RefundState.SUCCEEDED]
    (fact,) = facts(scene, Refunded)
    assert isinstance(fact, Refunded)
    assert (fact.amount, fact.ends) == (pending.amount, ())
    assert scene.held() == {"c1", "t1"}
    refused = next(r for r in scene.refunds(plan) if r.state is RefundState.REFUSED)
    scene.apply(elsewhere(refused.payment.ref, refused.amount.minor, order), at=BANK)
    scene.work()
    assert scene.held() == set()


def test_trouble_of_a_plan_without_a_ticket_goes_to_the_open_ones(scene: Scene) -> None:
    scene.reader = Reader("en", None, None, can_reply=False, agent="Ana")
    scene.desk.open_tickets[CUSTOMER] = [TicketId("91")]
    scene.decided(scene.sell(a_course("c1")))
    scene.bank.moods = [Mood.NO]
    scene.wait(seconds=10)
    assert [note.ticket for note in scene.desk.notes] == ["91"]


def test_trouble_of_an_order_that_is_kept_no_more_is_told_by_its_name(scene: Scene) -> None:
    plan = scene.decided(scene.sell(a_course("c1")))
    scene.bank.moods = [Mood.NO]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("plugin.storage.ledger_rows.OrderRows.get", lambda *_: None)
        scene.wait(seconds=10)
    assert scene.states(plan) == [RefundState.REFUSED]
    assert "order 10412" in scene.mailer.sent[0].body


def test_a_refund_of_an_order_that_is_kept_no_more_still_becomes_a_fact(scene: Scene) -> None:
    scene.decided(scene.sell(a_course("c1")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("plugin.storage.ledger_rows.OrderRows.get", lambda *_: None)
        scene.wait(seconds=10)
    assert len(facts(scene, Refunded)) == 1


def test_a_move_that_the_table_does_not_know_is_a_bug(scene: Scene) -> None:
    plan = scene.decided(scene.sell(a_course()))
    with pytest.raises(ValueError, match="reserved to succeeded"):
        settle(scene, plan, Move(RefundState.SUCCEEDED))


def test_whoever_comes_second_moves_nothing(scene: Scene) -> None:
    plan = scene.decided(scene.sell(a_course()))
    (stale,) = scene.refunds(plan)
    assert settle(scene, plan, Move(RefundState.SUBMITTING))
    with scene.storage.begin(scene.tenant.id) as uow:
        move = Move(RefundState.WITHDRAWN)
        assert not settle_refund(uow, stale, move, "test", scene.clock.now())


def test_a_look_that_finds_nothing_new_only_sets_the_next_time(scene: Scene) -> None:
    plan = scene.decided(scene.sell(a_course()))
    scene.bank.moods = [Mood.PENDING]
    scene.wait(seconds=10)
    before = scene.audited()
    scene.wait(hours=1)
    (refund,) = scene.refunds(plan)
    assert refund.state is RefundState.PENDING
    assert scene.audited() == before


def test_a_refund_without_its_plan_is_a_bug(scene: Scene) -> None:
    with scene.storage.read(scene.tenant.id) as uow, pytest.raises(KeyError):
        plan_of(uow, a_refund(plan="nobody"))


# --- by hand --------------------------------------------------------------------------------------


def attest(scene: Scene, plan: Plan, note: str = "", part: RefundId | None = None) -> bool:
    with scene.storage.begin(scene.tenant.id) as uow:
        done = attest_by_hand(uow, plan.id, "agent Ana", note, scene.clock.now(), part)
        uow.commit()
    return done


def release(scene: Scene, plan: Plan, part: RefundId | None = None) -> bool:
    with scene.storage.begin(scene.tenant.id) as uow:
        done = release_by_hand(uow, plan.id, "agent Ana", "", scene.clock.now(), part)
        uow.commit()
    return done


def only(scene: Scene, plan: Plan) -> RefundId:
    (refund,) = scene.refunds(plan)
    return refund.id


def test_a_person_attests_what_she_refunded_by_hand(scene: Scene) -> None:
    plan = by_hand(scene)
    assert scene.held() == {"c1"}
    assert attest(scene, plan)
    scene.work()
    assert scene.states(plan) == [RefundState.SUCCEEDED]
    assert scene.held() == set()
    assert scene.bank.paid == []
    assert not attest(scene, plan)
    with scene.storage.read(scene.tenant.id) as uow:
        last = uow.refunds.moves(plan.id)[-1]
    assert (last.actor, last.reason, last.evidence) == ("agent Ana", "by_hand", "attested")


def needs_person(scene: Scene) -> Plan:
    plan = scene.decided(scene.sell(a_course("c1")))
    scene.bank.moods = [Mood.SILENT_AFTER]
    scene.wait(seconds=10)
    settle(scene, plan, Move(RefundState.NEEDS_PERSON, None, None, "never_answered"))
    return plan


def test_a_person_who_found_it_at_the_gateway_attests_it(scene: Scene) -> None:
    plan = needs_person(scene)
    assert not attest(scene, plan, "a worksheet's press")
    assert attest(scene, plan, "seen in the dashboard", only(scene, plan))
    scene.work()
    assert scene.held() == set()


def test_a_person_who_found_nothing_at_the_gateway_frees_the_amount(scene: Scene) -> None:
    plan = needs_person(scene)
    assert not release(scene, plan)
    assert release(scene, plan, only(scene, plan))
    assert scene.states(plan) == [RefundState.WITHDRAWN]
    scene.shop.shows_refunds = False
    assert scene.plan(scene.shop.orders["10412"]).amount == eur(4900)
    scene.work()
    (mail,) = scene.mailer.sent  # of the silence; who released it needs no telling
    assert "The gateway never said what became of it." in mail.body
    assert [note.field for note in scene.desk.notes] == [""]  # it had not ended


def test_nothing_is_released_that_can_be_undone(scene: Scene) -> None:
    plan = by_hand(scene)
    assert not release(scene, plan)
    assert not release(scene, plan, only(scene, plan))
    assert scene.states(plan) == [RefundState.MANUAL]


def test_a_plan_without_refunds_has_nothing_to_attest(scene: Scene) -> None:
    assert not attest(scene, scene.plan(scene.sell(a_course())))
