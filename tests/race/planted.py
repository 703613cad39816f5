"""The bug that the harness must find: deciding by check, then act, with a new intent per click.

What was checked is read in one transaction and acted on in another, and neither the compare-and-set
on the plan nor the uniqueness of its rows can stop a second click, since each click has a plan of
its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from plugin.domain.ids import PlanId, TenantId
from plugin.domain.plan import Plan
from plugin.domain.refunds import UNDO_SECONDS
from plugin.services.decide_refund import (
    AlreadyDecided,
    ChangedSince,
    Decided,
    DecideRefund,
    Decision,
    PlanGone,
    _reserved,
)
from plugin.services.find_orders import Search
from plugin.services.plan_refund import Reader, draft


@dataclass(frozen=True, slots=True)
class DecideUnguarded(DecideRefund):
    """Stands in for `DecideRefund`."""

    def __call__(
        self,
        tenant: TenantId,
        plan_id: PlanId,
        shown_hash: str,
        search: Search,
        reader: Reader,
        fresh_id: PlanId,
        now: datetime,
    ) -> Decision:
        found_all = self.find(tenant, search, now)
        with self.storage.read(tenant) as uow:
            stored = uow.plans.get(plan_id)
        found = None if stored is None else found_all.get(stored.plan.order)
        if stored is None or found is None:
            return PlanGone()
        has = self.plan.read_holdings(tenant, found.order)
        with self.storage.read(tenant) as uow:
            current = draft(uow, found, stored.plan.choice, reader, has, fresh_id, now)
        fresh = current.outcome
        if not isinstance(fresh, Plan) or shown_hash != fresh.hash:
            is_over = stored.decided_at is not None
            return AlreadyDecided(stored.plan) if is_over else ChangedSince(stored.plan, current)
        send_at = now + timedelta(seconds=UNDO_SECONDS)
        refunds = tuple(_reserved(fresh, i, send_at, now) for i in range(len(fresh.parts)))
        with self.storage.begin(tenant) as uow:
            uow.plans.add(fresh, stored.request)
            uow.plans.decide(fresh.id, reader.agent, now)
            for refund in refunds:
                uow.refunds.add(refund, reader.agent, now)
            uow.commit()
        return Decided(fresh, send_at, refunds)
