"""A Makegood with stores connected, and sales, refunds and rule runs put into it.

The stores are `bench.outside` over loopback. Sales are kept by the product's own use cases, so
that rows are what rows are.
"""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Final

from cryptography.fernet import Fernet
from sqlalchemy import text

from bench.outside import COURSE, TAG, email_of
from bench.served import MANIFESTS
from bench.servers import Running, Server, free_port, says
from plugin.app import Parts, put_together
from plugin.chance import SystemClock, SystemMint
from plugin.domain.facts import Refunded
from plugin.domain.ids import InstallationId, RunId, TenantId, customer_key, digest
from plugin.domain.money import Money
from plugin.domain.orders import (
    Line,
    LineRef,
    Order,
    OrderRef,
    Payment,
    PaymentRef,
    RefundRoute,
    Resource,
    ResourceKind,
)
from plugin.first_start import add_tenant, home_tenant, prepare_house
from plugin.platforms.data_files import DataFiles
from plugin.ports import Connection, Kind
from plugin.ports.records import Installation, InstallationStatus, Tenant
from plugin.ports.storage import UnitOfWork
from plugin.services.record_sale import sale_facts
from plugin.services.run_rules import run_rules, tell_nobody
from plugin.settings import read_settings
from plugin.storage.database import connect_to_read

PRICE: Final = Money(4900, "EUR")
PRODUCT: Final = "3456401"
HOOK_SECRET: Final = "a-secret-made-for-the-bench"  # noqa: S105 - made up
_NO_LIMIT: Final = {"requests": 1_000_000, "per_seconds": 1, "burst": 1_000_000}
_BOUND_SECONDS: Final = 300


class DidNotWork(Exception):
    """What was to be measured did not happen as it should; a figure of it would say nothing."""


@dataclass(frozen=True, slots=True)
class House:
    """An opened Makegood, and the environment in which its processes open the same.

    `stores` are those of `tenant`; `businesses` are all there are, it first, each with one store.
    """

    folder: Path
    environment: dict[str, str]
    parts: Parts
    tenant: TenantId
    stores: tuple[InstallationId, ...]
    businesses: tuple[tuple[TenantId, InstallationId], ...]

    def worker(self, name: str = "worker") -> Running:
        """A worker on it."""
        log = self.folder / f"{name}.log"
        command = ["-m", "bench.served", "worker"]
        return Running(command, log, lambda: says(log, "worker.started"), self.environment)

    def web(self) -> Server:
        """A web server on it: one process of four threads."""
        port = free_port()
        command = ["-m", "bench.served", "web", str(port)]
        return Server(command, port, self.folder / "web.log", self.environment)

    def add_sales(self, start: int, number: int, bought_at: datetime) -> None:
        """Customers `start` to `start + number`, each with one sale at every store."""
        for first in range(start, start + number, 50):
            with self.parts.house.storage.begin(self.tenant) as uow:
                for customer in range(first, min(first + 50, start + number)):
                    for store in self.stores:
                        keep(uow, a_sale(store, customer, bought_at), bought_at)
                uow.commit()

    def add_runs(self, start: int, number: int, due_at: datetime) -> None:
        """Three effects for each of these customers: their sale was refunded, so say the rules.

        The businesses have the customers by turns.
        """
        for place, (tenant, store) in enumerate(self.businesses):
            mine = range(start + place, start + number, len(self.businesses))
            self._add_runs_of(tenant, store, mine, due_at)
        if SystemClock().now() >= due_at:
            raise DidNotWork("the rule runs fell due before all of them were there: no fair start")

    def _add_runs_of(
        self, tenant: TenantId, store: InstallationId, customers: range, due_at: datetime
    ) -> None:
        bought_at = due_at - timedelta(days=2)
        for first in range(0, len(customers), 50):
            with self.parts.house.storage.begin(tenant) as uow:
                for customer in customers[first : first + 50]:
                    order = a_sale(store, customer, bought_at)
                    keep(uow, order, bought_at)
                    _refund(uow, order, due_at)
                uow.commit()

    def open_runs(self) -> int:
        """How many rule runs are not over."""
        with connect_to_read(self.parts.house.engine, alone=True) as db:
            counted = db.execute(text("SELECT count(*) FROM mg_runs WHERE wake_at IS NOT NULL"))
            return int(counted.scalar_one())

    def wait_until_done(self) -> None:
        """Wait until no rule run is open, and see that every effect got through."""
        deadline = monotonic() + _BOUND_SECONDS
        while self.open_runs():
            if monotonic() > deadline:
                raise DidNotWork("rule runs were still open after five minutes")
            sleep(0.02)
        with connect_to_read(self.parts.house.engine, alone=True) as db:
            odd = db.execute(text("SELECT DISTINCT state FROM mg_effects WHERE state <> 'done'"))
            if states := [row.state for row in odd]:
                raise DidNotWork(f"effects ended as {states}")


