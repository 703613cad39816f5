"""A run lies in memory where it fits, and where its person says otherwise it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import ROOT
from tests.in_memory import MEMORY, is_roomy

ASKED = """
import tempfile


def test_asked(tmp_path):
    raise AssertionError(f"here: {tempfile.gettempdir()} {tmp_path}")
"""


def places(tmp_path: Path, **environment: str) -> str:
    """Where a run of its own has its files."""
    asking = tmp_path / "test_asking.py"
    asking.write_text(ASKED, "utf-8")
    own = {name: value for name, value in os.environ.items() if name != "TMPDIR"}
    words = ("-q", "-p", "tests.in_memory", "-p", "no:cacheprovider", "--rootdir", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "-c", os.devnull, str(asking)],
        cwd=ROOT,
        env={**own, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return next(line for line in done.stdout.splitlines() if "AssertionError: here: " in line)


def test_a_run_lies_in_memory_where_it_fits(tmp_path: Path) -> None:
    said = places(tmp_path)
    lies_there = f"here: {MEMORY} {MEMORY}/" in said
    assert lies_there is is_roomy(MEMORY), said


def test_a_folder_that_is_given_stays(tmp_path: Path) -> None:
    said = places(tmp_path, TMPDIR=str(tmp_path))
    assert f"here: {tmp_path} {tmp_path}/" in said


@pytest.mark.parametrize(("room", "fits"), [(1, True), (1 << 60, False)])
def test_a_run_does_not_go_where_it_does_not_fit(room: int, fits: bool, tmp_path: Path) -> None:
    assert is_roomy(tmp_path, room) is fits


def test_a_run_does_not_go_where_nothing_is(tmp_path: Path) -> None:
    assert not is_roomy(tmp_path / "none", 1)
