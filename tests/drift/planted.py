"""The bugs that this harness must find.

A cursor that moves before what it stands for is kept, and one way less by which differences are
found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from unittest.mock import patch

from plugin.domain.refunds import NotSent
from plugin.services import examine_drift, send_refund, sweep_account


@contextmanager
def hasty_cursor() -> Iterator[None]:
    """It moves first and reads then, and reads nothing again that it stood for."""
    real = sweep_account._Run._read_all_news

    def read_all_news(self: sweep_account._Run) -> bool:
        since, begun = self.sweep.read_until, self.begun
        self._move_cursor(begun)
        row = self.sweep
        try:
            self.sweep = replace(row, read_until=since)
            return real(self)
        finally:
            self.sweep = row

    with (
        patch.object(sweep_account, "OVERLAP", timedelta(0)),
        patch.object(sweep_account._Run, "_read_all_news", read_all_news),
    ):
        yield


@contextmanager
def deaf() -> Iterator[None]:
    """No news are read, and all count as read."""

    def read_all_news(self: sweep_account._Run) -> bool:
        self._move_cursor(self.begun)
        return True

    with patch.object(sweep_account._Run, "_read_all_news", read_all_news):
        yield


@contextmanager
def blind() -> Iterator[None]:
    """What a customer holds is read, and compared with nothing."""
    with patch.object(examine_drift, "_differences", lambda *_: iter(())):
        yield


@contextmanager
def careless() -> Iterator[None]:
    """Refunds that are unknown or pending are never looked up."""
    with patch.object(send_refund, "_look", lambda *_: NotSent("planted", 600)):
        yield


@contextmanager
def asleep() -> Iterator[None]:
    """All three: nothing is found at all."""
    with ExitStack() as stack:
        for plant in (deaf, blind, careless):
            stack.enter_context(plant())
        yield


PLANTS: Mapping[str, Callable[[], AbstractContextManager[None]]] = {
    plant.__name__: plant for plant in (hasty_cursor, deaf, blind, careless, asleep)
}
