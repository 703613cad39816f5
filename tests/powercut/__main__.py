"""`python -m tests.powercut --n 12`: record, cut at every write, judge. The last line is JSON.

Exit code 0 only when nothing promised was lost, and no unsafe setting or damaged file was accepted.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path

from plugin.settings import Settings, read_settings
from tests.powercut.bad_starts import BadStarts, try_bad_starts
from tests.powercut.core_path import CorePath
from tests.powercut.disk import Disk, Event, Promise
from tests.powercut.judge import Findings, judge
from tests.powercut.planted import PLANTED
from tests.powercut.vfs import recorded

MOST_SENTENCES = 30


def record(
    folder: Path, rounds: int, planted: Callable[[], AbstractContextManager[None]]
) -> list[Event]:
    """Walk the core path on `folder`, and return what its disk did and who was told what."""
    events: list[Event] = []
    with planted(), recorded(events):
        CorePath(_settings(folder), events.append).walk(rounds)
    return events


def cut_everywhere(
    events: Sequence[Event], settings: Settings, chance: random.Random, subsets: int
) -> Findings:
    """Judge the disk after a cut before each event and after the last.

    With everything unsynced gone, and with `subsets` random parts of it there.
    """
    found = Findings()
    disk = Disk()
    promises: list[Promise] = []
    judged: tuple[int, int] | None = None
    for number in range(len(events) + 1):
        if number:
            event = events[number - 1]
            disk.do(event)
            if isinstance(event, Promise):
                promises.append(event)
        where = f"cut {number}"
        found.cuts += 1
        if judged != (disk.turn, len(promises)):  # else it is the same disk, and was judged
            judged = (disk.turn, len(promises))
            judge(settings, disk.after_cut(), promises, where, found)
        if not disk.is_sure:
            found.cuts += subsets
            for _ in range(subsets):
                files = disk.after_partial_cut(chance)
                judge(settings, files, promises, f"{where}, in part", found)
    judge(settings, disk.after_kill(), promises, "the end", found)
    return found


def _settings(folder: Path) -> Settings:
    return read_settings({"MAKEGOOD_DATA_DIR": str(folder)})


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.powercut", description=__doc__)
    parser.add_argument("--n", type=int, default=12, help="customers on the core path")
    parser.add_argument("--subsets", type=int, default=1, help="random parts kept at each cut")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9))
    parser.add_argument("--planted", choices=sorted(PLANTED), help="a bug that must be found")
    parser.add_argument("--starts", choices=("all", "few", "none"), default="all")
    chosen = parser.parse_args(words)
    begun = time.monotonic()
    planted = PLANTED[chosen.planted] if chosen.planted else nullcontext
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="makegood-powercut-")).resolve()
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        say(f"seed {chosen.seed}, {chosen.n} customers in {folder}")
        events = record(folder / "walked", chosen.n, planted)
        promises = sum(isinstance(event, Promise) for event in events)
        say(f"recorded {len(events) - promises} steps of the disk and {promises} promises")
        shutil.copytree(folder / "walked", folder / "cut")
        chance = random.Random(chosen.seed)
        found = cut_everywhere(events, _settings(folder / "cut"), chance, chosen.subsets)
        say(f"judged {found.judged} disks in {time.monotonic() - begun:.0f} s")
        starts = BadStarts()
        if chosen.starts != "none":
            starts = try_bad_starts(folder, few=chosen.starts == "few")
    for sentence in [*found.lines(), *starts.lines()][:MOST_SENTENCES]:
        say(sentence)
    line = {
        "cuts": found.cuts,
        "acknowledged_lost": len(found.acknowledged_lost),
        "broken": len(found.broken),
        "damaged_opened": len(starts.damaged_opened),
        "looks_empty": len(starts.looks_empty),
        "unsafe_accepted": len(starts.unsafe_accepted),
        "unclear": len(starts.unclear),
        "starts": starts.tried,
        "promises": promises,
        "seed": chosen.seed,
        "seconds": round(time.monotonic() - begun, 1),
    }
    print(json.dumps(line), flush=True)
    bad = (
        "acknowledged_lost",
        "broken",
        "damaged_opened",
        "looks_empty",
        "unsafe_accepted",
        "unclear",
    )
    return int(any(line[name] for name in bad))


if __name__ == "__main__":
    sys.exit(main())
