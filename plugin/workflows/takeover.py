"""Taking over what a dead worker had in hand. A living worker's work is never taken here.

The engine has no takeover of its own: work stays with its executor for ever. So the dead one's
work is taken from it by name, and the rows, which are still due, are started anew by whoever comes
first. A refund whose call was under way is woken: it is looked up, and never just sent again.

Two that take over at once do no harm, nor does a taker that dies half-way: a refund is woken only
as long as it is in the very call that the dead worker began, taking work away twice is the same as
once, and of two that start the next take the engine lets one.

That a worker taken for dead may be alive, cut off from the database, with a call on its way, moves
no money twice; docs/reliability.md says why.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from time import monotonic

from plugin.domain.ids import RefundId, TenantId
from plugin.ports import Clock
from plugin.ports.storage import Storage
from plugin.workflows.engine import Engine, Unfinished
from plugin.workflows.heart import DEAD_AFTER, Heart

EVERY_SECONDS = 1.0
_log = logging.getLogger("makegood.takeover")


@dataclass(slots=True)
class Takeover:
    """Looks for the dead. `living` are those that were not, when it looked last."""

    storage: Storage
    engine: Engine
    heart: Heart
    clock: Clock
    living: frozenset[str] = field(default_factory=frozenset)
    next_look: float = 0.0

    def look_by_and_by(self) -> None:
        """Look, where the last time was a while ago."""
        if monotonic() >= self.next_look:
            self.next_look = monotonic() + EVERY_SECONDS
            self.look()

    def look(self) -> int:
        """Take over from workers that died. Returns how much was taken."""
        self.living = self.storage.living_workers(DEAD_AFTER)
        if not self.heart.may_judge:
            return 0
        dead = self.storage.silent_workers(DEAD_AFTER) - {self.engine.executor}
        return sum(self._take(work) for work in self.engine.unfinished(dead)) if dead else 0

    def take_all(self) -> int:
        """Take over from all others. Only for a worker that is alone on its database."""
        return sum(self._take(work) for work in self.engine.unfinished())

    def _take(self, work: Unfinished) -> bool:
        if work.kind == "refund":
            # Its claim, committed before its call, made the next wake of the one it is named by.
            claimed = work.wakes + 1
            now = self.clock.now()
            self.storage.wake_claimed(TenantId(work.tenant), RefundId(work.ref), claimed, now)
        self.engine.take_away(work.name)
        _log.warning("work.taken_over name=%s from=%s", work.name, work.executor)
        return True
