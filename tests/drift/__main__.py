"""`python -m tests.drift --n 1000`: plant differences of all kinds, sweep, and count what is found.

With `--per-shop N` every account has N customers of whom something ended, most of whom nothing
happens to. Exit code 0 only when every one was found within 15 simulated minutes, and nothing that
was not there.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from tests.drift import gateway, practice, shops, stores
from tests.drift.judge import Judge, Planted
from tests.drift.planted import PLANTS
from tests.drift.world import PER_SHOP, START, Plant, World, open_world
from tests.harness import Given, Outcome, run_from_terminal, say

BEGIN = START + timedelta(minutes=20)
SPREAD = timedelta(minutes=12)
STEP = timedelta(seconds=10)
GIVEN_UP = timedelta(minutes=45)
"""What is not found by then counts as missed and not as late."""
GATEWAY = (*gateway.KINDS, "pending")
ALL = (*GATEWAY, *shops.KINDS, *practice.KINDS, *stores.KINDS)
FAULT_EVERY = timedelta(minutes=7)
"""How often an account's list of its news does not come, or comes in part."""
_WORD = "per-shop"


def main(words: Sequence[str] | None = None) -> int:
    asked = f"so many customers in each account; as many as are needed, at most {PER_SHOP}"
    return run_from_terminal(
        "drift", 1000, run, 2.0, words, plants=tuple(PLANTS), sizes={_WORD: asked}
    )


