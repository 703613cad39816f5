"""`python -m bench [PART ...]`: measure, print the tables, keep the figures in build/bench.json."""

from __future__ import annotations

import argparse
import signal
import sys
from importlib import import_module
from time import monotonic
from typing import Final

from bench.report import report
from bench.results import keep, load_average, machine

PARTS: Final = {
    "intake": "durable accepts beside a bare Flask app",
    "postgres": "the same on PostgreSQL, beside a bare one",
    "djstripe": "the intake beside dj-stripe's webhook endpoint",
    "rules": "three-effect rule runs beside bare DBOS",
    "workers": "what a second worker on PostgreSQL adds",
    "events": "from a store's event to its last effect",
    "plan": "a plan over three slow stores",
    "growth": "everything at a million orders",
    "start": "import, start, memory, idling",
}
"""Each is a module with `run(seed, *, small)`, which prints its table and returns its figures."""


def main() -> None:
    """Read the command line and measure what it names."""
    listed = "\n".join(f"  {name:9} {text}" for name, text in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=f"{__doc__}\n\nparts:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="all of them when none is named")
    parser.add_argument("--small", action="store_true", help="little of each, kept nowhere")
    parser.add_argument("--seed", type=int, default=20261122, help="decides who goes first")
    parser.add_argument("--report", action="store_true", help="print what is kept, as Markdown")
    words = parser.parse_args()
    if unknown := set(words.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    if words.report:
        print(report())
        return
    # Also when it is told to end, nothing of it shall go on.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    print(f"{machine()}\nseed {words.seed}")
    for name in words.parts or PARTS:
        _measure(name, words.seed, small=words.small)


def _measure(name: str, seed: int, *, small: bool) -> None:
    print(f"\n--- {name}; load average {load_average()}", flush=True)
    before, begun = load_average(), monotonic()
    figures = import_module(f"bench.{name}").run(seed, small=small)
    seconds = monotonic() - begun
    print(f"{name} took {seconds:.0f} s; load average {load_average()}", flush=True)
    if not small:
        run = {"load_before": before, "load_after": load_average(), "seconds": round(seconds)}
        keep({**figures, **{f"{name}_{word}": told for word, told in run.items()}})


if __name__ == "__main__":
    main()
