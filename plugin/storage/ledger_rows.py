"""Facts, appended and never changed; and the latest snapshot of each order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import and_, bindparam, select

from plugin.domain.facts import Fact
from plugin.domain.ids import CustomerKey, InstallationId
from plugin.domain.line_shares import share_total
from plugin.domain.orders import Order, OrderRef
from plugin.storage import tables as t
from plugin.storage.codec import dump, load
from plugin.storage.prepared import Prepared
from plugin.storage.rows import TenantRows, mine

_f = t.facts
_o = t.orders
_FACTS = Prepared(
    select(_f.c.document)
    .where(mine(_f), _f.c.customer == bindparam("of"))
    .order_by(_f.c.at, _f.c.id)
)
_DOCUMENTS = select(_o.c.document).where(mine(_o))
_ORDER = Prepared(
    _DOCUMENTS.where(_o.c.installation_id == bindparam("at"), _o.c.ref == bindparam("ref"))
)
_OF_CUSTOMER = Prepared(_DOCUMENTS.where(_o.c.customer == bindparam("of")))
MOST_SHARING = 20
"""More addresses than a person has: an account for whoever buys at a till."""
_other = _o.alias("other")
_SHARING = Prepared(
    select(_other.c.installation_id, _other.c.customer)
    .distinct()
    .join_from(
        _o,
        _other,
        and_(
            _other.c.tenant_id == _o.c.tenant_id,
            _other.c.installation_id == _o.c.installation_id,
            _other.c.contact == _o.c.contact,
            _other.c.customer != _o.c.customer,
        ),
    )
    .where(mine(_o), _o.c.customer == bindparam("of"))
    .order_by(_other.c.installation_id, _other.c.customer)
    .limit(MOST_SHARING)
)
_BY_NUMBER = Prepared(_DOCUMENTS.where(_o.c.number == bindparam("number")))


class FactRows(TenantRows):
    """Implements `plugin.ports.storage.Facts`."""

    def append(self, fact: Fact, source: str, at: datetime) -> bool:
        return self._insert_new(
            _f,
            id=fact.id,
            customer=fact.customer,
            kind=type(fact).__name__,
            at=fact.at,
            document=dump(fact),
            source=source,
            known_at=at,
        )

    def of_customer(self, customer: CustomerKey) -> Sequence[Fact]:
        return self._once(customer, lambda: self._read(customer))

    def _read(self, customer: CustomerKey) -> Sequence[Fact]:
        rows = self._run(_FACTS, of=customer)
        return tuple(load(Fact, row.document) for row in rows)  # type: ignore[arg-type]  # a union is a type here


class OrderRows(TenantRows):
    """Implements `plugin.ports.storage.Orders`."""

    def save(self, order: Order) -> None:
        """Keep the newest snapshot of each line: a store may tell an order line by line."""
        known = self.get(order.ref)
        merged = order if known is None else _merged(known, order)
        self._replace(
            _o,
            ("installation_id", "ref"),
            installation_id=merged.ref.installation,
            ref=merged.ref.ref,
            customer=merged.customer,
            number=merged.number,
            document=dump(merged),
            read_at=merged.read_at,
            contact=merged.contact,
        )

    def get(self, order: OrderRef) -> Order | None:
        row = self._first(_ORDER, at=order.installation, ref=order.ref)
        return None if row is None else load(Order, row.document)

    def of_customer(self, customer: CustomerKey) -> Sequence[Order]:
        def read() -> Sequence[Order]:
            rows = self._run(_OF_CUSTOMER, of=customer)
            return tuple(load(Order, row.document) for row in rows)

        return self._once(customer, read)

    def sharing_accounts(
        self, customer: CustomerKey
    ) -> Sequence[tuple[InstallationId, CustomerKey]]:
        def read() -> Sequence[tuple[InstallationId, CustomerKey]]:
            rows = self._run(_SHARING, of=customer)
            return tuple((InstallationId(r.installation_id), CustomerKey(r.customer)) for r in rows)

        return self._once(("sharing", customer), read)

    def by_number(self, number: str) -> Sequence[Order]:
        return tuple(load(Order, row.document) for row in self._run(_BY_NUMBER, number=number))


def _merged(known: Order, told: Order) -> Order:
    newer, older = (told, known) if told.read_at >= known.read_at else (known, told)
    named = {line.ref for line in newer.lines}
    extra = tuple(line for line in older.lines if line.ref not in named)
    unseen = newer.others_unseen
    if unseen is None and older.others_unseen:
        # "None unseen" was said of its moment only: kept, it would pass for this newer reading's.
        unseen = True
    return share_total(replace(newer, lines=(*newer.lines, *extra), others_unseen=unseen))
