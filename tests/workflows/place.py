"""A place to work at: a database with deliveries that are due, and workers that may be killed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from plugin.domain.ids import DeliveryId
from plugin.ports.records import DeliveryState, StoredDelivery
from plugin.settings import Settings, read_settings
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import NOW, TENANT, a_delivery

ROOT = Path(__file__).resolve().parents[2]
ON_SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"])
"""For what is about one worker, or about the engine's SQLite file."""
ON_POSTGRESQL = pytest.mark.parametrize("database_kind", ["postgresql"])
PATIENCE_SECONDS = 90.0
"""Far longer than anything here takes, on a machine that is busy with something else."""


@dataclass
class Place:
    """The folder, the database in use, and who works here."""

    folder: Path
    database: str
    key: str
    storage: SqlStorage
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def engine_file(self) -> Path:
        return self.folder / "engine.sqlite"

    @property
    def settings(self) -> Settings:
        return read_settings(
            {
                "MAKEGOOD_DATA_DIR": str(self.folder),
                "MAKEGOOD_DATABASE_URL": self.database,
                "MAKEGOOD_POLL_MILLISECONDS": "10",
            }
        )

    def receive(self, *refs: str) -> None:
        with self.storage.begin(TENANT) as uow:
            for ref in refs:
                uow.deliveries.add(a_delivery(ref, received_at=NOW, wake_at=NOW))
            uow.commit()

    def delivery(self, ref: str = "d-1") -> StoredDelivery:
        with self.storage.read(TENANT) as uow:
            found = uow.deliveries.get(DeliveryId(ref))
        assert found is not None
        return found

    def is_applied(self, ref: str = "d-1") -> bool:
        return self.delivery(ref).state is DeliveryState.APPLIED

    def apply(self, ref: str) -> None:
        with self.storage.begin(TENANT) as uow:
            uow.deliveries.settle(DeliveryId(ref), DeliveryState.APPLIED)
            uow.commit()

    def hire(
        self, how: str = "work", *, executor: str = "", factor: int = 1
    ) -> subprocess.Popen[bytes]:
        """Start a worker process. Waits for nothing."""
        words = (self.folder, self.database, self.key, executor, how, factor)
        with (self.folder / "errors").open("ab") as errors:
            worker = subprocess.Popen(
                [sys.executable, "-m", "tests.workflows.labourer", *map(str, words)],
                cwd=ROOT,
                stderr=errors,
            )
        self.workers.append(worker)
        return worker

    def dismiss(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()

    def told(self, what: str) -> list[str]:
        """Who told `what`, one entry for each time."""
        file = self.folder / "told"
        lines = file.read_text("utf-8").splitlines() if file.exists() else []
        return [line.rpartition(" ")[2] for line in lines if line.startswith(f"{what} by ")]

    @property
    def log(self) -> str:
        """What all workers wrote to their standard error."""
        return (self.folder / "errors").read_text("utf-8") if self.workers else ""

    def until(self, is_so: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            dead = [worker.returncode for worker in self.workers if worker.poll() not in (None, -9)]
            assert not any(dead), self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)
