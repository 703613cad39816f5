"""Requests, plans and refunds: what was asked, shown and decided, and how far the money is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Row, bindparam, func, select, update

from plugin.domain.ids import (
    AgentId,
    AgentRef,
    CustomerKey,
    InstallationId,
    PlanId,
    RefundId,
    RequestId,
    TicketId,
)
from plugin.domain.money import Money
from plugin.domain.orders import OrderRef, PaymentRef
from plugin.domain.plan import Plan
from plugin.domain.refunds import Refund, RefundState
from plugin.domain.requests import RefundRequest
from plugin.ports.records import RefundMove, StoredPlan
from plugin.ports.watching import RefundMoved
from plugin.storage import tables as t
from plugin.storage.codec import dump, load
from plugin.storage.prepared import Prepared
from plugin.storage.rows import TenantRows, mine

_q = t.requests
_p = t.plans
_o = t.orders
_r = t.refunds
_m = t.refund_moves


def _refunds(*conditions: ColumnElement[bool]) -> Prepared:
    return Prepared(select(_r).where(mine(_r), *conditions).order_by(_r.c.send_at, _r.c.id))


_ONE = _refunds(_r.c.id == bindparam("of"))
_OF_PLAN = _refunds(_r.c.plan_id == bindparam("of"))
_OF_ORDER = _refunds(_r.c.order_installation == bindparam("at"), _r.c.order_ref == bindparam("of"))
_OF_PAYMENT = _refunds(
    _r.c.payment_installation == bindparam("at"), _r.c.payment_ref == bindparam("of")
)
_OF_CUSTOMER = _refunds(
    _o.c.tenant_id == _r.c.tenant_id,
    _o.c.installation_id == _r.c.order_installation,
    _o.c.ref == _r.c.order_ref,
    _o.c.customer == bindparam("of"),
)


class RequestRows(TenantRows):
    """Implements `plugin.ports.storage.Requests`."""

    def save(self, request: RefundRequest) -> None:
        self._replace(
            _q,
            ("id",),
            id=request.id,
            desk=request.desk,
            ticket=request.ticket,
            order_installation=request.order.installation,
            order_ref=request.order.ref,
            document=dump(request),
            asked_at=request.asked_at,
        )

    def get(self, request: RequestId) -> RefundRequest | None:
        row = self._db.execute(
            select(_q.c.document).where(self._mine(_q), _q.c.id == request)
        ).first()
        return None if row is None else load(RefundRequest, row.document)

    def for_ticket(
        self, desk: InstallationId, ticket: TicketId, order: OrderRef
    ) -> RefundRequest | None:
        row = self._db.execute(
            select(_q.c.document).where(
                self._mine(_q),
                _q.c.desk == desk,
                _q.c.ticket == ticket,
                _q.c.order_installation == order.installation,
                _q.c.order_ref == order.ref,
            )
        ).first()
        return None if row is None else load(RefundRequest, row.document)


class PlanRows(TenantRows):
    """Implements `plugin.ports.storage.Plans`."""

    def add(self, plan: Plan, request: RequestId) -> None:
        self._insert(
            _p,
            id=plan.id,
            request_id=request,
            hash=plan.hash,
            document=dump(plan),
            made_at=plan.made_at,
            decided_at=None,
            decided_by="",
            decided_desk=None,
            decided_agent=None,
        )

    def get(self, plan: PlanId) -> StoredPlan | None:
        row = self._db.execute(select(_p).where(self._mine(_p), _p.c.id == plan)).first()
        return None if row is None else _plan(row)

    def decide(self, plan: PlanId, by: str, at: datetime, decider: AgentRef | None = None) -> bool:
        decided = self._db.execute(
            update(_p)
            .where(self._mine(_p), _p.c.id == plan, _p.c.decided_at.is_(None))
            .values(
                decided_at=at,
                decided_by=by,
                decided_desk=decider and decider.desk,
                decided_agent=decider and decider.agent,
            )
            .returning(_p.c.id)
        )
        return decided.first() is not None


class RefundRows(TenantRows):
    """Implements `plugin.ports.storage.Refunds`."""

    def add(self, refund: Refund, actor: str, at: datetime) -> bool:
        is_new = self._insert_new(
            _r,
            id=refund.id,
            plan_id=refund.plan,
            order_installation=refund.order.installation,
            order_ref=refund.order.ref,
            payment_installation=refund.payment.installation,
            payment_ref=refund.payment.ref,
            label=refund.label,
            amount_minor=refund.amount.minor,
            currency=refund.amount.currency,
            send_at=refund.send_at,
            **_changing(refund, at),
        )
        if is_new:
            self._add_move(refund, RefundMove(refund.id, "planned", refund.state, at, actor))
        return is_new

    def get(self, refund: RefundId) -> Refund | None:
        found = self._found(_ONE, of=refund)
        return found[0] if found else None

    def of_plan(self, plan: PlanId) -> Sequence[Refund]:
        return self._found(_OF_PLAN, of=plan)

    def of_order(self, order: OrderRef) -> Sequence[Refund]:
        return self._found(_OF_ORDER, at=order.installation, of=order.ref)

    def of_payment(self, payment: PaymentRef) -> Sequence[Refund]:
        return self._found(_OF_PAYMENT, at=payment.installation, of=payment.ref)

    def of_customer(self, customer: CustomerKey) -> Sequence[Refund]:
        return self._found(_OF_CUSTOMER, of=customer)

    def move(self, before: Refund, after: Refund, move: RefundMove) -> bool:
        moved = self._db.execute(
            update(_r)
            .where(
                self._mine(_r),
                _r.c.id == before.id,
                _r.c.state == before.state,
                _r.c.wakes == before.wakes,
            )
            .values(**_changing(after, move.at))
            .returning(_r.c.id)
        )
        if moved.first() is None:
            return False
        if before.state is not after.state:
            self._add_move(before, move)
        return True

    def wake(self, refund: Refund, at: datetime) -> None:
        self._db.execute(
            update(_r)
            .where(self._mine(_r), _r.c.id == refund.id, _r.c.wake_at > at)
            .values(wake_at=at)
        )

    def moves(self, plan: PlanId) -> Sequence[RefundMove]:
        rows = self._db.execute(
            select(_m)
            .join(_r, (_r.c.tenant_id == _m.c.tenant_id) & (_r.c.id == _m.c.refund_id))
            .where(self._mine(_m), _r.c.plan_id == plan)
            .order_by(_m.c.at, _m.c.refund_id, _m.c.seq)
        )
        return [
            RefundMove(
                row.refund_id, row.before, row.after, row.at, row.actor, row.reason, row.evidence
            )
            for row in rows
        ]

    def newest(self, limit: int, states: Sequence[RefundState] = ()) -> Sequence[Refund]:
        return [_refund(row) for row in self._last_changed(_r, states or RefundState, limit)]

    def oldest(self, limit: int, states: Sequence[RefundState]) -> Sequence[Refund]:
        return [_refund(row) for row in self._last_changed(_r, states, limit, oldest=True)]

    def _found(self, statement: Prepared, **given: str) -> list[Refund]:
        return [_refund(row) for row in self._run(statement, **given)]

    def _add_move(self, refund: Refund, move: RefundMove) -> None:
        last, decided_at = self._db.execute(
            select(func.max(_m.c.seq), func.min(_m.c.at)).where(
                self._mine(_m), _m.c.refund_id == move.refund
            )
        ).one()
        self._insert(
            _m,
            refund_id=move.refund,
            seq=(last or 0) + 1,
            before=move.before,
            after=move.after,
            at=move.at,
            actor=move.actor,
            reason=move.reason[:255],
            evidence=move.evidence[:255],
        )
        told = RefundMoved(
            refund.id, refund.plan, move.before, move.after, move.at, decided_at or move.at
        )
        self._tell(told)


def _changing(refund: Refund, at: datetime) -> dict[str, object]:
    return {
        "state": refund.state,
        "attempt": refund.attempt,
        "wake_at": refund.wake_at,
        "wakes": refund.wakes,
        "looks": refund.looks,
        "gateway_ref": refund.gateway_ref,
        "reason": refund.reason[:255],
        "changed_at": at,
    }


def _refund(row: Row[tuple[object, ...]]) -> Refund:
    return Refund(
        id=RefundId(row.id),
        plan=PlanId(row.plan_id),
        order=OrderRef(InstallationId(row.order_installation), row.order_ref),
        payment=PaymentRef(InstallationId(row.payment_installation), row.payment_ref),
        label=row.label,
        amount=Money(row.amount_minor, row.currency),
        state=RefundState(row.state),
        attempt=row.attempt,
        send_at=row.send_at,
        wake_at=row.wake_at,
        wakes=row.wakes,
        looks=row.looks,
        gateway_ref=row.gateway_ref,
        reason=row.reason,
        changed_at=row.changed_at,
    )


def _plan(row: Row[tuple[object, ...]]) -> StoredPlan:
    decider = None
    if row.decided_desk is not None and row.decided_agent is not None:
        decider = AgentRef(InstallationId(row.decided_desk), AgentId(row.decided_agent))
    return StoredPlan(
        load(Plan, row.document), RequestId(row.request_id), row.decided_at, row.decided_by, decider
    )
