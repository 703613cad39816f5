"""Deciding: exactly one reservation, whoever clicks how often, and never on what has changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from threading import Barrier
from typing import TypeVar

import pytest

from plugin.domain.ids import AgentId, AgentRef
from plugin.domain.orders import Order, RefundRoute
from plugin.domain.plan import Blocked, BlockedBy, Plan
from plugin.domain.refunds import UNDO_SECONDS, RefundState
from plugin.ports import OrderQuery
from plugin.services.decide_refund import (
    AlreadyDecided,
    ChangedSince,
    Decided,
    Decision,
    PlanGone,
    WeakMatch,
)
from plugin.services.find_orders import Search
from tests.factories import (
    DESK,
    EMAIL,
    ORDER,
    a_choice,
    a_course,
    a_line,
    a_payment,
    an_order,
    eur,
    soon,
)
from tests.fakes.platforms import Mood
from tests.services.scene import Scene, sale

T = TypeVar("T")


def side_by_side(*calls: Callable[[], T]) -> list[T]:
    """Start all at the same moment, each in a thread of its own."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def reserved(scene: Scene) -> int:
    """What is reserved or further, in minor units."""
    with scene.storage.read(scene.tenant.id) as uow:
        refunds = uow.refunds.of_order(ORDER)
    live = [r for r in refunds if r.state is not RefundState.WITHDRAWN]
    return sum(refund.amount.minor for refund in live)


def test_a_decided_plan_is_reserved_for_ten_seconds_and_nothing_is_sent(scene: Scene) -> None:
    plan = scene.plan(scene.sell(a_course()))
    decision = scene.decide(plan)
    assert isinstance(decision, Decided)
    assert decision.send_at == soon(seconds=UNDO_SECONDS)
    (refund,) = scene.refunds(plan)
    assert decision.refunds == (refund,)
    assert (refund.state, refund.wake_at) == (RefundState.RESERVED, decision.send_at)
    scene.work()
    assert scene.bank.paid == []
    assert scene.audited() == ["refund.decided"]


def test_a_decision_asks_the_store_once_for_the_orders_and_once_for_what_is_held(
    scene: Scene,
) -> None:
    plan = scene.plan(scene.sell(a_course()))
    scene.shop.calls.clear()
    assert isinstance(scene.decide(plan), Decided)
    assert [name for name, _ in scene.shop.calls] == ["find_orders", "read_access"]


def decided_by(scene: Scene, plan: Plan) -> tuple[str, AgentRef | None]:
    with scene.storage.read(scene.tenant.id) as uow:
        stored = uow.plans.get(plan.id)
    assert stored is not None
    return stored.decided_by, stored.decider


def test_who_decided_is_kept_by_the_desks_own_id_beside_the_name(scene: Scene) -> None:
    scene.reader = replace(scene.reader, agent_id=AgentId("7"))
    plan = scene.decided(scene.sell(a_course()))
    assert decided_by(scene, plan) == ("Ana", AgentRef(DESK, AgentId("7")))
    scene.reader = replace(scene.reader, agent="Ben", agent_id=AgentId("8"))
    assert isinstance(scene.decide(plan), AlreadyDecided)
    assert decided_by(scene, plan) == ("Ana", AgentRef(DESK, AgentId("7")))


def test_an_agent_of_no_known_desk_or_id_is_nobody_in_particular(scene: Scene) -> None:
    plan = scene.decided(scene.sell(a_course()))
    assert decided_by(scene, plan) == ("Ana", None)
    scene.reader = replace(scene.reader, desk=None, agent_id=AgentId("7"))
    other = scene.decided(scene.sell(order=sale(a_course(), ref="order-2")))
    assert decided_by(scene, other) == ("Ana", None)


def test_a_second_click_is_answered_with_what_there_is(scene: Scene) -> None:
    plan = scene.decided(scene.sell(a_course()))
    assert isinstance(scene.decide(plan), AlreadyDecided)
    assert reserved(scene) == 4900


