"""A prepared database, and copies of it: one for each run of a history."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Engine, make_url

from plugin.domain.starting_policies import starting_policy
from plugin.ports import Kind
from plugin.ports.records import Tenant
from plugin.services.join_charges import TAKER
from plugin.storage.database import open_database
from plugin.storage.keyring import Keyring
from plugin.storage.schema import migrate
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import BANK, DESK, STORE, TENANT, an_installation
from tests.histories.outside import ACCESS
from tests.storage_fixtures import PostgresServer

BEGIN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
KEY = "q0eHk1TnN9yq3cC8Rz8V3wq6c0F9m8mXl1m0b0u3T8E="


@dataclass(frozen=True, slots=True)
class Database:
    """A storage, and the engine below it for looking at rows."""

    storage: SqlStorage
    engine: Engine


class Template:
    """A prepared database, of which each run gets a copy: one after the other, at one address.

    One engine opens them all, so that what it once put into the database's words is kept.
    """

    def __init__(self, folder: Path, server: PostgresServer | None = None) -> None:
        """On PostgreSQL where there is a `server`, else on SQLite in `folder`."""
        self._place = _File(folder) if server is None else _OnServer(server)
        _prepare(self._place.template)
        engine = open_database(self._place.url)
        self._database = Database(SqlStorage(engine, Keyring([KEY])), engine)

    @contextmanager
    def copy(self) -> Iterator[Database]:
        """A database as it was prepared, until the end of the block."""
        self._place.renew()
        try:
            yield self._database
        finally:
            self._database.engine.dispose()

    def close(self) -> None:
        """Leave nothing on the server; a folder is its maker's."""
        self._place.close()


class _File:
    """SQLite: a file, and a copy of it."""

    def __init__(self, folder: Path) -> None:
        self._kept, self._path = folder / "template.sqlite", folder / "run.sqlite"
        self.template, self.url = f"sqlite:///{self._kept}", f"sqlite:///{self._path}"

    def renew(self) -> None:
        for part in self._path.parent.glob(f"{self._path.name}*"):
            part.unlink()
        shutil.copyfile(self._kept, self._path)

    def close(self) -> None:
        pass


class _OnServer:
    """PostgreSQL: a database, and a copy of it."""

    def __init__(self, server: PostgresServer) -> None:
        self._server, name = server, f"mg_histories_{uuid4().hex}"
        self._kept, self._name = f"{name}_kept", name
        self.template = server.create(self._kept)
        self.url = make_url(server.url).set(database=name).render_as_string(hide_password=False)

    def renew(self) -> None:
        self._server.drop(self._name)
        self._server.create(self._name, self._kept)

    def close(self) -> None:
        for name in (self._name, self._kept):
            self._server.drop(name)


def _prepare(url: str) -> None:
    """Make a business with its shop, bank and desk, and leave it to be copied."""
    engine = open_database(url)
    migrate(engine)
    storage = SqlStorage(engine, Keyring([KEY]))
    storage.add_tenant(Tenant(TENANT, "Watercolour Studio", ("owner@shop.example",)), BEGIN)
    with storage.begin(TENANT) as uow:
        for name, kind in ((STORE, Kind.STORE), (BANK, Kind.STORE), (DESK, Kind.HELPDESK)):
            made = an_installation(name, kind=kind)
            # As the admin of the shop told on the install screen: that bank takes its payments.
            settings = {**made.connection.settings, TAKER: made.connection.platform}
            connection = replace(made.connection, settings=settings)
            uow.installations.add(replace(made, connection=connection))
        policy = starting_policy("thirty_days_then_months")
        uow.settings.add_policy(policy.version(BEGIN - timedelta(days=3650), "UTC"))
        uow.settings.save_access_map(STORE, ACCESS, BEGIN)
        uow.commit()
    if engine.dialect.name == "sqlite":
        with engine.connect() as db:
            db.exec_driver_sql("ROLLBACK")  # a checkpoint cannot run in a transaction
            db.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
