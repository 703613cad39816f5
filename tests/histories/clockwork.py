"""The time of a run: news on their way, work that is due, one after the other on one clock."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count

from sqlalchemy import select

from plugin.domain.events import StoreEvent
from plugin.domain.ids import DeliveryId, InstallationId, RefundId, RunId
from plugin.services.apply_event import apply_event
from plugin.services.applying import MustWait, Source
from plugin.services.carry_out import CarryOut
from plugin.services.send_refund import SendRefund
from plugin.storage import tables as t
from plugin.storage.database import connect_to_read
from tests.factories import TENANT
from tests.fakes.platforms import FakeMailer, FakePlatforms
from tests.histories.ending import LOOKS_WITHOUT_END
from tests.histories.model import Step
from tests.histories.template import Database
from tests.storage_fixtures import FakeClock


@dataclass(order=True, slots=True)
class Heard:
    """A piece of news on its way to us."""

    at: datetime
    number: int
    step: str = field(compare=False)
    name: str = field(compare=False)
    event: StoreEvent = field(compare=False)
    account: InstallationId = field(compare=False)
    received_at: datetime | None = field(compare=False, default=None)


class Clockwork:
    """The product at work on a clock that jumps to whatever comes next."""

    def __init__(self, database: Database, clock: FakeClock, platforms: FakePlatforms) -> None:
        self.storage, self.engine = database.storage, database.engine
        self.clock, self.platforms, self.mailer = clock, platforms, FakeMailer()
        self.numbers = count(1)
        self.queue: list[Heard] = []
        self.news: list[Heard] = []
        self.dropped: dict[tuple[str, ...], Heard] = {}
        self.count = 0
        self.looks = 0

    def find_dropped(self) -> None:
        """What we never heard of is found by asking the store's API."""
        for heard in sorted(self.dropped.values()):
            self.hear(replace(heard, at=self.clock.at, name=f"{heard.name}-read"))

    def repeat_all(self, chance: random.Random) -> None:
        """Every piece of news comes once more, in any order."""
        again = list(self.news)
        chance.shuffle(again)
        for heard in again:
            self.hear(replace(heard, at=self.clock.at, number=next(self.numbers)))

    def live_until(self, end: datetime) -> None:
        """Hear and do all whose time comes, one after the other."""
        while True:
            self.looks += 1
            if self.looks > LOOKS_WITHOUT_END:
                return  # it is stuck, and is told as that
            heard = self.queue[0].at if self.queue else None
            wakes = self._next_wake()
            moments = [at for at in (heard, wakes) if at is not None and at <= end]
            if not moments:
                self.clock.at = max(self.clock.at, end)
                return
            self.clock.at = max(self.clock.at, min(moments))
            if heard is not None and heard == min(moments):
                self.apply(heapq.heappop(self.queue))
            else:
                self._work()

    def _next_wake(self) -> datetime | None:
        with connect_to_read(self.engine) as db:  # what `due` reads, for any time
            wakes = [
                db.execute(
                    select(table.c.wake_at)
                    .where(table.c.wake_at.is_not(None))
                    .order_by(table.c.wake_at)
                    .limit(1)
                ).scalar()
                for table in (t.refunds, t.runs)
            ]
        return min((at for at in wakes if at is not None), default=None)

    def _work(self) -> None:
        for work in self.storage.due(self.clock.at, 100):
            if work.kind == "refund":
                SendRefund(self.storage, self.platforms, self.clock)(TENANT, RefundId(work.ref))
            else:
                carry_out = CarryOut(self.storage, self.platforms, self.mailer, self.clock)
                carry_out(TENANT, RunId(work.ref))

    def hear(self, heard: Heard) -> None:
        """It will reach us at its time."""
        heapq.heappush(self.queue, heard)

    def apply(self, heard: Heard) -> None:
        """As dispatch does: nothing is kept of what must wait."""
        self.count += 1
        now = self.clock.at
        received_at = heard.received_at or now
        source = Source(DeliveryId(heard.name), heard.account, "Test shop", received_at)
        with self.storage.begin(TENANT) as uow:
            outcome = apply_event(uow, heard.event, source, now)
            if not isinstance(outcome, MustWait):
                uow.commit()
        if isinstance(outcome, MustWait):
            self.hear(replace(heard, at=max(outcome.until, now), received_at=received_at))

    def send(
        self,
        step: Step,
        kind: str,
        event: StoreEvent,
        account: InstallationId,
        about: tuple[str, ...],
    ) -> None:
        """Put news on its way, with the delays that the step gives.

        A later word on what a dropped one was about takes its place: an API tells the latest.
        """
        delays = step["heard"].get(kind, [0])
        self.dropped.pop(about, None)
        name = f"{step['id']}.{kind}.{next(self.numbers)}"
        heard = Heard(self.clock.at, next(self.numbers), step["id"], name, event, account)
        if not delays:
            self.dropped[about] = heard
            return
        for number, delay in enumerate(delays):
            again = name if number % 2 == 0 else f"{name}-again"
            at = self.clock.at + timedelta(minutes=delay)
            one = replace(heard, at=at, name=again, number=next(self.numbers))
            self.news.append(one)
            self.hear(one)
