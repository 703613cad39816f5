"""`python -m tests.histories --n 20000 --seed 7`: run, compare, shrink. The last line is JSON.

`n` counts steps driven through the product: happenings and news heard, in both runs of a history.
Exit code 0 only when no history ended differently.
"""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from tests.harness import (
    DATABASES,
    Databases,
    NoPostgresError,
    databases_at_hand,
    say,
    say_skipped,
)
from tests.histories.history import History, as_lines, make, read, shrink, write
from tests.histories.judge import COUNTS, Verdict, judge
from tests.histories.planted import PLANTED
from tests.histories.template import Template

MOST_SHOWN = 5
LONGEST_SECONDS = 600
"""Beside a second for each step; what takes longer, on however busy a machine, counts as stuck."""
RECORDED = Path(__file__).parent / "recorded"
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.histories", description=__doc__)
    parser.add_argument("--n", type=int, default=20_000, help="steps to drive at least")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9))
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--planted", choices=sorted(PLANTED), help="a bug that must be found")
    parser.add_argument("--no-shrink", action="store_true", help="show differences as they are")
    parser.add_argument("--save", type=Path, help="where differing histories are kept")
    parser.add_argument("--record", nargs="+", help="histories by seed, or files, to keep for ever")
    chosen = parser.parse_args(words)
    say(f"seed {chosen.seed}, on {chosen.database}")
    begun = time.monotonic()
    try:
        with databases_at_hand(chosen.database) as databases, _template(databases) as template:
            if chosen.record:
                return _record(template, chosen.record)
            counts = _judge_all(template, chosen)
    except NoPostgresError:
        return say_skipped()
    told = {"database": chosen.database, "seed": chosen.seed}
    print(json.dumps({**counts, **told, "seconds": round(time.monotonic() - begun, 1)}), flush=True)
    return int(any(counts[name] for name in COUNTS))


@contextmanager
def _template(databases: Databases) -> Iterator[Template]:
    # No power is cut here: SQLite syncs as always, and memory does not make it wait.
    fast = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="makegood-histories-", dir=fast))
    try:
        template = Template(folder, databases.server)
        try:
            yield template
        finally:
            template.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _judge_all(template: Template, chosen: argparse.Namespace) -> dict[str, int]:
    """Histories, one after the other, until so many steps were driven; what is counted."""
    begun = time.monotonic()
    save = chosen.save or Path(tempfile.gettempdir()) / "makegood-histories"
    counts = {"steps": 0, "histories": 0, **dict.fromkeys(COUNTS, 0)}
    bad = 0
    with PLANTED[chosen.planted]() if chosen.planted else nullcontext():
        while counts["steps"] < chosen.n:
            if time.monotonic() - begun > LONGEST_SECONDS + chosen.n:
                counts["stuck"] += 1
                break
            history = make(f"{chosen.seed}/{counts['histories']}")
            verdict = judge(template, history)
            counts["histories"] += 1
            counts["steps"] += verdict.steps
            for name, found in verdict.found.items():
                counts[name] += len(found)
            if verdict.is_bad:
                bad += 1
                if bad <= MOST_SHOWN:
                    _show(template, history, verdict, save, shrinks=not chosen.no_shrink)
                if chosen.planted:
                    break
    return counts


def _record(template: Template, names: Sequence[str]) -> int:
    """Keep histories with the end that they came to; one that differs is not kept."""
    for name in names:
        path = Path(name)
        history = read(path)[0] if path.suffix == ".json" else make(name)
        verdict = judge(template, history)
        if verdict.is_bad:
            say(f"{name} differs and is not kept: {verdict.lines()}")
            return 1
        kept = RECORDED / f"{path.stem if path.suffix else name.replace('/', '-')}.json"
        write(kept, history, verdict.end)
        say(f"kept {kept.name}")
    return 0


def _show(
    template: Template, history: History, verdict: Verdict, save: Path, *, shrinks: bool
) -> None:
    """The shortest history like this that still differs, for people and as a file."""
    say(f"history {history.seed} differs:")
    for text in verdict.lines():
        say(f"  {text}")
    kinds = [name for name, found in verdict.found.items() if found]

    def is_bad(candidate: History) -> bool:
        return bool(judge(template, candidate).found[kinds[0]])

    small = shrink(history, is_bad) if shrinks else history
    verdict = judge(template, small)
    save.mkdir(parents=True, exist_ok=True)
    path = save / f"{history.seed.replace('/', '-')}.json"
    write(path, small, verdict.end)
    say(f"history {history.seed}, shrunk to {len(small.steps)} steps, kept as {path}:")
    for text in (*as_lines(small), *verdict.lines()):
        say(f"  {text}")


if __name__ == "__main__":
    sys.exit(main())
