"""A feeder over rows and an engine that do as they are told."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from plugin.domain.ids import TenantId
from plugin.ports.records import DueWork
from plugin.ports.storage import Storage
from plugin.workflows.engine import Engine, Standing
from plugin.workflows.feeder import (
    Feeder,
)
from tests.factories import TENANT
from tests.storage_fixtures import FakeClock

OVER = Standing(is_over=True, executor="one")
OVER_THERE = Standing(is_over=True, executor="two")
TAKEN = Standing(is_over=True, executor="two", was_taken=True)
OURS = Standing(is_over=False, executor="one")
THEIRS = Standing(is_over=False, executor="two")
STRANGERS = Standing(is_over=False, executor="of-an-older-version")
QUEUED = Standing(is_over=False, executor=None)
OTHER = TenantId("tenant-2")


@dataclass(frozen=True, slots=True)
class Told(Engine):
    """An engine that starts nothing: the test says how far each name is."""

    executor: str = "one"
    known: dict[str, Standing] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    in_hand: set[str] = field(default_factory=set)
    waits: list[tuple[int, float]] = field(default_factory=list)

    def start(self, kind: str, name: str, tenant: str, ref: str) -> bool:
        if name in self.known:
            return False
        self.started.append(name)
        self.in_hand.add(name)
        self.known[name] = Standing(is_over=False, executor=self.executor)
        return True

    def has_in_hand(self, name: str) -> bool:
        return name in self.in_hand

    def wait_until_in_hand(self, most: int, seconds: float) -> bool:
        self.waits.append((most, seconds))
        return len(self.in_hand) <= most

    def let_go(self, name: str) -> None:
        self.in_hand.discard(name)

    def standings(self, names: Collection[str]) -> Mapping[str, Standing]:
        return {name: self.known[name] for name in names if name in self.known}

    def take_away(self, name: str) -> None:
        self.known[name] = TAKEN


@dataclass
class Rows:
    """Rows that are due, oldest first. Implements the part of `Storage` that a feeder uses."""

    works: list[DueWork] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)
    broken: int = 0

    def due(self, _now: datetime, limit: int) -> Sequence[DueWork]:
        self.limits.append(limit)
        if self.broken:
            self.broken -= 1
            raise OSError("the database is away, about ana@mail.example")
        return self.works[:limit]


@dataclass
class Bench:
    """A feeder over rows and an engine that do as they are told. `living` are the executors."""

    living: frozenset[str]
    rows: Rows = field(default_factory=Rows)
    engine: Told = field(default_factory=Told)
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        rows = cast("Storage", self.rows)
        self.feeder = Feeder(rows, self.engine, self.clock, lambda: self.living)

    def due(self, *refs: str, wakes: int = 0, tenant: TenantId = TENANT) -> None:
        self.rows.works = [DueWork("run", tenant, ref, wakes) for ref in refs]

    def feed(self, times: int = 1, **later: float) -> list[str]:
        """Let time pass, feed, and say what was started since."""
        self.clock.advance(**later)
        before = len(self.engine.started)
        for _ in range(times):
            self.feeder.feed()
        return self.engine.started[before:]

    def end(self, name: str) -> None:
        """Its work ended without moving its row."""
        self.engine.known[name] = OVER
        self.engine.in_hand.discard(name)
