"""Coverage's tracing rests where lines would be counted again, and goes on after it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import ROOT

TRACER = """
import sys, threading

def pytest_sessionstart():
    tracer = lambda *_: None
    sys.settrace(tracer)
    threading.settrace(tracer)
"""
TESTS = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
import pytest

@pytest.fixture
def seen():
    return sys.gettrace()

def traced(seen):
    with ThreadPoolExecutor(1) as pool:
        told = {seen, sys.gettrace(), threading.gettrace(), pool.submit(sys.gettrace).result()}
    assert len(told) == 1
    return told != {None}

def test_first(seen):
    assert traced(seen) == (None in TRACED)

@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_kinds(seen, kind):
    assert traced(seen) == (kind in TRACED)

def test_last(seen):
    assert traced(seen) == (None in TRACED)
"""


@pytest.mark.parametrize(
    ("folder", "traced"),
    [
        ("web", {None, "sqlite"}),
        ("storage", {None, "sqlite", "postgresql"}),
        ("histories", set()),
    ],
)
def test_lines_are_counted_where_no_others_pass_them(
    folder: str, traced: set[str | None], tmp_path: Path
) -> None:
    them = tmp_path / "tests" / folder / "test_them.py"
    them.parent.mkdir(parents=True)
    them.write_text(f"TRACED = {traced}\n{TESTS}", "utf-8")
    (tmp_path / "conftest.py").write_text(TRACER, "utf-8")
    plugins = ("-p", "tests.untraced", "-p", "no:cacheprovider", "-p", "no:randomly")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "-c", os.devnull, f"--rootdir={tmp_path}", them],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "4 passed" in done.stdout, done.stdout
