"""One thread for all that has a time: cutting a call that lasts too long, closing what rests.

A timer of its own for each call would cost a thread per call. What is done must be quick:
everything else that is due waits for it. Time that the machine was suspended counts.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from plugin.platforms.time_gone import seconds_gone

LOOK_SECONDS: Final = 1.0
"""How long the thread sleeps at most while an alarm is set. The system's own wait stands still
while the machine is suspended, and would ring late by that."""
_log = logging.getLogger("makegood.clockwork")


@dataclass(order=True, slots=True)
class Alarm:
    """Something to do at `when` (by `seconds_gone`), unless it is called off before."""

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
        alarm = Alarm(seconds_gone() + seconds, next(self._numbers), do)
        with self._changed:
            if self._thread is None:
                mine = (self._changed, self._alarms)
                thread = threading.Thread(target=_ring, args=mine, name="clockwork", daemon=True)
                thread.start()
                self._thread = thread  # not before: one that never ran would ring nothing for ever
            heapq.heappush(self._alarms, alarm)
            if self._alarms[0] is alarm:
                self._changed.notify()
        return alarm


def _ring(changed: threading.Condition, alarms: list[Alarm]) -> None:
    while True:
        do = _next(changed, alarms).do
        try:
            if do is not None:
                do()
        except Exception as error:  # noqa: BLE001 - the alarms after this one must ring
            _log.error("clockwork.alarm_failed kind=%s", type(error).__name__)


def _next(changed: threading.Condition, alarms: list[Alarm]) -> Alarm:
    with changed:
        while True:
            while alarms and alarms[0].do is None:
                heapq.heappop(alarms)
            if not alarms:
                changed.wait()
                continue
            wait = alarms[0].when - seconds_gone()
            if wait <= 0:
                return heapq.heappop(alarms)
            changed.wait(min(wait, LOOK_SECONDS))


clockwork = Clockwork()
"""This process's."""

os.register_at_fork(after_in_child=clockwork.begin_anew)
