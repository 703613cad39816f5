"""A tenant's row as a tenant, and the other way round."""

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy import Row

from plugin.domain.ids import TenantId
from plugin.ports.records import Tenant
from plugin.storage.audit_rows import FIRST


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


def row_of(tenant: Tenant, at: datetime) -> dict[str, object]:
    """The row of a tenant that is new, with an empty audit trail."""
    return {
        "id": tenant.id,
        "name": tenant.name,
        "owners": json.dumps(tenant.owners),
        "time_zone": tenant.time_zone,
        "locale": tenant.locale,
        "simulated": tenant.simulated,
        "created_at": at,
        "audit_count": 0,
        "audit_head": FIRST,
    }
