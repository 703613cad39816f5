"""The file in which a copy of a house is kept: a SQLite file with our tables, and a note on it.

One format for every database that a copy is made of. The file carries a checksum of itself where
SQLite keeps a number for its user, so that a flipped bit is found out. Credentials in it stay
sealed; it holds no key. Nothing here opens a house.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from plugin.domain.errors import NeedsHuman
from plugin.storage.database import choose_sqlite
from plugin.storage.schema_version import REVISION

NOTE_TABLE: Final = "mg_copy"
FORMAT: Final = 1
_MAGIC: Final = b"SQLite format 3\x00"
OURS: Final = b"mkgd"
# https://sqlite.org/fileformat.html#the_database_header: both are free for whoever makes the file.
_SUM_AT: Final = 60
_OURS_AT: Final = 68
_HEADER: Final = 100
_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class CopyNote:
    """What a copy says of itself.

    `made_at`: all that was committed before is in it. `revision`: its schema. `rows` by table.
    `audit`: per tenant how long the trail is, and its last hash. `key_marks`: of the keys that were
    in use, newest first; a mark opens nothing.
    """

    made_at: datetime
    revision: str
    source: str
    rows: Mapping[str, int]
    audit: Mapping[str, tuple[int, str]]
    key_marks: tuple[str, ...]

    def as_text(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self), "made_at": self.made_at.isoformat()})


def note_from(text: str) -> CopyNote:
    """Raises ValueError, KeyError or TypeError for anything that `as_text` did not write."""
    told: dict[str, Any] = json.loads(text)
    if told.pop("format") != FORMAT:
        raise ValueError("another format")
    return CopyNote(
        made_at=datetime.fromisoformat(told["made_at"]),
        revision=str(told["revision"]),
        source=str(told["source"]),
        rows={str(name): int(count) for name, count in told["rows"].items()},
        audit={str(name): (int(end[0]), str(end[1])) for name, end in told["audit"].items()},
        key_marks=tuple(map(str, told["key_marks"])),
    )


def seal(path: Path) -> None:
    """Write the checksum into a finished file, and have the disk keep all of it."""
    with path.open("r+b") as file:
        total = _sum_of(path)
        file.seek(_SUM_AT)
        file.write(total.to_bytes(4, "big"))
        file.flush()
        os.fsync(file.fileno())


def verify_copy(path: Path) -> CopyNote:
    """The note of a copy that is whole, ours, and not newer than this program.

    Raises NeedsHuman with a clear word otherwise, and OSError where the file cannot be read.
    Changes nothing.
    """
    with path.open("rb") as file:
        header = file.read(_HEADER)
    if header[:16] != _MAGIC or header[_OURS_AT : _OURS_AT + 4] != OURS:
        raise NeedsHuman("foreign_copy", f"{path} is no copy that `makegood backup` made")
    if int.from_bytes(header[_SUM_AT : _SUM_AT + 4], "big") != _sum_of(path):
        raise NeedsHuman(
            "damaged_copy", f"{path} is damaged: it is not as it was written. Take another copy"
        )
    with reading_copy(path) as file_db:
        text = file_db.execute(f"SELECT document FROM {NOTE_TABLE}").fetchone()[0]  # noqa: S608 - a constant
    try:
        note = note_from(text)
    except (ValueError, KeyError, TypeError):
        raise NeedsHuman("newer_copy", f"{path} is of a newer version: run that one") from None
    if note.revision > REVISION:
        raise NeedsHuman(
            "newer_copy",
            f"{path} has schema {note.revision}, and this program knows {REVISION}: run the newer "
            "version",
        )
    return note


@contextmanager
def reading_copy(path: Path) -> Iterator[Any]:
    """The driver's connection to a file that nobody writes to."""
    module = choose_sqlite()
    address = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    with closing(module.connect(address, uri=True)) as connection:
        yield connection


def check_rows(connection: Any, note: CopyNote, path: Path) -> None:  # noqa: ANN401 - of a driver that is found at run time
    """Compare what stands in the file with its note. Raises NeedsHuman where they differ."""
    is_sound = connection.execute("PRAGMA integrity_check(1)").fetchone()[0] == "ok"
    if not is_sound or count_rows(connection, note.rows) != note.rows:
        raise NeedsHuman("damaged_copy", f"{path} is damaged: its rows are not what was copied")
    if audit_ends(connection) != note.audit:
        raise NeedsHuman("damaged_copy", f"{path} is damaged: its audit trail was cut")


def count_rows(connection: Any, tables: Mapping[str, object]) -> dict[str, int]:  # noqa: ANN401 - as above
    """How many rows each table has."""
    return {
        name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608 - names of our tables
        for name in tables
    }


def audit_ends(connection: Any) -> dict[str, tuple[int, str]]:  # noqa: ANN401 - as above
    """Where each tenant's audit trail ends: number and hash of its last entry."""
    ends = {}
    for (tenant,) in connection.execute("SELECT id FROM mg_tenants").fetchall():
        last = connection.execute(
            "SELECT seq, hash FROM mg_audit WHERE tenant_id = ? ORDER BY seq DESC LIMIT 1",
            (tenant,),
        ).fetchone()
        if last is not None:
            ends[tenant] = (last[0], last[1])
    return ends


def _sum_of(path: Path) -> int:
    """CRC-32 of the file, the place of the sum itself left out."""
    total = 0
    with path.open("rb") as file:
        first = bytearray(file.read(_BLOCK))
        first[_SUM_AT : _SUM_AT + 4] = bytes(4)
        total = zlib.crc32(first)
        while block := file.read(_BLOCK):
            total = zlib.crc32(block, total)
    return total
