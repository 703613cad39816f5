"""Seconds that go on while the machine is suspended. Deadlines and signs of life are told by them.

Python's monotonic clock stands still meanwhile: a process that slept for an hour would take what it
knew for fresh, and a call that it had begun for one of a moment ago.
https://man7.org/linux/man-pages/man2/clock_gettime.2.html
"""

from __future__ import annotations

import time
from typing import Final

_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def seconds_gone() -> float:
    """Seconds since some moment; only differences mean anything. They are never set back."""
    return time.clock_gettime(_CLOCK)
