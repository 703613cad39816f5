"""`python -m tests.race --n 200`: race, settle, judge. The last line is one JSON object.

Exit code 0 only when each order was refunded as often as may be, and everybody was told the truth.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from plugin.app import Parts
from plugin.domain.refunds import UNDO_SECONDS
from tests.harness import Given, Outcome, run_from_terminal, say
from tests.kill.clock import SharedClock
from tests.kill.peers import Peer
from tests.platforms.stripe.fake import FakeStripe
from tests.race.contests import CALLERS, PROCESSES, Contest, entry_tokens, sell
from tests.race.judge import MUST_BE_NOTHING, Findings, judge_end, judge_race
from tests.shared_house import SharedHouse, World, build_shared_house, due_rows

BATCH = 40
"""Orders whose plans are made before they are raced for: a plan lives five minutes."""
WORKERS = 8
"""Refunds that each process sends at a time."""
SETTLE_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Race:
    """The house, the world outside, and the processes that race in it."""

    house: SharedHouse
    parts: Parts
    world: World
    peers: Sequence[Peer]
    hands: ThreadPoolExecutor
    chance: random.Random

    def everybody(self, do: str, each: Sequence[dict[str, Any]]) -> list[Any]:
        """Ask all processes at once, each with its own words."""
        asked = zip(self.peers, each, strict=True)
        return list(self.hands.map(lambda one: one[0].ask(do, **one[1]), asked))

    def let_go(
        self, lanes: Sequence[Sequence[dict[str, Any]]], places: int
    ) -> list[list[dict[str, Any]]]:
        """Line up the callers of all processes, then let them go at once."""
        self.everybody("line_up", [{"calls": lane, "places": places} for lane in lanes])
        return self.everybody("go", [{} for _ in lanes])

    def prepare(self, contests: Sequence[Contest]) -> None:
        """Make all plans, as the agents do who will press."""
        tokens = entry_tokens(self.world, self.parts.clock.now())
        plain = [c for c in contests if c.kind != "pair"]
        halves = [plain[place::PROCESSES] for place in range(PROCESSES)]
        asked = [{"agents": [agent for c in half for agent in c.agents]} for half in halves]
        for half, made in zip(halves, self.everybody("plan", asked), strict=True):
            buttons = iter(made)
            for contest in half:
                contest.buttons = [next(buttons) for _ in contest.agents]
        for contest in contests:
            if contest.kind == "pair":
                sits = [
                    {"token": token, "ticket": agent["ticket"], "amount": contest.part}
                    for token, agent in zip(tokens, contest.agents, strict=True)
                ]
                contest.buttons = self.everybody("sit_down", sits)

    def run(self, contest: Contest, found: Findings) -> None:
        """A hundred callers on one order."""
        lanes = contest.calls(self.chance)
        for calls, answers in zip(lanes, self.let_go(lanes, contest.places), strict=True):
            for call, answer in zip(calls, answers, strict=True):
                first = call.get("plan") or self._button_at(contest, call["ticket"])
                contest.answers.append({**answer, "first": first})
        judge_race(found, contest, self.house, self.parts)

    def _button_at(self, contest: Contest, ticket: str) -> str:
        place = [agent["ticket"] for agent in contest.agents].index(ticket)
        return str(contest.buttons[place]["plan"])

    def settle(self, found: Findings) -> None:
        """The ten seconds pass; each refund is sent by two workers at once, the rest by one."""
        assert isinstance(self.parts.clock, SharedClock)
        self.parts.clock.jump(UNDO_SECONDS + 1)
        for rows in due_rows(self.parts, SETTLE_SECONDS):
            refunds = [ref for kind, ref in rows if kind == "refund"]
            for place in range(0, len(refunds), WORKERS):
                sends = [{"do": "send", "ref": ref} for ref in refunds[place : place + WORKERS]]
                answers = self.let_go([sends] * PROCESSES, WORKERS)
                found.stuck += [
                    f"a worker was told {answer['said']}"
                    for lane in answers
                    for answer in lane
                    if answer["said"] != "sent"
                ]
            rest = [[kind, ref] for kind, ref in rows if kind != "refund"]
            self.everybody("work", [{"rows": rest[n::PROCESSES]} for n in range(PROCESSES)])


def run_race(given: Given) -> Outcome:
    """All of it."""
    found = Findings()
    with ExitStack() as stack:
        stripe = FakeStripe()
        stripe.hooks.mode = "held"  # `make overtake` is about events
        house, world = build_shared_house(stack, given, stripe, time.time())
        parts = house.parts()
        stack.callback(parts.house.engine.dispose)
        # Before the processes: should they hang, they are ended first, and nobody waits for them.
        hands = stack.enter_context(ThreadPoolExecutor(PROCESSES))
        peers = [
            stack.enter_context(Peer("tests.race.caller", house.file, log=house.log))
            for _ in range(PROCESSES)
        ]
        chance = random.Random(f"{given.seed} race")
        race = Race(house, parts, world, peers, hands, chance)
        contests = [sell(world, number, chance) for number in range(given.n)]
        for place in range(0, given.n, BATCH):
            batch = contests[place : place + BATCH]
            begun = time.monotonic()
            race.prepare(batch)
            planned = time.monotonic()
            for contest in batch:
                race.run(contest, found)
            took = time.monotonic() - planned
            say(
                f"{place + len(batch)} orders: planned in {planned - begun:.1f} s, "
                f"{len(batch) * CALLERS / took:.0f} calls/s"
            )
        begun = time.monotonic()
        race.settle(found)
        say(f"settled in {time.monotonic() - begun:.1f} s")
        judge_end(found, contests, house, parts, world)
    counts = {
        "orders": given.n,
        "calls": sum(len(contest.answers) for contest in contests),
        **{name: len(getattr(found, name)) for name in MUST_BE_NOTHING},
        "refunds": found.refunds,
    }
    return Outcome(counts, MUST_BE_NOTHING, found.lines(), counts["calls"] == given.n * CALLERS)


def main(words: Sequence[str] | None = None) -> int:
    return run_from_terminal("race", 200, run_race, seconds_each=6, words=words)


if __name__ == "__main__":
    sys.exit(main())
