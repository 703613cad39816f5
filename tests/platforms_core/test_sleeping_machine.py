"""A machine that is suspended in the midst of a call, and goes on an hour later."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler
from typing import cast

import pytest

from plugin.domain.errors import OutcomeUnknown, RetryLater
from plugin.platforms.checked_connection import CutOff
from plugin.platforms.clockwork import Clockwork
from plugin.platforms.manifest import Timeouts
from plugin.platforms.time_gone import seconds_gone
from plugin.ports.storage import Storage
from plugin.workflows.heart import Heart
from tests.platforms_core.http_peers import Peer, client_for, failure, post

AN_HOUR = 3600
PATIENT = Timeouts(connect=3, read=600, total=600)
"""No test waits that long: what ends sooner ended since an hour was slept."""

pytestmark = pytest.mark.skipif(
    not hasattr(time, "CLOCK_BOOTTIME"), reason="this system's clocks do not tell of its sleep"
)


@pytest.fixture
def sleep(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """An hour goes by in which nothing ran: the clock that stands still meanwhile does not tell."""
    real, slept = time.clock_gettime, [0]

    def told(clock: int) -> float:
        return real(clock) + (slept[0] if clock == time.CLOCK_BOOTTIME else 0)

    def fall_asleep() -> None:
        slept[0] += AN_HOUR

    monkeypatch.setattr(time, "clock_gettime", told)
    return fall_asleep


def test_time_goes_on(sleep: Callable[[], None]) -> None:
    before = seconds_gone()
    sleep()
    assert seconds_gone() - before >= AN_HOUR


class _Storage:
    """Takes every beat. The part of `Storage` that a heart uses."""

    def beat(self, executor: str) -> None:
        """Keep nothing."""


def test_a_worker_that_slept_begins_no_call_before_it_beats_again(
    sleep: Callable[[], None],
) -> None:
    heart = Heart(cast("Storage", _Storage()), "one")
    heart.beat()
    seen = [heart.is_beating]
    sleep()
    seen.append(heart.is_beating)
    heart.beat()
    seen += [heart.is_beating, heart.may_judge]
    assert seen == [True, False, True, False]


def test_a_call_that_was_decided_on_before_is_not_begun(
    peer: Peer, sleep: Callable[[], None]
) -> None:
    def slept_while_looking(_host: str, _port: int) -> Sequence[str]:
        sleep()
        return ["127.0.0.1"]

    client = client_for(peer.place, resolver=slept_while_looking, timeouts=PATIENT)
    error = failure(client, post(peer.url()))
    assert (type(error), error.code) == (RetryLater, "not_sent")
    assert peer.requests == []


def test_nothing_is_sent_on_a_connection_from_before(
    peer: Peer, sleep: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def watch_and_sleep(cut_off: CutOff, connection: socket.socket) -> None:
        watch(cut_off, connection)
        sleep()

    watch = CutOff.watch
    monkeypatch.setattr(CutOff, "watch", watch_and_sleep)
    error = failure(client_for(peer.place, timeouts=PATIENT), post(peer.url()))
    assert (type(error), error.code) == (RetryLater, "not_sent")
    assert peer.requests == []


def test_a_call_that_was_under_way_is_ended(peer: Peer, sleep: Callable[[], None]) -> None:
    def say_nothing(request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True
        sleep()
        peer.released.wait()

    peer.respond = say_nothing
    error = failure(client_for(peer.place, timeouts=PATIENT), post(peer.url()))
    assert (type(error), error.code) == (OutcomeUnknown, "time_over")


def test_an_alarm_rings_when_its_time_went_by_in_sleep(sleep: Callable[[], None]) -> None:
    clockwork, rung = Clockwork(), threading.Event()
    clockwork.ring_in(AN_HOUR, rung.set)
    sleep()
    assert rung.wait(60)
