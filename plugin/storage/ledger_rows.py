"""Facts, appended and never changed; and the latest snapshot of each order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import ColumnElement, select

from plugin.domain.facts import Fact
from plugin.domain.ids import CustomerKey
from plugin.domain.line_shares import share_total
from plugin.domain.orders import Order, OrderRef
from plugin.storage import tables as t
from plugin.storage.codec import dump, load
from plugin.storage.rows import TenantRows

_f = t.facts
_o = t.orders


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
        rows = self._db.execute(
            select(_f.c.document)
            .where(self._mine(_f), _f.c.customer == customer)
            .order_by(_f.c.at, _f.c.id)
        )
        return [load(Fact, row.document) for row in rows]  # type: ignore[arg-type]  # a union is a type here


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
        )

    def get(self, order: OrderRef) -> Order | None:
        row = self._db.execute(
            select(_o.c.document).where(
                self._mine(_o), _o.c.installation_id == order.installation, _o.c.ref == order.ref
            )
        ).first()
        return None if row is None else load(Order, row.document)

    def of_customer(self, customer: CustomerKey) -> Sequence[Order]:
        return self._where(_o.c.customer == customer)

    def by_number(self, number: str) -> Sequence[Order]:
        return self._where(_o.c.number == number)

    def _where(self, condition: ColumnElement[bool]) -> Sequence[Order]:
        rows = self._db.execute(select(_o.c.document).where(self._mine(_o), condition))
        return [load(Order, row.document) for row in rows]


def _merged(known: Order, told: Order) -> Order:
    newer, older = (told, known) if told.read_at >= known.read_at else (known, told)
    named = {line.ref for line in newer.lines}
    extra = tuple(line for line in older.lines if line.ref not in named)
    return share_total(replace(newer, lines=(*newer.lines, *extra)))
