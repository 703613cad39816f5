"""Whose turn it is to write to a SQLite file: a queue in the kernel, in front of SQLite's own lock.

A writer that finds SQLite busy sleeps and looks again, each time for longer: under load it looks
for seconds while others that came later get in. Here writers stand in line instead, threads and
processes alike. Those of one process have a line of their own first, which costs a fraction of the
kernel's; its head stands in the kernel's line. It is a courtesy and no more: SQLite's lock is what
keeps writers apart, so whoever cannot stand in line, or stood too long, goes on without a turn. The
kernel lets go when the holder dies. Two files beside the database are locked and never written to.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from concurrent.futures import Future
from pathlib import Path
from time import monotonic

from plugin.storage.own_line import OwnLine

_log = logging.getLogger("makegood.storage")


class Turn:
    """The right to write next. Give it back with `leave`, from any thread."""

    def __init__(self, place: int, holder: int, holders: set[int]) -> None:
        self._place = place
        self._holder = holder
        self._holders = holders
        self._own: OwnLine | None = None
        holders.add(holder)

    def came_from(self, own: OwnLine) -> Turn:
        """Also let the next one of this line go on, when it is left."""
        self._own = own
        return self

    def leave(self) -> None:
        self._holders.discard(self._holder)
        _let_go(self._place)
        if self._own is not None:
            self._own.leave()


class WriteTurns:
    """The line in front of one database file. Every process makes its own for the same file."""

    def __init__(self, database: Path) -> None:
        # One lock would do to take turns, but whoever leaves and comes again would mostly win over
        # those it wakes. The first file is the head of the line: only one waits there for the
        # second, so whoever leaves has to line up behind it.
        self._head_file = f"{database}-head"
        self._turn_file = f"{database}-turn"
        self._holders: set[int] = set()
        self._given_up: list[threading.Thread] = []
        self._own = (os.getpid(), OwnLine())

    def wait(self) -> Turn | None:
        """Stand in line for as long as it takes. For a thread that nobody waits for without end."""
        own = self._own_line()
        own.enter(None)
        return _from(own, self._line_up(fcntl.LOCK_EX, threading.get_ident()))

    def take(self, seconds: float) -> Turn | None:
        """Stand in line for so long at most. None: go on without.

        That is also the answer to a thread that has the turn already: it would wait for itself.
        """
        me = threading.get_ident()
        if me in self._holders:
            return None
        until = monotonic() + seconds
        own = self._own_line()
        if not own.enter(seconds):
            return None
        try:
            turn = self._line_up(fcntl.LOCK_EX | fcntl.LOCK_NB, me)
        except BlockingIOError:
            turn = self._wait_aside(max(0.0, until - monotonic()), me)
        return _from(own, turn)

    def _own_line(self) -> OwnLine:
        """The line of this process: what a fork copied may be held by threads that it did not."""
        if self._own[0] != os.getpid():
            self._own = (os.getpid(), OwnLine())
        return self._own[1]

    def _line_up(self, how: int, holder: int) -> Turn | None:
        """Raises BlockingIOError when it is somebody else's turn and `how` says not to wait."""
        try:
            head = _locked(self._head_file, how)
            try:
                turn = _locked(self._turn_file, how)
            finally:
                _let_go(head)
        except BlockingIOError:
            raise
        except OSError as error:
            _log.warning("storage.no_write_turn errno=%s", error.errno)
            return None
        return Turn(turn, holder, self._holders)

    def _wait_aside(self, seconds: float, holder: int) -> Turn | None:
        """Have a thread stand in line: the kernel's wait knows no time limit."""
        self._given_up = [thread for thread in self._given_up if thread.is_alive()]
        if self._given_up:
            return None  # the line does not move: not one more thread into it
        promised: Future[Turn | None] = Future()

        def stand_in_line() -> None:
            turn = self._line_up(fcntl.LOCK_EX, holder)
            if promised.set_running_or_notify_cancel():
                promised.set_result(turn)
            elif turn is not None:
                turn.leave()

        waiting = threading.Thread(target=stand_in_line, name="write-turn", daemon=True)
        waiting.start()
        try:
            return promised.result(seconds)
        except TimeoutError:
            if not promised.cancel():
                return promised.result()  # it came at the last moment
            self._given_up.append(waiting)
            return None


def _from(own: OwnLine, turn: Turn | None) -> Turn | None:
    """The turn, which holds its place in the own line until it is left; without one nobody does."""
    if turn is None:
        own.leave()
        return None
    return turn.came_from(own)


def _locked(file: str, how: int) -> int:
    """The file, opened anew and locked: only what was opened apart keeps threads apart."""
    place = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(place, how)
    except BaseException:
        os.close(place)
        raise
    return place


def _let_go(place: int) -> None:
    # Said aloud: a process that was forked meanwhile holds a copy, which our closing leaves locked.
    fcntl.flock(place, fcntl.LOCK_UN)
    os.close(place)
