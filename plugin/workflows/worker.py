"""The worker process: its heart, the engine, the feeder, a clean end. Serves no requests."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from secrets import token_hex

from plugin.ports import Clock
from plugin.ports.storage import Storage
from plugin.settings import Settings
from plugin.told_to_end import set_when_told
from plugin.workflows import feeder
from plugin.workflows.engine import Engine, Task, launch
from plugin.workflows.forgetting import Forgetting
from plugin.workflows.heart import Heart
from plugin.workflows.looking_back import LookingBack
from plugin.workflows.only_worker import OnlyWorker
from plugin.workflows.takeover import Takeover

DRAIN_SECONDS = 25
TURN_SECONDS = 0.0005
"""How long one of the threads may compute while others wait for their turn. Each works for a moment
between two waits for the database; with Python's own 5 ms whoever comes back waits behind all."""
_log = logging.getLogger("makegood.worker")


def executor_name() -> str:
    """A name that no worker had before, on any machine: where it runs, and a number by chance.

    In containers every worker is process 1, and two may be given one host name.
    """
    return f"worker-{os.uname().nodename[:64]}-{os.getpid()}-{token_hex(4)}"


def run_worker(
    settings: Settings,
    storage: Storage,
    clock: Clock,
    tasks: Mapping[str, Task],
    stop: threading.Event | None = None,
    heart: Heart | None = None,
    looking_back: LookingBack | None = None,
) -> None:
    """Work until SIGTERM, SIGINT or `stop`.

    `heart` where the tasks ask it whether they may call; `looking_back` to notice an older copy in
    the database's place. Raises NeedsHuman when another worker is at it on SQLite.
    """
    stop = stop or threading.Event()
    if threading.current_thread() is threading.main_thread():
        set_when_told(stop, signal.SIGTERM, signal.SIGINT)
    sys.setswitchinterval(TURN_SECONDS)
    heart = heart or Heart(storage, executor_name())
    work = _Work(settings, storage, clock, tasks, stop, heart, looking_back)
    # Stores that were connected by a version that did not sweep them.
    storage.begin_sweeps(clock.now())
    if settings.is_sqlite:
        with OnlyWorker(settings.data_dir):
            # Before the engine goes on: nobody else is at work, so nobody is calling.
            storage.wake_interrupted(clock.now())
            work.run(settings.data_dir / "engine.sqlite", is_alone=True)
    else:
        work.run(settings.database_url, is_alone=False)


@dataclass(frozen=True, slots=True)
class _Work:
    """All that a worker works with."""

    settings: Settings
    storage: Storage
    clock: Clock
    tasks: Mapping[str, Task]
    stop: threading.Event
    heart: Heart
    looking_back: LookingBack | None

    def run(self, database: str | Path, *, is_alone: bool) -> None:
        """Feed the engine until told to stop; then let what runs come to its end."""
        has_ended = False
        try:
            with self.heart:
                if self.looking_back is not None:
                    self.looking_back.look()  # before anything can be sent
                engine = launch(database, self.heart.executor, self.tasks)
                _log.info("worker.started executor=%s", self.heart.executor)
                try:
                    self._feed(engine, is_alone=is_alone)
                finally:
                    _log.info("worker.stopping executor=%s", self.heart.executor)
                    has_ended = engine.stop(DRAIN_SECONDS)
        finally:
            # After the last beat: one that came later would leave a worker that looks dead.
            if has_ended:
                self._say_goodbye()
            _log.info("worker.stopped executor=%s", self.heart.executor)

    def _feed(self, engine: Engine, *, is_alone: bool) -> None:
        takeover = Takeover(self.storage, engine, self.heart, self.clock)
        forgetting = Forgetting(engine, self.clock)

        def beside() -> None:
            forgetting.by_and_by()
            if self.looking_back is not None:
                self.looking_back.by_and_by()
            if not is_alone:  # who is alone looks after nobody
                takeover.look_by_and_by()

        if is_alone:
            takeover.take_all()
        feeder.run(
            feeder.Feeder(self.storage, engine, self.clock, lambda: takeover.living),
            timedelta(milliseconds=self.settings.poll_milliseconds),
            self.stop,
            beside,
        )

    def _say_goodbye(self) -> None:
        """Nothing is left that somebody would have to take over."""
        try:
            self.storage.forget_worker(self.heart.executor)
        except Exception as error:  # noqa: BLE001 - who is not forgotten is taken for dead, no more
            _log.error(
                "heart.failed executor=%s error=%s", self.heart.executor, type(error).__name__
            )
