"""The worker process: one lock, the engine, the feeder, a clean end. Serves no requests."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from plugin.ports import Clock
from plugin.ports.storage import Storage
from plugin.settings import Settings
from plugin.workflows import feeder
from plugin.workflows.engine import Task, launch
from plugin.workflows.only_worker import OnlyWorker

DRAIN_SECONDS = 25
_log = logging.getLogger("makegood.worker")


def run_worker(
    settings: Settings,
    storage: Storage,
    clock: Clock,
    tasks: Mapping[str, Task],
    stop: threading.Event | None = None,
) -> None:
    """Work until SIGTERM, SIGINT or `stop`.

    Raises NeedsHuman when another worker is at it on SQLite.
    """
    stop = stop or threading.Event()
    if threading.current_thread() is threading.main_thread():
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
    work = _Work(settings, storage, clock, tasks, stop)
    if settings.is_sqlite:
        with OnlyWorker(settings.data_dir):
            # Before the engine goes on: nobody else is at work, so nobody is calling.
            storage.wake_interrupted(clock.now())
            work.run(settings.data_dir / "engine.sqlite", "worker")
    else:
        work.run(settings.database_url, f"worker-{os.uname().nodename}-{os.getpid()}")


@dataclass(frozen=True, slots=True)
class _Work:
    """All that a worker works with."""

    settings: Settings
    storage: Storage
    clock: Clock
    tasks: Mapping[str, Task]
    stop: threading.Event

    def run(self, database: str | Path, executor: str) -> None:
        """Feed the engine until told to stop; then let what runs come to its end."""
        engine = launch(database, executor, self.tasks)
        _log.info("worker.started executor=%s", executor)
        try:
            feeder.run(
                feeder.Feeder(self.storage, engine, self.clock),
                timedelta(milliseconds=self.settings.poll_milliseconds),
                self.stop,
            )
        finally:
            engine.stop(DRAIN_SECONDS)
            _log.info("worker.stopped executor=%s", executor)
