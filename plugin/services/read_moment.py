"""A booked moment has come: read the ledger again, and write what follows into the moment's run.

Time alone changes what is paid for: the end of a paid period. Changes nothing outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from plugin.domain.effects import PlannedEffect
from plugin.domain.ids import TenantId
from plugin.ports import Clock
from plugin.ports.records import Run, RunState
from plugin.ports.storage import Storage, UnitOfWork
from plugin.services.ask_for_others import PATIENCE, AskForOthers, leave_to_person
from plugin.services.run_rules import book_next_moment, takes, what_follows

A_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class ReadMoment:
    """The use case, with its ports."""

    storage: Storage
    clock: Clock
    ask: AskForOthers

    def __call__(self, tenant: TenantId, run: Run) -> bool:
        """Write down what follows. False where it is put off, since a store did not answer.

        Nothing is taken before the stores were asked what else the customer bought. What one that
        stays silent may know of, a person takes or leaves.
        """
        with self.storage.begin(tenant) as uow:
            if not any(takes(effect) for effect in self._write(uow, run)):
                uow.commit()
                return True
        has_heard = self.ask(tenant, run.customer)
        with self.storage.begin(tenant) as uow:
            now = self.clock.now()
            if not has_heard and run.wakes < PATIENCE / A_MINUTE:
                uow.effects.wake_run(run, wake_at=now + A_MINUTE, state=RunState.WAITING)
                uow.commit()
                return False
            effects = self._write(uow, run)
            if not has_heard:
                leave_to_person(uow, run.id, effects, now)
            uow.commit()
        return True

    def _write(self, uow: UnitOfWork, run: Run) -> Sequence[PlannedEffect]:
        now = self.clock.now()
        ledger, effects = what_follows(uow, run.customer, run.id, run.cause, now)
        uow.effects.add_effects(run, effects, now)
        book_next_moment(uow, run.customer, ledger, now)
        return effects
