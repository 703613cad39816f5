"""News of an earlier state that come later: what is known to be newer stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from plugin.domain.events import SaleMade, SubscriptionCancelled
from plugin.domain.orders import Order, Subscription, SubscriptionStatus
from plugin.services.applying import Applied
from tests.factories import NOW, STORE, a_course, a_line, eur
from tests.services.event_cases import cancelled, hand_sale, refunded
from tests.services.scene import Scene, sale

SOLD = sale(a_course("c1"), ref="10412")


def read(hours: int, back: int, order: Order = SOLD) -> Order:
    """The order as its gateway told it `hours` ago, when `back` cents had gone back."""
    payments = tuple(replace(paid, refunded=eur(back)) for paid in order.payments)
    lines = tuple(replace(line, refunded=eur(back)) for line in order.lines)
    at = NOW - timedelta(hours=hours)
    return replace(order, payments=payments, lines=lines, read_at=at)


def kept(scene: Scene, order: Order = SOLD) -> Order:
    with scene.storage.read(scene.tenant.id) as uow:
        found = uow.orders.get(order.ref)
    assert found is not None
    return found


def test_a_refund_that_came_back_since_is_not_counted_again_by_late_news_of_it(
    scene: Scene,
) -> None:
    scene.apply(SaleMade(read(1, 0)))
    late = refunded(order=read(2, 4900), amount=4900)
    assert scene.apply(late) == Applied()
    assert (kept(scene).refunded, kept(scene).read_at) == (eur(0), NOW - timedelta(hours=1))


def test_news_that_are_newer_bring_their_state(scene: Scene) -> None:
    scene.apply(SaleMade(read(2, 4900)))
    scene.apply(refunded(order=read(1, 1500), amount=1500, whole=False))
    assert (kept(scene).refunded, kept(scene).read_at) == (eur(1500), NOW - timedelta(hours=1))


@pytest.mark.parametrize("hours", [1, 3])
def test_what_a_line_gives_stays_known_whoever_is_newer(scene: Scene, hours: int) -> None:
    told_of = read(2, 0)
    scene.apply(SaleMade(told_of))
    bare = tuple(replace(line, gives=None) for line in told_of.lines)
    new = a_line("line-new", order=SOLD.ref)
    unknown = replace(new, gives=None)
    scene.apply(refunded(order=replace(read(hours, 4900), lines=(*bare, unknown))))
    gives = {line.ref: line.gives for line in kept(scene).lines}
    assert gives == {told_of.lines[0].ref: told_of.lines[0].gives, new.ref: None}


def test_a_line_that_the_newer_state_does_not_name_stays(scene: Scene) -> None:
    older = replace(read(2, 0), lines=(*SOLD.lines, a_line("line-2", order=SOLD.ref)))
    scene.apply(SaleMade(older))
    scene.apply(refunded(order=read(1, 4900)))
    assert [line.ref.ref for line in kept(scene).lines] == [line.ref.ref for line in older.lines]


def test_a_sale_that_is_told_once_more_does_not_undo_its_cancellation(scene: Scene) -> None:
    sold = replace(hand_sale(a_course("c1")), read_at=NOW - timedelta(hours=2))
    event = cancelled(replace(sold, read_at=NOW - timedelta(hours=1)))
    for told in (SaleMade(sold), event, SaleMade(sold)):
        assert scene.apply(told) == Applied()
    assert kept(scene, sold).refunded == sold.paid


@pytest.mark.parametrize(
    ("hours", "status"), [(1, SubscriptionStatus.ENDED), (3, SubscriptionStatus.ACTIVE)]
)
def test_how_a_subscription_stands_is_what_was_told_last(
    scene: Scene, hours: int, status: SubscriptionStatus
) -> None:
    renewed = Subscription(STORE, "sub-1", SubscriptionStatus.ACTIVE)
    sold = replace(read(2, 0), subscription=renewed)
    ended = replace(renewed, status=SubscriptionStatus.ENDED)
    scene.apply(SaleMade(sold))
    told = replace(read(hours, 0), subscription=ended)
    scene.apply(SubscriptionCancelled(told, "sub-1", NOW, ended=True))
    found = kept(scene).subscription
    assert found is not None
    assert found.status is status


def test_a_cancellation_that_tells_no_subscription_leaves_what_is_known(scene: Scene) -> None:
    renewed = Subscription(STORE, "sub-1", SubscriptionStatus.ACTIVE)
    scene.apply(SaleMade(replace(read(2, 0), subscription=renewed)))
    scene.apply(SubscriptionCancelled(read(1, 0), "sub-1", NOW, ended=True))
    assert kept(scene).subscription == renewed
