"""Access tokens that live on between two pieces of work. In memory, per process; written nowhere.

For tokens that can be had again at any time, of whoever holds the keys. Each stands under the
connection and the very keys that it was had for, so that a replaced secret begins anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from threading import Lock
from typing import Final

_MOST: Final = 4096


class KeptTokens:
    """One process's tokens. Safe to share between threads."""

    def __init__(self) -> None:
        self._tokens: dict[str, tuple[str, datetime]] = {}
        self._lock = Lock()

    def living(self, whose: str, now: datetime) -> str | None:
        """The token that is kept there, if it is to be used still."""
        with self._lock:
            token, until = self._tokens.get(whose, ("", now))
        return token if now < until else None

    def keep(self, whose: str, token: str, until: datetime) -> None:
        """Keep it for use until then, in place of another."""
        with self._lock:
            if len(self._tokens) >= _MOST:
                self._tokens.clear()
            self._tokens[whose] = (token, until)

    def drop(self, whose: str, token: str) -> None:
        """Keep it no more. One that somebody had since stays."""
        with self._lock:
            if self._tokens.get(whose, ("",))[0] == token:
                del self._tokens[whose]


def place_of(keys: Sequence[str]) -> str:
    """A name for a place that tells nothing of the keys that lead there."""
    return sha256("\0".join(keys).encode()).hexdigest()


KEPT: Final = KeptTokens()
"""This process's."""
