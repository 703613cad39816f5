"""`python -m tests.selftest`: plant, run, look for red. The last line is one JSON object.

Exit code 0 only when every harness was green without a bug and red with each of its bugs.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.harness import say
from tests.selftest.ground import Ground, Stale
from tests.selftest.judges import Judge
from tests.selftest.plants import PLANTS, Plant

CAUGHT: Final = "caught"
STALE: Final = "stale"
FALSE_ALARM: Final = "false alarm"
MISSED: Final = "missed"


@dataclass(slots=True)
class Trial:
    """One copy of the tree, and which judges are known to be green in it."""

    ground: Ground
    green: dict[Judge, bool] = field(default_factory=dict)

    def try_plant(self, plant: Plant) -> str:
        """What came of it: one of the four words above."""
        try:
            with self.ground.planted(plant.changes):
                pass
        except Stale as error:
            say(str(error))
            return STALE
        if not self._is_green(plant.judge):
            return FALSE_ALARM
        with self.ground.planted(plant.changes):
            told = plant.judge.run(self.ground.tree)
        if told.reds and not told.broke:
            say(f"  {plant.judge.name}: {told.reds}")
            return CAUGHT
        say(told.said)
        return MISSED

    def _is_green(self, judge: Judge) -> bool:
        """Whether it finds nothing where nothing is planted. Asked once."""
        if judge not in self.green:
            told = judge.run(self.ground.tree)
            self.green[judge] = told.is_green
            if not told.is_green:
                say(f"{judge.name} is not green without a bug:\n{told.said}")
        return self.green[judge]


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.selftest", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=sorted(PLANTS), help="some of the bugs")
    chosen = parser.parse_args(words)
    begun = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="makegood-selftest-"))
    came: dict[str, str] = {}
    try:
        trial = Trial(Ground(folder / "tree"))
        for name in chosen.only or PLANTS:
            say(f"{name}: {PLANTS[name].what}")
            came[name] = trial.try_plant(PLANTS[name])
            say(f"  {came[name]} after {time.monotonic() - begun:.0f} s")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    ends = list(came.values())
    line = {
        "planted": len(ends),
        "caught": ends.count(CAUGHT),
        "missed": ends.count(MISSED),
        "stale": ends.count(STALE),
        "false_alarms": ends.count(FALSE_ALARM),
        **{name: PLANTS[name].judge.name if end == CAUGHT else end for name, end in came.items()},
        "seconds": round(time.monotonic() - begun, 1),
    }
    print(json.dumps(line), flush=True)
    return int(line["caught"] != line["planted"])


if __name__ == "__main__":
    sys.exit(main())
