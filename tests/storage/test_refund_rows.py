"""Requests, plans and refunds: one decision per plan, one row per payment, one mover at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError

from plugin.domain.ids import AgentId, AgentRef, PlanId, RefundId, RequestId, TicketId
from plugin.domain.money import MAX_MINOR, Money
from plugin.domain.plan import Plan
from plugin.domain.refunds import Refund, RefundState
from plugin.ports.records import RefundMove, StoredPlan
from plugin.storage.unit_of_work import SqlStorage, SqlUnitOfWork
from tests.factories import (
    DESK,
    NOW,
    ORDER,
    TENANT,
    a_payment_ref,
    a_plan,
    a_refund,
    a_request,
    an_order,
    an_order_ref,
    moved,
    soon,
)

S = RefundState
REQUEST = a_request()


def planned(uow: SqlUnitOfWork, plan_id: str = "plan-1") -> Plan:
    plan = a_plan(plan_id=plan_id)
    uow.requests.save(REQUEST)
    uow.plans.add(plan, REQUEST.id)
    return plan


# --- requests -------------------------------------------------------------------------------------


def test_a_request_is_kept_and_overwritten(shop: SqlStorage) -> None:
    better = replace(REQUEST, reason_text="It was not for me.")
    with shop.begin(TENANT) as uow:
        uow.requests.save(REQUEST)
        uow.requests.save(better)

        assert uow.requests.get(REQUEST.id) == better
        assert uow.requests.get(RequestId("other")) is None


def test_a_request_is_found_by_its_ticket_and_order(shop: SqlStorage) -> None:
    ticket, phone = TicketId("77"), a_request("request-2", ticket=None)
    with shop.begin(TENANT) as uow:
        uow.requests.save(REQUEST)
        uow.requests.save(phone)

        assert uow.requests.for_ticket(DESK, ticket, ORDER) == REQUEST
        assert uow.requests.for_ticket(DESK, TicketId("78"), ORDER) is None
        assert uow.requests.for_ticket(DESK, ticket, an_order_ref("other")) is None
        assert uow.requests.get(phone.id) == phone


# --- plans ----------------------------------------------------------------------------------------


def test_a_plan_is_kept_as_it_was_shown(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        plan = planned(uow)

        assert uow.plans.get(plan.id) == StoredPlan(plan, REQUEST.id)
        assert uow.plans.get(PlanId("other")) is None


def test_a_plan_is_decided_once(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        plan = planned(uow)

        assert uow.plans.decide(plan.id, "ana", NOW)
        assert not uow.plans.decide(plan.id, "ben", soon(seconds=1))
        assert not uow.plans.decide(PlanId("other"), "ben", NOW)
        assert uow.plans.get(plan.id) == StoredPlan(plan, REQUEST.id, NOW, "ana")


def test_the_first_who_decides_is_kept_by_desk_and_id(shop: SqlStorage) -> None:
    ana, ben = AgentRef(DESK, AgentId("7")), AgentRef(DESK, AgentId("8"))
    with shop.begin(TENANT) as uow:
        plan = planned(uow)

        assert uow.plans.decide(plan.id, "ana", NOW, ana)
        assert not uow.plans.decide(plan.id, "ben", NOW, ben)
        assert uow.plans.get(plan.id) == StoredPlan(plan, REQUEST.id, NOW, "ana", ana)


def test_a_plan_is_never_overwritten(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        planned(uow)
        with pytest.raises(IntegrityError):
            planned(uow)


# --- refunds --------------------------------------------------------------------------------------


def reserved(uow: SqlUnitOfWork, **changes: object) -> Refund:
    planned(uow)
    refund = replace(a_refund(wake_at=NOW), **changes)  # type: ignore[arg-type]  # fields of Refund
    assert uow.refunds.add(refund, "ana", NOW)
    return refund


def to_submitting(refund: Refund) -> RefundMove:
    return RefundMove(refund.id, "reserved", "submitting", soon(seconds=10), "worker")


def test_a_refund_is_kept_with_its_first_move(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        refund = reserved(uow, reason="r" * 255, gateway_ref="re_1")

        assert uow.refunds.get(refund.id) == refund
        assert uow.refunds.get(RefundId("other")) is None
        assert uow.refunds.moves(refund.plan) == [
            RefundMove(refund.id, "planned", "reserved", NOW, "ana")
        ]


def test_one_payment_of_a_plan_has_one_refund_whatever_its_id(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        refund = reserved(uow)

        assert not uow.refunds.add(refund, "ben", NOW)
        assert not uow.refunds.add(replace(refund, id=RefundId("another-id")), "ben", NOW)
        assert uow.refunds.of_plan(refund.plan) == [refund]
        assert len(uow.refunds.moves(refund.plan)) == 1


def test_refunds_are_found_by_plan_order_and_payment(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        first = reserved(uow)
        planned(uow, "plan-2")
        second = a_refund(
            plan="plan-2",
            payment=a_payment_ref("pay-2"),
            order=an_order(ref=an_order_ref("2")).ref,
            send_at=soon(seconds=5),
        )
        uow.refunds.add(second, "ana", soon(seconds=5))
        second = replace(second, changed_at=soon(seconds=5))

        assert uow.refunds.of_plan(PlanId("plan-2")) == [second]
        assert uow.refunds.of_order(ORDER) == [first]
        assert uow.refunds.of_payment(a_payment_ref("pay-2")) == [second]
        assert uow.refunds.of_payment(a_payment_ref("pay-3")) == []
        assert uow.refunds.newest(9) == [second, first]
        assert uow.refunds.newest(1) == [second]
        assert uow.refunds.oldest(9, tuple(S)) == [first, second]
        assert uow.refunds.oldest(1, tuple(S)) == [first]


def test_newer_refunds_never_push_one_of_another_state_out_of_its_list(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        waits = reserved(uow, state=S.MANUAL, wake_at=None)
        for number in range(2, 5):
            planned(uow, f"plan-{number}")
            paid = a_refund(plan=f"plan-{number}", state=S.SUCCEEDED)
            uow.refunds.add(paid, "ana", soon(minutes=number))

        assert waits.id not in {refund.id for refund in uow.refunds.newest(3)}
        assert [r.id for r in uow.refunds.newest(3, [S.MANUAL, S.UNKNOWN])] == [waits.id]
        assert len(uow.refunds.newest(2, [S.SUCCEEDED])) == 2
        assert uow.refunds.newest(3, [S.UNKNOWN]) == []


def test_of_two_who_move_a_refund_one_wins(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        refund = reserved(uow)
        sent = moved(refund, S.SUBMITTING, wake_at=soon(seconds=30), reason="x" * 300)

        assert uow.refunds.move(refund, sent, to_submitting(refund))
        assert not uow.refunds.move(
            refund, moved(refund, S.WITHDRAWN), replace(to_submitting(refund), after="withdrawn")
        )
        expected = replace(sent, reason="x" * 255, changed_at=soon(seconds=10))
        assert uow.refunds.get(refund.id) == expected
        assert [move.after for move in uow.refunds.moves(refund.plan)] == [
            "reserved",
            "submitting",
        ]


def test_who_believes_it_in_another_state_moves_nothing(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        refund = reserved(uow)
        mistaken = replace(refund, state=S.SUBMITTING)

        done = RefundMove(refund.id, "submitting", "succeeded", NOW, "worker")
        assert not uow.refunds.move(mistaken, moved(mistaken, S.SUCCEEDED), done)
        assert uow.refunds.get(refund.id) == refund


def test_a_wake_that_others_did_before_is_lost_too(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        refund = reserved(uow)
        awake = moved(refund, S.RESERVED, wake_at=soon(minutes=1))
        look = RefundMove(refund.id, "reserved", "reserved", NOW, "worker")

        assert uow.refunds.move(refund, awake, look)
        assert not uow.refunds.move(refund, awake, look)
        assert len(uow.refunds.moves(refund.plan)) == 1
        assert uow.refunds.get(refund.id) == replace(awake, changed_at=NOW)


def test_a_refund_is_woken_earlier_but_never_later(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        refund = reserved(uow, wake_at=soon(hours=1))
        uow.refunds.wake(refund, soon(hours=2))
        assert uow.refunds.get(refund.id) == refund

        uow.refunds.wake(refund, soon(minutes=1))
        assert uow.refunds.get(refund.id) == replace(refund, wake_at=soon(minutes=1))
        assert len(uow.refunds.moves(refund.plan)) == 1


def test_a_refund_that_sleeps_for_good_is_not_woken(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        refund = reserved(uow, wake_at=None)
        uow.refunds.wake(refund, NOW)

        assert uow.refunds.get(refund.id) == refund


def test_every_move_is_kept_with_who_why_and_evidence(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        refund = reserved(uow)
        sent = moved(refund, S.SUBMITTING)
        done = moved(sent, S.SUCCEEDED, gateway_ref="re_1")
        first = to_submitting(refund)
        second = RefundMove(
            refund.id, "submitting", "succeeded", soon(seconds=11), "worker", "r" * 300, "re_1"
        )
        uow.refunds.move(refund, sent, first)
        uow.refunds.move(sent, done, second)

        assert uow.refunds.moves(refund.plan)[1:] == [first, replace(second, reason="r" * 255)]


def test_money_of_any_size_is_kept_to_the_last_unit(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        refund = reserved(uow, amount=Money(MAX_MINOR, "JPY"))

        assert uow.refunds.get(refund.id) == refund
