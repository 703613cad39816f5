"""Copying a house into a file while everything runs: one moment of it, on either database.

The file gets its name when it is whole, checked and on the disk, and never takes another one's
place. What is read costs the same memory however much there is. Writes nothing into the house.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection as Db
from sqlalchemy import Engine, String, Table, func, select, text, type_coerce
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from plugin.domain.errors import NeedsHuman
from plugin.storage import tables as t
from plugin.storage.copy_file import (
    NOTE_TABLE,
    OURS,
    CopyNote,
    audit_ends,
    check_rows,
    count_rows,
    reading_copy,
    seal,
)
from plugin.storage.database import choose_sqlite, connect_to_read
from plugin.storage.schema import LOCK
from plugin.storage.schema_version import REVISION, VERSION_TABLE, read_schema_version

AT_A_TIME: Final = 2000
"""Rows that are held in memory."""


def make_copy(
    engine: Engine, target: Path, made_at: datetime, key_marks: tuple[str, ...]
) -> CopyNote:
    """Copy all of our tables into the new file `target`. `made_at`: now.

    Raises NeedsHuman when the file exists, or the database has another schema than this program;
    OSError where the file cannot be written. Then nothing is left of it.
    """
    if target.exists():
        raise _exists(target)
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with closing(choose_sqlite().connect(part, isolation_level=None)) as copy:
            copy.execute("PRAGMA synchronous=OFF")  # the whole file is synced once, at its end
            fill = _fill_from_sqlite if engine.dialect.name == "sqlite" else _fill_from_postgresql
            rows, audit = fill(engine, copy)
            note = CopyNote(made_at, REVISION, engine.dialect.name, rows, audit, key_marks)
            copy.execute("PRAGMA journal_mode=DELETE")
            copy.execute(f"CREATE TABLE {NOTE_TABLE} (document TEXT NOT NULL)")
            copy.execute(f"INSERT INTO {NOTE_TABLE} VALUES (?)", (note.as_text(),))  # noqa: S608 - a constant
            copy.execute(f"PRAGMA application_id={int.from_bytes(OURS, 'big')}")
        seal(part)
        with reading_copy(part) as written:
            check_rows(written, note, target)
        _name(part, target)
    finally:
        for end in ("", "-journal", "-wal", "-shm"):
            Path(f"{part}{end}").unlink(missing_ok=True)
    return note


def _exists(target: Path) -> NeedsHuman:
    return NeedsHuman("file_exists", f"{target} exists: give another name, or remove it first")


def _name(part: Path, target: Path) -> None:
    """Give a finished file its name, unless there is one of that name."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise _exists(target) from None
    except OSError:  # a file system without links
        if target.exists():
            raise _exists(target) from None
        part.rename(target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Have the disk keep what is in the folder by which name."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refuse_other_schema(db: Db) -> None:
    found = read_schema_version(db)
    if found is None or found.revision != REVISION:
        raise NeedsHuman(
            "other_schema",
            f"the database has schema {found and found.revision}, and this program {REVISION}: "
            "copy it with the version that it belongs to",
        )


_Filled = tuple[dict[str, int], dict[str, tuple[int, str]]]


def _fill_from_sqlite(engine: Engine, copy: Any) -> _Filled:  # noqa: ANN401 - of a driver that is found at run time
    """By SQLite's own backup, in one step: readers stop no writer, and see one moment."""
    with connect_to_read(engine) as db:
        _refuse_other_schema(db)  # also the read that fixes the moment
        house: Any = db.connection.driver_connection
        rows, audit = count_rows(house, t.metadata.tables), audit_ends(house)
        house.backup(copy)
    return rows, audit


def _fill_from_postgresql(engine: Engine, copy: Any) -> _Filled:  # noqa: ANN401 - as above
    """Row by row from one snapshot. No migration begins meanwhile: it would wait with all locks."""
    with _no_migration(engine), connect_to_read(engine) as db:
        _refuse_other_schema(db)
        rows = {
            table.name: db.execute(select(func.count()).select_from(table)).scalar_one()
            for table in t.metadata.sorted_tables
        }
        version = text(f"SELECT version_num, oldest_code FROM {VERSION_TABLE}")  # noqa: S608 - a constant
        copy.execute("PRAGMA journal_mode=OFF")
        copy.execute("BEGIN")
        copy.execute(
            f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL, oldest_code "
            "VARCHAR(32), CONSTRAINT mg_schema_pkc PRIMARY KEY (version_num))"
        )
        copy.execute(f"INSERT INTO {VERSION_TABLE} VALUES (?, ?)", tuple(db.execute(version).one()))  # noqa: S608 - a constant
        for table in t.metadata.sorted_tables:
            _copy_table(db, table, copy)
        copy.execute("COMMIT")
        audit = _audit_ends(db)
    return rows, audit


def _audit_ends(db: Db) -> dict[str, tuple[int, str]]:
    ends = {}
    for tenant in db.scalars(select(t.tenants.c.id)).all():
        mine = select(t.audit.c.seq, t.audit.c.hash).where(t.audit.c.tenant_id == tenant)
        last = db.execute(mine.order_by(t.audit.c.seq.desc()).limit(1)).first()
        if last is not None:
            ends[str(tenant)] = (last.seq, last.hash)
    return ends


@contextmanager
def _no_migration(engine: Engine) -> Iterator[None]:
    """Share the lock that changing the schema takes alone, from before the snapshot."""
    with engine.connect() as db:
        db.execute(select(func.pg_advisory_xact_lock_shared(LOCK)))
        yield


def _copy_table(db: Db, table: Table, copy: Any) -> None:  # noqa: ANN401 - as above
    dialect = sqlite.dialect()
    copy.execute(str(CreateTable(table).compile(dialect=dialect)))
    columns = [
        type_coerce(column, String) if isinstance(column.type, t.UtcTime) else column
        for column in table.columns
    ]
    marks = ", ".join("?" * len(columns))
    insert = f"INSERT INTO {table.name} VALUES ({marks})"  # noqa: S608 - our own tables
    found = db.execution_options(yield_per=AT_A_TIME).execute(select(*columns))
    for rows in found.partitions():
        copy.executemany(insert, [tuple(row) for row in rows])
    for index in table.indexes:
        copy.execute(str(CreateIndex(index).compile(dialect=dialect)))
