"""Two tenants with a practice shop each, in one house; and ways to have much waiting there.

The loud one is flooded, the quiet one gets an event now and then. All bodies are valid sales.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from cryptography.fernet import Fernet
from sqlalchemy import ColumnElement, String, cast, func, insert, literal, select, text, update
from sqlalchemy import Connection as Db

from plugin.app import Parts, put_together
from plugin.chance import SystemClock, SystemMint
from plugin.domain.ids import DeliveryId, InstallationId, TenantId
from plugin.first_start import add_tenant, prepare_house
from plugin.ports import Connection, Kind
from plugin.ports.records import (
    DeliveryState,
    Installation,
    InstallationStatus,
    StoredDelivery,
    Tenant,
)
from plugin.settings import read_settings
from plugin.storage import tables as t
from plugin.storage.database import READ_ONLY

LOUD, QUIET = TenantId("loud"), TenantId("quiet")
_NUMBER = "NUMBER"


@dataclass(frozen=True, slots=True)
class Town:
    """All that a process must know to open it."""

    folder: str
    database: str
    secret_key: str
    planted: bool

    @classmethod
    def read(cls, path: str) -> Self:
        return cls(**json.loads(Path(path).read_text("utf-8")))

    @property
    def file(self) -> Path:
        return Path(self.folder) / "town.json"

    @property
    def notes(self) -> Path:
        """Where the worker writes down what it begins and ends."""
        return Path(self.folder) / "notes"

    @property
    def log(self) -> Path:
        return Path(self.folder) / "log"

    def parts(self) -> Parts:
        return put_together(
            read_settings(
                {
                    "MAKEGOOD_DATA_DIR": str(Path(self.folder) / "data"),
                    "MAKEGOOD_DATABASE_URL": self.database,
                    "MAKEGOOD_SECRET_KEYS": self.secret_key,
                }
            )
        )


@contextmanager
def built(folder: Path, database: str, *, planted: bool) -> Iterator[tuple[Town, Parts]]:
    """The town, and its parts for this process."""
    town = Town(str(folder), database, Fernet.generate_key().decode(), planted)
    settings = read_settings(
        {
            "MAKEGOOD_DATA_DIR": str(folder / "data"),
            "MAKEGOOD_DATABASE_URL": database,
            "MAKEGOOD_SECRET_KEYS": town.secret_key,
        }
    )
    prepare_house(settings, SystemClock(), SystemMint()).engine.dispose()
    town.file.write_text(json.dumps(asdict(town)), "utf-8")
    parts = town.parts()
    for tenant in (LOUD, QUIET):
        add_tenant(parts.house.storage, Tenant(tenant, tenant), parts.clock)
        connection = Connection(
            tenant=tenant,
            installation=shop_of(tenant),
            kind=Kind.STORE,
            platform="practice",
            label="Shop",
            settings={"file": str(folder / "practice.sqlite")},
            secrets={},
        )
        with parts.house.storage.begin(tenant) as uow:
            now = parts.clock.now()
            uow.installations.add(Installation(connection, InstallationStatus.CONNECTED, now))
            uow.commit()
    try:
        yield town, parts
    finally:
        parts.house.engine.dispose()


def shop_of(tenant: TenantId) -> InstallationId:
    return InstallationId(f"shop-of-{tenant}")


def sale(number: str, now: datetime) -> bytes:
    """A sale of one thing, to a customer of its own."""
    at = now.isoformat()
    body = {
        "type": "sale.made",
        "at": at,
        "order": {
            "id": f"o-{number}",
            "number": number,
            "email": f"customer-{number}@mail.example",
            "bought_at": at,
            "currency": "EUR",
            "lines": [
                {
                    "id": "l-1",
                    "title": "Watercolour basics",
                    "product": "p-1",
                    "paid": 4900,
                    "gives": [{"kind": "course", "id": "c-1", "name": "Watercolour basics"}],
                }
            ],
            "payments": [{"id": f"pay-{number}", "label": "Card", "captured": 4900}],
        },
    }
    return json.dumps(body).encode()


def delivery(tenant: TenantId, number: str, now: datetime) -> StoredDelivery:
    return StoredDelivery(
        id=DeliveryId(f"{tenant}-{number}"),
        tenant=tenant,
        installation=shop_of(tenant),
        name=f"{tenant}-{number}",
        topic="",
        received_at=now,
        headers={},
        body=sale(f"{tenant}-{number}", now),
        state=DeliveryState.RECEIVED,
        wake_at=now,
    )


def pile_up(db: Db, tenant: TenantId, first: int, count: int, now: datetime) -> None:
    """Have `count` deliveries waiting, numbered from `first` on; made by the database itself."""
    one = select(literal(first).label("number")).cte("numbers", recursive=True)
    until = first + count - 1
    numbers = one.union_all(select(one.c.number + 1).where(one.c.number < until))
    number = cast(numbers.c.number, String)
    pattern = sale(f"{tenant}-{_NUMBER}", now).decode()
    filled = func.replace(literal(pattern), _NUMBER, number)
    is_postgres = db.dialect.name == "postgresql"
    body = (
        func.convert_to(filled, "UTF8") if is_postgres else cast(filled, t.deliveries.c.body.type)
    )
    name = literal(f"{tenant}-") + number
    values: dict[str, ColumnElement[Any]] = {
        "tenant_id": literal(tenant),
        "id": name,
        "installation_id": literal(shop_of(tenant)),
        "name": name,
        "topic": literal(""),
        "received_at": literal(now, t.UtcTime),
        "headers": literal("{}"),
        "body": body,
        "state": literal(DeliveryState.RECEIVED.value),
        "reason": literal(""),
        "attempts": literal(0),
        "wake_at": literal(now, t.UtcTime),
    }
    db.execute(insert(t.deliveries).from_select(list(values), select(*values.values())))


def wake_all(parts: Parts, tenant: TenantId, at: datetime) -> int:
    """Have all that waits of a tenant fall due at `at`. Returns how many deliveries those are."""
    d = t.deliveries
    received = (d.c.tenant_id == tenant, d.c.state == DeliveryState.RECEIVED.value)
    with parts.house.engine.begin() as db:
        woken = db.execute(update(d).where(*received).values(wake_at=at)).rowcount
    if parts.house.engine.dialect.name == "postgresql":
        # Rows that were changed thousands at a time leave their dead behind, which a real flood
        # does not: a look for due rows would have to pass them.
        with parts.house.engine.connect() as db:
            db.execution_options(isolation_level="AUTOCOMMIT")
            db.execute(text(f"VACUUM {d.name}"))
    return woken


def count_by_state(parts: Parts, tenant: TenantId) -> dict[str, int]:
    """How many deliveries of a tenant are in which state."""
    d = t.deliveries
    mine = select(d.c.state, func.count()).where(d.c.tenant_id == tenant).group_by(d.c.state)
    with parts.house.engine.connect().execution_options(**{READ_ONLY: True}) as db:
        return {row[0]: row[1] for row in db.execute(mine)}


def waiting(parts: Parts) -> int:
    """How many rows of any kind are due."""
    now = parts.clock.now()
    with parts.house.engine.connect().execution_options(**{READ_ONLY: True}) as db:
        return sum(
            db.execute(select(func.count()).where(table.c.wake_at <= now)).scalar_one()
            for table in (t.deliveries, t.refunds, t.runs)
        )


def facts_of(parts: Parts, tenant: TenantId) -> int:
    """For how many customers of a tenant the ledger has a fact."""
    with parts.house.engine.connect().execution_options(**{READ_ONLY: True}) as db:
        f = t.facts
        return int(
            db.execute(
                select(func.count(func.distinct(f.c.customer))).where(f.c.tenant_id == tenant)
            ).scalar_one()
        )
