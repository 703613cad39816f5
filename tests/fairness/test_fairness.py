"""Small runs of the fairness harness on both databases, and the proof that it finds its bug.

Nothing here judges a time: what is counted is what began before what. How times are judged in a
run that is large enough is tried on figures.
"""

from __future__ import annotations

import pytest

from tests.fairness.__main__ import (
    ENOUGH_EVENTS,
    ENOUGH_WAITING,
    MOST_BUSY,
    Times,
    has_grown,
)
from tests.harness import DATABASES, run_harness

pytestmark = pytest.mark.timeout(1800)
"""Far beyond what it takes: on a busy machine processes start slowly."""


@pytest.mark.parametrize("database", DATABASES)
def test_a_flood_of_one_tenant_starves_no_other(database: str) -> None:
    words = ("--n", "300", "--seed", "20261122", "--database", database)
    code, told, said = run_harness("fairness", *words)
    if "skipped" in told:
        pytest.skip(told["skipped"])
    assert code == 0, said
    assert (told["lost"], told["stuck"], told["starved"]) == (0, 0, 0)
    assert told["unfair"] == 0
    assert told["events"] >= 10


def test_taking_the_oldest_whose_ever_it_is_starves_the_other() -> None:
    code, told, said = run_harness("fairness", "--n", "200", "--seed", "20261122", "--planted")
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


QUIET = [float(number) for number in range(1, ENOUGH_EVENTS + 1)]
IDLE = [0.02, 0.9, 0.03]
"""One busy moment is none of the median."""


def test_a_flood_may_move_the_p95_of_another_by_a_fifth_and_no_more() -> None:
    assert not Times(QUIET, QUIET, IDLE).is_unfair
    assert not Times(QUIET, [one * 1.19 for one in QUIET], IDLE).is_unfair
    assert Times(QUIET, [one * 1.21 for one in QUIET], IDLE).is_unfair


def test_few_events_say_how_busy_the_machine_was_and_judge_nobody() -> None:
    few, slow = QUIET[1:], [one * 9 for one in QUIET]

    assert not Times(few, slow, IDLE).is_unfair
    assert not Times(QUIET, slow[1:], IDLE).is_unfair
    assert not Times(few, slow, [0.9]).are_not_judged


def test_a_run_beside_other_work_is_told_to_prove_nothing() -> None:
    times = Times(QUIET, [one * 9 for one in QUIET], [MOST_BUSY + 0.01])

    assert not times.is_unfair
    assert times.are_not_judged
    assert not Times(QUIET, QUIET, [MOST_BUSY]).are_not_judged


def test_what_waits_costs_no_memory_where_enough_waits_to_say_so() -> None:
    assert not has_grown(ENOUGH_WAITING, 49.9)
    assert has_grown(ENOUGH_WAITING, 50.1)
    assert not has_grown(ENOUGH_WAITING - 1, 50.1)
