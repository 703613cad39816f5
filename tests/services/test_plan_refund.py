"""Planning: what a refund would do, from what the stores say now; and why there is no plan."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugin.domain.access_map import AccessMap
from plugin.domain.effects import AddTicketNote, TellCustomer
from plugin.domain.errors import NeedsHuman, RetryLater
from plugin.domain.orders import Order, RefundRoute, SubscriptionStatus
from plugin.domain.plan import Blocked, BlockedBy, Plan
from plugin.domain.verdict import VerdictKind
from plugin.ports import HoldsAccess
from plugin.services.plan_refund import (
    PlanRefund,
    Reader,
    ledger_for_order,
    may_move_money,
    request_id_for,
)
from plugin.services.settle_refund import attest_by_hand
from tests.factories import (
    BANK,
    DESK,
    EMAIL,
    NOW,
    STORE,
    a_choice,
    a_course,
    a_line,
    a_payment,
    a_refund,
    a_request,
    a_subscription,
    a_tag,
    an_order,
    an_order_ref,
    eur,
)
from tests.fakes.platforms import one_after_the_other
from tests.services.scene import Scene, sale


def blocked(scene: Scene, order: Order, *lines: str) -> BlockedBy:
    outcome = scene.preview(order, a_choice(order, *lines)).outcome
    assert isinstance(outcome, Blocked), outcome
    return outcome.by


def test_a_plan_is_stored_with_its_request_and_moves_nothing(scene: Scene) -> None:
    order = scene.sell(a_course("c1"), a_tag("t1"))
    preview = scene.preview(order)
    plan = preview.outcome
    assert isinstance(plan, Plan)
    assert preview.verdict.kind is VerdictKind.ELIGIBLE
    with scene.storage.read(scene.tenant.id) as uow:
        stored = uow.plans.get(plan.id)
        request = uow.requests.get(a_request().id)
        assert uow.refunds.of_plan(plan.id) == []
    assert stored is not None
    assert (stored.plan, stored.request, stored.decided_at) == (plan, a_request().id, None)
    assert request == a_request()
    assert scene.bank.paid == []
    assert scene.held() == {"c1", "t1"}


def test_what_the_store_says_is_gone_already_is_marked(scene: Scene) -> None:
    order = scene.sell(a_course("c1"))
    scene.shop.held[EMAIL].clear()
    (item,) = scene.plan(order).goes
    assert item.already


def test_a_store_that_does_not_say_what_she_holds_is_unknown(scene: Scene) -> None:
    order = scene.sell(a_course("c1", "Ink & Line"))
    scene.shop.raises["read_access"] = [RetryLater("down")]
    (item,) = scene.plan(order).unknown
    assert (item.why, item.title, item.installation) == ("store_silent", "Ink & Line", STORE)


def test_a_bug_of_ours_is_not_taken_for_silence(scene: Scene) -> None:
    order = scene.sell(a_course("c1"))
    scene.shop.raises["read_access"] = [ZeroDivisionError()]
    with pytest.raises(ZeroDivisionError):
        scene.plan(order)


def test_only_stores_are_asked_what_she_holds(scene: Scene) -> None:
    order = scene.sell()
    scene.platforms.lack(BANK, HoldsAccess)
    planner = PlanRefund(scene.storage, scene.platforms, one_after_the_other)
    assert set(planner.read_holdings(scene.tenant.id, order)) == {STORE}


def test_an_order_of_a_silent_store_is_not_planned(scene: Scene) -> None:
    order = scene.sell()
    scene.find()
    scene.shop.raises["find_orders"] = [RetryLater("down")]
    assert blocked(scene, order) is BlockedBy.VERDICT_UNKNOWN


def test_without_a_policy_a_person_must_choose_one(scene: Scene) -> None:
    order = scene.sell()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("plugin.storage.setting_rows.SettingRows.policy", lambda _: None)
        with pytest.raises(NeedsHuman, match="no_policy"):
            scene.plan(order)


def test_what_the_policy_does_not_give_back_is_no_refund_in_progress(scene: Scene) -> None:
    order = scene.sell(order=sale(days=40))
    assert blocked(scene, order) is BlockedBy.NOT_ELIGIBLE


# --- what another purchase still gives ------------------------------------------------------------


def test_what_was_bought_twice_stays_though_no_event_told_of_it(scene: Scene) -> None:
    course = a_course("c1")
    first = scene.sell(order=sale(course, ref="first", days=40))
    second = scene.sell(order=sale(course, ref="second", days=2))
    plan = scene.plan(second)
    assert plan.goes == ()
    assert [item.resource.ref for item in plan.stays] == ["c1"]
    scene.decide(plan)
    scene.wait(seconds=10)
    assert scene.held() == {"c1"}
    assert scene.shop.called("revoke") == []
    assert first.ref != second.ref


@pytest.mark.parametrize("why", ["refunded", "ended", "untold"])
def test_a_purchase_that_gives_nothing_any_more_keeps_nothing(scene: Scene, why: str) -> None:
    course = a_course("c1")
    other = sale(course, ref="other", days=40)
    match why:
        case "refunded":
            payment = a_payment("pay-other", refunded=eur(4900))
            other = replace(other, payments=(payment,))
        case "ended":
            ended = a_subscription(status=SubscriptionStatus.ENDED)
            other = replace(other, subscription=ended)
        case _:
            other = replace(other, lines=(a_line(gives=None, order=other.ref),))
    scene.sell(order=other)
    plan = scene.plan(scene.sell(order=sale(course, ref="second", days=2)))
    assert [item.resource.ref for item in plan.goes] == ["c1"]


def test_a_purchase_that_the_access_map_explains_keeps_what_it_gives(scene: Scene) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        access = AccessMap(products={(STORE, "p-map"): (a_course("c1"),)})
        uow.settings.save_access_map(STORE, access, NOW)
        uow.commit()
    ref = an_order_ref("other")
    line = a_line(gives=None, order=ref, product="p-map")
    scene.sell(order=sale(ref="other", days=40, lines=(line,)))
    plan = scene.plan(scene.sell(order=sale(a_course("c1"), ref="second", days=2)))
    assert plan.goes == ()


def test_the_ledger_of_an_order_knows_the_order_itself(scene: Scene) -> None:
    order = sale(a_course("c1"))
    with scene.storage.read(scene.tenant.id) as uow:
        assert [r.ref for r in ledger_for_order(uow, order, NOW).owed()] == ["c1"]


# --- what is promised already ---------------------------------------------------------------------


def two_lines(scene: Scene) -> Order:
    lines = (
        a_line("1", gives=(a_course("c1"),), paid=eur(3000)),
        a_line("2", gives=(a_course("c2"),), paid=eur(1900)),
    )
    return scene.sell(order=an_order(*lines, payments=(a_payment("pay-10412"),)))


def test_a_line_that_is_on_its_way_is_not_due_a_second_time(scene: Scene) -> None:
    order = two_lines(scene)
    scene.decided(order, a_choice(order, "1"))
    assert blocked(scene, order, "1") is BlockedBy.IN_PROGRESS
    assert scene.plan(order, a_choice(order, "2")).amount == eur(1900)


def test_a_line_that_went_back_is_not_due_though_the_store_shows_no_lines(scene: Scene) -> None:
    order = two_lines(scene)
    scene.decided(order, a_choice(order, "1"))
    scene.wait(seconds=10)
    assert blocked(scene, order, "1") is BlockedBy.NOT_ELIGIBLE
    scene.decided(order, a_choice(order, "2"))
    scene.wait(seconds=10)
    assert sum(paid.amount.minor for paid in scene.bank.paid) == 4900
    assert scene.held() == set()


def test_what_is_left_of_a_line_may_still_go_back(scene: Scene) -> None:
    order = scene.sell(a_course("c1"))
    scene.decided(order, a_choice(order, free=eur(1000)))
    assert scene.plan(order).amount == eur(3900)
    scene.wait(seconds=10)
    assert scene.held() == {"c1"}
    assert scene.plan(order).amount == eur(3900)


def test_what_was_refunded_by_hand_counts_though_no_store_shows_it(scene: Scene) -> None:
    payment = a_payment("pay-10412", route=RefundRoute.BY_HAND)
    order = scene.sell(order=sale(a_course("c1"), payments=(payment,)))
    plan = scene.decided(order, a_choice(order, free=eur(1000)))
    with scene.storage.begin(scene.tenant.id) as uow:
        attest_by_hand(uow, plan.id, "agent", "", NOW)
        uow.commit()
    assert scene.plan(order).amount == eur(3900)


def test_an_amount_over_what_is_left_is_blocked_with_the_most_that_could_go(scene: Scene) -> None:
    order = scene.sell()
    outcome = scene.preview(order, a_choice(order, free=eur(4901))).outcome
    assert outcome == Blocked(BlockedBy.OVER_POLICY, eur(4900))


def test_a_refund_without_its_plan_is_a_bug(scene: Scene) -> None:
    order = scene.sell()
    lost = a_refund(plan="lost", payment=order.payments[0].ref)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("plugin.storage.refund_rows.RefundRows.of_payment", lambda *_: [lost])
        with pytest.raises(KeyError):
            scene.plan(order)


# --- words ----------------------------------------------------------------------------------------


def tells(plan: Plan) -> tuple[AddTicketNote | None, TellCustomer]:
    effects = [planned.effect for planned in plan.effects]
    notes = [effect for effect in effects if isinstance(effect, AddTicketNote)]
    (customer,) = [effect for effect in effects if isinstance(effect, TellCustomer)]
    return (notes[0] if notes else None), customer


def test_the_ticket_gets_a_note_and_the_customer_a_reply(scene: Scene) -> None:
    note, customer = tells(scene.plan(scene.sell(a_course("c1", "Ink & Line"))))
    assert note is not None
    assert (note.desk, note.ticket, note.add_tags) == (DESK, "77", ("refunded",))
    assert note.field == "Refunded 49.00 EUR"
    assert "49.00\u00a0EUR" in note.body
    assert "Ana" not in note.body  # who decides is not known yet
    assert (customer.desk, customer.ticket) == (DESK, "77")
    assert "Course Ink & Line" in customer.body
    assert "Watercolour Studio" in customer.body


def test_only_the_note_names_tags_which_are_the_sellers_own_words(scene: Scene) -> None:
    order = scene.sell(a_course("c1", "Ink & Line"), a_tag("t1", "complains a lot"))
    note, customer = tells(scene.plan(order))
    assert note is not None
    assert "Tag complains a lot" in note.body
    assert "Course Ink & Line" in customer.body
    assert "complains" not in customer.body


def test_where_no_reply_can_be_written_the_customer_gets_mail(scene: Scene) -> None:
    scene.reader = replace(scene.reader, can_reply=False)
    note, customer = tells(scene.plan(scene.sell()))
    assert note is not None
    assert (customer.desk, customer.ticket, customer.email) == (None, None, EMAIL)


def test_without_a_ticket_there_is_no_note(scene: Scene) -> None:
    scene.reader = Reader("en", None, None, can_reply=False, agent="Ana")
    note, _ = tells(scene.plan(scene.sell()))
    assert note is None


def test_names_from_stores_cannot_break_a_text(scene: Scene) -> None:
    evil = "Ink\r\nBcc: x@y.example\x00"
    line = a_line(title=evil, gives=(a_course("c1", evil),))
    payment = replace(a_payment("pay-10412"), label=evil)
    order = an_order(line, payments=(payment,))
    scene.sell(order=replace(order, name=evil))
    note, customer = tells(scene.plan(order))
    assert note is not None
    assert "\n" not in customer.subject
    assert "\r" not in customer.body + note.body
    assert "Ink Bcc: x@y.example" in customer.body


def test_money_moves_on_strong_evidence_only(scene: Scene) -> None:
    scene.sell()
    (found,) = scene.find()
    assert may_move_money(found)
    assert not may_move_money(replace(found, evidence=frozenset()))


def test_a_ticket_makes_one_request_per_order() -> None:
    order = sale()
    first = request_id_for(DESK, "77", order)
    assert first == request_id_for(DESK, "77", order)
    assert first != request_id_for(DESK, "78", order)
    assert first != request_id_for(DESK, "77", sale(ref="other"))


@pytest.mark.parametrize(("cents", "goes"), [(4900, ["c1"]), (4800, [])])
def test_the_rest_of_an_order_ends_its_line_whatever_went_back_for_no_line(
    scene: Scene, cents: int, goes: list[str]
) -> None:
    """Half of it was refunded in the gateway's own pages, which name no line."""
    line = a_line(paid=eur(9800), gives=(a_course("c1"),))
    paid = a_payment("pay-10412", captured=eur(9800), refunded=eur(4900))
    order = scene.sell(order=sale(lines=(line,), payments=(paid,)))
    plan = scene.plan(order, a_choice(order, free=eur(cents)))
    assert [item.resource.ref for item in plan.goes] == goes
