"""Carry out the effects of one run, in order, each with its row committed before its call.

One effect that cannot be done now never holds up the others; its run stays open until it is done or
a person must look. Found `sending` after a crash, a change that may be repeated is repeated, a note
is looked for in its ticket, and a mail is left `unknown`: told at most once. A change that a later
change of the same thing has overtaken is not made any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from plugin.domain.effects import (
    EffectState,
    TellCustomer,
    TellOwner,
    VerifyAccess,
    access_key,
)
from plugin.domain.ids import CustomerKey, EffectKey, RunId, TenantId
from plugin.domain.rules import rule_effects
from plugin.ports import Changed, Clock, Mailer
from plugin.ports.platforms import Platforms
from plugin.ports.records import Run, RunState, StoredEffect
from plugin.ports.storage import Storage, UnitOfWork
from plugin.services.effect_calls import (
    Attempt,
    Call,
    Done,
    EffectCalls,
    ForPerson,
    MaybeSent,
    TryLater,
    attempt,
    resource_of,
)
from plugin.services.run_rules import MOMENT, book_next_moment, ledger_of

RETRIES = tuple(
    timedelta(seconds=s)
    for s in (5, 30, 120, 600, 1800, 3600, 10800, 21600, 43200, 86400, 86400, 86400)
)
"""After the first attempt twelve more, over almost four days; then a person must look."""


@dataclass(frozen=True, slots=True)
class CarryOut:
    """The use case, with its ports."""

    storage: Storage
    platforms: Platforms
    mailer: Mailer
    clock: Clock

    def __call__(self, tenant: TenantId, run_id: RunId) -> None:
        """Do what is due of a run now, and say when to come back."""
        run = self._begin(tenant, run_id)
        if run is None:
            return
        with self.storage.read(tenant) as uow:
            keys = [effect.planned.key for effect in uow.effects.of_run(run.id)]
        for key in keys:
            self._try(tenant, run, key)
        self._end(tenant, run)

    def _begin(self, tenant: TenantId, run_id: RunId) -> Run | None:
        """The run with its effects; a booked moment reads the ledger now that its time is here."""
        now = self.clock.now()
        with self.storage.begin(tenant) as uow:
            run = uow.effects.run(run_id)
            if run is None or run.wake_at is None or run.wake_at > now:
                return None
            if run.cause == MOMENT:
                ledger = ledger_of(uow, run.customer, now)
                turns = uow.effects.turns(run.customer)
                uow.effects.add_effects(run, rule_effects(run.customer, run.id, ledger, turns), now)
                book_next_moment(uow, run.customer, ledger, now)
            uow.commit()
        return run

    def _end(self, tenant: TenantId, run: Run) -> None:
        with self.storage.begin(tenant) as uow:
            effects = uow.effects.of_run(run.id)
            waits = [e.wake_at for e in effects if not e.state.over and e.wake_at is not None]
            state = RunState.DONE if all(e.state.over for e in effects) else RunState.WAITING
            soon = self.clock.now() + RETRIES[0]
            wake_at = None if state is RunState.DONE else min(waits, default=soon)
            uow.effects.wake_run(run, wake_at=wake_at, state=state)
            uow.commit()

    def _try(self, tenant: TenantId, run: Run, key: EffectKey) -> None:
        """One attempt at one effect, if it is due."""
        with self.storage.begin(tenant) as uow:
            claimed = self._claim(uow, run, key)
            uow.commit()
        if claimed is None:
            return
        sending, call = claimed
        settled = _settled(sending, attempt(call, key), self.clock.now())
        with self.storage.begin(tenant) as uow:
            uow.effects.set_state(key, EffectState.SENDING, settled)
            if settled.state.over:
                _write_down(uow, settled, self.clock.now())
            uow.commit()

    def _claim(self, uow: UnitOfWork, run: Run, key: EffectKey) -> tuple[StoredEffect, Call] | None:
        """The effect as `sending` and the call to make, or None where nothing is to be done now."""
        now = self.clock.now()
        siblings = uow.effects.of_run(run.id)
        effect = next(e for e in siblings if e.planned.key == key)
        if not _is_due(effect, siblings, now):
            return None
        before, is_overtaken = _neighbours(uow, run.customer, effect)
        if is_overtaken:
            over = replace(effect, state=EffectState.ALREADY, outcome="overtaken", changed_at=now)
            uow.effects.set_state(key, effect.state, over)
            _write_down(uow, over, now)
            return None
        if before is not None and before.state is EffectState.SENDING:
            return None  # its call may still be on its way, and would arrive second
        interrupted = effect.state is EffectState.SENDING
        sending = replace(
            effect,
            state=EffectState.SENDING,
            # A try that a crash cut short says nothing about the other side, and uses none up.
            attempts=effect.attempts if interrupted else effect.attempts + 1,
            wake_at=None,
            changed_at=now,
        )
        uow.effects.set_state(key, effect.state, sending)
        calls = EffectCalls(self.platforms, self.mailer, self.clock)
        return sending, calls.prepare(uow, sending, siblings, interrupted=interrupted)


def _is_due(effect: StoredEffect, siblings: Sequence[StoredEffect], now: datetime) -> bool:
    if effect.state.over or (effect.wake_at is not None and effect.wake_at > now):
        return False
    planned = effect.planned.effect
    return not (isinstance(planned, VerifyAccess) and _too_early(planned, siblings))


def _neighbours(
    uow: UnitOfWork, customer: CustomerKey, effect: StoredEffect
) -> tuple[StoredEffect | None, bool]:
    """The change of the same resource before this one, and whether there is one after it.

    Mere checks of what stays have no place in that row.
    """
    resource = resource_of(effect)
    turn = uow.effects.turns(customer).get(resource) if resource is not None else None
    if resource is None or turn is None:
        return None, False
    keys = [access_key(customer, resource, n) for n in range(1, turn.count + 1)]
    if effect.planned.key not in keys:
        return None, False
    place = keys.index(effect.planned.key)
    before = uow.effects.get(keys[place - 1]) if place else None
    return before, place + 1 < len(keys)


def _write_down(uow: UnitOfWork, effect: StoredEffect, now: datetime) -> None:
    details = {"kind": type(effect.planned.effect).__name__, "run": effect.run}
    uow.audit.write(now, "worker", f"effect.{effect.state}", effect.planned.key, details)


def _settled(effect: StoredEffect, outcome: Attempt, now: datetime) -> StoredEffect:
    """The effect's row after an attempt."""
    match outcome:
        case Done(changed, words):
            state = EffectState.DONE if changed is Changed.DONE else EffectState.ALREADY
            return replace(effect, state=state, outcome=words, changed_at=now)
        case MaybeSent(code) if _is_mail(effect):
            return replace(effect, state=EffectState.UNKNOWN, outcome=code, changed_at=now)
        case MaybeSent(code):
            return _later(effect, TryLater(code), now)
        case TryLater():
            return _later(effect, outcome, now)
        case ForPerson(code):
            return replace(effect, state=EffectState.NEEDS_PERSON, outcome=code, changed_at=now)
        case _:
            assert_never(outcome)


def _is_mail(effect: StoredEffect) -> bool:
    """Mail cannot be looked up. All else may be done twice, or is looked for first."""
    match effect.planned.effect:
        case TellOwner():
            return True
        case TellCustomer(desk, ticket):
            return desk is None or ticket is None
        case _:
            return False


def _later(effect: StoredEffect, outcome: TryLater, now: datetime) -> StoredEffect:
    if effect.attempts > len(RETRIES):
        return replace(effect, state=EffectState.NEEDS_PERSON, outcome=outcome.code, changed_at=now)
    wait = RETRIES[effect.attempts - 1]
    if outcome.after_seconds is not None:
        wait = max(wait, timedelta(seconds=min(outcome.after_seconds, 86400)))
    return replace(
        effect,
        state=EffectState.WAITING,
        outcome=outcome.code,
        wake_at=now + wait,
        changed_at=now,
    )


def _too_early(verify: VerifyAccess, siblings: Sequence[StoredEffect]) -> bool:
    """A check of one store waits until every change at it is over."""
    changed = (resource_of(other) for other in siblings if not other.state.over)
    return any(r is not None and r.installation == verify.installation for r in changed)
