"""When what could not be done is tried again: later each time, and never all of it at once.

Pure. Chance is an argument: a number from 0 to 1. `spread` gives one that is made from what is
tried and which try it is, so that a thousand effects that failed together come back apart, and the
same history always has the same times.
"""

from __future__ import annotations

from datetime import timedelta

from plugin.domain.ids import digest

RETRIES = tuple(
    timedelta(seconds=s)
    for s in (5, 30, 120, 600, 1800, 3600, 10800, 21600, 43200, 86400, 86400, 86400)
)
"""After the first attempt twelve more, over almost four days; then a person must look."""
LONGEST_WISH = timedelta(days=1)
"""As long as the other side may have us wait."""
JITTER = 0.25
"""Every wait is up to a quarter longer, never shorter."""


def next_wait(attempts: int, wish_seconds: int | None, chance: float) -> timedelta | None:
    """How long to wait after so many attempts, or None where there were enough.

    `wish_seconds` is the other side's wish (`Retry-After`): never less than that, up to a day.
    """
    if attempts > len(RETRIES):
        return None
    return stretched(max(RETRIES[attempts - 1], wished(wish_seconds)), chance)


def wished(seconds: int | None) -> timedelta:
    """The other side's wish, as far as it makes sense."""
    return min(timedelta(seconds=min(max(seconds or 0, 0), 10**6)), LONGEST_WISH)


def stretched(wait: timedelta, chance: float) -> timedelta:
    """`wait`, and up to a quarter more."""
    return wait * (1 + JITTER * chance)


def spread(*parts: str) -> float:
    """A number from 0 to 1 that looks like chance, made from `parts`."""
    return int(digest("spread", *parts)[:8], 16) / 0xFFFFFFFF
