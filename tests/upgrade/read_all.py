"""Run in the code of any version: reads each document that is stored, as that code reads it.

Prints one object: how many there are, and which of them this code cannot read. Imports nothing of
these tests: beside the version before there are other ones.
"""

from __future__ import annotations

import json

from sqlalchemy import select

from plugin.domain.effects import PlannedEffect
from plugin.domain.facts import Fact
from plugin.domain.orders import Order
from plugin.domain.plan import Plan
from plugin.domain.requests import RefundRequest
from plugin.settings import read_settings
from plugin.storage import tables as t
from plugin.storage.codec import load
from plugin.storage.database import open_database

_KEPT = (
    (t.orders.c.ref, t.orders.c.document, Order),
    (t.facts.c.id, t.facts.c.document, Fact),
    (t.plans.c.id, t.plans.c.document, Plan),
    (t.requests.c.id, t.requests.c.document, RefundRequest),
    (t.effects.c.key, t.effects.c.document, PlannedEffect),
)


def main() -> None:
    engine = open_database(read_settings().database_url)
    unreadable, count = [], 0
    with engine.connect() as db:
        for name, document, kind in _KEPT:
            for row in db.execute(select(name, document)):
                count += 1
                try:
                    load(kind, row[1])  # type: ignore[arg-type]  # a union is a type here
                except ValueError as error:
                    unreadable.append(f"{name.table.name} {row[0]}: {error}")
    engine.dispose()
    print(json.dumps({"documents": count, "unreadable": unreadable}))


if __name__ == "__main__":
    main()
