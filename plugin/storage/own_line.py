"""A line of threads of one process: who came first goes first. Knows nothing of what they wait for.

A plain lock is no line: whoever lets go and comes again mostly wins over those it wakes.
"""

from __future__ import annotations

import threading
from collections import deque


class OwnLine:
    """One at a time. `leave` may be called by any thread."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._is_taken = False

    def enter(self, seconds: float | None) -> bool:
        """Wait for so long at most, None for ever. False: the time is over, and it is not ours."""
        with self._guard:
            if not self._is_taken:
                self._is_taken = True
                return True
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        if mine.acquire(timeout=-1 if seconds is None else seconds):
            return True
        with self._guard:
            if mine not in self._waiting:
                return True  # given to us at the last moment
            self._waiting.remove(mine)
            return False

    def leave(self) -> None:
        """Let the next one go on."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_taken = False
