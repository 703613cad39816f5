"""Being told to end is heard at any moment, and as often as it is said."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import os, signal, threading
from plugin.told_to_end import set_when_told

stop = threading.Event()
set_when_told(stop, signal.SIGTERM, signal.SIGINT)
{told}
print("heard" if stop.wait(60) else "not heard")
"""
MOMENTS = {
    "while nothing happens": "os.kill(os.getpid(), signal.SIGINT)",
    "while the event's lock is held": "with stop._cond: os.kill(os.getpid(), signal.SIGTERM)",
    "many times": "for _ in range(500): os.kill(os.getpid(), signal.SIGTERM)",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_who_is_told_to_end_hears_it(moment: str) -> None:
    script = SCRIPT.format(told=MOMENTS[moment])
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("heard", 0), done.stderr
