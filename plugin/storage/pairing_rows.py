"""Which agents are proven in which browsers. Only hashes of what a browser, frame or link holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Row, delete, func, select, update

from plugin.domain.ids import AgentId, InstallationId, PairingId, TenantId
from plugin.ports.records import Pairing, PairingState
from plugin.storage import tables as t
from plugin.storage.rows import TenantRows

_p = t.pairings
_KEPT_AFTER_EXPIRY = timedelta(days=30)


class PairingRows(TenantRows):
    """Implements `plugin.ports.storage.Pairings`."""

    def add(self, pairing: Pairing) -> None:
        long_ago = pairing.asked_at - _KEPT_AFTER_EXPIRY
        self._db.execute(delete(_p).where(self._mine(_p), _p.c.expires_at < long_ago))
        self._insert(_p, **_values(pairing))

    def get(self, pairing: PairingId) -> Pairing | None:
        row = self._db.execute(select(_p).where(self._mine(_p), _p.c.id == pairing)).first()
        return None if row is None else pairing_from(row)

    def move(self, before: Pairing, after: Pairing) -> bool:
        moved = self._db.execute(
            update(_p)
            .where(
                self._mine(_p),
                _p.c.id == before.id,
                _p.c.state == before.state,
                _p.c.wakes == before.wakes,
            )
            .values(**_values(after))
            .returning(_p.c.id)
        )
        return moved.first() is not None

    def asked_since(
        self, desk: InstallationId, moment: datetime, agent: AgentId | None = None
    ) -> int:
        query = select(func.count()).where(
            self._mine(_p), _p.c.installation_id == desk, _p.c.asked_at > moment
        )
        if agent is not None:
            query = query.where(_p.c.agent == agent)
        return int(self._db.execute(query).scalar_one())

    def of_frame(self, desk: InstallationId, agent: AgentId, frame: str) -> Pairing | None:
        return self._newest(desk, (_p.c.agent == agent) & (_p.c.frame == frame))

    def of_browser(self, desk: InstallationId, browser: str, now: datetime) -> Pairing | None:
        holds = (_p.c.state == PairingState.PAIRED) & (_p.c.expires_at > now)
        return self._newest(desk, (_p.c.browser == browser) & holds)

    def all(self, now: datetime) -> Sequence[Pairing]:
        rows = self._db.execute(
            select(_p)
            .where(self._mine(_p), _p.c.state == PairingState.PAIRED, _p.c.expires_at > now)
            .order_by(_p.c.paired_at.desc(), _p.c.id)
        )
        return [pairing_from(row) for row in rows]

    def _newest(self, desk: InstallationId, also: ColumnElement[bool]) -> Pairing | None:
        row = self._db.execute(
            select(_p)
            .where(self._mine(_p), _p.c.installation_id == desk, also)
            .order_by(_p.c.framed_at.desc(), _p.c.id)
            .limit(1)
        ).first()
        return None if row is None else pairing_from(row)


def _values(pairing: Pairing) -> Mapping[str, object]:
    return {
        "id": pairing.id,
        "installation_id": pairing.desk,
        "agent": pairing.agent,
        "state": pairing.state,
        "browser": pairing.browser,
        "frame": pairing.frame,
        "framed_at": pairing.framed_at,
        "link": pairing.link,
        "name": pairing.name,
        "role": pairing.role,
        "asked_at": pairing.asked_at,
        "paired_at": pairing.paired_at,
        "expires_at": pairing.expires_at,
        "ended_at": pairing.ended_at,
        "reason": pairing.reason,
        "wake_at": pairing.wake_at,
        "wakes": pairing.wakes,
    }


def pairing_from(row: Row[tuple[object, ...]]) -> Pairing:
    """The pairing that a row of `mg_pairings` holds."""
    return Pairing(
        tenant=TenantId(row.tenant_id),
        id=PairingId(row.id),
        desk=InstallationId(row.installation_id),
        agent=AgentId(row.agent),
        state=PairingState(row.state),
        browser=row.browser,
        frame=row.frame,
        framed_at=row.framed_at,
        asked_at=row.asked_at,
        expires_at=row.expires_at,
        link=row.link,
        name=row.name,
        role=row.role,
        paired_at=row.paired_at,
        ended_at=row.ended_at,
        reason=row.reason,
        wake_at=row.wake_at,
        wakes=row.wakes,
    )
