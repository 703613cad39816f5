"""Find rows whose time has come and have the engine work on each, once per wake. Decides nothing.

A row stays due until its work moved it, so nothing is lost when this process dies between finding and starting.
Work that ended in an error without moving its row is started again under a new name, later and later.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from plugin.ports import Clock
from plugin.ports.storage import DueWork, Storage
from plugin.workflows.engine import OVER, Engine

_log = logging.getLogger("makegood.feeder")
AT_ONCE = 16
"""How much is under way at a time: more would only queue up for the database."""
LOOK_AHEAD = 64
FIRST_WAIT = timedelta(seconds=1)
LONGEST_WAIT = timedelta(minutes=10)


@dataclass(slots=True)
class _Trouble:
    """A row whose work ended without moving it: how often, and when to try again."""

    times: int
    until: datetime


@dataclass(slots=True)
class Feeder:
    """Feeds the engine from the tables."""

    storage: Storage
    engine: Engine
    clock: Clock
    in_flight: set[str] = field(default_factory=set)
    troubles: dict[str, _Trouble] = field(default_factory=dict)

    def feed(self) -> int:
        """Start all that is due and not under way. Returns how much was started."""
        now = self.clock.now()
        due = self.storage.due(now, LOOK_AHEAD)
        names = {work.name for work in due}
        # A row that is due no more was moved by its work.
        self.in_flight &= names
        self.troubles = {name: t for name, t in self.troubles.items() if name in names}
        return sum(self._start(work, now) for work in due)

    def _start(self, work: DueWork, now: datetime) -> bool:
        name = work.name
        trouble = self.troubles.get(name)
        take = f"{name}/{trouble.times}" if trouble else name
        if name in self.in_flight:
            if self.engine.state_of(take) in OVER:
                # Perhaps it has just moved its row; the next feed reads the row again and knows.
                self.in_flight.discard(name)
            return False
        if len(self.in_flight) >= AT_ONCE or (trouble is not None and trouble.until > now):
            return False
        if self.engine.state_of(take) in OVER:
            self._in_trouble(work, trouble, now)
            return False
        self.in_flight.add(name)
        self.engine.start(work.kind, take, work.tenant, work.ref)
        return True

    def _in_trouble(self, work: DueWork, trouble: _Trouble | None, now: datetime) -> None:
        times = 1 if trouble is None else trouble.times + 1
        wait = min(FIRST_WAIT * 2 ** min(times - 1, 10), LONGEST_WAIT)
        self.troubles[work.name] = _Trouble(times, now + wait)
        _log.error("work.ended_without_moving name=%s times=%d", work.name, times)


def run(feeder: Feeder, poll: timedelta, stop: threading.Event) -> None:
    """Feed until `stop` is set. A database that does not answer is waited for, never fatal."""
    failures = 0
    while not stop.is_set():
        try:
            feeder.feed()
            failures = 0
        except Exception:
            failures += 1
            _log.exception("feeder.failed times=%d", failures)
        stop.wait(poll.total_seconds() * min(2**failures, 200))

