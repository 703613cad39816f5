"""`makegood serve`: web and worker under one supervisor. What dies is started again, later each time.

None outlives its parent: every process watches who its parent is, and ends when that changes, since after a
kill -9 nobody is left to tell it.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

_log = logging.getLogger("makegood.serve")
LOOK_SECONDS = 0.25
GRACE_SECONDS = 28
CALM_SECONDS = 60


def end_with_parent(parent: int | None = None) -> None:
    """End this process, by force, soon after its parent is gone. Returns at once."""
    watched = os.getppid() if parent is None else parent

    def watch() -> None:
        while os.getppid() == watched:
            time.sleep(LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


@dataclass(slots=True)
class Child:
    """One supervised process."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    failures: int = 0
    started: float = 0.0
    not_before: float = field(default=0.0)

    def start(self) -> None:
        self.started = time.monotonic()
        self.process = subprocess.Popen(self.command, start_new_session=True)  # noqa: S603 - our own command line

    def look(self) -> None:
        """Start it when it is not there, unless it died a moment ago."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.not_before:
                self.start()
            return
        if self.process.poll() is None:
            return
        calm = now - self.started > CALM_SECONDS
        self.failures = 1 if calm else self.failures + 1
        self.not_before = now + min(0.25 * 2**self.failures, 30)
        _log.error("serve.child_died name=%s code=%s", self.name, self.process.returncode)
        self.process = None


def supervise(commands: dict[str, Sequence[str]], stop: threading.Event | None = None) -> None:
    """Run `commands` until SIGTERM, SIGINT or `stop`, then end them within their grace."""
    stop = stop or threading.Event()
    if threading.current_thread() is threading.main_thread():
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
    children = [Child(name, command) for name, command in commands.items()]
    try:
        while not stop.is_set():
            for child in children:
                child.look()
            stop.wait(LOOK_SECONDS)
    finally:
        _end(children)


def _end(children: Sequence[Child]) -> None:
    running = [child.process for child in children if child.process is not None]
    for process in running:
        process.terminate()
    deadline = time.monotonic() + GRACE_SECONDS
    for process in running:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def own_command(*words: str) -> list[str]:
    """The command line that runs `makegood <words>` in this very Python."""
    return [sys.executable, "-m", "plugin.cli", *words]


def serve_web(host: str, port: int, workers: int, threads: int) -> None:
    """Run the web server in this process until it is told to end."""
    from granian import Granian
    from granian.constants import Interfaces

    Granian(
        "plugin.serve:web_worker",
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=threads,
        respawn_failed_workers=True,
        log_level="warning",  # type: ignore[arg-type]  # granian takes the name as well
        workers_kill_timeout=GRACE_SECONDS,
    ).serve()


def web_worker() -> Flask:
    """What each web server process serves."""
    from plugin.app import create_app

    end_with_parent()
    return create_app()
