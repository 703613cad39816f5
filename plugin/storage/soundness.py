"""Whether the database file is sound: SQLite finds nothing damaged, and it is not an emptied one.

Never mends anything and never writes into the database. PostgreSQL looks after its own files, as
long as nobody told it not to.
"""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import Engine, inspect, select
from sqlalchemy.exc import DatabaseError, DBAPIError

from plugin.domain.errors import NeedsHuman
from plugin.storage.database import connect_to_read
from plugin.storage.tables import tenants

LOOKED_THROUGH = 256 * 1024 * 1024
"""Bytes of a database that every start looks through, at about a second per GB; `makegood check`
looks through larger ones too."""


_KEEPS = ("fsync", "full_page_writes")
MAY_LOSE_DATA = "makegood.may_lose_data"
"""A setting of a PostgreSQL server, database or role that is for trials: `yes` there."""


def refuse_unsound(engine: Engine, most_bytes: int | None = LOOKED_THROUGH) -> None:
    """Raise NeedsHuman when the file is damaged, no database, or empty though it was in use.

    One larger than `most_bytes` is opened and not looked through. Also for a PostgreSQL that loses
    data in a power cut, unless it says itself that it may.
    """
    if engine.dialect.name != "sqlite":
        _refuse_forgetful(engine)
        return
    try:
        is_whole = _is_whole(engine, most_bytes)
        is_lost = is_whole and _mark_of(engine).exists() and not _has_tenants(engine)
    except DatabaseError as error:
        if not is_damage(error):
            raise
        is_whole, is_lost = False, False
    if not is_whole:
        raise NeedsHuman(
            "damaged_database",
            f"{engine.url.database} is damaged, or no database. Nothing was changed: keep this "
            "file, and put a copy that you kept in its place",
        )
    if is_lost:
        # It must not pass for a first start: what was refunded would be forgotten.
        raise NeedsHuman(
            "lost_database",
            f"{engine.url.database} was in use, and is empty now. Put a copy that you kept in its "
            f"place. To begin anew and forget all that was, remove {_mark_of(engine)} first",
        )


def _refuse_forgetful(engine: Engine) -> None:
    """As https://www.postgresql.org/docs/current/runtime-config-wal.html says what they lose."""
    asked = ", ".join(f"current_setting('{name}', true)" for name in (*_KEEPS, MAY_LOSE_DATA))
    with connect_to_read(engine, alone=True) as db:
        *kept, may_lose = db.exec_driver_sql(f"SELECT {asked}").one()
    off = [name for name, value in zip(_KEEPS, kept, strict=True) if value != "on"]
    if off and may_lose != "yes":
        raise NeedsHuman(
            "unsafe_database",
            f"PostgreSQL runs with {' and '.join(off)} off: a power cut would lose data. Switch it "
            f"on; or, for a database that is for trials only: ALTER DATABASE name SET "
            f"{MAY_LOSE_DATA} = 'yes'",
        )


def mark_in_use(engine: Engine) -> None:
    """From now on a database with nobody in it is one that was lost, not one to be made.

    The mark is synced with its folder. The database itself was before, so the mark never lies.
    """
    if engine.dialect.name != "sqlite" or (mark := _mark_of(engine)).exists():
        return
    for path, flags in ((mark, os.O_CREAT | os.O_WRONLY), (mark.parent, os.O_RDONLY)):
        handle = os.open(path, flags, 0o600)
        os.fsync(handle)
        os.close(handle)


def is_damage(error: DBAPIError) -> bool:
    """Whether SQLite says that the file is damaged, or no database at all.

    It does so with the plain kind; a busy, full or read-only disk has kinds of its own.
    """
    return type(error.orig).__name__ == "DatabaseError"


def _mark_of(engine: Engine) -> Path:
    return Path(f"{engine.url.database}.in-use")


def _is_whole(engine: Engine, most_bytes: int | None) -> bool:
    with connect_to_read(engine) as db:
        pages, size = (
            int(db.exec_driver_sql(f"PRAGMA {name}").scalar_one())
            for name in ("page_count", "page_size")
        )
        if most_bytes is not None and pages * size > most_bytes:
            return True
        return bool(db.exec_driver_sql("PRAGMA quick_check(1)").scalar_one() == "ok")


def _has_tenants(engine: Engine) -> bool:
    """Whether the database is one of ours, of whatever version, with anybody in it."""
    with connect_to_read(engine) as db:
        if not inspect(db).has_table(tenants.name):
            return False
        return db.execute(select(tenants.c.id).limit(1)).first() is not None
