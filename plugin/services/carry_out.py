"""Carry out the effects of one run, in order, each with its row committed before its call.

One effect that cannot be done now never holds up the others; its run stays open until it is done or
a person must look. Found `sending` after a crash, a change that may be repeated is repeated, a note
is looked for in its ticket, and a mail is left `unknown`: told at most once. A change that a later
change of the same thing has overtaken is not made any more. While a hold stands nothing is done.
An account that rests is waited for, however long: no attempt is used up, since no call was made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from plugin.domain.effects import (
    EffectState,
    VerifyAccess,
    goes_by_mail,
)
from plugin.domain.ids import CustomerKey, RunId, TenantId
from plugin.ports import Changed, Clock, Mailer
from plugin.ports.platforms import Gather, Platforms
from plugin.ports.records import Run, RunState, StoredEffect
from plugin.ports.storage import Storage, UnitOfWork
from plugin.services.ask_for_others import AskForOthers
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
from plugin.services.read_moment import ReadMoment
from plugin.services.retry_plan import RETRIES, next_wait, spread, stretched, wished
from plugin.services.run_rules import MOMENT

_Claimed = tuple[StoredEffect, Call]


@dataclass(slots=True)
class _Course:
    """A run under way here: its effects as they were read last, and the places still to look at."""

    run: Run
    calls: EffectCalls
    effects: list[StoredEffect]
    places: Iterator[int]


@dataclass(frozen=True, slots=True)
class CarryOut:
    """The use case, with its ports."""

    storage: Storage
    platforms: Platforms
    mailer: Mailer
    clock: Clock
    gather: Gather

    def __call__(self, tenant: TenantId, run_id: RunId) -> None:
        """Do what is due of a run now, and say when to come back.

        One transaction stands between two calls: it keeps what the one brought and claims the next.
        """
        begun = self._begin(tenant, run_id)
        if isinstance(begun, Run):
            is_read = self._read_moment(tenant, begun)
            begun = self._begin(tenant, run_id, of_moment=True) if is_read else None
        if begun is None or isinstance(begun, Run):
            return
        course, claimed = begun
        while claimed is not None:
            sending, call = claimed
            settled = after_attempt(sending, attempt(call, sending.planned.key), self.clock.now())
            with self.storage.begin(tenant) as uow:
                self._keep(uow, settled)
                course.effects = list(uow.effects.of_run(run_id))
                claimed = self._claim_next(uow, course)
                uow.commit()

    def _begin(
        self, tenant: TenantId, run_id: RunId, *, of_moment: bool = False
    ) -> tuple[_Course, _Claimed | None] | Run | None:
        """A run that is due, and its first call; None where it is not.

        The run alone, of which nothing is begun: a booked moment, whose ledger must be read first.
        """
        with self.storage.begin(tenant) as uow:
            run = uow.effects.run(run_id)
            if run is None or run.wake_at is None or run.wake_at > self.clock.now():
                return None
            if run.cause == MOMENT and not of_moment:
                return run
            effects = uow.effects.of_run(run.id)
            calls = EffectCalls(self.platforms, self.mailer, self.clock)
            course = _Course(run, calls, list(effects), iter(range(len(effects))))
            claimed = self._claim_next(uow, course)
            uow.commit()
        return course, claimed

    def _read_moment(self, tenant: TenantId, run: Run) -> bool:
        ask = AskForOthers(self.storage, self.platforms, self.gather)
        return ReadMoment(self.storage, self.clock, ask)(tenant, run)

    def _keep(self, uow: UnitOfWork, settled: StoredEffect) -> None:
        """What came of a call. Kept in the transaction that claims the next.

        Whoever took us for dead may have been quicker: then what they found stands.
        """
        is_kept = uow.effects.set_state(settled.planned.key, EffectState.SENDING, settled)
        if is_kept and settled.state.over:
            _write_down(uow, settled, self.clock.now())

    def _claim_next(self, uow: UnitOfWork, course: _Course) -> _Claimed | None:
        """The next effect that can be done now. None: there is none, and the run is put away."""
        if not uow.holds.all():
            for place in course.places:
                claimed = self._claim(uow, course, place)
                if claimed is not None:
                    return claimed
        self._end(uow, course)
        return None

    def _end(self, uow: UnitOfWork, course: _Course) -> None:
        effects = course.effects
        waits = [e.wake_at for e in effects if not e.state.over and e.wake_at is not None]
        state = RunState.DONE if all(e.state.over for e in effects) else RunState.WAITING
        # Not before, though one is due: it waits for something else, or was just replayed.
        soon = self.clock.now() + RETRIES[0]
        wake_at = None if state is RunState.DONE else max(min(waits, default=soon), soon)
        uow.effects.wake_run(course.run, wake_at=wake_at, state=state)

    def _claim(self, uow: UnitOfWork, course: _Course, place: int) -> _Claimed | None:
        """One effect as `sending` and the call to make. None: nothing is to be done of it now."""
        effects = course.effects
        now = self.clock.now()
        effect = effects[place]
        key = effect.planned.key
        if not _is_due(effect, effects, now):
            return None
        before, is_overtaken = _neighbours(uow, course.run.customer, effect)
        if is_overtaken:
            over = replace(effect, state=EffectState.ALREADY, outcome="overtaken", changed_at=now)
            uow.effects.set_state(key, effect.state, over)
            _write_down(uow, over, now)
            effects[place] = over
            return None
        if before is EffectState.SENDING:
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
        return sending, course.calls.prepare(uow, sending, effects, interrupted=interrupted)


def _is_due(effect: StoredEffect, siblings: Sequence[StoredEffect], now: datetime) -> bool:
    if effect.state.over or (effect.wake_at is not None and effect.wake_at > now):
        return False
    planned = effect.planned.effect
    return not (isinstance(planned, VerifyAccess) and _too_early(planned, siblings))


def _neighbours(
    uow: UnitOfWork, customer: CustomerKey, effect: StoredEffect
) -> tuple[EffectState | None, bool]:
    """How far the change of the same resource before this one is, and if there is one after it.

    Mere checks of what stays have no place in that row.
    """
    resource = resource_of(effect)
    changes = [] if resource is None else uow.effects.changes_of(customer, resource)
    keys = [key for key, _ in changes]
    if effect.planned.key not in keys:
        return None, False
    place = keys.index(effect.planned.key)
    before = changes[place - 1][1] if place else None
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
