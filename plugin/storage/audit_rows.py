"""The audit trail: appended, each entry chained by hash to the one before, per tenant.

What was written cannot be changed quietly: `verify` recomputes every link from the very text that
is stored, and the tenant's row says where the trail ends. Never holds addresses, texts or secrets.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime

import rfc8785
from sqlalchemy import Connection as Db
from sqlalchemy import Row, String, bindparam, select, type_coerce, update

from plugin.domain.ids import TenantId
from plugin.ports.records import AuditEntry
from plugin.storage import tables as t
from plugin.storage.prepared import Prepared
from plugin.storage.rows import TenantRows

_a = t.audit
FIRST = "0" * 64
"""What the first entry is chained to."""
_OWN = t.tenants.c.id == bindparam("tenant")
_END = Prepared(select(t.tenants.c.audit_count, t.tenants.c.audit_head).where(_OWN))
_MOVE_END = Prepared(
    update(t.tenants)
    .where(_OWN)
    .values(audit_count=bindparam("new_count"), audit_head=bindparam("new_head"))
)


class AuditRows(TenantRows):
    """Implements `plugin.ports.storage.Audit`."""

    def __init__(self, db: Db, tenant: TenantId, end: tuple[int, str] | None = None) -> None:
        """`end`: the number and hash of the last entry, where the transaction has locked it."""
        super().__init__(db, tenant)
        self._known = end

    def write(
        self, at: datetime, actor: str, action: str, subject: str, details: Mapping[str, str]
    ) -> None:
        count, previous = self._known or self._end()
        written = rfc8785.dumps(dict(details)).decode()
        name = link(
            previous, self._tenant, count + 1, t.utc_text(at), actor, action, subject, written
        )
        self._insert(
            _a,
            seq=count + 1,
            at=at,
            actor=actor,
            action=action,
            subject=subject,
            details=written,
            previous=previous,
            hash=name,
        )
        self._run(_MOVE_END, new_count=count + 1, new_head=name)
        self._known = (count + 1, name)

    def entries(self, after: int, limit: int) -> Sequence[AuditEntry]:
        rows = self._db.execute(
            select(_a).where(self._mine(_a), _a.c.seq > after).order_by(_a.c.seq).limit(limit)
        )
        return [_entry(row) for row in rows]

    def verify(self) -> tuple[int, int | None]:
        """How many entries there are, and the number of the first that does not fit, or None."""
        previous, count = FIRST, 0
        at = type_coerce(_a.c.at, String).label("at")  # as text: what is stored may be no time
        columns = (_a.c.seq, at, _a.c.actor, _a.c.action, _a.c.subject, _a.c.details)
        rows = select(*columns, _a.c.previous, _a.c.hash).where(self._mine(_a))
        for row in self._db.execute(rows.order_by(_a.c.seq)):
            own = (row.at, row.actor, row.action, row.subject, row.details)
            expected = link(previous, self._tenant, count + 1, *own)
            if (row.seq, row.previous, row.hash) != (count + 1, previous, expected):
                return count, row.seq
            previous, count = row.hash, count + 1
        end = self._end()
        return count, None if end == (count, previous) else min(count, end[0]) + 1

    def _end(self) -> tuple[int, str]:
        [row] = self._run(_END)
        return row.audit_count, row.audit_head


def link(previous: str, tenant: str, seq: int, *columns: str) -> str:
    """SHA-256 of an entry's columns as they are stored (RFC 8785) with the hash before it."""
    return hashlib.sha256(rfc8785.dumps([previous, tenant, seq, *columns])).hexdigest()


def _entry(row: Row[tuple[object, ...]]) -> AuditEntry:
    details = json.loads(row.details)
    return AuditEntry(
        row.seq, row.at, row.actor, row.action, row.subject, details, row.previous, row.hash
    )
