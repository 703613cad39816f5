"""`python -m tests.drill --n 100000`: copy, lose, restore, reconcile, judge. The last line is JSON.

Exit code 0 only when nothing was paid twice, nothing is lost, nothing left too early, and nothing
is stuck.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from unittest import mock

from plugin.commands import copies
from plugin.commands.copies import back_up, restore
from plugin.settings import read_settings
from tests.drill.bulk import multiply
from tests.drill.house import Drill, Order, elsewhere, empty_database, left
from tests.drill.judge import MUST_BE_NOTHING, Findings, judge, too_slow
from tests.harness import Given, Outcome, run_from_terminal, say
from tests.kill.clock import SharedClock
from tests.platforms.stripe.fake import FakeStripe
from tests.shared_house import SharedHouse, build_shared_house

EACH = 3
"""Refunds in each state that a refund can be in on its way, and decided after the copy."""


def under_way(drill: Drill) -> tuple[dict[str, list[Order]], dict[str, str]]:
    """Refunds as a copy may find them, by how far they are; and the id of each, by its charge."""
    stripe, ids = drill.world.stripe, {}
    states: dict[str, list[Order]] = {}
    faults = {"reserved": None, "unknown": "drop_after", "never_arrived": "drop_before"}
    for state in (*faults, "pending", "effects_waiting", "undone"):
        states[state] = [drill.sell() for _ in range(EACH)]
        for order in states[state]:
            refund = ids[order["charge"]] = drill.room.decide(**order)
            if fault := faults.get(state):
                stripe.fail(fault)
            if state == "pending":
                stripe.books.outcome = "pending"
            if state not in ("reserved", "undone"):
                drill.send(refund)
    return states, ids


def settle_pending(drill: Drill) -> None:
    """The gateway finishes what it took."""
    books = drill.world.stripe.books
    for refund in books.all("refund", status="pending"):
        books.settle(refund["id"], "succeeded")


def _is_read(drill: Drill, since: datetime) -> bool:
    """Whether every account was read up to the restoring, and what was read is applied."""
    with drill.parts.house.storage.read(drill.house.tenant_id) as uow:
        sweeps = uow.sweeps.all()
        is_behind = any(sweep.read_until < since for sweep in sweeps)
        return bool(sweeps) and not is_behind and not uow.holds.has_unapplied(drill.clock.now())


@dataclass(frozen=True, slots=True)
class Lost:
    """A house that was lost: what it had decided, and how its copy was made."""

    drill: Drill
    copy: Path
    states: Mapping[str, Sequence[Order]]
    forgotten: Sequence[Order]
    written: int
    seconds: float


def lose_a_house(drill: Drill, given: Given) -> Lost:
    """Fill it, copy it, go on with it, and close it for ever."""
    first = drill.sell()
    drill.room.refund(**first)
    assert drill.work(drill.is_at_rest)
    written = multiply(drill.parts, drill.house.tenant_id, first["email"], given.n)
    say(f"{given.n} refunds that are over: {written} rows")

    states, ids = under_way(drill)
    copy, went = given.folder / "copy.makegood", time.monotonic()
    back_up(drill.parts.settings, drill.clock, copy, say)
    seconds = time.monotonic() - went

    for order in states["undone"]:
        drill.undo(ids[order["charge"]])
    settle_pending(drill)
    forgotten = [drill.sell() for _ in range(EACH)]
    for order in forgotten:
        drill.room.refund(**order)
    assert drill.work(drill.is_at_rest)
    drill.parts.house.engine.dispose()
    return Lost(drill, copy, states, forgotten, written, seconds)


def bring_back(lost: Lost, anew: SharedHouse, chance: random.Random) -> tuple[Drill, float]:
    """Restore the copy elsewhere; how many seconds that took."""
    went = time.monotonic()
    restore(read_settings(anew.environment()), lost.drill.clock, lost.copy, say)
    seconds = time.monotonic() - went
    return Drill(anew, lost.drill.world, anew.parts(), chance, sold=lost.drill.sold), seconds


def reconcile(drill: Drill) -> Findings:
    """Work until all is known and at rest; what left too early, and what never ended."""
    found = Findings()
    sent, began = left(drill.world), drill.clock.now()
    if not drill.work(lambda: _is_read(drill, began)):
        found.stuck.append("the accounts were never read")
    too_early = left(drill.world) - sent
    found.sent_while_held += ["something left too early"] * too_early
    if not drill.work(lambda: not drill.is_held() and drill.is_at_rest()):
        found.stuck.append("the hold never ended, or something is never due")
    return found


def run_drill(given: Given) -> Outcome:
    """All of it."""
    begun = time.time()
    clock = SharedClock(given.folder / "clock", begun, 1)
    chance = random.Random(f"{given.seed} drill")
    with ExitStack() as stack:
        stripe = FakeStripe(now=lambda: int(clock.seconds()))
        house, world = build_shared_house(stack, given, stripe, begun)
        if given.planted:
            say("planted: nothing is held after the restore")
            stack.enter_context(mock.patch.object(copies, "hold_restored", return_value=0))
        lost = lose_a_house(Drill(house, world, house.parts(), chance), given)
        anew = elsewhere(house, stack.enter_context(empty_database(given)))
        after, seconds_restore = bring_back(lost, anew, chance)
        stack.callback(after.parts.house.engine.dispose)
        went = time.monotonic()
        found = reconcile(after)
        seconds_reconcile = time.monotonic() - went
        judge(after, lost, found)
        found.slow = too_slow(given.n, lost.seconds + seconds_restore)
    counts = {
        "refunds": given.n,
        "rows": lost.written,
        **{name: len(getattr(found, name)) for name in MUST_BE_NOTHING},
        "copy_mb": round(lost.copy.stat().st_size / 1e6),
        "seconds_backup": round(lost.seconds),
        "seconds_restore": round(seconds_restore),
        "seconds_reconcile": round(seconds_reconcile),
    }
    return Outcome(counts, MUST_BE_NOTHING, found.lines())


def main(words: Sequence[str] | None = None) -> int:
    return run_from_terminal("drill", 100_000, run_drill, seconds_each=0.02, words=words)


if __name__ == "__main__":
    sys.exit(main())
