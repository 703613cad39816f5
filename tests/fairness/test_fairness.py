"""Small runs of the fairness harness on both databases, and the proof that it finds its bug.

Nothing here judges a time: what is counted is what began before what.
"""

from __future__ import annotations

import pytest

from tests.harness import DATABASES, run_harness

pytestmark = pytest.mark.timeout(900)
"""Far beyond what it takes: on a busy machine processes start slowly."""


@pytest.mark.parametrize("database", DATABASES)
def test_a_flood_of_one_tenant_starves_no_other(database: str) -> None:
    words = ("--n", "300", "--seed", "20261122", "--database", database)
    code, told, said = run_harness("fairness", *words)
    if "skipped" in told:
        pytest.skip(told["skipped"])
    assert code == 0, said
    assert (told["lost"], told["stuck"], told["starved"]) == (0, 0, 0)
    assert told["ratio"] > 0


def test_taking_the_oldest_whose_ever_it_is_starves_the_other() -> None:
    code, told, said = run_harness("fairness", "--n", "600", "--seed", "20261122", "--planted")
    assert code != 0
    assert told["starved"] > 0, said
    assert told["lost"] == 0


@pytest.mark.parametrize("database", DATABASES)
def test_of_a_backlog_some_is_worked_off_and_none_is_lost(database: str) -> None:
    words = ("--n", "60", "--backlog", "3000", "--database", database)
    code, told, said = run_harness("fairness", *words)
    if "skipped" in told:
        pytest.skip(told["skipped"])
    assert code == 0, said
    assert told["drained"] >= 60
    assert told["backlog"] == 3000
