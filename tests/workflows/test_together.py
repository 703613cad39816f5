"""Several machines on one PostgreSQL: whole servers beside each other, and one limit for all."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from cryptography.fernet import Fernet

from plugin.storage.database import open_database
from plugin.storage.keyring import Keyring
from plugin.storage.unit_of_work import SqlStorage
from plugin.workflows.feeder import AT_ONCE
from plugin.workflows.heart import DEAD_AFTER
from tests.served import Served, wait_for
from tests.workflows.labourer import LIMIT
from tests.workflows.place import ON_POSTGRESQL, Place

CALLS = AT_ONCE
"""More than one worker gives one tenant places for: so both are at it."""


@ON_POSTGRESQL
@pytest.mark.timeout(300)
def test_whole_servers_start_together_and_share_one_database(
    empty_database_url: str, tmp_path: Path
) -> None:
    """On an empty one, at the same moment: tables, the first tenant and the engine's own."""
    key = Fernet.generate_key().decode()
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    one, two = (
        Served(
            folder,
            MAKEGOOD_DATABASE_URL=empty_database_url,
            MAKEGOOD_SECRET_KEYS=key,
            MAKEGOOD_WEB_WORKERS="1",
        )
        for folder in folders
    )
    two.launch()
    with one, two_announced(two):
        engine = open_database(empty_database_url)
        storage = SqlStorage(engine, Keyring([key]))
        wait_for(lambda: len(storage.living_workers(DEAD_AFTER)) == 2)
        assert len(storage.tenants()) == 1
        for served in (one, two):
            with urlopen(f"http://127.0.0.1:{served.port}/healthz", timeout=30) as answer:
                assert answer.status == 200
        # The link that one of them printed is used at the other: any of them answers for all.
        assert "admin" in one.announced
        path = urlsplit(one.announced["admin"])
        elsewhere = f"http://127.0.0.1:{two.port}{path.path}?{path.query}"
        with urlopen(elsewhere, timeout=30) as answer:
            assert answer.status == 200
        engine.dispose()


class two_announced:  # noqa: N801 - used as a function
    """Until the second one, started before, has announced itself; and its end."""

    def __init__(self, served: Served) -> None:
        self._served = served

    def __enter__(self) -> None:
        wait_for(lambda: "\n" in self._served.out or self._served.process.poll() is not None)
        assert self._served.process.poll() is None, self._served.log

    def __exit__(self, *error: object) -> None:
        self._served.__exit__(None, None, None)


class Counting(ThreadingHTTPServer):
    """A store that counts who calls it, and when."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, str]] = []
        super().__init__(("127.0.0.1", 0), Answer)


class Answer(BaseHTTPRequestHandler):
    """An answer to everything."""

    def do_GET(self) -> None:
        assert isinstance(self.server, Counting)
        self.server.calls.append((time.monotonic(), self.path))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Say nothing."""


@pytest.fixture
def store() -> Iterator[Counting]:
    server = Counting()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@ON_POSTGRESQL
def test_two_workers_keep_one_limit_between_them(place: Place, store: Counting) -> None:
    """What both were granted since they began is what flowed in since, and the burst."""
    (place.folder / "store").write_text(f"http://127.0.0.1:{store.server_port}", "ascii")
    workers = [place.hire("call") for _ in range(2)]
    place.until(lambda: len(place.storage.living_workers(DEAD_AFTER)) == len(workers))
    refs: list[str] = []

    def both_have_called() -> bool:
        # One may live for a while before it begins to work: then there is more for it to do.
        if all(place.is_applied(ref) for ref in refs):
            more = [f"d-{len(refs) + number}" for number in range(CALLS)]
            place.receive(*more)
            refs.extend(more)
        pids = {path.split("/")[1] for _, path in store.calls}
        return pids == {str(worker.pid) for worker in workers}

    place.until(both_have_called)
    place.until(lambda: all(place.is_applied(ref) for ref in refs))

    asked = [path.split("/")[1:] for _, path in store.calls]
    assert len(store.calls) == len(refs)
    # The first was granted after it was asked for, and each before it arrived.
    begun = min(float(at) for _, at in asked)
    for count, (arrived, _) in enumerate(sorted(store.calls), 1):
        flowed = (arrived - begun) * LIMIT.requests / LIMIT.per_seconds
        assert count <= LIMIT.burst + flowed + 1e-6
