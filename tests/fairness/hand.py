"""The worker of the town: the real one, whose tasks write down when they begin and end.

Started as `python -m tests.fairness.hand TOWN`. Planted, it takes what is oldest, whose it may be,
and lets one tenant have every place: as it was before.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from unittest import mock

from plugin.app import worker_tasks
from plugin.logs import log_to_stderr
from plugin.ports.records import DueWork
from plugin.serve import end_with_parent
from plugin.storage import due_work
from plugin.workflows import feeder
from plugin.workflows.engine import Task
from plugin.workflows.heart import Heart
from plugin.workflows.worker import executor_name, run_worker
from tests.fairness.town import Town


def noting(task: Task, tell: Callable[[str], None]) -> Task:
    def run(tenant: str, ref: str) -> None:
        tell(f"+ {tenant} {ref}")
        task(tenant, ref)
        tell(f"- {tenant} {ref}")

    return run


def take_the_oldest() -> None:
    """The planted bug."""

    def in_order(found: Sequence[tuple[datetime, DueWork]]) -> list[tuple[datetime, DueWork]]:
        return sorted(found, key=lambda one: one[0])

    mock.patch.object(due_work, "_in_turns", in_order).start()
    mock.patch.object(feeder, "FOR_OTHERS", 0).start()


def main(town_file: str) -> None:
    end_with_parent()
    town = Town.read(town_file)
    parts = town.parts()
    log_to_stderr()
    if town.planted:
        take_the_oldest()
    notes = os.open(town.notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def tell(what: str) -> None:
        os.write(notes, f"{what} {time.monotonic():.6f}\n".encode())

    storage = parts.house.storage
    heart = Heart(storage, executor_name())
    tasks = worker_tasks(parts, lambda: heart.is_beating)
    tasks["delivery"] = noting(tasks["delivery"], tell)
    run_worker(parts.settings, storage, parts.clock, tasks, heart=heart)


if __name__ == "__main__":
    main(*sys.argv[1:])
