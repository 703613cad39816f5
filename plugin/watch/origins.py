"""What began the work on a row: the delivery or the plan whose trace it belongs to. Reads only."""

from __future__ import annotations

from collections.abc import Callable

from plugin.domain.ids import RefundId, RunId, TenantId
from plugin.ports.storage import Storage, UnitOfWork

OriginOf = Callable[[str, str, str], str]
"""(kind, tenant, ref) of a row that is due -> `delivery ID`, `plan ID`, or empty for neither."""


def origin_of(storage: Storage) -> OriginOf:
    """Looks it up in `storage`."""

    def look_up(kind: str, tenant: str, ref: str) -> str:
        if kind == "delivery":
            return f"delivery {ref}"
        if kind not in ("refund", "run"):
            return ""
        with storage.read(TenantId(tenant)) as uow:
            return _of_refund(uow, ref) if kind == "refund" else _of_run(uow, ref)

    return look_up


def _of_refund(uow: UnitOfWork, ref: str) -> str:
    refund = uow.refunds.get(RefundId(ref))
    return "" if refund is None else f"plan {refund.plan}"


def _of_run(uow: UnitOfWork, ref: str) -> str:
    run = uow.effects.run(RunId(ref))
    word, _, cause = ("", "", "") if run is None else run.cause.partition(" ")
    match word:
        case "delivery" | "plan":
            return f"{word} {cause}"
        case "refund":
            return _of_refund(uow, cause)
        case _:
            return ""
