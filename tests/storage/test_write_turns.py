"""The line in front of SQLite's write lock: threads and processes take turns, and nobody hangs."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

import pytest

from plugin.storage import write_turns
from plugin.storage.own_line import OwnLine
from plugin.storage.write_turns import Turn, WriteTurns

T = TypeVar("T")
PATIENCE = 30.0
"""For what comes at once on a machine that has time."""
A_MOMENT = 0.02
HOLDER = """
import sys
from pathlib import Path
from plugin.storage.write_turns import WriteTurns
turn = WriteTurns(Path(sys.argv[1])).wait()
print("mine", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "makegood.db"


def taken(turn: Turn | None) -> Turn:
    assert turn is not None
    return turn


def elsewhere(call: Callable[[], T]) -> Future[T]:
    """Start `call` in a thread of its own."""
    told: Future[T] = Future()
    threading.Thread(target=lambda: told.set_result(call()), daemon=True).start()
    return told


def is_locked(database: Path, which: str) -> bool:
    with Path(f"{database}-{which}").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def wait_until(holds: Callable[[], bool]) -> None:
    pause = threading.Event()
    while not holds():  # the suite's own time limit ends what never comes
        pause.wait(0.001)


def test_of_two_one_waits_for_the_other(database: Path) -> None:
    one, two = WriteTurns(database), WriteTurns(database)
    first = taken(one.take(A_MOMENT))
    second = elsewhere(lambda: two.take(PATIENCE))
    wait_until(lambda: is_locked(database, "head"))
    assert not second.done()
    first.leave()
    taken(second.result(PATIENCE)).leave()
    assert not is_locked(database, "turn")


def test_threads_that_share_one_line_wait_for_each_other_too(database: Path) -> None:
    turns = WriteTurns(database)
    first = taken(turns.take(A_MOMENT))
    second = elsewhere(turns.wait)
    wait_until(lambda: len(turns._own[1]._waiting) == 1)
    assert not second.done()
    first.leave()
    taken(second.result(PATIENCE)).leave()
    assert not is_locked(database, "turn")


def test_threads_of_one_process_go_in_the_order_in_which_they_came(database: Path) -> None:
    turns = WriteTurns(database)
    first = taken(turns.take(A_MOMENT))
    went: list[int] = []

    def go(place: int) -> None:
        turn = taken(turns.take(PATIENCE))
        went.append(place)
        turn.leave()

    waiting = []
    for place in range(5):
        waiting.append(elsewhere(lambda place=place: go(place)))  # type: ignore[misc]  # the loop's own value
        wait_until(lambda: len(turns._own[1]._waiting) == place + 1)  # noqa: B023 - asked at once
    first.leave()
    for one in waiting:
        one.result(PATIENCE)
    assert went == [0, 1, 2, 3, 4]


def test_who_waits_too_long_in_the_own_line_goes_on_without_and_blocks_nobody(
    database: Path,
) -> None:
    turns = WriteTurns(database)
    first = taken(turns.take(A_MOMENT))
    second = elsewhere(lambda: turns.take(A_MOMENT))
    assert second.result(PATIENCE) is None
    first.leave()
    taken(turns.take(A_MOMENT)).leave()


def test_a_place_given_at_the_last_moment_is_taken() -> None:
    line = OwnLine()
    assert line.enter(None)

    class Late(deque[threading.Lock]):
        """Whoever leaves is just quicker than whoever gives up."""

        def __contains__(self, one: object) -> bool:
            if super().__contains__(one):
                self.remove(one)  # type: ignore[arg-type]  # a lock
            return False

    line._waiting = Late()
    assert line.enter(0.0)


def test_a_forked_process_has_a_line_of_its_own(database: Path) -> None:
    turns = WriteTurns(database)
    first = taken(turns.take(A_MOMENT))
    turns._own = (turns._own[0] + 1, turns._own[1])  # as a child sees what its parent left it
    second = elsewhere(lambda: turns.take(PATIENCE))
    wait_until(lambda: is_locked(database, "head"))
    first.leave()
    taken(second.result(PATIENCE)).leave()


def test_whoever_leaves_and_comes_again_is_behind_who_waited(database: Path) -> None:
    turns = WriteTurns(database)
    first = taken(turns.take(A_MOMENT))
    waited = elsewhere(WriteTurns(database).wait)
    wait_until(lambda: is_locked(database, "head"))
    first.leave()
    again = elsewhere(lambda: turns.take(PATIENCE))
    turn = taken(waited.result(PATIENCE))
    assert not again.done()
    turn.leave()
    taken(again.result(PATIENCE)).leave()


def test_a_thread_does_not_wait_for_itself(database: Path) -> None:
    turns = WriteTurns(database)
    mine = taken(turns.take(A_MOMENT))
    assert turns.take(PATIENCE) is None
    mine.leave()
    taken(turns.take(A_MOMENT)).leave()


def test_patience_ends_and_what_comes_after_it_is_given_back(database: Path) -> None:
    one, two = WriteTurns(database), WriteTurns(database)
    first = taken(one.take(A_MOMENT))
    assert two.take(A_MOMENT) is None
    first.leave()
    wait_until(lambda: not two._given_up[0].is_alive())
    taken(two.take(A_MOMENT)).leave()


def test_a_line_that_does_not_move_gets_no_longer(database: Path) -> None:
    one, two = WriteTurns(database), WriteTurns(database)
    first = taken(one.take(A_MOMENT))
    for _ in range(5):
        assert two.take(A_MOMENT) is None
    assert len(two._given_up) == 1
    first.leave()


def test_a_turn_that_comes_at_the_last_moment_is_taken(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(Future[Turn | None]):
        """Comes just after its time was up, and before it could be called off."""

        asked = 0

        def result(self, timeout: float | None = None) -> Turn | None:
            turn = super().result(PATIENCE)
            self.asked += 1
            if self.asked == 1:
                raise TimeoutError
            return turn

    monkeypatch.setattr(write_turns, "Future", Late)
    one, two = WriteTurns(database), WriteTurns(database)
    first = taken(one.take(A_MOMENT))
    second = elsewhere(lambda: two.take(A_MOMENT))
    wait_until(lambda: is_locked(database, "head"))
    first.leave()
    taken(second.result(PATIENCE)).leave()


def test_the_kernel_lets_go_when_a_holder_is_killed(database: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"mine\n"
        turns = WriteTurns(database)
        assert turns.take(A_MOMENT) is None
        holder.kill()
    taken(WriteTurns(database).take(PATIENCE)).leave()


def test_a_child_forked_meanwhile_does_not_keep_the_turn(database: Path) -> None:
    turn = taken(WriteTurns(database).take(A_MOMENT))
    child = os.fork()
    if child == 0:
        signal.pause()
    turn.leave()
    try:
        taken(WriteTurns(database).take(A_MOMENT)).leave()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_without_a_line_one_goes_on_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    turns = WriteTurns(tmp_path / "nowhere" / "makegood.db")
    assert turns.take(PATIENCE) is None
    assert turns.wait() is None
    assert "storage.no_write_turn" in caplog.text


def test_a_line_that_breaks_while_one_waits_is_left(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = WriteTurns(database), WriteTurns(database)
    first = taken(one.take(A_MOMENT))
    flock = fcntl.flock

    def breaks(place: int, how: int) -> None:
        if how == fcntl.LOCK_EX:
            raise OSError(37, "no locks available")
        flock(place, how)

    monkeypatch.setattr(fcntl, "flock", breaks)
    assert two.take(PATIENCE) is None
    monkeypatch.undo()
    first.leave()


def test_given_up_in_a_line_that_breaks_leaves_nothing_behind(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = WriteTurns(database), WriteTurns(database)
    first = taken(one.take(A_MOMENT))
    flock, go_on = fcntl.flock, threading.Event()

    def breaks(place: int, how: int) -> None:
        if how == fcntl.LOCK_EX:
            go_on.wait()
            raise OSError(37, "no locks available")
        flock(place, how)

    monkeypatch.setattr(fcntl, "flock", breaks)
    assert two.take(A_MOMENT) is None
    go_on.set()
    two._given_up[0].join()
    monkeypatch.undo()
    first.leave()
    taken(two.take(A_MOMENT)).leave()
