"""`python -m tests.fairness --n 10000`: measure alone and under a flood; the last line is JSON.

The quiet tenant's events come with the flood and without it in turns, in one run: what else the
machine does slows both. With `--backlog 1000000` so many deliveries wait, of which `--n` are worked
off while the worker's memory and the time of a look for due rows are measured.

Counted, and judged: `lost`, `stuck`, and `starved`: events of the quiet tenant before which more of
the loud one's were begun than there are places and one look ahead. And where there is enough to say
so, which the suite's small runs have not: `unfair`, the flood moved the quiet tenant's p95 by more
than a fifth; `grew`, the worker needed memory for what only waits. On a machine that others keep
busy a worker with much to do waits for a core, and one with little does not, whatever we do: such
a run is `not_judged`, and proves nothing.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median, quantiles

import psutil

from plugin.app import Parts
from plugin.domain.ids import TenantId
from plugin.ports.records import DeliveryState
from plugin.workflows.feeder import AT_ONCE, LOOK_AHEAD
from plugin.workflows.heart import DEAD_AFTER
from tests.fairness.town import (
    LOUD,
    QUIET,
    Town,
    built,
    count_by_state,
    delivery,
    facts_of,
    pile_up,
    waiting,
    wake_all,
)
from tests.harness import ROOT, Given, Outcome, run_from_terminal, say

BATCH = 50_000
GAP_SECONDS = (0.05, 0.25)
"""Between two events of the quiet tenant: as they come, and slowly enough for one not to wait for
the other."""
MOST_AHEAD = AT_ONCE * 2
"""So many of another tenant's may begin between an event and its own beginning: what was chosen
before it came, and some that were just being started."""
SETTLE_SECONDS = 120.0
TURNS = 5
"""How often the flood comes and is put aside again."""
MOST_MOVED = 1.2
ENOUGH_EVENTS = 200
"""Fewer on each side say how busy the machine was: their p95 is that of a handful."""
MOST_BUSY = 0.25
"""Of the machine, by others: looked at between the turns, when nothing of ours is at work."""
LOOK_SECONDS = 1.0
TOO_BUSY = (
    "others took {:.0%} of this machine, so nobody can say what the flood moved: run it again when "
    "they are done"
)
MOST_GROWTH_MB = 50
ENOUGH_WAITING = 100_000
"""So many bodies and rows, kept in memory, would take more than twice what the worker may grow."""


@dataclass(slots=True)
class Notes:
    """What the worker wrote down: when each task began and ended, by the monotonic clock."""

    file: Path
    began: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    loud: list[float] = field(default_factory=list)
    _place: int = 0

    def read(self) -> None:
        """Go on from where the last reading ended."""
        if not self.file.exists():
            return
        with self.file.open("rb") as file:
            file.seek(self._place)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._place += len(whole)
        for line in whole.decode().splitlines():
            sign, tenant, ref, at = line.split(" ")
            (self.began if sign == "+" else self.ended)[ref] = float(at)
            if sign == "+" and tenant == LOUD:
                self.loud.append(float(at))

    def loud_between(self, after: float, before: float) -> int:
        return sum(after < at < before for at in self.loud)


@dataclass(slots=True)
class Run:
    """One run: the town, its worker, and what came of it."""

    given: Given
    town: Town
    parts: Parts
    worker: subprocess.Popen[bytes]
    chance: random.Random
    notes: Notes
    committed: dict[str, float] = field(default_factory=dict)
    piled: int = 0

    def wait_for_worker(self) -> None:
        while not self.parts.house.storage.living_workers(DEAD_AFTER):
            assert self.worker.poll() is None, self.town.log.read_text("utf-8")
            time.sleep(0.1)

    def send_quietly(self, name: str, count: int) -> list[str]:
        """Events of the quiet tenant, now and then. Returns once all are through, or time is up."""
        refs: list[str] = []
        for number in range(count):
            time.sleep(self.chance.uniform(*GAP_SECONDS))
            made = delivery(QUIET, f"{name}-{number}", self.parts.clock.now())
            self.parts.house.storage.take_in(made)
            self.committed[made.id] = time.monotonic()
            refs.append(made.id)
        self.wait_until_ended(refs)
        return refs

    def wait_until_ended(self, refs: Sequence[str]) -> None:
        end = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < end:
            self.notes.read()
            if all(ref in self.notes.ended for ref in refs):
                return
            time.sleep(0.05)

    def pile_up(self, count: int) -> None:
        """Have so many more deliveries of the loud tenant waiting."""
        until = self.piled + count
        while self.piled < until:
            size = min(BATCH, until - self.piled)
            with self.parts.house.engine.begin() as db:
                pile_up(db, LOUD, self.piled, size, self.parts.clock.now())
            self.piled += size

    def flood(self, most: int) -> None:
        """Have so many of the loud tenant's waiting, and return when some of them began."""
        self.notes.read()
        before = len(self.notes.loud)
        self.pile_up(most - wake_all(self.parts, LOUD, self.parts.clock.now()))
        while len(self.notes.loud) == before and self.worker.poll() is None:
            time.sleep(0.01)
            self.notes.read()

    def put_flood_aside(self) -> int:
        """Have nothing of the loud tenant's due for now. Returns how much is put aside.

        What was just chosen is taken up, found to be due later, and left.
        """
        return wake_all(self.parts, LOUD, self.parts.clock.now() + timedelta(days=1))

    def milliseconds(self, refs: Sequence[str]) -> list[float]:
        ended = self.notes.ended
        return [(ended[r] - self.committed[r]) * 1000 for r in refs if r in ended]

    def starved(self, refs: Sequence[str]) -> int:
        never = float("inf")
        return sum(
            self.notes.loud_between(self.committed[ref], self.notes.began.get(ref, never))
            > MOST_AHEAD
            for ref in refs
        )

    def drained(self, least: int, bound_seconds: float) -> float:
        """Seconds until so many of the loud tenant's have ended."""
        begun = time.monotonic()
        while len(self.notes.ended) < least and time.monotonic() - begun < bound_seconds:
            time.sleep(0.2)
            self.notes.read()
        return time.monotonic() - begun

    def emptied(self, bound_seconds: float) -> float:
        """Seconds until all that was put aside is applied too, by the tables."""
        begun = time.monotonic()
        wake_all(self.parts, LOUD, self.parts.clock.now())
        while waiting(self.parts) and time.monotonic() - begun < bound_seconds:
            time.sleep(0.2)
        return time.monotonic() - begun

    def memory_mb(self) -> float:
        """Resident memory of the worker."""
        status = Path(f"/proc/{self.worker.pid}/status").read_text("ascii")
        kilobytes = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(kilobytes.split()[1]) / 1024

    def look_ms(self) -> float:
        """How long one look for due rows takes, in the median."""
        times = []
        for _ in range(21):
            begun = time.perf_counter()
            found = self.parts.house.storage.due(self.parts.clock.now(), LOOK_AHEAD + AT_ONCE)
            times.append((time.perf_counter() - begun) * 1000)
            assert len(found) <= LOOK_AHEAD + AT_ONCE
        return median(times)


