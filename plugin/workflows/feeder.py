"""Find rows whose time has come and have the engine work on each, once per wake. Decides nothing.

A row stays due until its work moved it, so nothing is lost when this process dies between finding
and starting. Work that ended in an error without moving its row is started again under a new name,
later and later. Work that was taken away from a dead worker is started again at once. Work that a
living worker has in hand is left to it, for far longer than any work can take.

No tenant gets every place: what another one has waiting begins at once, however long the line.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from plugin.domain.ids import TenantId
from plugin.ports import Clock
from plugin.ports.records import DueWork
from plugin.ports.storage import Storage
from plugin.workflows.engine import Engine, Standing

_log = logging.getLogger("makegood.feeder")
AT_ONCE = 16
"""How much is under way at a time: more would only queue up for the database."""
FOR_OTHERS = 4
"""How many of these places no tenant gets alone, so that there is room for whoever comes next."""
RECENT = timedelta(seconds=30)
"""How long a tenant counts as present after something of its was due: the places are shared among
those present, since what runs beside a tenant's work holds it up too."""
AT_A_TIME = 2
"""How much is started before the tables are looked at again: somebody else may have come."""
ALONE_AT_A_TIME = 8
"""The same while one tenant alone has work: a look costs as much as a start, and whoever comes
meanwhile waits for some milliseconds and finds a place that was kept for them."""
LOOK_AHEAD = 24
"""More than can start, so that one look sees of whom else something is due."""
FIRST_WAIT = timedelta(seconds=1)
LONGEST_WAIT = timedelta(minutes=10)
DEAF_SECONDS = 1.0
"""At most so long the loop does not hear that it is told to stop."""
CHECK_AFTER = timedelta(seconds=2)
"""When work that we started and that is not over is looked up: whoever took us for dead has it."""
ABANDONED = timedelta(seconds=60)
"""How long work may be under way that no worker we know of has in hand: one of an older version,
which does not say that it lives; or our own, where its start failed half-way."""
STUCK = timedelta(minutes=30)
"""How long a living worker may have one work in hand. Every call has a deadline of seconds, so one
that takes so long hangs for good. Should it wake up after all, each move of a row is
compare-and-set, and a refund's call is never begun so late."""


@dataclass(slots=True)
class _Trouble:
    """A row that its work did not move: how often that was, and when to try again."""

    times: int
    until: datetime


@dataclass(frozen=True, slots=True)
class _Held:
    """Work in hand: the engine's name for it, whose it is, and since when."""

    take: str
    tenant: TenantId
    since: datetime


def _nobody() -> frozenset[str]:
    return frozenset()


