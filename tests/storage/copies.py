"""What the tests of copies share: all rows of a house, and loading a copy without more ado."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine, String, select, text, type_coerce

from plugin.storage import tables as t
from plugin.storage.copy_file import CopyNote
from plugin.storage.load_copy import load_copy
from tests.factories import NOW

MARKS = ("1a2b3c4d",)
Rows = dict[str, list[tuple[object, ...]]]
_STALE = "sign_ins pairings pending_installs workers breakers buckets sweeps"
STALE = {f"mg_{name}" for name in _STALE.split()}
"""What a loaded house has anew."""


def rows_of(engine: Engine) -> Rows:
    """All that stands in our tables, as it stands there."""
    with engine.connect() as db:
        return {
            table.name: sorted(
                tuple(row)
                for row in db.execute(
                    select(
                        *(
                            type_coerce(c, String) if isinstance(c.type, t.UtcTime) else c
                            for c in table.columns
                        )
                    )
                )
            )
            for table in t.metadata.sorted_tables
        }


def kept(rows: Rows) -> Rows:
    return {name: found for name, found in rows.items() if name not in STALE}


def nothing(unpacked: Engine, note: CopyNote) -> None:
    """Nothing is to be prepared."""


def load(
    source: Path, house: Engine, prepare: Callable[[Engine, CopyNote], None] = nothing
) -> CopyNote:
    return load_copy(source, house, source.parent, NOW, prepare)


def is_empty(house: Engine) -> bool:
    if house.dialect.name == "sqlite":
        house.dispose()
        return list(Path(str(house.url.database)).parent.iterdir()) == []
    with house.connect() as db:
        found = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        return bool(db.execute(text(found)).scalar_one() == 0)