@contextmanager
def started(given: Given) -> Iterator[Run]:
    """A town with its worker at work, until the end of the block."""
    with built(given.folder, given.database, planted=given.planted) as (town, parts):
        with town.log.open("ab") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "tests.fairness.hand", str(town.file)],
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        chance = random.Random(f"{given.seed} fairness")
        run = Run(given, town, parts, worker, chance, Notes(town.notes))
        try:
            run.wait_for_worker()
            yield run
        finally:
            worker.terminate()
            try:
                worker.wait(60)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()


def p95(values: Sequence[float]) -> float:
    return quantiles(values, n=20)[-1] if len(values) > 1 else 0.0


@dataclass(frozen=True, slots=True)
class Times:
    """What the quiet tenant's events took, in milliseconds, and how busy others kept the machine.

    `busy`: the shares of its cores that were taken, 0 to 1, each time that it was looked at.
    """

    alone: Sequence[float]
    flooded: Sequence[float]
    busy: Sequence[float]

    @property
    def are_enough(self) -> bool:
        return min(len(self.alone), len(self.flooded)) >= ENOUGH_EVENTS

    @property
    def is_busy(self) -> bool:
        return median(self.busy) > MOST_BUSY

    @property
    def ratio(self) -> float:
        return p95(self.flooded) / max(p95(self.alone), 0.001)

    @property
    def is_unfair(self) -> bool:
        """Whether the flood moved the p95 by more than it may, as far as these can say."""
        return self.are_enough and not self.is_busy and self.ratio > MOST_MOVED

    @property
    def are_not_judged(self) -> bool:
        """Whether there would be enough, had the machine been ours."""
        return self.are_enough and self.is_busy


def has_grown(backlog: int, growth_mb: float) -> bool:
    """Whether what waits costs memory; False where too little waits to say so."""
    return backlog >= ENOUGH_WAITING and growth_mb > MOST_GROWTH_MB


