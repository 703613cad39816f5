"""A small sweep over two businesses, and the proof that it finds the bugs it is for."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.harness import DATABASES
from tests.kill.peers import ROOT
from tests.tenants.sweep import MUST_BE_NOTHING

pytestmark = pytest.mark.timeout(1800)
"""Far beyond what it takes: on a busy machine processes start slowly."""


def run(*words: str) -> tuple[int, dict[str, Any], str]:
    """The exit code, the last line, and what was said on the way."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.tenants", "--seed", "20261122", "--workers", "1", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert lines, done.stderr
    return done.returncode, json.loads(lines[-1]), done.stderr


@pytest.mark.parametrize("database", DATABASES)
def test_nobody_reads_changes_or_detects_what_another_business_has(database: str) -> None:
    code, told, said = run("--n", "760", "--database", database)
    if "skipped" in told:
        pytest.skip(told["skipped"])
    assert code == 0, said
    assert {name: told[name] for name in MUST_BE_NOTHING} == dict.fromkeys(MUST_BE_NOTHING, 0)
    # Each place at least once: fewer would leave some unasked.
    assert told["requests"] > 1000


@pytest.mark.parametrize(
    ("bug", "n", "counts"),
    [
        ("screen_without_tenant", "600", ("leaks", "differs", "foreign_writes")),
        ("rows_without_tenant", "200", ("leaks",)),
        ("button_of_anybody", "700", ("foreign_writes",)),
        ("route_without_case", "1", ("unswept_routes",)),
    ],
)
def test_a_planted_bug_is_found(bug: str, n: str, counts: tuple[str, ...]) -> None:
    code, told, said = run("--n", n, "--planted", bug)
    assert code == 1
    assert all(told[count] > 0 for count in counts), said


def test_a_planted_bug_is_found_on_postgresql() -> None:
    words = ("--n", "600", "--planted", "screen_without_tenant", "--database", "postgresql")
    code, told, said = run(*words)
    if "skipped" in told:
        pytest.skip(told["skipped"])
    assert code == 1
    assert all(told[count] > 0 for count in ("leaks", "differs", "foreign_writes")), said
