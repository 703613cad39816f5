"""`python -m tests.overtake --n 1000`: overtake, settle, judge. The last line is one JSON object.

Exit code 0 only when each webhook did overtake its answer, and nothing was doubled, lost or stuck.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from plugin.domain.refunds import RefundState
from tests.harness import Given, Outcome, run_from_terminal, say
from tests.kill.clock import SharedClock
from tests.kill.peers import Peer
from tests.overtake.gateway import BARE, OvertakingStripe
from tests.overtake.judge import MUST_BE_NOTHING, judge
from tests.shared_house import World, build_shared_house, due_rows

BATCH = 50
WORKERS = 2
SETTLE_SECONDS = 300.0
Words = dict[str, Any]


@dataclass(slots=True)
class Overtakes:
    """What the door told of each arrival, while the call that caused it had no answer."""

    door: Peer | None = None
    seen: list[Words] = field(default_factory=list)

    def arrived(self, charge: str, names: Sequence[str]) -> None:
        """The webhooks are acknowledged: have them worked on now."""
        assert self.door is not None
        self.seen.append(self.door.ask("dispatch", charge=charge, names=list(names)))

    @property
    def count(self) -> int:
        """How many were worked on while our own call was in flight."""
        return sum(seen["refund"] == RefundState.SUBMITTING for seen in self.seen)


def sell(world: World, number: int, chance: random.Random) -> Words:
    """A new customer with one order, of which some comes back; every second payment is bare."""
    email = f"customer-{number}@customer.test"
    paid = chance.randint(1000, 50_000)
    amount = paid if chance.random() < 0.3 else chance.randint(1, paid * 2 // 5)
    with world.stripe.lock:
        customer = world.stripe.books.add_customer(email)["id"]
        metadata = {BARE: "yes"} if number % 2 else {}
        charge = world.stripe.books.sell(paid, customer=customer, metadata=metadata)["id"]
    return {"charge": charge, "email": email, "ticket": world.desk.ask(email), "amount": amount}


def run_overtakes(given: Given) -> Outcome:
    """All of it."""
    begun = time.time()
    clock = SharedClock(given.folder / "clock", begun, 1)
    chance = random.Random(f"{given.seed} overtake")
    overtakes = Overtakes()
    stripe = OvertakingStripe(
        random.Random(f"{given.seed} gateway"), lambda: int(clock.seconds()), overtakes.arrived
    )
    with ExitStack() as stack:
        house, world = build_shared_house(stack, given, stripe, begun)
        parts = house.parts()
        stack.callback(parts.house.engine.dispose)
        # Before the processes: should they hang, they are ended first, and nobody waits for them.
        hands = stack.enter_context(ThreadPoolExecutor(1 + WORKERS))
        rooms = [
            stack.enter_context(Peer("tests.overtake.room", kind, house.file, log=house.log))
            for kind in ("door", *["worker"] * WORKERS)
        ]
        overtakes.door = rooms[0]
        assert all(room.ready for room in rooms)

        def share(do: str, among: Sequence[Peer], name: str, things: Sequence[Any]) -> None:
            """Have some processes do something, each with its share."""
            shares = [things[place :: len(among)] for place in range(len(among))]
            asked = zip(among, shares, strict=True)
            list(hands.map(lambda one: one[0].ask(do, **{name: one[1]}), asked))

        sold = [sell(world, number, chance) for number in range(given.n)]
        went = time.monotonic()
        for place in range(0, given.n, BATCH):
            batch = sold[place : place + BATCH]
            share("refunds", rooms[1:], "orders", batch)
            done = place + len(batch)
            say(f"{overtakes.count} of {done} overtaken, {done / (time.monotonic() - went):.1f}/s")
        went = time.monotonic()
        for rows in due_rows(parts, SETTLE_SECONDS):
            share("work", rooms, "rows", rows)
        say(f"settled in {time.monotonic() - went:.1f} s")
        found = judge(house, parts, world, stripe, sold)
    found.stuck += stripe.failed
    counts = {
        "overtakes": overtakes.count,
        **{name: len(getattr(found, name)) for name in MUST_BE_NOTHING},
        "not_overtaken": given.n - overtakes.count,
        "silent": stripe.silent,
        "bare": given.n // 2,
        "deliveries": len(set(stripe.patient.acknowledged)),
    }
    return Outcome(counts, (*MUST_BE_NOTHING, "not_overtaken"), found.lines())


def main(words: Sequence[str] | None = None) -> int:
    return run_from_terminal("overtake", 1000, run_overtakes, seconds_each=2, words=words)


if __name__ == "__main__":
    sys.exit(main())
