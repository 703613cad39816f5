"""A skipped test fails a run that is judged, and no other; harnesses end red there, too."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.harness import ROOT
from tests.nothing_unseen import VARIABLE

SKIPS = """
import pytest

if {whole}:
    pytest.skip({reason!r}, allow_module_level=True)


def test_shown(): ...


@pytest.mark.skipif(True, reason={reason!r})
def test_marked(): ...


def test_said():
    pytest.skip({reason!r})


@pytest.mark.xfail(reason="known")
def test_known():
    raise AssertionError
"""
PEER = "npm is unavailable; `make test` brings it"
SHARED = "the vendor's specification (../shared/specs/some) is not here"
FAILED = "1 failed, 1 passed, 1 xfailed, 1 error"
"""A mark is judged while its test is set up, where a failure is called an error."""
SQLITE = "of SQLite alone: its file is looked at"
CADDY = "caddy is not installed"
HISTORY = "history is not at hand: fetch it"


def environment(**given: str) -> dict[str, str]:
    own = {k: v for k, v in os.environ.items() if k not in (VARIABLE, "CI")}
    return {**own, **given}


def outcome(
    folder: Path, reason: str, given: Mapping[str, str], *words: str, whole: bool = False
) -> str:
    """The closing line of a run of its own."""
    file = folder / "test_skips.py"
    file.write_text(SKIPS.format(reason=reason, whole=whole), "utf-8")
    plugins = ("-p", "tests.nothing_unseen", "-p", "no:cacheprovider", *words)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, "-c", os.devnull, str(file)],
        cwd=ROOT,
        env=environment(**given),
        capture_output=True,
        text=True,
        check=False,
    )
    return re.sub(r" in [\d.]+s.*", "", done.stdout.splitlines()[-1])


@pytest.mark.parametrize("judged", [{"CI": "true"}, {VARIABLE: ""}, {VARIABLE: "nginx strace"}])
@pytest.mark.parametrize("reason", [PEER, CADDY, HISTORY])
def test_who_skips_fails_a_run_that_is_judged(
    reason: str, judged: dict[str, str], tmp_path: Path
) -> None:
    assert outcome(tmp_path, reason, judged) == FAILED


@pytest.mark.parametrize(
    ("reason", "judged"),
    [
        (PEER, {}),
        (SHARED, {"CI": "true"}),
        (SQLITE, {"CI": "true"}),
        (CADDY, {VARIABLE: "nginx caddy"}),
        (HISTORY, {VARIABLE: "history"}),
    ],
)
def test_who_may_skip_does(reason: str, judged: dict[str, str], tmp_path: Path) -> None:
    assert outcome(tmp_path, reason, judged) == "1 passed, 2 skipped, 1 xfailed"


def test_workers_tell_of_it(tmp_path: Path) -> None:
    told = outcome(tmp_path, PEER, {"CI": "true"}, "-n", "1")
    assert told == FAILED


@pytest.mark.parametrize(("reason", "told"), [(PEER, "1 error"), (SHARED, "1 skipped")])
def test_a_file_that_skips_as_a_whole_is_no_better(reason: str, told: str, tmp_path: Path) -> None:
    assert outcome(tmp_path, reason, {"CI": "true"}, whole=True) == told


@pytest.mark.parametrize(("given", "code"), [({}, 0), ({"CI": "true"}, 1), ({VARIABLE: ""}, 1)])
def test_a_harness_without_its_database_ends_red_there(given: dict[str, str], code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from tests.harness import say_skipped; exit(say_skipped())"],
        cwd=ROOT,
        env=environment(**given),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
