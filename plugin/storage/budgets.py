"""How many calls a platform account has left, kept where all processes see it.

One row per account, changed by one short transaction per call, by the database's own clock, so that
several machines share one limit. Never waits for a token: it says how long to wait. What was taken
in the moment before a power cut may be there again after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from sqlalchemy import (
    BigInteger,
    Engine,
    bindparam,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy import Connection as Db

from plugin.platforms.token_bucket import Bucket, Budget, Rate, take
from plugin.storage.database import open_for_counts
from plugin.storage.insert_or import insert_or
from plugin.storage.prepared import Prepared
from plugin.storage.tables import buckets

NowUs = Callable[[Db], int]
"""Microseconds since 1970."""
_CLOCKS = {
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
    "sqlite": "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
}


def database_now_us(db: Db) -> int:
    """The time by the database's clock."""
    return int(db.exec_driver_sql(f"SELECT {_CLOCKS[db.dialect.name]}").scalar_one())


class SqlBudgets:
    """The budgets of all accounts. `now_us` is the database's clock unless a test gives another."""

    def __init__(self, engine: Engine, now_us: NowUs = database_now_us) -> None:
        self._engine = open_for_counts(engine)
        self._now_us = now_us

    def budget_for(self, account: str, rate: Rate) -> Budget:
        """The budget of `account`. Everyone who names the same account shares it."""
        return _SqlBudget(self._engine, self._now_us, account, rate)


def seconds_to_full(
    db: Db, accounts: Sequence[str], now_us: NowUs = database_now_us
) -> Mapping[str, float]:
    """In how many seconds each account's bucket is full again; without those that are full."""
    rows = db.execute(
        select(buckets.c.account, buckets.c.full_at_us).where(buckets.c.account.in_(accounts))
    ).all()
    now = now_us(db)
    return {row.account: (row.full_at_us - now) / 1_000_000 for row in rows if row.full_at_us > now}


@dataclass(frozen=True, slots=True)
class _SqlBudget:
    """Implements `plugin.platforms.token_bucket.Budget`."""

    engine: Engine
    now_us: NowUs
    account: str
    rate: Rate

    def take(self) -> float:
        """One statement where a token is there, which is nearly always."""
        if self._take_at_once():
            return 0.0
        mine = buckets.c.account == self.account
        with self.engine.begin() as db:
            full = insert_or(db.dialect.name, buckets)
            full = full.values(account=self.account, full_at_us=0)
            db.execute(full.on_conflict_do_nothing())
            locked = select(buckets.c.full_at_us).where(mine).with_for_update()
            before = Bucket(db.execute(locked).scalar_one())
            # The time counts from when the row is ours: whoever held it may have held it long.
            after, wait = take(before, self.now_us(db), self.rate)
            if after != before:
                db.execute(update(buckets).where(mine).values(full_at_us=after.full_at_us))
        return wait

    def _take_at_once(self) -> bool:
        """The same as `token_bucket.take`, in the database's words, for a bucket that has one."""
        gap_us = self.rate.gap_us
        given: dict[str, object] = {
            "mine": self.account,
            "gap": gap_us,
            "room": gap_us * (self.rate.burst - self.rate.left - 2),
        }
        counts_itself = self.now_us is database_now_us
        if not counts_itself:
            with self.engine.connect() as db:
                given["now"] = self.now_us(db)
        statement = _taking(self.engine.dialect.name, counts_itself=counts_itself)
        return statement.alone(self.engine, given) is not None


@cache
def _taking(database: str, *, counts_itself: bool) -> Prepared:
    """Insert a bucket that one token was taken from, or take it from the one that is there.

    What the insert would have written, `excluded`, is now and one gap. Gives a row where it was
    taken; none where the bucket is empty, or beyond full since the clock was set back.
    """
    larger = func.greatest if database == "postgresql" else func.max
    now = literal_column(_CLOCKS[database]) if counts_itself else bindparam("now", type_=BigInteger)
    gap, room = bindparam("gap", type_=BigInteger), bindparam("room", type_=BigInteger)
    new = insert_or(database, buckets).values(account=bindparam("mine"), full_at_us=now + gap)
    fresh, held = new.excluded.full_at_us, buckets.c.full_at_us
    taking = new.on_conflict_do_update(
        index_elements=["account"],
        set_={"full_at_us": larger(held + gap, fresh)},
        where=held <= fresh + room,
    )
    return Prepared(taking.returning(buckets.c.account))
