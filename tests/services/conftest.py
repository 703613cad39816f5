"""A scene for the tests of this folder, on both databases."""

from __future__ import annotations

import pytest

from plugin.ports.records import Tenant
from plugin.storage.unit_of_work import SqlStorage
from tests.emptied_postgres import emptied_postgres, engine
from tests.services.scene import Scene
from tests.storage_fixtures import FakeClock

__all__ = ["emptied_postgres", "engine", "scene"]


@pytest.fixture
def scene(storage: SqlStorage, tenant: Tenant, clock: FakeClock) -> Scene:
    return Scene(storage, tenant, clock).open()
