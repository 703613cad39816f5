"""The processes under measurement: started, waited for, their CPU time counted, ended.

Each has its own folder; its log goes to a file there, as in daily work.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Final, Self

import psutil

ROOT: Final = Path(__file__).resolve().parents[1]
_START_SECONDS: Final = 60


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Running:
    """`with Running(command, log, is_ready):` waits until it is ready, and ends it after.

    `python` is another interpreter, for peers with libraries of their own.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        is_ready: Callable[[], bool],
        settings: Mapping[str, str] | None = None,
        python: str = sys.executable,
    ) -> None:
        self.log = log
        self._is_ready = is_ready
        with log.open("ab") as told:
            self._process = subprocess.Popen(
                [python, *command],
                cwd=ROOT,
                env={**os.environ, **(settings or {})},
                stdout=told,
                stderr=told,
            )

    def __enter__(self) -> Self:
        deadline = monotonic() + _START_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or monotonic() > deadline:
                self.__exit__(None, None, None)
                told = self.log.read_text("utf-8", "replace")[-2000:]
                raise RuntimeError(f"the process did not start:\n{told}")
            sleep(0.02)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        below = self.tree() if self._process.poll() is None else []
        self._process.terminate()
        _, alive = psutil.wait_procs(below, timeout=15)
        for process in alive:
            process.kill()
        self._process.wait()

    def rest(self, *, on: bool) -> None:
        """Stop its root process where it stands, or have it go on: it takes no CPU meanwhile."""
        self._process.send_signal(signal.SIGSTOP if on else signal.SIGCONT)

    def cpu_seconds(self) -> float:
        """User and system time of all its processes so far."""
        times = [process.cpu_times() for process in self.tree()]
        return sum(time.user + time.system for time in times)

    def tree(self) -> list[psutil.Process]:
        """Its processes, the first one first."""
        root = psutil.Process(self._process.pid)
        return [root, *root.children(recursive=True)]


class Server(Running):
    """A process that is ready as soon as it listens on `port`."""

    def __init__(
        self,
        command: Sequence[str],
        port: int,
        log: Path,
        settings: Mapping[str, str] | None = None,
        python: str = sys.executable,
    ) -> None:
        self.port = port
        super().__init__(command, log, lambda: listens(port), settings, python)


def listens(port: int) -> bool:
    """Whether somebody takes connections on that port of loopback."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def says(log: Path, word: str) -> bool:
    """Whether `word` stands in the log by now."""
    return log.exists() and word in log.read_text("utf-8", "replace")