def test_another_hash_than_the_plan_that_was_shown_decides_nothing(scene: Scene) -> None:
    order = scene.sell(a_course())
    whole = scene.plan(order)
    less = scene.plan(order, a_choice(order, free=eur(1000)))
    decision = scene.decide(less, shown=whole.hash)
    assert isinstance(decision, ChangedSince)
    assert reserved(scene) == 0


def test_a_hash_of_the_world_does_not_pass_for_a_plan_of_another_world(scene: Scene) -> None:
    """The stored plan is carried out: it must be the one that still holds."""
    order = scene.sell(a_course())
    old = scene.plan(order)
    scene.sell(order=replace(order, payments=(a_payment("pay-10412", refunded=eur(900)),)))
    new = scene.plan(order)
    assert new.hash != old.hash
    assert isinstance(scene.decide(old, shown=new.hash), ChangedSince)
    assert reserved(scene) == 0


def test_what_changed_since_is_shown_with_a_new_plan_that_can_be_decided(scene: Scene) -> None:
    order = scene.sell(a_course())
    plan = scene.plan(order)
    scene.sell(order=replace(order, payments=(a_payment("pay-10412", refunded=eur(900)),)))
    decision = scene.decide(plan)
    assert isinstance(decision, ChangedSince)
    assert decision.before.amount == eur(4900)
    fresh = decision.now.outcome
    assert isinstance(fresh, Plan)
    assert fresh.amount == eur(4000)
    assert scene.audited() == ["refund.changed_since_shown"]
    assert isinstance(scene.decide(fresh), Decided)
    assert reserved(scene) == 4000


def test_an_expired_plan_asks_for_a_new_click(scene: Scene) -> None:
    order = scene.sell(a_course())
    plan = scene.plan(order)
    scene.clock.advance(minutes=5)
    decision = scene.decide(plan)
    assert isinstance(decision, ChangedSince)
    assert isinstance(decision.now.outcome, Plan)
    assert decision.now.outcome.id != plan.id
    assert reserved(scene) == 0


def test_a_plan_that_nothing_allows_any_more_is_blocked(scene: Scene) -> None:
    order = scene.sell(a_course())
    plan = scene.plan(order)
    scene.sell(order=replace(order, payments=(a_payment("pay-10412", dispute_open=True),)))
    decision = scene.decide(plan)
    assert isinstance(decision, ChangedSince)
    assert decision.now.outcome == Blocked(BlockedBy.DISPUTE_OPEN)


def test_two_agents_with_two_plans_reserve_once(scene: Scene) -> None:
    order = scene.sell(a_course())
    first, second = scene.plan(order), scene.plan(order)
    assert isinstance(scene.decide(first), Decided)
    decision = scene.decide(second)
    assert isinstance(decision, ChangedSince)
    assert decision.now.outcome == Blocked(BlockedBy.IN_PROGRESS)
    assert reserved(scene) == 4900


def test_a_colleague_is_shown_the_same_plan_and_may_decide_it(scene: Scene) -> None:
    order = scene.sell(a_course())
    shown = scene.plan(order)
    scene.reader = replace(scene.reader, agent="Ben")
    assert scene.plan(order).hash == shown.hash
    assert isinstance(scene.decide(shown), Decided)
    scene.wait(seconds=10)
    (note,) = scene.desk.notes
    assert note.body.endswith("By Ben.")


def test_of_two_equal_partial_refunds_the_second_is_shown_the_first(scene: Scene) -> None:
    order = scene.sell(a_course())
    part = a_choice(order, free=eur(1000))
    first, second = scene.plan(order, part), scene.plan(order, part)
    assert first.hash == second.hash
    assert isinstance(scene.decide(first), Decided)
    assert isinstance(scene.decide(second), ChangedSince)
    assert reserved(scene) == 1000


