"""Store events: any order, any number of times, any lateness, the same end; our own echo once."""

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
from plugin.domain.effects import EffectState
from plugin.domain.events import (
    AccountClosed,
    DisputeNews,
    PaymentRefunded,
    SaleMade,
    SaleRefunded,
    StoreEvent,
    SubscriptionCancelled,
    SubscriptionNews,
    TagNews,
    TestDelivery,
    Unrecognised,
)
from plugin.domain.facts import PaidUntil, Refunded
from plugin.domain.ids import InstallationId, TicketId
from plugin.domain.orders import Order, RefundRoute, Resource
from plugin.domain.plan import Plan
from plugin.domain.refunds import Move, RefundState
from plugin.ports.storage import InstallationStatus, SelfTestLine
from plugin.services.apply_event import (
    PATIENCE,
    Applied,
    Ignored,
    MustWait,
    NotRecognised,
)
from plugin.services.settle_refund import settle_refund
from plugin.storage.database import open_database
from plugin.storage.keyring import Keyring
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import (
    BANK,
    CUSTOMER,
    EMAIL,
    NOW,
    STORE,
    a_bundle,
    a_choice,
    a_course,
    a_line,
    a_payment,
    a_payment_ref,
    a_tag,
    a_tenant,
    ago,
    an_installation,
    an_order,
    an_order_ref,
    eur,
    soon,
)
from tests.fakes.platforms import Mood
from tests.services.scene import Scene, sale
from tests.storage_fixtures import FakeClock


def hand_sale(
    *gives: Resource, ref: str = "10412", days: float = 9, product: str | None = None
) -> Order:
    """A sale at a store that cannot refund by itself, of a plan of its own unless told."""
    payment = a_payment(f"pay-{ref}", route=RefundRoute.BY_HAND, account=STORE)
    line = a_line(gives=gives, order=an_order_ref(ref), product=product or f"plan-{ref}")
    return sale(ref=ref, days=days, payments=(payment,), lines=(line,))


def cancelled(order: Order, refund: str = "cancel-1") -> SaleRefunded:
    lines = tuple(replace(line, refunded=line.paid) for line in order.lines)
    payments = tuple(replace(paid, refunded=paid.captured) for paid in order.payments)
    return SaleRefunded(replace(order, lines=lines, payments=payments), ago(days=1), refund)


def refunded(
    state: str = "succeeded",
    *,
    refund: str = "re-out",
    payment: str = "pay-10412",
    amount: int = 4900,
    reference: str | None = None,
    order: Order | None = None,
    whole: bool = True,
) -> PaymentRefunded:
    return PaymentRefunded(
        a_payment_ref(payment), refund, eur(amount), state, ago(hours=1), reference, whole, order
    )


def facts(scene: Scene, kind: type) -> list[object]:
    with scene.storage.read(scene.tenant.id) as uow:
        return [fact for fact in uow.facts.of_customer(CUSTOMER) if isinstance(fact, kind)]


def told(scene: Scene) -> list[str]:
    return [mail.subject for mail in scene.mailer.sent]


def hold(scene: Scene, *resources: Resource) -> None:
    scene.shop.held[EMAIL] |= set(resources)


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
        a_payment_ref("pay-other", STORE), "dp-1", eur(4900), "won", ago(days=3)
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
        scene.apply(cancelled(unnamed))
        scene.work()
    (fact,) = facts(scene, Refunded)
    assert isinstance(fact, Refunded)
    assert fact.order == new.ref
    assert scene.owed() == scene.held() == {"c1"}
    scene.apply(cancelled(unnamed, refund="cancel-2"))
    scene.work()
    assert scene.owed() == scene.held() == set()


def test_a_cancellation_that_comes_before_its_sale_is_counted_once(scene: Scene) -> None:
    """It was taken for the older sale of the same plan: so it stays, and the new sale lives."""
    old = hand_sale(a_course("c1"), ref="old", days=60, product="p-1")
    new = hand_sale(a_course("c1"), ref="new", product="p-1")
    for event in (SaleMade(old), cancelled(new), SaleMade(new), cancelled(new)):
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


