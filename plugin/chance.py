"""The real clock, the real source of chance, and reading side by side.

Only `plugin.app` and the command line use them; all else takes them as arguments.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime
from typing import TypeVar

R = TypeVar("R")


class SystemClock:
    """Now, in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SystemMint:
    """Ids of 128 bits and secrets of 256 bits from the operating system."""

    def id(self) -> str:
        return secrets.token_hex(16)

    def secret(self) -> str:
        return secrets.token_urlsafe(32)


class Threads:
    """Calls side by side on a few threads. Implements `plugin.ports.platforms.Gather`."""

    def __init__(self, most: int = 8) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="gather")

    def __call__(self, calls: Sequence[Callable[[], R]]) -> Sequence[R | Exception]:
        # What is written and timed there belongs to the request that asks.
        futures = [self._pool.submit(copy_context().run, call) for call in calls]
        return [_outcome(future.result) for future in futures]


def _outcome(result: Callable[[], R]) -> R | Exception:
    try:
        return result()
    except Exception as error:  # noqa: BLE001 - the port hands every failure to its caller as a value
        return error
