"""Small runs of the kill harness, and the proof that it finds the bug it is for."""

from __future__ import annotations

import pytest

from tests.harness import run_harness
from tests.kill.__main__ import ENOUGH_CALLS, ENOUGH_RECOVERIES, MUST_BE_NOTHING, line_of
from tests.kill.campaigns import Result
from tests.kill.mortal import find_strace

pytestmark = pytest.mark.timeout(900)
"""Far beyond what it takes: on a busy machine a dozen processes start slowly."""
ALONE = ("--n", "0", "--cold", "0", "--occurrences", "0", "--calls", "0")
"""No campaign but what is asked for after it: the last word counts."""
SEED = ("--seed", "20261122")
SAMPLE = 40
"""Points at which the suite kills, of about a hundred; `make kill` takes them all."""


def test_nothing_is_doubled_lost_stuck_or_at_odds_when_workers_and_servers_are_killed() -> None:
    code, told, said = run_harness("kill", *ALONE, "--n", "40", "--cold", "2", *SEED)
    assert code == 0, said
    assert (told["kills"], told["web_kills"]) == (42, 8)
    # A run in which nothing happened would prove nothing.
    assert told["refunds"] > 10
    assert told["events"] > 10


def test_every_named_point_may_be_the_last() -> None:
    words = ("--occurrences", "1", "--sample", str(SAMPLE))
    code, told, said = run_harness("kill", *ALONE, *words, *SEED)
    # Of all that was learnt, around commits, calls and mails of workers and of the door; each place
    # of `sites.KILLED` was among it, or `never_passed` would tell.
    assert code == 0, said
    assert (told["points"], told["point_kills"]) == (SAMPLE, SAMPLE)


def test_every_write_sync_and_send_may_be_the_last() -> None:
    if find_strace() is None:
        pytest.skip("strace is not installed, or may not trace here: apt-get install strace")
    code, told, said = run_harness("kill", *ALONE, "--calls", "12", *SEED)
    assert code == 0, said
    assert told["call_kills"] >= 6
    assert told["web_call_kills"] >= 1


def test_postgresql_keeps_the_promises_when_workers_and_servers_are_killed() -> None:
    points = ("--occurrences", "1", "--sample", "8")
    words = ("--n", "15", "--cold", "1", *points, "--database", "postgresql", *SEED)
    code, told, said = run_harness("kill", *ALONE, *words)
    assert code == 0, said
    assert told["point_kills"] == 8
    assert told["kills"] + told["web_kills"] >= 15 + 1 + 3 + 8
    assert told["refunds"] > 10


def test_postgresql_may_restart_under_load() -> None:
    words = ("--restarts", "2", "--database", "postgresql", *SEED)
    code, told, said = run_harness("kill", *ALONE, *words)
    assert code == 0, said
    assert told["restarts"] == 2
    assert told["refunds"] > 10


def test_a_worker_that_calls_first_and_records_after_is_found_out() -> None:
    code, told, said = run_harness("kill", *ALONE, "--n", "30", *SEED, "--planted")
    assert code != 0
    assert told["double"] > 0, said


def test_a_run_that_was_slow_or_did_nothing_fails() -> None:
    slow = Result(1, kills=3, recoveries=[4.0] * ENOUGH_RECOVERIES)
    quick = Result(1, kills=3, recoveries=[0.1] * ENOUGH_RECOVERIES + [9.0] * ENOUGH_RECOVERIES)
    quick.recoveries.append(0.2)
    proven = ("slow_recovery", "calls_not_made", "nothing_done")
    assert [line_of(quick, 1, calls=0)[name] for name in proven] == [0, 0, 1]
    assert [line_of(slow, 1, calls=5)[name] for name in proven] == [1, 1, 1]
    assert set(proven) < set(MUST_BE_NOTHING)


def test_a_point_that_nobody_reached_fails_the_run() -> None:
    line = line_of(Result(1, never_passed=["a"], not_reached=["b", "c"]), 1, calls=0)
    assert (line["never_passed"], line["not_reached"]) == (1, 2)
    assert {"never_passed", "not_reached"} < set(MUST_BE_NOTHING)


@pytest.mark.parametrize(("of_the_door", "missing"), [(0, 1), (2, 0)])
def test_kills_in_calls_are_of_the_door_too(of_the_door: int, missing: int) -> None:
    made = Result(1, call_kills=ENOUGH_CALLS, web_call_kills=of_the_door)
    assert line_of(made, 1, calls=ENOUGH_CALLS)["calls_not_made"] == missing


def test_a_few_recoveries_are_no_measure() -> None:
    few = Result(1, kills=3, recoveries=[9.0] * (ENOUGH_RECOVERIES - 1))
    line = line_of(few, 1, calls=0)
    assert (line["slow_recovery"], line["recovery_median_s"]) == (0, 9.0)
