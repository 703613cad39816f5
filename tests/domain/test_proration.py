"""Pro-rating by time: whole days on the seller's wall, calendar periods, one rounding."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.domain.days import UNITS, local_date, periods_later
from plugin.domain.errors import InvalidInput
from plugin.domain.money import Money
from plugin.domain.orders import Term
from plugin.domain.proration import ProrationSum, prorate
from tests.domain.policy_cases import ZAGREB, eur, local, year_from

STARTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # Hypothesis wants naive bounds
TERMS = st.builds(Term, STARTS, st.integers(1, 40), st.sampled_from(UNITS))
PAID = st.builds(Money, st.integers(0, 10**9), st.sampled_from(["EUR", "JPY", "KWD"]))
ELAPSED = st.timedeltas(timedelta(days=-40), timedelta(days=3000))


def test_the_look_has_three_months_started_of_twelve() -> None:
    told = prorate(eur(14900), year_from(local(2026, 8, 25)), local(2026, 11, 22), ZAGREB)
    assert told == ProrationSum(12, 3, 9, "month", kept=eur(3725), back=eur(11175))


@pytest.mark.parametrize(
    ("now", "begun", "ended"),
    [
        (local(2026, 8, 24), 0, 0),
        (local(2026, 8, 25), 1, 0),
        (local(2026, 9, 24, 23, 59), 1, 0),
        (local(2026, 9, 25, 0, 0), 2, 1),
        (local(2026, 11, 24), 3, 2),
        (local(2026, 11, 25), 4, 3),
        (local(2027, 8, 24), 12, 11),
        (local(2027, 8, 25), 12, 12),
        (local(2030, 1, 1), 12, 12),
    ],
)
def test_a_period_begins_on_its_date(now: datetime, begun: int, ended: int) -> None:
    term = year_from(local(2026, 8, 25, 18))
    assert prorate(eur(1200), term, now, ZAGREB).used == begun
    assert prorate(eur(1200), term, now, ZAGREB, begun_period_counts=False).used == ended


def test_a_day_is_a_date_on_the_sellers_wall_and_not_in_utc() -> None:
    term = year_from(datetime(2026, 8, 24, 22, 30, tzinfo=UTC))  # 25 Aug, 0:30 in Zagreb
    at = datetime(2026, 9, 24, 21, 59, tzinfo=UTC)  # 24 Sep, 23:59 in Zagreb
    assert prorate(eur(1200), term, at, ZAGREB).used == 1
    assert prorate(eur(1200), term, at + timedelta(minutes=1), ZAGREB).used == 2
    assert prorate(eur(1200), term, at, UTC).used == 2


def test_the_end_of_a_short_month_stands_for_the_31st() -> None:
    term = year_from(local(2027, 1, 31))
    assert prorate(eur(1200), term, local(2027, 2, 27), ZAGREB).used == 1
    assert prorate(eur(1200), term, local(2027, 2, 28), ZAGREB).used == 2
    assert prorate(eur(1200), term, local(2027, 3, 30), ZAGREB).used == 2
    assert prorate(eur(1200), term, local(2027, 3, 31), ZAGREB).used == 3


@pytest.mark.parametrize(
    ("unit", "later"),
    [
        ("day", date(2028, 3, 2)),
        ("week", date(2028, 3, 14)),
        ("month", date(2028, 4, 29)),
        ("year", date(2030, 2, 28)),
    ],
)
def test_periods_are_calendar_periods(unit: str, later: date) -> None:
    assert periods_later(date(2028, 2, 29), 2, unit) == later


def test_half_a_minor_unit_goes_to_the_customer() -> None:
    told = prorate(Money(5, "JPY"), Term(local(2026, 1, 1), 2), local(2026, 1, 1), ZAGREB)
    assert (told.kept.minor, told.back.minor) == (2, 3)


@given(PAID, TERMS, ELAPSED, st.booleans())
def test_kept_and_back_are_what_was_paid(
    paid: Money, term: Term, elapsed: timedelta, begun: bool
) -> None:
    told = prorate(paid, term, term.start + elapsed, ZAGREB, begun_period_counts=begun)
    assert told.kept + told.back == paid
    assert told.used + told.left == told.periods == term.periods
    assert 0 <= told.back.minor <= paid.minor
    assert 0 <= told.used <= term.periods


@given(PAID, TERMS, ELAPSED, st.timedeltas(timedelta(0), timedelta(days=800)))
def test_what_comes_back_never_grows_with_time(
    paid: Money, term: Term, elapsed: timedelta, more: timedelta
) -> None:
    early = prorate(paid, term, term.start + elapsed, ZAGREB)
    late = prorate(paid, term, term.start + elapsed + more, ZAGREB)
    assert late.back <= early.back


@given(PAID, TERMS, ELAPSED)
def test_counting_ended_periods_only_gives_at_most_one_period_more(
    paid: Money, term: Term, elapsed: timedelta
) -> None:
    begun = prorate(paid, term, term.start + elapsed, ZAGREB)
    ended = prorate(paid, term, term.start + elapsed, ZAGREB, begun_period_counts=False)
    assert begun.used - ended.used in (0, 1)
    assert begun.back <= ended.back


@given(STARTS.map(datetime.date), st.integers(0, 60), st.sampled_from(UNITS))
def test_each_period_begins_after_the_one_before(start: date, count: int, unit: str) -> None:
    assert periods_later(start, count, unit) < periods_later(start, count + 1, unit)


def test_what_cannot_be_counted_is_refused() -> None:
    term = year_from(local(2026, 1, 1))
    with pytest.raises(InvalidInput) as refused:
        prorate(eur(-1), term, term.start, ZAGREB)
    told = (refused.value.field, refused.value.advice)
    assert told == ("paid", "give what was paid, not what is owed")
    with pytest.raises(InvalidInput, match="day, week, month or year"):
        periods_later(term.start.date(), 2, "fortnight")


def test_a_moment_without_a_zone_is_refused_by_its_name() -> None:
    term = year_from(local(2026, 1, 1))
    bare = term.start.replace(tzinfo=None)
    for name, broken, now in (("now", term, bare), ("term", Term(bare, 2), term.start)):
        with pytest.raises(InvalidInput, match="time zone") as refused:
            prorate(eur(100), broken, now, ZAGREB)
        assert refused.value.field == name


def test_a_long_day_and_a_short_day_are_one_day_each() -> None:
    short, long = local(2026, 3, 29, 0, 30), local(2026, 10, 25, 0, 30)
    for night in (short, long):
        following = (night + timedelta(days=1)).replace(hour=0, minute=0)
        days = local_date(following, ZAGREB) - local_date(night, ZAGREB)
        assert days == timedelta(days=1)
