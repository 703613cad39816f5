"""A small run of the harness of histories, and the proofs that it finds the bugs it is for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.histories.__main__ import main
from tests.histories.history import make, shrink
from tests.histories.planted import PLANTED

pytestmark = pytest.mark.timeout(1800)
"""Far beyond what it takes: on a busy machine it may take minutes."""

FOUND_AT = {
    "call_twice": (1, 1),
    "dispute": (31, 1),
    "echo": (3, 1),
    "flag": (1, 1),
    "fresh_key": (5, 1),
    "ledger_order": (1, 1),
    "no_keeps": (135, 1),
    "no_moment": (11, 1),
    "no_sweep": (1, 1),
    "resumed": (8, 1),
    "silence": (5, 1),
}
"""A seed, and the steps, that find each planted bug soonest."""


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any], str]:
    """The exit code, the last line, and what was said on the way."""
    code = main(words)
    told = capsys.readouterr()
    return code, json.loads(told.out.splitlines()[-1]), told.err


@pytest.mark.parametrize(("database", "steps"), [("sqlite", 600), ("postgresql", 200)])
def test_no_history_ends_differently_however_it_is_heard(
    database: str, steps: int, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--n", str(steps), "--seed", "20261122", "--database", database)
    code, told, said = run(capsys, *words)
    if "skipped" in told:
        pytest.skip(told["skipped"])
    assert code == 0, said
    assert told["steps"] >= steps


@pytest.mark.parametrize("planted", sorted(PLANTED))
def test_a_planted_bug_is_found(
    planted: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    seed, steps = FOUND_AT[planted]
    words = ("--seed", str(seed), "--n", str(steps), "--no-shrink", "--save", str(tmp_path))
    code, told, said = run(capsys, *words, "--planted", planted)
    assert code == 1, told
    assert "differs" in said
    assert [path.name for path in tmp_path.iterdir()]


def test_a_planted_bug_is_found_on_postgresql(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ("--seed", "1", "--n", "1", "--no-shrink", "--save", str(tmp_path))
    code, told, said = run(capsys, *words, "--planted", "flag", "--database", "postgresql")
    if "skipped" in told:
        pytest.skip(told["skipped"])
    assert code == 1, told
    assert "differs" in said


@pytest.mark.parametrize("seed", [f"seed/{number}" for number in range(20)])
def test_what_is_made_at_random_is_possible_and_the_same_for_its_seed(seed: str) -> None:
    assert make(seed) == make(seed)
    assert make(seed).is_possible()
    assert make(seed).in_order().is_possible()


def test_a_history_is_shrunk_to_the_steps_that_matter() -> None:
    history = make("seed/1")
    tags = [step["id"] for step in history.steps if step["do"] == "sale"]

    small = shrink(history, lambda other: any(step["id"] == tags[-1] for step in other.steps))
    assert [step["id"] for step in small.steps] == tags[-1:]
    assert all(delays == [0] for delays in small.steps[0]["heard"].values())
    assert small.is_possible()
