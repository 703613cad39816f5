"""Bringing the database to this version's schema, and back. Never guesses: unknown versions stop.

Tables of the workflow engine are its own and are never touched.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Engine, func, select

from plugin.domain.errors import NeedsHuman
from plugin.storage.schema_version import VERSION_TABLE

_LOCK = 0x6D67  # any number, the same in every process
_HERE = Path(__file__).parent / "migrations"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.set_main_option("version_locations", str(_HERE / "versions"))
    config.set_main_option("path_separator", "os")
    return config


def migrate(engine: Engine, to: str = "head") -> None:
    """Upgrade or downgrade to revision `to`. One transaction: it happens whole or not at all.

    Two processes that start together take turns. Raises NeedsHuman when the database is of a
    version that this program does not know, or `to` is.
    """
    config = _config()
    known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":  # on SQLite the transaction itself is the lock
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        config.attributes["connection"] = connection
        current = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE}
        ).get_current_revision()
        if current is not None and current not in known:
            raise NeedsHuman("newer_schema", f"the database is at {current}; run the newer version")
        newest_first = [*known, "base"]
        is_back = to in newest_first and newest_first.index(to) > newest_first.index(
            current or "base"
        )
        try:
            (command.downgrade if is_back else command.upgrade)(config, to)
        except CommandError as error:
            raise NeedsHuman("migration_failed", str(error)) from error
