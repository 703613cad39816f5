"""The feeder: all that is due is started once, in fair shares, tried again, and never stuck."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
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
from plugin.workflows.feeder import (
    ABANDONED,
    ALONE_AT_A_TIME,
    AT_A_TIME,
    AT_ONCE,
    CHECK_AFTER,
    FOR_OTHERS,
    LONGEST_WAIT,
    LOOK_AHEAD,
    RECENT,
    STUCK,
    Feeder,
)
from tests.factories import TENANT
from tests.storage_fixtures import FakeClock
from tests.workflows.place import ON_SQLITE, Place

OVER = Standing(is_over=True, executor="one")
TAKEN = Standing(is_over=True, executor="two", was_taken=True)
OURS = Standing(is_over=False, executor="one")
THEIRS = Standing(is_over=False, executor="two")
STRANGERS = Standing(is_over=False, executor="of-an-older-version")
QUEUED = Standing(is_over=False, executor=None)
OTHER = TenantId("tenant-2")


@dataclass(frozen=True, slots=True)
class Told(Engine):
    """An engine that starts nothing: the test says how far each name is."""

    executor: str = "one"
    known: dict[str, Standing] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    in_hand: set[str] = field(default_factory=set)

    def start(self, kind: str, name: str, tenant: str, ref: str) -> bool:
        if name in self.known:
            return False
        self.started.append(name)
        self.in_hand.add(name)
        self.known[name] = Standing(is_over=False, executor=self.executor)
        return True

    def has_in_hand(self, name: str) -> bool:
        return name in self.in_hand

    def let_go(self, name: str) -> None:
        self.in_hand.discard(name)

    def standings(self, names: Collection[str]) -> Mapping[str, Standing]:
        return {name: self.known[name] for name in names if name in self.known}

    def take_away(self, name: str) -> None:
        self.known[name] = TAKEN


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
    """A feeder over rows and an engine that do as they are told. `living` are the executors."""

    living: frozenset[str]
    rows: Rows = field(default_factory=Rows)
    engine: Told = field(default_factory=Told)
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        rows = cast("Storage", self.rows)
        self.feeder = Feeder(rows, self.engine, self.clock, lambda: self.living)

    def due(self, *refs: str, wakes: int = 0, tenant: TenantId = TENANT) -> None:
        self.rows.works = [DueWork("run", tenant, ref, wakes) for ref in refs]

    def feed(self, times: int = 1, **later: float) -> list[str]:
        """Let time pass, feed, and say what was started since."""
        self.clock.advance(**later)
        before = len(self.engine.started)
        for _ in range(times):
            self.feeder.feed()
        return self.engine.started[before:]

    def end(self, name: str) -> None:
        """Its work ended without moving its row."""
        self.engine.known[name] = OVER
        self.engine.in_hand.discard(name)


@pytest.fixture(params=["alone", "beside another"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(frozenset({"one"} if request.param == "alone" else {"one", "two"}))


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


# --- fair shares ----------------------------------------------------------------------------------


def test_only_a_few_are_started_before_the_tables_are_looked_at_again(bench: Bench) -> None:
    bench.due(*[f"r{n:02}" for n in range(AT_ONCE)])

    bench.rows.works.append(DueWork("run", OTHER, "other", 0))

    assert len(bench.feed()) == AT_A_TIME
    assert len(bench.feed()) == AT_A_TIME


def test_of_a_tenant_that_is_alone_a_few_more_are_started(bench: Bench) -> None:
    bench.due(*[f"r{n:02}" for n in range(AT_ONCE)])

    assert len(bench.feed()) == ALONE_AT_A_TIME
    assert len(bench.feed()) == AT_ONCE - FOR_OTHERS - ALONE_AT_A_TIME


def test_one_tenant_never_gets_the_last_places(bench: Bench) -> None:
    bench.due(*[f"r{n:02}" for n in range(AT_ONCE + 4)])

    assert len(bench.feed(9)) == AT_ONCE - FOR_OTHERS
    bench.rows.works.extend(DueWork("run", OTHER, f"other-{n}", 0) for n in range(FOR_OTHERS + 1))
    assert bench.feed(9) == [f"run:other-{n}:0" for n in range(FOR_OTHERS)]


def test_whoever_has_less_in_hand_is_first(bench: Bench) -> None:
    bench.due("a", "b")
    bench.feed()
    bench.due("a", "b", "c")
    bench.rows.works.append(DueWork("run", OTHER, "once", 0))

    assert bench.feed() == ["run:once:0", "run:c:0"]


def test_places_are_shared_among_those_who_had_something_of_late(bench: Bench) -> None:
    """With one share more than there are tenants, which is there for whoever comes."""
    flood = [DueWork("run", TENANT, f"r{n:02}", 0) for n in range(AT_ONCE + 4)]
    bench.rows.works = [DueWork("run", OTHER, "once", 0), *flood]

    assert len(bench.feed(20)) == 1 + AT_ONCE // 3
    bench.end("run:once:0")
    bench.rows.works = flood
    assert bench.feed(5) == []
    assert len(bench.feed(20, seconds=RECENT.total_seconds())) == (
        AT_ONCE - FOR_OTHERS - AT_ONCE // 3
    )


def test_no_more_is_under_way_than_the_database_bears(bench: Bench) -> None:
    for number in range(AT_ONCE + 4):
        tenant = TenantId(f"tenant-{number}")
        bench.rows.works += [DueWork("run", tenant, f"r{number:02}-{part}", 0) for part in (1, 2)]

    assert len(bench.feed(20)) == AT_ONCE
    looks = len(bench.rows.limits)
    bench.feed(5)
    assert len(bench.rows.limits) == looks  # nobody reads a backlog of which nothing can start
    bench.end(bench.engine.started[0])
    assert len(bench.feed(5)) == 1


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


def test_as_long_as_there_is_more_to_start_it_waits_for_nothing(bench: Bench) -> None:
    bench.due(*[f"r{n}" for n in range(ALONE_AT_A_TIME + 1)])
    stop = Counted(2)
    beside: list[int] = []

    feeding.run(bench.feeder, timedelta(seconds=1), stop, lambda: beside.append(1))

    assert len(bench.engine.started) == ALONE_AT_A_TIME + 1
    assert (stop.waits, len(beside)) == ([1.0, 1.0], 3)
