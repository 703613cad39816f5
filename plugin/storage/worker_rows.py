"""Which workers live: each says so every few seconds, by the database's own clock.

The database's clock, since those of two machines may differ by more than a worker may be silent.
Decides nothing: who counts as dead, and what follows from it, is said in `plugin.workflows`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import Engine, create_engine, delete, event, select

from plugin.storage.budgets import NowUs, database_now_us
from plugin.storage.database import connect_to_read, postgres_options
from plugin.storage.insert_or import insert_or
from plugin.storage.tables import workers

KEPT_FOR = timedelta(days=1)
"""A worker that was silent for so long is forgotten: others took over from it long before."""
LIVES = timedelta(seconds=7)
"""Whoever was heard of within this time lives, and is not taken for dead."""
_ONE_US = timedelta(microseconds=1)


class Workers:
    """The rows of `mg_workers`. `now_us` is the database's clock unless a test gives another."""

    def __init__(self, engine: Engine, now_us: NowUs = database_now_us) -> None:
        self._engine = engine
        self._now_us = now_us
        self._pulse = _apart(engine)

    def beat(self, executor: str) -> None:
        """Say that `executor` lives. Raises SQLAlchemyError where the database does not answer."""
        with self._pulse.begin() as db:
            now_us = self._now_us(db)
            mine = insert_or(db.dialect.name, workers).values(executor=executor, beat_us=now_us)
            db.execute(
                mine.on_conflict_do_update(
                    index_elements=["executor"], set_={"beat_us": mine.excluded.beat_us}
                )
            )
            db.execute(delete(workers).where(workers.c.beat_us < now_us - KEPT_FOR // _ONE_US))

    def silences(self) -> Mapping[str, timedelta]:
        """How long ago each worker said that it lives, but for those that ended in order."""
        with connect_to_read(self._engine) as db:
            now_us = self._now_us(db)
            rows = db.execute(select(workers.c.executor, workers.c.beat_us)).all()
        return {row.executor: max(now_us - row.beat_us, 0) * _ONE_US for row in rows}

    def forget(self, executor: str) -> None:
        """Take out a worker that ended in order, with nothing left in hand."""
        with self._pulse.begin() as db:
            db.execute(delete(workers).where(workers.c.executor == executor))


def _apart(engine: Engine) -> Engine:
    """An engine for the beat alone, where silence has consequences: on PostgreSQL.

    The worker's tasks may use up the connections of the one that all share, and a beat that waits
    for its turn looks like death.
    """
    if engine.dialect.name != "postgresql":
        return engine
    apart = create_engine(engine.url, pool_size=1, max_overflow=0, **postgres_options())
    event.listen(engine, "engine_disposed", lambda _: apart.dispose())
    return apart
