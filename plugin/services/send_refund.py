"""Move one refund one step: send it, or look up what became of it. Row before call, always.

Safe to run again at any point: a refund found `submitting` was interrupted in the middle of its call, so it
becomes `unknown` and is looked up; it is never just sent again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from plugin.domain.errors import NeedsHuman, OutcomeUnknown, Refused, RetryLater
from plugin.domain.ids import CustomerKey, RefundId, TenantId
from plugin.domain.ledger import open_disputes
from plugin.domain.refunds import (
    Declined,
    GatewayRules,
    LookUp,
    Move,
    NotSent,
    Refund,
    RefundAnswer,
    RefundState,
    Silence,
    after_call,
    after_look,
)
from plugin.ports import Clock, Connection, RefundsMoney
from plugin.ports.platforms import Platforms
from plugin.ports.storage import RefundMove, Storage, UnitOfWork
from plugin.services.settle_refund import settle_refund

WORKER = "worker"
BUSY = timedelta(seconds=30)
"""Longer than any call may take: a refund still `submitting` after it was interrupted."""
_SOON = GatewayRules(honours_key=False, key_lives=0, looks=(2,))


@dataclass(frozen=True, slots=True)
class SendRefund:
    """The use case, with its ports."""

    storage: Storage
    platforms: Platforms
    clock: Clock

    def __call__(self, tenant: TenantId, refund_id: RefundId) -> None:
        """Do what is due for this refund now, if anything is."""
        with self.storage.begin(tenant) as uow:
            refund = uow.refunds.get(refund_id)
            if refund is None or refund.wake_at is None or refund.wake_at > self.clock.now():
                return
            connection = _connection(uow, refund)
            claimed = self._claim(uow, refund)
            uow.commit()
        if claimed is None:
            return
        gateway = self.platforms.able(connection, RefundsMoney)
        if gateway is None:
            raise NeedsHuman("no_gateway", connection.installation)
        rules = self.platforms.gateway_rules(connection)
        match claimed.state:
            case RefundState.SUBMITTING:
                move = after_call(_call(gateway, claimed), self.clock.now(), rules)
            case RefundState.UNKNOWN | RefundState.PENDING:
                found = _look(gateway, claimed)
                move = after_look(claimed, found, self.clock.now(), rules)
            case _:
                return
        with self.storage.begin(tenant) as uow:
            settle_refund(uow, claimed, move, WORKER, self.clock.now(), move.gateway_ref or "")
            uow.commit()

    def _claim(self, uow: UnitOfWork, refund: Refund) -> Refund | None:
        """The refund in the state that the coming call needs, committed before the call."""
        now = self.clock.now()
        match refund.state:
            case RefundState.RESERVED:
                facts = uow.facts.of_customer(_customer(uow, refund))
                if refund.looks == 0 and open_disputes(facts, refund.order):
                    blocked = Move(RefundState.WITHDRAWN, None, None, "dispute_open")
                    settle_refund(uow, refund, blocked, WORKER, now)
                    return None
                sending = replace(
                    refund,
                    state=RefundState.SUBMITTING,
                    wake_at=now + BUSY,
                    wakes=refund.wakes + 1,
                )
                move = RefundMove(refund.id, refund.state, sending.state, now, WORKER)
                return sending if uow.refunds.move(refund, sending, move) else None
            case RefundState.SUBMITTING:
                # Whoever was calling died or hangs: what it sent may have arrived.
                interrupted = after_call(Silence("interrupted"), now, _SOON)
                settle_refund(uow, refund, interrupted, WORKER, now)
                return None
            case RefundState.UNKNOWN | RefundState.PENDING:
                return refund
            case _:
                return None


def _call(gateway: RefundsMoney, refund: Refund) -> RefundAnswer | Silence | NotSent:
    try:
        return gateway.refund(refund)
    except Refused as error:
        return Declined(error.code)
    except NeedsHuman as error:
        return Declined(error.code, by_hand=True)
    except RetryLater as error:
        return NotSent(error.code, error.after_seconds)
    except OutcomeUnknown as error:
        return Silence(error.code)


def _look(gateway: RefundsMoney, refund: Refund) -> LookUp | None:
    try:
        return gateway.look_up(refund)
    except (RetryLater, OutcomeUnknown, Refused, NeedsHuman):
        return None  # a look-up that fails says nothing about the money


def _connection(uow: UnitOfWork, refund: Refund) -> Connection:
    installation = uow.installations.get(refund.payment.installation)
    if installation is None:
        raise NeedsHuman("installation_gone", refund.payment.installation)
    return installation.connection


def _customer(uow: UnitOfWork, refund: Refund) -> CustomerKey:
    stored = uow.plans.get(refund.plan)
    if stored is None:
        raise KeyError(refund.plan)
    return stored.plan.customer