def by_hand(scene: Scene, *, cents: int = 4900) -> Plan:
    order = scene.sell(order=hand_sale(a_course("c1")))
    return scene.decided(order, a_choice(order, free=eur(cents)))


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
    scene.apply(refunded("failed", refund="re-1"), at=BANK)
    scene.work()
    assert scene.held() == {"c1"}
    scene.apply(cancelled(order))
    scene.work()
    assert scene.held() == set()


# --- refunds at the gateway -----------------------------------------------------------------------


def sent(scene: Scene, *moods: Mood) -> Plan:
    plan = scene.decided(scene.sell(a_course("c1")))
    scene.bank.moods = list(moods)
    scene.wait(seconds=10)
    return plan


@pytest.mark.parametrize("known_by", ["reference", "id"])
def test_our_own_echo_is_one_entry_and_one_notice(scene: Scene, known_by: str) -> None:
    plan = sent(scene)
    (refund,) = scene.refunds(plan)
    event = refunded(refund="re-1")
    if known_by == "reference":
        event = refunded(refund="re-other-name", reference=refund.key)
    for _ in range(2):
        assert scene.apply(event, at=BANK) == Applied()
    scene.work()
    assert len(facts(scene, Refunded)) == 1
    assert told(scene) == []
    assert len(scene.desk.notes) == 1


def test_an_event_that_overtakes_our_answer_waits_and_then_settles(scene: Scene) -> None:
    plan = scene.decided(scene.sell(a_course("c1")))
    seen: list[object] = []

    def overtake() -> None:
        seen.append(scene.apply(refunded(refund="re-1"), at=BANK))

    scene.bank.before_paying = overtake
    scene.bank.moods = [Mood.SILENT_AFTER]
    scene.wait(seconds=10)
    (waiting,) = seen
    assert isinstance(waiting, MustWait)
    assert scene.states(plan) == [RefundState.UNKNOWN]
    assert isinstance(scene.apply(refunded(refund="re-1"), at=BANK), MustWait)  # no reference
    (refund,) = scene.refunds(plan)
    assert scene.apply(refunded(refund="re-1", reference=refund.key), at=BANK) == Applied()
    scene.work()
    assert scene.states(plan) == [RefundState.SUCCEEDED]
    assert len(facts(scene, Refunded)) == 1
    assert told(scene) == []


def test_an_event_of_a_refund_that_goes_again_waits(scene: Scene) -> None:
    plan = sent(scene, Mood.SILENT_BEFORE, Mood.BUSY)
    scene.wait(seconds=5)
    assert scene.states(plan) == [RefundState.RESERVED]
    assert isinstance(scene.apply(refunded(), at=BANK), MustWait)
    (refund,) = scene.refunds(plan)
    named = refunded(reference=refund.key)
    assert isinstance(scene.apply(named, at=BANK), MustWait)


def test_a_refund_of_another_amount_is_no_echo(scene: Scene) -> None:
    sent(scene, Mood.SILENT_BEFORE)
    assert scene.apply(refunded(amount=100, whole=False), at=BANK) == Applied()
    assert len(told(scene)) == 0
    scene.work()
    assert len(told(scene)) == 1


def test_pending_and_failed_news_move_our_refund(scene: Scene) -> None:
    plan = sent(scene, Mood.SILENT_AFTER)
    (refund,) = scene.refunds(plan)
    for state in ("pending", "pending"):
        scene.apply(refunded(state, refund="re-1", reference=refund.key), at=BANK)
        assert scene.states(plan) == [RefundState.PENDING]
    (refund,) = scene.refunds(plan)
    assert refund.wake_at is not None
    scene.apply(refunded("failed", refund="re-1"), at=BANK)
    assert scene.states(plan) == [RefundState.REFUSED]
    scene.apply(refunded("pending", refund="re-1"), at=BANK)
    assert scene.states(plan) == [RefundState.REFUSED]


