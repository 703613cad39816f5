"""What ends a line: its money back in any cut, a lost dispute, the end of what is paid."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.domain.access_map import AccessMap
from plugin.domain.endings import paid_until, refunded_lines
from plugin.domain.facts import DisputeOpened, Fact, PaidUntil, Refunded, RefundFailed
from plugin.domain.ids import InstallationId
from plugin.domain.ledger import Ledger, open_disputes, read_ledger
from plugin.domain.money import Money
from plugin.domain.orders import LineRef, Resource, SubscriptionRef
from tests.domain.histories import retellings
from tests.factories import (
    BANK,
    CUSTOMER,
    NOW,
    ORDER,
    STORE,
    a_course,
    a_dispute_closed,
    a_line_ref,
    a_payment_ref,
    a_purchase,
    a_refund_fact,
    ago,
    an_order_ref,
    eur,
    soon,
)

COURSE = a_course()
LINE, SECOND = a_line_ref("1"), a_line_ref("1", an_order_ref("10413"))


def read(*facts: Fact, now: datetime = NOW) -> Ledger:
    return read_ledger(facts, AccessMap(), now)


def owed(*facts: Fact) -> tuple[Resource, ...]:
    return read(*facts).owed()


def told_until(
    until: datetime | None, of: LineRef | SubscriptionRef = LINE, at: datetime | None = None
) -> PaidUntil:
    return PaidUntil(CUSTOMER, of, until, at or ago(days=2))


def test_only_refunds_count_where_refunds_are_asked_for() -> None:
    facts = (a_purchase(COURSE), a_purchase(line=SECOND), told_until(ago(days=1)))

    assert refunded_lines(facts) == frozenset()
    assert refunded_lines((*facts, a_refund_fact(LINE))) == {LINE}


# --- refunds of a line ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "ends"),
    [
        ([eur(4900)], True),
        ([eur(4899)], False),
        ([eur(2000), eur(2900)], True),
        ([eur(2000), eur(2899)], False),
        ([eur(0)], False),
        ([Money(4900, "USD")], False),
    ],
)
def test_a_line_ends_when_its_parts_reach_what_was_paid(parts: list[Money], ends: bool) -> None:
    refunds = [
        a_refund_fact(refund=f"re-{place}", amounts=[(LINE, part)])
        for place, part in enumerate(parts)
    ]

    assert (owed(a_purchase(COURSE), *refunds) == ()) is ends


def test_a_free_line_is_not_paid_back_by_nothing() -> None:
    gift = a_purchase(COURSE, paid=eur(0))

    assert owed(gift, a_refund_fact(amounts=[(LINE, eur(0))])) == (COURSE,)
    assert owed(gift, a_refund_fact(LINE)) == ()


def test_one_refund_told_twice_counts_once() -> None:
    half = a_refund_fact(amounts=[(LINE, eur(2500))])
    richer = a_refund_fact(amounts=[(LINE, eur(2500)), (a_line_ref("2"), eur(1))])

    assert owed(a_purchase(COURSE), half, half, richer) == (COURSE,)


@pytest.mark.parametrize("refund", [f"re-{n}" for n in range(6)])
def test_of_two_tellings_of_one_refund_the_larger_counts(refund: str) -> None:
    # Facts are read by their ids, which are as good as random: some of these are the wrong way.
    in_part = [a_refund_fact(refund=refund, amounts=[(LINE, eur(n))]) for n in (2500, 4900)]
    paid = a_payment_ref()
    by_payment = [a_refund_fact(refund=refund, by_payment=[(paid, eur(n))]) for n in (2500, 4900)]

    assert owed(a_purchase(COURSE), *in_part) == ()
    assert owed(a_purchase(COURSE), *by_payment) == ()


def test_a_refund_learnt_to_be_whole_later_ends_the_line() -> None:
    assert owed(a_purchase(COURSE), a_refund_fact(), a_refund_fact(whole=True)) == ()
    assert owed(a_purchase(COURSE), a_refund_fact(whole=True), a_refund_fact()) == ()


def test_the_higher_of_two_prices_must_come_back() -> None:
    cheap, dear = a_purchase(COURSE, paid=eur(1000)), a_purchase(COURSE, paid=eur(1190))

    assert owed(cheap, dear, a_refund_fact(amounts=[(LINE, eur(1000))])) == (COURSE,)


def test_prices_in_two_currencies_are_no_error() -> None:
    one, other = a_purchase(COURSE, paid=eur(4900)), a_purchase(COURSE, paid=Money(1, "USD"))

    assert owed(one, other) == (COURSE,)
    assert owed(one, other, a_refund_fact(amounts=[(LINE, Money(1, "USD"))])) == ()


def test_a_refund_of_all_stays_one_when_another_failed_before_or_with_it() -> None:
    whole = a_refund_fact(whole=True)

    for at, has in ((whole.at, ()), (whole.at + timedelta(seconds=1), (COURSE,))):
        failed = RefundFailed(CUSTOMER, ORDER, "another", at)
        assert owed(a_purchase(COURSE), whole, failed) == has


def test_a_refund_that_failed_is_taken_back_for_its_order_only() -> None:
    facts: tuple[Fact, ...] = (a_purchase(COURSE), a_refund_fact(LINE))

    assert owed(*facts, RefundFailed(CUSTOMER, ORDER, "re-1", NOW)) == (COURSE,)
    assert owed(*facts, RefundFailed(CUSTOMER, SECOND.order, "re-1", NOW)) == ()


# --- refunds that add up to the order -------------------------------------------------------------


def of_payment(
    refund: str, minor: int, payment: str = "pay-1", account: InstallationId = BANK
) -> Refunded:
    part = (a_payment_ref(payment, account), eur(minor))
    return a_refund_fact(refund=refund, by_payment=[part], captured=eur(4900))


def test_refunds_elsewhere_end_the_order_when_they_reach_what_was_taken() -> None:
    bought = a_purchase(COURSE)
    first, second = of_payment("re-1", 2000), of_payment("re-2", 2900)

    assert owed(bought, first) == (COURSE,)
    assert owed(bought, first, second) == owed(second, first, bought) == ()
    assert owed(bought, first, of_payment("re-2", 2899)) == (COURSE,)
    (ended,) = read(bought, first, second).ended()
    assert ended.ended[0][1] == tuple(sorted((first.id, second.id)))


def test_an_order_ends_with_the_last_of_its_payments() -> None:
    lines = (a_purchase(COURSE, paid=eur(3000)), a_purchase(paid=eur(1900), line=a_line_ref("2")))

    assert owed(*lines, of_payment("re-1", 3000)) == (COURSE,)
    assert owed(*lines, of_payment("re-1", 3000), of_payment("re-2", 1900, "pay-2")) == ()


def test_one_refund_that_spans_two_payments_counts_both() -> None:
    parts = [(a_payment_ref("pay-1"), eur(3000)), (a_payment_ref("pay-2"), eur(1900))]

    assert owed(a_purchase(COURSE), a_refund_fact(by_payment=parts)) == ()


def test_half_told_by_the_store_and_by_its_gateway_is_half() -> None:
    halves = (of_payment("re-1", 2500), of_payment("woo-1", 2500, account=STORE))

    assert owed(a_purchase(COURSE), *halves) == (COURSE,)


def test_one_refund_of_a_payment_told_twice_counts_once() -> None:
    half = of_payment("re-1", 2500)
    better = replace(half, whole=False, captured=None)

    assert owed(a_purchase(COURSE), half, better) == (COURSE,)


def test_what_was_taken_for_delivery_must_come_back_too() -> None:
    """Whoever gets the price of the goods but not all that she paid has not got all of it."""
    goods = a_purchase(COURSE, paid=eur(4000))

    assert owed(goods, of_payment("re-1", 4000)) == (COURSE,)
    assert owed(goods, of_payment("re-1", 4900)) == ()


def test_a_part_that_came_back_is_owed_again_whoever_said_that_nothing_was_left() -> None:
    last = replace(of_payment("re-2", 2900), whole=True)
    facts = (a_purchase(COURSE), of_payment("re-1", 2000), last)

    assert owed(*facts) == ()
    assert owed(*facts, RefundFailed(CUSTOMER, ORDER, "re-1", NOW)) == (COURSE,)
    assert owed(*facts, RefundFailed(CUSTOMER, ORDER, "re-0", last.at)) == ()


@pytest.mark.parametrize(
    "refund",
    [
        a_refund_fact(by_payment=[(a_payment_ref(), Money(4900, "USD"))]),
        a_refund_fact(by_payment=[(a_payment_ref(), eur(0))]),
    ],
)
def test_another_currency_and_nothing_add_up_to_nothing(refund: Refunded) -> None:
    assert owed(a_purchase(COURSE), refund) == (COURSE,)
    assert owed(a_purchase(COURSE, paid=eur(0)), refund) == (COURSE,)


def test_what_was_taken_in_another_currency_is_no_measure() -> None:
    refund = replace(of_payment("re-1", 4900), captured=Money(9900, "JPY"))

    assert owed(a_purchase(COURSE), refund) == ()


@given(st.lists(st.integers(1, 2000), min_size=1, max_size=5), st.data())
def test_however_it_is_cut_and_told_the_order_ends_with_its_last_cent(
    cuts: list[int], data: st.DataObject
) -> None:
    bought = a_purchase(COURSE, paid=eur(sum(cuts)))
    refunds = [
        a_refund_fact(refund=f"re-{n}", by_payment=[(a_payment_ref(f"pay-{n % 2}"), eur(cut))])
        for n, cut in enumerate(cuts)
    ]
    missing = data.draw(st.sampled_from(refunds))

    told = data.draw(retellings([bought, *refunds]))
    assert read(*told).owed() == ()
    assert read(*(fact for fact in told if fact != missing)).owed() == (COURSE,)


# --- paid periods and disputes --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("until", "stays"), [(soon(seconds=1), True), (NOW, False), (ago(seconds=1), False)]
)
def test_access_ends_with_the_paid_period_to_the_second(until: datetime, stays: bool) -> None:
    ledger = read(a_purchase(COURSE), told_until(until))

    assert (ledger.owed() == (COURSE,)) is stays
    assert ledger.next_change == (until if stays else None)


def test_the_next_change_is_the_first_end_to_come() -> None:
    bought = (a_purchase(COURSE), a_purchase(a_course("c2"), line=SECOND))
    ends = (told_until(soon(days=2)), told_until(soon(days=1), SECOND))

    assert read(*bought, *ends).next_change == soon(days=1)
    assert read(*bought, *ends, now=soon(days=1)).next_change == soon(days=2)
    assert read(*bought, *ends, now=soon(days=3)).next_change is None


def test_the_latest_news_of_a_subscription_counts() -> None:
    """Cancelled, resumed, cancelled again: whichever is heard first."""
    resumed: list[Fact] = [
        a_purchase(COURSE),
        told_until(ago(days=1), at=ago(days=5)),
        told_until(None, at=ago(days=4)),
    ]
    cancelled_again = told_until(soon(days=1), at=ago(days=3))

    for facts in itertools.permutations(resumed):
        assert read(*facts).owed() == (COURSE,)
        assert read(*facts).next_change is None
    for facts in itertools.permutations((*resumed, cancelled_again)):
        assert read(*facts).next_change == soon(days=1)
        assert read(*facts, now=soon(days=1)).owed() == ()


def test_an_end_that_is_told_again_is_the_same_end() -> None:
    """A second cause beside the first: what was taken is not taken again."""
    first, again = told_until(ago(days=1), at=ago(days=3)), told_until(ago(hours=5), at=ago(days=2))

    (ended,) = read(a_purchase(COURSE), first, again).ended()
    assert ended.ended[0][1] == tuple(sorted((first.id, again.id)))
    resumed = told_until(None, at=ago(days=4))
    earlier = told_until(ago(days=9), at=ago(days=5))
    (ended,) = read(a_purchase(COURSE), earlier, resumed, first).ended()
    assert ended.ended[0][1] == (first.id,)


def test_of_two_pieces_of_news_at_one_moment_the_kinder_one_counts() -> None:
    both = (told_until(ago(days=1)), told_until(None))

    assert read(a_purchase(COURSE), *both).owed() == (COURSE,)
    assert read(a_purchase(COURSE), *reversed(both)).owed() == (COURSE,)
    later = told_until(soon(days=1))
    assert read(a_purchase(COURSE), both[0], later).next_change == soon(days=1)
    for day in range(2, 8):  # read by ids, which are as good as random
        ends = (told_until(soon(days=day)), told_until(soon(days=day + 10)))
        assert read(a_purchase(COURSE), *ends).next_change == soon(days=day + 10)


def test_news_of_a_subscription_is_of_every_line_that_it_renews() -> None:
    renewed = a_purchase(COURSE, subscription="sub-1")
    other = a_purchase(a_course("c2"), line=SECOND, subscription="sub-2")
    once = a_purchase(a_course("c3"), line=a_line_ref("3"))
    ended = told_until(ago(days=1), SubscriptionRef(STORE, "sub-1"))
    elsewhere = told_until(ago(days=1), SubscriptionRef(BANK, "sub-2"))

    assert read(renewed, other, once, ended, elsewhere).owed() == (a_course("c2"), a_course("c3"))


def test_a_line_is_renewed_by_what_any_telling_of_it_says() -> None:
    poor, better = a_purchase(COURSE), a_purchase(COURSE, subscription="sub-1")
    ended = told_until(ago(days=1), SubscriptionRef(STORE, "sub-1"))

    assert read(ended, better, poor).owed() == ()
    for earlier in (poor, better):
        first = replace(earlier, at=ago(days=10))
        assert read(ended, first, poor, better).owed() == ()


def test_who_paid_again_after_the_announced_end_has_resumed() -> None:
    ended = told_until(ago(days=5), SubscriptionRef(STORE, "sub-1"), at=ago(days=9))

    assert read(a_purchase(COURSE, subscription="sub-1", at=ago(days=4)), ended).owed() == (COURSE,)
    assert read(a_purchase(COURSE, subscription="sub-1", at=ago(days=5)), ended).owed() == ()


def test_the_end_of_what_is_paid_is_known_per_line() -> None:
    facts = (a_purchase(COURSE), told_until(soon(days=2)))

    assert paid_until(facts, LINE) == soon(days=2)
    assert paid_until((*facts, told_until(None, at=soon(days=1))), LINE) is None
    assert paid_until((a_purchase(COURSE),), LINE) is None
    assert paid_until((), LINE) is None


def test_a_dispute_takes_access_only_when_it_is_lost() -> None:
    opened = DisputeOpened(CUSTOMER, ORDER, "dp-1", eur(4900), NOW)
    bought = a_purchase(COURSE)

    assert owed(bought, opened) == (COURSE,)
    assert owed(bought, opened, a_dispute_closed(won=True)) == (COURSE,)
    assert owed(bought, opened, a_dispute_closed(won=False)) == ()
    assert owed(bought, opened, a_dispute_closed(won=False, order=SECOND.order)) == (COURSE,)


def test_a_lost_dispute_won_in_the_end_gives_access_back() -> None:
    both = (a_dispute_closed(won=False), a_dispute_closed(won=True))

    assert owed(a_purchase(COURSE), *both) == (COURSE,)
    assert owed(a_purchase(COURSE), *both, a_dispute_closed(won=False, dispute="dp-2")) == ()


def test_a_dispute_is_open_until_the_bank_decides() -> None:
    opened = DisputeOpened(CUSTOMER, ORDER, "dp-1", eur(4900), NOW)

    assert open_disputes([opened], ORDER) == (opened,)
    assert open_disputes([opened], SECOND.order) == ()
    assert open_disputes([opened, a_dispute_closed(won=False)], ORDER) == ()
    assert open_disputes([opened, a_dispute_closed(won=False, dispute="x")], ORDER) == (opened,)
