"""A tenant's row as a tenant."""

from __future__ import annotations

import json

from sqlalchemy import Row

from plugin.domain.ids import TenantId
from plugin.ports.records import Tenant


def tenant_from(row: Row[tuple[object, ...]]) -> Tenant:
    """The tenant that a row of `mg_tenants` holds."""
    return Tenant(
        id=TenantId(row.id),
        name=row.name,
        owners=tuple(json.loads(row.owners)),
        time_zone=row.time_zone,
        locale=row.locale,
        simulated=row.simulated,
    )
