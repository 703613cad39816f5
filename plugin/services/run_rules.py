"""Let the rules speak after the facts of a customer changed: effects as rows, in the same transaction.

Sends nothing. Which event or answer changed the facts does not matter here; only whom to tell does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from plugin.domain.effects import CancelSubscription, PlannedEffect
from plugin.domain.ids import CustomerKey, RunId, digest
from plugin.domain.ledger import Ledger, read_ledger
from plugin.domain.rules import Tell, rule_effects, with_tells
from plugin.ports.storage import Run, RunState, UnitOfWork

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

    Also books the moment at which time alone will change the ledger: the end of a paid period.
    """
    ledger = ledger_of(uow, customer, now)
    effects = rule_effects(customer, run_id, ledger, uow.effects.turns(customer), cancels)
    effects = with_tells(run_id, effects, tellers(ledger, effects))
    if effects:
        run = Run(run_id, customer, cause, RunState.WAITING, now)
        uow.effects.add_run(run, effects, now)
    book_next_moment(uow, customer, ledger, now)
    return effects


def book_next_moment(
    uow: UnitOfWork, customer: CustomerKey, ledger: Ledger, now: datetime
) -> None:
    """A run without effects yet, which reads the ledger again when its time comes. Booked once."""
    if ledger.next_change is not None:
        name = RunId(digest(MOMENT, customer, ledger.next_change.isoformat()))
        run = Run(name, customer, MOMENT, RunState.WAITING, ledger.next_change)
        uow.effects.add_run(run, (), now)


def ledger_of(uow: UnitOfWork, customer: CustomerKey, now: datetime) -> Ledger:
    """The customer's ledger at `now`."""
    return read_ledger(uow.facts.of_customer(customer), uow.settings.access_map(), now)


def tell_nobody(ledger: Ledger, effects: Sequence[PlannedEffect]) -> Sequence[tuple[str, Tell]]:
    """For changes that need no words."""
    del ledger, effects
    return ()
