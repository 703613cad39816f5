"""Ask the stores for what else a customer bought, before anything is taken from her.

A webhook tells of one order. What she bought before a store was connected may pay for the same
thing, and only that store knows. Keeps what it shows; changes nothing outside, and decides nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from plugin.domain.effects import EffectState, PlannedEffect
from plugin.domain.errors import MakegoodError
from plugin.domain.ids import CustomerKey, InstallationId, RunId, TenantId, address_of
from plugin.domain.orders import Order
from plugin.ports import Connection, FindsOrders, Kind, OrderQuery
from plugin.ports.platforms import Gather, Platforms
from plugin.ports.records import Installation, InstallationStatus
from plugin.ports.storage import Storage, UnitOfWork
from plugin.services.run_rules import takes

UNREAD = "orders_unread"
"""A store did not answer when it was asked for her other orders."""
PATIENCE = timedelta(minutes=15)
"""How long what would be taken waits for such a store; then a person takes it, or leaves it."""
_log = logging.getLogger("makegood.others")


@dataclass(frozen=True, slots=True)
class AskForOthers:
    """The use case, with its ports."""

    storage: Storage
    platforms: Platforms
    gather: Gather

    def __call__(self, tenant: TenantId, customer: CustomerKey) -> bool:
        """Keep all orders of hers at stores that never said whether they showed all of them.

        False where one of these did not answer. A fault of ours counts as silence too: it must not
        hold up what another store told. Of whom no address is known nobody is asked.
        """
        email = address_of(customer)
        if not email:
            return True
        with self.storage.read(tenant) as uow:
            said = _said(uow, customer)
            stores = [i for i in uow.installations.all() if _may_tell(i)]
        query = OrderQuery((email,))
        unsaid = [one.connection for one in stores if one.connection.installation not in said]
        told = self.gather([partial(self._find, connection, query) for connection in unsaid])
        answers = [orders for orders in told if orders is not None]
        if not answers:
            return True
        heard = [orders for orders in answers if not isinstance(orders, Exception)]
        with self.storage.begin(tenant) as uow:
            for order in (order for orders in heard for order in orders):
                uow.orders.save(order)
            uow.commit()
        for fault in answers:
            if isinstance(fault, Exception) and not isinstance(fault, MakegoodError):
                # Its kind alone: the text may hold a customer's data.
                _log.error("others.fault kind=%s", type(fault).__name__)
        return len(heard) == len(answers)

    def _find(self, connection: Connection, query: OrderQuery) -> Sequence[Order] | None:
        """None where the store cannot be asked at all."""
        port = self.platforms.able(connection, FindsOrders)
        return None if port is None else port.find_orders(query)


def leave_to_person(
    uow: UnitOfWork, run: RunId, effects: Sequence[PlannedEffect], now: datetime
) -> None:
    """What this run would take, a person takes or leaves: a store is silent about her orders."""
    taken = {planned.key for planned in effects if takes(planned)}
    for stored in uow.effects.of_run(run):
        if stored.planned.key in taken and stored.state is EffectState.WAITING:
            left = replace(
                stored,
                state=EffectState.NEEDS_PERSON,
                wake_at=None,
                outcome=UNREAD,
                changed_at=now,
            )
            uow.effects.set_state(stored.planned.key, stored.state, left)
            details = {"kind": type(stored.planned.effect).__name__, "run": run}
            uow.audit.write(now, "worker", f"effect.{left.state}", stored.planned.key, details)


def _said(uow: UnitOfWork, customer: CustomerKey) -> frozenset[InstallationId]:
    """The stores that told in one of her orders whether there are others."""
    orders = uow.orders.of_customer(customer)
    return frozenset(o.ref.installation for o in orders if o.others_unseen is not None)


def _may_tell(installation: Installation) -> bool:
    is_store = installation.connection.kind is Kind.STORE
    return is_store and installation.status is not InstallationStatus.REMOVED
