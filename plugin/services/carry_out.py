"""Carry out the effects of one run, in order, each with its row committed before its call.

One effect that cannot be done now never holds up the others; its run stays open until it is done or a person
must look. Found `sending` after a crash, a change that may be repeated is repeated, a note is looked for in its
ticket, and a mail is left `unknown`: told at most once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from plugin.domain.effects import (
    AddTicketNote,
    CancelSubscription,
    EffectState,
    RemoveTag,
    RestoreAccess,
    RestoreTag,
    RevokeAccess,
    TellCustomer,
    TellOwner,
    VerifyAccess,
)
from plugin.domain.errors import NeedsHuman, OutcomeUnknown, Refused, RetryLater
from plugin.domain.ids import EffectKey, InstallationId, RunId, TenantId
from plugin.domain.rules import rule_effects
from plugin.ports import (
    CancelsSubscriptions,
    Changed,
    Clock,
    Connection,
    Contact,
    HoldsAccess,
    HoldsTags,
    Mailer,
    WritesTickets,
)
from plugin.ports.platforms import P, Platforms
from plugin.ports.storage import InstallationStatus, Run, RunState, Storage, StoredEffect, UnitOfWork
from plugin.services.run_rules import MOMENT, book_next_moment, ledger_of
from plugin.services.wording import resource_words

RETRIES = tuple(
    timedelta(seconds=s)
    for s in (5, 30, 120, 600, 1800, 3600, 10800, 21600, 43200, 86400, 86400, 86400)
)
"""Twelve attempts over more than three days; then a person must look."""


@dataclass(frozen=True, slots=True)
class Done:
    """It is so now. `outcome` is a word for people."""

    changed: Changed
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class TryLater:
    """Not done, and safe to do again."""

    code: str
    after_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class ForPerson:
    """No program can do it."""

    code: str


@dataclass(frozen=True, slots=True)
class MaybeSent:
    """A message that may have gone out, and cannot be looked up."""

    code: str


Attempt = Done | TryLater | ForPerson | MaybeSent


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
        """The run, with its effects; a booked moment reads the ledger only now that its time has come."""
        now = self.clock.now()
        with self.storage.begin(tenant) as uow:
            run = uow.effects.run(run_id)
            if run is None or run.wake_at is None or run.wake_at > now:
                return None
            if run.cause == MOMENT:
                ledger = ledger_of(uow, run.customer, now)
                turns = uow.effects.turns(run.customer)
                uow.effects.add_effects(
                    run, rule_effects(run.customer, run.id, ledger, turns), now
                )
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
        now = self.clock.now()
        with self.storage.begin(tenant) as uow:
            siblings = uow.effects.of_run(run.id)
            effect = next(e for e in siblings if e.planned.key == key)
            if effect.state.over or (effect.wake_at is not None and effect.wake_at > now):
                return
            if isinstance(effect.planned.effect, VerifyAccess) and _too_early(effect, siblings):
                return
            interrupted = effect.state is EffectState.SENDING
            sending = replace(
                effect,
                state=EffectState.SENDING,
                attempts=effect.attempts + 1,
                wake_at=None,
                changed_at=now,
            )
            if not uow.effects.set_state(key, effect.state, sending):
                return
            call = self._prepare(uow, run, sending, siblings, interrupted=interrupted)
            uow.commit()
        settled = _settled(sending, attempt(call), self.clock.now())
        with self.storage.begin(tenant) as uow:
            uow.effects.set_state(key, EffectState.SENDING, settled)
            if settled.state.over:
                uow.audit.write(
                    self.clock.now(),
                    "worker",
                    f"effect.{settled.state}",
                    key,
                    {"kind": type(effect.planned.effect).__name__, "run": run.id},
                )
            uow.commit()

    def _prepare(
        self,
        uow: UnitOfWork,
        run: Run,
        stored: StoredEffect,
        siblings: Sequence[StoredEffect],
        *,
        interrupted: bool,
    ) -> Callable[[], Attempt]:
        """The call to make, with all that it needs read already: no transaction is open while it runs."""
        contact = _contact(uow, run, stored)
        key = stored.planned.key
        effect = stored.planned.effect
        match effect:
            case CancelSubscription(installation, ref, at_once):
                cancels = self._port(uow, installation, CancelsSubscriptions)
                return lambda: Done(cancels().cancel_subscription(contact, ref, at_once=at_once))
            case RevokeAccess(resource):
                holder = self._port(uow, resource.installation, HoldsAccess)
                return lambda: Done(holder().revoke(contact, resource))
            case RestoreAccess(resource):
                holder = self._port(uow, resource.installation, HoldsAccess)
                return lambda: Done(holder().restore(contact, resource))
            case RemoveTag(tag):
                tags = self._port(uow, tag.installation, HoldsTags)
                return lambda: Done(tags().remove_tag(contact, tag))
            case RestoreTag(tag):
                tags = self._port(uow, tag.installation, HoldsTags)
                return lambda: Done(tags().add_tag(contact, tag))
            case VerifyAccess():
                holder = self._port(uow, effect.installation, HoldsAccess)
                return lambda: _verified(effect, holder(), contact)
            case AddTicketNote():
                desks = self._desks(uow, effect.desk)
                open_ends = _open_ends(siblings)
                return lambda: _noted(effect, desks, run, key, open_ends)
            case TellCustomer():
                if effect.desk is not None and effect.ticket is not None:
                    desks = self._desks(uow, effect.desk)
                    return lambda: _replied(effect, desks, key)
                return self._mail(effect.email, effect.subject, effect.body, key, interrupted)
            case TellOwner(subject, body):
                owners = uow.settings.tenant().owners
                if not owners:
                    return lambda: ForPerson("no_owner_address")
                return self._mail(", ".join(owners), subject, body, key, interrupted)
            case _:
                assert_never(effect)

    def _mail(
        self, to: str, subject: str, body: str, key: EffectKey, interrupted: bool
    ) -> Callable[[], Attempt]:
        if interrupted:
            return lambda: MaybeSent("interrupted")

        def call() -> Attempt:
            self.mailer.send(to, subject, body, key)
            return Done(Changed.DONE)

        return call

    def _port(
        self, uow: UnitOfWork, installation: InstallationId, port: type[P]
    ) -> Callable[[], P]:
        connection = _usable(uow, installation)

        def find() -> P:
            if connection is None:
                raise NeedsHuman("not_connected", installation)
            able = self.platforms.able(connection, port)
            if able is None:
                raise NeedsHuman("by_hand_only", installation)
            return able

        return find

    def _desks(self, uow: UnitOfWork, only: InstallationId | None) -> list[WritesTickets]:
        return [
            writer
            for i in uow.installations.all()
            if i.connection.kind == "helpdesk"
            and only in (None, i.connection.installation)
            and (writer := self.platforms.able(i.connection, WritesTickets)) is not None
        ]


def attempt(call: Callable[[], Attempt]) -> Attempt:
    """Make the call; what it raises becomes an outcome by its kind."""
    try:
        return call()
    except Refused as error:
        return ForPerson(error.code)
    except NeedsHuman as error:
        return ForPerson(error.code)
    except RetryLater as error:
        return TryLater(error.code, error.after_seconds)
    except OutcomeUnknown as error:
        return MaybeSent(error.code)


_REPEATABLE = (
    CancelSubscription | RevokeAccess | RestoreAccess | RemoveTag | RestoreTag | VerifyAccess | AddTicketNote
)


def _settled(effect: StoredEffect, outcome: Attempt, now: datetime) -> StoredEffect:
    """The effect's row after an attempt."""
    match outcome:
        case Done(changed, words):
            state = EffectState.DONE if changed is Changed.DONE else EffectState.ALREADY
            return replace(effect, state=state, outcome=words, changed_at=now)
        case MaybeSent(code) if isinstance(effect.planned.effect, _REPEATABLE):
            return _later(effect, TryLater(code), now)
        case MaybeSent(code):
            if isinstance(effect.planned.effect, TellCustomer) and effect.planned.effect.ticket:
                return _later(effect, TryLater(code), now)
            return replace(effect, state=EffectState.UNKNOWN, outcome=code, changed_at=now)
        case TryLater():
            return _later(effect, outcome, now)
        case ForPerson(code):
            return replace(effect, state=EffectState.NEEDS_PERSON, outcome=code, changed_at=now)
        case _:
            assert_never(outcome)


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


