"""Have a worker notice that an older copy was put in the database's place, and send nothing then.

It looks before it does anything else, and by and by: a database that others look after may go back
to an older state by itself. What follows is what follows `makegood restore`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from plugin.domain.ids import TenantId
from plugin.storage.last_seen import LastSeen

_log = logging.getLogger("makegood.worker")
EVERY_SECONDS = 5.0


@dataclass(slots=True)
class LookingBack:
    """`hold` is given the tenants that are held from now on, and until when each is known."""

    seen: LastSeen
    hold: Callable[[Mapping[TenantId, datetime]], None]
    next_time: float = 0.0

    def by_and_by(self) -> None:
        """Look, where the last time was a while ago."""
        if monotonic() >= self.next_time:
            self.look()
            self.next_time = monotonic() + EVERY_SECONDS

    def look(self) -> None:
        """Hold whose past is missing. Only then what is there now counts as seen."""
        older = self.seen.older()
        if older:
            _log.error("house.older tenants=%d", len(older))
            self.hold(older)
        self.seen.keep()
