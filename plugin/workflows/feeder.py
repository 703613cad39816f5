"""Find rows whose time has come and have the engine work on each, once per wake. Decides nothing.

A row stays due until its work moved it, so nothing is lost when this process dies between finding
and starting. Work that ended in an error without moving its row is started again under a new name,
later and later. So is work that another worker had in hand for a minute: that worker is gone.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from plugin.ports import Clock
from plugin.ports.records import DueWork
from plugin.ports.storage import Storage
from plugin.workflows.engine import Engine, Standing

_log = logging.getLogger("makegood.feeder")
AT_ONCE = 16
"""How much is under way at a time: more would only queue up for the database."""
LOOK_AHEAD = 64
FIRST_WAIT = timedelta(seconds=1)
LONGEST_WAIT = timedelta(minutes=10)
TAKE_OVER = timedelta(seconds=60)
"""How long work that we did not start may be under way. Should its worker live after all, no harm
is done: every task may run again at any point, since each move of a row is compare-and-set."""


@dataclass(slots=True)
class _Trouble:
    """A row that its work did not move: how often that was, and when to try again."""

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
    elsewhere: dict[str, datetime] = field(default_factory=dict)
    """Rows whose work is under way but not by our doing, and when we first saw that."""

    def feed(self) -> int:
        """Start all that is due and not under way. Returns how much was started."""
        now = self.clock.now()
        # Rows that are not moved stay due and are the oldest: without more room they would hide
        # the rest.
        stay = len(self.in_flight) + len(self.troubles) + len(self.elsewhere)
        due = self.storage.due(now, LOOK_AHEAD + stay)
        names = {work.name for work in due}
        # A row that is due no more was moved by its work.
        self.in_flight &= names
        self.troubles = {name: t for name, t in self.troubles.items() if name in names}
        self.elsewhere = {name: at for name, at in self.elsewhere.items() if name in names}
        return sum(self._start(work, now) for work in due)

    def _start(self, work: DueWork, now: datetime) -> bool:
        name = work.name
        known = self.troubles.get(name)
        if name in self.in_flight:
            if not self._has_in_hand(_take(name, known)):
                # Perhaps it has just moved its row; the next feed reads the row again and knows.
                self.in_flight.discard(name)
            return False
        if len(self.in_flight) >= AT_ONCE or (known is not None and known.until > now):
            return False
        trouble, standing = self._last_take(name, known, now)
        if trouble is not None and trouble is not known:
            self.troubles[name] = trouble
            _log.error("work.ended_without_moving name=%s times=%d", name, trouble.times)
        elif standing is not None:
            self._watch(name, known, now)
        else:
            self.in_flight.add(name)
            self.engine.start(work.kind, _take(name, known), work.tenant, work.ref)
            return True
        return False

    def _has_in_hand(self, take: str) -> bool:
        """Whether it is under way here. Of two workers that start a take at once, one has it."""
        standing = self.engine.standing_of(take)
        return (
            standing is not None
            and not standing.is_over
            and standing.executor == self.engine.executor
        )

    def _last_take(
        self, name: str, known: _Trouble | None, now: datetime
    ) -> tuple[_Trouble | None, Standing | None]:
        """What is known of a row and of the takes that ended since, also before this process.

        And how far the last take is, None where it was not started yet.
        """
        times = _times(known)
        trouble = known
        standing = self.engine.standing_of(_take(name, trouble))
        while standing is not None and standing.is_over:
            times += 1
            wait = min(FIRST_WAIT * 2 ** min(times - 1, 10), LONGEST_WAIT)
            trouble = _Trouble(times, now + wait)
            standing = self.engine.standing_of(_take(name, trouble))
        return trouble, standing

    def _watch(self, name: str, known: _Trouble | None, now: datetime) -> None:
        """Leave work that somebody else has to them for a while; then it is ours, as a new take."""
        if now - self.elsewhere.setdefault(name, now) >= TAKE_OVER:
            del self.elsewhere[name]
            self.troubles[name] = _Trouble(_times(known) + 1, now)
            _log.warning("work.taken_over name=%s", name)


def _times(trouble: _Trouble | None) -> int:
    return 0 if trouble is None else trouble.times


def _take(name: str, trouble: _Trouble | None) -> str:
    """The engine's name for the next attempt: an ended one cannot be started again."""
    return f"{name}/{trouble.times}" if trouble else name


def run(feeder: Feeder, poll: timedelta, stop: threading.Event) -> None:
    """Feed until `stop` is set. A database that does not answer is waited for, never fatal."""
    failures = 0
    while not stop.is_set():
        try:
            feeder.feed()
            failures = 0
        except Exception as error:  # noqa: BLE001 - whatever it was, the rows are due when it is over
            failures += 1
            _log.error("feeder.failed times=%d error=%s", failures, type(error).__name__)
        stop.wait(poll.total_seconds() * 2 ** min(failures, 8))
