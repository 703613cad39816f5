"""`makegood migrate`: the schema forward to this version, or back for an older one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine, inspect, select

from plugin.domain.errors import NeedsHuman
from plugin.settings import Settings
from plugin.storage import tables as t
from plugin.storage.database import connect_to_read, open_database
from plugin.storage.schema import migrate, refuse_under_workers
from plugin.storage.schema_version import REVISION, read_schema_version
from plugin.storage.soundness import refuse_unsound

_NOTHING = NeedsHuman(
    "no_database", "there is no database yet: `makegood serve` makes it at its start"
)


def migrate_house(settings: Settings, to: str, say: Callable[[str], None]) -> dict[str, object]:
    """Migrate, whole or not at all.

    Raises NeedsHuman where nothing is to be migrated, the versions are unknown, a worker lives that
    may not go on with it, or going back would forget that nothing may be sent.
    """
    engine = open_database(settings.database_url)
    if settings.is_sqlite and not Path(str(engine.url.database)).exists():
        raise _NOTHING  # looking would make an empty file
    try:
        refuse_unsound(engine)
        before = _revision(engine)
        if before is None:
            raise _NOTHING
        if to != "head" and to < REVISION and _is_held(engine):
            raise NeedsHuman(
                "held",
                "a copy was restored, and nothing may be sent yet. An older version does not know "
                "that: wait until it ended, or end it with `makegood restore --release`",
            )
        refuse_under_workers(engine, to)
        migrate(engine, to)
        after = _revision(engine)
    finally:
        engine.dispose()
    say(f"The database had schema {before}, and has {after} now.")
    return {"before": before, "after": after}


def _revision(engine: Engine) -> str | None:
    with connect_to_read(engine) as db:
        found = read_schema_version(db)
    return None if found is None else found.revision


def _is_held(engine: Engine) -> bool:
    with connect_to_read(engine) as db:
        if not inspect(db).has_table(t.holds.name):
            return False
        return db.execute(select(t.holds.c.tenant_id).limit(1)).first() is not None
