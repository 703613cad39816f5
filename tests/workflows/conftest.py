"""A place to work at, on both databases, and engines that are stopped in the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from plugin.ports.records import Tenant
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import STORE, an_installation
from tests.workflows.feeding_bench import Bench
from tests.workflows.place import Place


@pytest.fixture
def place(
    tmp_path: Path, database_url: str, secret_key: str, storage: SqlStorage, tenant: Tenant
) -> Iterator[Place]:
    with storage.begin(tenant.id) as uow:
        uow.installations.add(an_installation(STORE))
        uow.commit()
    one = Place(tmp_path, database_url, secret_key, storage)
    yield one
    one.dismiss()


@pytest.fixture(params=["alone", "beside another"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(frozenset({"one"} if request.param == "alone" else {"one", "two"}))
