"""`makegood sweep`: read now what the stores told and no webhook brought, and what differs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from plugin.app import sweeping
from plugin.domain.drift import NEXT_STEPS
from plugin.domain.errors import InvalidInput
from plugin.first_start import home_tenant
from plugin.ports import Kind

if TYPE_CHECKING:
    from plugin.app import Parts
    from plugin.ports.records import Drift, Installation
    from plugin.services.sweep_account import Swept

MOST_SHOWN = 50


def sweep_now(
    parts: Parts, wanted: str | None, line: Callable[[str], None]
) -> tuple[dict[str, object], list[str]]:
    """Sweep every store, or the one of the id `wanted`; what was found, and what went wrong.

    Raises InvalidInput where there is no such store.
    """
    storage, tenant = parts.house.storage, home_tenant(parts.house.storage)
    storage.begin_sweeps(parts.clock.now())
    with storage.read(tenant.id) as uow:
        stores = [one for one in uow.installations.all() if one.connection.kind is Kind.STORE]
    chosen = [one for one in stores if wanted in (None, one.connection.installation)]
    if wanted is not None and not chosen:
        known = ", ".join(one.connection.installation for one in stores) or "none"
        raise InvalidInput("installation", f"no store of this id is connected; there are: {known}")
    sweep = sweeping(parts)
    told, faults = [], []
    for store in chosen:
        swept = sweep.now(tenant.id, store.connection.installation)
        line(_words(store, swept))
        told.append(_facts(store, swept))
        if swept is not None and swept.reason:
            faults.append(f"{store.connection.installation}: {swept.reason}")
    with storage.read(tenant.id) as uow:
        open_drifts = uow.drifts.open(MOST_SHOWN)
    for drift in open_drifts:
        line(f"{drift.difference.kind} {drift.difference.subject} at {drift.installation}")
        line(f"  {NEXT_STEPS[drift.difference.kind]}")
    return {"accounts": told, "drifts": [_drift_facts(drift) for drift in open_drifts]}, faults


def _words(store: Installation, swept: Swept | None) -> str:
    name = f"{store.connection.label} ({store.connection.installation})"
    if swept is None:
        return f"{name}: not now: it is being connected, or is being looked at by the worker."
    if swept.reason:
        return f"{name}: did not come to its end: {swept.reason}. It is tried again."
    news = f"{swept.taken_in} of {swept.read} news were missed and are taken in"
    looked = f"{swept.looked.customers} customers looked at"
    more = " The worker goes on with the rest." if swept.goes_on else ""
    return f"{name}: {news}; {looked}, {swept.looked.opened} new differences.{more}"


def _facts(store: Installation, swept: Swept | None) -> dict[str, object]:
    facts: dict[str, object] = {"installation": store.connection.installation}
    if swept is None:
        return {**facts, "swept": False}
    return {
        **facts,
        "swept": not swept.reason,
        "read": swept.read,
        "missed": swept.taken_in,
        "customers": swept.looked.customers,
        "opened": swept.looked.opened,
        "mended": swept.looked.mended,
        "goes_on": swept.goes_on,
    }


def _drift_facts(drift: Drift) -> dict[str, object]:
    return {
        "id": drift.id,
        "installation": drift.installation,
        "kind": drift.difference.kind,
        "subject": drift.difference.subject,
        "found_at": drift.found_at.isoformat(),
    }
