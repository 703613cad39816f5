"""One transaction of one tenant over the tables, and the few reads that find the tenant.

Implements `plugin.ports.storage`. Writers of one tenant queue up: on SQLite by the database's write
lock, on PostgreSQL by a lock on the tenant's row. Decisions are made elsewhere; here is only what
is kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import Connection as Db
from sqlalchemy import Engine, bindparam, insert, select, update

from plugin.domain.ids import InstallationId, RefundId, TenantId
from plugin.ports import Kind
from plugin.ports.connecting import PendingInstall
from plugin.ports.records import (
    DueWork,
    Installation,
    Pairing,
    StoredDelivery,
    StoredSignIn,
    Tenant,
)
from plugin.ports.watching import Committed, Moved, Reading, Watch, unwatched
from plugin.storage import due_work
from plugin.storage import tables as t
from plugin.storage.audit_rows import AuditRows
from plugin.storage.breakers import BreakerRows
from plugin.storage.budgets import seconds_to_full
from plugin.storage.database import connect_to_read
from plugin.storage.delivery_rows import DeliveryRows
from plugin.storage.effect_rows import EffectRows
from plugin.storage.gauges import read_gauges
from plugin.storage.grouped_intake import GroupedIntake
from plugin.storage.hold_rows import HoldRows
from plugin.storage.installation_rows import InstallationRows, accounts, installation_from
from plugin.storage.keyring import Keyring
from plugin.storage.ledger_rows import FactRows, OrderRows
from plugin.storage.pairing_rows import PairingRows, pairing_from
from plugin.storage.pending_install_rows import (
    PendingInstallRows,
    pending_install_from,
    waiting_installs,
)
from plugin.storage.plain_intake import PlainIntake
from plugin.storage.prepared import Prepared
from plugin.storage.readiness import Missing, what_is_missing
from plugin.storage.refund_rows import PlanRows, RefundRows, RequestRows
from plugin.storage.setting_rows import SettingRows
from plugin.storage.sign_in_rows import SignInRows, sign_in_from
from plugin.storage.sweep_rows import DriftRows, SweepRows, begin_sweeps
from plugin.storage.tally_rows import TallyRows
from plugin.storage.tenant_row import row_of, tenant_from
from plugin.storage.worker_rows import Workers

# Not a full FOR UPDATE: deliveries that come in point at this row, and need not wait.
_LOCKED = Prepared(
    select(t.tenants.c.simulated, t.tenants.c.audit_count, t.tenants.c.audit_head)
    .where(t.tenants.c.id == bindparam("tenant"))
    .with_for_update(key_share=True)
)


class SqlUnitOfWork:
    """The tables of one tenant inside one transaction."""

    def __init__(
        self,
        db: Db,
        tenant: TenantId,
        keyring: Keyring,
        watch: Watch = unwatched,
        *,
        simulated: bool = False,
        audit_end: tuple[int, str] | None = None,
    ) -> None:
        self._db = db
        self._watch = watch
        self._simulated = simulated
        self._moves: list[Moved] = []
        self.tenant_id = tenant
        self.installations = InstallationRows(db, tenant, keyring)
        self.pending_installs = PendingInstallRows(db, tenant, keyring)
        self.settings = SettingRows(db, tenant)
        self.deliveries = DeliveryRows(db, tenant, self._moves.append)
        self.facts = FactRows(db, tenant)
        self.orders = OrderRows(db, tenant)
        self.requests = RequestRows(db, tenant)
        self.plans = PlanRows(db, tenant)
        self.refunds = RefundRows(db, tenant, self._moves.append)
        self.effects = EffectRows(db, tenant, self._moves.append)
        self.audit = AuditRows(db, tenant, audit_end)
        self.sign_ins = SignInRows(db, tenant)
        self.pairings = PairingRows(db, tenant)
        self.tallies = TallyRows(db, tenant)
        self.holds = HoldRows(db, tenant)
        self.breakers = BreakerRows(db, tenant)
        self.sweeps = SweepRows(db, tenant)
        self.drifts = DriftRows(db, tenant)

    def commit(self) -> None:
        """Make everything since `begin` lasting. With SQLite the disk has it when this returns."""
        self._db.commit()
        if self._moves:
            self._watch(Committed(tuple(self._moves), self._simulated))
            self._moves.clear()


class SqlStorage:
    """The database, asked by tenant."""

    def __init__(self, engine: Engine, keyring: Keyring, watch: Watch = unwatched) -> None:
        self._engine = engine
        self._keyring = keyring
        self._watch = watch
        is_sqlite = engine.dialect.name == "sqlite"
        self._intake = GroupedIntake(engine) if is_sqlite else PlainIntake(engine)
        self._workers = Workers(engine)

    def take_in(self, delivery: StoredDelivery) -> bool:
        """On SQLite in a group with others; on PostgreSQL, which groups by itself, on its own.

        Raises RetryLater or SQLAlchemyError where it is not known to be committed.
        """
        return self._intake.take_in(delivery)

    @contextmanager
    def begin(self, tenant: TenantId) -> Iterator[SqlUnitOfWork]:
        """A transaction that may write. Raises KeyError where there is no such tenant."""
        with self._engine.connect() as db:
            row = _LOCKED.first(db, {"tenant": tenant})
            if row is None:
                raise KeyError(tenant)
            yield SqlUnitOfWork(
                db,
                tenant,
                self._keyring,
                self._watch,
                simulated=row.simulated,
                audit_end=(row.audit_count, row.audit_head),
            )

    @contextmanager
    def read(self, tenant: TenantId) -> Iterator[SqlUnitOfWork]:
        """A transaction that can only read, and sees one moment throughout."""
        with connect_to_read(self._engine) as db:
            uow = SqlUnitOfWork(db, tenant, self._keyring)
            for rows in (uow.facts, uow.orders, uow.settings):
                rows.keep_what_is_read()
            yield uow

    def find_installation(self, installation: InstallationId) -> Installation | None:
        """The installation by its random id, whoever's it is: the caller verifies it."""
        with connect_to_read(self._engine) as db:
            row = db.execute(
                select(t.installations).where(t.installations.c.id == installation)
            ).first()
            return None if row is None else installation_from(row, self._keyring)

    def find_pending_install(self, pending: str) -> PendingInstall | None:
        """The pending install by its random id: only who knows its one-time value gets here."""
        with connect_to_read(self._engine) as db:
            one = t.pending_installs
            row = db.execute(select(one).where(one.c.id == pending)).first()
            return None if row is None else pending_install_from(row, self._keyring)

    def find_accounts(
        self, kind: Kind, platform: str, account: Mapping[str, str]
    ) -> Sequence[Installation]:
        """Connections whose settings hold these values, whoever's they are: keys must prove it."""
        with connect_to_read(self._engine) as db:
            return accounts(db, self._keyring, kind, platform, account)

    def find_waiting_installs(
        self, kind: Kind, platform: str, now: datetime
    ) -> Sequence[PendingInstall]:
        """Installs of a platform that wait, whoever's they are: keys must prove it."""
        with connect_to_read(self._engine) as db:
            return waiting_installs(db, self._keyring, kind, platform, now)

    def find_sign_in(self, sign_in: str) -> StoredSignIn | None:
        """The link or session with this hash, whoever's it is: only the token's holder knows it."""
        with connect_to_read(self._engine) as db:
            row = db.execute(select(t.sign_ins).where(t.sign_ins.c.id == sign_in)).first()
            return None if row is None else sign_in_from(row)

    def find_pairing(self, link: str) -> Pairing | None:
        """The pairing with this link, whoever's it is: only the token's holder knows it."""
        with connect_to_read(self._engine) as db:
            row = db.execute(select(t.pairings).where(t.pairings.c.link == link)).first()
            return None if row is None else pairing_from(row)

    def what_is_missing(self) -> Missing | None:
        """What keeps this process from working with the database right now, if anything does."""
        return what_is_missing(self._engine, self._keyring)

    def gauges(self, now: datetime) -> Sequence[Reading]:
        """How much waits, how old it is, and who lives, for whoever watches."""
        return read_gauges(self._engine, now)

    def tenants(self) -> Sequence[Tenant]:
        """All tenants, oldest first."""
        with connect_to_read(self._engine) as db:
            rows = db.execute(select(t.tenants).order_by(t.tenants.c.created_at, t.tenants.c.id))
            return [tenant_from(row) for row in rows]

    def add_tenant(self, tenant: Tenant, at: datetime) -> None:
        with self._engine.begin() as db:
            db.execute(insert(t.tenants).values(row_of(tenant, at)))

    def add_first_tenant(self, tenant: Tenant, at: datetime) -> bool:
        """Add it, unless there is a real business. Of several that start together one adds it."""
        with self._engine.begin() as db:
            if db.dialect.name == "postgresql":  # on SQLite the transaction itself is the lock
                db.exec_driver_sql("LOCK TABLE mg_tenants IN SHARE ROW EXCLUSIVE MODE")
            real = select(t.tenants.c.id).where(t.tenants.c.simulated.is_(False)).limit(1)
            if db.execute(real).first() is not None:
                return False
            db.execute(insert(t.tenants).values(row_of(tenant, at)))
            return True

    def name_owners(self, tenant: TenantId, owners: Sequence[str]) -> None:
        """Replace the addresses that are told."""
        with self._engine.begin() as db:
            db.execute(
                update(t.tenants)
                .where(t.tenants.c.id == tenant)
                .values(owners=json.dumps(list(owners)))
            )

    def due(self, now: datetime, limit: int) -> Sequence[DueWork]:
        """Work of all tenants whose time has come, in fair turns."""
        # On PostgreSQL a transaction, in which it is told how to read.
        alone = self._engine.dialect.name == "sqlite"
        with connect_to_read(self._engine, alone=alone) as db:
            return due_work.due(db, now, limit)

    def begin_sweeps(self, now: datetime) -> None:
        with self._engine.begin() as db:
            begin_sweeps(db, now)

    def wake_interrupted(self, now: datetime) -> None:
        with self._engine.begin() as db:
            due_work.wake_interrupted(db, now)

    def wake_claimed(self, tenant: TenantId, refund: RefundId, wakes: int, now: datetime) -> bool:
        with self._engine.begin() as db:
            return due_work.wake_claimed(db, tenant, refund, wakes, now)

    def beat(self, executor: str) -> None:
        self._workers.beat(executor)

    def living_workers(self, within: timedelta) -> frozenset[str]:
        silences = self._workers.silences()
        return frozenset(name for name, silence in silences.items() if silence <= within)

    def silent_workers(self, since: timedelta) -> frozenset[str]:
        silences = self._workers.silences()
        return frozenset(name for name, silence in silences.items() if silence > since)

    def forget_worker(self, executor: str) -> None:
        self._workers.forget(executor)

    def seconds_to_full(self, accounts: Sequence[InstallationId]) -> Mapping[InstallationId, float]:
        with connect_to_read(self._engine) as db:
            told = seconds_to_full(db, accounts)
        return {InstallationId(account): seconds for account, seconds in told.items()}
