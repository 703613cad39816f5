"""Why a customer has what she has, by what is kept. Asks nobody, and writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from plugin.domain.facts import Fact
from plugin.domain.ids import CustomerKey
from plugin.domain.ledger import Beside, Ledger, Reason, read_ledger
from plugin.domain.orders import Resource
from plugin.ports.storage import UnitOfWork
from plugin.services.record_sale import kept_sales


def ledger_of(
    uow: UnitOfWork, customer: CustomerKey, now: datetime, more: Sequence[Fact] = ()
) -> Ledger:
    """The customer's ledger at `now`, with `more` facts than are kept."""
    facts, access = (*uow.facts.of_customer(customer), *more), uow.settings.access_map()
    ledger = read_ledger(facts, access, now)
    if not ledger.ended():
        return ledger
    return read_ledger(facts, access, now, beside(uow, customer, now))


def beside(uow: UnitOfWork, customer: CustomerKey, now: datetime) -> Beside:
    """What her accounts at stores have by purchases of another address.

    A store knows an account by its own id. Whoever changed her address there, or typed another one
    at the till, has one course by two orders: what one of them gives, the other must not take.
    Tags that came by themselves are no purchase: of an account with a new address the store tells
    all of its tags anew, and they would stay for good.
    """
    found: dict[Resource, tuple[Reason, ...]] = {}
    for store, other in uow.orders.sharing_accounts(customer):
        facts = (*uow.facts.of_customer(other), *kept_sales(uow, other))
        ledger = read_ledger(facts, uow.settings.access_map(), now)
        for resource, holding in ledger.holdings.items():
            if resource.installation == store:
                bought = (reason for reason in holding.living if reason.line is not None)
                found[resource] = (*found.get(resource, ()), *bought)
    return found
