"""A small run of the overtake harness on both databases, and the proof that it finds its bug."""

from __future__ import annotations

import pytest

from tests.harness import DATABASES, run_harness

pytestmark = pytest.mark.timeout(900)
"""Far beyond what it takes: on a busy machine processes start slowly."""


@pytest.mark.parametrize("database", DATABASES)
def test_a_webhook_that_overtakes_the_answer_makes_one_entry_and_one_notice(database: str) -> None:
    code, told, said = run_harness(
        "overtake", "--n", "10", "--seed", "20261122", "--database", database
    )
    if "skipped" in told:
        pytest.skip(told["skipped"])
    assert code == 0, said
    assert told["overtakes"] == 10
    # With and without an answer, with and without our reference; else little would be proven.
    assert 0 < told["silent"] < 10
    assert told["bare"] == 5


def test_a_house_that_does_not_know_its_own_echo_is_found_out() -> None:
    code, told, said = run_harness("overtake", "--n", "4", "--seed", "20261122", "--planted")
    assert code != 0
    assert told["double_entry"] > 0, said
    assert told["double_notice"] > 0, said
