"""Why a customer has what she has: examples of each rule, and the laws that any history obeys."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.domain.access_map import AccessMap
from plugin.domain.facts import Fact, RefundFailed
from plugin.domain.ledger import TAG_ECHO, Ledger, Reason, ReasonKind, gives_of, read_ledger
from plugin.domain.orders import LineRef, Resource
from tests.domain.histories import ACCESS, HISTORIES, MOMENTS, THINGS, retellings
from tests.factories import (
    CUSTOMER,
    NOW,
    STORE,
    a_bundle,
    a_course,
    a_gift,
    a_line_ref,
    a_purchase,
    a_refund_fact,
    a_tag,
    a_tag_added,
    a_tag_removed,
    ago,
    an_order_ref,
)

COURSE, TAG, BUNDLE = a_course(), a_tag(), a_bundle()
LINE, SECOND = a_line_ref("1"), a_line_ref("1", an_order_ref("10413"))
OPENS = AccessMap(tags={TAG: (COURSE,)})


def read(*facts: Fact, access: AccessMap | None = None, now: datetime = NOW) -> Ledger:
    return read_ledger(facts, access or AccessMap(), now)


def owed(*facts: Fact, access: AccessMap | None = None) -> tuple[Resource, ...]:
    return read(*facts, access=access).owed()


# --- laws -----------------------------------------------------------------------------------------


@given(HISTORIES, st.data())
def test_order_and_repetition_of_the_facts_change_nothing(
    facts: list[Fact], data: st.DataObject
) -> None:
    retold = data.draw(retellings(facts))

    assert read_ledger(retold, ACCESS, NOW) == read_ledger(facts, ACCESS, NOW)


@given(HISTORIES)
def test_a_resource_has_reasons_and_is_owed_exactly_while_one_lives(facts: list[Fact]) -> None:
    ledger = read_ledger(facts, ACCESS, NOW)

    for resource, holding in ledger.holdings.items():
        assert holding.resource == resource
        assert holding.living or holding.ended
        assert all(causes for _, causes in holding.ended)
    ended = {holding.resource for holding in ledger.ended()}
    assert ended.isdisjoint(ledger.owed())
    assert ended | set(ledger.owed()) == set(ledger.holdings)


@given(HISTORIES, st.lists(st.sampled_from(THINGS), max_size=3), MOMENTS)
def test_refunding_a_second_purchase_of_the_same_changes_no_access(
    facts: list[Fact], gives: list[Resource], at: datetime
) -> None:
    first = a_purchase(*gives, line=a_line_ref("1", an_order_ref("twice-1")), at=at)
    second = a_purchase(*gives, line=a_line_ref("1", an_order_ref("twice-2")), at=at)
    bought_twice = [*facts, first, second]
    refund = a_refund_fact(second.line, order=second.line.order, refund="of-the-second")

    refunded = read_ledger([*bought_twice, refund], ACCESS, NOW)

    assert refunded.owed() == read_ledger(bought_twice, ACCESS, NOW).owed()


@given(HISTORIES, st.lists(st.sampled_from(THINGS), max_size=3), MOMENTS)
def test_buying_more_never_takes_anything_away(
    facts: list[Fact], gives: list[Resource], at: datetime
) -> None:
    bought = a_purchase(*gives, line=a_line_ref("1", an_order_ref("more")), at=at)

    before = read_ledger(facts, ACCESS, NOW).owed()

    assert set(before) <= set(read_ledger([*facts, bought], ACCESS, NOW).owed())


@given(HISTORIES, st.booleans())
def test_a_refund_that_failed_leaves_no_trace_of_itself(facts: list[Fact], whole: bool) -> None:
    lines = [fact.line for fact in facts if hasattr(fact, "line")]
    line = lines[0] if lines else LINE
    refund = a_refund_fact(line, order=line.order, refund="comes-back", whole=whole)
    # Before all other refunds: what is whole in spite of it stays whole.
    failed = RefundFailed(CUSTOMER, line.order, "comes-back", ago(days=31))

    assert read_ledger([*facts, refund, failed], ACCESS, NOW) == read_ledger(facts, ACCESS, NOW)


@given(HISTORIES)
def test_a_line_that_nobody_told_of_gives_nothing_and_is_named_as_unknown(
    facts: list[Fact],
) -> None:
    untold = a_purchase(line=a_line_ref("1", an_order_ref("untold")), product="?", told=False)

    before, after = read_ledger(facts, ACCESS, NOW), read_ledger([*facts, untold], ACCESS, NOW)

    assert after.holdings == before.holdings
    assert set(after.unknown_lines) == {*before.unknown_lines, untold}


# --- purchases ------------------------------------------------------------------------------------


def test_a_purchase_gives_what_the_store_told_of_it() -> None:
    ledger = read(
        a_purchase(COURSE), access=AccessMap(products={(STORE, "p-1"): (a_course("c2"),)})
    )

    assert ledger.owed() == (COURSE,)
    (reason,) = ledger.holdings[COURSE].living
    assert (reason.kind, reason.line, reason.title) == (
        ReasonKind.PURCHASE,
        LINE,
        "Watercolour Year",
    )


def test_a_purchase_of_which_nothing_was_told_gives_what_the_map_says() -> None:
    access = AccessMap(products={(STORE, "p-1"): (COURSE,)})

    assert owed(a_purchase(told=False), access=access) == (COURSE,)
    assert gives_of(a_purchase(told=False), access) == (COURSE,)
    assert gives_of(a_purchase(told=False), AccessMap()) is None


def test_all_that_any_telling_of_a_line_gives_counts() -> None:
    facts = (a_purchase(told=False), a_purchase(COURSE), a_purchase(COURSE, a_course("c2")))

    assert owed(*facts) == (COURSE, a_course("c2"))
    assert owed(*facts, a_refund_fact(LINE)) == ()


def test_an_ended_line_of_which_nothing_was_told_is_unknown_no_more() -> None:
    assert read(a_purchase(told=False), a_refund_fact(LINE)).unknown_lines == ()


def test_a_refund_ends_the_lines_that_it_names_and_no_others() -> None:
    ledger = read(
        a_purchase(COURSE), a_purchase(a_course("c2"), line=a_line_ref("2")), a_refund_fact(LINE)
    )

    assert ledger.owed() == (a_course("c2"),)
    (ended,) = ledger.ended()
    assert ended.ended[0][1] == (a_refund_fact(LINE).id,)


def test_a_refund_of_the_whole_order_ends_lines_heard_of_later() -> None:
    assert owed(a_refund_fact(whole=True), a_purchase(COURSE)) == ()


def test_access_that_another_purchase_gives_stays() -> None:
    ledger = read(a_purchase(COURSE), a_purchase(COURSE, line=SECOND), a_refund_fact(LINE))

    assert ledger.owed() == (COURSE,)
    assert [reason.line for reason in ledger.holdings[COURSE].living] == [SECOND]


# --- bundles and gifts ----------------------------------------------------------------------------


def test_a_bundle_gives_its_courses_and_is_named_as_the_reason() -> None:
    access = AccessMap(bundles={BUNDLE: (COURSE,)})

    ledger = read(a_purchase(BUNDLE), access=access)

    assert ledger.owed() == tuple(sorted((BUNDLE, COURSE)))
    (reason,) = ledger.holdings[COURSE].living
    assert (reason.kind, reason.through, reason.line) == (ReasonKind.BUNDLE, BUNDLE, LINE)
    assert ledger.unknown_bundles == ()
    assert owed(a_purchase(BUNDLE), a_refund_fact(LINE), access=access) == ()


def test_a_bundle_whose_courses_nobody_told_is_named_as_unknown() -> None:
    assert read(a_purchase(BUNDLE)).unknown_bundles == (BUNDLE,)


def test_a_bundle_given_or_opened_by_a_tag_gives_its_courses_too() -> None:
    access = AccessMap(bundles={BUNDLE: (COURSE,)}, tags={TAG: (BUNDLE,)})
    bought = (a_purchase(COURSE), a_refund_fact(LINE))

    assert COURSE in owed(*bought, a_gift(BUNDLE), access=access)
    assert COURSE in owed(*bought, a_tag_added(TAG, ago(days=3)), access=access)
    gone = (a_tag_added(TAG, ago(days=3)), a_tag_removed(TAG, ago(days=2)))
    assert owed(*bought, *gone, access=access) == ()


def test_a_gift_stays_whatever_is_refunded() -> None:
    ledger = read(a_purchase(COURSE), a_gift(COURSE), a_refund_fact(LINE))

    assert ledger.owed() == (COURSE,)
    (reason,) = ledger.holdings[COURSE].living
    assert (reason.kind, reason.title, reason.since) == (ReasonKind.GIFT, "team", ago(days=90))


# --- tags -----------------------------------------------------------------------------------------


def test_what_a_tag_opens_is_had_since_the_first_reason_for_the_tag() -> None:
    sales = (a_purchase(TAG, at=ago(days=9)), a_purchase(TAG, line=SECOND, at=ago(days=3)))

    (reason,) = read(*sales, access=OPENS).holdings[COURSE].living

    assert reason.since == ago(days=9)


def test_access_that_a_tag_opened_goes_only_with_the_tag() -> None:
    by_hand = a_tag_added(TAG, ago(days=3))
    bought = (a_purchase(COURSE), a_refund_fact(LINE))

    assert owed(*bought, by_hand, access=OPENS) == tuple(sorted((COURSE, TAG)))
    assert owed(*bought, by_hand, a_tag_removed(TAG, ago(days=1)), access=OPENS) == ()


def test_a_tag_that_a_sale_added_goes_with_the_sale_and_closes_what_it_opened() -> None:
    bought = a_purchase(TAG)

    assert owed(bought, access=OPENS) == tuple(sorted((COURSE, TAG)))
    ended = read(bought, a_refund_fact(LINE), access=OPENS).ended()
    assert {holding.resource for holding in ended} == {COURSE, TAG}
    (reason, _causes) = next(h for h in ended if h.resource == COURSE).ended[0]
    assert (reason.kind, reason.through) == (ReasonKind.TAG, TAG)
    assert (reason.source, reason.since) == (f"{STORE}/t1", bought.at)


def test_a_tag_that_another_sale_gives_stays() -> None:
    facts = (a_purchase(TAG), a_purchase(TAG, line=SECOND), a_refund_fact(LINE))

    assert owed(*facts, access=OPENS) == tuple(sorted((COURSE, TAG)))


def test_a_tag_removed_by_hand_ends_what_came_before_and_is_gone() -> None:
    bought, removed = a_purchase(TAG, at=ago(days=9)), a_tag_removed(TAG, ago(days=5))

    ledger = read(bought, removed)

    assert ledger.owed() == ()
    assert ledger.tags_gone == {TAG}


def test_a_tag_bought_again_after_it_was_removed_is_owed_and_not_gone() -> None:
    removed = a_tag_removed(TAG, ago(days=5))
    again = a_purchase(TAG, line=SECOND, at=ago(days=2))

    ledger = read(a_purchase(TAG, at=ago(days=9)), removed, again)

    assert ledger.owed() == (TAG,)
    assert ledger.tags_gone == frozenset()


def test_a_tag_removed_at_the_moment_it_was_added_is_still_there() -> None:
    added = a_tag_added(TAG, ago(days=5))

    ledger = read(added, a_tag_removed(TAG, added.at))

    assert ledger.owed() == (TAG,)
    assert ledger.tags_gone == frozenset()
    (reason,) = ledger.holdings[TAG].living
    assert (reason.kind, reason.source) == (ReasonKind.BY_ITSELF, added.id)


def test_a_removed_tag_that_nobody_is_known_to_have_given_is_gone_and_not_ours() -> None:
    ledger = read(a_tag_removed(TAG, ago(days=5)))

    assert ledger.tags_gone == {TAG}
    assert ledger.holdings == {}


@pytest.mark.parametrize(
    ("apart", "is_echo"),
    [
        (TAG_ECHO, True),
        (-TAG_ECHO, True),
        (TAG_ECHO + timedelta(seconds=1), False),
        (-TAG_ECHO - timedelta(seconds=1), False),
    ],
)
def test_news_of_a_tag_so_near_its_sale_is_the_sale(apart: timedelta, is_echo: bool) -> None:
    bought = a_purchase(TAG, at=ago(days=9))
    news = a_tag_added(TAG, bought.at + apart)

    assert (owed(bought, news, a_refund_fact(LINE)) == ()) is is_echo


def test_news_of_another_tag_or_near_a_gift_is_no_echo() -> None:
    sale = a_purchase(TAG, at=ago(days=9))
    gift = a_gift(a_tag("t3"), ago(days=9))
    news = [a_tag_added(a_tag(ref), ago(days=9)) for ref in ("t2", "t3")]

    ledger = read(sale, gift, *news, a_refund_fact(LINE))

    assert ledger.owed() == (a_tag("t2"), a_tag("t3"))
    kinds = [reason.kind for reason in ledger.holdings[a_tag("t3")].living]
    assert kinds == [ReasonKind.BY_ITSELF, ReasonKind.GIFT]


def test_a_tag_added_back_soon_after_its_sale_is_owed_to_the_sale() -> None:
    sale = a_purchase(TAG, at=ago(days=9))
    removed = a_tag_removed(TAG, sale.at + timedelta(minutes=5))
    back = a_tag_added(TAG, sale.at + timedelta(minutes=10))

    ledger = read(sale, removed, back)

    assert ledger.owed() == (TAG,)
    assert ledger.tags_gone == frozenset()
    assert read(sale, removed, back, a_refund_fact(LINE)).owed() == ()


def test_a_tag_given_as_a_gift_opens_what_it_opens_until_it_is_removed() -> None:
    gift = a_gift(TAG, ago(days=9))

    assert owed(gift, access=OPENS) == tuple(sorted((COURSE, TAG)))
    assert owed(gift, a_purchase(TAG), a_refund_fact(LINE), access=OPENS) == tuple(
        sorted((COURSE, TAG))
    )
    assert owed(gift, a_tag_removed(TAG, ago(days=2)), access=OPENS) == ()


def test_news_without_a_name_does_not_hide_the_name() -> None:
    facts = (a_tag_added(a_tag("t1"), ago(days=3)), a_purchase(a_tag("t1", "Buyers")))

    for order in (facts, facts[::-1]):
        ledger = read(*order, access=OPENS)
        assert [r.name for r in ledger.holdings if r == TAG] == ["Buyers"]
        assert ledger.holdings[COURSE].living[0].title == "Buyers"


def test_lines_of_other_orders_are_other_lines() -> None:
    other = replace(a_purchase(COURSE), line=LineRef(SECOND.order, LINE.ref))

    assert owed(other, a_refund_fact(LINE), a_refund_fact(whole=True)) == (COURSE,)


def test_what_the_account_has_by_another_address_stays_and_nothing_is_added_by_it() -> None:
    hers = Reason(ReasonKind.PURCHASE, "other", ago(days=1), line=SECOND)
    beside = {COURSE: [hers], a_course("never"): [hers]}
    facts = (a_purchase(COURSE), a_refund_fact(LINE))

    ledger = read_ledger(facts, AccessMap(), NOW, beside)

    assert ledger.owed() == (COURSE,)
    assert ledger.holdings[COURSE].living == (hers,)
    assert len(ledger.holdings[COURSE].ended) == 1
    assert read_ledger(facts[:1], AccessMap(), NOW, beside).holdings[COURSE].living != (hers,)
