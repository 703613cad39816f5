"""Close what ended with a person once she has done it by hand. Does nothing outside, nor undoes.

It leaves the lists, the counts and the gauge of what waits for a person, and is not replayed any
more. Whether an access was really taken or given by hand is not believed for ever: the next look at
the platform compares it with the books (`plugin.services.examine_drift`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from plugin.domain.effects import EffectState
from plugin.domain.ids import DeliveryId, EffectKey, TenantId
from plugin.ports import Clock
from plugin.ports.records import (
    DONE_BY_HAND,
    DeliveryState,
    StoredDelivery,
    StoredEffect,
)
from plugin.ports.storage import Storage
from plugin.services.replaying import WhyNot


@dataclass(frozen=True, slots=True)
class Closed:
    """It waits for nobody any more."""


@dataclass(frozen=True, slots=True)
class NotClosable:
    """Nothing was changed."""

    why: WhyNot


Closing = Closed | NotClosable


@dataclass(frozen=True, slots=True)
class CloseDelivery:
    """The use case for a delivery that could not be applied, with its ports."""

    storage: Storage
    clock: Clock

    def __call__(self, tenant: TenantId, delivery: DeliveryId, by: str) -> Closing:
        """Say that what it asks for was done, `by` whom goes into the audit trail.

        So does why it had not been applied: its row tells from now on how it was closed.
        """
        with self.storage.begin(tenant) as uow:
            stored = uow.deliveries.get(delivery)
            if stored is None:
                return NotClosable(WhyNot.NOT_THERE)
            if not uow.deliveries.close(delivery, DONE_BY_HAND):
                return NotClosable(_why_not(stored))
            details = {"was": stored.state, "reason": stored.reason}
            uow.audit.write(self.clock.now(), by, "delivery.closed", delivery, details)
            uow.commit()
        return Closed()


def _why_not(stored: StoredDelivery) -> WhyNot:
    if stored.is_closed:
        return WhyNot.CLOSED_BEFORE
    waits = stored.state in (DeliveryState.RECEIVED, DeliveryState.WAITING)
    return WhyNot.IN_LINE if waits else WhyNot.DONE


@dataclass(frozen=True, slots=True)
class CloseEffect:
    """The use case for an effect that is `unknown` or needs a person, with its ports."""

    storage: Storage
    clock: Clock

    def __call__(self, tenant: TenantId, key: EffectKey, by: str) -> Closing:
        """Say that it was done, `by` whom goes into the audit trail.

        Its run needs no waking: it has counted the effect as over since it ended with a person.
        """
        now = self.clock.now()
        with self.storage.begin(tenant) as uow:
            effect = uow.effects.get(key)
            hindrance = _hindrance(effect)
            if effect is None or hindrance is not None:
                return NotClosable(hindrance or WhyNot.NOT_THERE)
            closed = replace(
                effect,
                state=EffectState.ALREADY,
                wake_at=None,
                outcome=DONE_BY_HAND,
                changed_at=now,
            )
            uow.effects.set_state(key, effect.state, closed)
            details = {
                "kind": type(effect.planned.effect).__name__,
                "run": effect.run,
                "was": effect.state,
                "outcome": effect.outcome,
            }
            uow.audit.write(now, by, "effect.closed", key, details)
            uow.commit()
        return Closed()


def _hindrance(effect: StoredEffect | None) -> WhyNot | None:
    if effect is None:
        return WhyNot.NOT_THERE
    match effect.state:
        case EffectState.NEEDS_PERSON | EffectState.UNKNOWN:
            return None
        case EffectState.WAITING | EffectState.SENDING:
            return WhyNot.IN_LINE
        case EffectState.DONE | EffectState.ALREADY:
            return WhyNot.CLOSED_BEFORE if effect.is_closed else WhyNot.DONE
        case _:
            assert_never(effect.state)
