"""A small run of the kill harness, and the proof that it finds the bug it is for."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.kill.peers import ROOT

pytestmark = pytest.mark.timeout(900)
"""Far beyond what it takes: on a busy machine a dozen processes start slowly."""


def run(*words: str) -> tuple[int, dict[str, Any], str]:
    """The exit code, the last line, and what was said on the way."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.kill", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert lines, done.stderr
    return done.returncode, json.loads(lines[-1]), done.stderr


def test_nothing_is_doubled_lost_stuck_or_at_odds_when_workers_and_servers_are_killed() -> None:
    code, told, said = run("--n", "40", "--cold", "2", "--seed", "20261122")
    assert code == 0, said
    assert told["kills"] == 42
    # A run in which nothing happened would prove nothing.
    assert told["refunds"] > 10
    assert told["events"] > 10


def test_a_worker_that_calls_first_and_records_after_is_found_out() -> None:
    code, told, said = run("--n", "30", "--cold", "0", "--seed", "20261122", "--planted")
    assert code != 0
    assert told["double"] > 0, said
