"""Applying a store's events: sales, cancellations, and our own refunds told by the store."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugin.domain.access_map import AccessMap
from plugin.domain.events import (
    DisputeNews,
    NamedBy,
    SaleMade,
    StoreEvent,
    TagNews,
)
from plugin.domain.facts import Refunded
from plugin.domain.ids import TicketId
from plugin.domain.orders import DisputeStage, RefundStage
from plugin.domain.refunds import RefundState
from plugin.services.applying import (
    PATIENCE,
    Applied,
    MustWait,
)
from plugin.storage.database import open_database
from plugin.storage.keyring import Keyring
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import (
    BANK,
    EMAIL,
    NOW,
    STORE,
    a_bundle,
    a_course,
    a_line,
    a_payment_ref,
    a_tag,
    a_tenant,
    ago,
    an_order,
    an_order_ref,
    eur,
    soon,
)
from tests.fakes.platforms import Mood
from tests.services.event_cases import (
    by_hand,
    cancelled,
    facts,
    hand_sale,
    hold,
    refunded,
    told,
)
from tests.services.scene import Scene
from tests.storage_fixtures import FakeClock

# --- sales and cancellations ----------------------------------------------------------------------


def test_a_sale_fills_the_ledger_and_tells_nobody(scene: Scene) -> None:
    assert scene.apply(SaleMade(hand_sale(a_course("c1"), a_tag("t1")))) == Applied()
    assert scene.owed() == {"c1", "t1"}
    assert scene.work() == 0


def test_a_cancelled_sale_takes_what_only_it_gave_and_tells(scene: Scene) -> None:
    only, shared = a_course("only", "Ink & Line"), a_course("shared", "Gouache")
    hold(scene, only, shared, a_tag("t1"))
    scene.desk.open_tickets[EMAIL] = [TicketId("91")]
    order = hand_sale(only, shared, a_tag("t1"))
    scene.apply(SaleMade(order))
    scene.apply(SaleMade(hand_sale(shared, ref="other", days=60)))
    scene.apply(cancelled(order))
    scene.work()
    assert scene.held() == {"shared"}
    (mail,) = scene.mailer.sent
    assert mail.to == "owner@shop.example"
    assert "Course Ink & Line" in mail.body
    assert "Course Gouache, also bought on" in mail.body
    (note,) = scene.desk.notes
    assert note.ticket == "91"


HISTORY: dict[str, Callable[[], StoreEvent]] = {
    "sold": lambda: SaleMade(hand_sale(a_course("c1"), a_course("c2"), a_tag("t1"))),
    "sold other": lambda: SaleMade(hand_sale(a_course("c2"), ref="other", days=60)),
    "cancelled": lambda: cancelled(hand_sale(a_course("c1"), a_course("c2"), a_tag("t1"))),
    "tag added": lambda: TagNews(EMAIL, a_tag("t1"), added=True, at=ago(days=9)),
    "disputed": lambda: DisputeNews(
        a_payment_ref("pay-other", STORE), "dp-1", eur(4900), DisputeStage.WON, ago(days=3)
    ),
}


def end_state(scene: Scene) -> tuple[object, ...]:
    ledger = scene.ledger()
    owed = tuple(sorted((r.kind, r.ref) for r in ledger.owed()))
    ended = tuple(sorted((h.resource.kind, h.resource.ref) for h in ledger.ended()))
    return owed, ended, tuple(sorted(scene.held()))


EXPECTED = ((("course", "c2"),), (("course", "c1"), ("tag", "t1")), ("c2",))


@pytest.mark.parametrize("order", list(itertools.permutations(("sold", "sold other", "cancelled"))))
def test_in_any_order_the_end_is_the_same(scene: Scene, order: Sequence[str]) -> None:
    hold(scene, a_course("c1"), a_course("c2"), a_tag("t1"))
    for name in order:
        scene.apply(HISTORY[name]())
        scene.work()
    assert end_state(scene) == EXPECTED
    assert len(told(scene)) == 1


@pytest.fixture
def fresh_scene(tmp_path: Path, migrated_sqlite: Path, secret_key: str) -> Callable[[], Scene]:
    """Scenes of their own, one after the other: for examples that Hypothesis makes."""
    numbers = itertools.count()

    def make() -> Scene:
        path = tmp_path / f"example-{next(numbers)}.db"
        shutil.copy(migrated_sqlite, path)
        engine = open_database(f"sqlite:///{path}")
        storage = SqlStorage(engine, Keyring([secret_key]))
        tenant = a_tenant()
        storage.add_tenant(tenant, NOW)
        made = Scene(storage, tenant, FakeClock()).open()
        made.close = engine.dispose
        return made

    return make


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_shuffled_repeated_and_late_the_end_is_the_same(
    fresh_scene: Callable[[], Scene], data: st.DataObject
) -> None:
    needed = data.draw(st.permutations(["sold", "sold other", "cancelled"]))
    more = data.draw(st.lists(st.sampled_from(sorted(HISTORY)), max_size=5))
    names = [*needed]
    for name in more:
        names.insert(data.draw(st.integers(0, len(names))), name)
    works = data.draw(st.lists(st.booleans(), min_size=len(names), max_size=len(names)))
    late = data.draw(st.sampled_from([0, 20 * 60, 86400 * 20]))
    scene = fresh_scene()
    try:
        hold(scene, a_course("c1"), a_course("c2"), a_tag("t1"))
        for name, is_worked in zip(names, works, strict=True):
            scene.apply(HISTORY[name](), age=timedelta(seconds=late))
            if is_worked:
                scene.work()
        scene.work()
        assert end_state(scene) == EXPECTED
        assert len(told(scene)) == 1
    finally:
        scene.close()


def test_a_dropped_sale_is_made_up_for_by_its_cancellation(scene: Scene) -> None:
    hold(scene, a_course("c1"))
    scene.apply(cancelled(hand_sale(a_course("c1"))))
    scene.work()
    assert scene.held() == set()


def test_a_cancellation_that_names_no_sale_we_know_is_of_the_same_plan(scene: Scene) -> None:
    hold(scene, a_course("c1"))
    old = hand_sale(a_course("c1"), ref="old", days=60, product="p-1")
    new = hand_sale(a_course("c1"), ref="new", product="p-1")
    for order in (old, new):
        scene.apply(SaleMade(order))
    unnamed = hand_sale(ref="unnumbered", product="p-1")
    unnamed = replace(unnamed, lines=tuple(replace(line, gives=None) for line in unnamed.lines))
    for _ in range(2):  # told twice it is still one sale
        scene.apply(cancelled(unnamed, named_by=NamedBy.PLAN))
        scene.work()
    (fact,) = facts(scene, Refunded)
    assert isinstance(fact, Refunded)
    assert fact.order == new.ref
    assert scene.owed() == scene.held() == {"c1"}
    scene.apply(cancelled(unnamed, "cancel-2", NamedBy.PLAN))
    scene.work()
    assert scene.owed() == scene.held() == set()


def test_a_cancellation_without_a_name_and_without_a_sale_is_a_sale_of_its_own(
    scene: Scene,
) -> None:
    hold(scene, a_course("c1"))
    scene.apply(cancelled(hand_sale(a_course("c1"), ref="unnumbered"), named_by=NamedBy.PLAN))
    scene.work()
    assert scene.held() == set()


def test_a_named_sale_from_before_we_were_connected_is_nobody_elses(scene: Scene) -> None:
    """The buyer has bought the same again since then: that sale lives, and its course stays."""
    hold(scene, a_course("c1"))
    new = hand_sale(a_course("c1"), ref="new", product="p-1")
    before_us = hand_sale(a_course("c1"), ref="before us", days=400, product="p-1")
    scene.apply(SaleMade(new))
    for named_by in (NamedBy.ORDER, NamedBy.LINE):
        line = a_line("item-of-its-own", order=before_us.ref, product="p-1", gives=None)
        scene.apply(cancelled(replace(before_us, lines=(line,)), named_by=named_by))
        scene.work()
    assert scene.owed() == scene.held() == {"c1"}
    (fact,) = facts(scene, Refunded)
    assert isinstance(fact, Refunded)
    assert fact.order == before_us.ref
    scene.apply(cancelled(new, "cancel-2"))
    scene.work()
    assert scene.owed() == scene.held() == set()


def test_a_cancellation_that_names_the_line_alone_is_of_the_sale_with_that_line(
    scene: Scene,
) -> None:
    sold = [
        replace(order, lines=(a_line(f"item-{ref}", order=order.ref, product="p-1"),))
        for ref in ("old", "new")
        for order in (hand_sale(ref=ref, product="p-1"),)
    ]
    for order in sold:
        scene.apply(SaleMade(order))
    told = hand_sale(ref="item:item-old", product="p-1")
    line = a_line("item-old", order=told.ref, product="p-1", gives=None)
    scene.apply(cancelled(replace(told, lines=(line,)), named_by=NamedBy.LINE))
    (fact,) = facts(scene, Refunded)
    assert isinstance(fact, Refunded)
    assert fact.order == sold[0].ref


@pytest.mark.parametrize("order", list(itertools.permutations(("old", "cancelled", "new"))))
def test_a_named_cancellation_may_come_before_its_sale(scene: Scene, order: Sequence[str]) -> None:
    old = hand_sale(a_course("c1"), ref="old", days=60, product="p-1")
    new = hand_sale(a_course("c1"), ref="new", product="p-1")
    news: dict[str, StoreEvent] = {
        "old": SaleMade(old),
        "cancelled": cancelled(new),
        "new": SaleMade(new),
    }
    for name in (*order, "cancelled"):
        scene.apply(news[name])
    (fact,) = facts(scene, Refunded)
    assert isinstance(fact, Refunded)
    assert fact.order == new.ref
    assert scene.owed() == {"c1"}


def test_an_unnamed_cancellation_that_comes_before_its_sale_is_counted_once(scene: Scene) -> None:
    """It was taken for the older sale of the same plan: so it stays, and the new sale lives."""
    old = hand_sale(a_course("c1"), ref="old", days=60, product="p-1")
    new = hand_sale(a_course("c1"), ref="new", product="p-1")
    unnamed = cancelled(hand_sale(ref="unnumbered", product="p-1"), named_by=NamedBy.PLAN)
    for event in (SaleMade(old), unnamed, SaleMade(new), unnamed):
        scene.apply(event)
    assert len(facts(scene, Refunded)) == 1
    assert scene.owed() == {"c1"}


def test_a_cancellation_under_another_line_name_ends_the_line_of_the_same_plan(
    scene: Scene,
) -> None:
    order = hand_sale(a_course("c1"))
    scene.apply(SaleMade(order))
    other_name = a_line("plan:1", gives=None, product="plan-10412")
    scene.apply(cancelled(replace(order, lines=(other_name,), payments=())))
    assert scene.owed() == set()


def test_a_cancellation_of_one_line_leaves_the_others(scene: Scene) -> None:
    order = hand_sale(a_course("c1"))
    other = a_line("2", gives=(a_course("c2"),), product="p-2")
    scene.apply(SaleMade(replace(order, lines=(*order.lines, other))))
    scene.apply(cancelled(order))
    assert scene.owed() == {"c2"}


def test_what_a_cancellation_tells_of_the_lines_is_kept(scene: Scene) -> None:
    order = hand_sale(a_course("c1"))
    untold = tuple(replace(line, gives=None) for line in order.lines)
    scene.apply(SaleMade(replace(order, lines=untold)))
    more = a_line("2", gives=(a_course("c2"),), product="p-2")
    scene.apply(cancelled(replace(order, lines=(*order.lines, more))))
    with scene.storage.read(scene.tenant.id) as uow:
        kept = uow.orders.get(order.ref)
    assert kept is not None
    assert [line.gives for line in kept.lines] == [(a_course("c1"),), (a_course("c2"),)]
    assert all(line.refunded == line.paid for line in kept.lines)
    assert kept.payments[0].refunded == eur(4900)


def test_what_nobody_told_is_said_to_be_unknown(scene: Scene) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        access = AccessMap(products={(STORE, "p-known"): (a_course("c1"),)})
        uow.settings.save_access_map(STORE, access, NOW)
        uow.commit()
    order = an_order_ref()
    lines = (
        a_line("1", gives=None, title="Mystery box"),
        a_line("2", gives=None, product="p-known", title="Known plan"),
        a_line("3", gives=(a_bundle("b1", "The Shelf"),), product="p-3"),
    )
    scene.apply(cancelled(an_order(*lines, payments=(), ref=order)))
    scene.work()
    body = scene.mailer.sent[0].body
    assert "what Mystery box opened: nobody told" in body
    assert "what the bundle The Shelf holds" in body
    assert "Known plan opened" not in body


# --- our own refunds, told by the store -----------------------------------------------------------


def test_a_refund_by_hand_is_closed_by_the_stores_event(scene: Scene) -> None:
    plan = by_hand(scene)
    scene.apply(cancelled(hand_sale(a_course("c1"))))
    scene.work()
    assert scene.states(plan) == [RefundState.SUCCEEDED]
    assert len(facts(scene, Refunded)) == 1
    assert scene.held() == set()
    assert told(scene) == []
    assert len(scene.desk.replies) == len(scene.desk.notes) == 1


def test_a_part_by_hand_does_not_hide_that_all_of_it_was_cancelled(scene: Scene) -> None:
    plan = by_hand(scene, cents=1000)
    scene.apply(cancelled(hand_sale(a_course("c1"))))
    scene.work()
    assert scene.states(plan) == [RefundState.SUCCEEDED]
    assert scene.held() == set()
    assert len(told(scene)) == 1


def test_a_cancellation_waits_for_our_own_call_and_is_then_one_entry(scene: Scene) -> None:
    order = scene.sell(a_course("c1"))
    scene.decided(order)
    event = cancelled(order)
    assert scene.apply(event) == MustWait(soon(seconds=5))
    scene.wait(seconds=10)
    assert scene.apply(event) == Applied()
    scene.work()
    assert len(facts(scene, Refunded)) == 1
    assert told(scene) == []


def test_a_cancellation_does_not_wait_for_ever(scene: Scene) -> None:
    order = scene.sell(a_course("c1"))
    scene.decided(order)
    scene.bank.moods = [Mood.SILENT_BEFORE]
    scene.wait(seconds=10)
    assert scene.apply(cancelled(order), age=PATIENCE) == Applied()
    assert scene.owed() == set()


def test_a_failed_refund_of_ours_does_not_hide_a_cancellation(scene: Scene) -> None:
    order = scene.sell(a_course("c1"))
    scene.decided(order)
    scene.wait(seconds=10)
    scene.apply(refunded(RefundStage.FAILED, refund="re-1"), at=BANK)
    scene.work()
    assert scene.held() == {"c1"}
    scene.apply(cancelled(order))
    scene.work()
    assert scene.held() == set()
