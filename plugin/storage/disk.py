"""When the disk fails under the database: a process that serves ends, and starts anew.

After a sync that failed, the system counts as written what never reached the disk, and the next
sync says that all is well (https://lwn.net/Articles/752063/). What is committed then may stand in
the log behind a hole, and a power cut takes it with all that follows. So nothing goes on as if
nothing had been. Whoever starts writes the log into the file first, as a whole and with a sync.

A full disk is no such failure: SQLite says so in a word of its own, and nothing was lost.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Final

EXIT_CODE: Final = 4
"""As for a database that does not answer: to try again may help."""
_FAILED: Final = 10
"""SQLITE_IOERR. Some drivers tell above its first byte what failed. https://sqlite.org/rescode.html"""
_log = logging.getLogger("makegood.storage")
_end: Callable[[], None] | None = None


def end_when_the_disk_fails(end: Callable[[], None] | None = None) -> None:
    """From now on this process ends at once when the disk fails, in the midst of what it does.

    That is what a kill does as well, which every part is made for. `end` in place of that.
    """
    global _end  # noqa: PLW0603 - a process has one end
    _end = end or (lambda: os._exit(EXIT_CODE))


def heed(error: BaseException | None) -> None:
    """Look whether a driver's error says that the disk failed. Whoever had it sync must ask here.

    Not whoever read: a page that cannot be read loses nothing, and ends nobody but its reader.
    """
    if _end is not None and getattr(error, "sqlite_errorcode", 0) & 0xFF == _FAILED:
        _log.critical("storage.disk_failed error=%s", getattr(error, "sqlite_errorname", ""))
        _end()
