"""`python -m tests.tenants`: every route, foreign id and role. The last line is one object.

Exit code 0 only when nothing leaked, every foreign id was answered like a missing one, nothing of
the other business changed, and every route has a case that was truly reached.
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
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

from tests.harness import DATABASES, NoPostgresError, databases_at_hand, say, say_skipped
from tests.tenants.planted import PLANTED
from tests.tenants.share import Share, sweep_share
from tests.tenants.sweep import MUST_BE_NOTHING, Findings, unreached

MOST_SENTENCES: Final = 40
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - folders of our own are made in it


def sweep_all(chosen: argparse.Namespace, folder: Path, server: str) -> Findings:
    """All shares, side by side; in this process where one worker is enough."""
    of = chosen.workers
    words = (chosen.seed, chosen.n)
    shares = [Share(str(folder), *words, place, of, chosen.planted, server) for place in range(of)]
    if of == 1:
        done = [sweep_share(shares[0])]
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(of, mp_context=context) as pool:
            done = list(pool.map(sweep_share, shares))
    found = Findings()
    for part, _ in done:
        found.counts += part.counts
        found.sentences += part.sentences
    # Each share walks all routes and knows all pairs: what it says of them is said once.
    found.counts["pairs"] = done[0][0].counts["pairs"]
    for endpoint in unreached(one for _, reached in done for one in reached):
        found.add("unreached", f"{endpoint}: no request came as far as its ids")
    return found


def line(counts: Counter[str], seed: int, seconds: float) -> dict[str, int | float]:
    """The last line, flat."""
    return {
        "requests": counts["requests"],
        **{name: counts[name] for name in MUST_BE_NOTHING},
        "seed": seed,
        "pairs": counts["pairs"],
        "told_apart": counts["told_apart"],
        "seconds": round(seconds, 1),
    }


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tenants", description=__doc__)
    parser.add_argument("--n", type=int, default=0, help="pairs of a place and an id; 0 for all")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9))
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--planted", choices=sorted(PLANTED), default="", help="a bug to find")
    chosen = parser.parse_args(words)
    place = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="makegood-tenants-", dir=place))
    say(f"seed {chosen.seed}, on {chosen.database} in {folder}")
    begun = time.monotonic()
    try:
        with databases_at_hand(chosen.database) as databases:
            found = sweep_all(chosen, folder, databases.address)
    except NoPostgresError:
        return say_skipped()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for sentence in list(dict.fromkeys(found.sentences))[:MOST_SENTENCES]:
        say(sentence)
    told = line(found.counts, chosen.seed, time.monotonic() - begun)
    print(json.dumps({**told, "database": chosen.database}), flush=True)
    return int(any(found.counts[name] for name in MUST_BE_NOTHING))


if __name__ == "__main__":
    sys.exit(main())
