"""`python -m tests.drift --n 1000`: plant differences of all kinds, sweep, and count what is found.

Exit code 0 only when every one was found within 15 simulated minutes, and nothing that was not
there.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta

from tests.drift import gateway, practice, shops
from tests.drift.judge import Judge, Planted
from tests.drift.planted import hasty_cursor
from tests.drift.world import PER_SHOP, START, Plant, World, open_world
from tests.harness import Given, Outcome, run_from_terminal, say

BEGIN = START + timedelta(minutes=20)
SPREAD = timedelta(minutes=12)
STEP = timedelta(seconds=20)
GIVEN_UP = timedelta(minutes=45)
"""What is not found by then counts as missed and not as late."""
GATEWAY = (*gateway.KINDS, "pending")
ALL = (*GATEWAY, *shops.KINDS, *practice.KINDS)
FAULT_EVERY = timedelta(minutes=7)
"""How often the gateway's list of events does not come, or comes in part."""


def main(words: Sequence[str] | None = None) -> int:
    return run_from_terminal("drift", 1000, run, seconds_each=2.0, words=words)


def run(given: Given) -> Outcome:
    chance = random.Random(given.seed)
    kinds = [ALL[number % len(ALL)] for number in range(given.n)]
    of_shops = sum(kind in shops.KINDS for kind in kinds)
    controls = max(4, given.n // 10)
    needed = of_shops + controls
    with open_world(given, -(-needed // PER_SHOP)) as world:
        plants = _prepare(world, kinds, controls, chance)
        say(f"{len(plants)} differences are going to be made")
        world.clock.at = BEGIN
        judge = Judge(world)
        with hasty_cursor() if given.planted else nullcontext():
            _live(world, plants, judge, chance)
        return _told(judge)


def _moments(number: int, chance: random.Random) -> list[datetime]:
    return sorted(BEGIN + SPREAD * chance.random() for _ in range(number))


def _prepare(
    world: World, kinds: Sequence[str], controls: int, chance: random.Random
) -> list[Plant]:
    plants: list[Plant] = []
    people = _people(world, sum(kind in shops.KINDS for kind in kinds) + controls)
    for kind in ALL:
        moments = _moments(kinds.count(kind), chance)
        if kind in shops.KINDS:
            plants += shops.plants(world, kind, moments, people)
        elif kind in practice.KINDS:
            plants += practice.plants(world, kind, moments)
        else:
            plants += gateway.plants(world, kind, moments)
    shops.plant_controls(world, _moments(controls, chance), people)
    gateway.plant_controls(world, _moments(controls, chance))
    return sorted(plants, key=lambda plant: plant.at)


def _people(world: World, number: int) -> Iterator[shops.Customer]:
    """Customers of all shops, who stand beside each other in their books by chance."""
    sold = shops.open_shops(world)
    made: list[shops.Customer] = []
    for place, shop in enumerate(sold):
        made += shops.customers(world, shop, min(PER_SHOP, number - place * PER_SHOP))
    world.chance.shuffle(made)
    return iter(made)


def _live(world: World, plants: list[Plant], judge: Judge, chance: random.Random) -> None:
    """Let time pass, step by step, until all is found or given up."""
    plants, next_fault = list(plants), BEGIN
    end = BEGIN + SPREAD + timedelta(minutes=16)
    while world.now < end or (judge.missing and world.now < BEGIN + GIVEN_UP):
        if world.now >= next_fault:
            next_fault = world.now + FAULT_EVERY
            world.stripe.fail(chance.choice(("unavailable", "truncated")), on="GET /v1/events")
        while plants and plants[0].at <= world.now:
            plant = plants.pop(0)
            judge.planted.append(Planted(plant.kind, world.now, plant.make()))
        world.pass_time(STEP)
        judge.look()


def _slowest(found: Sequence[Planted], kind: str) -> float:
    waits = [one.found_at - one.at for one in found if one.kind == kind and one.found_at]
    return round(max(waits, default=timedelta()).total_seconds() / 60, 1)


def _told(judge: Judge) -> Outcome:
    missed, false, doubled = judge.missing, judge.false(), judge.doubled()
    late = [one for one in judge.planted if one.is_late]
    found = [one for one in judge.planted if one.found_at is not None]
    waits = sorted((one.found_at - one.at).total_seconds() / 60 for one in found if one.found_at)
    counts: dict[str, int | float] = {
        "planted": len(judge.planted),
        "found": len(found),
        "missed": len(missed),
        "false": len(false),
        "doubled": len(doubled),
        "late": len(late),
        "slowest_minutes": round(waits[-1], 1) if waits else 0,
        "median_minutes": round(waits[len(waits) // 2], 1) if waits else 0,
    }
    counts |= {f"found_{kind}": sum(one.kind == kind for one in found) for kind in ALL}
    counts |= {f"minutes_{kind}": _slowest(found, kind) for kind in ALL}
    sentences = [
        *(f"missed: {one.kind} {one.key}" for one in missed),
        *(f"late: {one.kind} {one.key}, found {one.found_at}" for one in late),
        *(f"not there: {words}" for words in false),
        *(f"doubled: {words}" for words in doubled),
    ]
    return Outcome(counts, ("missed", "false", "doubled", "late"), sentences)


if __name__ == "__main__":
    sys.exit(main())
