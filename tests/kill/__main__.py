"""`python -m tests.kill --n 2000`: kill, drain, judge. The last line is one JSON object.

Exit code 0 only when nothing was doubled, lost, stuck or at odds, no process was left behind, half
of all recoveries took three seconds at most (where there were enough of them to say so), and the
run did what it was for: refunds were made; at each name that was learnt a process died, and each
place of `sites.KILLED` was among them; and where kills in system calls were asked for, of workers
and of the door, some of each came.
"""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import statistics
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from tests.harness import DATABASES, Databases, databases_at_hand
from tests.kill.at_points import kill_at_points
from tests.kill.campaigns import (
    Ground,
    Result,
    kill_cold,
    kill_in_calls,
    kill_warm,
    restart_postgres,
    say,
)

MOST_SENTENCES = 50
SLOW_SECONDS = 3
ENOUGH_RECOVERIES = 200
"""Fewer say how busy the machine was: the suite's small runs are not judged by the clock."""
ENOUGH_CALLS = 6
"""Of fewer kills in system calls the door may have had none."""
_FOUND = ("double", "lost", "stuck", "mismatch")
MUST_BE_NOTHING = (
    *_FOUND,
    "left_behind",
    "slow_recovery",
    "never_passed",
    "not_reached",
    "calls_not_made",
    "nothing_done",
)


def _made_both(result: Result, calls: int) -> bool:
    """Kills of workers in system calls, and of the door where so many were asked for."""
    of_workers = result.call_kills - result.web_call_kills
    return of_workers > 0 and (result.web_call_kills > 0 or calls < ENOUGH_CALLS)


def line_of(result: Result, seconds: float, calls: int) -> dict[str, int | float | None]:
    """Flat, for machines. `calls` is how many kills in system calls were asked for."""

    def count(name: str) -> int:
        return sum(len(getattr(f, name)) for f in result.findings)

    def total(name: str) -> int:
        return sum(getattr(f, name) for f in result.findings)

    median = round(statistics.median(result.recoveries), 3) if result.recoveries else None
    is_slow = median is not None and median > SLOW_SECONDS
    return {
        "kills": result.kills,
        "web_kills": result.web_kills,
        **{name: count(name) for name in _FOUND},
        "left_behind": result.left_behind,
        "slow_recovery": int(is_slow and len(result.recoveries) >= ENOUGH_RECOVERIES),
        "calls_not_made": int(calls > 0 and not _made_both(result, calls)),
        "nothing_done": int(result.kills > 0 and not total("refunds")),
        "points": result.points,
        "point_kills": result.point_kills,
        "never_passed": len(result.never_passed),
        "not_reached": len(result.not_reached),
        "times_not_reached": result.times_not_reached,
        "call_kills": result.call_kills,
        "web_call_kills": result.web_call_kills,
        "calls_not_reached": result.calls_not_reached,
        "restarts": result.restarts,
        "seed": result.seed,
        "refunds": total("refunds"),
        "events": total("events"),
        "parked": total("parked"),
        "interrupted": total("interrupted"),
        "recovery_median_s": median,
        "seconds": round(seconds, 1),
    }


def fight_all(chosen: Namespace, folder: Path, databases: Databases, result: Result) -> None:
    """Every campaign that was asked for, each on fresh ground."""
    with ExitStack() as stack:

        def ground(name: str) -> Ground:
            database = stack.enter_context(databases.fresh())
            return Ground(folder / name, database, chosen.planted)

        if chosen.n:
            kill_warm(ground("warm"), result, chosen.n)
        if chosen.occurrences:
            kill_at_points(ground("points"), result, chosen.occurrences, chosen.sample)
        if chosen.calls:
            kill_in_calls(ground("calls"), result, chosen.calls)
        if chosen.cold:
            kill_cold(ground("cold"), result, chosen.cold)
        if chosen.restarts:
            restart_postgres(ground("restarts"), result, chosen.restarts, databases.restart)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kill", description=__doc__)
    parser.add_argument("--n", type=int, default=2000, help="kills of workers at random moments")
    parser.add_argument("--cold", type=int, help="kills of `makegood serve`; a twentieth of n")
    parser.add_argument(
        "--occurrences", type=int, help="times that each named point kills; n by 400, 1 to 5"
    )
    parser.add_argument("--sample", type=int, default=0, help="points to take, by the seed; all")
    parser.add_argument("--calls", type=int, help="kills in system calls; a tenth of n")
    parser.add_argument("--restarts", type=int, default=0, help="restarts of PostgreSQL, instead")
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9))
    parser.add_argument("--planted", action="store_true", help="the worker with the planted bug")
    parser.add_argument("--keep", action="store_true", help="keep the folder, to look at the rows")
    chosen = parser.parse_args(words)
    if chosen.cold is None:
        chosen.cold = chosen.n // 20
    if chosen.occurrences is None:
        chosen.occurrences = min(max(chosen.n // 400, 1), 5)
    if chosen.calls is None:
        chosen.calls = chosen.n // 10
    folder = Path(tempfile.mkdtemp(prefix="makegood-kill-"))
    result = Result(chosen.seed)
    begun = time.monotonic()
    say(f"seed {chosen.seed}, on {chosen.database}, in {folder}")
    try:
        with databases_at_hand(chosen.database) as databases:
            fight_all(chosen, folder, databases, result)
    finally:
        if not chosen.keep:
            shutil.rmtree(folder, ignore_errors=True)
    sentences = (sentence for findings in result.findings for sentence in findings.lines())
    for sentence in islice(sentences, MOST_SENTENCES):
        say(sentence)
    line = line_of(result, time.monotonic() - begun, chosen.calls)
    print(json.dumps(line), flush=True)
    return int(any(line[name] for name in MUST_BE_NOTHING))


if __name__ == "__main__":
    sys.exit(main())