def test_a_refund_of_another_line_asks_again_too(scene: Scene) -> None:
    """What is on its way is part of what was shown: refunded so far."""
    lines = (a_line("1", paid=eur(3000)), a_line("2", paid=eur(1900)))
    order = scene.sell(order=an_order(*lines, payments=(a_payment("pay-10412"),)))
    first = scene.plan(order, a_choice(order, "1"))
    second = scene.plan(order, a_choice(order, "2"))
    assert isinstance(scene.decide(first), Decided)
    decision = scene.decide(second)
    assert isinstance(decision, ChangedSince)
    assert isinstance(decision.now.outcome, Plan)
    assert isinstance(scene.decide(decision.now.outcome), Decided)
    assert reserved(scene) == 4900


def test_an_equal_partial_refund_that_the_store_does_not_show_yet_is_seen(scene: Scene) -> None:
    scene.shop.shows_refunds = False
    order = scene.sell(a_course())
    part = a_choice(order, free=eur(1000))
    first, second = scene.plan(order, part), scene.plan(order, part)
    scene.decide(first)
    scene.wait(seconds=11)
    assert scene.states(first) == [RefundState.SUCCEEDED]
    assert isinstance(scene.decide(second), ChangedSince)
    assert reserved(scene) == 1000


def test_a_plan_that_was_decided_and_undone_meanwhile_is_not_decided_again(scene: Scene) -> None:
    plan = scene.plan(scene.sell(a_course()))
    read = scene.shop.find_orders

    def slowly(query: OrderQuery) -> Sequence[Order]:
        scene.shop.find_orders = read  # type: ignore[method-assign]  # as it was
        assert isinstance(scene.decide(plan), Decided)
        assert scene.undo(plan)
        return read(query)

    scene.shop.find_orders = slowly  # type: ignore[method-assign]  # the same call
    assert isinstance(scene.decide(plan), AlreadyDecided)
    assert reserved(scene) == 0


def test_the_very_same_plan_clicked_in_many_tabs_at_once_reserves_once(scene: Scene) -> None:
    plan = scene.plan(scene.sell(a_course()))
    decisions = side_by_side(*[lambda: scene.decide(plan)] * 6)
    assert sorted(type(d).__name__ for d in decisions) == ["AlreadyDecided"] * 5 + ["Decided"]
    assert reserved(scene) == 4900


@pytest.mark.parametrize("cents", [4900, 2000])
def test_many_agents_with_plans_of_their_own_at_once_reserve_once(scene: Scene, cents: int) -> None:
    order = scene.sell(a_course())
    plans = [scene.plan(order, a_choice(order, free=eur(cents))) for _ in range(6)]

    def deciding(plan: Plan) -> Callable[[], Decision]:
        return lambda: scene.decide(plan)

    decisions = side_by_side(*[deciding(plan) for plan in plans])
    assert [type(d).__name__ for d in decisions].count("Decided") == 1
    assert {type(d).__name__ for d in decisions} == {"Decided", "ChangedSince"}
    assert reserved(scene) == cents


def test_a_plan_of_another_tenant_or_of_nobody_is_gone(scene: Scene) -> None:
    plan = scene.plan(scene.sell(a_course()))
    assert isinstance(scene.decide(replace(plan, id=scene.fresh_id())), PlanGone)


def test_a_plan_whose_order_is_found_no_more_is_gone(scene: Scene) -> None:
    plan = scene.plan(scene.sell(a_course()))
    decision = scene.decide(plan, search=Search(emails=("other@mail.example",)))
    assert isinstance(decision, PlanGone)
    assert reserved(scene) == 0


def test_a_weak_match_moves_no_money(scene: Scene) -> None:
    plan = scene.plan(scene.sell(a_course()))
    assert isinstance(scene.decide(plan, search=Search(typed_email=EMAIL)), WeakMatch)
    assert isinstance(scene.decide(plan, search=Search(number="10412")), WeakMatch)
    named = Search(named_email=EMAIL, text="Order 10412")
    assert isinstance(scene.decide(plan, search=named), WeakMatch)
    assert isinstance(scene.decide(plan, search=replace(named, number="10412")), WeakMatch)
    assert reserved(scene) == 0
    both = Search(typed_email=EMAIL, number="10412")
    assert isinstance(scene.decide(plan, search=both), Decided)


