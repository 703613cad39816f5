"""Have the engine forget work that ended long ago: it keeps a row of each, and would grow for ever.

Nothing needs them: our own rows say what is due, and a name that is due is that of its newest wake.
Work that is not over is never forgotten.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

from plugin.ports import Clock
from plugin.workflows.engine import Engine

_log = logging.getLogger("makegood.engine")
KEPT = timedelta(days=2)
"""Long enough for whoever looks into why something went wrong yesterday."""
EVERY_SECONDS = 60.0
AT_A_TIME = 200
"""Few enough that who is fed meanwhile does not notice. While there are more, the next follow with
the next feed."""


@dataclass(slots=True)
class Forgetting:
    """Done by and by, beside the feeding."""

    engine: Engine
    clock: Clock
    next_time: float = 0.0

    def by_and_by(self) -> None:
        """Forget a few, where the last time was a while ago or left some."""
        if monotonic() < self.next_time:
            return
        count = self.engine.forget_ended(self.clock.now() - KEPT, AT_A_TIME)
        if count < AT_A_TIME:
            self.next_time = monotonic() + EVERY_SECONDS
        if count:
            _log.info("engine.forgot works=%d", count)
