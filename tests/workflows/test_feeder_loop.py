"""The feeder's loop: when it looks again, and that nothing ends it but being told to."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from plugin.domain.ids import TenantId
from plugin.storage.unit_of_work import SqlStorage
from plugin.workflows import feeder as feeding
from plugin.workflows.feeder import (
    ALONE_AT_A_TIME,
)
from tests.factories import TENANT
from tests.storage_fixtures import FakeClock
from tests.workflows.feeding_bench import (
    Bench,
)
from tests.workflows.place import Place


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
    assert len(beside) == 3
    assert bench.engine.waits == [(1, 1.0)] * 2  # until it could start so many again


def test_as_soon_as_enough_is_over_it_looks_again(bench: Bench) -> None:
    bench.due(*[f"r{n}" for n in range(ALONE_AT_A_TIME)])
    bench.feed()
    stop = Counted(1)

    bench.feeder.wait(3.0, stop)
    assert (bench.engine.waits, stop.waits) == ([(0, 1.0)], [2.0])

    bench.engine.in_hand.clear()
    bench.feeder.wait(3.0, stop)
    assert stop.waits == [2.0]


def test_for_less_than_it_would_start_it_does_not_wait(bench: Bench) -> None:
    bench.due(*[f"r{n}" for n in range(ALONE_AT_A_TIME - 1)])
    bench.feed()
    stop = Counted(1)

    bench.feeder.wait(3.0, stop)

    assert (bench.engine.waits, stop.waits) == ([], [3.0])


def test_a_database_that_is_away_is_not_asked_sooner_because_work_ended(bench: Bench) -> None:
    bench.due(*[f"r{n}" for n in range(ALONE_AT_A_TIME)])
    bench.feed()
    bench.engine.in_hand.clear()
    bench.rows.broken = 2
    stop = Counted(2)

    def away() -> None:
        raise OSError

    feeding.run(bench.feeder, timedelta(seconds=1), stop, away)

    assert (stop.waits, bench.engine.waits) == ([2.0, 4.0], [])
