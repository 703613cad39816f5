"""Who lives, by the database's clock; the long dead are forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine

from plugin.storage.unit_of_work import SqlStorage
from plugin.storage.worker_rows import KEPT_FOR, Workers

SECOND = timedelta(seconds=1)


@dataclass
class Clock:
    """The database's clock, for a test."""

    us: int = 1_700_000_000_000_000

    def __call__(self, _: Connection) -> int:
        return self.us

    def advance(self, length: timedelta) -> None:
        self.us += length // timedelta(microseconds=1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def workers(engine: Engine, clock: Clock) -> Workers:
    return Workers(engine, clock)


def test_each_worker_is_as_silent_as_its_last_beat_is_old(workers: Workers, clock: Clock) -> None:
    workers.beat("one")
    clock.advance(2 * SECOND)
    workers.beat("two")
    clock.advance(SECOND)
    assert workers.silences() == {"one": 3 * SECOND, "two": SECOND}

    workers.beat("one")
    assert workers.silences() == {"one": 0 * SECOND, "two": SECOND}


def test_a_clock_that_was_set_back_makes_nobody_dead(workers: Workers, clock: Clock) -> None:
    workers.beat("one")
    clock.advance(-60 * SECOND)

    assert workers.silences() == {"one": 0 * SECOND}


def test_the_long_dead_are_forgotten_when_somebody_beats(workers: Workers, clock: Clock) -> None:
    workers.beat("one")
    clock.advance(KEPT_FOR)
    workers.beat("two")
    assert workers.silences().keys() == {"one", "two"}
    clock.advance(SECOND)
    workers.beat("two")

    assert workers.silences().keys() == {"two"}


def test_who_ended_in_order_is_forgotten_at_once(workers: Workers) -> None:
    workers.beat("one")
    workers.beat("two")
    workers.forget("one")
    workers.forget("nobody")

    assert workers.silences().keys() == {"two"}


def test_by_the_databases_own_clock_a_beat_is_new(storage: SqlStorage) -> None:
    storage.beat("one")

    assert storage.living_workers(timedelta(minutes=5)) == {"one"}
    assert storage.silent_workers(timedelta(minutes=5)) == set()
    assert storage.living_workers(timedelta(microseconds=-1)) == set()
    assert storage.silent_workers(timedelta(microseconds=-1)) == {"one"}
