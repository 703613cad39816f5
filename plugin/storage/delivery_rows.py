"""Deliveries: webhooks as bytes, with how far each one is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Row, func, select, update

from plugin.domain.ids import DeliveryId, InstallationId, TenantId
from plugin.ports.storage import DeliveryState, StoredDelivery
from plugin.storage import tables as t
from plugin.storage.rows import TenantRows

_d = t.deliveries


class DeliveryRows(TenantRows):
    """Implements `plugin.ports.storage.Deliveries`."""

    def add(self, delivery: StoredDelivery) -> bool:
        return self._insert_new(
            _d,
            id=delivery.id,
            installation_id=delivery.installation,
            name=delivery.name,
            topic=delivery.topic,
            received_at=delivery.received_at,
            headers=json.dumps(dict(delivery.headers)),
            body=delivery.body,
            state=delivery.state,
            reason=delivery.reason,
            attempts=delivery.attempts,
            wake_at=delivery.wake_at,
        )

    def get(self, delivery: DeliveryId) -> StoredDelivery | None:
        row = self._db.execute(select(_d).where(self._mine(_d), _d.c.id == delivery)).first()
        return None if row is None else _delivery(row)

    def settle(
        self,
        delivery: DeliveryId,
        state: DeliveryState,
        *,
        reason: str = "",
        wake_at: datetime | None = None,
    ) -> None:
        self._db.execute(
            update(_d)
            .where(self._mine(_d), _d.c.id == delivery)
            .values(state=state, reason=reason[:255], wake_at=wake_at, attempts=_d.c.attempts + 1)
        )

    def newest(self, states: Sequence[DeliveryState], limit: int) -> Sequence[StoredDelivery]:
        query = (
            select(_d).where(self._mine(_d)).order_by(_d.c.received_at.desc(), _d.c.id).limit(limit)
        )
        if states:
            query = query.where(_d.c.state.in_(states))
        return [_delivery(row) for row in self._db.execute(query)]

    def last_received(self) -> Mapping[InstallationId, datetime]:
        latest = func.max(_d.c.received_at)
        rows = self._db.execute(
            select(_d.c.installation_id, latest)
            .where(self._mine(_d))
            .group_by(_d.c.installation_id)
        )
        return {InstallationId(installation): at for installation, at in rows}


def _delivery(row: Row[tuple[object, ...]]) -> StoredDelivery:
    return StoredDelivery(
        id=DeliveryId(row.id),
        tenant=TenantId(row.tenant_id),
        installation=InstallationId(row.installation_id),
        name=row.name,
        topic=row.topic,
        received_at=row.received_at,
        headers=json.loads(row.headers),
        body=bytes(row.body),
        state=DeliveryState(row.state),
        reason=row.reason,
        attempts=row.attempts,
        wake_at=row.wake_at,
    )