@dataclass(slots=True)
class Feeder:
    """Feeds the engine from the tables. `living` tells which executors live, besides this one."""

    storage: Storage
    engine: Engine
    clock: Clock
    living: Callable[[], frozenset[str]] = _nobody
    in_flight: dict[str, _Held] = field(default_factory=dict)
    troubles: dict[str, _Trouble] = field(default_factory=dict)
    elsewhere: dict[str, datetime] = field(default_factory=dict)
    """Rows whose work is under way but not by our doing, and when we first saw that."""
    present: dict[TenantId, datetime] = field(default_factory=dict)
    """When something of a tenant was due last."""

    def feed(self) -> int:
        """Start what is due and not under way, a few at a time. Returns how much was started."""
        now = self.clock.now()
        self._look_at_hand(now)
        if len(self.in_flight) >= AT_ONCE:
            return 0
        # Rows that are not moved stay due and are the oldest: without more room they would hide
        # the rest.
        stay = len(self.in_flight) + len(self.troubles) + len(self.elsewhere)
        due = self.storage.due(now, LOOK_AHEAD + stay)
        names = {work.name for work in due}
        self.present.update({work.tenant: now for work in due})
        self.present = {one: at for one, at in self.present.items() if now - at < RECENT}
        # A row that is due no more was moved by its work.
        self.troubles = {name: t for name, t in self.troubles.items() if name in names}
        self.elsewhere = {name: at for name, at in self.elsewhere.items() if name in names}
        started = 0
        for work, standing in self._that_may_start(due, now):
            if started == self.at_a_time or len(self.in_flight) >= AT_ONCE:
                break
            if self._has_room(work.tenant):
                started += self._start(work, standing, now)
        return started

    @property
    def at_a_time(self) -> int:
        """How much is started before the tables are looked at again."""
        return AT_A_TIME if len(self.present) > 1 else ALONE_AT_A_TIME

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Until the next look: `seconds`, or until as much is over as is started at a time.

        So no place stays empty for a whole `seconds` while there is something for it, and whoever
        comes beside a flood is found sooner, which makes up for the core that both share.
        """
        spent = 0.0
        if len(self.in_flight) >= self.at_a_time:
            spent = min(seconds, DEAF_SECONDS)
            if self.engine.wait_until_in_hand(len(self.in_flight) - self.at_a_time, spent):
                return
        stop.wait(seconds - spent)

    def _look_at_hand(self, now: datetime) -> None:
        """Free the places of what is over, of what another worker has after all, and what hangs."""
        ended = [n for n, held in self.in_flight.items() if not self.engine.has_in_hand(held.take)]
        for name in ended:
            del self.in_flight[name]
        old = {n: h for n, h in self.in_flight.items() if now - h.since >= CHECK_AFTER}
        standings = self.engine.standings([held.take for held in old.values()])
        for name, held in old.items():
            standing = standings.get(held.take)
            if standing is not None and standing.executor == self.engine.executor:
                if now - held.since < STUCK:
                    continue
                self._take_away(name, held.take)
            self.engine.let_go(held.take)
            del self.in_flight[name]

    def _that_may_start(
        self, due: Sequence[DueWork], now: datetime
    ) -> Iterator[tuple[DueWork, Standing | None]]:
        """Rows that nothing of ours keeps from starting, each with how far its last take is.

        None: it was not started yet, as far as is known.
        """
        may = [
            work
            for work in due
            if work.name not in self.in_flight
            and not self._must_wait(work.name, now)
            and self._has_room(work.tenant)
        ]
        # Whoever has less in hand is first: to start one takes long enough to be noticed.
        held = Counter(held.tenant for held in self.in_flight.values())
        may.sort(key=lambda work: held[work.tenant])
        # Who is alone finds hardly anything begun: there to start it is to ask.
        is_alone = self.living() <= {self.engine.executor}
        # Not all of them: mostly the first few are enough.
        for place in range(0, len(may), AT_ONCE):
            few = {self._take(work.name): work for work in may[place : place + AT_ONCE]}
            standings = {} if is_alone else self.engine.standings(few)
            for take, work in few.items():
                yield work, standings.get(take)

    def _must_wait(self, name: str, now: datetime) -> bool:
        trouble = self.troubles.get(name)
        return trouble is not None and trouble.until > now

    def _has_room(self, tenant: TenantId) -> bool:
        held = sum(held.tenant == tenant for held in self.in_flight.values())
        others = len(self.present.keys() - {tenant})
        most = AT_ONCE - FOR_OTHERS
        if not others:
            return held < most
        # One share more than there are tenants is nobody's: it is there for whoever comes.
        share = max(AT_ONCE // (others + 2), 1)
        # What the division leaves over would stay empty: of nine shares seven places.
        return held < share or (held == share and len(self.in_flight) < most)

    def _start(self, work: DueWork, standing: Standing | None, now: datetime) -> bool:
        name = work.name
        if standing is None:
            if name not in self.elsewhere and self._begin(work, now):
                return True
            take = self._take(name)
            standing = self.engine.standings([take]).get(take)
        standing = self._last_take(name, standing, now)
        if self._must_wait(name, now):
            return False
        if standing is not None:
            self._watch(name, standing, now)
            return False
        return self._begin(work, now)

    def _begin(self, work: DueWork, now: datetime) -> bool:
        """False where somebody had begun this take."""
        take = self._take(work.name)
        # Before it is known: a start that fails half-way may have begun it.
        self.in_flight[work.name] = _Held(take, work.tenant, now)
        has_begun = self.engine.start(work.kind, take, work.tenant, work.ref)
        if has_begun:
            self.elsewhere.pop(work.name, None)
        else:
            del self.in_flight[work.name]
        return has_begun

    def _last_take(self, name: str, standing: Standing | None, now: datetime) -> Standing | None:
        """Go on to the last take, past those that are over, also of before this process.

        Returns how far that one is, None where it was not started yet.
        """
        while standing is not None and standing.is_over:
            times = self._times(name) + 1
            wait = min(FIRST_WAIT * 2 ** min(times - 1, 10), LONGEST_WAIT)
            until = now if standing.was_taken else now + wait
            self.troubles[name] = _Trouble(times, until)
            self.elsewhere.pop(name, None)
            if not standing.was_taken and not self._is_of_another(standing):
                _log.error("work.ended_without_moving name=%s times=%d", name, times)
            take = self._take(name)
            standing = self.engine.standings([take]).get(take)
        return standing

    def _is_of_another(self, standing: Standing) -> bool:
        """Whether a living worker did it: it tells of it, should the row not be moved by now."""
        return standing.executor in self.living() - {self.engine.executor}

    def _watch(self, name: str, standing: Standing, now: datetime) -> None:
        """Leave work that somebody else has to them for a while; then it is ours, as a new take."""
        is_known = standing.executor in self.living()
        patience = STUCK if is_known else ABANDONED
        if now - self.elsewhere.setdefault(name, now) >= patience:
            self._take_away(name, self._take(name))

    def _take_away(self, name: str, take: str) -> None:
        self.elsewhere.pop(name, None)
        self.engine.take_away(take)
        _log.warning("work.stuck name=%s", name)

    def _times(self, name: str) -> int:
        trouble = self.troubles.get(name)
        return 0 if trouble is None else trouble.times

    def _take(self, name: str) -> str:
        """The engine's name for the next attempt: an ended one cannot be started again."""
        times = self._times(name)
        return f"{name}/{times}" if times else name


def run(
    feeder: Feeder,
    poll: timedelta,
    stop: threading.Event,
    beside: Callable[[], object] = _nobody,
) -> None:
    """Feed until `stop` is set. A database that does not answer is waited for, never fatal.

    `beside` is done before each feed: whatever else must be looked after by and by.
    """
    failures = 0
    while not stop.is_set():
        started = 0
        try:
            beside()
            started = feeder.feed()
            failures = 0
        except Exception as error:  # noqa: BLE001 - whatever it was, the rows are due when it is over
            failures += 1
            _log.error("feeder.failed times=%d error=%s", failures, type(error).__name__)
        if failures:
            stop.wait(poll.total_seconds() * 2 ** min(failures, 8))
        elif started < feeder.at_a_time:
            feeder.wait(poll.total_seconds(), stop)
