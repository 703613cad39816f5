"""Alarms ring whatever became of those before them."""

from __future__ import annotations

import logging
import threading

import pytest

from plugin.platforms.clockwork import Clockwork

PATIENCE = 10


def rung(clockwork: Clockwork) -> bool:
    """Whether an alarm that is due now rings."""
    seen = threading.Event()
    clockwork.ring_in(0, seen.set)
    return seen.wait(PATIENCE)


def test_an_alarm_that_fails_keeps_no_other_from_ringing(caplog: pytest.LogCaptureFixture) -> None:
    clockwork = Clockwork()

    def fail() -> None:
        raise OSError("https://shop.example/?key=secret")

    with caplog.at_level(logging.ERROR, "makegood.clockwork"):
        clockwork.ring_in(0, fail)
        assert rung(clockwork)
    assert caplog.messages == ["clockwork.alarm_failed kind=OSError"]


def test_a_thread_that_did_not_start_is_started_with_the_next_alarm() -> None:
    clockwork = Clockwork()

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(RuntimeError):
            rung(clockwork)
    assert rung(clockwork)


def test_what_was_called_off_does_not_ring() -> None:
    clockwork = Clockwork()
    seen = threading.Event()
    clockwork.ring_in(3600, seen.set).call_off()
    late = clockwork.ring_in(0, seen.set)
    late.call_off()
    assert rung(clockwork)
    assert seen.is_set() is (late.do is not None)


def test_alarms_ring_in_their_order_and_those_called_off_never() -> None:
    clockwork, rung, is_over = Clockwork(), [], threading.Event()
    late = clockwork.ring_in(0.02, is_over.set)
    clockwork.ring_in(0.01, lambda: rung.append("second"))
    clockwork.ring_in(0, lambda: rung.append("first"))
    clockwork.ring_in(0.015, lambda: rung.append("never")).call_off()
    assert is_over.wait(60)
    assert rung == ["first", "second"]
    assert late.number == 0


def test_a_forked_clockwork_begins_with_nothing() -> None:
    clockwork, is_rung = Clockwork(), threading.Event()
    clockwork.ring_in(3600, lambda: None)
    clockwork.begin_anew()
    clockwork.ring_in(0, is_rung.set)
    assert is_rung.wait(60)
