"""Every process asks at its start whether the database is of its version, without Alembic."""

from __future__ import annotations

import subprocess
import sys

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from plugin.domain.errors import NeedsHuman
from plugin.ports.records import Tenant
from plugin.storage import schema
from plugin.storage.database import open_database
from plugin.storage.schema_version import REVISION, fits
from plugin.storage.unit_of_work import SqlStorage


def test_the_revision_is_the_newest_migration() -> None:
    scripts = ScriptDirectory.from_config(schema._config())
    assert scripts.get_current_head() == REVISION


def test_an_empty_database_is_not_current_until_it_is_migrated(empty_database_url: str) -> None:
    engine = open_database(empty_database_url)
    assert not fits(engine)
    schema.migrate(engine)
    assert fits(engine)
    schema.migrate(engine, "base")
    assert not fits(engine)
    engine.dispose()


def test_another_version_is_not_current(engine: Engine) -> None:
    with engine.begin() as database:
        database.execute(text("UPDATE mg_schema SET version_num = '9999', oldest_code = '9999'"))
    assert not fits(engine)
    with pytest.raises(NeedsHuman, match="newer_schema"):
        schema.migrate(engine)


def test_asking_loads_no_alembic() -> None:
    script = "import sys, plugin.app; sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_owners_are_replaced_for_one_tenant(storage: SqlStorage, tenant: Tenant) -> None:
    storage.name_owners(tenant.id, ("new@shop.example", "other@shop.example"))
    (found,) = storage.tenants()
    assert found.owners == ("new@shop.example", "other@shop.example")
