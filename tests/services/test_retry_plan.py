"""The plan of retries, whatever chance and the other side say."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from plugin.services.retry_plan import (
    LONGEST_WISH,
    RETRIES,
    next_wait,
    spread,
    stretched,
    wished,
)

CHANCES = st.floats(0, 1)


@given(chances=st.lists(CHANCES, min_size=20, max_size=20))
def test_any_chance_gives_ten_attempts_or_more_over_75_hours_or_more(chances: list[float]) -> None:
    waits = []
    for attempts, chance in enumerate(chances, start=1):
        wait = next_wait(attempts, None, chance)
        if wait is None:
            break
        waits.append(wait)
    assert len(waits) + 1 >= 10
    assert timedelta(hours=75) <= sum(waits, timedelta()) <= timedelta(days=5)


@given(
    attempts=st.integers(1, len(RETRIES)),
    wish=st.none() | st.integers(-(10**20), 10**20),
    chance=CHANCES,
)
def test_no_wait_is_shorter_than_wished_up_to_a_day_nor_shorter_than_planned(
    attempts: int, wish: int | None, chance: float
) -> None:
    wait = next_wait(attempts, wish, chance)
    assert wait is not None
    assert wait >= timedelta(seconds=min(max(wish or 0, 0), 86_400))
    assert wait >= RETRIES[attempts - 1]
    assert wait <= max(RETRIES[attempts - 1], LONGEST_WISH) * 1.25


def test_what_makes_no_sense_is_no_wish() -> None:
    assert wished(None) == wished(-5) == timedelta()
    assert wished(10**30) == LONGEST_WISH


@given(seconds=st.integers(1, 86_400), chance=CHANCES)
def test_a_wait_is_stretched_by_a_quarter_at_most(seconds: int, chance: float) -> None:
    wait = timedelta(seconds=seconds)
    assert wait <= stretched(wait, chance) <= wait * 1.25


def test_what_failed_together_comes_back_apart() -> None:
    chances = [spread(f"effect-{n}", "1") for n in range(1000)]
    assert all(0 <= chance <= 1 for chance in chances)
    tenths = [sum(n / 10 <= chance < (n + 1) / 10 for chance in chances) for n in range(10)]
    assert min(tenths) > 60
    assert spread("effect-1", "1") == chances[1] != spread("effect-1", "2")
