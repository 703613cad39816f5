"""Three-effect rule runs on one worker, beside three bare DBOS steps of one call each.

A run takes a course and a tag from a customer whose sale was refunded, and reads back that both are
gone: three effects, eight calls of the store's API, each intent committed before its call. The bare
peer makes three calls on kept-alive connections and keeps nothing but the engine's own rows. Both
on SQLite with a full sync, sixteen at once, against the same store, which answers after 10 ms.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Final

import psutil

from bench.house import House, build_house, outside
from bench.results import Figure, table
from bench.servers import ROOT, Running
from plugin.chance import SystemClock

STORE_MS: Final = 10
OURS, BARE = "makegood", "bare DBOS"
_WARM_UP: Final = 10
_EACH_SECONDS: Final = 0.03
"""How long it takes to write down one run before all of them fall due, with room to spare."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Runs that fell due together: how many a second, and the CPU of the worker for each.

    `cores` is how many cores of the machine were at work meanwhile, for whatever process.
    """

    per_second: float
    cpu_ms: float
    cores: float


def machine_seconds() -> float:
    """The CPU seconds of all that this machine did so far."""
    spent = psutil.cpu_times()
    return float(spent.user + spent.nice + spent.system + spent.irq + spent.softirq)


def run_batch(house: House, workers: list[Running], start: int, number: int) -> Batch:
    """Have `number` runs fall due at once, and wait until the last is over."""
    due_at = SystemClock().now() + timedelta(seconds=2 + number * _EACH_SECONDS)
    house.add_runs(start, number, due_at)
    sleep(max(0.0, (due_at - SystemClock().now()).total_seconds()))
    before, begun = sum(worker.cpu_seconds() for worker in workers), monotonic()
    all_before = machine_seconds()
    house.wait_until_done()
    seconds = monotonic() - begun
    cpu = sum(worker.cpu_seconds() for worker in workers) - before
    cores = (machine_seconds() - all_before) / seconds
    return Batch(number / seconds, cpu / number * 1000, cores)


@contextmanager
def bare_engine(folder: Path, port: int) -> Iterator[Callable[[int], Batch]]:
    """The peer; call it with how many runs to make."""
    folder.mkdir()
    command = [sys.executable, "-m", "bench.bare_dbos", str(folder), str(port)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None  # noqa: S101 - of PIPE, for types
        assert process.stdout is not None  # noqa: S101 - as above
        told, answers = process.stdin, process.stdout
        answers.readline()

        def run_them(number: int) -> Batch:
            before = sum(psutil.Process(process.pid).cpu_times()[:2])
            all_before = machine_seconds()
            told.write(f"run {number}\n")
            told.flush()
            seconds = float(answers.readline())
            cpu = sum(psutil.Process(process.pid).cpu_times()[:2]) - before
            cores = (machine_seconds() - all_before) / seconds
            return Batch(number / seconds, cpu / number * 1000, cores)

        yield run_them
        told.close()


def run(seed: int, *, small: bool) -> dict[str, Figure]:
    """Measure, print the table, and return the figures."""
    rounds, number = (1, 4) if small else (5, 150)
    chance = random.Random(seed)
    found: dict[str, list[Batch]] = {OURS: [], BARE: []}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="makegood-bench-")))
        store = outside(stack, folder, STORE_MS)
        house = build_house(stack, folder / "house", [store.port])
        worker = stack.enter_context(house.worker())
        bare = stack.enter_context(bare_engine(folder / "bare", store.port))
        run_batch(house, [worker], 1, _WARM_UP)
        bare(_WARM_UP)
        for turn in range(rounds):
            start = 1 + _WARM_UP + turn * number
            for name in chance.sample([OURS, BARE], 2):
                if name == OURS:
                    found[OURS].append(run_batch(house, [worker], start, number))
                else:
                    found[BARE].append(bare(number))
    print(
        table(
            ("three effects", "runs/s", "range", "CPU ms/run", "cores"),
            [_row(*r) for r in found.items()],
        )
    )
    ours, peer = found[OURS], found[BARE]
    pairs = list(zip(ours, peer, strict=True))
    return {
        "rule_runs_per_s": round(median(one.per_second for one in ours), 1),
        "rule_cpu_ms": round(median(one.cpu_ms for one in ours), 1),
        "bare_rule_runs_per_s": round(median(one.per_second for one in peer), 1),
        "bare_rule_cpu_ms": round(median(one.cpu_ms for one in peer), 1),
        "rule_runs_vs_bare": round(median(a.per_second / b.per_second for a, b in pairs), 2),
        "rule_cpu_vs_bare": round(median(a.cpu_ms / b.cpu_ms for a, b in pairs), 2),
    }


def _row(name: str, batches: list[Batch]) -> tuple[str, ...]:
    speeds = [one.per_second for one in batches]
    return (
        name,
        f"{median(speeds):.1f}",
        f"{min(speeds):.1f}-{max(speeds):.1f}",
        f"{median(one.cpu_ms for one in batches):.1f}",
        f"{median(one.cores for one in batches):.2f}",
    )
