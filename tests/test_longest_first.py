"""Files begin in the order of what they may take, with one worker and with two."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.harness import ROOT

QUICK = "def test_quick(): ...\ndef test_quicker(): ...\n"
MANY = "".join(f"def test_{number}(): ...\n" for number in range(9))
SLOW = "import pytest\ndef test_usual(): ...\n@pytest.mark.timeout({})\ndef test_slow(): ...\n"


def order(tmp_path: Path, *words: str) -> list[str]:
    """The files of a run of its own, as their tests began."""
    files = {"a": MANY, "b": SLOW.format(900), "c": QUICK, "d": SLOW.format(1800)}
    for name, text in files.items():
        (tmp_path / f"test_{name}.py").write_text(text, "utf-8")
    plugins = ("-p", "tests.longest_first", "-p", "no:cacheprovider", "-p", "no:randomly")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", *plugins, *words, "-c", os.devnull, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    began = re.findall(r"test_([abcd])\.py::\w+ (?=\n|PASSED)", done.stdout)
    return list(dict.fromkeys(began))


def test_what_may_take_longest_begins_first(tmp_path: Path) -> None:
    assert order(tmp_path) == ["d", "b", "a", "c"]


def test_the_workers_of_make_test_take_it_first_too(tmp_path: Path) -> None:
    recipe = (ROOT / "Makefile").read_text("utf-8").partition("\ntest: ")[2].partition("\n\n")[0]
    asked = re.search(r"--dist loadfile[a-z -]*", recipe)
    assert asked is not None
    words = asked[0].split()
    assert order(tmp_path, "--numprocesses", "1", *words) == ["d", "b", "a", "c"]
