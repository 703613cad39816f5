"""Decide a plan: check its hash against the world as it is now, reserve, and start the ten seconds.

Asks the stores itself, once: what whoever calls has read is not what counts.
Row before call: when this returns, what was decided is committed, and nothing has been sent. Two
people on one order, two tabs, two clicks: one of them reserves, the others are shown what there is
now.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from plugin.domain.ids import PlanId, TenantId
from plugin.domain.orders import RefundRoute
from plugin.domain.plan import Blocked, Plan
from plugin.domain.refunds import (
    UNDO_SECONDS,
    Refund,
    RefundState,
    is_undoable,
    refund_id,
)
from plugin.ports.records import Hold, RefundMove, StoredPlan
from plugin.ports.storage import Storage, UnitOfWork
from plugin.services.find_orders import FindOrders, Search
from plugin.services.plan_refund import PlanRefund, Preview, Reader, draft, may_move_money


@dataclass(frozen=True, slots=True)
class Decided:
    """Reserved, and sent at `send_at` unless undone before; by-hand parts wait for a person."""

    plan: Plan
    send_at: datetime
    refunds: tuple[Refund, ...]


@dataclass(frozen=True, slots=True)
class AlreadyDecided:
    """This very plan was decided before: by a second click, or another tab. Not done again."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class ChangedSince:
    """The world is not what was shown as `before`; `now` stands, and needs a new click."""

    before: Plan
    now: Preview


@dataclass(frozen=True, slots=True)
class WeakMatch:
    """The order may be another person's: money waits for one more proof."""


@dataclass(frozen=True, slots=True)
class PlanGone:
    """No such plan in this tenant, or its order is found no more."""


@dataclass(frozen=True, slots=True)
class Held:
    """Nothing is sent just now, so nothing is promised either. Nothing was changed."""

    hold: Hold


Decision = Decided | AlreadyDecided | ChangedSince | WeakMatch | PlanGone | Held


@dataclass(frozen=True, slots=True)
class DecideRefund:
    """The use case, with its storage, and the two use cases by which it reads the world again."""

    storage: Storage
    find: FindOrders
    plan: PlanRefund

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
        """Decide `plan_id` if the world still matches `shown_hash`; else store a new plan.

        The new plan is stored as `fresh_id`.
        """
        with self.storage.read(tenant) as uow:
            stored = uow.plans.get(plan_id)
            holds = uow.holds.all()
        if stored is None:
            return PlanGone()
        if stored.decided_at is not None:
            return AlreadyDecided(stored.plan)
        if holds:
            return Held(holds[0])
        found = self.find(tenant, search, now).get(stored.plan.order)
        if found is None:
            return PlanGone()
        if not may_move_money(found):
            return WeakMatch()
        has = self.plan.read_holdings(tenant, found.order)
        with self.storage.begin(tenant) as uow:
            current = draft(uow, found, stored.plan.choice, reader, has, fresh_id, now)
            decision = self._decide(uow, stored, shown_hash, current, reader, now)
            uow.commit()
        return decision

    def _decide(
        self,
        uow: UnitOfWork,
        stored: StoredPlan,
        shown_hash: str,
        current: Preview,
        reader: Reader,
        now: datetime,
    ) -> Decision:
        plan = stored.plan
        fresh = current.outcome
        if isinstance(fresh, Blocked):
            return self._changed(uow, stored, current, reader.agent, now)
        # What was shown, what was stored and what stands must be one and the same: the stored plan
        # is what is carried out, so a hash of another plan must not pass for it.
        is_same = shown_hash == plan.hash == fresh.hash
        if is_same and now < plan.expires_at:
            return self._reserve(uow, stored, fresh, reader, now)
        uow.plans.add(fresh, stored.request)
        return self._changed(uow, stored, current, reader.agent, now)

    def _changed(
        self, uow: UnitOfWork, stored: StoredPlan, current: Preview, actor: str, now: datetime
    ) -> Decision:
        again = uow.plans.get(stored.plan.id)
        if again is not None and again.decided_at is not None:
            return AlreadyDecided(stored.plan)
        uow.audit.write(now, actor, "refund.changed_since_shown", stored.plan.id, {})
        return ChangedSince(stored.plan, current)

    def _reserve(
        self, uow: UnitOfWork, stored: StoredPlan, fresh: Plan, reader: Reader, now: datetime
    ) -> Decision:
        plan, actor = stored.plan, reader.agent
        if not uow.plans.decide(plan.id, actor, now, reader.agent_ref):
            return AlreadyDecided(plan)
        send_at = now + timedelta(seconds=UNDO_SECONDS)
        refunds = tuple(_reserved(plan, index, send_at, now) for index in range(len(plan.parts)))
        for refund in refunds:
            uow.refunds.add(refund, actor, now)
        uow.audit.write(
            now,
            actor,
            "refund.decided",
            plan.id,
            {"hash": fresh.hash, "amount": f"{plan.amount.minor} {plan.amount.currency}"},
        )
        return Decided(plan, send_at, refunds)


def _reserved(plan: Plan, index: int, send_at: datetime, now: datetime) -> Refund:
    part = plan.parts[index]
    by_hand = part.route is RefundRoute.BY_HAND
    return Refund(
        id=refund_id(plan.id, part.payment),
        plan=plan.id,
        order=plan.order,
        payment=part.payment,
        label=part.label,
        amount=part.amount,
        state=RefundState.MANUAL if by_hand else RefundState.RESERVED,
        attempt=1,
        send_at=now if by_hand else send_at,
        wake_at=None if by_hand else send_at,
        changed_at=now,
    )


@dataclass(frozen=True, slots=True)
class UndoRefund:
    """Take a reserved refund back before anything was sent: all parts of it, or none.

    Whose it is to undo, `plugin.services.refund_rights` says; ask there first.
    """

    storage: Storage

    def __call__(self, tenant: TenantId, plan_id: PlanId, actor: str, now: datetime) -> bool:
        """True when all of it was withdrawn; False, and nothing changed, when a part was sent."""
        with self.storage.begin(tenant) as uow:
            refunds = uow.refunds.of_plan(plan_id)
            if not is_undoable(refunds):
                return False
            for refund in refunds:
                withdrawn = replace(
                    refund, state=RefundState.WITHDRAWN, wake_at=None, wakes=refund.wakes + 1
                )
                move = RefundMove(
                    refund.id, refund.state, withdrawn.state, now, actor, "undone by a person"
                )
                if not uow.refunds.move(refund, withdrawn, move):
                    return False
            uow.audit.write(now, actor, "refund.undone", plan_id, {})
            uow.commit()
        return True
