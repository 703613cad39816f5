"""Whether the database can be worked with right now: it answers, fits, is safe, and opens.

Reads only, and a few rows at most.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from plugin.domain.errors import NeedsHuman
from plugin.ports.records import InstallationStatus
from plugin.storage import tables as t
from plugin.storage.database import IN_FORCE, connect_to_read
from plugin.storage.installation_rows import installation_from
from plugin.storage.keyring import Keyring
from plugin.storage.schema_version import fits


class Missing(StrEnum):
    """The part that is missing, in the one word that `/readyz` says."""

    DATABASE = "database"  # it does not answer
    SCHEMA = "schema"  # it is of another version
    SETTINGS = "settings"  # SQLite runs without what keeps data in a power cut
    KEYS = "keys"  # they do not open what is stored


def what_is_missing(engine: Engine, keyring: Keyring) -> Missing | None:
    """The first part that is missing, or None. Never raises for what the database does."""
    try:
        if not fits(engine):
            return Missing.SCHEMA
        with connect_to_read(engine) as db:
            if engine.dialect.name == "sqlite":
                for name, safe in IN_FORCE.items():
                    if db.exec_driver_sql(f"PRAGMA {name}").scalar_one() not in safe:
                        return Missing.SETTINGS
            stands = t.installations.c.status != InstallationStatus.REMOVED
            row = db.execute(select(t.installations).where(stands).limit(1)).first()
    except SQLAlchemyError:
        return Missing.DATABASE
    except NeedsHuman:
        return Missing.SETTINGS
    try:
        if row is not None:
            installation_from(row, keyring)
    except NeedsHuman:
        return Missing.KEYS
    return None