def test_failed_news_of_what_waits_for_a_person_has_it_looked_up(scene: Scene) -> None:
    plan = sent(scene, Mood.SILENT_AFTER)
    (refund,) = scene.refunds(plan)
    with scene.storage.begin(scene.tenant.id) as uow:
        settle_refund(uow, refund, Move(RefundState.NEEDS_PERSON), "test", NOW)
        uow.commit()
    scene.bank.paid[0].state = "failed"
    scene.apply(refunded("failed", refund="re-1", reference=refund.key), at=BANK)
    assert scene.states(plan) == [RefundState.UNKNOWN]
    scene.work()
    assert scene.states(plan) == [RefundState.REFUSED]


def test_money_that_went_back_though_we_were_told_no_is_booked(scene: Scene) -> None:
    plan = sent(scene, Mood.NO)
    (refund,) = scene.refunds(plan)
    scene.apply(refunded(reference=refund.key, order=scene.shop.orders["10412"]), at=BANK)
    scene.work()
    assert scene.states(plan) == [RefundState.REFUSED]
    assert scene.held() == set()
    assert "refunded in" in told(scene)[-1]


def test_a_refund_made_elsewhere_runs_the_rules_once(scene: Scene) -> None:
    order = scene.sell(a_course("c1"))
    for name in ("first", "second", "first"):
        assert scene.apply(refunded(order=order), name, at=BANK) == Applied()
    scene.work()
    assert scene.held() == set()
    assert len(told(scene)) == 1
    assert len(facts(scene, Refunded)) == 1


def test_parts_refunded_elsewhere_end_nothing_until_all_is_gone(scene: Scene) -> None:
    order = scene.sell(a_course("c1"))
    part = refunded(refund="re-a", amount=1000, order=order, whole=False)
    scene.apply(part, at=BANK)
    scene.work()
    assert scene.held() == {"c1"}
    scene.apply(refunded(refund="re-b", amount=3900, order=order, whole=True), at=BANK)
    scene.work()
    assert scene.held() == set()


def test_pending_news_of_a_refund_made_elsewhere_is_ignored(scene: Scene) -> None:
    order = scene.sell(a_course("c1"))
    assert isinstance(scene.apply(refunded("pending", order=order), at=BANK), Ignored)
    assert facts(scene, Refunded) == []


def test_a_refund_elsewhere_that_fails_gives_access_back(scene: Scene) -> None:
    order = scene.sell(a_course("c1"))
    scene.apply(refunded(order=order), at=BANK)
    scene.work()
    scene.apply(refunded("failed", order=order), at=BANK)
    scene.work()
    assert scene.held() == {"c1"}


def test_a_payment_of_no_order_that_we_know_is_ignored(scene: Scene) -> None:
    assert isinstance(scene.apply(refunded(), at=BANK), Ignored)
    news = DisputeNews(a_payment_ref("x"), "dp-1", eur(1), "open", NOW)
    assert isinstance(scene.apply(news, at=BANK), Ignored)


def charge(order: Order) -> Order:
    """The gateway's own view of a sale: same buyer, amount and time."""
    ref = an_order_ref("ch-1", BANK)
    payments = (a_payment("ch-1"),)
    line = a_line("ch-1", gives=None, order=ref)
    made = order.bought_at + timedelta(minutes=2)
    return an_order(line, payments=payments, ref=ref, bought_at=made)


def test_a_charge_refunded_elsewhere_is_of_the_sale_that_it_paid_for(scene: Scene) -> None:
    order = hand_sale(a_course("c1"))
    hold(scene, a_course("c1"))
    scene.apply(SaleMade(order))
    scene.apply(refunded(payment="ch-1", order=charge(order)), at=BANK)
    scene.work()
    assert scene.held() == set()
    with scene.storage.read(scene.tenant.id) as uow:
        kept = uow.orders.get(order.ref)
    assert kept is not None
    assert kept.payments == order.payments  # the joint is made anew each time


def test_a_matched_charge_closes_a_refund_by_hand(scene: Scene) -> None:
    plan = by_hand(scene)
    order = scene.shop.orders["10412"]
    scene.apply(refunded(payment="ch-1", amount=100, order=charge(order), whole=False), at=BANK)
    assert scene.states(plan) == [RefundState.MANUAL]
    scene.apply(refunded(payment="ch-1", refund="re-2", order=charge(order)), at=BANK)
    scene.work()
    assert scene.states(plan) == [RefundState.SUCCEEDED]


