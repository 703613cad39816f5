"""Whether this process can really serve right now, asked by anybody as often as they like.

The database is asked once a second at most, by one thread at a time, however many ask us. So no
crowd of strangers makes work of it, and a database that hangs holds one thread and not all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import Final

REMEMBERED_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 5.0
"""A look that takes longer counts as no answer."""


class Readiness:
    """`look` gives what is missing, None for nothing. Safe from any thread."""

    def __init__(
        self,
        look: Callable[[], str | None],
        is_draining: Callable[[], bool] | None = None,
        seconds: Callable[[], float] = monotonic,
    ) -> None:
        self._look = look
        self._is_draining = is_draining
        self._seconds = seconds
        self._looking = threading.Lock()
        self._found: str | None = "starting"
        self._begun = -REMEMBERED_SECONDS + seconds()
        self._ended = self._begun

    def missing(self) -> str | None:
        """One word for what keeps this process from serving, or None."""
        if self._is_draining is not None and self._is_draining():
            return "draining"
        now = self._seconds()
        if now - self._ended >= REMEMBERED_SECONDS and self._looking.acquire(blocking=False):
            try:
                self._begun = now
                self._found = self._look()
                self._ended = self._seconds()
            finally:
                self._looking.release()
        elif self._ended < self._begun and now - self._begun > PATIENCE_SECONDS:
            return "database"
        return self._found