def _contact(uow: UnitOfWork, run: Run, stored: StoredEffect) -> Contact:
    """The customer at the effect's store, with the store's own id where a sale of there told it.

    With the id a change reaches the right person even after she changed her address.
    """
    place = _place(stored)
    known = [
        order.contact
        for order in uow.orders.of_customer(run.customer)
        if order.contact is not None and order.ref.installation == place
    ]
    return Contact(run.customer, known[-1] if known else None)


def _usable(uow: UnitOfWork, installation: InstallationId) -> Connection | None:
    found = uow.installations.get(installation)
    if found is None or found.status is InstallationStatus.REMOVED:
        return None
    return found.connection


def _too_early(effect: StoredEffect, siblings: Sequence[StoredEffect]) -> bool:
    """A check of one store waits until every change at it is over."""
    verify = effect.planned.effect
    assert isinstance(verify, VerifyAccess)
    return any(
        not other.state.over
        and isinstance(other.planned.effect, RevokeAccess | RestoreAccess | RemoveTag | RestoreTag)
        and _place(other) == verify.installation
        for other in siblings
    )


def _place(effect: StoredEffect) -> InstallationId | None:
    match effect.planned.effect:
        case RevokeAccess(resource) | RestoreAccess(resource):
            return resource.installation
        case RemoveTag(tag) | RestoreTag(tag):
            return tag.installation
        case CancelSubscription(installation) | VerifyAccess(installation):
            return installation
        case _:
            return None


