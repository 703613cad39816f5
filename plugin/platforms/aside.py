"""Threads that stand by for calls made beside a caller's own, kept for the next ones.

To start a thread and end it costs as much as half a call. What is done here must not have anything
done aside itself: with all threads waiting for each other nobody would go on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

MOST: Final = 32
"""Two for each of the worker's places. What comes when all are at work waits in line."""


class Aside:
    """One process's threads. They come with the first that is asked for."""

    def __init__(self) -> None:
        self._begin_anew()
        os.register_at_fork(after_in_child=self._begin_anew)

    def begin(self, call: Callable[P, R], *args: P.args, **options: P.kwargs) -> Future[R]:
        """Begin a call now. What it gave or raised is the result's."""
        return self._threads.submit(call, *args, **options)

    def _begin_anew(self) -> None:
        # A fork has the list of its parent's threads, and none of them: what it begins would wait.
        self._threads = ThreadPoolExecutor(MOST, thread_name_prefix="aside")


aside: Final = Aside()
"""This process's."""
