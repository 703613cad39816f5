"""Laws of the token bucket."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.platforms.token_bucket import Bucket, Rate, take

RATES = st.builds(
    Rate,
    requests=st.integers(1, 5000),
    per_seconds=st.integers(1, 3600),
    burst=st.integers(1, 50),
)
MOMENTS = st.integers(0, 4 * 10**15)
STEPS = st.lists(st.integers(0, 5_000_000), max_size=200)


@given(rate=RATES, start=MOMENTS, steps=STEPS)
def test_no_span_of_time_sees_more_than_the_burst_and_what_flowed_in(
    rate: Rate, start: int, steps: list[int]
) -> None:
    bucket, now, granted = Bucket(), start, []
    for step in steps:
        now += step
        bucket, wait = take(bucket, now, rate)
        if not wait:
            granted.append(now)

    for first, begin in enumerate(granted):
        for last in range(first, len(granted)):
            flowed_in = (granted[last] - begin) * rate.requests / (rate.per_seconds * 10**6)
            assert last - first + 1 <= rate.burst + flowed_in + 1e-6


@given(rate=RATES, start=MOMENTS, taken=st.integers(0, 120))
def test_who_waits_as_told_gets_a_token_and_not_sooner(rate: Rate, start: int, taken: int) -> None:
    bucket = Bucket()
    for _ in range(taken):
        bucket, _wait = take(bucket, start, rate)

    bucket, wait = take(bucket, start, rate)

    wait_us = round(wait * 10**6)
    if wait_us:
        assert take(bucket, start + wait_us - 1, rate)[1] > 0
    assert take(bucket, start + wait_us, rate)[1] == 0 or (wait_us == 0 and taken + 2 > rate.burst)


@given(rate=RATES, now=MOMENTS)
def test_a_full_bucket_gives_its_burst_at_once_and_no_more(rate: Rate, now: int) -> None:
    bucket, waits = Bucket(), []
    for _ in range(rate.burst + 1):
        bucket, wait = take(bucket, now, rate)
        waits.append(wait)

    assert waits[:-1] == [0.0] * rate.burst
    assert math.isclose(waits[-1], rate.gap_us / 10**6)


@given(rate=RATES, now=MOMENTS, data=st.data())
def test_what_is_left_to_others_is_there_for_them_alone(
    rate: Rate, now: int, data: st.DataObject
) -> None:
    left = data.draw(st.integers(0, rate.burst - 1))
    modest, bucket, taken = replace(rate, left=left), Bucket(), 0
    while not (answer := take(bucket, now, modest))[1]:
        bucket, taken = answer[0], taken + 1
    _, wait = answer

    assert taken == rate.burst - left
    for _ in range(left):
        bucket, others = take(bucket, now, rate)
        assert others == 0
    assert take(bucket, now, rate)[1] > 0
    assert take(answer[0], now + round(wait * 10**6), modest)[1] == 0


@given(rate=RATES, now=MOMENTS)
def test_waiting_takes_no_token(rate: Rate, now: int) -> None:
    bucket = Bucket()
    for _ in range(rate.burst):
        bucket, _wait = take(bucket, now, rate)

    once, wait = take(bucket, now, rate)
    twice, same = take(once, now, rate)

    assert once == twice
    assert wait == same > 0


@given(rate=RATES, now=MOMENTS, ahead=MOMENTS)
def test_a_clock_set_back_holds_nobody_longer_than_one_token(
    rate: Rate, now: int, ahead: int
) -> None:
    _bucket, wait = take(Bucket(now + ahead), now, rate)

    assert wait <= rate.gap_us / 10**6


def test_a_gap_is_rounded_up_so_that_the_limit_is_never_passed() -> None:
    assert Rate(requests=3, per_seconds=1, burst=1).gap_us == 333_334


@pytest.mark.parametrize(("requests", "per_seconds", "burst"), [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_a_rate_of_nothing_is_refused(requests: int, per_seconds: int, burst: int) -> None:
    with pytest.raises(
        ValueError, match=r"^a rate needs at least one request, one second and a burst of one$"
    ):
        Rate(requests, per_seconds, burst)


@pytest.mark.parametrize("left", [-1, 2, 3])
def test_a_rate_that_leaves_all_to_others_is_refused(left: int) -> None:
    with pytest.raises(ValueError, match=r"^a rate that leaves all to others gives nothing$"):
        Rate(requests=1, per_seconds=1, burst=2, left=left)
