"""What the books say was found, and what they say that is not so."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select

from plugin.domain.drift import DriftState
from plugin.storage import tables as t
from plugin.storage.database import connect_to_read
from tests.drift.world import Key, World

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
    def missing(self) -> list[Planted]:
        return [one for one in self.planted if one.found_at is None]

    def false(self) -> list[str]:
        """Differences that are shown, or were, and that nobody planted."""
        wanted = {one.key for one in self.planted}
        return sorted(" ".join(key) for key in self._ever_shown() - wanted)

    def doubled(self) -> list[str]:
        """Refunds that are booked twice, and events that lie in the inbox twice."""
        with connect_to_read(self.world.parts.house.engine) as db:
            kinds = ("Refunded", "RefundFailed", "DisputeOpened")
            facts = db.execute(
                select(t.facts.c.kind, t.facts.c.document).where(t.facts.c.kind.in_(kinds))
            )
            booked = Counter((kind, _name_of(kind, json.loads(text))) for kind, text in facts)
            bodies = db.execute(select(t.deliveries.c.installation_id, t.deliveries.c.body))
            events = Counter((name, _event_of(bytes(body))) for name, body in bodies)
        counted: Iterable[tuple[tuple[str, str], int]] = (*booked.items(), *events.items())
        return sorted(
            f"{kind} {name}: {count} times" for (kind, name), count in counted if count > 1
        )

    def _facts(self) -> set[Key]:
        with connect_to_read(self.world.parts.house.engine) as db:
            wanted = t.facts.c.kind.in_(_NAMED_BY)
            rows = db.execute(select(t.facts.c.kind, t.facts.c.document).where(wanted))
            return {(kind, _name_of(kind, json.loads(text))) for kind, text in rows}

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


def _name_of(kind: str, document: dict[str, object]) -> str:
    named = document[_NAMED_BY[kind]]
    return str(named["ref"] if isinstance(named, dict) else named)


def _event_of(body: bytes) -> str:
    event = json.loads(body)
    return str(
        event.get("id")
        or f"{event['type']} {event.get('refund')} {event.get('dispute')} {event.get('state')}"
    )
