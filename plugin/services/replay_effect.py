"""Put an effect that ended with a person back in line. Never does anything itself, nor twice.

What a later change of the same thing has overtaken is not made any more, a note or reply is looked
for in its ticket first, and what is done already counts as done: all that is seen to when the
effect's turn comes (`plugin.services.carry_out`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from plugin.domain.effects import EffectState
from plugin.domain.ids import EffectKey, TenantId
from plugin.ports import Clock
from plugin.ports.records import RunState, StoredEffect
from plugin.ports.storage import Storage, UnitOfWork
from plugin.services.replaying import NotReplayable, Replay, Replayed, WhyNot

_SOON = timedelta(minutes=1)
"""More than two machines' clocks may differ: by the other one, a run this close may have begun."""


@dataclass(frozen=True, slots=True)
class ReplayEffect:
    """The use case, with its ports."""

    storage: Storage
    clock: Clock

    def __call__(
        self, tenant: TenantId, key: EffectKey, by: str, *, although_it_may_repeat: bool = False
    ) -> Replay:
        """Have the effect done after all, `by` whom goes into the audit trail.

        A mail that is `unknown` goes out again only `although_it_may_repeat`. Of two people at
        once the second finds it in line, since writers of one tenant queue up.
        """
        now = self.clock.now()
        with self.storage.begin(tenant) as uow:
            effect = uow.effects.get(key)
            hindrance = _hindrance(effect, although_it_may_repeat=although_it_may_repeat)
            if effect is None or hindrance is not None:
                return NotReplayable(hindrance or WhyNot.NOT_THERE)
            again = replace(
                effect,
                state=EffectState.WAITING,
                attempts=0,
                wake_at=now,
                outcome="replayed",
                changed_at=now,
            )
            uow.effects.set_state(key, effect.state, again)
            _wake(uow, effect, now)
            details = {
                "kind": type(effect.planned.effect).__name__,
                "run": effect.run,
                "was": effect.state,
                "outcome": effect.outcome,
            }
            uow.audit.write(now, by, "effect.replayed", key, details)
            uow.commit()
        return Replayed()


def _hindrance(effect: StoredEffect | None, *, although_it_may_repeat: bool) -> WhyNot | None:
    if effect is None:
        return WhyNot.NOT_THERE
    match effect.state:
        case EffectState.NEEDS_PERSON:
            return None
        case EffectState.UNKNOWN:
            return None if although_it_may_repeat else WhyNot.MAY_REPEAT
        case EffectState.WAITING | EffectState.SENDING:
            return WhyNot.IN_LINE
        case EffectState.DONE | EffectState.ALREADY:
            return WhyNot.CLOSED_BEFORE if effect.is_closed else WhyNot.DONE
        case _:
            assert_never(effect.state)


def _wake(uow: UnitOfWork, effect: StoredEffect, now: datetime) -> None:
    """Have the run looked at now, unless a worker may be at it: it looks again when it ends.

    Two workers at one run would each take what the other is sending for interrupted.
    """
    run = uow.effects.run(effect.run)
    if run is not None and (run.wake_at is None or run.wake_at > now + _SOON):
        uow.effects.wake_run(run, wake_at=now, state=RunState.WAITING)
