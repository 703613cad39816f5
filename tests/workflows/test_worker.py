"""The worker process: alone on SQLite, killed at any moment and replaced, ended without harm."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from plugin.domain.errors import NeedsHuman
from plugin.domain.ids import RefundId
from plugin.domain.refunds import Refund, RefundState
from plugin.ports.records import RefundMove
from plugin.storage.unit_of_work import SqlStorage
from plugin.workflows.heart import Heart
from plugin.workflows.worker import run_worker
from tests.factories import BANK, NOW, TENANT, a_plan, a_refund, a_request, an_installation, soon
from tests.storage_fixtures import FakeClock
from tests.workflows.place import ON_POSTGRESQL, ON_SQLITE, Place


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """The worker takes these signals for itself; here the tests' own come back."""
    before = {name: signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGINT)}
    yield
    for name, handler in before.items():
        signal.signal(name, handler)


# --- one process ----------------------------------------------------------------------------------


def test_a_worker_does_what_is_due_and_ends_when_told(place: Place, clock: FakeClock) -> None:
    stop = threading.Event()
    seen: list[tuple[str, str]] = []

    def task(tenant: str, ref: str) -> None:
        seen.append((tenant, ref))
        place.apply(ref)
        stop.set()

    place.receive("d-1")
    run_worker(place.settings, place.storage, clock, {"delivery": task}, stop)

    assert seen == [(TENANT, "d-1")]
    assert place.is_applied()


def test_a_worker_that_ended_is_forgotten_even_when_it_beats_to_the_last(
    place: Place, clock: FakeClock
) -> None:
    class Late(Heart):
        def __exit__(self, *how: object) -> None:
            self.beat()
            super().__exit__(None, None, None)

    stop = threading.Event()
    stop.set()
    run_worker(place.settings, place.storage, clock, {}, stop, Late(place.storage, "one"))

    assert place.storage.living_workers(timedelta(days=1)) == frozenset()


@ON_SQLITE
def test_a_worker_in_a_thread_leaves_signals_alone(place: Place, clock: FakeClock) -> None:
    before = signal.getsignal(signal.SIGTERM)
    stop = threading.Event()
    stop.set()
    thread = threading.Thread(
        target=run_worker, args=(place.settings, place.storage, clock, {}, stop)
    )
    thread.start()
    thread.join(60)

    assert not thread.is_alive()
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_what_runs_come_to_its_end(place: Place, name: signal.Signals) -> None:
    place.receive("d-1")
    worker = place.hire("wait")
    place.until(lambda: place.told("begun d-1"))

    worker.send_signal(name)
    place.until(lambda: "worker.stopping" in place.log)
    place.receive("d-2")  # it has heard the signal, and begins nothing more
    assert worker.poll() is None
    (place.folder / "go").touch()

    assert worker.wait(60) == 0
    assert place.is_applied("d-1")
    assert not place.is_applied("d-2")
    assert place.told("begun d-2") == []


# --- a second one, and the next one ---------------------------------------------------------------


@ON_SQLITE
def test_a_second_worker_on_sqlite_says_why_it_ends(place: Place, clock: FakeClock) -> None:
    place.receive("d-1")
    place.hire("hang")
    place.until(lambda: place.told("begun d-1"))

    with pytest.raises(NeedsHuman, match="there is one") as caught:
        run_worker(place.settings, place.storage, clock, {})

    assert caught.value.code == "second_worker"


@ON_SQLITE
def test_what_a_killed_worker_had_in_hand_is_finished_by_the_next_at_once(place: Place) -> None:
    place.receive("d-1")
    dead = place.hire("hang")
    place.until(lambda: place.told("begun d-1"))
    dead.kill()
    dead.wait()

    after = place.hire()
    place.until(lambda: place.told("done d-1"))

    assert place.told("begun d-1") == [str(dead.pid), str(after.pid)]
    assert place.told("done d-1") == [str(after.pid)]
    after.terminate()
    assert after.wait(60) == 0


def has_begun(place: Place, times: int) -> bool:
    return len(place.told("begun d-1")) == times


