"""Compares what the gateway and the desk have with the house that was restored.

double: money of one decision that moved more than once, or of one that was undone; a note or a mail
that stands twice. lost: money that moved and is not in the ledger, a row of the copy that is not
there, a broken audit trail. stuck: what did not come to its end. sent_while_held: what left before
it was known what had happened. slow: copying and restoring a house of full size took too long.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from plugin.domain.facts import Refunded
from plugin.domain.ids import customer_key
from plugin.storage import tables as t
from plugin.storage.copy_file import verify_copy
from tests.drill.house import Drill, Order
from tests.kill.drain import open_rows, reading

if TYPE_CHECKING:
    from tests.drill.__main__ import Lost

MUST_BE_NOTHING = ("double", "lost", "sent_while_held", "stuck", "slow")
FULL_SIZE = 100_000
LONGEST_SECONDS = 300
"""To copy and to restore a house of so many refunds. Smaller ones say nothing about it."""


@dataclass(slots=True)
class Findings:
    """Each finding is a sentence with ids; the counts are what the last line shows."""

    double: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    sent_while_held: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        for name in MUST_BE_NOTHING:
            for finding in getattr(self, name):
                yield f"{name}: {finding}"


def too_slow(refunds: int, seconds: float) -> list[str]:
    """Whether a house of this size took too long."""
    if refunds < FULL_SIZE or seconds <= LONGEST_SECONDS:
        return []
    return [f"{refunds} refunds took {seconds:.0f} s to copy and to restore"]


def judge(drill: Drill, lost: Lost, found: Findings) -> None:
    """Add all findings, once everything is at rest."""
    paid = {name: orders for name, orders in lost.states.items() if name != "undone"}
    paid["after the copy"] = lost.forgotten
    moved = Counter[str]()
    for one in drill.world.stripe.books.moved():
        moved[one["charge"]] += one["amount"]
    with drill.parts.house.storage.read(drill.house.tenant_id) as uow:
        for when, orders in paid.items():
            for order in orders:
                facts = uow.facts.of_customer(customer_key(order["email"]))
                booked = sum(f.amount.minor for f in facts if isinstance(f, Refunded) and f.amount)
                went = moved[order["charge"]]
                words = f"{when} {order['charge']}: {went} moved, {booked} booked"
                if max(went, booked) > order["amount"]:
                    found.double.append(words)
                if min(went, booked) < order["amount"]:
                    found.lost.append(words)
        count, broken = uow.audit.verify()
    if broken is not None:
        found.lost.append(f"the audit trail breaks at entry {broken} of {count}")
    undone = [order["charge"] for order in lost.states["undone"] if moved[order["charge"]]]
    found.double += [f"{charge} was undone, and moved" for charge in undone]
    again = [order for orders in paid.values() for order in orders if _can_be_paid(drill, order)]
    found.double += [f"{order['charge']} can be paid again" for order in again]
    found.lost += _missing(drill, verify_copy(lost.copy).rows)
    found.double += _said_twice(drill)
    found.stuck += [f"{kind} {state}" for kind, state, _ in open_rows(drill.parts)]


def _missing(drill: Drill, rows: Mapping[str, int]) -> Iterator[str]:
    kept = ("mg_refunds", "mg_facts", "mg_plans", "mg_orders", "mg_refund_moves", "mg_audit")
    with reading(drill.parts) as db:
        for name in kept:
            there = db.execute(
                select(func.count()).select_from(t.metadata.tables[name])
            ).scalar_one()
            if there < rows[name]:
                yield f"{name}: {there} of {rows[name]} rows"


def _said_twice(drill: Drill) -> Iterator[str]:
    told = drill.world.desk.report()
    said = Counter(tuple(one) for one in told["comments"])
    mails = Counter(told["mails"])
    for what, times in [*said.items(), *mails.items()]:
        if times > 1:
            yield f"{what} stands {times} times"


def _can_be_paid(drill: Drill, order: Order) -> bool:
    """Whether more could be planned than is left of the payment."""
    asked = {**order, "amount": order["amount"] * 2}  # four fifths, of which two went back
    try:
        drill.room.decide(**asked)
    except AssertionError:
        return False
    return True
