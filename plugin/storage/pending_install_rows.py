"""Installs that wait for a platform to bring the keys. What was typed is sealed as credentials are.

The one-time value is kept nowhere, not even as a hash: it is made from the row's id and a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection as Db
from sqlalchemy import Row, delete, select, update

from plugin.domain.ids import InstallationId, TenantId
from plugin.ports import Kind
from plugin.ports.connecting import PendingInstall, PendingState
from plugin.storage import tables as t
from plugin.storage.keyring import Keyring
from plugin.storage.rows import TenantRows

_p = t.pending_installs
_KEPT_AFTER_EXPIRY = timedelta(days=7)


class PendingInstallRows(TenantRows):
    """Implements `plugin.ports.storage.PendingInstalls`."""

    def __init__(self, db: Db, tenant: TenantId, keyring: Keyring) -> None:
        super().__init__(db, tenant)
        self._keyring = keyring

    def add(self, pending: PendingInstall) -> None:
        old = pending.expires_at - _KEPT_AFTER_EXPIRY
        gone = delete(_p).where(self._mine(_p), _p.c.expires_at < old).returning(_p.c.id)
        ids = self._db.execute(gone).scalars().all()
        # Their tries were counted under their own ids, which nobody will use again.
        for counted in (t.buckets, t.breakers):
            self._db.execute(delete(counted).where(counted.c.account.in_(ids)))
        self._insert(
            _p,
            id=pending.id,
            kind=pending.kind,
            platform=pending.platform,
            typed=self._keyring.seal(f"{self._tenant}/{pending.id}", pending.typed),
            created_by=pending.created_by,
            created_at=pending.created_at,
            expires_at=pending.expires_at,
            state=pending.state,
            changed_at=pending.changed_at,
            replaces=pending.replaces,
            another=pending.another,
            reason=pending.reason,
            installation_id=pending.installation,
        )

    def get(self, pending: str) -> PendingInstall | None:
        row = self._db.execute(select(_p).where(self._mine(_p), _p.c.id == pending)).first()
        return None if row is None else pending_install_from(row, self._keyring)

    def move(self, before: PendingState, after: PendingInstall) -> bool:
        moved = self._db.execute(
            update(_p)
            .where(self._mine(_p), _p.c.id == after.id, _p.c.state == before)
            .values(
                state=after.state,
                changed_at=after.changed_at,
                reason=after.reason,
                installation_id=after.installation,
            )
            .returning(_p.c.id)
        )
        return moved.first() is not None


def waiting_installs(
    db: Db, keyring: Keyring, kind: Kind, platform: str, now: datetime
) -> Sequence[PendingInstall]:
    """All tenants' installs of a platform that are open now, newest first."""
    asked = select(_p).where(
        _p.c.kind == kind,
        _p.c.platform == platform,
        _p.c.state == PendingState.WAITING,
        _p.c.expires_at > now,
    )
    rows = db.execute(asked.order_by(_p.c.created_at.desc(), _p.c.id))
    return [pending_install_from(row, keyring) for row in rows]


def pending_install_from(row: Row[tuple[object, ...]], keyring: Keyring) -> PendingInstall:
    """A pending install from its row. Raises NeedsHuman when no key opens what was typed."""
    return PendingInstall(
        id=row.id,
        tenant=TenantId(row.tenant_id),
        kind=Kind(row.kind),
        platform=row.platform,
        typed=keyring.open(f"{row.tenant_id}/{row.id}", row.typed),
        created_by=row.created_by,
        created_at=row.created_at,
        expires_at=row.expires_at,
        state=PendingState(row.state),
        changed_at=row.changed_at,
        replaces=None if row.replaces is None else InstallationId(row.replaces),
        another=row.another,
        reason=row.reason,
        installation=None if row.installation_id is None else InstallationId(row.installation_id),
    )
