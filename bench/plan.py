"""A plan over three stores that answer after 200 ms each, through the panel's own route.

The customer has bought at all three. For a plan each is asked what she holds there, side by side.
One agent plans at a time: the figure is how long she waits, and the CPU that the web takes for it.
"""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from bench.house import build_house, outside
from bench.panel import Frame, connect_desk
from bench.results import Figure, table
from plugin.chance import SystemClock

STORE_MS: Final = 200
STORES: Final = 3


def run(seed: int, *, small: bool) -> dict[str, Figure]:
    """Measure, print the table, and return the figures."""
    del seed  # nothing is left to chance
    customers, times = range(1, 3 if small else 7), 1 if small else 12
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="makegood-bench-")))
        ports = [outside(stack, folder, STORE_MS).port for _ in range(STORES)]
        house = build_house(stack, folder / "house", ports)
        house.add_sales(customers.start, len(customers), SystemClock().now() - timedelta(days=2))
        connect_desk(house, customers)
        web = stack.enter_context(house.web())
        frames = [Frame(house, web.port, customer) for customer in customers]
        opened = [frame.open() for frame in frames]
        before = web.cpu_seconds()
        waits = sorted(frame.plan() for _ in range(times) for frame in frames)
        cpu = (web.cpu_seconds() - before) / len(waits)
    p95 = waits[min(len(waits) - 1, int(len(waits) * 0.95))]
    row = (
        "three stores at 200 ms",
        f"{median(waits) * 1000:.0f}",
        f"{p95 * 1000:.0f}",
        f"{cpu * 1000:.1f}",
        f"{median(opened) * 1000:.0f}",
    )
    print(table(("plan", "median ms", "p95 ms", "CPU ms", "opening, median ms"), [row]))
    return {
        "plan_p95_ms": round(p95 * 1000),
        "plan_cpu_ms": round(cpu * 1000, 1),
        "plan_ms": round(median(waits) * 1000),
        "open_ms": round(median(opened) * 1000),
    }
