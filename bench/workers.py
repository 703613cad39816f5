"""What a second worker on one PostgreSQL database adds: beside a slow store and a quick one.

A store that answers after 200 ms leaves a worker waiting: two wait for twice as many calls. One
that answers at once leaves the CPU as the limit, of which this machine's cores are all there is:
the store, PostgreSQL and both workers share them.

Both with all runs of one business, whose transactions wait for each other, and with those of eight.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from bench.house import build_house, outside
from bench.postgres import new_database, postgres_server
from bench.results import Figure, table
from bench.rules import Batch, run_batch

SLOW_MS: Final = 200
QUICK_MS: Final = 0
SEVERAL: Final = 8
"""Businesses, beside one."""
_WARM_UP: Final = 8


def compare(
    folder: Path, server: str, milliseconds: float, businesses: int, rounds: int, number: int
) -> list[tuple[Batch, Batch]]:
    """Batches of one worker and of two, in turns, on a database of their own."""
    name = f"of-{businesses}-at-{milliseconds:g}"
    speeds = []
    with ExitStack() as stack:
        store = outside(stack, folder, milliseconds)
        database = new_database(server, name)
        house = build_house(stack, folder / name, [store.port], database, businesses)
        first = stack.enter_context(house.worker("first"))
        run_batch(house, [first], 1, _WARM_UP)
        start = 1 + _WARM_UP
        for turn in range(rounds):
            alone = run_batch(house, [first], start, number)
            start += number
            with house.worker(f"second-{turn}") as second:
                run_batch(house, [first, second], start, _WARM_UP)
                start += _WARM_UP
                both = run_batch(house, [first, second], start, number)
                start += number
            speeds.append((alone, both))
    return speeds


def run(seed: int, *, small: bool) -> dict[str, Figure]:
    """Measure, print the table, and return the figures."""
    del seed  # one worker must come before two: there is no order to choose
    rounds = 1 if small else 3
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="makegood-bench-")))
        server = stack.enter_context(postgres_server())

        def compared(milliseconds: int, businesses: int) -> list[tuple[Batch, Batch]]:
            number = 16 if small else 100 if milliseconds else 150
            return compare(folder, server, milliseconds, businesses, rounds, number)

        slow, slow_several = compared(SLOW_MS, 1), compared(SLOW_MS, SEVERAL)
        quick, quick_several = compared(QUICK_MS, 1), compared(QUICK_MS, SEVERAL)
    rows = [
        _row(f"store at {SLOW_MS} ms, one business", slow),
        _row(f"store at {SLOW_MS} ms, {SEVERAL} businesses", slow_several),
        _row(f"store at {QUICK_MS} ms, one business", quick),
        _row(f"store at {QUICK_MS} ms, {SEVERAL} businesses", quick_several),
    ]
    heads = ("runs/s", "CPU ms/run", "cores")
    names = [f"{who}: {head}" for head in heads for who in ("one", "two")]
    print(table(("workers on PostgreSQL", *names, "times"), rows))
    return {
        "pg_second_worker_x": round(_gain(slow), 2),
        "pg_second_worker_cpu_x": round(_gain(quick), 2),
        "pg_second_worker_several_x": round(_gain(slow_several), 2),
        "pg_second_worker_several_cpu_x": round(_gain(quick_several), 2),
        "pg_one_worker_cores": round(median(one.cores for one, _ in quick), 2),
        "pg_two_workers_cores": round(median(two.cores for _, two in quick), 2),
        "pg_one_worker_cpu_ms": round(median(one.cpu_ms for one, _ in quick), 1),
        "pg_two_workers_cpu_ms": round(median(two.cpu_ms for _, two in quick), 1),
    }


def _gain(batches: list[tuple[Batch, Batch]]) -> float:
    return median(both.per_second / alone.per_second for alone, both in batches)


def _row(name: str, batches: list[tuple[Batch, Batch]]) -> tuple[str, ...]:
    halves = list(zip(*batches, strict=True))
    return (
        name,
        *(f"{median(one.per_second for one in half):.1f}" for half in halves),
        *(f"{median(one.cpu_ms for one in half):.1f}" for half in halves),
        *(f"{median(one.cores for one in half):.2f}" for half in halves),
        f"{_gain(batches):.2f}",
    )
