"""Where figures go: one flat JSON file that all benchmarks add to, with the machine they ran on."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Final

Figure = float | int | str
FILE: Final = Path(__file__).resolve().parents[1] / "build" / "bench.json"


def machine() -> str:
    """The machine in one line: processor, cores, memory, Python."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"{platform.system()} {platform.release()}"
    return (
        f"{os.cpu_count()} x {_processor()}, {memory:.0f} GB, {system}, "
        f"Python {platform.python_version()}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def load_average() -> float:
    """How many threads wanted a core over the last minute: what a reader must know of a figure."""
    return round(os.getloadavg()[0], 1)


def keep(figures: Mapping[str, Figure], file: Path = FILE) -> None:
    """Add `figures` to what is there; those of the same name are replaced."""
    kept = json.loads(file.read_text()) if file.exists() else {}
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**kept, "machine": machine(), **figures}, indent=2, sort_keys=True)
    file.write_text(text + "\n")


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Lines for people, columns under each other."""
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    lines = [head, tuple("-" * width for width in widths), *rows]
    return "\n".join(
        "  ".join(
            word.ljust(width) if place == 0 else word.rjust(width)
            for place, (word, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )
