"""Children that die on cue: at a point by name, in a system call, or when their time is up."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from plugin.serve import end_with_parent

LOOK_SECONDS: Final = 0.005
ATTACH_SECONDS: Final = 10.0


def find_strace() -> str | None:
    """Where strace is; None where it is not, or may not trace here."""
    path = shutil.which("strace")
    if path is None:
        return None
    tried = subprocess.run(
        [path, "-o", os.devnull, sys.executable, "-c", ""], capture_output=True, check=False
    )
    return path if tried.returncode == 0 else None


def fork(live: Callable[[], None], *, waits: bool = False) -> int:
    """A child that runs `live` and ends; its id. `waits`: it stands still until it is told to go.

    Only from a process with one thread: a child has no other.
    """
    assert threading.active_count() == 1, "a forked child would lose these threads"
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        end_with_parent()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)  # the parent's answers go through its standard output
        if waits:
            os.kill(os.getpid(), signal.SIGSTOP)
        live()
        code = 0
    except BaseException:  # noqa: BLE001 - the child must never come back into its parent's code
        traceback.print_exc(file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(code)


def await_end(child: int, bound_seconds: float) -> bool:
    """Whether it was killed within the bound, by itself or by its tracer. If not, it is killed.

    Raises RuntimeError where it came to an end of its own: that is no kill, and must be seen.
    """
    deadline = time.monotonic() + bound_seconds
    while time.monotonic() < deadline:
        gone, status = os.waitpid(child, os.WNOHANG)
        if gone:
            _must_be_killed(status)
            return True
        time.sleep(LOOK_SECONDS)
    kill(child)
    return False


def kill(child: int) -> None:
    """SIGKILL, and wait until it is gone. Raises RuntimeError where it had ended before."""
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    with suppress(ChildProcessError):
        _must_be_killed(os.waitpid(child, 0)[1])


def _must_be_killed(status: int) -> None:
    code = os.waitstatus_to_exitcode(status)
    if code != -signal.SIGKILL:
        raise RuntimeError(f"a process that was to be killed ended with {code}")


def end(child: int) -> int:
    """Ask it to end; its exit code."""
    os.kill(child, signal.SIGTERM)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def lay_trap_in_calls(strace: str, child: int, calls: str, when: int) -> subprocess.Popen[bytes]:
    """Have a child that waits be killed in a system call, and let it go.

    `calls` as strace names them, with commas; the `when`-th of any of them in any thread is the
    last. Returns the tracer, which ends with the child.
    """
    inject = f"inject={calls}:signal=KILL:when={when}"
    words = ["-f", "-qq", "-e", f"trace={calls}", "-e", inject, "-o", os.devnull]
    tracer = subprocess.Popen(
        [strace, *words, "-p", str(child)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + ATTACH_SECONDS
    while not _is_traced(child):
        if time.monotonic() > deadline or tracer.poll() is not None:
            tracer.kill()
            tracer.wait()
            raise RuntimeError("strace could not attach: may this process trace others?")
        time.sleep(LOOK_SECONDS)
    os.kill(child, signal.SIGCONT)
    return tracer


def _is_traced(child: int) -> bool:
    status = Path(f"/proc/{child}/status").read_text("utf-8")
    return "TracerPid:\t0\n" not in status
