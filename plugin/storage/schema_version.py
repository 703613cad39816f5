"""Which schema a database has. Knows no Alembic: every process asks this when it starts."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Engine, inspect, text

from plugin.storage.database import connect_to_read
from plugin.storage.tables import SCHEMA_VERSION

VERSION_TABLE: Final = "mg_schema"
REVISION: Final = f"{SCHEMA_VERSION:04}"
"""The newest of the migrations, which is the schema of `plugin.storage.tables`."""


def is_current(engine: Engine) -> bool:
    """Whether the database has exactly the schema that this program knows."""
    with connect_to_read(engine) as connection:
        if not inspect(connection).has_table(VERSION_TABLE):
            return False
        found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608 - a constant
        return found.scalars().all() == [REVISION]
