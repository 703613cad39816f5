"""The ids of facts: the same news is one fact, better news is another one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugin.domain.facts import DisputeOpened, Fact, PaidUntil, RefundFailed
from plugin.domain.orders import SubscriptionRef
from tests.factories import (
    CUSTOMER,
    NOW,
    ORDER,
    STORE,
    a_course,
    a_dispute_closed,
    a_gift,
    a_line_ref,
    a_payment_ref,
    a_purchase,
    a_refund_fact,
    a_tag,
    a_tag_added,
    a_tag_removed,
    ago,
    an_order_ref,
    eur,
    soon,
)

BOUGHT = a_purchase(a_course())
REFUNDED = a_refund_fact(a_line_ref(), amounts=[(a_line_ref(), eur(100))])
PAID_UNTIL = PaidUntil(CUSTOMER, a_line_ref(), soon(days=3), NOW)
OPENED = DisputeOpened(CUSTOMER, ORDER, "dp-1", eur(100), NOW)
FAILED = RefundFailed(CUSTOMER, ORDER, "re-1", NOW)
FACTS: tuple[Fact, ...] = (
    BOUGHT,
    REFUNDED,
    PAID_UNTIL,
    OPENED,
    FAILED,
    a_dispute_closed(won=True),
    a_tag_added(a_tag(), NOW),
    a_tag_removed(a_tag(), NOW),
    a_gift(a_tag()),
)


def test_no_two_facts_share_an_id() -> None:
    assert len({fact.id for fact in FACTS}) == len(FACTS)


@pytest.mark.parametrize(
    ("once", "again"),
    [
        (BOUGHT, replace(BOUGHT, title="Watercolour year, new name")),
        (REFUNDED, replace(REFUNDED, at=NOW)),
        (OPENED, replace(OPENED, at=ago(days=1))),
        (FAILED, replace(FAILED, at=ago(days=1))),
        (a_dispute_closed(won=True), replace(a_dispute_closed(won=True), at=NOW)),
        (a_gift(a_tag()), a_gift(a_tag("t1", "Buyers"), ago(days=1))),
    ],
)
def test_the_same_news_told_again_is_the_same_fact(once: Fact, again: Fact) -> None:
    assert once.id == again.id


@pytest.mark.parametrize(
    ("poor", "better"),
    [
        (a_purchase(told=False), a_purchase()),
        (a_purchase(a_course()), a_purchase(a_course(), a_tag())),
        (a_purchase(paid=eur(1)), a_purchase(paid=eur(2))),
        (a_purchase(product="p"), a_purchase(product="q")),
        (a_purchase(at=NOW), a_purchase(at=ago(seconds=1))),
        (a_refund_fact(), a_refund_fact(whole=True)),
        (a_refund_fact(), a_refund_fact(a_line_ref())),
        (a_refund_fact(), a_refund_fact(amounts=[(a_line_ref(), eur(1))])),
        (a_refund_fact(refund="re-1"), a_refund_fact(refund="re-2")),
        (a_refund_fact(), a_refund_fact(order=an_order_ref("other"))),
        (a_dispute_closed(won=True), a_dispute_closed(won=False)),
        (a_dispute_closed(won=True), a_dispute_closed(won=True, order=an_order_ref("other"))),
        (OPENED, replace(OPENED, order=an_order_ref("other"))),
        (a_purchase(), replace(a_purchase(), subscription="sub-1")),
        (REFUNDED, replace(REFUNDED, by_payment=((a_payment_ref(), eur(100)),))),
        (REFUNDED, replace(REFUNDED, captured=eur(100))),
        (PAID_UNTIL, replace(PAID_UNTIL, until=NOW)),
        (PAID_UNTIL, replace(PAID_UNTIL, until=None)),
        (PAID_UNTIL, replace(PAID_UNTIL, at=ago(days=1))),
        (PAID_UNTIL, replace(PAID_UNTIL, of=SubscriptionRef(STORE, "1"))),
        (a_tag_added(a_tag(), NOW), a_tag_added(a_tag(), ago(seconds=1))),
        (a_tag_removed(a_tag(), NOW), a_tag_removed(a_tag(), ago(seconds=1))),
        (a_gift(a_tag()), a_gift(a_course())),
    ],
)
def test_news_that_says_more_is_another_fact(poor: Fact, better: Fact) -> None:
    assert poor.id != better.id
