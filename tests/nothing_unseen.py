"""Where a whole run is judged, a test that skips fails: nobody reads why, and a promise is unseen.

So it is with `CI=true`, and wherever `MAKEGOOD_TEST_LACKS` is given, as `.ci/run` does: programs
that the machine has not, and `history` where the clone is shallow, which it names aloud. But for
what needs one of them only these may skip: what needs `../shared`, which a clone of the repository
alone has not; and what is of SQLite by its nature, in a run on PostgreSQL. Elsewhere nothing is
changed.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from typing import Final

import pytest

VARIABLE: Final = "MAKEGOOD_TEST_LACKS"
# Read once: tests of the command line take all of our variables away.
LACKS: Final = os.environ.get(VARIABLE, "").split()
IS_JUDGED: Final = VARIABLE in os.environ or os.environ.get("CI", "").lower() in ("1", "true")


def may_skip(reason: str, lacks: Sequence[str]) -> bool:
    """Whether a test may say this instead of showing what it is for."""
    said = reason.removeprefix("Skipped: ")
    beginnings = (
        "of SQLite alone: ",
        *(f"{thing} is not {word}" for thing in lacks for word in ("installed", "at hand")),
    )
    return "../shared" in said or said.startswith(beginnings)


def _judge(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not IS_JUDGED or report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return
    reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
    if not may_skip(reason, LACKS):
        report.outcome = "failed"
        report.longrepr = f"Must not be skipped here. {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _judge(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _judge(report)
    return report