def run_flood(given: Given) -> Outcome:
    """The quiet tenant alone and under the flood, in turns."""
    each = max(2, min(ENOUGH_EVENTS, given.n // 50) // TURNS)
    quiet: list[str] = []
    flooded: list[str] = []
    busy: list[float] = []
    rest = 0
    with started(given) as run:
        run.send_quietly("warm", 5)
        for turn in range(TURNS):
            quiet += run.send_quietly(f"alone-{turn}", each)
            busy.append(psutil.cpu_percent(LOOK_SECONDS) / 100)
            run.flood(given.n)
            flooded += run.send_quietly(f"flooded-{turn}", each)
            rest = run.put_flood_aside()
        say(f"{rest} of the flood were still waiting when the last quiet event was through")
        seconds = run.emptied(SETTLE_SECONDS + given.n / 10)
        events = len(quiet) + len(flooded) + 5
        times = Times(run.milliseconds(quiet), run.milliseconds(flooded), busy)
        say(
            f"alone {_shown(times.alone)}; flooded {_shown(times.flooded)}; rest in {seconds:.1f} s"
        )
        lost, stuck = count_losses(run.parts, {LOUD: run.piled, QUIET: events})
        starved = run.starved(flooded)
    counts = {
        "lost": lost,
        "stuck": stuck,
        "starved": starved,
        "unfair": int(times.is_unfair),
        "not_judged": int(times.are_not_judged),
        "events": len(flooded),
        "flood": given.n,
        "waiting_at_the_end": rest,
        "quiet_p95_ms": round(p95(times.alone), 1),
        "flooded_p95_ms": round(p95(times.flooded), 1),
        "ratio": round(times.ratio, 2),
        "busy_pct": round(median(busy) * 100),
    }
    sentences = [TOO_BUSY.format(median(busy))] if times.are_not_judged else []
    failures = ("lost", "stuck", "starved", "unfair")
    return Outcome(counts, failures, sentences, complete=not times.are_not_judged)


def count_losses(parts: Parts, wanted: dict[TenantId, int]) -> tuple[int, int]:
    """Deliveries or facts that are not there, and rows that are still waiting."""
    lost = 0
    for tenant, count in wanted.items():
        applied = count_by_state(parts, tenant).get(DeliveryState.APPLIED, 0)
        lost += abs(count - applied) + abs(count - facts_of(parts, tenant))
    return lost, waiting(parts)


def run_backlog(backlog: int, given: Given) -> Outcome:
    """So many deliveries wait, of which `n` are worked off."""
    with started(given) as run:
        few_ms = run.look_ms()
        # Everything loaded and every pool filled: what grows from here on grows with the backlog.
        run.pile_up(500)
        run.drained(500, SETTLE_SECONDS)
        before_mb = run.memory_mb()
        begun = time.monotonic()
        run.pile_up(backlog)
        say(f"{backlog} piled up in {time.monotonic() - begun:.1f} s")
        done_before = len(run.notes.ended)
        look_ms = run.look_ms()
        begun = time.monotonic()
        run.drained(done_before + given.n // 2, SETTLE_SECONDS + given.n / 10)
        half_mb = run.memory_mb()
        run.drained(done_before + given.n, SETTLE_SECONDS + given.n / 10)
        seconds = time.monotonic() - begun
        run.notes.read()
        done = len(run.notes.ended) - done_before
        after_mb = run.memory_mb()
        again = len(run.notes.loud) - len(run.notes.ended)
    states = count_by_state(run.parts, LOUD)
    counts = {
        "lost": abs(500 + backlog - sum(states.values())),
        "stuck": max(given.n - done, 0),
        "grew": int(has_grown(backlog, after_mb - before_mb)),
        "backlog": backlog,
        "drained": done,
        "under_way": again,
        "rate_per_s": round(done / seconds, 1),
        "look_ms": round(look_ms, 2),
        "look_when_empty_ms": round(few_ms, 2),
        "memory_mb": round(after_mb, 1),
        "memory_growth_mb": round(after_mb - before_mb, 1),
        "memory_growth_second_half_mb": round(after_mb - half_mb, 1),
    }
    return Outcome(counts, ("lost", "stuck", "grew"), ())


def _shown(values: Sequence[float]) -> str:
    if not values:
        return "nothing"
    return f"median {median(values):.1f} ms, p95 {p95(values):.1f} ms, most {max(values):.1f} ms"


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--backlog", type=int, default=0)
    chosen, rest = parser.parse_known_args(words)
    run = partial(run_backlog, chosen.backlog) if chosen.backlog else run_flood
    return run_from_terminal("fairness", 10_000, run, seconds_each=0.2, words=rest)


if __name__ == "__main__":
    sys.exit(main())
