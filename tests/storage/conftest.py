"""A tenant with a store, a bank and a desk, ready for everything that points at them."""

from __future__ import annotations

import pytest

from plugin.ports import Kind
from plugin.ports.records import Tenant
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import BANK, DESK, STORE, an_installation


@pytest.fixture
def shop(storage: SqlStorage, tenant: Tenant) -> SqlStorage:
    """The storage, with the installations of `tenant` in it."""
    with storage.begin(tenant.id) as uow:
        for installation, kind in ((STORE, Kind.STORE), (BANK, Kind.STORE), (DESK, Kind.HELPDESK)):
            uow.installations.add(an_installation(installation, kind=kind))
        uow.commit()
    return storage
