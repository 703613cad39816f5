"""The bug that this harness must find: a cursor that moves before what it stands for is kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from unittest.mock import patch

from plugin.services import sweep_account


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
