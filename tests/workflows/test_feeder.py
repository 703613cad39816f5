"""The feeder: all that is due is started once, tried again when it failed, and never stuck."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

import pytest
from dbos import DBOS

from plugin.domain.ids import TenantId
from plugin.ports.records import DueWork
from plugin.ports.storage import Storage
from plugin.storage.unit_of_work import SqlStorage
from plugin.workflows import feeder as feeding
from plugin.workflows.engine import Engine, Standing, launch
from plugin.workflows.feeder import AT_ONCE, LONGEST_WAIT, LOOK_AHEAD, TAKE_OVER, Feeder
from tests.factories import TENANT
from tests.storage_fixtures import FakeClock
from tests.workflows.place import ON_SQLITE, Place

OVER = Standing(is_over=True, executor="one")
OURS = Standing(is_over=False, executor="one")
THEIRS = Standing(is_over=False, executor="two")
QUEUED = Standing(is_over=False, executor=None)


@dataclass(frozen=True, slots=True)
class Told(Engine):
    """An engine that starts nothing: the test says how far each name is."""

    executor: str = "one"
    standings: dict[str, Standing] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)

    def start(self, kind: str, name: str, tenant: str, ref: str) -> None:
        assert name not in self.standings
        self.started.append(name)
        self.standings[name] = Standing(is_over=False, executor=self.executor)

    def standing_of(self, name: str) -> Standing | None:
        return self.standings.get(name)


@dataclass
class Rows:
    """Rows that are due, oldest first. Implements the part of `Storage` that a feeder uses."""

    works: list[DueWork] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)
    broken: int = 0

    def due(self, _now: datetime, limit: int) -> Sequence[DueWork]:
        self.limits.append(limit)
        if self.broken:
            self.broken -= 1
            raise OSError("the database is away, about ana@mail.example")
        return self.works[:limit]


@dataclass
class Bench:
    """A feeder over rows and an engine that do as they are told."""

    rows: Rows = field(default_factory=Rows)
    engine: Told = field(default_factory=Told)
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.feeder = Feeder(cast("Storage", self.rows), self.engine, self.clock)

    def due(self, *refs: str, wakes: int = 0) -> None:
        self.rows.works = [DueWork("run", TENANT, ref, wakes) for ref in refs]

    def feed(self, times: int = 1, **later: float) -> list[str]:
        """Let time pass, feed, and say what was started since."""
        self.clock.advance(**later)
        before = len(self.engine.started)
        for _ in range(times):
            self.feeder.feed()
        return self.engine.started[before:]

    def end(self, name: str) -> None:
        """Its work ended without moving its row."""
        self.engine.standings[name] = OVER


@pytest.fixture
def bench() -> Bench:
    return Bench()


# --- once per wake --------------------------------------------------------------------------------


def test_what_is_due_is_started_once(bench: Bench) -> None:
    bench.due("a", "b")

    assert bench.feed(3) == ["run:a:0", "run:b:0"]
    assert bench.feeder.feed() == 0


def test_a_row_that_was_moved_and_is_due_again_is_new_work(bench: Bench) -> None:
    bench.due("a")
    bench.feed()
    bench.due("a", wakes=1)

    assert bench.feed() == ["run:a:1"]
    assert bench.feeder.in_flight == {"run:a:1"}


def test_no_more_is_under_way_than_the_database_bears(bench: Bench) -> None:
    refs = [f"r{n:02}" for n in range(AT_ONCE + 4)]
    bench.due(*refs)

    assert len(bench.feed(2)) == AT_ONCE
    bench.due(*refs[3:])
    assert bench.feed() == [f"run:{ref}:0" for ref in refs[AT_ONCE : AT_ONCE + 3]]


def test_rows_that_stay_hide_no_other(bench: Bench) -> None:
    bench.due("a", "b", "c")
    bench.engine.standings.update({"run:a:0": THEIRS, "run:b:0": OVER})
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
    bench.feed()
    bench.due()
    bench.feed()

    assert (bench.feeder.in_flight, bench.feeder.troubles) == (set(), {})


def test_a_new_process_goes_on_from_the_last_take(bench: Bench) -> None:
    """The engine remembers what ended before: none of these names could be started again."""
    bench.due("a")
    for name in ("run:a:0", "run:a:0/1", "run:a:0/2"):
        bench.end(name)

    assert bench.feed() == []
    assert bench.feed(seconds=3) == []
    assert bench.feed(seconds=1) == ["run:a:0/3"]


# --- work in other hands --------------------------------------------------------------------------


@pytest.mark.parametrize("standing", [THEIRS, QUEUED, OURS])
def test_work_that_this_process_did_not_start_is_taken_over_after_a_minute(
    bench: Bench, caplog: pytest.LogCaptureFixture, standing: Standing
) -> None:
    """Also under our own name: it was so before a restart, and nobody may be at it any more."""
    bench.due("a")
    bench.engine.standings["run:a:0"] = standing

    assert bench.feed(2) == []
    assert bench.feed(2, seconds=TAKE_OVER.total_seconds() - 1) == []
    assert bench.feed(2, seconds=1) == ["run:a:0/1"]
    assert "work.taken_over name=run:a:0" in caplog.text
    assert bench.feed(3, minutes=10) == []  # ours now: it may take its time


def test_whoever_took_it_over_may_die_too(bench: Bench) -> None:
    bench.due("a")
    bench.engine.standings.update({"run:a:0": OVER, "run:a:0/1": THEIRS})

    assert bench.feed(2) == []
    assert bench.feed(2, seconds=1) == []
    assert bench.feed(2, seconds=60) == ["run:a:0/2"]


def test_work_that_moves_its_row_in_time_is_never_taken_over(bench: Bench) -> None:
    for wakes in range(9):
        bench.due("a", wakes=wakes)
        bench.engine.standings[f"run:a:{wakes}"] = THEIRS
        assert bench.feed(2, seconds=30) == []

    assert bench.feeder.elsewhere.keys() == {"run:a:8"}


def test_what_this_process_started_is_left_to_itself_for_as_long_as_it_takes(bench: Bench) -> None:
    bench.due("a")
    bench.feed()

    assert bench.feed(3, hours=1) == []


def test_of_two_workers_that_start_it_at_once_the_other_may_have_it(bench: Bench) -> None:
    """And may die: then it is taken over like any other."""
    bench.due("a")
    bench.feed()
    bench.engine.standings["run:a:0"] = THEIRS

    assert bench.feed(2) == []
    assert bench.feed(2, seconds=60) == ["run:a:0/1"]


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
def test_another_executor_takes_over_what_a_killed_one_left(
    place: Place, clock: FakeClock, stopped: None
) -> None:
    place.receive("d-1")
    dead = place.hire("hang", executor="one")
    place.until(lambda: place.told("begun d-1"))
    dead.kill()
    dead.wait()

    engine = launch(place.engine_file, "two", {"delivery": lambda _, ref: place.apply(ref)})
    feeder = Feeder(place.storage, engine, clock)
    feeder.feed()
    clock.advance(seconds=TAKE_OVER.total_seconds() - 1)
    feeder.feed()

    assert engine.standing_of("delivery:d-1:0") == Standing(is_over=False, executor="one")
    assert not place.is_applied()
    feed_until(feeder, place, clock)
    assert place.delivery().attempts == 1
    assert engine.standing_of("delivery:d-1:0/1") is not None


@ON_SQLITE
def test_two_executors_share_the_work_and_do_each_row_once(place: Place) -> None:
    refs = [f"d-{n}" for n in range(30)]
    place.receive(*refs)
    for name in ("one", "two"):
        place.hire(executor=name)

    place.until(lambda: all(place.is_applied(ref) for ref in refs))

    assert [len(place.told(f"done {ref}")) for ref in refs] == [1] * len(refs)


# --- the loop -------------------------------------------------------------------------------------


class Counted(threading.Event):
    """Is set after so many waits, and keeps how long each was."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._times = times
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        if len(self.waits) == self._times:
            self.set()
        return self.is_set()


def test_a_database_that_is_away_is_waited_for_longer_and_longer(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.rows.broken = 11
    bench.due("a")
    stop = Counted(13)

    feeding.run(bench.feeder, timedelta(seconds=1), stop)

    assert stop.waits == [*(2.0**n for n in range(1, 9)), 256.0, 256.0, 256.0, 1.0, 1.0]
    assert bench.engine.started == ["run:a:0"]
    assert "feeder.failed times=11 error=OSError" in caplog.text
    assert "ana@mail.example" not in caplog.text


def test_a_loop_that_was_told_to_stop_does_nothing(bench: Bench) -> None:
    bench.due("a")
    stop = threading.Event()
    stop.set()

    feeding.run(bench.feeder, timedelta(seconds=1), stop)

    assert bench.engine.started == []


def test_due_work_of_the_real_tables_is_named_by_its_row_and_its_wakes(
    storage: SqlStorage, place: Place, clock: FakeClock
) -> None:
    place.receive("d-1")

    (work,) = storage.due(clock.now(), 9)

    assert (work.name, work.tenant) == ("delivery:d-1:0", TenantId(TENANT))
