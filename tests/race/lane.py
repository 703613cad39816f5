"""A line of callers: each on a thread of its own, all let go at once."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import TypeVar

C = TypeVar("C")
Said = dict[str, object]


class Lane:
    """Callers that wait at the barrier. `run` lets them go, once.

    `places`: how many are served at a time, as by a server with so many threads.
    """

    def __init__(self, calls: Sequence[C], do: Callable[[C], Said], places: int) -> None:
        """Return when all of them stand in line."""
        served = threading.Semaphore(places)
        self._answers: list[Said] = [{"said": "nothing"} for _ in calls]
        self._lined_up = threading.Barrier(len(calls) + 1)
        self._start = threading.Barrier(len(calls) + 1)

        def run(place: int, call: C) -> None:
            self._lined_up.wait()
            self._start.wait()
            try:
                with served:
                    self._answers[place] = do(call)
            except Exception as error:  # noqa: BLE001 - a caller that is turned away is a finding
                traceback.print_exc(file=sys.stderr)
                self._answers[place] = {"said": _told(error)}

        self._threads = [
            threading.Thread(target=run, args=(place, call), daemon=True)
            for place, call in enumerate(calls)
        ]
        for thread in self._threads:
            thread.start()
        self._lined_up.wait()

    def run(self, bound_seconds: float) -> list[Said]:
        """What each was answered; "nothing" for who got no answer in time."""
        end = time.monotonic() + bound_seconds
        self._start.wait()
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return list(self._answers)


def _told(error: Exception) -> str:
    """The error and where it came from: the log that holds the rest may be out of reach."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"error {type(error).__name__}: {error} ({frame.name}, {frame.filename}:{frame.lineno})"
