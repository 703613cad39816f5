"""What it costs to be there: importing, starting, memory after some traffic, and idling.

`makegood serve` as anybody runs it, web and worker under their supervisor, on SQLite, with one
store installed. Memory is the proportional share (PSS) of all its processes: what they hold in
common counts once.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Final

from bench.intake import OURS, PATHS, installed, requests
from bench.load import send_all
from bench.results import Figure, table
from bench.rounds import CONNECTIONS
from bench.servers import ROOT, Running, free_port, says

_IMPORT: Final = (
    "import time; a = time.process_time(); import plugin.app; print(time.process_time() - a)"
)
_SETTLE_SECONDS: Final = 5


def import_cpu(times: int) -> float:
    """The median CPU seconds of `import plugin.app` in fresh processes."""
    return median(
        float(
            subprocess.run(
                [sys.executable, "-c", _IMPORT],
                cwd=ROOT,
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for _ in range(times)
    )


def serve(folder: Path, settings: Mapping[str, str], name: str) -> Running:
    """`makegood serve`; ready when it says its addresses, which it does when the web answers."""
    log = folder / f"{name}.log"
    command = ["-m", "plugin.cli", "serve", "--json"]
    return Running(command, log, lambda: says(log, '"admin"'), settings)


def run(seed: int, *, small: bool) -> dict[str, Figure]:
    """Measure, print the table, and return the figures."""
    del seed  # nothing is left to chance
    starts, idle_seconds = (1, 2) if small else (3, 25)
    cpu = import_cpu(1 if small else 7)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="makegood-bench-")))
        port = free_port()
        settings = {**installed(folder / "house"), "MAKEGOOD_PORT": str(port)}
        ready = []
        for turn in range(starts):
            begun = monotonic()
            with serve(folder, settings, f"start-{turn}"):
                ready.append(monotonic() - begun)
        served = stack.enter_context(serve(folder, settings, "served"))
        send_all(port, requests(PATHS[OURS], 0, 50 if small else 500), CONNECTIONS)
        sleep(1 if small else _SETTLE_SECONDS)
        idle = _idle_share(served, idle_seconds)
        memory = sum(process.memory_full_info().pss for process in served.tree()) / 2**20
    row = (
        "makegood serve",
        f"{cpu:.2f}",
        f"{median(ready):.1f}",
        f"{memory:.0f}",
        f"{idle * 100:.1f}",
    )
    print(table(("being there", "import CPU s", "ready s", "memory MB", "idle % of a core"), [row]))
    return {
        "import_cpu_s": round(cpu, 3),
        "ready_s": round(median(ready), 1),
        "memory_mb": round(memory),
        "idle_cpu_pct": round(idle * 100, 1),
    }


def _idle_share(served: Running, seconds: float) -> float:
    """How much of a core it takes while nobody asks for anything."""
    before, begun = served.cpu_seconds(), monotonic()
    sleep(seconds)
    return (served.cpu_seconds() - before) / (monotonic() - begun)
