"""How far each account was read, whom to look at next, and what was found to differ."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection as Db
from sqlalchemy import Row, func, select, update

from plugin.domain.drift import Difference, DriftKind, DriftState
from plugin.domain.ids import CustomerKey, InstallationId, TenantId
from plugin.ports import Kind
from plugin.ports.records import Drift, InstallationStatus, Sweep
from plugin.storage import tables as t
from plugin.storage.rows import TenantRows

_s = t.sweeps
_d = t.drifts


def begin_sweeps(db: Db, now: datetime) -> None:
    """Give every store of every tenant that has no sweep one that is due now."""
    i, heard = t.installations, t.deliveries
    last = (
        select(func.max(heard.c.received_at))
        .where(heard.c.tenant_id == i.c.tenant_id, heard.c.installation_id == i.c.id)
        .scalar_subquery()
    )
    lacking = (
        select(i.c.tenant_id, i.c.id, i.c.created_at, last.label("heard"))
        .outerjoin(_s, (_s.c.tenant_id == i.c.tenant_id) & (_s.c.installation_id == i.c.id))
        .where(
            i.c.kind == Kind.STORE,
            i.c.status != InstallationStatus.REMOVED,
            _s.c.installation_id.is_(None),
        )
    )
    for row in db.execute(lacking).all():
        since = row.created_at if row.heard is None else row.heard
        first = Sweep(InstallationId(row.id), since, None, now)
        SweepRows(db, TenantId(row.tenant_id)).begin(first)


class SweepRows(TenantRows):
    """Implements `plugin.ports.storage.Sweeps`."""

    def begin(self, sweep: Sweep) -> bool:
        return self._insert_new(_s, installation_id=sweep.installation, **_changing(sweep))

    def get(self, installation: InstallationId) -> Sweep | None:
        query = select(_s).where(self._mine(_s), _s.c.installation_id == installation)
        row = self._db.execute(query).first()
        return None if row is None else _sweep(row)

    def all(self) -> Sequence[Sweep]:
        rows = self._db.execute(select(_s).where(self._mine(_s)).order_by(_s.c.installation_id))
        return [_sweep(row) for row in rows]

    def save(self, before: Sweep, after: Sweep) -> bool:
        moved = self._db.execute(
            update(_s)
            .where(
                self._mine(_s),
                _s.c.installation_id == before.installation,
                _s.c.wakes == before.wakes,
            )
            .values(**_changing(after))
            .returning(_s.c.wakes)
        )
        return moved.first() is not None

    def wake(self, installation: InstallationId, at: datetime) -> bool:
        woken = self._db.execute(
            update(_s)
            .where(self._mine(_s), _s.c.installation_id == installation)
            .values(wake_at=at)
            .returning(_s.c.wakes)
        )
        return woken.first() is not None

    def customers(self, after: str, limit: int) -> Sequence[CustomerKey]:
        facts = t.facts
        rows = self._db.execute(
            select(facts.c.customer)
            .where(self._mine(facts), facts.c.customer > after, t.is_ending)
            .group_by(facts.c.customer)
            .order_by(facts.c.customer)
            .limit(limit)
        )
        return [CustomerKey(row.customer) for row in rows]


class DriftRows(TenantRows):
    """Implements `plugin.ports.storage.Drifts`."""

    def put(self, drift: Drift) -> None:
        self._replace(
            _d,
            ("id",),
            id=drift.id,
            installation_id=drift.installation,
            customer=drift.customer or "",
            kind=drift.difference.kind,
            subject=drift.difference.subject,
            state=drift.state,
            document=json.dumps(dict(drift.difference.details), ensure_ascii=False),
            found_at=drift.found_at,
            changed_at=drift.changed_at,
        )

    def get(self, drift: str) -> Drift | None:
        row = self._db.execute(select(_d).where(self._mine(_d), _d.c.id == drift)).first()
        return None if row is None else _drift(row)

    def of_customer(
        self, installation: InstallationId, customer: CustomerKey | None
    ) -> Sequence[Drift]:
        rows = self._db.execute(
            select(_d)
            .where(
                self._mine(_d),
                _d.c.installation_id == installation,
                _d.c.customer == (customer or ""),
            )
            .order_by(_d.c.found_at, _d.c.id)
        )
        return [_drift(row) for row in rows]

    def suspects(
        self, installation: InstallationId, until: datetime, limit: int
    ) -> Sequence[CustomerKey]:
        rows = self._db.execute(
            select(_d.c.customer)
            .where(
                self._mine(_d),
                _d.c.installation_id == installation,
                _d.c.state == DriftState.SUSPECTED,
                _d.c.found_at <= until,
            )
            .group_by(_d.c.customer)
            .order_by(_d.c.customer)
            .limit(limit)
        )
        return [CustomerKey(row.customer) for row in rows]

    def open(self, limit: int) -> Sequence[Drift]:
        rows = self._db.execute(
            select(_d)
            .where(self._mine(_d), _d.c.state == DriftState.OPEN)
            .order_by(_d.c.found_at, _d.c.id)
            .limit(limit)
        )
        return [_drift(row) for row in rows]


def _changing(sweep: Sweep) -> dict[str, object]:
    return {
        "read_until": sweep.read_until,
        "swept_at": sweep.swept_at,
        "wake_at": sweep.wake_at,
        "wakes": sweep.wakes,
        "failures": sweep.failures,
        "reason": sweep.reason[:255],
        "examined": sweep.examined,
    }


def _sweep(row: Row[tuple[object, ...]]) -> Sweep:
    return Sweep(
        InstallationId(row.installation_id),
        row.read_until,
        row.swept_at,
        row.wake_at,
        row.wakes,
        row.failures,
        row.reason,
        row.examined,
    )


def _drift(row: Row[tuple[object, ...]]) -> Drift:
    return Drift(
        row.id,
        InstallationId(row.installation_id),
        CustomerKey(row.customer) if row.customer else None,
        Difference(DriftKind(row.kind), row.subject, json.loads(row.document)),
        DriftState(row.state),
        row.found_at,
        row.changed_at,
    )
