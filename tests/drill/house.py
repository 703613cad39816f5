"""What is done in a house of the drill: an agent decides, a worker works, and the copy is made."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import select

from plugin.app import Parts, worker_tasks
from plugin.domain.ids import PlanId, RefundId
from plugin.services.decide_refund import UndoRefund
from plugin.storage import tables as t
from tests.harness import Given
from tests.kill.clock import SharedClock
from tests.kill.drain import open_rows, reading
from tests.overtake.room import Room
from tests.shared_house import SharedHouse, World
from tests.storage_fixtures import PostgresServer

Order = dict[str, Any]
ROUNDS = 100_000


@dataclass(slots=True)
class Drill:
    """One house, open, with its agent and its worker."""

    house: SharedHouse
    world: World
    parts: Parts
    chance: random.Random
    room: Room = field(init=False)
    sold: int = 0

    def __post_init__(self) -> None:
        self.room = Room(self.house, self.parts, worker_tasks(self.parts))

    @property
    def clock(self) -> SharedClock:
        assert isinstance(self.parts.clock, SharedClock)
        return self.parts.clock

    def sell(self) -> Order:
        """A new customer with one order, of which two fifths shall come back: twice would fit."""
        self.sold += 1
        email = f"customer-{self.sold}@customer.test"
        paid = self.chance.randint(1000, 50_000)
        with self.world.stripe.lock:
            customer = self.world.stripe.books.add_customer(email)["id"]
            charge = self.world.stripe.books.sell(paid, customer=customer)["id"]
        ticket = self.world.desk.ask(email)
        return {"charge": charge, "email": email, "ticket": ticket, "amount": paid * 2 // 5}

    def send(self, refund: str) -> None:
        self.room.tasks["refund"](self.house.tenant, refund)

    def undo(self, refund: str) -> None:
        """An agent takes it back in time."""
        with self.parts.house.storage.read(self.house.tenant_id) as uow:
            found = uow.refunds.get(RefundId(refund))
        assert found is not None
        undo = UndoRefund(self.parts.house.storage)
        assert undo(self.house.tenant_id, PlanId(found.plan), "Kim Agent", self.clock.now())

    def work(self, until: Callable[[], bool], kinds: Collection[str] = ()) -> bool:
        """Do what is due (of these kinds) until it is so. Where nothing is, the clock jumps.

        False when it is not so, and nothing will ever be due.
        """
        for _ in range(ROUNDS):
            if until():
                return True
            due = self.parts.house.storage.due(self.clock.now(), 1000)
            for work in due:
                if not kinds or work.kind in kinds:
                    self.room.tasks[work.kind](work.tenant, work.ref)
            if not due and not self._jump():
                return False
        return False

    def _jump(self) -> bool:
        """To the next moment at which something is due."""
        with reading(self.parts) as db:
            wakes = [
                at
                for table in (t.deliveries, t.refunds, t.runs, t.sweeps, t.holds)
                for at in db.scalars(
                    select(table.c.wake_at)
                    .where(table.c.wake_at > self.clock.now())
                    .order_by(table.c.wake_at)
                    .limit(1)
                )
                if isinstance(at, datetime)
            ]
        if not wakes:
            return False
        self.clock.jump(max(0.0, (min(wakes) - self.clock.now()).total_seconds()) + 0.001)
        return True

    def is_at_rest(self) -> bool:
        return not any(True for _ in open_rows(self.parts))

    def is_held(self) -> bool:
        with self.parts.house.storage.read(self.house.tenant_id) as uow:
            return bool(uow.holds.all())


def elsewhere(house: SharedHouse, database: str) -> SharedHouse:
    """The same business in a new folder, or a new database; its keys are the same."""
    folder = Path(house.folder) / "restored"
    folder.mkdir()
    (folder / "clock").hardlink_to(Path(house.folder) / "clock")
    return replace(house, folder=str(folder), database=database)


@contextmanager
def empty_database(given: Given) -> Iterator[str]:
    """Another one on the same server; empty for SQLite."""
    if not given.database:
        yield ""
        return
    server = PostgresServer(given.database)
    name = f"mg_drill_{uuid4().hex}"
    try:
        yield server.create(name)
    finally:
        server.drop(name)


def left(world: World) -> int:
    """How much left us so far: refund calls, writes at the desk, mails."""
    with world.stripe.lock:
        refunds = sum(call[:2] == ("POST", "/v1/refunds") for call in world.stripe.calls)
    told = world.desk.report()
    return refunds + len(told["comments"]) + len(told["mails"])
