"""A worker process for the tests: the real worker and engine, with a task that says how far it is.

Started as `python -m tests.workflows.labourer FOLDER DATABASE KEY EXECUTOR HOW FACTOR`. With an
executor's name it is that executor on the engine's SQLite file, without the only worker's lock.

The task writes down that it began; then it hangs, waits for the file `go` (`slow`: only for what
begins with `s-`), or works: it settles the delivery it is about. `call` first calls the store whose
address stands in the file `store`, as soon as the budget that all share allows it.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import Engine

from plugin.chance import SystemClock
from plugin.domain.errors import RetryLater
from plugin.domain.ids import DeliveryId, TenantId
from plugin.platforms.http_client import AllowedHosts, Call, HttpClient
from plugin.platforms.token_bucket import Rate
from plugin.ports.records import DeliveryState
from plugin.ports.storage import Storage
from plugin.serve import end_with_parent
from plugin.settings import read_settings
from plugin.storage.budgets import SqlBudgets
from plugin.storage.database import open_database
from plugin.storage.keyring import Keyring
from plugin.storage.unit_of_work import SqlStorage
from plugin.workflows import feeder
from plugin.workflows.engine import launch
from plugin.workflows.worker import run_worker
from tests.factories import NOW

POLL = timedelta(milliseconds=20)
LIMIT = Rate(requests=2, per_seconds=1, burst=2)
"""How often the store may be called, by all workers together."""


class HastyClock:
    """It is NOW at the start; then time passes `factor` times as fast as on the wall."""

    def __init__(self, factor: float) -> None:
        self._factor = factor
        self._begun = time.monotonic()

    def now(self) -> datetime:
        return NOW + timedelta(seconds=(time.monotonic() - self._begun) * self._factor)


@dataclass(frozen=True)
class Labour:
    """What is done for a delivery, and the file in which it is told."""

    storage: Storage
    folder: Path
    how: str
    store: HttpClient | None

    def __call__(self, tenant: str, ref: str) -> None:
        self.tell(f"begun {ref}")
        if self.how == "hang":
            threading.Event().wait()
        if self.how == "wait" or (self.how == "slow" and ref.startswith("s-")):
            while not (self.folder / "go").exists():
                threading.Event().wait(0.02)
        if self.store is not None:
            self.call(self.store)
        with self.storage.begin(TenantId(tenant)) as uow:
            uow.deliveries.settle(DeliveryId(ref), DeliveryState.APPLIED)
            uow.commit()
        self.tell(f"done {ref}")

    def call(self, store: HttpClient) -> None:
        """Ask for one call again and again, and make it. Its path says who asked, and when."""
        url = (self.folder / "store").read_text("ascii")
        while True:
            try:
                asked = time.monotonic()
                store.send(Call("GET", f"{url}/{os.getpid()}/{asked}", "count"))
            except RetryLater:
                threading.Event().wait(0.05)
            else:
                return

    def tell(self, what: str) -> None:
        with (self.folder / "told").open("a") as file:
            file.write(f"{what} by {os.getpid()}\n")


def client(place: Path, engine: Engine) -> HttpClient:
    host = urlsplit((place / "store").read_text("ascii")).netloc
    return HttpClient(
        allowed=AllowedHosts(frozenset({host})),
        clock=SystemClock(),
        budget=SqlBudgets(engine).budget_for("one-account", LIMIT),
        allow_private=frozenset({host}),
    )


def main(folder: str, database: str, key: str, executor: str, how: str, factor: str) -> None:
    end_with_parent()
    logging.basicConfig(level=logging.INFO)
    engine = open_database(database)
    storage = SqlStorage(engine, Keyring([key]))
    clock = HastyClock(float(factor))
    place = Path(folder)
    store = client(place, engine) if how == "call" else None
    tasks = {"delivery": Labour(storage, place, how, store)}
    if executor:
        launched = launch(place / "engine.sqlite", executor, tasks)
        feeder.run(feeder.Feeder(storage, launched, clock), POLL, threading.Event())
    settings = read_settings(
        {
            "MAKEGOOD_DATA_DIR": folder,
            "MAKEGOOD_DATABASE_URL": database,
            "MAKEGOOD_POLL_MILLISECONDS": "20",
        }
    )
    run_worker(settings, storage, clock, tasks)


if __name__ == "__main__":
    main(*sys.argv[1:])
