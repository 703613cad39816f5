"""Many customers like one: all that is stored of her, over again under other names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Table, insert, select, update

from plugin.app import Parts
from plugin.domain.ids import TenantId
from plugin.storage import tables as t
from plugin.storage.audit_rows import link

BATCH = 500
_COPIED: Sequence[Table] = (
    t.orders,
    t.facts,
    t.requests,
    t.plans,
    t.refunds,
    t.refund_moves,
    t.runs,
    t.effects,
)
_NAMES = ("id", "ref", "key", "order_ref", "payment_ref", "gateway_ref", "number", "customer")
Row = dict[str, Any]


def multiply(parts: Parts, tenant: TenantId, customer: str, times: int) -> int:
    """Store `customer` `times` over again. Returns how many rows that took.

    The audit trail grows by as many entries, each chained to the one before.
    """
    engine = parts.house.engine
    with engine.connect() as db:

        def stored(table: Table) -> list[Row]:
            mine = select(table).where(table.c.tenant_id == tenant)
            return [dict(row._mapping) for row in db.execute(mine)]

        rows = {table: stored(table) for table in _COPIED}
        trail = stored(t.audit)
    every = (row for found in rows.values() for row in found)
    names = {str(row[name]) for row in every for name in _NAMES if row.get(name)} | {customer}
    longest_first = sorted(names, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, longest_first)))
    written = 0
    for begin in range(0, times, BATCH):
        numbers = range(begin, min(begin + BATCH, times))
        with engine.begin() as db:
            for table, found in rows.items():
                made = [_renamed(row, pattern, customer, n) for n in numbers for row in found]
                if made:
                    db.execute(insert(table), made)
                written += len(made)
            written += _go_on(db, tenant, trail, pattern, customer, numbers)
    return written


def _renamed(row: Row, pattern: re.Pattern[str], customer: str, number: int) -> Row:
    def other(found: re.Match[str]) -> str:
        name = found[0]
        return f"bulk-{number}@customer.test" if name == customer else f"{name[:-8]}b{number:07x}"

    return {
        column: pattern.sub(other, value) if isinstance(value, str) else value
        for column, value in row.items()
    }


def _go_on(
    db: Connection,
    tenant: TenantId,
    trail: Sequence[Row],
    pattern: re.Pattern[str],
    customer: str,
    numbers: Sequence[int],
) -> int:
    end = db.execute(select(t.tenants).where(t.tenants.c.id == tenant)).one()
    seq, previous = end.audit_count, end.audit_head
    made = []
    for entry in _entries(trail, pattern, customer, numbers):
        seq += 1
        own = (entry["actor"], entry["action"], entry["subject"], entry["details"])
        name = link(previous, tenant, seq, t.utc_text(entry["at"]), *own)
        made.append({**entry, "seq": seq, "previous": previous, "hash": name})
        previous = name
    db.execute(insert(t.audit), made)
    grown = update(t.tenants).where(t.tenants.c.id == tenant)
    db.execute(grown.values(audit_count=seq, audit_head=previous))
    return len(made)


def _entries(
    trail: Sequence[Row], pattern: re.Pattern[str], customer: str, numbers: Sequence[int]
) -> Iterator[Row]:
    for number in numbers:
        for entry in trail:
            yield _renamed(entry, pattern, customer, number)
