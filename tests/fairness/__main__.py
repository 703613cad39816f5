"""`python -m tests.fairness --n 10000`: measure alone and under a flood; the last line is JSON.

With `--backlog 1000000` so many deliveries wait, of which `--n` are worked off while the worker's
memory and the time of a look for due rows are measured. Times are told and never judged: a busy
machine is no bug. Counted, and judged: `lost`, `stuck`, and `starved`: events of the quiet tenant
before which more of the loud one's were begun than there are places and one look ahead.
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
from functools import partial
from pathlib import Path
from statistics import median, quantiles

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

    def flood(self, count: int) -> None:
        """Have so many deliveries of the loud tenant waiting."""
        for first in range(0, count, BATCH):
            with self.parts.house.engine.begin() as db:
                size = min(BATCH, count - first)
                pile_up(db, LOUD, first, size, self.parts.clock.now())

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


def run_flood(given: Given) -> Outcome:
    """The quiet tenant alone, then under the flood."""
    events = max(10, min(100, given.n // 100))
    with started(given) as run:
        run.send_quietly("warm", 5)
        quiet = run.send_quietly("alone", events)
        before = len(run.notes.loud)
        run.flood(given.n)
        while len(run.notes.loud) == before and run.worker.poll() is None:
            time.sleep(0.01)
            run.notes.read()
        flooded = run.send_quietly("flooded", events)
        rest = given.n - len(run.notes.loud)
        say(f"{rest} of the flood were still waiting when the last quiet event was through")
        seconds = run.drained(given.n + 2 * events + 5, SETTLE_SECONDS + given.n / 10)
        run.notes.read()
        alone_ms, flooded_ms = run.milliseconds(quiet), run.milliseconds(flooded)
        say(f"alone {_shown(alone_ms)}; flooded {_shown(flooded_ms)}; rest in {seconds:.1f} s")
        lost, stuck = count_losses(run.parts, {LOUD: given.n, QUIET: 2 * events + 5})
        starved = run.starved(flooded)
    counts = {
        "lost": lost,
        "stuck": stuck,
        "starved": starved,
        "events": events,
        "flood": given.n,
        "waiting_at_the_end": max(rest, 0),
        "quiet_p95_ms": round(p95(alone_ms), 1),
        "flooded_p95_ms": round(p95(flooded_ms), 1),
        "ratio": round(p95(flooded_ms) / max(p95(alone_ms), 0.001), 2),
    }
    return Outcome(counts, ("lost", "stuck", "starved"), ())


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
        run.flood(500)
        run.drained(500, SETTLE_SECONDS)
        before_mb = run.memory_mb()
        begun = time.monotonic()
        for first in range(500, 500 + backlog, BATCH):
            with run.parts.house.engine.begin() as db:
                size = min(BATCH, 500 + backlog - first)
                pile_up(db, LOUD, first, size, run.parts.clock.now())
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
    return Outcome(counts, ("lost", "stuck"), ())


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
