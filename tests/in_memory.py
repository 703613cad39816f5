"""Where temporary files of a test run lie: in memory, where the machine has room for them there.

Databases sync at each commit, in tests as in real life, and a disk makes each of thousands of tests
wait for that. No test cuts the power to real hardware: what a cut leaves is reckoned from what was
written and synced (tests/powercut). A TMPDIR that is given stays.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

import pytest

MEMORY: Final = Path("/dev/shm")  # noqa: S108 - what is made in it is made as below any TMPDIR
ROOM: Final = 4 << 30
"""Far beyond what a whole run has at one time; a container's own is often of 64 MB."""


def is_roomy(folder: Path, room: int = ROOM) -> bool:
    """Whether a run fits in there. Scripts are started from there, too."""
    if not os.access(folder, os.W_OK | os.X_OK):
        return False
    told = os.statvfs(folder)
    return told.f_bavail * told.f_frsize >= room and not told.f_flag & os.ST_NOEXEC


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    # For this process and for those that it starts; workers of xdist find it given.
    if "TMPDIR" not in os.environ and is_roomy(MEMORY):
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)
