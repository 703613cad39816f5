"""Rule runs and their effects: what must be done outside, in which order, and how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from sqlalchemy import Row, bindparam, select, update

from plugin.domain.effects import (
    EffectState,
    PlannedEffect,
    RemoveTag,
    RestoreAccess,
    RestoreTag,
    RevokeAccess,
    TellCustomer,
    TellOwner,
    access_key,
)
from plugin.domain.ids import CustomerKey, EffectKey, InstallationId, RunId
from plugin.domain.orders import Resource, ResourceKind
from plugin.domain.rules import Turn, Turns
from plugin.ports.records import Run, RunState, StoredEffect, TagChange
from plugin.ports.watching import EffectMoved
from plugin.storage import tables as t
from plugin.storage.codec import dump, load
from plugin.storage.prepared import Prepared
from plugin.storage.rows import TenantRows, mine

_u = t.runs
_e = t.effects
_OPEN = (EffectState.NEEDS_PERSON, EffectState.UNKNOWN)
_TAKES = (RevokeAccess.__name__, RemoveTag.__name__)
_RUN = Prepared(select(_u).where(mine(_u), _u.c.id == bindparam("run")))
_WAKE = Prepared(
    update(_u)
    .where(mine(_u), _u.c.id == bindparam("run"))
    .values(state=bindparam("new_state"), wake_at=bindparam("new_wake_at"), wakes=_u.c.wakes + 1)
)
_OF_RUN = Prepared(
    select(_e).where(mine(_e), _e.c.run_id == bindparam("run")).order_by(_e.c.position, _e.c.key)
)
_EFFECT = Prepared(select(_e).where(mine(_e), _e.c.key == bindparam("of")))
_MOVE = Prepared(
    update(_e)
    .where(mine(_e), _e.c.key == bindparam("of"), _e.c.state == bindparam("before"))
    .values(
        {
            name: bindparam(f"new_{name}")
            for name in ("state", "attempts", "wake_at", "outcome", "changed_at")
        }
    )
    .returning(_e.c.kind)
)
_TURNS = Prepared(
    select(
        _e.c.resource_installation,
        _e.c.resource_kind,
        _e.c.resource_ref,
        _e.c.turn,
        _e.c.kind,
        _e.c.document,
    )
    .where(mine(_e), _e.c.customer == bindparam("of"), _e.c.turn.is_not(None))
    .order_by(_e.c.turn)
)
_CHANGES_OF = Prepared(
    select(_e.c.key, _e.c.state)
    .where(
        mine(_e),
        _e.c.customer == bindparam("of"),
        _e.c.resource_installation == bindparam("installation"),
        _e.c.resource_kind == bindparam("kind"),
        _e.c.resource_ref == bindparam("ref"),
        _e.c.turn.is_not(None),
    )
    .order_by(_e.c.turn)
)


class EffectRows(TenantRows):
    """Implements `plugin.ports.storage.Effects`."""

    def add_run(self, run: Run, effects: Sequence[PlannedEffect], at: datetime) -> bool:
        is_new = self._insert_new(
            _u,
            id=run.id,
            customer=run.customer,
            cause=run.cause,
            state=run.state,
            wake_at=run.wake_at,
            wakes=run.wakes,
            created_at=at,
        )
        if not is_new:
            return False
        self.add_effects(run, effects, at)
        return True

    def add_effects(self, run: Run, effects: Sequence[PlannedEffect], at: datetime) -> None:
        """Put effects into a run that exists. A key that is there already stays as it is."""
        turns = self.turns(run.customer)
        for planned in effects:
            resource = _resource_of(planned)
            self._insert_new(
                _e,
                key=planned.key,
                run_id=run.id,
                position=planned.position,
                customer=run.customer,
                kind=type(planned.effect).__name__,
                resource_installation=resource.installation if resource else None,
                resource_kind=resource.kind if resource else None,
                resource_ref=resource.ref if resource else None,
                turn=_turn_of(planned, run.customer, resource, turns),
                document=dump(planned),
                state=EffectState.WAITING,
                attempts=0,
                wake_at=None,
                outcome="",
                created_at=at,
                changed_at=at,
            )

    def run(self, run: RunId) -> Run | None:
        row = self._first(_RUN, run=run)
        return None if row is None else _run(row)

    def wake_run(self, run: Run, *, wake_at: datetime | None, state: RunState) -> None:
        self._run(_WAKE, run=run.id, new_state=state, new_wake_at=wake_at)

    def of_run(self, run: RunId) -> Sequence[StoredEffect]:
        return [_effect(row) for row in self._run(_OF_RUN, run=run)]

    def get(self, key: EffectKey) -> StoredEffect | None:
        row = self._first(_EFFECT, of=key)
        return None if row is None else _effect(row)

    def set_state(self, key: EffectKey, before: EffectState, effect: StoredEffect) -> bool:
        moved = self._first(
            _MOVE,
            of=key,
            before=before,
            new_state=effect.state,
            new_attempts=effect.attempts,
            new_wake_at=effect.wake_at,
            new_outcome=effect.outcome[:255],
            new_changed_at=effect.changed_at,
        )
        if moved is None:
            return False
        self._tell(EffectMoved(key, effect.run, moved.kind, before, effect.state))
        return True

    def turns(self, customer: CustomerKey) -> Turns:
        """Per resource how often we changed it, and whether the last change took it away."""
        rows = self._run(_TURNS, of=customer)
        return {
            Resource(
                InstallationId(row.resource_installation),
                ResourceKind(row.resource_kind),
                row.resource_ref,
            ): Turn(row.turn, row.kind in _TAKES, _planned(row.document).causes)
            for row in rows
        }

    def changes_of(
        self, customer: CustomerKey, resource: Resource
    ) -> Sequence[tuple[EffectKey, EffectState]]:
        rows = self._run(
            _CHANGES_OF,
            of=customer,
            installation=resource.installation,
            kind=resource.kind,
            ref=resource.ref,
        )
        return [(EffectKey(row.key), EffectState(row.state)) for row in rows]

    def last_tag_change(
        self, customer: CustomerKey, tag: Resource, until: datetime
    ) -> TagChange | None:
        row = self._db.execute(
            select(_e.c.kind, _e.c.changed_at)
            .where(
                self._mine(_e),
                _e.c.customer == customer,
                _e.c.kind.in_((RestoreTag.__name__, RemoveTag.__name__)),
                _e.c.resource_installation == tag.installation,
                _e.c.resource_ref == tag.ref,
                _e.c.state.in_((EffectState.SENDING, EffectState.DONE, EffectState.ALREADY)),
                _e.c.changed_at <= until,
            )
            .order_by(_e.c.changed_at.desc(), _e.c.turn.desc())
            .limit(1)
        ).first()
        if row is None:
            return None
        return TagChange(row.kind == RestoreTag.__name__, row.changed_at)

    def open(self, limit: int) -> Sequence[StoredEffect]:
        return [_effect(row) for row in self._last_changed(_e, _OPEN, limit, oldest=True)]

    def newest(self, limit: int, states: Sequence[EffectState] = ()) -> Sequence[StoredEffect]:
        return [_effect(row) for row in self._last_changed(_e, states or EffectState, limit)]

    def keys_in(self, state: EffectState) -> Sequence[EffectKey]:
        of_state = select(_e.c.key).where(self._mine(_e), _e.c.state == state)
        keys = self._db.execute(of_state.order_by(_e.c.changed_at, _e.c.key)).scalars()
        return [EffectKey(key) for key in keys]

    def unsent_messages(self) -> Sequence[StoredEffect]:
        rows = self._db.execute(
            select(_e).where(
                self._mine(_e),
                _e.c.kind.in_((TellCustomer.__name__, TellOwner.__name__)),
                _e.c.state.in_((EffectState.WAITING, EffectState.SENDING)),
            )
        )
        return [_effect(row) for row in rows]


def _resource_of(planned: PlannedEffect) -> Resource | None:
    match planned.effect:
        case RevokeAccess(resource) | RestoreAccess(resource):
            return resource
        case RemoveTag(tag) | RestoreTag(tag):
            return tag
        case _:
            return None


def _turn_of(
    planned: PlannedEffect, customer: CustomerKey, resource: Resource | None, turns: Turns
) -> int | None:
    """The number of this change; None where the effect changes no resource."""
    if resource is None:
        return None
    turn = turns[resource].count + 1 if resource in turns else 1
    return turn if planned.key == access_key(customer, resource, turn) else None


def _run(row: Row[tuple[object, ...]]) -> Run:
    return Run(
        RunId(row.id),
        CustomerKey(row.customer),
        row.cause,
        RunState(row.state),
        row.wake_at,
        row.wakes,
    )


def _effect(row: Row[tuple[object, ...]]) -> StoredEffect:
    return StoredEffect(
        planned=_planned(row.document),
        run=RunId(row.run_id),
        customer=CustomerKey(row.customer),
        state=EffectState(row.state),
        attempts=row.attempts,
        wake_at=row.wake_at,
        outcome=row.outcome,
        changed_at=row.changed_at,
    )


# A plan of an effect never changes, and is read again before each call of its run.
@lru_cache(maxsize=1024)
def _planned(document: str) -> PlannedEffect:
    return load(PlannedEffect, document)
