"""A tenant with a store, a bank and a desk; and for copies a house with one of everything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from plugin.ports import Kind
from plugin.ports.records import Tenant
from plugin.storage import tables as t
from plugin.storage.database import open_database
from plugin.storage.make_copy import make_copy as copy_house
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import BANK, DESK, NOW, STORE, a_tenant, an_installation
from tests.storage.copies import MARKS
from tests.storage.test_tenant_isolation import fill
from tests.storage_fixtures import PostgresServer


@pytest.fixture
def shop(storage: SqlStorage, tenant: Tenant) -> SqlStorage:
    """The storage, with the installations of `tenant` in it."""
    with storage.begin(tenant.id) as uow:
        for installation, kind in ((STORE, Kind.STORE), (BANK, Kind.STORE), (DESK, Kind.HELPDESK)):
            uow.installations.add(an_installation(installation, kind=kind))
        uow.commit()
    return storage


# --- copies ---------------------------------------------------------------------------------------


@pytest.fixture
def house(engine: Engine, storage: SqlStorage) -> SqlStorage:
    """One of everything."""
    storage.add_tenant(a_tenant(), NOW)
    storage.add_tenant(a_tenant("tenant-2"), NOW)  # in whose audit trail nothing stands yet
    with storage.begin(a_tenant().id) as uow:
        fill(uow)
        uow.commit()
    with engine.begin() as db:
        db.execute(t.workers.insert().values(executor="worker", beat_us=1))
    return storage


@pytest.fixture
def copied(house: SqlStorage, engine: Engine, tmp_path: Path) -> Path:
    target = tmp_path / "copy.makegood"
    copy_house(engine, target, NOW, MARKS)
    return target


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Where a copy may be loaded."""
    if request.param == "sqlite":
        folder = tmp_path / "new"
        folder.mkdir()
        engine = open_database(f"sqlite:///{folder / 'makegood.sqlite'}")
        yield engine
        engine.dispose()
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = f"mg_restored_{uuid4().hex}"
    engine = open_database(server.create(name))
    yield engine
    engine.dispose()
    server.drop(name)