@ON_SQLITE
def test_what_nobody_could_take_back_is_not_left_to_the_engine(place: Place) -> None:
    """Each worker has a name of its own, so the engine never resumes what another one began."""
    place.receive("d-1")
    for times in (1, 2, 3):
        dead = place.hire("hang")
        place.until(partial(has_begun, place, times))
        dead.kill()
        dead.wait()

    after = place.hire()
    place.until(lambda: place.told("done d-1"))

    assert len(place.told("begun d-1")) == 4
    assert place.told("done d-1") == [str(after.pid)]


@ON_POSTGRESQL
def test_a_killed_workers_work_is_taken_over_and_a_slow_ones_is_not(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.receive("d-2")
    dead = place.hire("hang")
    place.until(lambda: place.told("begun d-2"))
    slow = place.hire("slow")
    slow_ones = 0

    def slow_has_one() -> bool:
        """Whoever is quicker gets it."""
        nonlocal slow_ones
        place.receive(f"s-{slow_ones}")
        slow_ones += 1
        last = f"begun s-{slow_ones - 1}"
        place.until(lambda: place.told(last))
        return place.told(last) == [str(slow.pid)]

    place.until(slow_has_one)
    alive = [place.hire() for _ in range(2)]
    dead.kill()
    dead.wait()
    died = time.monotonic()

    place.until(lambda: place.told("done d-2"))

    with capsys.disabled():
        print(f"[taken over after {time.monotonic() - died:.1f} s]", end=" ")
    assert len(place.told("done d-2")) == 1
    assert set(place.told("done d-2")) <= {str(one.pid) for one in (slow, *alive)}
    assert place.delivery("d-2").attempts == 1
    # All that time the slow one was heard: what it has in hand is its own.
    last = f"s-{slow_ones - 1}"
    assert place.told(f"begun {last}") == [str(slow.pid)]
    (place.folder / "go").touch()
    place.until(lambda: all(place.told(f"done s-{n}") for n in range(slow_ones)))
    assert place.told(f"begun {last}") == place.told(f"done {last}") == [str(slow.pid)]


# --- what was interrupted -------------------------------------------------------------------------


def refund_in(storage: SqlStorage, plan: str, state: RefundState) -> Refund:
    """A refund in `state` that is to be looked at in half a minute."""
    reserved = a_refund(plan=plan)
    refund = replace(reserved, state=state, wake_at=soon(seconds=30), wakes=1)
    with storage.begin(TENANT) as uow:
        if uow.installations.get(BANK) is None:
            uow.installations.add(an_installation(BANK))
        uow.requests.save(a_request())
        uow.plans.add(a_plan(plan_id=plan), a_request().id)
        uow.refunds.add(reserved, "agent", NOW)
        move = RefundMove(refund.id, reserved.state, state, NOW, "worker")
        assert uow.refunds.move(reserved, refund, move)
        uow.commit()
    return refund


def kept(storage: SqlStorage, ref: RefundId) -> Refund:
    with storage.read(TENANT) as uow:
        found = uow.refunds.get(ref)
    assert found is not None
    return found


def test_refunds_whose_call_was_interrupted_are_woken_and_no_others(place: Place) -> None:
    calling = refund_in(place.storage, "plan-1", RefundState.SUBMITTING)
    unknown = refund_in(place.storage, "plan-2", RefundState.UNKNOWN)

    place.storage.wake_interrupted(NOW)

    assert kept(place.storage, calling.id) == replace(calling, wake_at=NOW)
    assert kept(place.storage, unknown.id) == unknown


def test_an_interrupted_refund_that_is_due_already_keeps_its_place(place: Place) -> None:
    calling = refund_in(place.storage, "plan-1", RefundState.SUBMITTING)

    place.storage.wake_interrupted(soon(minutes=5))

    assert kept(place.storage, calling.id) == calling


@ON_SQLITE
def test_the_only_worker_looks_at_interrupted_refunds_at_once(
    place: Place, clock: FakeClock
) -> None:
    calling = refund_in(place.storage, "plan-1", RefundState.SUBMITTING)
    stop = threading.Event()
    seen: list[str] = []

    def task(_tenant: str, ref: str) -> None:
        seen.append(ref)
        stop.set()

    run_worker(place.settings, place.storage, clock, {"refund": task}, stop)

    assert seen == [calling.id]