def test_by_hand_parts_wait_for_a_person(scene: Scene) -> None:
    payment = a_payment("pay-10412", route=RefundRoute.BY_HAND)
    order = scene.sell(order=sale(a_course(), payments=(payment,)))
    plan = scene.plan(order)
    assert plan.by_hand
    decision = scene.decide(plan)
    assert isinstance(decision, Decided)
    (refund,) = decision.refunds
    assert (refund.state, refund.wake_at) == (RefundState.MANUAL, None)
    scene.wait(hours=1)
    assert scene.bank.paid == []


# --- undo -----------------------------------------------------------------------------------------


def test_undone_within_ten_seconds_nothing_is_sent_and_all_is_free_again(scene: Scene) -> None:
    order = scene.sell(a_course())
    plan = scene.decided(order)
    assert scene.undo(plan)
    scene.wait(minutes=2)
    assert scene.bank.paid == []
    assert scene.states(plan) == [RefundState.WITHDRAWN]
    assert scene.audited() == ["refund.decided", "refund.undone"]
    assert isinstance(scene.decide(scene.plan(order)), Decided)


def test_what_was_sent_cannot_be_undone(scene: Scene) -> None:
    plan = scene.decided(scene.sell(a_course()))
    scene.wait(seconds=10)
    assert not scene.undo(plan)
    assert scene.states(plan) == [RefundState.SUCCEEDED]


def test_undo_is_of_all_parts_or_of_none(scene: Scene) -> None:
    payments = (
        a_payment("pay-1", captured=eur(3000)),
        a_payment("pay-2", captured=eur(1900), route=RefundRoute.BY_HAND),
    )
    plan = scene.decided(scene.sell(order=sale(a_course(), payments=payments)))
    scene.wait(seconds=10)
    assert not scene.undo(plan)
    assert sorted(scene.states(plan)) == [RefundState.MANUAL, RefundState.SUCCEEDED]


def test_nothing_can_be_undone_of_a_plan_that_was_never_decided(scene: Scene) -> None:
    plan = scene.plan(scene.sell(a_course()))
    assert not scene.undo(plan)


def test_a_refund_that_was_sent_into_silence_cannot_be_undone_while_it_waits(scene: Scene) -> None:
    """Not found is no proof for ever: the first call may still arrive."""
    plan = scene.decided(scene.sell(a_course()))
    scene.bank.moods = [Mood.SILENT_BEFORE]
    scene.wait(seconds=10)
    scene.clock.advance(seconds=5)
    scene.send(scene.refunds(plan)[0].id)
    assert scene.states(plan) == [RefundState.RESERVED]
    assert not scene.undo(plan)


def test_a_refund_that_never_left_can_be_undone_while_it_waits(scene: Scene) -> None:
    plan = scene.decided(scene.sell(a_course()))
    scene.bank.moods = [Mood.BUSY]
    scene.wait(seconds=10)
    assert scene.states(plan) == [RefundState.RESERVED]
    assert scene.undo(plan)


def test_undo_that_loses_the_race_changes_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = scene.decided(scene.sell(a_course()))

    def moved_by_another(*_: object) -> bool:
        return False

    with monkeypatch.context() as patch:
        patch.setattr("plugin.storage.refund_rows.RefundRows.move", moved_by_another)
        assert not scene.undo(plan)
    assert scene.states(plan) == [RefundState.RESERVED]


def test_undo_and_sending_at_the_same_moment_end_in_one_of_the_two(scene: Scene) -> None:
    for _ in range(5):
        order = scene.sell(order=sale(a_course(), ref=f"order-{scene.numbers()}"))
        plan = scene.decided(order)
        before = len(scene.bank.paid)
        scene.clock.advance(seconds=10)
        (refund,) = scene.refunds(plan)
        undone, _ = side_by_side(partial(scene.undo, plan), partial(scene.send, refund.id))
        paid = len(scene.bank.paid) - before
        assert (undone, paid) in ((True, 0), (False, 1))
