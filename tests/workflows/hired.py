"""A real worker in a shared house: `python -m tests.workflows.hired HOUSE`. Killed as tests please.

All that the product's worker does, on the house's clock; it ends with the process that started it.
"""

from __future__ import annotations

import sys

from plugin.app import worker_tasks
from plugin.serve import end_with_parent
from plugin.workflows.heart import Heart
from plugin.workflows.worker import executor_name, run_worker
from tests.shared_house import SharedHouse


def main(house_file: str) -> None:
    end_with_parent()
    parts = SharedHouse.read(house_file).parts()
    storage = parts.house.storage
    heart = Heart(storage, executor_name())
    tasks = worker_tasks(parts, lambda: heart.is_beating)
    run_worker(parts.settings, storage, parts.clock, tasks, heart=heart)
    parts.house.engine.dispose()


if __name__ == "__main__":
    main(*sys.argv[1:])
