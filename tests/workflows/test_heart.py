"""The heart: beats apart from all work, and knows when it may be taken for dead."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import cast

import pytest

from plugin.ports.storage import Storage
from plugin.storage.unit_of_work import SqlStorage
from plugin.workflows import heart as hearts
from plugin.workflows.heart import BEAT, DEAD_AFTER, FENCE, Heart


@dataclass
class Pulse:
    """Counts beats, or has none. Implements the part of `Storage` that a heart uses."""

    beats: list[str] = field(default_factory=list)
    fails: int = 0
    enough: threading.Event = field(default_factory=threading.Event)

    def beat(self, executor: str) -> None:
        if self.fails:
            self.fails -= 1
            raise OSError("about ana@mail.example")
        self.beats.append(executor)
        if len(self.beats) >= 3:
            self.enough.set()


@dataclass
class Time:
    """Seconds that only grow, when told to."""

    at: float = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def pulse() -> Pulse:
    return Pulse()


def heart(pulse: Pulse, time: Time | None = None) -> Heart:
    return Heart(cast("Storage", pulse), "one", time or Time())


def test_the_fence_falls_before_anybody_takes_over() -> None:
    """And a beat that was missed once is no death."""
    assert BEAT * 2 < FENCE < DEAD_AFTER


def test_it_beats_once_before_all_work_and_then_by_itself(
    pulse: Pulse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hearts, "BEAT", BEAT / 100)
    one = heart(pulse)
    with one:
        assert pulse.beats[0] == "one"
        pulse.fails = 2
        assert pulse.enough.wait(60)

    assert "heart.failed executor=one error=OSError" in caplog.text
    assert "ana@mail.example" not in caplog.text


def test_where_the_first_beat_fails_nothing_begins(pulse: Pulse) -> None:
    pulse.fails = 1
    with pytest.raises(OSError, match="about"), heart(pulse):
        pytest.fail("it began")


def test_a_worker_that_was_silent_too_long_may_begin_nothing_until_it_beats_again(
    pulse: Pulse,
) -> None:
    time = Time()
    one = heart(pulse, time)
    seen = [one.is_beating]
    one.beat()
    for seconds in (FENCE.total_seconds() - 0.1, 0.1):
        time.at += seconds
        seen.append(one.is_beating)
    one.beat()
    seen.append(one.is_beating)

    assert seen == [False, True, False, True]


def test_a_beat_counts_from_when_it_was_begun(pulse: Pulse) -> None:
    """It may have waited for the database for a long time, and whoever looks saw the one before."""
    time = Time()
    one = heart(pulse, time)

    def slow(executor: str) -> None:
        time.at += 30
        Pulse.beat(pulse, executor)

    pulse.beat = slow  # type: ignore[method-assign]  # this one waits
    one.beat()
    assert not one.is_beating


def test_who_beat_steadily_may_judge_others_and_who_had_a_gap_may_not(pulse: Pulse) -> None:
    time = Time()
    one = heart(pulse, time)
    may: list[bool] = []

    def beat(after: float = BEAT.total_seconds()) -> None:
        time.at += after
        may.append(one.may_judge)
        one.beat()
        may.append(one.may_judge)

    for _ in range(5):
        beat()
    assert may == [False] * 8 + [True] * 2
    may.clear()
    # The database was away: everybody was silent.
    for after in (FENCE.total_seconds() + 0.1, *[BEAT.total_seconds()] * 4):
        beat(after)
    assert may == [False] * 8 + [True] * 2


def test_a_worker_that_ends_in_order_is_no_dead_one(storage: SqlStorage) -> None:
    with Heart(storage, "one"):
        assert storage.living_workers(DEAD_AFTER) == {"one"}
    storage.forget_worker("one")

    assert storage.living_workers(DEAD_AFTER) == set()
    assert storage.silent_workers(BEAT * 0) == set()
