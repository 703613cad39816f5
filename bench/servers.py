"""The servers under measurement: started, waited for, their CPU time counted, ended.

Each is a process of its own with its own folder; its log goes to a file there, as in daily work.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
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


class Server(AbstractContextManager["Server"]):
    """`with Server(command, port, log) as server:` waits until it listens, and ends it after."""

    def __init__(
        self,
        command: Sequence[str],
        port: int,
        log: Path,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.port = port
        self._log = log
        with log.open("ab") as told:
            self._process = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env={**os.environ, **(settings or {})},
                stdout=told,
                stderr=told,
            )

    def __enter__(self) -> Self:
        deadline = monotonic() + _START_SECONDS
        while not self._listens():
            if self._process.poll() is not None or monotonic() > deadline:
                self.__exit__(None, None, None)
                told = self._log.read_text("utf-8", "replace")[-2000:]
                raise RuntimeError(f"the server did not start:\n{told}")
            sleep(0.05)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        below = self._tree() if self._process.poll() is None else []
        self._process.terminate()
        _, alive = psutil.wait_procs(below, timeout=15)
        for process in alive:
            process.kill()
        self._process.wait()

    def cpu_seconds(self) -> float:
        """User and system time of all its processes so far."""
        times = [process.cpu_times() for process in self._tree()]
        return sum(time.user + time.system for time in times)

    def _tree(self) -> list[psutil.Process]:
        root = psutil.Process(self._process.pid)
        return [root, *root.children(recursive=True)]

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True
