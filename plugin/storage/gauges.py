"""What the database tells whoever watches: how much waits, how old it is, who lives.

Each is found by an index, and practice is left out. Reads only, in one moment of the database.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    Engine,
    FromClause,
    Join,
    ScalarSelect,
    Select,
    Table,
    TextClause,
    false,
    func,
    select,
)
from sqlalchemy import Connection as Db

from plugin.domain.drift import DriftState
from plugin.domain.effects import EffectState
from plugin.domain.refunds import OVER, RefundState
from plugin.ports.records import InstallationStatus
from plugin.ports.watching import Reading
from plugin.storage import tables as t
from plugin.storage.budgets import database_now_us
from plugin.storage.database import connect_to_read
from plugin.storage.due_work import KINDS

V = TypeVar("V")
ALIVE_WITHIN = timedelta(seconds=15)
"""A worker that said nothing for so long is not counted: others have taken over by then."""
_NOT_OVER = tuple(state for state in RefundState if state not in OVER)
_FOR_PERSON = (EffectState.NEEDS_PERSON, EffectState.UNKNOWN)
_IS_OPEN = t.drifts.c.state == DriftState.OPEN
_REAL = t.tenants.c.simulated == false()


def read_gauges(engine: Engine, now: datetime) -> Sequence[Reading]:
    """All of `plugin.watch.series.LOOKED_UP` but whether the database answers."""
    with connect_to_read(engine) as db:
        return [
            Reading("makegood_database_bytes", _bytes(db)),
            *_backlog(db, now),
            *_refunds(db, now),
            *_dead_letters(db),
            Reading("makegood_drifts_open", _count(db, t.drifts, _IS_OPEN)),
            Reading("makegood_workers_alive", _workers(db)),
            *_breakers(db),
            Reading("makegood_tenants_held", _held(db)),
        ]


def _bytes(db: Db) -> float:
    if db.dialect.name == "postgresql":
        return float(db.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())
    pages, size = (
        int(db.exec_driver_sql(f"PRAGMA {name}").scalar_one())
        for name in ("page_count", "page_size")
    )
    return float(pages * size)


def _backlog(db: Db, now: datetime) -> Iterator[Reading]:
    for kind, table, *_ in KINDS:
        wake_at: Column[datetime] = table.c.wake_at
        is_due = wake_at <= now
        yield Reading("makegood_backlog_due", _count(db, table, is_due), (kind,))
        age = _age(_oldest(db, wake_at, is_due), now)
        yield Reading("makegood_backlog_oldest_seconds", age, (kind,))
        yield Reading("makegood_backlog_waiting", _count(db, table, wake_at > now), (kind,))


def _refunds(db: Db, now: datetime) -> Iterator[Reading]:
    r = t.refunds
    for state in _NOT_OVER:
        is_it = r.c.state == state
        yield Reading("makegood_refunds", _count(db, r, is_it), (state,))
        age = _age(_oldest(db, r.c.send_at, is_it), now)
        yield Reading("makegood_refunds_oldest_seconds", age, (state,))


def _dead_letters(db: Db) -> Iterator[Reading]:
    d, e, r = t.deliveries, t.effects, t.refunds
    for kind, count in (
        ("delivery", _count(db, d, t.is_kept)),
        ("effect", _count(db, e, e.c.state.in_(_FOR_PERSON))),
        ("refund", _count(db, r, r.c.state == RefundState.NEEDS_PERSON)),
    ):
        yield Reading("makegood_dead_letters", count, (kind,))


def _workers(db: Db) -> float:
    since = database_now_us(db) - ALIVE_WITHIN // timedelta(microseconds=1)
    alive = select(func.count()).where(t.workers.c.beat_us >= since)
    return float(db.execute(alive).scalar_one())


def _breakers(db: Db) -> Iterator[Reading]:
    i, b = t.installations, t.breakers
    rests = (b.c.account == i.c.id) & b.c.opened_at_us.is_not(None)
    rows = db.execute(
        select(i.c.platform, func.count(b.c.account))
        .select_from(_with_tenants(i).outerjoin(b, rests))
        .where(_REAL, i.c.status != InstallationStatus.REMOVED)
        .group_by(i.c.platform)
    )
    for platform, count in rows:
        yield Reading("makegood_breakers_open", count, (platform,))


def _held(db: Db) -> float:
    held = select(func.count(t.holds.c.tenant_id.distinct())).select_from(_with_tenants(t.holds))
    return float(db.execute(held.where(_REAL)).scalar_one())


# Tenant by tenant, by the index that begins with it: else a database may read all that ever was.


def _count(db: Db, table: Table, which: ColumnElement[bool] | TextClause) -> float:
    of_each = _of_each(select(func.count()).select_from(table), table, which)
    return float(db.execute(select(func.coalesce(func.sum(of_each), 0)).where(_REAL)).scalar_one())


def _oldest(db: Db, column: Column[datetime], which: ColumnElement[bool]) -> datetime | None:
    of_each = _of_each(select(func.min(column)), column.table, which)
    found: datetime | None = db.execute(select(func.min(of_each)).where(_REAL)).scalar_one()
    return found


def _of_each(
    query: Select[V], table: FromClause, which: ColumnElement[bool] | TextClause
) -> ScalarSelect[V]:
    mine = query.where(table.c.tenant_id == t.tenants.c.id, which)
    return mine.correlate(t.tenants).scalar_subquery()


def _age(oldest: datetime | None, now: datetime) -> float:
    return 0.0 if oldest is None else max((now - oldest).total_seconds(), 0.0)


def _with_tenants(table: Table) -> Join:
    return table.join(t.tenants, t.tenants.c.id == table.c.tenant_id)
