"""How many there are, for whoever looks at the whole: always by an index, always with an end.

A page must not become slow because a business is old, nor because something floods it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from sqlalchemy import Integer, Select, column, func, select, true, union_all, values

from plugin.domain.effects import EffectState, RemoveTag, RevokeAccess
from plugin.domain.ids import InstallationId
from plugin.domain.refunds import RefundState
from plugin.ports.records import DeliveryState, InstallationStatus
from plugin.storage import tables as t
from plugin.storage.rows import TenantRows

_d, _e, _i, _r = t.deliveries, t.effects, t.installations, t.refunds
_TO_DO = (EffectState.WAITING, EffectState.SENDING)
_CLOSES = (RevokeAccess.__name__, RemoveTag.__name__)


class TallyRows(TenantRows):
    """Implements `plugin.ports.tallies.Tallies`."""

    def refunds(self, states: Sequence[RefundState], most: int) -> Mapping[InstallationId, int]:
        accounts = select(_r.c.payment_installation).where(self._mine(_r), _r.c.state.in_(states))
        return self._by_installation(accounts, most)

    def effects(self, states: Sequence[EffectState], most: int) -> int:
        found = select(_e.c.state).where(self._mine(_e), _e.c.state.in_(states)).limit(most)
        counted = select(func.count()).select_from(found.subquery())
        return int(self._db.execute(counted).scalar_one())

    def closings(self, most: int) -> Mapping[InstallationId, int]:
        to_do = (
            select(_e.c.resource_installation, _e.c.kind)
            .where(self._mine(_e), _e.c.state.in_(_TO_DO))
            .limit(most)
            .subquery()
        )
        closes = select(to_do.c.resource_installation).where(to_do.c.kind.in_(_CLOSES))
        return self._by_installation(closes, most)

    def not_applied(self, most: int) -> Mapping[DeliveryState, int]:
        found = select(_d.c.state).where(self._mine(_d), t.is_kept).limit(most)
        return Counter(DeliveryState(row.state) for row in self._db.execute(found))

    def deliveries(
        self, moments: Sequence[datetime], most: int
    ) -> Mapping[InstallationId, Sequence[int]]:
        hours = (
            values(
                column("place", Integer),
                column("begins", t.UtcTime),
                column("ends", t.UtcTime),
                name="hours",
            )
            .data([(place, *hour) for place, hour in enumerate(pairwise(moments))])
            .cte("hours")
        )
        found = (
            select(_d.c.received_at)
            .where(
                self._mine(_d),
                _d.c.installation_id == _i.c.id,
                _d.c.received_at >= hours.c.begins,
                _d.c.received_at < hours.c.ends,
            )
            .limit(most)
            .correlate(_i, hours)
            .subquery()
        )
        count = select(func.count()).select_from(found).scalar_subquery()
        rows = self._db.execute(
            select(_i.c.id, hours.c.place, count)
            .join(hours, true())
            .where(self._mine(_i), _i.c.status != InstallationStatus.REMOVED)
            .order_by(_i.c.id, hours.c.place)
        )
        told: dict[InstallationId, list[int]] = {}
        for ref, _, number in rows:
            told.setdefault(InstallationId(ref), []).append(number)
        return told

    def not_applied_between(
        self, begin: datetime, end: datetime, most: int
    ) -> Sequence[tuple[InstallationId, datetime]]:
        rows = self._db.execute(
            select(_d.c.installation_id, _d.c.received_at)
            .where(self._mine(_d), t.is_kept, _d.c.received_at >= begin, _d.c.received_at < end)
            .limit(most)
        )
        return [(InstallationId(ref), at) for ref, at in rows]

    def heard(self, most: int) -> Mapping[InstallationId, Sequence[datetime]]:
        here = self._mine(_i), _i.c.status != InstallationStatus.REMOVED
        refs = self._db.execute(select(_i.c.id).where(*here)).scalars().all()
        if not refs:
            return {}
        each = [
            select(_d.c.installation_id, _d.c.received_at)
            .where(self._mine(_d), _d.c.installation_id == ref)
            .order_by(_d.c.received_at.desc())
            .limit(most)
            .subquery()
            for ref in refs
        ]
        told: dict[InstallationId, list[datetime]] = {}
        for ref, at in self._db.execute(union_all(*(select(one) for one in each))):
            told.setdefault(InstallationId(ref), []).append(at)
        return told

    def _by_installation(self, accounts: Select[str], most: int) -> Mapping[InstallationId, int]:
        found = self._db.execute(accounts.limit(most))
        return Counter(InstallationId(ref) for (ref,) in found)
