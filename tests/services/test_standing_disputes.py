"""A dispute stands until it is told to be over: by an event, or by the gateway when it is read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugin.domain.events import DisputeNews, SaleMade, SubscriptionCancelled
from plugin.domain.facts import DisputeOpened, Fact
from plugin.domain.orders import DisputeStage, Order, Payment, PaymentRef, RefundRoute
from plugin.domain.refunds import RefundState
from plugin.services.standing_disputes import SURE_AFTER, dispute_stands
from tests.factories import (
    BANK,
    CUSTOMER,
    ORDER,
    STORE,
    a_course,
    a_dispute_closed,
    a_payment,
    a_payment_ref,
    an_order,
    an_order_ref,
    eur,
)
from tests.services.scene import Scene, sale

PAID = a_payment_ref("pay-10412")


def note(scene: Scene, fact: Fact) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.facts.append(fact, "test", scene.clock.now())
        uow.commit()


def open_dispute(scene: Scene, dispute: str = "dp-1") -> None:
    note(scene, DisputeOpened(CUSTOMER, ORDER, dispute, eur(4900), scene.clock.now()))


def read_charge(scene: Scene, payment: Payment | None = None) -> None:
    """The bank was read just now, and told of this payment."""
    paid = payment or a_payment(PAID.ref)
    order = an_order(payments=(paid,), ref=an_order_ref(paid.ref.ref, BANK))
    told = replace(order, read_at=scene.clock.now())
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.orders.save(told)
        uow.commit()


def stands(scene: Scene, *payments: PaymentRef) -> bool:
    with scene.storage.read(scene.tenant.id) as uow:
        return dispute_stands(uow, ORDER, CUSTOMER, payments or (PAID,))


@pytest.fixture
def disputed(scene: Scene) -> Order:
    """An order with an open dispute, whose end nobody told us of."""
    open_dispute(scene)
    return scene.sell(order=sale())


def test_without_news_of_a_dispute_none_stands(scene: Scene) -> None:
    assert not stands(scene)


def test_a_dispute_stands_until_an_event_closes_it(scene: Scene, disputed: Order) -> None:
    assert stands(scene)
    note(scene, a_dispute_closed(won=True))
    assert not stands(scene)


def test_what_the_gateway_itself_tells_later_is_better_news(scene: Scene, disputed: Order) -> None:
    scene.clock.advance(days=SURE_AFTER.days)
    read_charge(scene)
    assert not stands(scene)
    open_dispute(scene, "dp-2")
    assert stands(scene)


def test_what_was_read_soon_after_may_not_know_of_it_yet(scene: Scene, disputed: Order) -> None:
    scene.clock.advance(seconds=SURE_AFTER.total_seconds() - 1)
    read_charge(scene)
    assert stands(scene)


def test_what_was_read_before_says_nothing(scene: Scene) -> None:
    read_charge(scene)
    scene.clock.advance(days=2)
    open_dispute(scene)
    assert stands(scene)


@pytest.mark.parametrize(
    "payment",
    [
        a_payment(PAID.ref, dispute_open=True),
        a_payment(PAID.ref, route=RefundRoute.BY_HAND),
    ],
    ids=["still open", "the bank unseen"],
)
def test_what_is_no_word_of_the_bank_on_its_end_changes_nothing(
    scene: Scene, disputed: Order, payment: Payment
) -> None:
    scene.clock.advance(days=2)
    read_charge(scene, payment)
    assert stands(scene)


def test_a_store_that_did_not_take_the_payment_does_not_count(
    scene: Scene, disputed: Order
) -> None:
    scene.clock.advance(days=2)
    scene.find()  # the shop was read again: it shows a payment that the bank took
    assert stands(scene)


def test_a_store_that_took_the_payment_itself_counts(scene: Scene) -> None:
    own = a_payment(PAID.ref, account=STORE)
    scene.sell(order=sale(payments=(own,)))
    open_dispute(scene)
    assert stands(scene, own.ref)
    scene.clock.advance(days=2)
    scene.find()
    assert not stands(scene, own.ref)


def test_each_payment_must_have_been_read_for_the_news_names_none(
    scene: Scene, disputed: Order
) -> None:
    second = a_payment("pay-2")
    scene.clock.advance(days=2)
    read_charge(scene)
    assert stands(scene, PAID, second.ref)
    read_charge(scene, second)
    assert not stands(scene, PAID, second.ref)


def test_an_order_without_payments_proves_nothing(scene: Scene, disputed: Order) -> None:
    with scene.storage.read(scene.tenant.id) as uow:
        assert dispute_stands(uow, ORDER, CUSTOMER, ())


def test_a_dispute_whose_end_was_never_told_does_not_block_a_refund_for_ever(
    scene: Scene,
) -> None:
    """A sale whose money a gateway took: the event names the charge, the dispute is the sale's."""
    by_hand = a_payment("pay-1", route=RefundRoute.BY_HAND, account=STORE)
    order = scene.sell(order=sale(payments=(by_hand,)))
    charge = replace(order, ref=an_order_ref(PAID.ref, BANK), payments=(a_payment(PAID.ref),))
    scene.bank.orders[PAID.ref] = charge
    scene.find()
    scene.apply(DisputeNews(PAID, "dp-1", eur(4900), DisputeStage.OPEN, scene.clock.now(), charge))
    assert stands(scene)
    scene.clock.advance(days=2)
    plan = scene.decided(order)
    scene.wait(seconds=10)
    assert scene.states(plan) == [RefundState.SUCCEEDED]
    assert [paid.payment for paid in scene.bank.paid] == [PAID.ref]


def test_a_dispute_that_the_gateway_was_not_read_after_withdraws_the_refund(
    scene: Scene, disputed: Order
) -> None:
    scene.clock.advance(days=2)
    plan = scene.decided(disputed)
    scene.wait(seconds=10)
    assert scene.states(plan) == [RefundState.WITHDRAWN]
    assert scene.bank.called("refund") == []


def test_news_that_tell_no_payment_do_not_end_a_dispute(scene: Scene) -> None:
    """One account sells and takes the money: its charge was read before the dispute, not since."""
    paid = a_payment("pay-10412", account=STORE)
    sold = sale(a_course("c1"), payments=(paid,))
    scene.apply(SaleMade(replace(sold, read_at=scene.clock.now())))
    open_dispute(scene)
    scene.clock.advance(days=2)
    now = scene.clock.now()
    told = replace(sold, payments=(), read_at=now)
    scene.apply(SubscriptionCancelled(told, None, now, paid_until=now))
    assert stands(scene, paid.ref)


@pytest.mark.parametrize("is_open", [True, False])
def test_news_of_a_dispute_on_a_known_payment_are_kept(scene: Scene, *, is_open: bool) -> None:
    paid = a_payment("pay-10412", account=STORE)
    sold = sale(a_course("c1"), payments=(paid,))
    scene.apply(SaleMade(replace(sold, read_at=scene.clock.now())))
    scene.clock.advance(days=2)
    now = scene.clock.now()
    told = replace(sold, payments=(replace(paid, dispute_open=is_open),), read_at=now)
    scene.apply(SubscriptionCancelled(told, None, now, paid_until=now))
    with scene.storage.read(scene.tenant.id) as uow:
        known = uow.orders.get(sold.ref)
    assert known is not None
    assert [payment.dispute_open for payment in known.payments] == [is_open]
