"""Let the rules speak after the facts of a customer changed: effects as rows, same transaction.

Sends nothing. Which event or answer changed the facts does not matter here; only whom to tell does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from plugin.domain.effects import CancelSubscription, PlannedEffect, RemoveTag, RevokeAccess
from plugin.domain.ids import CustomerKey, RunId, digest
from plugin.domain.ledger import Ledger
from plugin.domain.rules import Tell, rule_effects, with_tells
from plugin.ports.records import Run, RunState
from plugin.ports.storage import UnitOfWork
from plugin.services.ledger_of import ledger_of
from plugin.services.record_sale import kept_sales

MOMENT = "moment"
Tellers = Callable[[Ledger, Sequence[PlannedEffect]], Sequence[tuple[str, Tell]]]


def run_rules(
    uow: UnitOfWork,
    customer: CustomerKey,
    run_id: RunId,
    cause: str,
    now: datetime,
    tellers: Tellers,
    cancels: Sequence[CancelSubscription] = (),
) -> tuple[PlannedEffect, ...]:
    """Write the run of `cause` with all that follows for `customer`; nothing when nothing follows.

    A run that exists gets what it does not have yet: one delivery may carry more than one event,
    and a replay may find more to do. Nobody is told twice of one cause. Also books the moment at
    which time alone will change the ledger: the end of a paid period.
    """
    ledger, effects = what_follows(uow, customer, run_id, cause, now, cancels)
    effects = with_tells(run_id, effects, tellers(ledger, effects))
    if effects:
        run = Run(run_id, customer, cause, RunState.WAITING, now)
        if not uow.effects.add_run(run, effects, now):
            _add_to(uow, run, effects, now)
    book_next_moment(uow, customer, ledger, now)
    return effects


def what_follows(
    uow: UnitOfWork,
    customer: CustomerKey,
    run_id: RunId,
    cause: str,
    now: datetime,
    cancels: Sequence[CancelSubscription] = (),
) -> tuple[Ledger, tuple[PlannedEffect, ...]]:
    """The ledger at `now` and all that follows from it.

    Before anything is taken, the sales that are kept count too: an order that was found when a
    store was asked, and of which no event told, may pay for the same thing.
    """
    turns = uow.effects.turns(customer)
    ledger = ledger_of(uow, customer, now)
    effects = rule_effects(customer, run_id, ledger, turns, cancels)
    if any(takes(planned) for planned in effects) and _learn_kept_sales(uow, customer, cause, now):
        ledger = ledger_of(uow, customer, now)
        effects = rule_effects(customer, run_id, ledger, turns, cancels)
    return ledger, effects


def takes(planned: PlannedEffect) -> bool:
    """Whether it takes access or a tag from the customer."""
    return isinstance(planned.effect, RevokeAccess | RemoveTag)


def _learn_kept_sales(uow: UnitOfWork, customer: CustomerKey, cause: str, now: datetime) -> bool:
    """Kept sales of which no fact tells become facts. False when there are none."""
    known = {fact.id for fact in uow.facts.of_customer(customer)}
    new = [bought for bought in kept_sales(uow, customer) if bought.id not in known]
    for bought in new:
        uow.facts.append(bought, cause, now)
    return bool(new)


def _add_to(uow: UnitOfWork, run: Run, effects: Sequence[PlannedEffect], now: datetime) -> None:
    known = {stored.planned.key for stored in uow.effects.of_run(run.id)}
    new = [effect for effect in effects if effect.key not in known]
    if new:
        uow.effects.add_effects(run, new, now)
        uow.effects.wake_run(run, wake_at=now, state=RunState.WAITING)


def book_next_moment(uow: UnitOfWork, customer: CustomerKey, ledger: Ledger, now: datetime) -> None:
    """A run without effects yet, which reads the ledger again when its time comes. Booked once."""
    if ledger.next_change is not None:
        name = RunId(digest(MOMENT, customer, ledger.next_change.isoformat()))
        run = Run(name, customer, MOMENT, RunState.WAITING, ledger.next_change)
        uow.effects.add_run(run, (), now)


def telling(tells: Sequence[tuple[str, Tell]]) -> Tellers:
    """For words that do not depend on what the rules decide."""

    def tellers(ledger: Ledger, effects: Sequence[PlannedEffect]) -> Sequence[tuple[str, Tell]]:
        del ledger, effects
        return tells

    return tellers


tell_nobody = telling(())
