"""Ended work is forgotten a few at a time: at once while there is more, else once a minute."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import pytest

from plugin.workflows import forgetting
from plugin.workflows.engine import Engine
from plugin.workflows.forgetting import AT_A_TIME, EVERY_SECONDS, KEPT, Forgetting
from tests.factories import NOW


class StandingClock:
    def now(self) -> datetime:
        return NOW


@dataclass(frozen=True)
class Told(Engine):
    """Forgets as many as it is told."""

    executor: str = "one"
    counts: list[int] = field(default_factory=list)
    asked: list[tuple[datetime, int]] = field(default_factory=list)

    def forget_ended(self, before: datetime, most: int) -> int:
        self.asked.append((before, most))
        return self.counts.pop(0)


def test_it_goes_on_while_there_is_more_and_rests_for_a_minute_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = [0.0]
    monkeypatch.setattr(forgetting, "monotonic", lambda: seconds[0])
    engine = Told(counts=[AT_A_TIME, 3, 0])
    beside = Forgetting(engine, StandingClock())
    for _ in range(5):
        beside.by_and_by()
    assert engine.asked == [(NOW - KEPT, AT_A_TIME)] * 2
    seconds[0] = EVERY_SECONDS
    beside.by_and_by()
    beside.by_and_by()
    assert len(engine.asked) == 3
