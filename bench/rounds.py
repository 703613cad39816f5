"""Servers loaded in turns, in an order that chance decides, so that all meet the same machine."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench.load import Load, send_all
from bench.servers import Server

CONNECTIONS: Final = 16


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server, and how `number` of its requests from a place on are made, each sent once only."""

    server: Server
    requests: Callable[[int, int], Iterator[bytes]]
    number: int


@dataclass(frozen=True, slots=True)
class Round:
    """One load on one server: what came back, and the CPU its processes took per answer."""

    load: Load
    cpu_us: float


Measured = Mapping[str, Sequence[Round]]


def take_turns(
    contestants: Mapping[str, Contestant], rounds: int, warm_up: int, seed: int
) -> dict[str, list[Round]]:
    """Load each `rounds` times, after `warm_up` requests that do not count."""
    chance = random.Random(seed)
    measured: dict[str, list[Round]] = {name: [] for name in contestants}
    for one in contestants.values():
        send_all(one.server.port, one.requests(0, warm_up), CONNECTIONS)
    for turn in range(rounds):
        for name in chance.sample(sorted(contestants), len(contestants)):
            one = contestants[name]
            made = list(one.requests(warm_up + turn * one.number, one.number))
            before = one.server.cpu_seconds()
            load = send_all(one.server.port, made, CONNECTIONS)
            cpu = one.server.cpu_seconds() - before
            measured[name].append(Round(load, cpu / one.number * 1e6))
    return measured


def compared(measured: Measured, one: str, other: str, what: Callable[[Load], float]) -> float:
    """The median over the turns: what was loaded one after the other had the same machine."""
    pairs = zip(measured[one], measured[other], strict=True)
    return median(what(mine.load) / what(its.load) for mine, its in pairs)


def speed_ratio(measured: Measured, one: str, other: str) -> float:
    """How many answers a second, against the other."""
    return compared(measured, one, other, lambda load: load.per_second)


def row(name: str, rounds: Sequence[Round]) -> tuple[str, ...]:
    """A line of the table: see `HEAD`."""
    speeds = [one.load.per_second for one in rounds]
    return (
        name,
        f"{median(speeds):.0f}",
        f"{min(speeds):.0f}-{max(speeds):.0f}",
        f"{_milliseconds(rounds, 0.5):.1f}",
        f"{_milliseconds(rounds, 0.99):.1f}",
        f"{median(one.cpu_us for one in rounds):.0f}",
    )


HEAD: Final = ("accepts/s", "range", "p50 ms", "p99 ms", "CPU us/accept")


def _milliseconds(rounds: Sequence[Round], share: float) -> float:
    return median(one.load.percentile(share) for one in rounds) * 1000
