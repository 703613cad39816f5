"""A worker's heart: says in the database that the worker lives, from a thread of its own.

Of its own, since a slow feed must not look like death. The heart also knows when it has failed: a
worker that may be taken for dead begins nothing more, and judges nobody else.

How the times fit together. A worker that was silent for `DEAD_AFTER` is taken for dead. It begins
no call when its own last beat is older than `FENCE`, which is less: so nothing is begun by whoever
is taken for dead, and what had begun before ends by the call's own deadline. When it was the
database that was away, everybody was silent; so only who has beaten steadily for `DEAD_AFTER`, and
thus knows that everybody could have, takes anything over.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from types import TracebackType
from typing import Self

from plugin.platforms.time_gone import seconds_gone
from plugin.ports.storage import Storage
from plugin.storage.worker_rows import LIVES

BEAT = timedelta(seconds=2)
FENCE = timedelta(seconds=5)
DEAD_AFTER = LIVES
_log = logging.getLogger("makegood.heart")


class Heart(AbstractContextManager["Heart"]):
    """Beats from `__enter__` to `__exit__`.

    `clock` gives seconds that only grow, also while the machine is suspended: the others went on.
    """

    def __init__(
        self, storage: Storage, executor: str, clock: Callable[[], float] = seconds_gone
    ) -> None:
        self.executor = executor
        self._storage = storage
        self._clock = clock
        self._last: float | None = None
        self._steady_since = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="heart", daemon=True)

    def __enter__(self) -> Self:
        """The first beat is before any work. Raises where the database does not answer."""
        self.beat()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(BEAT.total_seconds())

    def beat(self) -> None:
        """Beat once. What counts is when it was begun: it may have waited on its way."""
        begun = self._clock()
        self._storage.beat(self.executor)
        if self._last is None or begun - self._last > FENCE.total_seconds():
            self._steady_since = begun
        self._last = begun

    @property
    def is_beating(self) -> bool:
        """Whether the last beat is so new that nobody can take this worker for dead."""
        return self._last is not None and self._clock() - self._last < FENCE.total_seconds()

    @property
    def may_judge(self) -> bool:
        """Whether it beat without a gap for so long that others would have been heard, too."""
        steady = self._clock() - self._steady_since
        return self.is_beating and steady >= DEAD_AFTER.total_seconds()

    def _go_on(self) -> None:
        while not self._stop.wait(BEAT.total_seconds()):
            try:
                self.beat()
            except Exception as error:  # noqa: BLE001 - whatever it was, the next beat may succeed
                _log.error("heart.failed executor=%s error=%s", self.executor, type(error).__name__)
