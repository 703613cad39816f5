"""Why nothing is sent for a tenant just now. A hold stands until it is lifted, across restarts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Row, Table, delete, select, true

from plugin.domain.refunds import RefundState
from plugin.ports.records import Hold
from plugin.storage import tables as t
from plugin.storage.prepared import Prepared
from plugin.storage.rows import TenantRows, mine

_h = t.holds
_d = t.deliveries
_ALL = Prepared(select(_h).where(mine(_h)).order_by(_h.c.since, _h.c.reason))


class HoldRows(TenantRows):
    """Implements `plugin.ports.storage.Holds`."""

    def all(self) -> Sequence[Hold]:
        return [_hold(row) for row in self._run(_ALL)]

    def put(self, hold: Hold) -> None:
        self._replace(
            _h,
            ("reason",),
            reason=hold.reason,
            since=hold.since,
            read_from=hold.read_from,
            wake_at=hold.wake_at,
            wakes=hold.wakes,
        )

    def lift(self, reason: str) -> bool:
        lifted = self._db.execute(
            delete(_h).where(self._mine(_h), _h.c.reason == reason).returning(_h.c.reason)
        )
        return lifted.first() is not None

    def has_unapplied(self, until: datetime) -> bool:
        query = (
            select(_d.c.id)
            .where(self._mine(_d), _d.c.wake_at.is_not(None), _d.c.received_at <= until)
            .limit(1)
        )
        return self._db.execute(query).first() is not None


def _hold(row: Row[tuple[object, ...]]) -> Hold:
    return Hold(row.reason, row.since, row.read_from, row.wake_at, row.wakes)


def may_go_on(kind: str, table: Table) -> ColumnElement[bool]:
    """Which rows of `table`, due for `kind` of work, send nothing or are of nobody who is held.

    A held tenant's refunds are looked up and not sent, and its runs wait. Deliveries are applied:
    what they tell changes the books, and what follows from it outside is a run.
    """
    # NOT IN, not NOT EXISTS: PostgreSQL would join the two, and sort all that is due for it.
    is_free = table.c.tenant_id.not_in(select(_h.c.tenant_id))
    match kind:
        case "refund":
            return (table.c.state != RefundState.RESERVED) | is_free
        case "run" | "pairing":
            return is_free
        case _:
            return true()