# --- disputes -------------------------------------------------------------------------------------


def disputed(state: str, dispute: str = "dp-1") -> DisputeNews:
    order = sale(a_course("c1"))
    return DisputeNews(a_payment_ref("pay-10412"), dispute, eur(4900), state, ago(days=1), order)


def test_an_open_dispute_changes_no_access_and_a_lost_one_ends_it(scene: Scene) -> None:
    scene.sell(a_course("c1"))
    scene.apply(disputed("open"), at=BANK)
    scene.work()
    assert scene.held() == {"c1"}
    scene.apply(disputed("lost"), at=BANK)
    scene.work()
    assert scene.held() == set()
    scene.apply(disputed("won"), at=BANK)
    scene.work()
    assert scene.held() == {"c1"}


# --- tags -----------------------------------------------------------------------------------------


def tag_news(*, added: bool, minutes: float = 0) -> TagNews:
    return TagNews(EMAIL, a_tag("t1"), added=added, at=NOW + timedelta(minutes=minutes))


def opens_course(scene: Scene) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        access = AccessMap(tags={a_tag("t1"): (a_course("c1"),)})
        uow.settings.save_access_map(STORE, access, NOW)
        uow.commit()


def test_a_tag_that_goes_takes_what_only_it_opened(scene: Scene) -> None:
    opens_course(scene)
    hold(scene, a_course("c1"))
    scene.apply(tag_news(added=True))
    assert scene.owed() == {"t1", "c1"}
    scene.apply(tag_news(added=False, minutes=5))
    scene.work()
    assert scene.held() == set()
    assert scene.shop.called("remove_tag") == []


def test_our_own_tag_change_is_not_news(scene: Scene) -> None:
    scene.decided(scene.sell(a_course("c1"), a_tag("t1")))
    scene.wait(seconds=10)
    assert scene.shop.called("remove_tag") == ["t1"]
    assert isinstance(scene.apply(tag_news(added=False, minutes=1)), Ignored)
    assert scene.apply(tag_news(added=True, minutes=30)) == Applied()  # somebody gave it again
    scene.work()
    assert "t1" in scene.owed()
    assert scene.apply(tag_news(added=False, minutes=40)) == Applied()  # and took it again
    assert "t1" not in scene.owed()


def test_a_removal_long_after_ours_is_somebody_elses(scene: Scene) -> None:
    scene.decided(scene.sell(a_course("c1"), a_tag("t1")))
    scene.wait(seconds=10)
    assert scene.apply(tag_news(added=False, minutes=90)) == Applied()


# --- subscriptions --------------------------------------------------------------------------------


def subscribed() -> Order:
    line = a_line(gives=(a_course("c1"),), subscription="sub-1")
    return an_order(line, payments=())


def ends(*, until: float | None = None, ended: bool = False) -> SubscriptionCancelled:
    paid_until = None if until is None else soon(days=until)
    return SubscriptionCancelled(subscribed(), "sub-1", NOW, paid_until, ended)


def test_a_cancelled_subscription_ends_with_its_paid_period(scene: Scene) -> None:
    hold(scene, a_course("c1"))
    scene.apply(SaleMade(subscribed()))
    for _ in range(2):
        scene.apply(ends(until=20))
        scene.work()
    assert scene.held() == {"c1"}
    (mail,) = scene.mailer.sent
    assert "Access ends with the paid period, on 13 Dec 2026" in mail.body
    scene.wait(days=19)
    assert scene.held() == {"c1"}
    scene.wait(days=1)
    assert scene.held() == set()
    assert facts(scene, Refunded) == []


def test_two_paid_periods_end_one_after_the_other(scene: Scene) -> None:
    hold(scene, a_course("c1"), a_course("c2"))
    other = an_order_ref("other")
    line = a_line(gives=(a_course("c2"),), order=other, product="p-2")
    second = an_order(line, payments=(), ref=other)
    scene.apply(ends(until=20))
    scene.apply(SubscriptionCancelled(second, "sub-2", NOW, soon(days=30)))
    scene.wait(days=20)
    assert scene.held() == {"c2"}
    scene.wait(days=10)
    assert scene.held() == set()


