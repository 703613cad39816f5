"""A small run of the harness of drifts, and the proof that it finds the bug it is for."""

from __future__ import annotations

import pytest

from tests.drift.__main__ import ALL
from tests.harness import DATABASES, run_harness

pytestmark = pytest.mark.timeout(900)
"""Far beyond what it takes: on a busy machine processes start slowly."""


@pytest.mark.parametrize("database", DATABASES)
def test_every_difference_is_found_in_time_and_none_that_is_not_there(database: str) -> None:
    words = ("--n", str(2 * len(ALL)), "--seed", "20261122", "--database", database)
    code, told, said = run_harness("drift", *words)
    if "skipped" in told:
        pytest.skip(told["skipped"])
    assert code == 0, said
    assert (told["missed"], told["false"], told["doubled"], told["late"]) == (0, 0, 0, 0)
    assert told["found"] == told["planted"] == 2 * len(ALL)
    assert all(told[f"found_{kind}"] == 2 for kind in ALL)


def test_a_cursor_that_moves_too_early_is_found_out() -> None:
    code, told, said = run_harness("drift", "--n", "45", "--seed", "5", "--planted")
    assert code != 0
    assert told["missed"] > 0, said
