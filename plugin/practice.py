"""Opens practice: a tenant of its own with the synthetic store and desk, filled once.

Called by `makegood practice` and `serve --practice` only; nothing else ever makes a simulated
tenant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugin.domain.ids import DeliveryId, InstallationId, TenantId
from plugin.helpdesks.practice import practice_link
from plugin.platforms.practice_cases import (
    AGENTS,
    FIRST_TICKET,
    practice_access_map,
    practice_history,
    practice_policy,
)
from plugin.platforms.practice_desk import TICKET_FIELD
from plugin.platforms.practice_world import PracticeWorld
from plugin.ports import Connection, Kind
from plugin.ports.records import Installation, InstallationStatus, Tenant
from plugin.services.apply_event import apply_event
from plugin.services.applying import (
    Source,
)
from plugin.services.sweep_account import begin_sweeping

if TYPE_CHECKING:
    from plugin.app import Parts

STEM = "practice"


def open_practice(parts: Parts) -> str:
    """Make and fill practice where it is not there yet. Returns the address of its first ticket."""
    storage = parts.house.storage
    tenant = next((t for t in storage.tenants() if t.simulated), None) or _make(parts)
    with storage.read(tenant.id) as uow:
        desk = next(i for i in uow.installations.all() if i.connection.kind is Kind.HELPDESK)
    return practice_link(
        desk.connection,
        parts.settings.public_url,
        FIRST_TICKET,
        AGENTS[0].id,
        parts.clock.now(),
    )


def _make(parts: Parts) -> Tenant:
    """The tenant, its two installations, policy, access map and history."""
    now = parts.clock.now()
    tenant = Tenant(TenantId(parts.mint.id()), "Northlight Studio (practice)", simulated=True)
    parts.house.storage.add_tenant(tenant, now)
    store = _installation(parts, tenant, Kind.STORE)
    shop = store.connection.installation
    world = PracticeWorld(parts.settings.data_dir / "practice.sqlite")
    world.seed(now)
    seeded_at = world.seeded_at() or now
    with parts.house.storage.begin(tenant.id) as uow:
        for version in practice_policy().versions:
            uow.settings.add_policy(version)
        uow.installations.add(store)
        uow.installations.add(_installation(parts, tenant, Kind.HELPDESK))
        uow.settings.save_access_map(shop, practice_access_map(shop), now)
        begin_sweeping(uow, shop, now)
        for place, event in enumerate(practice_history(shop, seeded_at)):
            source = Source(DeliveryId(f"practice-{place}"), shop, "Practice shop", now)
            apply_event(uow, event, source, now)
        uow.commit()
    return tenant


def _installation(parts: Parts, tenant: Tenant, kind: Kind) -> Installation:
    secrets = {"link_key": parts.mint.secret(), "webhook_secret_1": parts.mint.secret()}
    connection = Connection(
        tenant=tenant.id,
        installation=InstallationId(parts.mint.id()),
        kind=kind,
        platform=STEM,
        label="Practice",
        settings={
            "file": str(parts.settings.data_dir / "practice.sqlite"),
            **({"ticket_field": TICKET_FIELD} if kind is Kind.HELPDESK else {}),
        },
        secrets=secrets,
    )
    return Installation(connection, InstallationStatus.CONNECTED, parts.clock.now())
