"""What the practice shop would tell by webhook, kept so that it can be read: it sends nothing.

A row for each thing that happened at the shop or its bank, in the words of
`webhooks/stores/practice.py`. Mapping only; `practice_world.py` says when something happened.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime

from plugin.domain.ids import digest
from plugin.domain.orders import Line, Order, Payment, RefundRoute, Resource, Subscription
from plugin.platforms.strict_json import JsonValue
from plugin.ports.news import News

PAGE = 100
_Words = dict[str, JsonValue]


def tell(db: sqlite3.Connection, topic: str, at: datetime, words: _Words) -> None:
    """Write down that it happened, in the transaction in which it did."""
    body = json.dumps({"type": topic, "at": _utc(at), **words}, separators=(",", ":"))
    db.execute("INSERT INTO news (topic, at, body) VALUES (?, ?, ?)", (topic, _utc(at), body))


def read(db: sqlite3.Connection, since: datetime, until: datetime, after: int) -> list[News]:
    """A page of what happened from `since` to `until`, oldest first, but for the first `after`."""
    rows = db.execute(
        "SELECT * FROM news WHERE at >= ? AND at <= ? ORDER BY place LIMIT ? OFFSET ?",
        (_utc(since), _utc(until), PAGE, after),
    )
    return [
        News(
            f"{row['place']}-{digest(row['at'], row['body'])[:16]}",
            row["topic"],
            datetime.fromisoformat(row["at"]),
            row["body"].encode(),
        )
        for row in rows
    ]


def _utc(at: datetime) -> str:
    """Of fixed width, so that moments sort as texts."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def order_words(order: Order) -> _Words:
    """An order as the shop's own format tells it."""
    lines: list[JsonValue] = [_line(line) for line in order.lines]
    payments: list[JsonValue] = [_payment(payment) for payment in order.payments]
    return {
        "id": order.ref.ref,
        "number": order.number,
        "email": order.email,
        "name": order.name,
        "contact": order.contact,
        "bought_at": order.bought_at.isoformat(),
        "currency": order.currency,
        "lines": lines,
        "payments": payments,
        "subscription": None if order.subscription is None else _subscription(order.subscription),
    }


def _line(line: Line) -> _Words:
    return {
        "id": line.ref.ref,
        "title": line.title,
        "product": line.product,
        "paid": line.paid.minor,
        "refunded": line.refunded.minor,
        "kind": line.kind,
        "gives": None if line.gives is None else _gives(line.gives),
        "subscription": line.subscription,
    }


def _gives(resources: Sequence[Resource]) -> list[JsonValue]:
    return [{"kind": r.kind, "id": r.ref, "name": r.name} for r in resources]


def _payment(payment: Payment) -> _Words:
    return {
        "id": payment.ref.ref,
        "label": payment.label,
        "captured": payment.captured.minor,
        "refunded": payment.refunded.minor,
        "by_hand": payment.route is RefundRoute.BY_HAND,
    }


def _subscription(subscription: Subscription) -> _Words:
    until = subscription.paid_until
    return {
        "id": subscription.ref,
        "status": subscription.status,
        "paid_until": None if until is None else until.isoformat(),
    }
