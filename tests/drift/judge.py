"""What the books say was found, and what they say that is not so."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, select

from plugin.domain.drift import DriftState
from plugin.domain.ids import InstallationId
from plugin.storage import tables as t
from plugin.storage.database import connect_to_read
from tests.drift.stores import UNSEEN
from tests.drift.world import Key, World

_Told = tuple[Key, dict[str, Any]]
"""A fact: what it is called, and its document."""
IN_TIME = timedelta(minutes=15)
_NAMED_BY = {
    "Refunded": "refund",
    "RefundFailed": "refund",
    "DisputeOpened": "dispute",
    "PaidUntil": "of",
}


@dataclass(slots=True)
class Planted:
    """One difference that was made, and when we knew."""

    kind: str
    at: datetime
    key: Key
    found_at: datetime | None = None

    @property
    def is_late(self) -> bool:
        return self.found_at is not None and self.found_at - self.at > IN_TIME


@dataclass(slots=True)
class Judge:
    """Looks at the books now and then."""

    world: World
    planted: list[Planted] = field(default_factory=list)

    def look(self) -> None:
        """Mark what is known by now."""
        seen = self._facts() | self._refunds() | self._drifts()
        for one in self.planted:
            if one.found_at is None and one.key in seen:
                one.found_at = self.world.now

    @property
    def due(self) -> list[Planted]:
        """What must be found."""
        return [one for one in self.planted if one.kind not in UNSEEN]

    @property
    def missing(self) -> list[Planted]:
        return [one for one in self.due if one.found_at is None]

    def false(self) -> list[str]:
        """Differences that are shown, or were, and that nobody planted."""
        wanted = {one.key for one in self.planted}
        return sorted(" ".join(key) for key in self._ever_shown() - wanted)

    def doubled(self) -> list[str]:
        """Refunds that are booked twice, and events that lie in the inbox twice."""
        stores = self.world.stores
        told = self._told(("Refunded", "RefundFailed", "DisputeOpened"))
        booked = Counter(" ".join(key) for key, _ in told if key[1] not in stores)
        with connect_to_read(self.world.parts.house.engine) as db:
            bodies = db.execute(select(t.deliveries.c.installation_id, t.deliveries.c.body))
            events = Counter(
                f"{name} {_event_of(bytes(body))}" for name, body in bodies if name not in stores
            )
        counted: Iterable[tuple[str, int]] = (*booked.items(), *events.items())
        twice = (f"{name}: {count} times" for name, count in counted if count > 1)
        return sorted([*twice, *self._too_much(told)])

    def _too_much(self, told: Sequence[_Told]) -> Iterator[str]:
        """Orders of stores of which more is booked as refunded than their customers have back.

        A store tells all refunds of an order with each, and then more of them than before: so here
        the money counts and not the telling. What was planted as gone is not there, and is booked.
        """
        gone = {key for key, _ in told if key[0] == "RefundFailed"}
        gone |= {("RefundFailed", one.key[1], one.key[-1]) for one in self.planted}
        parts: dict[tuple[str, str], dict[str, int]] = {}
        for (kind, account, ref), fact in told:
            is_booked = kind == "Refunded" and ("RefundFailed", account, ref) not in gone
            if is_booked and account in self.world.stores:
                of_order = parts.setdefault((account, fact["order"]["ref"]), {})
                of_order[ref] = fact["amount"]["minor"]
        for (account, order), amounts in parts.items():
            back = self.world.stores[InstallationId(account)].went_back(order)
            if sum(amounts.values()) > back:
                yield f"{account} {order}: {amounts} booked of {back}"

    def _told(self, kinds: Iterable[str]) -> list[_Told]:
        with connect_to_read(self.world.parts.house.engine) as db:
            wanted = t.facts.c.kind.in_(kinds)
            rows = db.execute(select(t.facts.c.kind, t.facts.c.document).where(wanted))
            read = [(kind, json.loads(text)) for kind, text in rows]
        return [(_key_of(kind, document), document) for kind, document in read]

    def _facts(self) -> set[Key]:
        told = self._told(_NAMED_BY)
        of_orders = {
            (f"{key[0]} of", key[1], str(document["order"]["ref"]))
            for key, document in told
            if key[0] == "DisputeOpened"
        }
        return {key for key, _ in told} | of_orders

    def _refunds(self) -> set[Key]:
        with connect_to_read(self.world.parts.house.engine) as db:
            rows = db.execute(select(t.refunds.c.id, t.refunds.c.state))
            return {("refund", row.id, row.state) for row in rows}

    def _drifts(self) -> set[Key]:
        """What is shown to a person now."""
        return self._drifts_where(t.drifts.c.state == DriftState.OPEN)

    def _ever_shown(self) -> set[Key]:
        shown = select(t.audit.c.subject).where(t.audit.c.action == "drift.open")
        return self._drifts_where(t.drifts.c.id.in_(shown))

    def _drifts_where(self, condition: ColumnElement[bool]) -> set[Key]:
        d = t.drifts.c
        with connect_to_read(self.world.parts.house.engine) as db:
            found = select(d.installation_id, d.customer, d.kind, d.subject).where(condition)
            return {("drift", *map(str, row)) for row in db.execute(found)}


def _key_of(kind: str, document: dict[str, Any]) -> Key:
    """What a fact is called: two accounts may give one name to two things."""
    named = document[_NAMED_BY[kind]]
    order = document.get("order") or named.get("order") or named
    return (kind, str(order["installation"]), str(named["ref"] if kind == "PaidUntil" else named))


def _event_of(body: bytes) -> str:
    event = json.loads(body)
    return str(
        event.get("id")
        or f"{event['type']} {event.get('refund')} {event.get('dispute')} {event.get('state')}"
    )
