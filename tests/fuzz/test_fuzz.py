"""A small run of the fuzz harness, and the proof that it finds the bugs it is for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.batch import MUST_BE_NOTHING
from tests.fuzz.hostile import FRAGMENTS, spots
from tests.kill.peers import ROOT

pytestmark = pytest.mark.timeout(1800)
"""Far beyond what it takes: on a busy machine processes start slowly."""
SEED = "20261122"


def run(*words: str) -> tuple[int, dict[str, Any], str]:
    """The exit code, the last line, and what was said on the way."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert lines, done.stderr
    return done.returncode, json.loads(lines[-1]), done.stderr


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_no_hostile_request_breaks_writes_or_calls(database: str, tmp_path: Path) -> None:
    words = ("--n", "2000", "--seed", SEED, "--workers", "1", "--keep-in", str(tmp_path))
    code, told, said = run(*words, "--database", database)
    if "skipped" in told:
        pytest.skip(told["skipped"])
    assert code == 0, said
    assert {name: told[name] for name in MUST_BE_NOTHING} == dict.fromkeys(MUST_BE_NOTHING, 0)
    assert told["requests"] == 2000
    # A run in which nothing happened would prove nothing.
    assert 0.65 < told["signed"] / (told["signed"] + told["unsigned"]) < 0.8
    for happened in (
        "stored",
        "dispatched",
        "applied",
        "strangers",
        "pages",
        "form_writes",
        "canvases",
        "install_tries",
        "passes",
    ):
        assert told[happened] > 5, told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("bug", "count", "n"),
    [
        ("raises", "answers_5xx", "4000"),
        ("leaves", "raised", "400"),
        ("unchecked_writer", "unsigned_writes", "400"),
        ("unchecked_post", "heard_unsigned", "1000"),
        ("unchecked_address", "unsigned_writes", "2000"),
        ("unchecked_caller", "outgoing", "400"),
        ("told_where", "strange_files", "2000"),
        ("careless_parser", "faults", "400"),
    ],
)
def test_a_planted_bug_is_found_and_kept(bug: str, count: str, n: str, tmp_path: Path) -> None:
    planted = ("--planted", bug, "--keep-in", str(tmp_path))
    code, told, said = run("--n", n, "--seed", SEED, "--workers", "1", *planted)
    assert code == 1
    assert told[count] > 0, said
    kept = min(tmp_path.glob(f"{count}-*.json"))
    if bug != "unchecked_writer":
        return
    code, again, said = run("--replay", str(kept))
    assert code == 1
    assert again[count] > 0, said


def test_a_write_without_a_signature_is_found_on_postgresql(tmp_path: Path) -> None:
    planted = ("--planted", "unchecked_writer", "--keep-in", str(tmp_path))
    words = ("--n", "40", "--seed", SEED, "--workers", "2", "--database", "postgresql")
    code, told, said = run(*words, *planted)
    if "skipped" in told:
        pytest.skip(told["skipped"])
    assert code == 1
    assert told["unsigned_writes"] > 0, said


def test_every_value_of_a_body_has_a_spot() -> None:
    body = b'{"a": [1, {"b": "x"}], "c": null}'
    found = list(spots(body))
    assert [spot.value for spot in found] == [
        body,
        b'[1, {"b": "x"}]',
        b"1",
        b'{"b": "x"}',
        b'"x"',
        b"null",
    ]
    for spot in found:
        assert json.loads(spot.put(spot.value)) == json.loads(body)
    assert json.loads(found[2].put(b"[]")) == {"a": [[], {"b": "x"}], "c": None}
    assert json.loads(found[-1].without) == {"a": [1, {"b": "x"}]}
    assert found[-1].twice(b"2").count(b'"c"') == 2
    assert len(set(FRAGMENTS)) == len(FRAGMENTS)
