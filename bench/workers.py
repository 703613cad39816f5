"""What a second worker on one PostgreSQL database adds: beside a slow store and a quick one.

A store that answers after 200 ms leaves a worker waiting: two wait for twice as many calls. One
that answers at once leaves the CPU as the limit, of which this machine's cores are all there is:
the store, PostgreSQL and both workers share them.
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
from bench.rules import run_batch

SLOW_MS: Final = 200
QUICK_MS: Final = 0
_WARM_UP: Final = 8


def compare(
    folder: Path, server: str, name: str, milliseconds: float, rounds: int, number: int
) -> list[tuple[float, float]]:
    """Runs a second of one worker and of two, in turns, on a database of their own."""
    speeds = []
    with ExitStack() as stack:
        store = outside(stack, folder, milliseconds)
        database = new_database(server, name)
        house = build_house(stack, folder / name, [store.port], database)
        first = stack.enter_context(house.worker("first"))
        run_batch(house, [first], 1, _WARM_UP)
        start = 1 + _WARM_UP
        for turn in range(rounds):
            alone = run_batch(house, [first], start, number).per_second
            start += number
            with house.worker(f"second-{turn}") as second:
                run_batch(house, [first, second], start, _WARM_UP)
                start += _WARM_UP
                both = run_batch(house, [first, second], start, number).per_second
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
        slow = compare(folder, server, "slow", SLOW_MS, rounds, 8 if small else 100)
        quick = compare(folder, server, "quick", QUICK_MS, rounds, 8 if small else 150)
    rows = [_row(f"store at {SLOW_MS} ms", slow), _row(f"store at {QUICK_MS} ms", quick)]
    print(table(("workers on PostgreSQL", "one: runs/s", "two: runs/s", "times"), rows))
    return {
        "pg_second_worker_x": round(_gain(slow), 2),
        "pg_second_worker_cpu_x": round(_gain(quick), 2),
    }


def _gain(speeds: list[tuple[float, float]]) -> float:
    return median(both / alone for alone, both in speeds)


def _row(name: str, speeds: list[tuple[float, float]]) -> tuple[str, ...]:
    alone = median(one for one, _ in speeds)
    both = median(two for _, two in speeds)
    return name, f"{alone:.1f}", f"{both:.1f}", f"{_gain(speeds):.2f}"