def test_a_subscription_that_ended_ends_access_at_once(scene: Scene) -> None:
    hold(scene, a_course("c1"))
    scene.apply(ends(ended=True))
    scene.work()
    assert scene.held() == set()


def test_a_paid_period_that_nobody_tells_is_for_the_owner_and_told_once(scene: Scene) -> None:
    hold(scene, a_course("c1"))
    scene.apply(SaleMade(subscribed()))
    for name in ("a", "b", "a"):
        scene.apply(ends(), name)
        scene.work()
    assert scene.held() == {"c1"}
    (mail,) = scene.mailer.sent
    assert "Decide what ends, and when" in mail.body
    assert facts(scene, PaidUntil) == []


def subscription_news(*, ended: bool = False, until: float | None = None) -> SubscriptionNews:
    ends_at = None if until is None else soon(days=until)
    return SubscriptionNews(STORE, "sub-1", EMAIL, ended, ends_at, NOW)


def test_news_of_a_subscription_end_what_its_lines_gave(scene: Scene) -> None:
    hold(scene, a_course("c1"))
    scene.apply(SaleMade(subscribed()))
    assert scene.apply(subscription_news(until=3)) == Applied()
    scene.wait(days=3)
    assert scene.held() == set()


def test_news_of_a_subscription_that_ended_or_goes_on(scene: Scene) -> None:
    scene.apply(SaleMade(subscribed()))
    assert isinstance(scene.apply(subscription_news()), Ignored)
    assert scene.apply(subscription_news(ended=True)) == Applied()
    assert scene.owed() == set()


def test_news_of_a_subscription_that_overtook_its_sale_wait_for_it(scene: Scene) -> None:
    assert isinstance(scene.apply(subscription_news(ended=True)), MustWait)
    scene.apply(SaleMade(subscribed()))
    assert scene.apply(subscription_news(ended=True)) == Applied()
    assert scene.owed() == set()


def test_news_of_a_subscription_that_we_never_hear_of_are_ignored(scene: Scene) -> None:
    assert isinstance(scene.apply(subscription_news(ended=True), age=PATIENCE), Ignored)


# --- the rest -------------------------------------------------------------------------------------


def test_an_uninstalled_platform_is_removed_and_never_asked_again(scene: Scene) -> None:
    assert scene.apply(AccountClosed(NOW)) == Applied()
    found = scene.storage.find_installation(STORE)
    assert found is not None
    assert found.status is InstallationStatus.REMOVED
    assert "installation.removed" in scene.audited()
    nobody = InstallationId("nobody")
    assert scene.apply(AccountClosed(NOW), at=nobody) == Applied()


def test_the_first_delivery_ends_the_self_tests_waiting(scene: Scene) -> None:
    waiting = SelfTestLine("delivery_received", "waiting")
    other = SelfTestLine("key_works", "ok")
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.installations.save(replace(an_installation(STORE), self_test=(other, waiting)))
        uow.commit()
    for _ in range(2):
        assert scene.apply(TestDelivery()) == Applied()
    found = scene.storage.find_installation(STORE)
    assert found is not None
    assert [(line.name, line.state, line.at) for line in found.self_test] == [
        ("key_works", "ok", None),
        ("delivery_received", "ok", NOW),
    ]
    assert scene.apply(TestDelivery(), at=InstallationId("nobody")) == Applied()


def test_what_we_have_no_words_for_is_named(scene: Scene) -> None:
    assert scene.apply(Unrecognised("sale.paused")) == NotRecognised("sale.paused")


def test_two_events_of_one_delivery_both_have_their_effects(scene: Scene) -> None:
    hold(scene, a_course("c1"), a_course("c2"))
    first, second = hand_sale(a_course("c1")), hand_sale(a_course("c2"), ref="second")
    scene.apply(cancelled(first), "one")
    scene.work()
    scene.apply(cancelled(second, "cancel-2"), "one")
    scene.work()
    assert scene.held() == set()
    assert len(told(scene)) == 1
    states = {state for _, state in scene.effect_states("one")}
    assert states <= {EffectState.DONE, EffectState.ALREADY}
