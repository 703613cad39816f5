"""How many calls a platform account has left, kept where all processes see it.

One row per account, locked for one short transaction per call, by the database's own clock, so that
several machines share one limit. Never waits for a token: it says how long to wait.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection as Db
from sqlalchemy import Engine, select, update
from sqlalchemy.dialects import postgresql, sqlite

from plugin.platforms.token_bucket import Bucket, Budget, Rate, take
from plugin.storage.tables import buckets

NowUs = Callable[[Db], int]
"""Microseconds since 1970."""


def database_now_us(db: Db) -> int:
    """The time by the database's clock."""
    if db.dialect.name == "postgresql":
        clock = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"
    else:
        clock = "SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)"
    return int(db.exec_driver_sql(clock).scalar_one())


class SqlBudgets:
    """The budgets of all accounts. `now_us` is the database's clock unless a test gives another."""

    def __init__(self, engine: Engine, now_us: NowUs = database_now_us) -> None:
        self._engine = engine
        self._now_us = now_us

    def budget_for(self, account: str, rate: Rate) -> Budget:
        """The budget of `account`. Everyone who names the same account shares it."""
        return _SqlBudget(self._engine, self._now_us, account, rate)


@dataclass(frozen=True, slots=True)
class _SqlBudget:
    """Implements `plugin.platforms.token_bucket.Budget`."""

    engine: Engine
    now_us: NowUs
    account: str
    rate: Rate

    def take(self) -> float:
        mine = buckets.c.account == self.account
        with self.engine.begin() as db:
            dialect = postgresql if db.dialect.name == "postgresql" else sqlite
            full = dialect.insert(buckets).values(account=self.account, full_at_us=0)
            db.execute(full.on_conflict_do_nothing())
            locked = select(buckets.c.full_at_us).where(mine).with_for_update()
            before = Bucket(db.execute(locked).scalar_one())
            # The time counts from when the row is ours: whoever held it may have held it long.
            after, wait = take(before, self.now_us(db), self.rate)
            if after != before:
                db.execute(update(buckets).where(mine).values(full_at_us=after.full_at_us))
        return wait
