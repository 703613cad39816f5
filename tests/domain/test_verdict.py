"""Verdicts: the orders of the design pages, every reason, and what may never happen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from plugin.domain.errors import InvalidInput
from plugin.domain.money import Money
from plugin.domain.orders import (
    LineRef,
    Resource,
    ResourceKind,
    Usage,
    UsageKnown,
    UsageUnknown,
)
from plugin.domain.policy import (
    Clause,
    KeptFee,
    Policy,
    ProRata,
    Selector,
    UsageCondition,
)
from plugin.domain.verdict import Because, Verdict, VerdictKind, judge_line, judge_order, kinds_of
from tests.domain.policy_cases import (
    COURSES,
    DOWNLOADS,
    FRESH,
    NOW,
    ORDER,
    PERSON_DECIDES,
    SHOP,
    STORE,
    eur,
    line,
    local,
    order,
    payment,
    policy,
    version,
    year_from,
)

ELIGIBLE = VerdictKind.ELIGIBLE
IN_PART = VerdictKind.ELIGIBLE_IN_PART
NO = VerdictKind.NOT_ELIGIBLE
REVIEW = VerdictKind.NEEDS_REVIEW
UNKNOWN = VerdictKind.UNKNOWN
BOUGHT = local(2026, 11, 2)
AUGUST = local(2026, 8, 25)
WATERCOLOUR = line(
    paid=eur(14900), kind=ResourceKind.MEMBERSHIP, term=year_from(AUGUST), ref="year"
)
GUIDE = line(
    paid=eur(1900), kind=ResourceKind.DOWNLOAD, usage=UsageKnown(downloaded=False), ref="guide"
)
LIGHTING = line(paid=eur(29700))


def told(verdict: Verdict) -> tuple[VerdictKind, str | None, int, Because]:
    clause = verdict.clause.id if verdict.clause else None
    return verdict.kind, clause, verdict.amount.minor, verdict.because


def test_a_download_whose_use_nobody_told_is_for_a_person_by_clause_3_2() -> None:
    brushes = line(paid=Money(3800, "JPY"), kind=ResourceKind.DOWNLOAD)
    verdict = judge_line(brushes, local(2026, 11, 18), SHOP, NOW)
    assert told(verdict) == (REVIEW, "3.2", 3800, Because.USAGE_UNKNOWN)
    assert verdict.policy_version == 7


def test_a_course_on_day_21_of_30_comes_back_in_full() -> None:
    verdict = judge_line(LIGHTING, BOUGHT, SHOP, NOW)
    assert told(verdict) == (ELIGIBLE, "2.1", 29700, Because.WITHIN_WINDOW)
    assert (verdict.day, verdict.policy_version) == (21, 7)


def test_a_year_with_three_months_started_comes_back_in_part() -> None:
    verdict = judge_line(WATERCOLOUR, AUGUST, SHOP, NOW)
    assert told(verdict) == (IN_PART, "4.2", 11175, Because.MONTHS_NOT_STARTED)
    assert verdict.policy_version == 6
    assert verdict.prorata is not None
    assert (verdict.prorata.kept, verdict.prorata.back) == (eur(3725), eur(11175))


def test_a_course_on_day_266_does_not_come_back() -> None:
    basics = line(paid=eur(4900), refunded=eur(1000))
    verdict = judge_line(basics, local(2026, 3, 2), SHOP, NOW)
    assert told(verdict) == (NO, "2.1", 0, Because.WINDOW_OVER)
    assert (verdict.day, verdict.policy_version) == (266, 5)


def test_an_order_of_a_year_and_a_guide_shows_the_year() -> None:
    bought = order(WATERCOLOUR, GUIDE, bought_at=AUGUST, payments=[payment(eur(16800))])
    verdict = judge_order(bought, SHOP, NOW, FRESH)
    assert (verdict.kind, verdict.amount) == (IN_PART, eur(11175))
    assert told(verdict.leading) == (IN_PART, "4.2", 11175, Because.MONTHS_NOT_STARTED)
    assert told(verdict.of(GUIDE.ref)) == (NO, "3.1", 0, Because.WINDOW_OVER)
    assert [ref for ref, _ in verdict.lines] == [WATERCOLOUR.ref, GUIDE.ref]
    with pytest.raises(KeyError):
        verdict.of(LineRef(ORDER, "none"))


@pytest.mark.parametrize(
    ("now", "day", "kind"),
    [
        (local(2026, 11, 2, 23, 59), 0, ELIGIBLE),
        (local(2026, 12, 2, 23, 59), 30, ELIGIBLE),
        (local(2026, 12, 3, 0, 0), 31, NO),
        (local(2026, 11, 1), 0, ELIGIBLE),  # a store whose clock is ahead
    ],
)
def test_day_30_of_30_is_within_to_its_last_minute(
    now: datetime, day: int, kind: VerdictKind
) -> None:
    verdict = judge_line(LIGHTING, BOUGHT, SHOP, now)
    assert (verdict.day, verdict.kind) == (day, kind)


def test_days_are_counted_on_the_sellers_wall_over_a_change_of_clocks() -> None:
    bought = local(2026, 10, 24, 23, 30)  # the night before summer time ends
    assert judge_line(LIGHTING, bought, SHOP, local(2026, 10, 26, 0, 15)).day == 2
    assert judge_line(LIGHTING, bought.astimezone(UTC), SHOP, local(2026, 10, 26, 0, 15)).day == 2
    spring = local(2026, 3, 28, 23, 30)
    assert judge_line(LIGHTING, spring, SHOP, local(2026, 3, 30, 0, 15)).day == 2


@pytest.mark.parametrize(
    ("zone", "at", "day"),
    [
        ("Pacific/Kiritimati", datetime(2026, 11, 2, 9, 59, tzinfo=UTC), 0),
        ("Pacific/Kiritimati", datetime(2026, 11, 2, 10, 0, tzinfo=UTC), 1),
        ("Pacific/Pago_Pago", datetime(2026, 11, 3, 10, 59, tzinfo=UTC), 1),
        ("Pacific/Pago_Pago", datetime(2026, 11, 3, 11, 0, tzinfo=UTC), 2),
    ],
)
def test_days_are_the_sellers_and_not_those_of_the_machine(
    zone: str, at: datetime, day: int
) -> None:
    days = Policy((version(Clause("1", "30 days.", window_days=30), zone=zone),))
    bought = datetime(2026, 11, 1, 12, tzinfo=UTC)  # 2 Nov on the first island, 1 Nov on the second
    assert judge_line(LIGHTING, bought, days, at).day == day


@pytest.mark.parametrize(("minute", "used"), [(59, 1), (60, 2)])
def test_months_begin_on_the_sellers_date_and_not_on_that_of_the_machine(
    minute: int, used: int
) -> None:
    clause = Clause("4", "Months.", prorata=ProRata())
    months = Policy((version(clause, zone="Pacific/Kiritimati"),))
    bought = datetime(2026, 11, 1, 12, tzinfo=UTC)  # 2 Nov there
    at = datetime(2026, 12, 1, 9, tzinfo=UTC) + timedelta(minutes=minute)
    year = replace(WATERCOLOUR, term=year_from(bought))
    prorata = judge_line(year, bought, months, at).prorata
    assert prorata is not None
    assert prorata.used == used


def test_a_clause_may_speak_of_single_products() -> None:
    single = Selector(products=frozenset({"p-9"}))
    rules = policy(Clause("9", "This one never.", single, non_refundable=True), COURSES)
    never = judge_line(line(paid=eur(100), product="p-9"), BOUGHT, rules, NOW)
    assert told(never) == (NO, "9", 0, Because.NON_REFUNDABLE)
    assert judge_line(LIGHTING, BOUGHT, rules, NOW).kind is ELIGIBLE


def test_the_version_at_purchase_decides_and_not_the_one_of_today() -> None:
    strict = Clause("2.1", "Courses: bought is bought.", non_refundable=True)
    changed = Policy(
        (version(COURSES, number=1), version(strict, number=2, since=local(2026, 11, 3)))
    )
    before = judge_line(LIGHTING, BOUGHT, changed, NOW)
    after = judge_line(LIGHTING, local(2026, 11, 4), changed, NOW)
    assert (before.policy_version, before.kind) == (1, ELIGIBLE)
    assert (after.policy_version, after.kind, after.because) == (2, NO, Because.NON_REFUNDABLE)


def test_a_clause_without_window_gives_everything_back_at_any_time() -> None:
    anytime = policy(Clause("1", "Your money back at any time."))
    assert told(judge_line(LIGHTING, local(2024, 1, 1), anytime, NOW)) == (
        *(ELIGIBLE, "1", 29700),
        Because.ANY_TIME,
    )


def test_what_no_clause_speaks_of_is_for_a_person() -> None:
    licence = line(paid=eur(900), kind=ResourceKind.LICENCE)
    assert told(judge_line(licence, BOUGHT, SHOP, NOW)) == (REVIEW, None, 900, Because.NO_CLAUSE)


def test_a_kind_nobody_told_is_for_a_person_and_never_guessed() -> None:
    unknown = judge_line(line(paid=eur(900), kind=None), BOUGHT, SHOP, NOW)
    assert told(unknown) == (REVIEW, None, 900, Because.KIND_UNKNOWN)


def test_what_has_gone_back_or_cost_nothing_leaves_nothing() -> None:
    back = judge_line(line(paid=eur(900), refunded=eur(900)), BOUGHT, SHOP, NOW)
    over = judge_line(line(paid=eur(900), refunded=eur(950)), BOUGHT, SHOP, NOW)
    free = judge_line(line(paid=eur(0), kind=None), BOUGHT, SHOP, NOW)
    assert told(back) == told(over) == (NO, "2.1", 0, Because.ALREADY_REFUNDED)
    assert told(free) == (NO, None, 0, Because.NOTHING_PAID)
    last_cent = judge_line(line(paid=eur(100), refunded=eur(99)), BOUGHT, SHOP, NOW)
    assert told(last_cent) == (ELIGIBLE, "2.1", 1, Because.WITHIN_WINDOW)


def test_an_earlier_refund_counts_against_what_is_due() -> None:
    bought = replace(WATERCOLOUR, refunded=eur(5000))
    assert judge_line(bought, AUGUST, SHOP, NOW).amount == eur(6175)
    much = replace(WATERCOLOUR, refunded=eur(11175))
    assert told(judge_line(much, AUGUST, SHOP, NOW)) == (NO, "4.2", 0, Because.ALREADY_REFUNDED)
    course = line(paid=eur(4900), refunded=eur(1000))
    assert told(judge_line(course, BOUGHT, SHOP, NOW)) == (
        *(ELIGIBLE, "2.1", 3900),
        Because.WITHIN_WINDOW,
    )


def test_a_term_that_is_over_gives_nothing_and_one_nobody_told_is_for_a_person() -> None:
    over = judge_line(WATERCOLOUR, AUGUST, SHOP, local(2027, 8, 1))
    assert told(over) == (NO, "4.2", 0, Because.TERM_USED_UP)
    untold = judge_line(replace(WATERCOLOUR, term=None), AUGUST, SHOP, NOW)
    assert told(untold) == (REVIEW, "4.2", 14900, Because.TERM_UNKNOWN)


def test_a_window_with_prorata_gives_all_first_and_the_rest_later() -> None:
    both = policy(Clause("4", "30 days, then months.", window_days=30, prorata=ProRata()))
    early = judge_line(WATERCOLOUR, AUGUST, both, local(2026, 9, 24))
    later = judge_line(WATERCOLOUR, AUGUST, both, local(2026, 9, 25))
    assert told(early) == (ELIGIBLE, "4", 14900, Because.WITHIN_WINDOW)
    assert told(later) == (IN_PART, "4", 12417, Because.MONTHS_NOT_STARTED)


def test_a_begun_period_is_free_where_the_clause_says_so() -> None:
    kind = policy(Clause("4", "Months.", prorata=ProRata(begun_period_counts=False)))
    verdict = judge_line(WATERCOLOUR, AUGUST, kind, local(2026, 9, 24))
    assert told(verdict) == (ELIGIBLE, "4", 14900, Because.MONTHS_NOT_STARTED)


def test_a_fee_is_kept_and_shown() -> None:
    fee = policy(Clause("1", "Less 1 EUR.", window_days=30, kept_fee=KeptFee(eur(100))))
    verdict = judge_line(LIGHTING, BOUGHT, fee, NOW)
    assert told(verdict) == (IN_PART, "1", 29600, Because.FEE_KEPT)
    assert verdict.fee == eur(100)
    tiny = judge_line(line(paid=eur(80)), BOUGHT, fee, NOW)
    assert told(tiny) == (NO, "1", 0, Because.FEE_KEPT)
    yen = judge_line(line(paid=Money(3800, "JPY")), BOUGHT, fee, NOW)
    assert told(yen) == (REVIEW, "1", 3800, Because.FEE_IN_OTHER_CURRENCY)
    behind = line(paid=Money(3800, "JPY"), refunded=Money(800, "JPY"))
    assert judge_line(behind, BOUGHT, fee, NOW).amount == Money(3000, "JPY")
    twice = policy(Clause("4", "M.", prorata=ProRata(), kept_fee=KeptFee(Money(100, "USD"))))
    months = replace(WATERCOLOUR, refunded=eur(3000))
    assert judge_line(months, AUGUST, twice, NOW).amount == eur(11175 - 3000)


def test_a_fee_on_months_not_started_is_taken_from_what_would_come_back() -> None:
    fee = policy(Clause("4", "M.", prorata=ProRata(), kept_fee=KeptFee(basis_points=1000)))
    verdict = judge_line(WATERCOLOUR, AUGUST, fee, NOW)
    assert told(verdict) == (IN_PART, "4", 11175 - 1118, Because.MONTHS_NOT_STARTED)
    assert verdict.fee == eur(1118)


def test_a_fee_that_rounds_to_nothing_is_no_fee() -> None:
    fee = policy(Clause("1", "Less 0.01 %.", kept_fee=KeptFee(basis_points=1)))
    verdict = judge_line(line(paid=eur(100)), BOUGHT, fee, NOW)
    assert told(verdict) == (ELIGIBLE, "1", 100, Because.ANY_TIME)
    assert verdict.fee is None


SHARE = UsageCondition(max_share_percent=19)
BOTH = UsageCondition(not_downloaded=True, max_share_percent=19)


@pytest.mark.parametrize(
    ("condition", "usage", "because"),
    [
        (DOWNLOADS.usage, UsageKnown(downloaded=False), Because.WITHIN_WINDOW),
        (DOWNLOADS.usage, UsageKnown(downloaded=True), Because.USED),
        (DOWNLOADS.usage, UsageKnown(share=0), Because.USAGE_UNKNOWN),
        (DOWNLOADS.usage, UsageUnknown(), Because.USAGE_UNKNOWN),
        (SHARE, UsageKnown(share=19), Because.WITHIN_WINDOW),
        (SHARE, UsageKnown(share=20), Because.USED),
        (SHARE, UsageKnown(downloaded=True), Because.USAGE_UNKNOWN),
        (BOTH, UsageKnown(downloaded=False, share=0), Because.WITHIN_WINDOW),
        (BOTH, UsageKnown(downloaded=False), Because.USAGE_UNKNOWN),
        (BOTH, UsageKnown(downloaded=True), Because.USED),
        (BOTH, UsageKnown(share=50), Because.USED),
    ],
)
def test_use_is_proven_or_disproven_or_unknown(
    condition: UsageCondition, usage: Usage, because: Because
) -> None:
    clause = Clause("3.1", "If not used.", window_days=14, usage=condition)
    sold = line(paid=eur(1900), usage=usage)
    verdict = judge_line(sold, local(2026, 11, 20), policy(clause, PERSON_DECIDES), NOW)
    assert verdict.because is because


def test_unknown_use_without_a_clause_of_its_own_cites_the_condition() -> None:
    clause = Clause("3.1", "If not used.", window_days=14, usage=SHARE)
    verdict = judge_line(line(paid=eur(1900)), local(2026, 11, 20), policy(clause), NOW)
    assert told(verdict) == (REVIEW, "3.1", 1900, Because.USAGE_UNKNOWN)


def resource(kind: ResourceKind) -> Resource:
    return Resource(STORE, kind, kind.value)


def test_the_kind_is_the_stores_word_then_the_term_then_what_the_line_gives() -> None:
    course, tag = resource(ResourceKind.COURSE), resource(ResourceKind.TAG)
    download = resource(ResourceKind.DOWNLOAD)
    untold = line(paid=eur(1), kind=None)
    assert kinds_of(WATERCOLOUR) == frozenset({ResourceKind.MEMBERSHIP})
    assert kinds_of(replace(WATERCOLOUR, kind=ResourceKind.COURSE)) == frozenset(
        {ResourceKind.COURSE}
    )
    assert kinds_of(replace(WATERCOLOUR, kind=None)) == frozenset({ResourceKind.MEMBERSHIP})
    assert kinds_of(replace(untold, subscription="s")) == frozenset({ResourceKind.MEMBERSHIP})
    assert kinds_of(replace(untold, gives=(course, tag))) == frozenset({ResourceKind.COURSE})
    assert kinds_of(replace(untold, gives=(course, download))) == frozenset(
        {ResourceKind.COURSE, ResourceKind.DOWNLOAD}
    )
    assert kinds_of(replace(untold, gives=(tag,))) is None
    assert kinds_of(replace(untold, gives=())) is None
    assert kinds_of(untold) is None


def test_old_data_makes_every_line_unknown() -> None:
    old = order(LIGHTING, GUIDE, bought_at=BOUGHT, read_at=NOW - FRESH - timedelta(seconds=1))
    verdict = judge_order(old, SHOP, NOW, FRESH)
    assert (verdict.kind, verdict.amount) == (UNKNOWN, eur(0))
    assert {each.because for _, each in verdict.lines} == {Because.DATA_OLD}
    assert told(verdict.leading) == (UNKNOWN, "2.1", 0, Because.DATA_OLD)
    fee = policy(Clause("4", "M.", prorata=ProRata(), kept_fee=KeptFee(basis_points=1000)))
    year = order(WATERCOLOUR, bought_at=AUGUST, read_at=NOW - timedelta(days=1))
    leading = judge_order(year, fee, NOW, FRESH).leading
    assert (leading.because, leading.prorata, leading.fee) == (Because.DATA_OLD, None, None)
    assert judge_order(replace(old, read_at=NOW - FRESH), SHOP, NOW, FRESH).kind is IN_PART


def test_an_open_dispute_puts_the_order_before_a_person() -> None:
    held = payment(eur(14900), disputed=eur(14900), dispute_open=True)
    disputed = order(WATERCOLOUR, bought_at=AUGUST, payments=[held])
    verdict = judge_order(disputed, SHOP, NOW, FRESH)
    assert (verdict.kind, verdict.amount) == (REVIEW, eur(0))
    assert verdict.leading.prorata is None
    partly = order(WATERCOLOUR, GUIDE, bought_at=AUGUST, payments=[replace(held, disputed=eur(1))])
    assert judge_order(partly, SHOP, NOW, FRESH).leading.because is Because.DISPUTE_OPEN


def test_money_taken_by_a_lost_dispute_is_not_given_twice() -> None:
    lost = payment(eur(29700), disputed=eur(29700))
    verdict = judge_order(order(LIGHTING, bought_at=BOUGHT, payments=[lost]), SHOP, NOW, FRESH)
    assert told(verdict.leading) == (NO, "2.1", 0, Because.ALREADY_REFUNDED)


def test_an_order_whose_lines_are_not_told_is_unknown() -> None:
    bare = order(bought_at=BOUGHT, payments=[payment(eur(4900))])
    verdict = judge_order(bare, SHOP, NOW, FRESH)
    assert told(verdict.leading) == (UNKNOWN, None, 0, Because.LINES_UNKNOWN)
    assert (verdict.kind, verdict.lines, verdict.leading.policy_version) == (UNKNOWN, (), 7)
    assert (verdict.amount, verdict.leading.amount) == (eur(0), eur(0))
    old = replace(bare, read_at=NOW - timedelta(days=1))
    assert judge_order(old, SHOP, NOW, FRESH).leading.because is Because.DATA_OLD


def test_all_lines_eligible_is_eligible_and_a_settled_line_does_not_colour_it() -> None:
    settled = replace(GUIDE, refunded=GUIDE.paid)
    both = judge_order(order(LIGHTING, GUIDE, bought_at=NOW), SHOP, NOW, FRESH)
    assert (both.kind, both.amount) == (ELIGIBLE, eur(31600))
    one = judge_order(order(LIGHTING, settled, bought_at=NOW), SHOP, NOW, FRESH)
    assert (one.kind, one.amount) == (ELIGIBLE, eur(29700))
    none = judge_order(order(settled, settled, bought_at=NOW), SHOP, NOW, FRESH)
    assert (none.kind, none.leading.because) == (NO, Because.ALREADY_REFUNDED)


def test_a_line_for_a_person_beside_a_no_is_what_the_order_shows() -> None:
    review = line(paid=eur(900), kind=ResourceKind.DOWNLOAD, ref="a")
    no = replace(GUIDE, usage=UsageKnown(downloaded=True))
    for lines, kind, amount in (
        ((no, review), REVIEW, 900),
        ((no, no), NO, 0),
        ((LIGHTING, review), IN_PART, 29700),
        ((LIGHTING, no), IN_PART, 29700),
    ):
        verdict = judge_order(order(*lines, bought_at=NOW), SHOP, NOW, FRESH)
        assert (verdict.kind, verdict.amount) == (kind, eur(amount))


def test_unknown_use_of_a_year_gives_the_months_not_started_once_a_person_says_yes() -> None:
    unused = Clause("4", "Months not started, if not watched.", usage=SHARE, prorata=ProRata())
    verdict = judge_line(WATERCOLOUR, AUGUST, policy(unused), NOW)
    assert told(verdict) == (REVIEW, "4", 11175, Because.USAGE_UNKNOWN)
    over = judge_line(WATERCOLOUR, AUGUST, policy(unused), local(2027, 8, 1))
    assert told(over) == (NO, "4", 0, Because.TERM_USED_UP)


def test_money_that_went_back_for_the_whole_order_counts_against_what_is_due() -> None:
    paid = payment(eur(16800), refunded=eur(5000))
    alone = judge_order(order(WATERCOLOUR, bought_at=AUGUST, payments=[paid]), SHOP, NOW, FRESH)
    assert alone.amount == alone.leading.amount == eur(6175)
    two = judge_order(
        order(WATERCOLOUR, GUIDE, bought_at=AUGUST, payments=[paid]), SHOP, NOW, FRESH
    )
    assert (two.kind, two.amount, two.leading.amount) == (IN_PART, eur(6175), eur(11175))
    gone = replace(paid, refunded=eur(12000))
    all_back = judge_order(
        order(WATERCOLOUR, GUIDE, bought_at=AUGUST, payments=[gone]), SHOP, NOW, FRESH
    )
    assert told(all_back.leading) == (NO, "4.2", 0, Because.ALREADY_REFUNDED)
    assert (all_back.kind, all_back.amount) == (NO, eur(0))


def test_lines_that_know_more_than_the_payments_are_believed() -> None:
    sold = line(paid=eur(4900), refunded=eur(1000))
    behind = order(sold, bought_at=BOUGHT, payments=[payment(eur(4900))])
    assert judge_order(behind, SHOP, NOW, FRESH).amount == eur(3900)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"time zone") as refused:
        judge_line(LIGHTING, BOUGHT, SHOP, NOW.replace(tzinfo=None))
    assert refused.value.field == "now"
    with pytest.raises(InvalidInput, match="time zone"):
        judge_line(LIGHTING, BOUGHT.replace(tzinfo=None), SHOP, NOW)
