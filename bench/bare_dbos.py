"""The least that a durable rule run can be: three steps on DBOS, each one call.

What Makegood's rule runs are measured against: no tables but the engine's, no ledger, no intent
row, no look before a call, one kept-alive connection per thread. Started as
`python -m bench.bare_dbos FOLDER STORE_PORT`; an order per line on standard input is `run N`,
which starts N runs and answers the seconds until the last is over.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import requests
from dbos import DBOS, DBOSConfig, SetWorkflowID
from sqlalchemy import create_engine, event

from plugin.storage.database import choose_sqlite

AT_ONCE = 16
_local = threading.local()
_url = ""


@DBOS.step()
def _effect(key: str) -> None:
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
    _local.session.post(_url, headers={"Idempotency-Key": key}).raise_for_status()


@DBOS.workflow()
def _run(name: str) -> None:
    for place in range(3):
        _effect(f"{name}/{place}")


def _launch(folder: Path) -> None:
    engine = create_engine(
        f"sqlite:///{folder / 'bare.sqlite'}",
        module=choose_sqlite(),
        connect_args={"timeout": 10},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: object, record: object) -> None:
        del record
        for pragma in ("busy_timeout=10000", "journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined]  # the driver's own

    config = DBOSConfig(
        name="bare",
        executor_id="bare",
        application_version="1",
        log_level="WARNING",
        enable_otlp=False,
        system_database_engine=engine,
        system_database_url=f"sqlite:///{folder / 'bare.sqlite'}",
    )
    DBOS(config=config)
    DBOS.launch()


def _runs(batch: int, number: int) -> float:
    begun = time.monotonic()
    turns = threading.Semaphore(AT_ONCE)
    waiting: list[threading.Thread] = []

    def wait(handle: object) -> None:
        handle.get_result(polling_interval_sec=0.05)  # type: ignore[attr-defined]  # DBOS's handle
        turns.release()

    for place in range(number):
        turns.acquire()
        with SetWorkflowID(f"{batch}-{place}"):
            handle = DBOS.start_workflow(_run, f"{batch}-{place}")
        waiting.append(threading.Thread(target=wait, args=(handle,)))
        waiting[-1].start()
    for thread in waiting:
        thread.join()
    return time.monotonic() - begun


def main(folder: str, port: str) -> None:
    """Do what is asked until the input ends."""
    global _url  # noqa: PLW0603 - steps are functions of a module
    _url = f"http://127.0.0.1:{port}/effect"
    _launch(Path(folder))
    print("ready", flush=True)
    for batch, line in enumerate(sys.stdin):
        print(_runs(batch, int(line.removeprefix("run "))), flush=True)
    DBOS.destroy()


if __name__ == "__main__":
    main(*sys.argv[1:])
