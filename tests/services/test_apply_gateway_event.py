"""Applying a gateway's events: our own echo, and refunds made elsewhere."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from plugin.domain.events import (
    DisputeNews,
    SaleMade,
    StoreEvent,
)
from plugin.domain.facts import DisputeOpened, Refunded
from plugin.domain.ids import InstallationId
from plugin.domain.orders import DisputeStage, Order, RefundStage, buyer_key
from plugin.domain.plan import Plan
from plugin.domain.refunds import Move, RefundState
from plugin.services.applying import (
    Applied,
    Ignored,
    MustWait,
)
from plugin.services.settle_refund import settle_refund
from tests.factories import (
    BANK,
    NOW,
    STORE,
    a_choice,
    a_course,
    a_line,
    a_payment,
    a_payment_ref,
    an_order,
    an_order_ref,
    eur,
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
from tests.services.scene import Scene, sale

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
        (ours,) = scene.refunds(plan)
        seen.append(scene.apply(refunded(refund="re-1"), at=BANK))
        seen.append(scene.apply(refunded(refund="re-1", reference=ours.key), at=BANK))

    scene.bank.before_paying = overtake
    scene.bank.moods = [Mood.SILENT_AFTER]
    scene.wait(seconds=10)
    assert [type(waiting) for waiting in seen] == [MustWait, MustWait]
    assert scene.states(plan) == [RefundState.UNKNOWN]
    assert isinstance(scene.apply(refunded(refund="re-1"), at=BANK), MustWait)  # no reference
    (refund,) = scene.refunds(plan)
    assert scene.apply(refunded(refund="re-1", reference=refund.key), at=BANK) == Applied()
    scene.work()
    assert scene.states(plan) == [RefundState.SUCCEEDED]
    assert len(facts(scene, Refunded)) == 1
    assert told(scene) == []


def test_an_event_without_a_reference_waits_for_a_refund_that_goes_again(scene: Scene) -> None:
    plan = sent(scene, Mood.SILENT_BEFORE)
    scene.clock.advance(seconds=5)
    scene.send(scene.refunds(plan)[0].id)
    assert scene.states(plan) == [RefundState.RESERVED]
    assert isinstance(scene.apply(refunded(), at=BANK), MustWait)
    scene.work()
    assert scene.states(plan) == [RefundState.SUCCEEDED]
    assert scene.apply(refunded(refund="re-1"), at=BANK) == Applied()


def test_a_refund_of_another_amount_is_no_echo(scene: Scene) -> None:
    sent(scene, Mood.SILENT_BEFORE)
    assert scene.apply(refunded(amount=100, whole=False), at=BANK) == Applied()
    assert len(told(scene)) == 0
    scene.work()
    assert len(told(scene)) == 1


def test_pending_and_failed_news_move_our_refund(scene: Scene) -> None:
    plan = sent(scene, Mood.SILENT_AFTER)
    (refund,) = scene.refunds(plan)
    for state in (RefundStage.PENDING, RefundStage.PENDING):
        scene.apply(refunded(state, refund="re-1", reference=refund.key), at=BANK)
        assert scene.states(plan) == [RefundState.PENDING]
    (refund,) = scene.refunds(plan)
    assert refund.wake_at is not None
    scene.apply(refunded(RefundStage.FAILED, refund="re-1"), at=BANK)
    assert scene.states(plan) == [RefundState.REFUSED]
    scene.apply(refunded(RefundStage.PENDING, refund="re-1"), at=BANK)
    assert scene.states(plan) == [RefundState.REFUSED]
    late = refunded(refund="re-1", order=scene.shop.orders["10412"])  # from before it failed
    assert scene.apply(late, at=BANK) == Applied()
    assert scene.states(plan) == [RefundState.REFUSED]
    assert facts(scene, Refunded) == []


def test_failed_news_of_what_waits_for_a_person_has_it_looked_up(scene: Scene) -> None:
    plan = sent(scene, Mood.SILENT_AFTER)
    (refund,) = scene.refunds(plan)
    with scene.storage.begin(scene.tenant.id) as uow:
        settle_refund(uow, refund, Move(RefundState.NEEDS_PERSON), "test", NOW)
        uow.commit()
    scene.bank.paid[0].state = "failed"
    scene.apply(refunded(RefundStage.FAILED, refund="re-1", reference=refund.key), at=BANK)
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


@pytest.mark.parametrize("order", [("pay-a", "pay-b"), ("pay-b", "pay-a")])
def test_an_order_refunded_elsewhere_payment_by_payment_ends_with_the_last(
    scene: Scene, order: tuple[str, str]
) -> None:
    payments = (
        a_payment("pay-a", captured=eur(3000)),
        a_payment("pay-b", captured=eur(1900)),
    )
    sold = scene.sell(order=sale(payments=payments, lines=(a_line(gives=(a_course("c1"),)),)))
    hold(scene, a_course("c1"))
    cents = {"pay-a": 3000, "pay-b": 1900}
    for number, payment in enumerate(order, start=1):
        assert scene.held() == {"c1"}
        back = refunded(refund=f"re-{payment}", payment=payment, amount=cents[payment], order=sold)
        for name in ("first", "again"):
            scene.apply(back, f"{payment} {name}", at=BANK)
            scene.work()
        assert len(told(scene)) == number
    assert scene.held() == set()


def test_parts_refunded_elsewhere_that_add_up_end_the_line(scene: Scene) -> None:
    """The gateway never says that nothing is left: the sum does, and a failure takes it back."""
    order = scene.sell(a_course("c1"))
    for refund, cents in (("re-a", 1000), ("re-b", 3900)):
        part = refunded(refund=refund, amount=cents, order=order, whole=False)
        scene.apply(part, refund, at=BANK)
        scene.work()
    assert scene.held() == set()
    scene.apply(
        refunded(RefundStage.FAILED, refund="re-a", amount=1000, order=order), "late", at=BANK
    )
    scene.work()
    assert scene.held() == {"c1"}


def test_our_part_and_a_part_made_elsewhere_add_up(scene: Scene) -> None:
    order = scene.sell(a_course("c1"))
    scene.decided(order, a_choice(order, free=eur(1000)))
    scene.wait(seconds=10)
    assert scene.held() == {"c1"}
    scene.apply(refunded(amount=3900, order=order, whole=False), at=BANK)
    scene.work()
    assert scene.held() == set()


def test_pending_news_of_a_refund_made_elsewhere_is_ignored(scene: Scene) -> None:
    order = scene.sell(a_course("c1"))
    assert isinstance(scene.apply(refunded(RefundStage.PENDING, order=order), at=BANK), Ignored)
    assert facts(scene, Refunded) == []


def test_a_refund_elsewhere_that_fails_gives_access_back(scene: Scene) -> None:
    order = scene.sell(a_course("c1"))
    scene.apply(refunded(order=order), at=BANK)
    scene.work()
    scene.apply(refunded(RefundStage.FAILED, order=order), at=BANK)
    scene.work()
    assert scene.held() == {"c1"}


def test_a_payment_of_no_order_that_we_know_is_ignored(scene: Scene) -> None:
    assert isinstance(scene.apply(refunded(), at=BANK), Ignored)
    news = DisputeNews(a_payment_ref("x"), "dp-1", eur(1), DisputeStage.OPEN, NOW)
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


def keep(scene: Scene, order: Order) -> None:
    """As a search keeps what it found."""
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.orders.save(order)
        uow.commit()


def renamed(order: Order, email: str = "new@mail.example") -> Order:
    """As its gateway tells it once its customer has another address there, or none."""
    customer = buyer_key(email, order.ref, order.contact)
    return replace(order, email=email, customer=customer)


@pytest.mark.parametrize("email", ["new@mail.example", ""])
def test_a_charge_stays_of_the_sale_when_the_gateway_gets_another_address(
    scene: Scene, email: str
) -> None:
    sold = hand_sale(a_course("c1"))
    hold(scene, a_course("c1"))
    scene.apply(SaleMade(sold))
    keep(scene, charge(sold))
    later = renamed(charge(sold), email)
    part = refunded(refund="re-1", payment="ch-1", amount=1000, order=later, whole=False)
    dispute = DisputeNews(part.payment, "dp-1", eur(3900), DisputeStage.OPEN, NOW, later)
    scene.apply(part, at=BANK)
    scene.apply(dispute, at=BANK)
    assert len(facts(scene, DisputeOpened)) == 1
    scene.apply(refunded(refund="re-2", payment="ch-1", amount=3900, order=later), at=BANK)
    scene.work()
    assert scene.owed() == scene.held() == set()
    assert all("order 10412" in subject for subject in told(scene))


@pytest.mark.parametrize("email", ["new@mail.example", ""])
def test_a_gateways_own_sale_stays_hers_who_bought_it(scene: Scene, email: str) -> None:
    sold = scene.sell(a_course("c1"))
    scene.apply(SaleMade(sold))
    scene.apply(refunded(order=renamed(sold, email)), at=BANK)
    scene.work()
    assert scene.owed() == scene.held() == set()
    with scene.storage.read(scene.tenant.id) as uow:
        kept = uow.orders.get(sold.ref)
    assert kept is not None
    assert (kept.customer, kept.email) == (sold.customer, sold.email)


def test_a_charge_that_named_nobody_becomes_hers_whose_address_it_tells(scene: Scene) -> None:
    sold = hand_sale(a_course("c1"))
    hold(scene, a_course("c1"))
    scene.apply(SaleMade(sold))
    keep(scene, renamed(charge(sold), ""))
    scene.apply(refunded(payment="ch-1", order=charge(sold)), at=BANK)
    scene.work()
    assert scene.owed() == scene.held() == set()


@pytest.mark.parametrize("order", list(itertools.permutations(("sale", "charge", "cancelled"))))
def test_a_charge_may_be_refunded_before_its_sale_is_known(
    scene: Scene, order: Sequence[str]
) -> None:
    """Then it is booked under the charge, and counts for the sale once that is told."""
    sold = hand_sale(a_course("c1"))
    hold(scene, a_course("c1"))
    news: dict[str, tuple[StoreEvent, InstallationId]] = {
        "sale": (SaleMade(sold), STORE),
        "charge": (refunded(payment="ch-1", order=charge(sold)), BANK),
        "cancelled": (cancelled(sold), STORE),
    }
    for name in (*order, *order):
        event, at = news[name]
        scene.apply(event, at=at)
        scene.work()
    assert scene.held() == set()
    assert len(told(scene)) == 1


def test_a_refund_that_failed_before_its_sale_is_known_ends_nothing(scene: Scene) -> None:
    sold = hand_sale(a_course("c1"))
    hold(scene, a_course("c1"))
    scene.apply(refunded(payment="ch-1", order=charge(sold)), at=BANK)
    failed = refunded(RefundStage.FAILED, payment="ch-1", order=charge(sold))
    scene.apply(failed, at=BANK)
    other = DisputeNews(
        a_payment_ref("ch-1"), "dp-1", eur(4900), DisputeStage.OPEN, NOW, charge(sold)
    )
    scene.apply(other, at=BANK)
    scene.apply(SaleMade(sold))
    scene.work()
    assert scene.held() == scene.owed() == {"c1"}
    assert len(facts(scene, DisputeOpened)) == 2


def test_a_matched_charge_closes_a_refund_by_hand(scene: Scene) -> None:
    plan = by_hand(scene)
    order = scene.shop.orders["10412"]
    scene.apply(refunded(payment="ch-1", amount=100, order=charge(order), whole=False), at=BANK)
    assert scene.states(plan) == [RefundState.MANUAL]
    made = refunded(payment="ch-1", refund="re-2", order=charge(order))
    event = replace(made, at=scene.clock.now())
    scene.apply(event, at=BANK)
    scene.work()
    assert scene.states(plan) == [RefundState.SUCCEEDED]
    entries = facts(scene, Refunded)
    scene.apply(event, at=BANK)
    assert facts(scene, Refunded) == entries  # told again, it is the same one
