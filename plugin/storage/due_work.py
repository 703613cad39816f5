"""Finding the rows whose time has come, in fair turns, at a cost that no backlog changes.

What one tenant has waiting must not hide what another has, nor one kind of its own work the rest:
a refund does not stand behind a flood of deliveries. So rows are given out in turns: of each tenant
the first, then of each the second; and within a tenant likewise by kind.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache

from sqlalchemy import Connection as Db
from sqlalchemy import Integer, Row, Select, Table, bindparam, select, union_all, update
from sqlalchemy import literal as lit

from plugin.domain.ids import TenantId
from plugin.domain.refunds import RefundState
from plugin.ports.records import DueWork
from plugin.storage import tables as t
from plugin.storage.hold_rows import may_go_on
from plugin.storage.prepared import Prepared

KINDS: tuple[tuple[str, Table, str, str], ...] = (
    ("delivery", t.deliveries, "id", "attempts"),
    ("refund", t.refunds, "id", "wakes"),
    ("run", t.runs, "id", "wakes"),
    ("sweep", t.sweeps, "installation_id", "wakes"),
    ("hold", t.holds, "tenant_id", "wakes"),
    ("pairing", t.pairings, "id", "wakes"),
)
"""What may be due: its kind, its table, and the columns of its name and of its count of wakes."""

_Found = tuple[datetime, DueWork]


def due(db: Db, now: datetime, limit: int) -> Sequence[DueWork]:
    """At most `limit` rows that are due, in turns.

    The oldest of each kind come from an index that stops at `limit`. Only where that hides some,
    because more than `limit` are due, each tenant's oldest are read.
    """
    if db.dialect.name == "postgresql":
        # A backlog that came since it last counted its rows looks small to it: it would read all of
        # it and sort that, in place of the first few by the index. Ends with the transaction.
        db.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
    found = [_found(row) for row in _oldest_of_all().rows(db, {"now": now, "most": limit})]
    counts = [sum(work.kind == kind for _, work in found) for kind, *_ in KINDS]
    crowded = [place for place, count in enumerate(counts) if count >= limit]
    if crowded:
        names = {KINDS[place][0] for place in crowded}
        found = [one for one in found if one[1].kind not in names]
        found.extend(_of_each_tenant(db, now, crowded, limit))
    return [work for _, work in _in_turns(found)][:limit]


def _of_each_tenant(db: Db, now: datetime, crowded: Sequence[int], limit: int) -> Iterator[_Found]:
    """The oldest rows of each tenant, for the kinds of which more are due than can be read."""
    for place in crowded:
        waiting = _first_of_each(place).rows(db, {"now": now})
        first = sorted((row.first, row.tenant) for row in waiting if row.first is not None)
        for _, tenant in first[:limit]:
            given = {"now": now, "tenant": tenant, "most": limit}
            rows = _oldest_of_one(place).rows(db, given)
            yield from (_found(row) for row in rows)


def _in_turns(found: Iterable[_Found]) -> list[_Found]:
    """The first of each tenant, oldest first, then the second of each; and so on."""
    lanes: dict[tuple[TenantId, str], list[_Found]] = defaultdict(list)
    for one in sorted(found, key=_age):
        lanes[one[1].tenant, one[1].kind].append(one)
    tenants: dict[TenantId, list[tuple[int, _Found]]] = defaultdict(list)
    for (tenant, _), lane in lanes.items():
        tenants[tenant].extend(enumerate(lane))
    placed: list[tuple[int, _Found]] = []
    for mine in tenants.values():
        in_order = sorted(mine, key=lambda one: (one[0], _age(one[1])))
        placed.extend(enumerate(one for _, one in in_order))
    return [one for _, one in sorted(placed, key=lambda one: (one[0], _age(one[1])))]


def _age(one: _Found) -> tuple[datetime, str]:
    return one[0], one[1].ref


# Statements are made once: to make one costs ten times what it costs to run it, and the worker runs
# them twenty times a second all day.
_MOST = bindparam("most", type_=Integer)


def _columns(place: int) -> Select[tuple[object, ...]]:
    kind, table, ref, count = KINDS[place]
    return (
        select(
            lit(kind).label("kind"),
            table.c.tenant_id,
            table.c[ref].label("ref"),
            table.c[count].label("wakes"),
            table.c.wake_at.label("wake_at"),
        )
        .where(table.c.wake_at <= bindparam("now", type_=t.UtcTime), may_go_on(kind, table))
        .order_by(table.c.wake_at)
    )


@cache
def _oldest_of_all() -> Prepared:
    # Each part stops by itself: a database that merges them first reads all that is due.
    parts = [_columns(place).limit(_MOST).subquery() for place in range(len(KINDS))]
    return Prepared(select(union_all(*(select(part) for part in parts)).subquery()))


@cache
def _first_of_each(place: int) -> Prepared:
    """When the first of each tenant was due: one look into the index for each tenant."""
    kind, table = KINDS[place][:2]
    first = (
        select(table.c.wake_at)  # no min(): beside a hold PostgreSQL would read all that is due
        .where(
            table.c.tenant_id == t.tenants.c.id,
            table.c.wake_at <= bindparam("now", type_=t.UtcTime),
            may_go_on(kind, table),
        )
        .order_by(table.c.wake_at)
        .limit(1)
        .scalar_subquery()
    )
    return Prepared(select(t.tenants.c.id.label("tenant"), first.label("first")))


@cache
def _oldest_of_one(place: int) -> Prepared:
    mine = KINDS[place][1].c.tenant_id == bindparam("tenant")
    return Prepared(_columns(place).where(mine).limit(_MOST))


def _found(row: Row[tuple[object, ...]]) -> _Found:
    return row.wake_at, DueWork(row.kind, TenantId(row.tenant_id), row.ref, row.wakes)


def wake_interrupted(db: Db, now: datetime) -> None:
    """Have every refund that is `submitting` looked at now."""
    db.execute(
        update(t.refunds)
        .where(t.refunds.c.state == RefundState.SUBMITTING, t.refunds.c.wake_at > now)
        .values(wake_at=now)
    )


def wake_claimed(db: Db, tenant: TenantId, refund: str, wakes: int, now: datetime) -> bool:
    """Have a refund looked at now whose call began as its wake number `wakes`.

    False where it is no longer so: its call came to an end, or somebody else has it.
    """
    woken = db.execute(
        update(t.refunds)
        .where(
            t.refunds.c.tenant_id == tenant,
            t.refunds.c.id == refund,
            t.refunds.c.state == RefundState.SUBMITTING,
            t.refunds.c.wakes == wakes,
            t.refunds.c.wake_at > now,
        )
        .values(wake_at=now)
        .returning(t.refunds.c.id)
    )
    return woken.first() is not None
