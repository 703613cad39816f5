"""Deliveries: webhooks as bytes, with how far each one is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Dialect, Row, and_, func, select, update

from plugin.domain.ids import DeliveryId, InstallationId, TenantId
from plugin.ports.records import NOT_APPLIED, DeliveryState, StoredDelivery
from plugin.ports.watching import DeliverySettled
from plugin.storage import tables as t
from plugin.storage.insert_or import insert_or
from plugin.storage.rows import TenantRows
from plugin.storage.tables import utc_text

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
            headers=_headers(delivery),
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
        topic: str | None = None,
        wake_at: datetime | None = None,
    ) -> None:
        received_at = self._db.execute(
            update(_d)
            .where(self._mine(_d), _d.c.id == delivery)
            .values(
                state=state,
                reason=reason[:255],
                topic=_d.c.topic if topic is None else topic,
                wake_at=wake_at,
                attempts=_d.c.attempts + 1,
            )
            .returning(_d.c.received_at)
        ).scalar()
        if received_at is not None:
            self._tell(DeliverySettled(delivery, state, received_at))

    def close(self, delivery: DeliveryId, reason: str) -> bool:
        # No attempt, and nothing for those who measure how long deliveries take.
        closed = update(_d).where(self._mine(_d), _d.c.id == delivery, t.is_kept)
        values = {"state": DeliveryState.IGNORED, "reason": reason, "wake_at": None}
        return self._db.execute(closed.values(values).returning(_d.c.id)).first() is not None

    def put_back(self, store: InstallationId, stopped_by: Sequence[str], at: datetime) -> None:
        # Each part by an index of its own: most deliveries are through.
        waits = and_(_d.c.wake_at.is_not(None), _d.c.wake_at > at)
        failed = and_(t.is_kept, _d.c.state == DeliveryState.FAILED)
        for which in (and_(waits, _d.c.state == DeliveryState.WAITING), failed):
            rows = self._db.execute(
                update(_d)
                .where(
                    self._mine(_d),
                    _d.c.installation_id == store,
                    _d.c.reason.in_(stopped_by),
                    which,
                )
                .values(
                    state=DeliveryState.RECEIVED,
                    reason="put_back",
                    wake_at=at,
                    attempts=_d.c.attempts + 1,
                )
                .returning(_d.c.id, _d.c.received_at)
            )
            for row in rows:
                self._tell(DeliverySettled(row.id, DeliveryState.RECEIVED, row.received_at))

    def newest(self, states: Sequence[DeliveryState], limit: int) -> Sequence[StoredDelivery]:
        query = (
            select(_d).where(self._mine(_d)).order_by(_d.c.received_at.desc(), _d.c.id).limit(limit)
        )
        if states:
            query = query.where(_d.c.state.in_(states))
        if states and set(states) <= set(NOT_APPLIED):
            query = query.where(t.is_kept)
        return [_delivery(row) for row in self._db.execute(query)]

    def not_applied(self, limit: int) -> Sequence[StoredDelivery]:
        kept = select(_d).where(self._mine(_d), t.is_kept)
        rows = self._db.execute(kept.order_by(_d.c.received_at, _d.c.id).limit(limit))
        return [_delivery(row) for row in rows]

    def ids_in(self, states: Sequence[DeliveryState]) -> Sequence[DeliveryId]:
        query = select(_d.c.id).where(self._mine(_d), _d.c.state.in_(states))
        if set(states) <= set(NOT_APPLIED):
            query = query.where(t.is_kept)
        oldest_first = query.order_by(_d.c.received_at, _d.c.id)
        return [DeliveryId(ref) for ref in self._db.execute(oldest_first).scalars()]

    def put_off_since(
        self, installation: InstallationId, since: datetime, now: datetime
    ) -> datetime | None:
        oldest = select(func.min(_d.c.received_at)).where(
            self._mine(_d),
            _d.c.wake_at > now,
            _d.c.installation_id == installation,
            _d.c.received_at >= since,
        )
        found: datetime | None = self._db.execute(oldest).scalar_one()
        return found

    def last_received(self) -> Mapping[InstallationId, datetime]:
        latest = (
            select(func.max(_d.c.received_at))
            .where(self._mine(_d), _d.c.installation_id == t.installations.c.id)
            .scalar_subquery()
        )
        mine = select(t.installations.c.id, latest).where(self._mine(t.installations))
        return {InstallationId(ref): at for ref, at in self._db.execute(mine) if at is not None}


def driver_insert(dialect: Dialect) -> str:
    """`Deliveries.add` for the driver: takes `driver_values`, gives a row where it is new.

    For PostgreSQL it takes `driver_row`.
    """
    new = insert_or(dialect.name, _d).on_conflict_do_nothing()
    statement = new.returning(_d.c.tenant_id)
    return str(statement.compile(dialect=dialect))


def driver_row(delivery: StoredDelivery) -> dict[str, object]:
    """A row as a driver takes it that names what it is given."""
    return dict(zip(_d.c.keys(), driver_values(delivery), strict=True))


def driver_values(delivery: StoredDelivery) -> tuple[str | bytes | int | None, ...]:
    """A row as the driver takes it, in the order of the table's columns."""
    wake_at = delivery.wake_at
    return (
        delivery.tenant,
        delivery.id,
        delivery.installation,
        delivery.name,
        delivery.topic,
        utc_text(delivery.received_at),
        _headers(delivery),
        delivery.body,
        delivery.state.value,
        delivery.reason,
        delivery.attempts,
        None if wake_at is None else utc_text(wake_at),
    )


def _headers(delivery: StoredDelivery) -> str:
    return json.dumps(dict(delivery.headers))


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
