"""`python -m tests.fuzz --n 1000000`: send, judge, keep what failed. The last line is one object.

Exit code 0 only when nothing answered 5xx, nothing was raised, nothing was written or called
without a signature or a session, and every delivery that was stored can be worked on.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final
from uuid import uuid4

from tests.fuzz.batch import BATCH, MUST_BE_NOTHING, Batch, Finding, Outcome, run_in
from tests.fuzz.keep import MOST_KEPT, keep, replay
from tests.fuzz.planted import PLANTED
from tests.fuzz.world import Ground
from tests.harness import DATABASES, NoPostgresError, databases_at_hand, say, say_skipped

_KEPT_IN: Final = Path("build/fuzz")
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - folders of our own are made in it
_COUNTED: Final = (
    "signed",
    "unsigned",
    "stored",
    "dispatched",
    "applied",
    "strangers",
    "signed_in",
    "pages",
    "form_writes",
    "key_looks",
    "posts_signed",
    "posts_unsigned",
    "canvases",
    "install_tries",
    "passes",
    "swept",
)


def batches(seed: int, n: int, planted: str) -> Iterator[Batch]:
    """`n` requests in batches. A batch is the same whatever `n` and whoever runs it."""
    for number, start in enumerate(range(0, n, BATCH)):
        yield Batch(seed, number, min(BATCH, n - start), planted)


def run_all(
    todo: Iterator[Batch], ground: Ground, workers: int
) -> tuple[Counter[str], list[tuple[Batch, Finding]]]:
    """Run the batches: side by side and a few ahead, or in this process where one is enough."""
    counts: Counter[str] = Counter()
    findings: list[tuple[Batch, Finding]] = []
    begun = time.monotonic()

    def take(batch: Batch, outcome: Outcome) -> None:
        nonlocal counts
        counts += outcome.counts
        findings.extend((batch, finding) for finding in outcome.findings)
        rate = counts["requests"] / (time.monotonic() - begun)
        bad = {name: counts[name] for name in MUST_BE_NOTHING if counts[name]}
        say(f"{counts['requests']} requests, {rate:.0f}/s, {bad or 'nothing wrong'}")

    if workers == 1:
        for batch in todo:
            take(batch, run_in(ground, batch))
        return counts, findings
    # Fresh processes: an audit hook and an application are not for sharing.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        running: dict[Future[Outcome], Batch] = {}
        while True:
            for batch in islice(todo, 2 * workers - len(running)):
                running[pool.submit(run_in, ground, batch)] = batch
            if not running:
                break
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                take(running.pop(future), future.result())
    return counts, findings


def keep_some(findings: list[tuple[Batch, Finding]], ground: Ground, into: Path) -> None:
    """Keep a few of each kind, the first ones first."""
    kept: Counter[str] = Counter()
    scratch = ground.under("keep")
    for batch, finding in sorted(findings, key=lambda one: (one[0].number, one[1].place)):
        if kept[finding.kind] < MOST_KEPT // 4 and kept.total() < MOST_KEPT:
            kept[finding.kind] += 1
            # The first of a kind is made small: each try takes a world of its own.
            path = keep(finding, batch, scratch, into, cut=kept[finding.kind] == 1)
            say(f"{finding.kind}: {finding.words}; python -m tests.fuzz --replay {path}")


def line(counts: Counter[str], seed: int, seconds: float) -> dict[str, int | float]:
    """The last line, flat."""
    return {
        "requests": counts["requests"],
        **{name: counts[name] for name in MUST_BE_NOTHING},
        "seed": seed,
        **{name: counts[name] for name in _COUNTED},
        "requests_per_s": round(counts["requests"] / max(seconds, 0.001)),
        "seconds": round(seconds, 1),
    }


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--n", type=int, default=1_000_000, help="requests")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9))
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--planted", choices=sorted(PLANTED), default="", help="a bug to find")
    parser.add_argument("--keep-in", type=Path, default=_KEPT_IN, help="where failing ones go")
    parser.add_argument("--replay", type=Path, help="send one kept request again")
    chosen = parser.parse_args(words)
    begun = time.monotonic()
    try:
        with ground_at_hand(chosen.database) as ground:
            counts, seed = run_chosen(chosen, ground)
    except NoPostgresError:
        return say_skipped()
    seconds = time.monotonic() - begun
    told = {**line(counts, seed, seconds), "database": chosen.database}
    print(json.dumps(told), flush=True)
    return int(any(counts[name] for name in MUST_BE_NOTHING))


@contextmanager
def ground_at_hand(database: str) -> Iterator[Ground]:
    """A folder, and a server where one is asked for, cleared at the end of the block."""
    place = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="makegood-fuzz-", dir=place))
    try:
        with databases_at_hand(database) as databases:
            name = f"mg_fuzz_{uuid4().hex}"
            try:
                yield Ground(folder, databases.address, name)
            finally:
                databases.drop_all(name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_chosen(chosen: argparse.Namespace, ground: Ground) -> tuple[Counter[str], int]:
    """Send what was asked for: one kept request, or `n` made ones; the counts and the seed."""
    if chosen.replay is not None:
        outcome = replay(chosen.replay, ground)
        for finding in outcome.findings:
            say(f"{finding.kind}: {finding.words}")
        return outcome.counts, json.loads(chosen.replay.read_text("utf-8"))["seed"]
    say(f"seed {chosen.seed}, {chosen.n} requests on {chosen.database} in {ground.folder}")
    todo = batches(chosen.seed, chosen.n, chosen.planted)
    counts, findings = run_all(todo, ground, chosen.workers)
    keep_some(findings, ground, chosen.keep_in)
    return counts, chosen.seed


if __name__ == "__main__":
    sys.exit(main())
