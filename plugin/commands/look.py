"""`makegood deliveries | effects | refunds | audit`: what happened.

Shows ids and states, never content. Changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from plugin.domain.effects import EffectState
from plugin.domain.errors import InvalidInput, MakegoodError
from plugin.domain.ids import DeliveryId, InstallationId, PlanId, RefundId, RunId
from plugin.domain.refunds import RefundState
from plugin.ports.records import DeliveryState, StoredDelivery, Tenant
from plugin.ports.storage import UnitOfWork

if TYPE_CHECKING:
    from plugin.app import Parts

S = TypeVar("S", bound=StrEnum)
Say = Callable[[str], None]
Row = dict[str, object]


def list_deliveries(parts: Parts, states: Sequence[str], limit: int, say: Say) -> list[Row]:
    """The newest deliveries of all tenants, at most `limit` each."""
    wanted = _states(DeliveryState, states)
    rows = []
    for tenant, uow in _tenants(parts):
        for stored in uow.deliveries.newest(wanted, limit):
            row = _delivery_row(tenant, uow, stored)
            rows.append(row)
            line = (
                f"{row['received_at']}  {stored.state:12} {row['platform']:12} "
                f"{stored.installation}  {stored.topic:24} {stored.id}  {stored.reason}"
            )
            say(line.rstrip())
    if not rows:
        say("There are none in that state." if wanted else "Nothing was delivered yet.")
    return rows


def show_delivery(parts: Parts, delivery: str, say: Say) -> Row:
    """One delivery. Raises InvalidInput where there is none."""
    for tenant, uow in _tenants(parts):
        stored = uow.deliveries.get(DeliveryId(delivery))
        if stored is not None:
            row = _delivery_row(tenant, uow, stored)
            row |= {"headers": sorted(stored.headers), "bytes": len(stored.body)}
            for name, value in row.items():
                say(f"{name:12} {value}")
            return row
    raise InvalidInput("delivery", "there is none of this id; see `makegood deliveries list`")


def _delivery_row(tenant: Tenant, uow: UnitOfWork, stored: StoredDelivery) -> Row:
    return {
        "id": stored.id,
        "tenant": tenant.id,
        "platform": _platform(uow, stored.installation),
        "installation": stored.installation,
        "name": stored.name,
        "topic": stored.topic,
        "state": stored.state,
        "reason": stored.reason,
        "attempts": stored.attempts,
        "received_at": _time(stored.received_at),
    }


def _platform(uow: UnitOfWork, installation: InstallationId) -> str:
    try:
        found = uow.installations.get(installation)
    except MakegoodError:  # no key opens it; that must not hide what was delivered
        return "not readable"
    return found.connection.platform if found is not None else "removed"


def list_effects(parts: Parts, states: Sequence[str], limit: int, say: Say) -> list[Row]:
    """Effects of all tenants, changed last first, at most `limit` each.

    Without `states` those that wait for a person.
    """
    wanted = _states(EffectState, states) or [EffectState.NEEDS_PERSON, EffectState.UNKNOWN]
    rows = []
    for tenant, uow in _tenants(parts):
        for stored in uow.effects.newest(limit, wanted):
            row = {
                "key": stored.planned.key,
                "tenant": tenant.id,
                "kind": type(stored.planned.effect).__name__,
                "run": stored.run,
                "state": stored.state,
                "attempts": stored.attempts,
                "outcome": stored.outcome,
                "changed_at": _time(stored.changed_at),
                "wake_at": _time(stored.wake_at),
            }
            rows.append(row)
            line = (
                f"{row['changed_at']}  {stored.state:12} {row['kind']:20} "
                f"{stored.planned.key}  {stored.outcome}"
            )
            say(line.rstrip())
    if not rows:
        say("There are none in that state." if states else "None waits for a person.")
    return rows


def list_refunds(parts: Parts, states: Sequence[str], limit: int, say: Say) -> list[Row]:
    """The newest refunds of all tenants, at most `limit` each."""
    wanted = _states(RefundState, states)
    rows = []
    for tenant, uow in _tenants(parts):
        for refund in uow.refunds.newest(limit, wanted):
            amount = f"{refund.amount.decimal()} {refund.amount.currency}"
            at = _time(refund.changed_at)
            say(f"{at}  {refund.state:12} {amount:>16}  {refund.label:20} {refund.id}")
            rows.append(
                {
                    "id": refund.id,
                    "tenant": tenant.id,
                    "plan": refund.plan,
                    "state": refund.state,
                    "changed_at": at,
                    "amount_minor": refund.amount.minor,
                    "currency": refund.amount.currency,
                    "simulated": tenant.simulated,
                }
            )
    if not rows:
        say("There are none in that state." if wanted else "No refund was made yet.")
    return rows


def show_refund(parts: Parts, refund_id: str, say: Say) -> Row:
    """One refund with its moves and effects. Raises InvalidInput where there is none."""
    for tenant, uow in _tenants(parts):
        refund = uow.refunds.get(RefundId(refund_id))
        if refund is None:
            continue
        moves = [
            {
                "before": move.before,
                "after": move.after,
                "at": _time(move.at),
                "actor": move.actor,
                "reason": move.reason,
                "evidence": move.evidence,
            }
            for move in uow.refunds.moves(PlanId(refund.plan))
            if move.refund == refund.id
        ]
        effects = [
            {
                "kind": type(stored.planned.effect).__name__,
                "state": stored.state,
                "attempts": stored.attempts,
                "outcome": stored.outcome,
            }
            for stored in uow.effects.of_run(RunId(refund.plan))
        ]
        say(f"{refund.id}  {refund.state}  {refund.amount.decimal()} {refund.amount.currency}")
        for move in moves:
            say(f"  {move['at']}  {move['before']} -> {move['after']}  {move['actor']}")
        for effect in effects:
            say(f"  {effect['kind']:20} {effect['state']:12} {effect['outcome']}".rstrip())
        return {
            "id": refund.id,
            "tenant": tenant.id,
            "state": refund.state,
            "attempt": refund.attempt,
            "moves": moves,
            "effects": effects,
        }
    raise InvalidInput("refund", "there is none of this id; see `makegood refunds list`")


def verify_audit(parts: Parts, say: Say) -> tuple[dict[str, int], int]:
    """Per tenant the first entry that does not fit, and how many entries there are in all."""
    broken, entries = {}, 0
    for tenant, uow in _tenants(parts):
        count, wrong = uow.audit.verify()
        entries += count
        if wrong is None:
            say(f"{tenant.id}  {count} entries, unbroken")
        else:
            broken[str(tenant.id)] = wrong
            say(f"{tenant.id}  broken at entry {wrong}")
    return broken, entries


def _states(known: type[S], states: Sequence[str]) -> list[S]:
    try:
        return [known(state) for state in states]
    except ValueError:
        raise InvalidInput("--state", f"choose among {', '.join(known)}") from None


def _time(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at is not None else ""


def _tenants(parts: Parts) -> Iterator[tuple[Tenant, UnitOfWork]]:
    for tenant in parts.house.storage.tenants():
        with parts.house.storage.read(tenant.id) as uow:
            yield tenant, uow
