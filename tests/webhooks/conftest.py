"""The door for the tests of this folder, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from plugin.ports.records import Tenant
from plugin.storage.unit_of_work import SqlStorage
from tests.emptied_postgres import emptied_postgres, engine
from tests.storage_fixtures import FakeClock
from tests.webhooks.door import Door

__all__ = ["door", "emptied_postgres", "engine"]


@pytest.fixture
def door(storage: SqlStorage, engine: Engine, tenant: Tenant, clock: FakeClock) -> Door:
    return Door(storage, engine, tenant, clock)