def build_house(
    stack: ExitStack, folder: Path, stores: list[int], database: str = "", businesses: int = 1
) -> House:
    """A house with one Systeme.io account for each port in `stores`. `stack` closes it.

    Of several businesses each but the first has one account, at the first port.
    """
    folder.mkdir()
    environment = {
        "MAKEGOOD_DATA_DIR": str(folder / "data"),
        "MAKEGOOD_DATABASE_URL": database,
        "MAKEGOOD_SECRET_KEYS": Fernet.generate_key().decode(),
        "MAKEGOOD_ALLOW_PRIVATE_HOSTS": ",".join(f"127.0.0.1:{port}" for port in stores),
        MANIFESTS: str(_unlimited_manifests(folder)),
    }
    settings = read_settings(environment)
    prepare_house(settings, SystemClock(), SystemMint()).engine.dispose()
    parts = put_together(settings)
    stack.callback(parts.house.engine.dispose)
    tenant = home_tenant(parts.house.storage).id
    names = tuple(InstallationId(f"store-{place}") for place, _ in enumerate(stores))
    with parts.house.storage.begin(tenant) as uow:
        for name, port in zip(names, stores, strict=True):
            uow.installations.add(_store(tenant, name, port))
        uow.commit()
    owners = [(tenant, names[0])]
    for place in range(1, businesses):
        other, name = TenantId(f"business-{place}"), InstallationId(f"store-of-{place}")
        add_tenant(parts.house.storage, Tenant(other, f"Business {place}"), parts.clock)
        with parts.house.storage.begin(other) as uow:
            uow.installations.add(_store(other, name, stores[0]))
            uow.commit()
        owners.append((other, name))
    return House(folder, environment, parts, tenant, names, tuple(owners))


def outside(stack: ExitStack, folder: Path, milliseconds: float) -> Server:
    """A store that answers every call after so long."""
    port = free_port()
    command = ["-m", "bench.outside", str(port), str(milliseconds)]
    return stack.enter_context(Server(command, port, folder / f"outside-{port}.log"))


def _store(tenant: TenantId, name: InstallationId, port: int) -> Installation:
    settings = {"base_url": f"http://127.0.0.1:{port}"}
    secrets = {"api_key": "a-key-made-up", "webhook_secret_1": HOOK_SECRET}
    connection = Connection(tenant, name, Kind.STORE, "systeme_io", "Bench", settings, secrets)
    return Installation(connection, InstallationStatus.CONNECTED, SystemClock().now())


def _unlimited_manifests(folder: Path) -> Path:
    manifests = Path(shutil.copytree(DataFiles().manifests(), folder / "manifests"))
    for file in manifests.glob("*/*/platform.json"):
        told = json.loads(file.read_text("utf-8"))
        if told.get("outgoing"):
            told["outgoing"]["rate_limit"] = _NO_LIMIT
            file.write_text(json.dumps(told), "utf-8")
    return manifests


# --- sales ----------------------------------------------------------------------------------------


def a_sale(store: InstallationId, customer: int, bought_at: datetime, place: int = 0) -> Order:
    """A course with a tag, paid by card, as Systeme.io's event tells it."""
    ref = OrderRef(store, order_id(customer, place))
    course = Resource(store, ResourceKind.COURSE, COURSE, "Portrait Lighting")
    tag = Resource(store, ResourceKind.TAG, TAG, "buyer")
    nothing = Money(0, PRICE.currency)
    line = Line(
        ref=LineRef(ref, ref.ref),
        title="Portrait Lighting",
        product=PRODUCT,
        paid=PRICE,
        refunded=nothing,
        kind=ResourceKind.COURSE,
        gives=(course, tag),
    )
    payment = Payment(
        ref=PaymentRef(store, ref.ref),
        label="Card",
        captured=PRICE,
        refunded=nothing,
        disputed=nothing,
        route=RefundRoute.BY_HAND,
    )
    email = email_of(customer)
    return Order(
        ref=ref,
        number=ref.ref,
        customer=customer_key(email),
        email=email,
        name=f"Customer {customer}",
        bought_at=bought_at,
        currency=PRICE.currency,
        lines=(line,),
        payments=(payment,),
        read_at=bought_at,
        contact=str(customer),
    )


def order_id(customer: int, place: int = 0) -> str:
    """The store's number of a customer's sale."""
    return f"{customer}{place:02d}"


def a_cancellation(customer: int) -> dict[str, object]:
    """What the store tells when the money of a customer's sale went back."""
    number, made = int(order_id(customer)), "2026-11-01T10:00:00+00:00"
    given = [
        {"course": {"id": int(COURSE), "name": "Portrait Lighting"}, "tag": None},
        {"course": None, "tag": {"id": int(TAG), "name": "buyer"}},
    ]
    return {
        "customer": {
            "contactId": customer,
            "email": email_of(customer),
            "fields": {"first_name": f"Customer {customer}"},
            "paymentProcessor": "card",
        },
        "coupon": None,
        "order": {"id": number, "createdAt": made, "totalPrice": PRICE.minor, "vat": 0.0},
        "orderItem": {"id": number, "createdAt": made, "resources": given},
        "pricePlan": {
            "id": int(PRODUCT),
            "name": "Portrait Lighting",
            "type": "one_shot",
            "amount": PRICE.minor,
            "currency": "eur",
            "recurringOptions": None,
        },
    }


def keep(uow: UnitOfWork, order: Order, at: datetime) -> None:
    """Keep a sale and its facts."""
    uow.orders.save(order)
    for fact in sale_facts(order):
        uow.facts.append(fact, "bench", at)


def _refund(uow: UnitOfWork, order: Order, at: datetime) -> None:
    refund = f"refund-{order.ref.ref}"
    uow.facts.append(
        Refunded(order.customer, order.ref, refund, at, PRICE, whole=True), "bench", at
    )
    run = RunId(digest("bench", order.ref.installation, order.ref.ref))
    effects = run_rules(uow, order.customer, run, "delivery bench", at, tell_nobody)
    if len(effects) != 3:
        raise DidNotWork(f"the rules gave {len(effects)} effects, not three")
