"""Loading a copy into an empty house, on either database: whole, or not at all.

The copy is unpacked beside the house into a file of its own. There it is brought to this schema,
and whatever else must be done before anybody works on it is done; only then does it become the
house: by its name on SQLite, by one transaction on PostgreSQL. Never replaces anything.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final, cast

import psycopg
from sqlalchemy import Connection as Db
from sqlalchemy import Engine, delete, func, inspect, select, text, update

from plugin.domain.errors import NeedsHuman
from plugin.storage import tables as t
from plugin.storage.copy_file import NOTE_TABLE, CopyNote, check_rows, reading_copy, verify_copy
from plugin.storage.database import open_database
from plugin.storage.make_copy import AT_A_TIME, sync_folder
from plugin.storage.schema import LOCK, migrate, migrate_on

_OF_THE_MOMENT: Final = (
    t.sign_ins,
    t.pairings,
    t.pending_installs,
    t.workers,
    t.breakers,
    t.buckets,
)
"""What held when the copy was made and means nothing now; a session or a
pairing that was ended stays ended."""
_BESIDE: Final = ("", "-wal", "-shm", "-head", "-turn", "-journal")
_IN_USE: Final = ("", "-wal", ".in-use")
_ENGINE_SCHEMA: Final = "dbos"
Prepare = Callable[[Engine, CopyNote], None]


def load_copy(
    source: Path, house: Engine, folder: Path, now: datetime, prepare: Prepare
) -> CopyNote:
    """Make the copy in `source` the house at `house`, which must be empty.

    `folder` is where it may be unpacked. `prepare` does, on the unpacked house, what must be done
    before anybody works on it; what it raises stops all. Raises NeedsHuman, which says what to do,
    for a house with anything in it, and for a file that is damaged, foreign or newer.
    """
    refuse_if_in_use(house)
    note = verify_copy(source)
    with reading_copy(source) as file_db:
        check_rows(file_db, note, source)
    is_sqlite = house.dialect.name == "sqlite"
    place = Path(str(house.url.database)) if is_sqlite else folder / "makegood.sqlite"
    with _unpacked(source, place.with_name(f"{place.name}.restoring")) as part:
        unpacked = open_database(f"sqlite:///{part}")
        try:
            _bring_up(unpacked, now)
            prepare(unpacked, note)
        finally:
            unpacked.dispose()  # the last one out writes the log into the file
        if is_sqlite:
            _become(part, place, house)
        else:
            _pour(part, house)
    return note


def refuse_if_in_use(house: Engine) -> None:
    """Raise NeedsHuman unless nothing was ever kept there."""
    if house.dialect.name == "sqlite":
        place = Path(str(house.url.database))
        found = [Path(f"{place}{end}") for end in _IN_USE if Path(f"{place}{end}").exists()]
        found += [p for p in (place.with_name("engine.sqlite"),) if p.exists()]
        if found:
            raise NeedsHuman(
                "not_empty",
                f"{found[0]} is there: a copy is restored into an empty folder only. Stop "
                f"Makegood, move {place.parent} away, make it anew, put the `secret-keys` file of "
                "the copy into it, and restore again",
            )
        return
    with house.connect() as db:
        _refuse_tables(db)


def _refuse_tables(db: Db) -> None:
    found = inspect(db)
    ours = [name for name in found.get_table_names() if name.startswith("mg_")]
    if ours or _ENGINE_SCHEMA in found.get_schema_names():
        raise NeedsHuman(
            "not_empty",
            "the database has tables of Makegood: a copy is restored into an empty one only. Make "
            "a new database, and name it with MAKEGOOD_DATABASE_URL",
        )


@contextmanager
def _unpacked(source: Path, part: Path) -> Iterator[Path]:
    """The copy as a file that may be changed. Nothing of it stays."""
    _remove(part)  # of a restore that was killed
    try:
        part.touch(0o600)
        shutil.copyfile(source, part)
        yield part
    finally:
        _remove(part)


def _remove(part: Path) -> None:
    for end in _BESIDE:
        Path(f"{part}{end}").unlink(missing_ok=True)


def _bring_up(unpacked: Engine, now: datetime) -> None:
    """A house of this version, at rest."""
    migrate(unpacked)
    with unpacked.begin() as db:
        db.execute(text(f"DROP TABLE {NOTE_TABLE}"))
        for table in _OF_THE_MOMENT:
            db.execute(delete(table))
        _leave_practice(db)
        # Accounts are read on from where they were read when the copy was made, at once.
        db.execute(update(t.sweeps).values(wake_at=now, wakes=t.sweeps.c.wakes + 1, failures=0))
        for name in ("user_version", "application_id"):
            db.execute(text(f"PRAGMA {name}=0"))


def _leave_practice(db: Db) -> None:
    """Practice lives in a file that is in no copy: without it, it is only begun anew."""
    practice = select(t.tenants.c.id).where(t.tenants.c.simulated)
    for table in reversed(t.metadata.sorted_tables):
        if "tenant_id" in table.c:
            db.execute(delete(table).where(table.c.tenant_id.in_(practice)))
    db.execute(delete(t.tenants).where(t.tenants.c.simulated))


def _become(part: Path, place: Path, house: Engine) -> None:
    """Take the name of the house, unless something has it by now."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    refuse_if_in_use(house)
    part.rename(place)
    sync_folder(place.parent)


def _pour(part: Path, house: Engine) -> None:
    """All rows of the unpacked file into the empty database, in one transaction."""
    with house.begin() as db, reading_copy(part) as file_db:
        db.execute(select(func.pg_advisory_xact_lock(LOCK)))
        _refuse_tables(db)
        migrate_on(db)
        driver = cast("psycopg.Connection[Any]", db.connection.driver_connection)
        for table in t.metadata.sorted_tables:
            names = ", ".join(column.name for column in table.columns)
            rows = file_db.execute(f"SELECT {names} FROM {table.name}")  # noqa: S608 - our own tables
            with driver.cursor() as cursor:
                try:
                    with cursor.copy(f"COPY {table.name} ({names}) FROM STDIN".encode()) as copy:
                        while some := rows.fetchmany(AT_A_TIME):
                            for row in some:
                                copy.write_row(row)
                except psycopg.DataError as error:
                    raise NeedsHuman(
                        "not_for_postgresql",
                        f"PostgreSQL cannot keep a text that {table.name} holds "
                        f"({type(error).__name__}); nothing was changed",
                    ) from None
