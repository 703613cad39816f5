"""The lock that keeps workers on one SQLite data folder down to one. Knows nothing of the work."""

from __future__ import annotations

import fcntl
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from plugin.domain.errors import NeedsHuman


class OnlyWorker(AbstractContextManager["OnlyWorker"]):
    """The lock in the data folder, for `with`. The system lets go of it when its holder dies.

    Raises NeedsHuman when another process holds it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "worker.lock"

    def __enter__(self) -> Self:
        self._file = self._path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise NeedsHuman(
                "second_worker", "another worker runs on this data folder; on SQLite there is one"
            ) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