def _verified(effect: VerifyAccess, holder: HoldsAccess, contact: Contact) -> Attempt:
    has = frozenset(holder.read_access(contact))
    still = [r for r in effect.gone if r in has]
    missing = [r for r in effect.kept if r not in has]
    if still or missing:
        raise RetryLater(f"not_yet: {len(still)} still held, {len(missing)} missing")
    return Done(Changed.DONE)


def _open_ends(siblings: Sequence[StoredEffect]) -> tuple[str, ...]:
    """What the note must not claim: changes of this run that are not through."""
    ends = []
    for stored in siblings:
        match stored.planned.effect:
            case RevokeAccess(resource) | RestoreAccess(resource):
                thing = resource_words(resource)
            case RemoveTag(tag) | RestoreTag(tag):
                thing = resource_words(tag)
            case _:
                continue
        if stored.state not in (EffectState.DONE, EffectState.ALREADY):
            ends.append(thing)
    return tuple(ends)


def _noted(
    effect: AddTicketNote,
    desks: Sequence[WritesTickets],
    run: Run,
    key: EffectKey,
    open_ends: Sequence[str],
) -> Attempt:
    """The note on its ticket, or on every open ticket of the customer; each ticket is asked for our marker."""
    body = effect.body
    if open_ends:
        body += "\n\nNot through yet:\n" + "\n".join(f"- {end}" for end in open_ends)
    written = 0
    for desk in desks:
        tickets = (
            [effect.ticket] if effect.ticket is not None else desk.find_open_tickets(run.customer)
        )
        for ticket in tickets:
            if not desk.has_marker(ticket, key):
                desk.add_note(ticket, body, effect.add_tags, key)
                written += 1
    return Done(Changed.DONE if written else Changed.ALREADY, f"{written} tickets")


def _replied(effect: TellCustomer, desks: Sequence[WritesTickets], key: EffectKey) -> Attempt:
    assert effect.ticket is not None
    for desk in desks:
        if not desk.has_marker(effect.ticket, key):
            desk.reply(effect.ticket, effect.body, key)
            return Done(Changed.DONE)
        return Done(Changed.ALREADY)
    return ForPerson("desk_not_connected")
