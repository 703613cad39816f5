"""A small run of the power-cut harness, and the proofs that it finds the bugs it is for."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import Any

import pytest

from tests.kill.peers import ROOT
from tests.powercut.disk import Delete, Disk, Open, Sync, Truncate, Write

pytestmark = pytest.mark.timeout(900)
"""Far beyond what it takes: on a busy machine processes start slowly."""


def run(*words: str) -> tuple[int, dict[str, Any], str]:
    """The exit code, the last line, and what was said on the way."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.powercut", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert lines, done.stderr
    return done.returncode, json.loads(lines[-1]), done.stderr


def test_nothing_promised_is_lost_at_any_cut_and_no_bad_start_is_accepted() -> None:
    code, told, said = run("--n", "1", "--seed", "20261122", "--starts", "few")
    assert code == 0, said
    # A run in which nothing happened would prove nothing.
    assert told["cuts"] > 300
    assert told["promises"] > 5
    assert told["starts"] > 60


@pytest.mark.parametrize("planted", ["normal", "off", "early_thanks"])
def test_a_product_that_does_not_wait_for_the_disk_is_found_out(planted: str) -> None:
    code, told, said = run("--n", "1", "--seed", "1", "--starts", "none", "--planted", planted)
    assert code != 0
    assert told["acknowledged_lost"] > 0, said


def test_a_cut_takes_what_was_not_synced_and_nothing_else() -> None:
    disk = Disk()
    for event in (
        Open("log", syncs_folder=True),
        Write("log", 0, b"sure"),
        Sync("log"),
        Write("log", 4, b" lost"),
        Open("other", syncs_folder=False),
        Write("other", 0, b"lost with its name"),
        Sync("other"),
    ):
        disk.do(event)
    assert disk.after_cut() == {"log": b"sure"}
    assert disk.after_kill() == {"log": b"sure lost", "other": b"lost with its name"}
    parts = [disk.after_partial_cut(random.Random(seed)) for seed in range(50)]
    assert {"other" in part for part in parts} == {True, False}
    assert {part["log"] for part in parts} == {b"sure", b"sure lost"}


def test_what_was_cut_off_or_removed_comes_back_unless_that_was_synced() -> None:
    disk = Disk()
    for event in (Open("log", syncs_folder=True), Write("log", 0, b"12345678"), Sync("log")):
        disk.do(event)
    disk.do(Truncate("log", 2))
    assert disk.after_cut() == {"log": b"12345678"}
    disk.do(Sync("log"))
    assert disk.after_cut() == {"log": b"12"}
    disk.do(Delete("log", syncs_folder=False))
    assert disk.after_cut() == {"log": b"12"}
    disk.do(Delete("log", syncs_folder=True))
    assert disk.after_cut() == {}
