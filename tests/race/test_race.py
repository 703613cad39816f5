"""A small run of the race harness on both databases, and the proof that it finds its bug."""

from __future__ import annotations

import pytest

from tests.harness import DATABASES, run_harness
from tests.race.contests import CALLERS, KINDS

pytestmark = pytest.mark.timeout(900)
"""Far beyond what it takes: on a busy machine processes start slowly."""
ONE_OF_EACH = len(set(KINDS))


def test_one_of_each_kind_comes_first() -> None:
    assert set(KINDS[:ONE_OF_EACH]) == set(KINDS)


@pytest.mark.parametrize("database", DATABASES)
def test_a_hundred_callers_on_one_order_move_its_money_as_often_as_may_be(database: str) -> None:
    words = ("--n", str(ONE_OF_EACH), "--seed", "20261122", "--database", database)
    code, told, said = run_harness("race", *words)
    if "skipped" in told:
        pytest.skip(told["skipped"])
    assert code == 0, said
    assert told["calls"] == ONE_OF_EACH * CALLERS
    assert told["refunds"] == 8  # one each, but for two lines, and a limit that fits three


def test_deciding_by_check_then_act_is_found_out() -> None:
    code, told, said = run_harness("race", "--n", "2", "--seed", "20261122", "--planted")
    assert code != 0
    assert told["double"] > 0, said
