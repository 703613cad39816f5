"""A process that ends by itself was not killed: the harness must say so, and count nothing."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from tests.kill.mortal import await_end, kill


def _child(words: str) -> int:
    return os.posix_spawn(sys.executable, [sys.executable, "-c", words], os.environ)


def test_who_is_killed_counts() -> None:
    killing = f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})"
    assert await_end(_child(killing), 60)


def test_who_ends_by_itself_is_told() -> None:
    with pytest.raises(RuntimeError, match="ended with 3"):
        await_end(_child("raise SystemExit(3)"), 60)


def test_who_had_ended_before_is_told() -> None:
    child = _child("raise SystemExit(3)")
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    with pytest.raises(RuntimeError, match="ended with 3"):
        kill(child)
