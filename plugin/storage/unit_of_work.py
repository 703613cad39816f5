"""One transaction of one tenant over the tables, and the few reads that find the tenant.

Implements `plugin.ports.storage`. Writers of one tenant queue up: on SQLite by the database's write
lock, on PostgreSQL by a lock on the tenant's row. Decisions are made elsewhere; here is only what
is kept.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection as Db
from sqlalchemy import Engine, insert, select, union_all, update
from sqlalchemy import literal as lit

from plugin.domain.ids import InstallationId, TenantId
from plugin.domain.refunds import RefundState
from plugin.ports.records import DueWork, Installation, StoredDelivery, StoredSignIn, Tenant
from plugin.storage import tables as t
from plugin.storage.audit_rows import FIRST, AuditRows
from plugin.storage.database import connect_to_read
from plugin.storage.delivery_rows import DeliveryRows
from plugin.storage.effect_rows import EffectRows
from plugin.storage.grouped_intake import GroupedIntake
from plugin.storage.installation_rows import InstallationRows, installation_from
from plugin.storage.keyring import Keyring
from plugin.storage.ledger_rows import FactRows, OrderRows
from plugin.storage.refund_rows import PlanRows, RefundRows, RequestRows
from plugin.storage.setting_rows import SettingRows
from plugin.storage.sign_in_rows import SignInRows, sign_in_from
from plugin.storage.tenant_row import tenant_from

_log = logging.getLogger("makegood.intake")


class SqlUnitOfWork:
    """The tables of one tenant inside one transaction."""

    def __init__(self, db: Db, tenant: TenantId, keyring: Keyring) -> None:
        self._db = db
        self.tenant_id = tenant
        self.installations = InstallationRows(db, tenant, keyring)
        self.settings = SettingRows(db, tenant)
        self.deliveries = DeliveryRows(db, tenant)
        self.facts = FactRows(db, tenant)
        self.orders = OrderRows(db, tenant)
        self.requests = RequestRows(db, tenant)
        self.plans = PlanRows(db, tenant)
        self.refunds = RefundRows(db, tenant)
        self.effects = EffectRows(db, tenant)
        self.audit = AuditRows(db, tenant)
        self.sign_ins = SignInRows(db, tenant)

    def commit(self) -> None:
        """Make everything since `begin` lasting. With SQLite the disk has it when this returns."""
        self._db.commit()


class SqlStorage:
    """The database, asked by tenant."""

    def __init__(self, engine: Engine, keyring: Keyring) -> None:
        self._engine = engine
        self._keyring = keyring
        self._grouped = GroupedIntake(engine) if engine.dialect.name == "sqlite" else None

    def take_in(self, delivery: StoredDelivery) -> bool:
        """On SQLite in a group with others; on PostgreSQL, which groups by itself, on its own.

        Raises RetryLater or SQLAlchemyError where it is not known to be committed.
        """
        if self._grouped is not None:
            return self._grouped.take_in(delivery)
        with self._engine.begin() as db:
            is_new = DeliveryRows(db, delivery.tenant).add(delivery)
        _log.info("intake.taken deliveries=1 new=%d", is_new)
        return is_new

    @contextmanager
    def begin(self, tenant: TenantId) -> Iterator[SqlUnitOfWork]:
        """A transaction that may write. Raises KeyError where there is no such tenant."""
        with self._engine.connect() as db:
            # Not a full FOR UPDATE: deliveries that come in point at this row, and need not wait.
            mine = select(t.tenants.c.id).where(t.tenants.c.id == tenant)
            row = mine.with_for_update(key_share=True)
            if db.execute(row).first() is None:
                raise KeyError(tenant)
            yield SqlUnitOfWork(db, tenant, self._keyring)

    @contextmanager
    def read(self, tenant: TenantId) -> Iterator[SqlUnitOfWork]:
        """A transaction that can only read, and sees one moment throughout."""
        with connect_to_read(self._engine) as db:
            yield SqlUnitOfWork(db, tenant, self._keyring)

    def find_installation(self, installation: InstallationId) -> Installation | None:
        """The installation by its random id, whoever's it is: the caller verifies it."""
        with connect_to_read(self._engine) as db:
            row = db.execute(
                select(t.installations).where(t.installations.c.id == installation)
            ).first()
            return None if row is None else installation_from(row, self._keyring)

    def find_sign_in(self, sign_in: str) -> StoredSignIn | None:
        """The link or session with this hash, whoever's it is: only the token's holder knows it."""
        with connect_to_read(self._engine) as db:
            row = db.execute(select(t.sign_ins).where(t.sign_ins.c.id == sign_in)).first()
            return None if row is None else sign_in_from(row)

    def tenants(self) -> Sequence[Tenant]:
        """All tenants, oldest first."""
        with connect_to_read(self._engine) as db:
            rows = db.execute(select(t.tenants).order_by(t.tenants.c.created_at, t.tenants.c.id))
            return [tenant_from(row) for row in rows]

    def add_tenant(self, tenant: Tenant, at: datetime) -> None:
        with self._engine.begin() as db:
            db.execute(
                insert(t.tenants).values(
                    id=tenant.id,
                    name=tenant.name,
                    owners=json.dumps(tenant.owners),
                    time_zone=tenant.time_zone,
                    locale=tenant.locale,
                    simulated=tenant.simulated,
                    created_at=at,
                    audit_count=0,
                    audit_head=FIRST,
                )
            )

    def name_owners(self, tenant: TenantId, owners: Sequence[str]) -> None:
        """Replace the addresses that are told."""
        with self._engine.begin() as db:
            db.execute(
                update(t.tenants)
                .where(t.tenants.c.id == tenant)
                .values(owners=json.dumps(list(owners)))
            )

    def due(self, now: datetime, limit: int) -> Sequence[DueWork]:
        """Deliveries, refunds and runs whose time has come, oldest first."""
        parts = [
            select(
                lit(kind).label("kind"),
                table.c.tenant_id,
                table.c.id.label("ref"),
                table.c[count].label("wakes"),
                table.c.wake_at.label("wake_at"),
            ).where(table.c.wake_at <= now)
            for kind, table, count in (
                ("delivery", t.deliveries, "attempts"),
                ("refund", t.refunds, "wakes"),
                ("run", t.runs, "wakes"),
            )
        ]
        every = union_all(*parts).subquery()
        with connect_to_read(self._engine) as db:
            rows = db.execute(select(every).order_by(every.c.wake_at, every.c.ref).limit(limit))
            return [DueWork(row.kind, row.tenant_id, row.ref, row.wakes) for row in rows]

    def wake_interrupted(self, now: datetime) -> None:
        with self._engine.begin() as db:
            db.execute(
                update(t.refunds)
                .where(t.refunds.c.state == RefundState.SUBMITTING, t.refunds.c.wake_at > now)
                .values(wake_at=now)
            )
