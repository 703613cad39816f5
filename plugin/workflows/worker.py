"""The worker process: one lock, the engine, the feeder, a clean end. Serves no requests."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from types import TracebackType

from plugin.domain.errors import NeedsHuman
from plugin.ports import Clock
from plugin.ports.storage import Storage
from plugin.settings import Settings
from plugin.workflows import feeder
from plugin.workflows.engine import Task, launch

DRAIN_SECONDS = 25
_log = logging.getLogger("makegood.worker")


class OnlyWorker(AbstractContextManager["OnlyWorker"]):
    """The lock in the data folder: on SQLite there is one worker. Let go by the system when it dies."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "worker.lock"

    def __enter__(self) -> OnlyWorker:
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


def run_worker(
    settings: Settings,
    storage: Storage,
    clock: Clock,
    tasks: Mapping[str, Task],
    stop: threading.Event | None = None,
) -> None:
    """Work until SIGTERM, SIGINT or `stop`. Raises NeedsHuman when another worker is at it on SQLite."""
    stop = stop or threading.Event()
    if threading.current_thread() is threading.main_thread():
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
    if settings.is_sqlite:
        with OnlyWorker(settings.data_dir):
            _work(settings.data_dir / "engine.sqlite", "worker", settings, storage, clock, tasks, stop)
    else:
        executor = f"worker-{os.uname().nodename}-{os.getpid()}"
        _work(settings.database_url, executor, settings, storage, clock, tasks, stop)


def _work(
    database: str | Path,
    executor: str,
    settings: Settings,
    storage: Storage,
    clock: Clock,
    tasks: Mapping[str, Task],
    stop: threading.Event,
) -> None:
    engine = launch(database, executor, tasks)
    _log.info("worker.started executor=%s", executor)
    try:
        feeder.run(
            feeder.Feeder(storage, engine, clock),
            timedelta(milliseconds=settings.poll_milliseconds),
            stop,
        )
    finally:
        engine.stop(DRAIN_SECONDS)
        _log.info("worker.stopped executor=%s", executor)
