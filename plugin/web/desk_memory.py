"""What a desk told of a ticket and an agent a moment ago: watching a refund costs it no calls.

Lives in this process only, for seconds, and is small. Whoever opens a ticket, or does
more than look and plan, asks the desk itself: an agent who lost her rights sees at most these
seconds more, and can do nothing with them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from plugin.domain.ids import AgentId, InstallationId, TicketId
from plugin.ports import Agent, Ticket

KEPT = timedelta(seconds=15)
MOST = 500

Key = tuple[InstallationId, TicketId, AgentId]


@dataclass(slots=True)
class DeskMemory:
    """Ticket and agent by who asked for which. Safe to share between threads."""

    _told: OrderedDict[Key, tuple[datetime, Ticket, Agent]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def recall(self, key: Key, now: datetime) -> tuple[Ticket, Agent] | None:
        """What was told less than `KEPT` ago, or None."""
        with self._lock:
            told = self._told.get(key)
        if told is None or now - told[0] >= KEPT:
            return None
        return told[1], told[2]

    def keep(self, key: Key, ticket: Ticket, agent: Agent, now: datetime) -> None:
        """Remember what the desk told; the oldest goes when there are too many."""
        with self._lock:
            self._told[key] = (now, ticket, agent)
            self._told.move_to_end(key)
            while len(self._told) > MOST:
                self._told.popitem(last=False)

    def forget(self, key: Key) -> None:
        """The desk said that this ticket is not this agent's to see."""
        with self._lock:
            self._told.pop(key, None)
