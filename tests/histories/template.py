"""A prepared database, and copies of it: one for each run of a history."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from sqlalchemy import Engine

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

BEGIN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
KEY = "q0eHk1TnN9yq3cC8Rz8V3wq6c0F9m8mXl1m0b0u3T8E="


@dataclass(frozen=True, slots=True)
class Database:
    """A storage, and the engine below it for looking at rows."""

    storage: SqlStorage
    engine: Engine


class Template:
    """A prepared database that is copied for each run."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "template.sqlite"
        engine = open_database(f"sqlite:///{self.path}")
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
        with engine.connect() as db:
            db.exec_driver_sql("ROLLBACK")  # a checkpoint cannot run in a transaction
            db.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        engine.dispose()
        self._numbers = count()

    @contextmanager
    def copy(self) -> Iterator[Database]:
        """A database of its own."""
        path = self.path.with_name(f"run-{next(self._numbers)}.sqlite")
        path.write_bytes(self.path.read_bytes())
        engine = open_database(f"sqlite:///{path}")
        try:
            yield Database(SqlStorage(engine, Keyring([KEY])), engine)
        finally:
            engine.dispose()
            for part in path.parent.glob(f"{path.name}*"):
                part.unlink()
