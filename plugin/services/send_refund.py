"""Move one refund one step: send it, or look up what became of it. Row before call, always.

Safe to run again at any point: a refund found `submitting` was interrupted in the middle of its
call, so it becomes `unknown` and is looked up; it is never just sent again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from plugin.domain.errors import (
    ACCOUNT_RESTING,
    InvalidInput,
    MakegoodError,
    NeedsHuman,
    OutcomeUnknown,
    Refused,
    RetryLater,
)
from plugin.domain.ids import RefundId, TenantId
from plugin.domain.plan import Plan, ending_lines
from plugin.domain.refunds import (
    DISPUTED_SINCE,
    REFUNDED_SINCE,
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
    has_time_again,
    not_looked,
)
from plugin.ports import Clock, RefundsMoney
from plugin.ports.platforms import Platforms
from plugin.ports.records import DeliveryState, InstallationStatus, RefundMove
from plugin.ports.storage import Storage, UnitOfWork
from plugin.services.applying import CALL_IN_FLIGHT
from plugin.services.refunded_meanwhile import refunded_meanwhile
from plugin.services.settle_refund import plan_of, settle_refund
from plugin.services.standing_disputes import dispute_stands

WORKER = "worker"
BUSY = timedelta(seconds=90)
"""Longer than any call may take: a refund still `submitting` after it was interrupted."""
BEGIN_WITHIN = timedelta(seconds=60)
"""A call that has not begun so long after its claim is not made: this process was stopped meanwhile
and another may have the refund. What begins by then is over before `BUSY` is, by its deadline."""
LONGEST_WAIT = timedelta(minutes=10)
PATIENCE = timedelta(days=3)
"""A refund that never left us by then is withdrawn and told of: nobody waits for it for ever."""
NEWS_WAIT = timedelta(minutes=1)
MOST_NEWS = 1000
_SOON = GatewayRules(honours_key=False, key_lives=0, looks=(2,))


@dataclass(frozen=True, slots=True)
class Gateway:
    """The account that took the payment, as far as it may be called."""

    port: RefundsMoney
    rules: GatewayRules


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
            gateway = self._gateway(uow, refund)
            claimed = self._claim(uow, refund, gateway)
            uow.commit()
        if claimed is None or gateway is None:
            return
        move = self._ask(gateway, claimed)
        with self.storage.begin(tenant) as uow:
            settle_refund(uow, claimed, move, WORKER, self.clock.now(), move.gateway_ref or "")
            uow.commit()

    def _gateway(self, uow: UnitOfWork, refund: Refund) -> Gateway | None:
        """None where we are not connected any more: an account that was removed is never called."""
        installation = uow.installations.get(refund.payment.installation)
        if installation is None or installation.status is InstallationStatus.REMOVED:
            return None
        port = self.platforms.able(installation.connection, RefundsMoney)
        if port is None:
            return None
        return Gateway(port, self.platforms.gateway_rules(installation.connection))

    def _claim(self, uow: UnitOfWork, refund: Refund, gateway: Gateway | None) -> Refund | None:
        """The refund in the state that the coming call needs, committed before the call."""
        now = self.clock.now()
        match refund.state:
            case RefundState.RESERVED if uow.holds.all():
                return None  # it stays due, and is not looked at before the hold ends
            case RefundState.RESERVED:
                hindrance = _hindrance(uow, refund, gateway, now)
                if hindrance is not None:
                    settle_refund(uow, refund, hindrance, WORKER, now)
                    return None
                sending = replace(
                    refund,
                    state=RefundState.SUBMITTING,
                    wake_at=now + BUSY,
                    wakes=refund.wakes + 1,
                    ends=ending_lines(plan_of(uow, refund), refund.payment),
                )
                move = RefundMove(refund.id, refund.state, sending.state, now, WORKER)
                return sending if uow.refunds.move(refund, sending, move) else None
            case RefundState.SUBMITTING:
                # Whoever was calling died or hangs: what it sent may have arrived.
                interrupted = after_call(refund, Silence("interrupted"), now, _SOON)
                settle_refund(uow, refund, interrupted, WORKER, now)
                return None
            case RefundState.UNKNOWN | RefundState.PENDING if gateway is None:
                lost = Move(RefundState.NEEDS_PERSON, None, refund.gateway_ref, "not_connected")
                settle_refund(uow, refund, lost, WORKER, now)
                return None
            case RefundState.UNKNOWN | RefundState.PENDING:
                return refund
            case _:
                return None

    def _ask(self, gateway: Gateway, claimed: Refund) -> Move:
        """Call the gateway, with no transaction open, and say where its answer leads."""
        if claimed.state is not RefundState.SUBMITTING:
            found = _look(gateway.port, claimed)
            if isinstance(found, NotSent):
                return not_looked(claimed, found.after_seconds or 0, self.clock.now())
            return after_look(claimed, found, self.clock.now(), gateway.rules)
        latest = (claimed.wake_at or self.clock.now()) - BUSY + BEGIN_WITHIN
        is_late = self.clock.now() > latest
        answer = NotSent("too_late") if is_late else _call(gateway.port, claimed)
        now = self.clock.now()
        move = after_call(claimed, answer, now, gateway.rules)
        is_vain = isinstance(answer, NotSent) or (isinstance(answer, Silence) and claimed.looks > 0)
        if is_vain and move.wake_at is not None:
            # A gateway that cannot be reached, or fails each time, is asked more and more rarely.
            growing = timedelta(seconds=2 ** min(claimed.wakes // 2, 10))
            return replace(move, wake_at=max(move.wake_at, now + min(growing, LONGEST_WAIT)))
        return move


def _hindrance(
    uow: UnitOfWork, refund: Refund, gateway: Gateway | None, now: datetime
) -> Move | None:
    """Why a reserved refund must not be sent. One that may have arrived is never withdrawn."""
    if refund.looks:
        return _hindrance_again(uow, refund, gateway, now)
    if gateway is None:
        return _withdrawn("not_connected")
    plan = plan_of(uow, refund)
    if _is_disputed(uow, refund, plan):
        return _withdrawn("dispute_open")
    if refunded_meanwhile(uow, refund, plan):
        return _withdrawn("refunded_elsewhere")
    if now - refund.send_at > PATIENCE:
        return _withdrawn("never_reached")
    return None


def _hindrance_again(
    uow: UnitOfWork, refund: Refund, gateway: Gateway | None, now: datetime
) -> Move | None:
    """Why one that was sent before must not be sent again now: it is looked up once more instead.

    For ever where its time is over, or more of its payment went back or is disputed since. News
    that waits for the end of this call may tell of that, so it is read first.
    """
    if gateway is None or not has_time_again(refund, now, gateway.rules):
        return Move(RefundState.UNKNOWN, now, None, refund.reason)
    plan = plan_of(uow, refund)
    if _is_disputed(uow, refund, plan):
        return Move(RefundState.UNKNOWN, now, None, DISPUTED_SINCE)
    if refunded_meanwhile(uow, refund, plan):
        return Move(RefundState.UNKNOWN, now, None, REFUNDED_SINCE)
    if _news_wait(uow, refund):
        return Move(RefundState.UNKNOWN, now + NEWS_WAIT, None, refund.reason)
    return None


def _is_disputed(uow: UnitOfWork, refund: Refund, plan: Plan) -> bool:
    payments = [part.payment for part in plan.parts]
    return dispute_stands(uow, refund.order, plan.customer, payments)


def _news_wait(uow: UnitOfWork, refund: Refund) -> bool:
    waiting = uow.deliveries.newest((DeliveryState.WAITING,), MOST_NEWS)
    taker = refund.payment.installation
    return any(news.installation == taker and news.reason == CALL_IN_FLIGHT for news in waiting)


def _withdrawn(reason: str) -> Move:
    return Move(RefundState.WITHDRAWN, None, None, reason)


def _call(gateway: RefundsMoney, refund: Refund) -> RefundAnswer | Silence | NotSent:
    try:
        return gateway.refund(refund)
    except (Refused, NeedsHuman) as error:
        if refund.looks:
            # The key was revoked, say: this call did nothing, and the one before may have paid.
            return Silence(error.code)
        return Declined(error.code, by_hand=isinstance(error, NeedsHuman))
    except RetryLater as error:
        return NotSent(error.code, error.after_seconds)
    except (OutcomeUnknown, InvalidInput) as error:
        # What cannot be used may be our words or the gateway's answer: only a look-up settles it.
        return Silence(error.code)


def _look(gateway: RefundsMoney, refund: Refund) -> LookUp | NotSent | None:
    try:
        return gateway.look_up(refund)
    except RetryLater as error:
        if error.code == ACCOUNT_RESTING:
            return NotSent(error.code, error.after_seconds)
        return None
    except MakegoodError:
        return None  # a look-up that fails says nothing about the money