def run(given: Given) -> Outcome:
    chance = random.Random(given.seed)
    kinds = [ALL[number % len(ALL)] for number in range(given.n)]
    kinds += [kind for kind in stores.UNSEEN for _ in range(max(1, given.n // 300))]
    sizes = _Sizes(kinds, given.n, given.sizes.get(_WORD, 0))
    opened = {platform: sizes.accounts(platform) for platform in stores.OF_STORE}
    with open_world(given, sizes.accounts(_SYSTEME), opened) as world:
        plants = _prepare(world, kinds, sizes, chance)
        say(f"{len(plants)} differences are going to be made")
        for account in world.stores.values():
            account.begin()
        world.clock.at = BEGIN
        judge = Judge(world)
        with PLANTS[given.plant]() if given.planted else nullcontext():
            _live(world, plants, judge, chance, GIVEN_UP if not given.planted else timedelta())
        return _told(judge)


_SYSTEME = "systeme"


@dataclass(frozen=True, slots=True)
class _Sizes:
    """How many customers and accounts there are. `wished` in each account; 0 leaves it to us."""

    kinds: Sequence[str]
    n: int
    wished: int

    def controls(self, platform: str) -> int:
        """As many as there are stores, together, for what is of them."""
        return max(4, self.n // 30 if platform in stores.OF_STORE else self.n // 10)

    def needed(self, platform: str) -> int:
        named = shops.KINDS if platform == _SYSTEME else [*stores.KINDS, *stores.UNSEEN]
        mine = [kind for kind in self.kinds if kind in named]
        if platform != _SYSTEME:
            mine = [kind for kind in mine if stores.store_of(kind) == platform]
        return len(mine) + self.controls(platform)

    def accounts(self, platform: str) -> int:
        return -(-self.needed(platform) // (self.wished or PER_SHOP))

    def parts(self, platform: str) -> list[int]:
        """The customers of each account."""
        each = self.wished or PER_SHOP
        all_of_it = self.accounts(platform) * each if self.wished else self.needed(platform)
        return [min(each, all_of_it - start) for start in range(0, all_of_it, each)]


def _moments(number: int, chance: random.Random) -> list[datetime]:
    return sorted(BEGIN + SPREAD * chance.random() for _ in range(number))


def _prepare(
    world: World, kinds: Sequence[str], sizes: _Sizes, chance: random.Random
) -> list[Plant]:
    plants: list[Plant] = []
    people = _people(world, sizes)
    in_stores = {platform: _in_stores(world, platform, sizes) for platform in stores.OF_STORE}
    for kind in (*ALL, *stores.UNSEEN):
        moments = _moments(kinds.count(kind), chance)
        if kind in shops.KINDS:
            plants += shops.plants(world, kind, moments, people)
        elif kind in practice.KINDS:
            plants += practice.plants(world, kind, moments)
        elif kind in GATEWAY:
            plants += gateway.plants(world, kind, moments)
        else:
            plants += stores.plants(kind, moments, in_stores)
    controls = sizes.controls(_SYSTEME)
    shops.plant_controls(world, _moments(controls, chance), people)
    gateway.plant_controls(world, _moments(controls, chance))
    for platform, some in in_stores.items():
        stores.plant_controls(world, _moments(sizes.controls(platform), chance), some)
    bystanders = max(0, sizes.wished - sum(kind in gateway.KINDS for kind in kinds))
    list(gateway.customers(world, bystanders, refunded=True))
    return sorted(plants, key=lambda plant: plant.at)


def _people(world: World, sizes: _Sizes) -> Iterator[shops.Customer]:
    """Customers of all shops, who stand beside each other in their books by chance."""
    made: list[shops.Customer] = []
    for shop, number in zip(shops.open_shops(world), sizes.parts(_SYSTEME), strict=True):
        made += shops.customers(world, shop, number)
    world.chance.shuffle(made)
    return iter(made)


def _in_stores(world: World, platform: str, sizes: _Sizes) -> Iterator[stores.Customer]:
    """The same, of the accounts of one store."""
    accounts = [one for one in world.stores.values() if one.platform == platform]
    parts = zip(accounts, sizes.parts(platform), strict=True)
    made = list(chain.from_iterable(stores.customers(world, one, part) for one, part in parts))
    world.chance.shuffle(made)
    return iter(made)


def _live(
    world: World,
    plants: list[Plant],
    judge: Judge,
    chance: random.Random,
    given_up: timedelta,
) -> None:
    """Let time pass, step by step, until all is found or given up, and 16 minutes at least."""
    plants, next_fault = list(plants), BEGIN
    end = BEGIN + SPREAD + timedelta(minutes=16)
    while world.now < end or (judge.missing and world.now < BEGIN + given_up):
        if world.now >= next_fault:
            next_fault = world.now + FAULT_EVERY
            world.stripe.fail(chance.choice(("unavailable", "truncated")), on="GET /v1/events")
            for account in world.stores.values():
                account.stumble(chance)
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
    unseen = [one for one in judge.planted if one.kind in stores.UNSEEN]
    seen_after_all = [one for one in unseen if one.found_at is not None]
    late = [one for one in judge.planted if one.is_late]
    found = [one for one in judge.due if one.found_at is not None]
    waits = sorted((one.found_at - one.at).total_seconds() / 60 for one in found if one.found_at)
    counts: dict[str, int | float] = {
        "planted": len(judge.due),
        "found": len(found),
        "missed": len(missed),
        "false": len(false),
        "doubled": len(doubled),
        "late": len(late),
        "unseen": len(unseen) - len(seen_after_all),
        "seen_after_all": len(seen_after_all),
        "slowest_minutes": round(waits[-1], 1) if waits else 0,
        "median_minutes": round(waits[len(waits) // 2], 1) if waits else 0,
    }
    counts |= {f"found_{kind}": sum(one.kind == kind for one in found) for kind in ALL}
    counts |= {f"minutes_{kind}": _slowest(found, kind) for kind in ALL}
    sentences = [
        *(f"missed: {one.kind} {one.key}" for one in missed),
        *(f"late: {one.kind} {one.key}, found {one.found_at}" for one in late),
        *(f"seen after all: {one.kind} {one.key}" for one in seen_after_all),
        *(f"not there: {words}" for words in false),
        *(f"doubled: {words}" for words in doubled),
    ]
    failures = ("missed", "false", "doubled", "late", "seen_after_all")
    return Outcome(counts, failures, sentences)


if __name__ == "__main__":
    sys.exit(main())
