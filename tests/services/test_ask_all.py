"""Asking several places: silence is None, and a bug is raised."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from plugin.domain.errors import NeedsHuman, RetryLater
from plugin.services.ask_all import ask_all
from tests.fakes.platforms import one_after_the_other


def raising(error: Exception) -> Callable[[], str]:
    def call() -> str:
        raise error

    return call


def test_answers_keep_their_order_and_a_silent_place_is_none() -> None:
    calls = [lambda: "a", raising(RetryLater("busy")), lambda: "c", raising(NeedsHuman("look"))]
    assert ask_all(one_after_the_other, calls) == ["a", None, "c", None]
    assert ask_all(one_after_the_other, []) == []


def test_a_bug_does_not_pass_for_silence() -> None:
    with pytest.raises(ZeroDivisionError):
        ask_all(one_after_the_other, [lambda: "a", raising(ZeroDivisionError())])
