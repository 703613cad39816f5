"""A small drill on both databases, and the proof that it finds a house that sends too early."""

from __future__ import annotations

import pytest

from tests.drill.judge import MUST_BE_NOTHING, too_slow
from tests.harness import DATABASES, run_harness

pytestmark = pytest.mark.timeout(900)
"""Far beyond what it takes: on a busy machine processes start slowly."""


@pytest.mark.parametrize("database", DATABASES)
def test_a_restored_copy_pays_nothing_again_and_forgets_nothing(database: str) -> None:
    code, told, said = run_harness(
        "drill", "--n", "300", "--seed", "20261122", "--database", database
    )
    if "skipped" in told:
        pytest.skip(told["skipped"])
    assert code == 0, said
    assert told["rows"] > 3000
    assert [name for name in MUST_BE_NOTHING if told[name]] == []


def test_a_house_that_is_not_held_is_found_out() -> None:
    code, told, said = run_harness("drill", "--n", "10", "--seed", "20261122", "--planted")
    assert code != 0
    assert told["sent_while_held"] > 0, said
    assert told["double"] > 0, said
    assert told["lost"] > 0, said


@pytest.mark.parametrize(
    ("refunds", "seconds", "slow"), [(100_000, 300.0, 0), (100_000, 300.1, 1), (99_999, 900.0, 0)]
)
def test_a_house_of_full_size_must_be_back_within_five_minutes(
    refunds: int, seconds: float, slow: int
) -> None:
    assert len(too_slow(refunds, seconds)) == slow
