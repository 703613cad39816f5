"""How orders of the practice store lie in its file, and how they are read back. Mapping only."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from plugin.domain.ids import InstallationId, customer_key
from plugin.domain.money import Money, total
from plugin.domain.orders import (
    Line,
    LineRef,
    Order,
    OrderRef,
    Payment,
    PaymentRef,
    RefundRoute,
    RefundSeen,
    RefundStage,
    Resource,
    ResourceKind,
    Subscription,
    SubscriptionStatus,
    Term,
    Usage,
    UsageKnown,
    UsageUnknown,
)


def instant(text: str) -> datetime:
    """A moment as the file keeps it."""
    return datetime.fromisoformat(text)


def write_order(db: sqlite3.Connection, order: Order, mood: str) -> None:
    """All of an order that the vendor keeps. What it says of refunds is not taken over.

    `mood` is how the gateway meets the first refund of each payment.
    """
    ref = order.ref.ref
    db.execute(
        "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            ref,
            order.number,
            customer_key(order.email),
            order.email,
            order.name,
            order.contact,
            order.bought_at.isoformat(),
            order.currency,
        ),
    )
    for place, line in enumerate(order.lines):
        product = (line.product, line.title)
        db.execute("INSERT OR IGNORE INTO products VALUES (?, ?)", product)
        db.execute(
            "INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                ref,
                place,
                line.ref.ref,
                line.title,
                line.product,
                line.paid.minor,
                line.kind,
                _gives_text(line.gives),
                _usage_text(line.usage),
                _term_text(line.term),
                line.subscription,
            ),
        )
    for place, payment in enumerate(order.payments):
        db.execute(
            "INSERT INTO payments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                payment.ref.ref,
                ref,
                place,
                payment.label,
                payment.captured.minor,
                payment.disputed.minor,
                payment.dispute_open,
                payment.route,
                None if payment.fee_kept is None else payment.fee_kept.minor,
                payment.partial,
                mood,
            ),
        )
    if order.subscription is not None:
        db.execute(
            "INSERT INTO subscriptions VALUES (?, ?, ?, ?, ?, ?)",
            (
                order.subscription.ref,
                ref,
                order.subscription.status,
                _optional_text(order.subscription.paid_until),
                None if order.subscription.renews is None else order.subscription.renews.minor,
                _optional_text(order.subscription.renews_at),
            ),
        )


def order_of(
    db: sqlite3.Connection, row: sqlite3.Row, installation: InstallationId, now: datetime
) -> Order:
    """The order in `row`, with all that belongs to it, as it is at `now`."""
    ref, currency = OrderRef(installation, row["ref"]), row["currency"]
    refunds = tuple(
        refund_of(back, currency, installation)
        for back in db.execute(
            "SELECT refunds.* FROM refunds JOIN payments ON payments.ref = refunds.payment"
            " WHERE payments.order_ref = ? ORDER BY refunds.rowid",
            (ref.ref,),
        )
    )
    payments = tuple(
        _payment_of(payment, currency, installation, refunds)
        for payment in db.execute(
            "SELECT * FROM payments WHERE order_ref = ? ORDER BY place", (ref.ref,)
        )
    )
    lines = tuple(
        _line_of(line, ref, currency)
        for line in db.execute("SELECT * FROM lines WHERE order_ref = ? ORDER BY place", (ref.ref,))
    )
    if len(lines) == 1:  # what went back can only be for this line
        back = _gone(refunds, currency)
        lines = (replace(lines[0], refunded=back.clamp(lines[0].paid)),)
    renewing = db.execute(
        "SELECT *, ? AS currency FROM subscriptions WHERE order_ref = ?", (currency, ref.ref)
    ).fetchone()
    return Order(
        ref=ref,
        number=row["number"],
        customer=customer_key(row["email"]),
        email=row["address"],
        name=row["name"],
        bought_at=instant(row["bought_at"]),
        currency=currency,
        lines=lines,
        payments=payments,
        read_at=now,
        subscription=renewing and subscription_of(renewing, installation, now),
        refunds=refunds,
        contact=row["contact"],
    )


def refund_of(row: sqlite3.Row, currency: str, installation: InstallationId) -> RefundSeen:
    """One refund as the store lists it."""
    return RefundSeen(
        ref=row["ref"],
        payment=PaymentRef(installation, row["payment"]),
        amount=Money(row["amount"], currency),
        state=RefundStage(row["state"]),
        at=instant(row["at"]),
        reference=row["key"],
    )


def subscription_of(row: sqlite3.Row, installation: InstallationId, now: datetime) -> Subscription:
    """The subscription in `row`; one that was ending has ended once its paid period is over."""
    status = SubscriptionStatus(row["status"])
    until = _optional_instant(row["paid_until"])
    if status is SubscriptionStatus.ENDING and until is not None and until <= now:
        status = SubscriptionStatus.ENDED
    return Subscription(
        installation,
        row["ref"],
        status,
        until,
        None if row["renews"] is None else Money(row["renews"], row["currency"]),
        _optional_instant(row["renews_at"]),
    )


def resource_of(row: sqlite3.Row, installation: InstallationId) -> Resource:
    """A thing that can be held."""
    return Resource(installation, ResourceKind(row["kind"]), row["ref"], row["name"])


def _payment_of(
    row: sqlite3.Row, currency: str, installation: InstallationId, refunds: Sequence[RefundSeen]
) -> Payment:
    ref = PaymentRef(installation, row["ref"])
    return Payment(
        ref=ref,
        label=row["label"],
        captured=Money(row["captured"], currency),
        refunded=_gone((back for back in refunds if back.payment == ref), currency),
        disputed=Money(row["disputed"], currency),
        route=RefundRoute(row["route"]),
        fee_kept=None if row["fee_kept"] is None else Money(row["fee_kept"], currency),
        partial=bool(row["partial"]),
        dispute_open=bool(row["dispute_open"]),
    )


def _gone(refunds: Iterable[RefundSeen], currency: str) -> Money:
    """What went back, or is on its way: all but what the bank sent back."""
    return total(
        (back.amount for back in refunds if back.state is not RefundStage.FAILED), currency
    )


def _line_of(row: sqlite3.Row, order: OrderRef, currency: str) -> Line:
    gives = None if row["gives"] is None else json.loads(row["gives"])
    usage: Usage = UsageUnknown()
    if row["usage"] is not None:
        usage = UsageKnown(*json.loads(row["usage"]))
    term = None
    if row["term"] is not None:
        start, periods, unit = json.loads(row["term"])
        term = Term(instant(start), periods, unit)
    return Line(
        ref=LineRef(order, row["ref"]),
        title=row["title"],
        product=row["product"],
        paid=Money(row["paid"], currency),
        refunded=Money(0, currency),
        kind=None if row["kind"] is None else ResourceKind(row["kind"]),
        gives=None
        if gives is None
        else tuple(
            Resource(order.installation, ResourceKind(kind), ref, name) for kind, ref, name in gives
        ),
        usage=usage,
        term=term,
        subscription=row["subscription"],
    )


def _gives_text(gives: Sequence[Resource] | None) -> str | None:
    return None if gives is None else json.dumps([[r.kind, r.ref, r.name] for r in gives])


def _usage_text(usage: Usage) -> str | None:
    match usage:
        case UsageUnknown():
            return None
        case UsageKnown(downloaded, share):
            return json.dumps([downloaded, share])
        case _:
            assert_never(usage)


def _term_text(term: Term | None) -> str | None:
    if term is None:
        return None
    return json.dumps([term.start.isoformat(), term.periods, term.unit])


def _optional_text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _optional_instant(text: str | None) -> datetime | None:
    return None if text is None else instant(text)
