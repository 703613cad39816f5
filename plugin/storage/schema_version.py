"""Which schema a database has. Knows no Alembic: every process asks this when it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection as Db
from sqlalchemy import Engine, inspect, text

from plugin.storage.database import connect_to_read
from plugin.storage.tables import SCHEMA_VERSION

VERSION_TABLE: Final = "mg_schema"
REVISION: Final = f"{SCHEMA_VERSION:04}"
"""The newest of the migrations, which is the schema of `plugin.storage.tables`."""
_NOTHING_OLDER: Final = "9999"


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """The schema that a database has. `oldest_code`: code from that schema on may run on it."""

    revision: str
    oldest_code: str


def read_schema_version(db: Db) -> SchemaVersion | None:
    """None where the database has no schema of ours, or an interrupted one."""
    found = inspect(db)
    if not found.has_table(VERSION_TABLE):
        return None
    # Schemas before 0003 do not say it: only their own code runs on them.
    says = any(column["name"] == "oldest_code" for column in found.get_columns(VERSION_TABLE))
    columns = "version_num, oldest_code" if says else "version_num, NULL"
    rows = db.execute(text(f"SELECT {columns} FROM {VERSION_TABLE}")).all()  # noqa: S608 - constants
    if len(rows) != 1:
        return None
    return SchemaVersion(rows[0][0], rows[0][1] or _NOTHING_OLDER)


def fits(engine: Engine) -> bool:
    """Whether this program can work on the database: it has this schema, or a newer that says so.

    So the version before starts beside the next one as long as a migration only adds.
    """
    with connect_to_read(engine) as db:
        found = read_schema_version(db)
    if found is None:
        return False
    return found.revision == REVISION or found.oldest_code <= REVISION < found.revision
