"""Compares what the gateway did and what the desk shows with the ledger and the rows.

double_refund: money that moved more than once. double_entry: more than one ledger entry for it.
double_notice: a note, a reply or a letter more than the one that is due.
lost: no entry or no notice, or an acknowledged webhook that was not applied.
stuck: a row that did not come to its end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from plugin.app import Parts
from plugin.domain.facts import Refunded
from plugin.domain.ids import customer_key
from plugin.domain.orders import PaymentRef
from plugin.domain.refunds import RefundState
from plugin.ports.records import DeliveryState
from plugin.storage import tables as t
from tests.kill.drain import open_rows, reading
from tests.overtake.gateway import OvertakingStripe
from tests.shared_house import STRIPE, SharedHouse, World

MUST_BE_NOTHING = ("double_refund", "double_entry", "double_notice", "lost", "stuck")
_DONE = (DeliveryState.APPLIED, DeliveryState.IGNORED)
Words = dict[str, Any]


@dataclass(slots=True)
class Findings:
    """Each finding is a sentence with ids; the counts are what the last line shows."""

    double_refund: list[str] = field(default_factory=list)
    double_entry: list[str] = field(default_factory=list)
    double_notice: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        for name in MUST_BE_NOTHING:
            for finding in getattr(self, name):
                yield f"{name}: {finding}"


def judge(
    house: SharedHouse, parts: Parts, world: World, stripe: OvertakingStripe, sold: Sequence[Words]
) -> Findings:
    """All findings, once everything is at rest."""
    found = Findings()
    moved = Counter(one["charge"] for one in stripe.books.moved())
    notices = _notices(world)
    with parts.house.storage.read(house.tenant_id) as uow:
        for order in sold:
            charge = order["charge"]
            facts = uow.facts.of_customer(customer_key(order["email"]))
            entries = [fact for fact in facts if isinstance(fact, Refunded)]
            told = [notices[order["ticket"], public] for public in (False, True)]
            for times, more, what in (
                (moved[charge], found.double_refund, "refund at the gateway"),
                (len(entries), found.double_entry, "entry in the ledger"),
                (told[0], found.double_notice, "note in the ticket"),
                (told[1], found.double_notice, "reply to the customer"),
            ):
                if times > 1:
                    more.append(f"{charge}: {times} times an {what}")
                if times < 1:
                    found.lost.append(f"{charge}: no {what}")
            states = [r.state for r in uow.refunds.of_payment(PaymentRef(STRIPE, charge))]
            if states != [RefundState.SUCCEEDED]:
                found.lost.append(f"{charge}: our refund is {[str(state) for state in states]}")
        count, broken = uow.audit.verify()
    if broken is not None:
        found.lost.append(f"the audit trail breaks at entry {broken} of {count}")
    # The owner is told of what others did, and nobody else did anything.
    letters = world.desk.report()["mails"]
    found.double_notice += [f"letter {letter} to the owner" for letter in letters]
    found.stuck += [f"{kind} {state}" for kind, state, _ in open_rows(parts)]
    _judge_deliveries(found, parts, stripe)
    return found


def _notices(world: World) -> Counter[tuple[str, bool]]:
    """Comments that stand in the tickets, by ticket and by whether the customer reads them."""
    comments = world.desk.account.comments.items()
    return Counter((str(ticket), one["public"]) for ticket, listed in comments for one in listed)


def _judge_deliveries(found: Findings, parts: Parts, stripe: OvertakingStripe) -> None:
    with reading(parts) as db:
        rows = {
            row.name: row.state
            for row in db.execute(select(t.deliveries.c.name, t.deliveries.c.state))
        }
    for name in stripe.patient.acknowledged:
        if rows.get(name) not in _DONE:
            found.lost.append(f"delivery {name} was acknowledged and is {rows.get(name)}")
