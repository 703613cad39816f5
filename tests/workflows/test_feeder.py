"""The feeder: all that is due is started once, tried again, and never stuck."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dbos import DBOS

from plugin.workflows.engine import Standing, launch
from plugin.workflows.feeder import (
    ABANDONED,
    CHECK_AFTER,
    LONGEST_WAIT,
    LOOK_AHEAD,
    STUCK,
    Feeder,
)
from tests.storage_fixtures import FakeClock
from tests.workflows.feeding_bench import (
    OURS,
    OVER,
    OVER_THERE,
    QUEUED,
    STRANGERS,
    TAKEN,
    THEIRS,
    Bench,
)
from tests.workflows.place import ON_SQLITE, Place

# --- once per wake --------------------------------------------------------------------------------


def test_what_is_due_is_started_once(bench: Bench) -> None:
    bench.due("a", "b")

    assert bench.feed(3) == ["run:a:0", "run:b:0"]
    assert bench.feeder.feed() == 0


def test_a_row_that_was_moved_and_is_due_again_is_new_work(bench: Bench) -> None:
    bench.due("a")
    bench.feed()
    bench.end("run:a:0")
    bench.due("a", wakes=1)

    assert bench.feed() == ["run:a:1"]
    assert bench.feeder.in_flight.keys() == {"run:a:1"}


def test_rows_that_stay_hide_no_other(bench: Bench) -> None:
    bench.due("a", "b", "c")
    bench.engine.known.update({"run:a:0": THEIRS, "run:b:0": OVER})
    bench.feed(2)

    assert bench.rows.limits == [LOOK_AHEAD, LOOK_AHEAD + 3]


# --- work that ended without moving its row -------------------------------------------------------


def test_work_that_ended_in_an_error_is_tried_again_under_a_new_name(bench: Bench) -> None:
    bench.due("a")
    bench.feed()
    bench.end("run:a:0")

    assert bench.feed(5) == []  # not at once
    assert bench.feed(seconds=1) == ["run:a:0/1"]
    bench.end("run:a:0/1")
    assert bench.feed(3, seconds=1) == []
    assert bench.feed(seconds=2) == ["run:a:0/2"]


def test_it_is_tried_later_and_later_and_never_given_up(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.due("a")
    waits = []
    for _ in range(16):
        (take,) = bench.feed()
        bench.end(take)
        bench.feed(2)
        until = bench.feeder.troubles["run:a:0"].until
        waits.append((until - bench.clock.at).total_seconds())
        bench.clock.at = until

    assert waits == [*(2**n for n in range(10)), *[LONGEST_WAIT.total_seconds()] * 6]
    assert "work.ended_without_moving name=run:a:0 times=16" in caplog.text


def test_work_that_moved_its_row_just_now_is_in_no_trouble(bench: Bench) -> None:
    bench.due("a")
    bench.feed()
    bench.end("run:a:0")
    bench.due()
    bench.feed()

    assert (bench.feeder.in_flight, bench.feeder.troubles) == ({}, {})


def test_work_at_its_very_end_is_not_begun_again(bench: Bench) -> None:
    """Its task is done and the engine is just writing that down."""
    bench.due("a")
    bench.feed()
    bench.engine.in_hand.clear()

    assert bench.feed(5) == []
    bench.due()
    bench.feed()
    assert bench.feeder.elsewhere == {}


def test_a_new_process_goes_on_from_the_last_take(bench: Bench) -> None:
    """The engine remembers what ended before: none of these names could be started again."""
    bench.due("a")
    for name in ("run:a:0", "run:a:0/1", "run:a:0/2"):
        bench.end(name)

    assert bench.feed() == []
    assert bench.feed(seconds=3) == []
    assert bench.feed(seconds=1) == ["run:a:0/3"]


# --- work in other hands --------------------------------------------------------------------------


def test_work_that_was_taken_from_a_dead_worker_is_begun_at_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.due("a")
    bench.engine.known.update({"run:a:0": TAKEN, "run:a:0/1": TAKEN})

    assert bench.feed() == ["run:a:0/2"]
    assert "ended_without_moving" not in caplog.text


@pytest.mark.parametrize(("living", "is_told"), [({"one", "two"}, False), ({"one"}, True)])
def test_what_another_worker_has_just_done_is_no_trouble_of_ours(
    bench: Bench, caplog: pytest.LogCaptureFixture, living: set[str], is_told: bool
) -> None:
    """Its row was read before it was moved. Had it not been, the other one tells of it."""
    bench.living = frozenset(living)
    bench.due("a")
    bench.engine.known["run:a:0"] = OVER_THERE

    assert bench.feed() == []
    assert ("ended_without_moving" in caplog.text) == is_told
    assert bench.feed(seconds=1) == ["run:a:0/1"]
    bench.due()
    assert bench.feed() == []


def test_a_living_workers_work_is_left_to_it_far_longer_than_any_call_may_take(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.living = frozenset({"one", "two"})
    bench.due("a")
    bench.engine.known["run:a:0"] = THEIRS

    assert bench.feed(2) == []
    assert bench.feed(2, seconds=STUCK.total_seconds() - 1) == []
    assert bench.feed(2, seconds=1) == ["run:a:0/1"]
    assert bench.engine.known["run:a:0"] == TAKEN
    assert "work.stuck name=run:a:0" in caplog.text


@pytest.mark.parametrize("standing", [STRANGERS, QUEUED, OURS])
def test_work_that_no_worker_we_know_of_has_is_taken_after_a_minute(
    bench: Bench, standing: Standing
) -> None:
    """Of an older version, which does not say that it lives; or ours, whose start broke."""
    bench.due("a")
    bench.engine.known["run:a:0"] = standing
    bench.feeder.living = lambda: frozenset({"two"})

    assert bench.feed(2) == []
    assert bench.feed(2, seconds=ABANDONED.total_seconds() - 1) == []
    assert bench.feed(2, seconds=1) == ["run:a:0/1"]


def test_work_that_moves_its_row_in_time_is_never_taken_over(bench: Bench) -> None:
    for wakes in range(9):
        bench.due("a", wakes=wakes)
        bench.engine.known[f"run:a:{wakes}"] = THEIRS
        assert bench.feed(2, minutes=29) == []

    assert bench.feeder.elsewhere.keys() == {"run:a:8"}


def test_what_this_process_started_is_given_up_only_when_it_hangs_for_good(bench: Bench) -> None:
    bench.due("a")
    bench.feed()

    assert bench.feed(3, minutes=29) == []
    assert bench.feed(2, minutes=1) == ["run:a:0/1"]
    assert bench.feeder.in_flight.keys() == {"run:a:0"}
    assert bench.engine.in_hand == {"run:a:0/1"}


def test_whoever_took_us_for_dead_has_what_we_had_begun(bench: Bench) -> None:
    """Then it holds no place here; and should the other die, it is taken over like any other."""
    bench.due("a")
    bench.feed()
    bench.engine.known["run:a:0"] = THEIRS

    assert bench.feed(2, seconds=CHECK_AFTER.total_seconds()) == []
    assert (bench.feeder.in_flight, bench.engine.in_hand) == ({}, set())
    bench.engine.take_away("run:a:0")
    assert bench.feed() == ["run:a:0/1"]


# --- with the real engine -------------------------------------------------------------------------


@pytest.fixture
def stopped() -> Iterator[None]:
    yield
    DBOS.destroy(workflow_completion_timeout_sec=10)


def feed_until(feeder: Feeder, place: Place, clock: FakeClock, ref: str = "d-1") -> None:
    """Feed like the worker does, on a clock that is quicker than the wall."""

    def is_applied() -> bool:
        feeder.feed()
        clock.advance(seconds=0.2)
        return place.is_applied(ref)

    place.until(is_applied)


@ON_SQLITE
def test_a_task_that_fails_is_done_in_the_end(
    place: Place, clock: FakeClock, stopped: None
) -> None:
    fails = [ZeroDivisionError(), OSError()]

    def task(_tenant: str, ref: str) -> None:
        if fails:
            raise fails.pop()
        place.apply(ref)

    place.receive("d-1", "d-2")
    engine = launch(place.engine_file, "one", {"delivery": task})
    feeder = Feeder(place.storage, engine, clock)
    feed_until(feeder, place, clock, "d-1")
    feed_until(feeder, place, clock, "d-2")

    assert fails == []
    assert [place.delivery(ref).attempts for ref in ("d-1", "d-2")] == [1, 1]


@ON_SQLITE
def test_two_executors_share_the_work_and_do_each_row_once(place: Place) -> None:
    refs = [f"d-{n}" for n in range(30)]
    place.receive(*refs)
    for name in ("one", "two"):
        place.hire(executor=name)

    place.until(lambda: all(place.told(f"done {ref}") for ref in refs))

    assert [len(place.told(f"done {ref}")) for ref in refs] == [1] * len(refs)
