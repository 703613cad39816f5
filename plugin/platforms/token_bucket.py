"""The arithmetic of a token bucket, and the port through which calls ask for a token.

Pure: the time is an argument and the state a value; who stores it, and under which lock, is the
storage's affair. Never waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """`requests` tokens flow in evenly over `per_seconds`; `burst` is the size of the bucket.

    Of a full bucket `left` tokens are left to others: who asks by this rate does not get them.
    """

    requests: int
    per_seconds: int
    burst: int
    left: int = 0

    def __post_init__(self) -> None:
        if min(self.requests, self.per_seconds, self.burst) < 1:
            raise ValueError("a rate needs at least one request, one second and a burst of one")
        if not 0 <= self.left < self.burst:
            raise ValueError("a rate that leaves all to others gives nothing")

    @property
    def gap_us(self) -> int:
        """Microseconds until the next token, rounded up so that the limit is never passed."""
        return -(-self.per_seconds * _MICROSECONDS // self.requests)


@dataclass(frozen=True, slots=True)
class Bucket:
    """The state: the moment at which the bucket is full again, in microseconds since 1970.

    One number says both how many tokens are left and when that was true. 0 is a full bucket.
    """

    full_at_us: int = 0


def take(bucket: Bucket, now_us: int, rate: Rate) -> tuple[Bucket, float]:
    """Take one token: the new state and 0.0, or the state and the seconds until one is there.

    When the clock was set back, the bucket counts as empty at worst: nobody waits longer than one
    token takes.
    """
    whole_us = rate.gap_us * rate.burst
    full_at_us = min(max(bucket.full_at_us, now_us), now_us + whole_us)
    wait_us = full_at_us + rate.gap_us * (1 + rate.left) - now_us - whole_us
    if wait_us > 0:
        return Bucket(full_at_us), wait_us / _MICROSECONDS
    return Bucket(full_at_us + rate.gap_us), 0.0


class Budget(Protocol):
    """The calls one platform account has left, shared by all processes that call for it."""

    def take(self) -> float:
        """Take one call: 0.0 when it may go out now, else the seconds to wait (none taken)."""
        ...
