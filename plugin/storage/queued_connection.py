"""A connection to SQLite that stands in line before it writes, and leaves when it is through.

Knows the driver and the line; when a transaction begins is decided in `database.py`.
"""

from __future__ import annotations

from types import ModuleType
from typing import Protocol

from plugin.storage.write_turns import Turn, WriteTurns


class QueuedConnection(Protocol):
    """What it has beside the driver's own."""

    @property
    def in_transaction(self) -> bool: ...

    def only_read(self, only: bool) -> None:  # noqa: FBT001 - that is the question
        """Whether statements that write are refused from now on."""

    def line_up(self, patience_seconds: float | None) -> None:
        """Wait for a turn, so long at most, or without end for None; then go on without.

        The end of the next transaction gives the turn back.
        """

    def leave_line(self) -> None:
        """Give the turn back where no transaction began."""


def queued(driver: ModuleType, turns: WriteTurns) -> type:
    """The connection class of `driver`, with `turns` in front of its write lock."""

    class Queued(driver.Connection):  # type: ignore[misc, name-defined]  # of a driver that is found at run time
        _turn: Turn | None = None
        _reads_only: bool | None = None  # not said yet

        def only_read(self, only: bool) -> None:  # noqa: FBT001 - that is the question
            if only is not self._reads_only:  # said once, not before each transaction
                self.execute(f"PRAGMA query_only={int(only)}")
                self._reads_only = only

        def line_up(self, patience_seconds: float | None) -> None:
            self.leave_line()
            self._turn = turns.wait() if patience_seconds is None else turns.take(patience_seconds)

        def leave_line(self) -> None:
            if self._turn is not None:
                self._turn.leave()
                self._turn = None

        def commit(self) -> None:
            try:
                super().commit()
            except BaseException:
                # SQLite leaves the transaction open, and SQLAlchemy takes it for over: the
                # connection would go back to the pool with the write lock in its hands.
                self.rollback()
                raise
            self.leave_line()

        def rollback(self) -> None:
            try:
                super().rollback()
            finally:
                self.leave_line()

        def close(self) -> None:
            try:
                super().close()
            finally:
                self.leave_line()

    return Queued
