"""Installations: connections with their sealed credentials."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection as Db
from sqlalchemy import Row, bindparam, select, update

from plugin.domain.ids import InstallationId, TenantId
from plugin.ports import Connection, Kind
from plugin.ports.records import Installation, InstallationStatus, SelfTestLine
from plugin.storage import tables as t
from plugin.storage.keyring import Keyring
from plugin.storage.prepared import Prepared
from plugin.storage.rows import TenantRows, mine

_ONE = Prepared(
    select(t.installations).where(mine(t.installations), t.installations.c.id == bindparam("of"))
)
_ALL = Prepared(
    select(t.installations)
    .where(mine(t.installations), t.installations.c.status != InstallationStatus.REMOVED)
    .order_by(t.installations.c.created_at, t.installations.c.id)
)


class InstallationRows(TenantRows):
    """Implements `plugin.ports.storage.Installations`."""

    def __init__(self, db: Db, tenant: TenantId, keyring: Keyring) -> None:
        super().__init__(db, tenant)
        self._keyring = keyring

    def add(self, installation: Installation) -> None:
        connection = installation.connection
        self._insert(
            t.installations,
            id=connection.installation,
            kind=connection.kind,
            platform=connection.platform,
            created_at=installation.created_at,
            **self._changing(installation),
        )

    def get(self, installation: InstallationId) -> Installation | None:
        row = self._first(_ONE, of=installation)
        return None if row is None else installation_from(row, self._keyring)

    def all(self) -> Sequence[Installation]:
        """All that are not removed, oldest first."""
        return [installation_from(row, self._keyring) for row in self._run(_ALL)]

    def save(self, installation: Installation) -> None:
        self._db.execute(
            update(t.installations)
            .where(
                self._mine(t.installations),
                t.installations.c.id == installation.connection.installation,
            )
            .values(**self._changing(installation))
        )

    def _changing(self, installation: Installation) -> dict[str, str]:
        connection = installation.connection
        place = f"{self._tenant}/{connection.installation}"
        return {
            "label": connection.label,
            "status": installation.status,
            "settings": json.dumps(dict(connection.settings)),
            "secrets": self._keyring.seal(place, connection.secrets),
            "self_test": json.dumps(
                [
                    [
                        line.name,
                        line.state,
                        line.details,
                        line.at.isoformat() if line.at else None,
                        line.milliseconds,
                    ]
                    for line in installation.self_test
                ]
            ),
        }


def accounts(
    db: Db, keyring: Keyring, kind: Kind, platform: str, account: Mapping[str, str]
) -> Sequence[Installation]:
    """All tenants' connections whose settings hold all of `account`, oldest first."""
    one = t.installations.c
    # As settings are written; what else it finds is left out below, before a secret is opened.
    alike = [
        one.settings.contains(json.dumps({name: value})[1:-1], autoescape=True)
        for name, value in account.items()
    ]
    asked = select(t.installations).where(one.kind == kind, one.platform == platform, *alike)
    return [
        installation_from(row, keyring)
        for row in db.execute(asked.order_by(one.created_at, one.id))
        if account.items() <= json.loads(row.settings).items()
    ]


def installation_from(row: Row[tuple[object, ...]], keyring: Keyring) -> Installation:
    """An installation from its row, with its secrets opened.

    Raises NeedsHuman when no key opens them.
    """
    return Installation(
        Connection(
            tenant=TenantId(row.tenant_id),
            installation=InstallationId(row.id),
            kind=Kind(row.kind),
            platform=row.platform,
            label=row.label,
            settings=json.loads(row.settings),
            secrets=keyring.open(f"{row.tenant_id}/{row.id}", row.secrets),
        ),
        InstallationStatus(row.status),
        row.created_at,
        tuple(
            SelfTestLine(name, state, details, datetime.fromisoformat(at) if at else None, *took)
            # Lines kept by an earlier version do not tell how long they took.
            for name, state, details, at, *took in json.loads(row.self_test)
        ),
    )
