"""Small runs of the harness of drifts, and the proofs that it finds the bugs it is for."""

from __future__ import annotations

import pytest

from tests.drift.__main__ import ALL
from tests.drift.stores import UNSEEN
from tests.harness import DATABASES, run_harness

pytestmark = pytest.mark.timeout(900)
"""Far beyond what it takes: on a busy machine processes start slowly."""


@pytest.mark.parametrize("database", DATABASES)
def test_every_difference_is_found_in_time_and_none_that_is_not_there(database: str) -> None:
    each = 2 if database == "sqlite" else 1
    words = ("--n", str(each * len(ALL)), "--seed", "20261122", "--database", database)
    code, told, said = run_harness("drift", *words)
    if "skipped" in told:
        pytest.skip(told["skipped"])
    assert code == 0, said
    assert (told["missed"], told["false"], told["doubled"], told["late"]) == (0, 0, 0, 0)
    assert told["found"] == told["planted"] == each * len(ALL)
    assert all(told[f"found_{kind}"] == each for kind in ALL)
    # What a store's API does not list stays unseen: its words in `UNSEEN` and the documents hold.
    assert (told["unseen"], told["seen_after_all"]) == (len(UNSEEN), 0)


def test_a_cursor_that_moves_too_early_is_found_out() -> None:
    code, told, said = run_harness("drift", "--n", str(len(ALL)), "--seed", "5", "--planted")
    assert code != 0
    assert told["missed"] > 0, said


def test_no_kind_is_found_by_a_sweep_that_looks_at_nothing() -> None:
    words = ("--n", str(len(ALL)), "--seed", "5", "--planted", "asleep")
    code, told, said = run_harness("drift", *words)
    assert code != 0
    assert told["missed"] == told["planted"] == len(ALL), said
    assert not any(told[f"found_{kind}"] for kind in ALL)
