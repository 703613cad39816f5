"""Carry out the effects of one run, in order, each with its row committed before its call.

One effect that cannot be done now never holds up the others; its run stays open until it is done or
a person must look. Found `sending` after a crash, a change that may be repeated is repeated, a note
is looked for in its ticket, and a mail is left `unknown`: told at most once. A change that a later
change of the same thing has overtaken is not made any more. While a hold stands nothing is done.
An account that rests is waited for, however long: no attempt is used up, since no call was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeGuard, assert_never

from plugin.domain.effects import (
    EffectState,
    VerifyAccess,
    access_key,
    goes_by_mail,
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
    Resting,
    TryLater,
    attempt,
    resource_of,
)
from plugin.services.retry_plan import RETRIES, next_wait, spread, stretched, wished
from plugin.services.run_rules import MOMENT, book_next_moment, ledger_of


@dataclass(frozen=True, slots=True)
class CarryOut:
    """The use case, with its ports."""

    storage: Storage
    platforms: Platforms
    mailer: Mailer
    clock: Clock

    def __call__(self, tenant: TenantId, run_id: RunId) -> None:
        """Do what is due of a run now, and say when to come back.

        One transaction stands between two calls: it keeps what the one brought and claims the next.
        """
        begun = self._begin(tenant, run_id)
        if begun is None:
            return
        run, keys = begun
        waiting = list(reversed(keys))
        settled: StoredEffect | None = None
        while True:
            with self.storage.begin(tenant) as uow:
                if settled is not None:
                    self._keep(uow, settled)
                claimed = None
                while waiting and claimed is None:
                    claimed = self._claim(uow, run, waiting.pop())
                if claimed is None:
                    self._end(uow, run)
                uow.commit()
            if claimed is None:
                return
            sending, call = claimed
            settled = after_attempt(sending, attempt(call, sending.planned.key), self.clock.now())

    def _begin(self, tenant: TenantId, run_id: RunId) -> tuple[Run, Sequence[EffectKey]] | None:
        """The run with its effects; a booked moment reads the ledger now that its time is here."""
        now = self.clock.now()
        with self.storage.read(tenant) as uow:
            run = uow.effects.run(run_id)
            if not _is_due_run(run, now):
                return None
            if run.cause != MOMENT:
                return run, _keys(uow, run)
        with self.storage.begin(tenant) as uow:
            run = uow.effects.run(run_id)
            if not _is_due_run(run, now):
                return None
            ledger = ledger_of(uow, run.customer, now)
            turns = uow.effects.turns(run.customer)
            uow.effects.add_effects(run, rule_effects(run.customer, run.id, ledger, turns), now)
            book_next_moment(uow, run.customer, ledger, now)
            keys = _keys(uow, run)
            uow.commit()
        return run, keys

    def _keep(self, uow: UnitOfWork, settled: StoredEffect) -> None:
        """What came of a call. Kept in the transaction that claims the next."""
        uow.effects.set_state(settled.planned.key, EffectState.SENDING, settled)
        if settled.state.over:
            _write_down(uow, settled, self.clock.now())

    def _end(self, uow: UnitOfWork, run: Run) -> None:
        effects = uow.effects.of_run(run.id)
        waits = [e.wake_at for e in effects if not e.state.over and e.wake_at is not None]
        state = RunState.DONE if all(e.state.over for e in effects) else RunState.WAITING
        # Not before, though one is due: it waits for something else, or was just replayed.
        soon = self.clock.now() + RETRIES[0]
        wake_at = None if state is RunState.DONE else max(min(waits, default=soon), soon)
        uow.effects.wake_run(run, wake_at=wake_at, state=state)

    def _claim(self, uow: UnitOfWork, run: Run, key: EffectKey) -> tuple[StoredEffect, Call] | None:
        """The effect as `sending` and the call to make, or None where nothing is to be done now."""
        if uow.holds.all():
            return None
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


def _is_due_run(run: Run | None, now: datetime) -> TypeGuard[Run]:
    return run is not None and run.wake_at is not None and run.wake_at <= now


def _keys(uow: UnitOfWork, run: Run) -> Sequence[EffectKey]:
    return [effect.planned.key for effect in uow.effects.of_run(run.id)]


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


def after_attempt(effect: StoredEffect, outcome: Attempt, now: datetime) -> StoredEffect:
    """The effect's row after an attempt."""
    match outcome:
        case Done(changed, words):
            state = EffectState.DONE if changed is Changed.DONE else EffectState.ALREADY
            return replace(effect, state=state, outcome=words, changed_at=now)
        case MaybeSent(code) if goes_by_mail(effect.planned.effect):
            return replace(effect, state=EffectState.UNKNOWN, outcome=code, changed_at=now)
        case MaybeSent(code):
            return _later(effect, TryLater(code), now)
        case TryLater():
            return _later(effect, outcome, now)
        case Resting(code, after_seconds):
            wait = stretched(wished(after_seconds), _chance(effect))
            unused = replace(effect, attempts=effect.attempts - 1)
            return _waiting(unused, code, now + wait, now)
        case ForPerson(code):
            return replace(effect, state=EffectState.NEEDS_PERSON, outcome=code, changed_at=now)
        case _:
            assert_never(outcome)


def _later(effect: StoredEffect, outcome: TryLater, now: datetime) -> StoredEffect:
    wait = next_wait(effect.attempts, outcome.after_seconds, _chance(effect))
    if wait is None:
        return replace(effect, state=EffectState.NEEDS_PERSON, outcome=outcome.code, changed_at=now)
    return _waiting(effect, outcome.code, now + wait, now)


def _waiting(effect: StoredEffect, code: str, until: datetime, now: datetime) -> StoredEffect:
    return replace(effect, state=EffectState.WAITING, outcome=code, wake_at=until, changed_at=now)


def _chance(effect: StoredEffect) -> float:
    return spread(effect.planned.key, str(effect.attempts))


def _too_early(verify: VerifyAccess, siblings: Sequence[StoredEffect]) -> bool:
    """A check of one store waits until every change at it is over."""
    changed = (resource_of(other) for other in siblings if not other.state.over)
    return any(r is not None and r.installation == verify.installation for r in changed)
