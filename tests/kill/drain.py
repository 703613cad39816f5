"""After the last kill: let one worker finish all that is left, within a bound.

Waits of the product (a retry in an hour, say) are not sat out: when nothing is due, the clock jumps
to the next moment at which something is.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection, select

from plugin.app import Parts
from plugin.commands.copies import release_holds
from plugin.domain.effects import EffectState
from plugin.domain.refunds import OVER, RefundState
from plugin.ports.records import DeliveryState, RunState
from plugin.services.run_rules import MOMENT
from plugin.storage import tables as t
from plugin.storage.database import READ_ONLY
from tests.kill.clock import SharedClock
from tests.kill.scene import Outside

QUIET_SECONDS = 0.4
"""How long nothing must be due before the clock may jump: a call under way is not due either."""
LOOK_SECONDS = 0.1
QUEUES = frozenset({RefundState.MANUAL, RefundState.NEEDS_PERSON})
"""Where a refund waits in the open for a person."""
_OPEN_DELIVERIES = (DeliveryState.RECEIVED, DeliveryState.WAITING)


@contextmanager
def reading(parts: Parts) -> Iterator[Connection]:
    """A transaction that takes no lock from the worker."""
    with parts.house.engine.connect().execution_options(**{READ_ONLY: True}) as db:
        yield db


def open_rows(parts: Parts) -> Iterator[tuple[str, str, datetime | None]]:
    """(kind, state, when it wakes) of all that is neither over nor in a visible queue."""
    now = parts.clock.now()
    with reading(parts) as db:
        for state, wakes in db.execute(select(t.deliveries.c.state, t.deliveries.c.wake_at)):
            if state in _OPEN_DELIVERIES:
                yield "delivery", state, wakes
        for state, wakes in db.execute(select(t.refunds.c.state, t.refunds.c.wake_at)):
            if state not in OVER | QUEUES:
                yield "refund", state, wakes
        runs = select(t.runs.c.state, t.runs.c.wake_at, t.runs.c.cause)
        for state, wakes, cause in db.execute(runs):
            booked = cause == MOMENT and wakes is not None and wakes > now
            if state != RunState.DONE and not booked:
                yield "run", state, wakes
        effects = select(t.effects.c.state, t.effects.c.wake_at, t.runs.c.wake_at)
        joined = effects.join(t.runs, t.runs.c.id == t.effects.c.run_id)
        for state, wakes, run_wakes in db.execute(joined):
            if not EffectState(state).over:
                yield "effect", state, wakes or run_wakes


def drain(parts: Parts, outside: Outside, bound_seconds: float) -> dict[str, int]:
    """Wait until all is over. Returns what is open once nothing went on for the bound, counted.

    Empty is good. As long as there is less and less to do, however slowly, nothing is stuck.
    """
    clock = parts.clock
    quiet_since = went_on = time.monotonic()
    rows = list(open_rows(parts))
    least = len(rows)
    while time.monotonic() - went_on < bound_seconds:
        _end_holds(parts)
        unsent = outside.stripe.ask("report")["unsent"] + outside.systeme_io.ask("report")["unsent"]
        rows = list(open_rows(parts))
        if not rows and not unsent:
            return {}
        now = time.monotonic()
        if len(rows) < least:
            least, went_on = len(rows), now
        if unsent or parts.house.storage.due(clock.now(), 1):
            quiet_since = now
        elif now - quiet_since > QUIET_SECONDS:
            _jump_to_next(parts, [wakes for _, _, wakes in rows if wakes is not None])
            quiet_since = now
        time.sleep(LOOK_SECONDS)
    return dict(Counter(f"{kind} {state}" for kind, state, _ in rows))


def _end_holds(parts: Parts) -> None:
    """As the operator does: a store that tells no news is never known to be read."""
    for tenant in parts.house.storage.tenants():
        with parts.house.storage.read(tenant.id) as uow:
            is_held = bool(uow.holds.all())
        if is_held:
            release_holds(parts, lambda _: None)


def _jump_to_next(parts: Parts, wakes: list[datetime]) -> None:
    assert isinstance(parts.clock, SharedClock)
    ahead = min(wakes, default=parts.clock.now()) - parts.clock.now()
    if ahead.total_seconds() > 0:
        parts.clock.jump(ahead.total_seconds())
