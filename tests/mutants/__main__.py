"""`python -m tests.mutants`: change, judge, compare with what is known. The last line is JSON.

Exit code 0 only when every survivor is explained and enough changes of each file were noticed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.harness import say
from tests.mutants.changes import Change, Judged, explained, judge, judging_tests
from tests.tree_copy import copy_tree

LEAST: Final = 90.0
"""Percent of the changes of each file that tests must notice. It only ever goes up."""


def score(killed: int, survived: int) -> float:
    """Percent that was noticed; explained survivors count as survivors."""
    return round(100 * killed / max(1, killed + survived), 1)


def compare(
    judged: Mapping[str, Judged], reasons: Mapping[Change, str]
) -> tuple[dict[str, int | float], Sequence[str]]:
    """The counts for the last line, and a sentence for whatever is wrong."""
    survivors = [change for one in judged.values() for change in one.survivors]
    unexplained = [change for change in survivors if change not in reasons]
    unclear = [name for one in judged.values() for name in one.unclear]
    killed = sum(one.killed for one in judged.values())
    scores = {file: score(one.killed, len(one.survivors)) for file, one in judged.items()}
    low = [file for file, reached in scores.items() if reached < LEAST]
    gone = [one for one in reasons if one.file in judged and one not in survivors]
    counts = {
        "killed": killed,
        "survived": len(survivors),
        "explained": len(survivors) - len(unexplained),
        "unexplained": len(unexplained),
        "unclear": len(unclear),
        "low": len(low),
        "gone": len(gone),
        "score": score(killed, len(survivors)),
        **{f"score_{Path(file).stem}": reached for file, reached in scores.items()},
    }
    sentences = [
        *(
            f"{one.file}, {one.function}: no test minds\n  - {one.was}\n  + {one.now}"
            for one in unexplained
        ),
        *(f"not judged: {name}" for name in unclear),
        *(f"{file}: {scores[file]} %, which is less than {LEAST}" for file in low),
        *(f"explained, and noticed by now: {one.function}: {one.now}" for one in gone),
    ]
    return counts, sentences


def keep(path: Path, judged: Mapping[str, Judged], reasons: Mapping[Change, str]) -> None:
    """Write the survivors that nobody explained, in the form of `survivors.json`."""
    groups = [
        {
            "file": file,
            "why": "",
            "changes": [
                {"function": left.function, "was": left.was, "now": left.now}
                for left in one.survivors
                if left not in reasons
            ],
        }
        for file, one in judged.items()
    ]
    path.write_text(json.dumps(groups, indent=2, ensure_ascii=False) + "\n", "utf-8")


def main(words: Sequence[str] | None = None) -> int:
    tests = judging_tests()
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    stems = {Path(file).stem: file for file in tests}
    parser.add_argument("--only", nargs="+", choices=sorted(stems), help="files to change")
    parser.add_argument("--workers", type=int, default=1, help="changes judged at a time")
    parser.add_argument("--keep", type=Path, help="write the unexplained survivors to a file")
    chosen = parser.parse_args(words)
    begun = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="makegood-mutants-"))
    judged: dict[str, Judged] = {}
    reasons = explained()
    try:
        for stem in chosen.only or stems:
            file = stems[stem]
            tree = copy_tree(folder / stem)
            try:
                one = judge(tree, file, tests[file], chosen.workers)
            except RuntimeError as error:
                one = Judged(0, (), (f"{file}: {error}",))
            shutil.rmtree(tree)
            judged[file] = one
            reached = score(one.killed, len(one.survivors))
            say(f"{file}: {one.killed} noticed, {len(one.survivors)} not, {reached} %")
            if chosen.keep:
                keep(chosen.keep, judged, reasons)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    counts, sentences = compare(judged, reasons)
    for sentence in sentences:
        say(sentence)
    print(json.dumps({**counts, "seconds": round(time.monotonic() - begun, 1)}), flush=True)
    return int(any(counts[name] for name in ("unexplained", "unclear", "low")))


if __name__ == "__main__":
    sys.exit(main())
