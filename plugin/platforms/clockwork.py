"""One thread for all that has a time: cutting a call that lasts too long, closing what rests.

A timer of its own for each call would cost a thread per call. What is done must be quick and must
not raise: everything else that is due waits for it. It measures time only by the monotonic clock.
"""

from __future__ import annotations

import heapq
import itertools
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(order=True, slots=True)
class Alarm:
    """Something to do at `when` (monotonic seconds), unless it is called off before."""

    when: float
    number: int
    do: Callable[[], None] | None = field(compare=False)

    def call_off(self) -> None:
        """Do it no more. It may be under way at this very moment."""
        self.do = None


class Clockwork:
    """Alarms, and the thread that rings them; the thread comes with the first of them."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget all: a fork has neither the thread nor a right to its parent's connections."""
        self._changed = threading.Condition()
        self._alarms: list[Alarm] = []
        self._thread: threading.Thread | None = None

    def ring_in(self, seconds: float, do: Callable[[], None]) -> Alarm:
        alarm = Alarm(time.monotonic() + seconds, next(self._numbers), do)
        with self._changed:
            heapq.heappush(self._alarms, alarm)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="clockwork", daemon=True)
                self._thread.start()
            elif self._alarms[0] is alarm:
                self._changed.notify()
        return alarm

    def _run(self) -> None:
        while True:
            do = self._next().do
            if do is not None:
                do()

    def _next(self) -> Alarm:
        with self._changed:
            while True:
                while self._alarms and self._alarms[0].do is None:
                    heapq.heappop(self._alarms)
                wait = self._alarms[0].when - time.monotonic() if self._alarms else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._alarms)
                self._changed.wait(wait)


clockwork = Clockwork()
"""This process's."""

os.register_at_fork(after_in_child=clockwork.begin_anew)
