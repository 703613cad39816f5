"""A worker that may be taken for dead begins no call."""

from __future__ import annotations

from dataclasses import dataclass

from plugin.platforms.fenced_budget import ASK_AGAIN_SECONDS, FencedBudget


@dataclass
class Bucket:
    """Says how long to wait, and takes its time to say so."""

    wait: float = 0.0
    lives_on: bool = True

    def take(self) -> float:
        self.lives_on = not self.wait < 0
        return max(self.wait, 0.0)


def test_who_lives_calls_as_the_budget_says() -> None:
    assert FencedBudget(Bucket(0.0), lambda: True).take() == 0.0
    assert FencedBudget(Bucket(1.5), lambda: True).take() == 1.5


def test_who_may_be_taken_for_dead_is_told_to_wait() -> None:
    assert FencedBudget(Bucket(0.0), lambda: False).take() == ASK_AGAIN_SECONDS
    assert FencedBudget(Bucket(7.5), lambda: False).take() == 7.5


def test_it_is_asked_after_the_budget_which_may_have_kept_it_waiting() -> None:
    bucket = Bucket(-1.0)

    assert FencedBudget(bucket, lambda: bucket.lives_on).take() == ASK_AGAIN_SECONDS
