"""The time of a run: news on their way, work that is due, one after the other on one clock."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from unittest.mock import patch

from sqlalchemy import func, select

from plugin.domain.events import StoreEvent
from plugin.domain.ids import DeliveryId, InstallationId, RefundId, RunId
from plugin.ports.news import News
from plugin.ports.records import DeliveryState, StoredDelivery, Sweep
from plugin.services import sweep_account
from plugin.services.apply_event import apply_event
from plugin.services.applying import Application, MustAsk, MustWait, Source
from plugin.services.ask_for_others import AskForOthers
from plugin.services.carry_out import CarryOut
from plugin.services.send_refund import SendRefund
from plugin.services.sweep_account import SweepAccount
from plugin.storage import tables as t
from plugin.storage.database import connect_to_read
from plugin.storage.prepared import Prepared
from tests.factories import BANK, STORE, TENANT, a_delivery
from tests.fakes.platforms import FakeMailer, FakePlatforms, one_after_the_other
from tests.histories.ending import LOOKS_WITHOUT_END
from tests.histories.model import Step
from tests.histories.outside import Telling
from tests.histories.template import BEGIN, Database
from tests.storage_fixtures import FakeClock

_NEXT_WAKES = Prepared(
    select(
        *(
            select(func.min(table.c.wake_at)).scalar_subquery().label(table.name)
            for table in (t.refunds, t.runs, t.deliveries)
        )
    )
)


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


@dataclass(slots=True)
class NumberedMint:
    """Ids in a row. Implements `plugin.ports.Mint`."""

    numbers: Iterator[int]

    def id(self) -> str:
        return f"minted-{next(self.numbers)}"

    def secret(self) -> str:
        return self.id()


class Clockwork:
    """The product at work on a clock that jumps to whatever comes next."""

    def __init__(self, database: Database, clock: FakeClock, platforms: FakePlatforms) -> None:
        self.storage, self.engine = database.storage, database.engine
        self.clock, self.platforms, self.mailer = clock, platforms, FakeMailer()
        self.numbers = count(1)
        self.queue: list[Heard] = []
        self.news: list[Heard] = []
        self.dropped: dict[tuple[str, ...], Heard] = {}
        self.listed: dict[str, Heard] = {}
        self.taken_in = 0
        self.count = 0
        self.looks = 0

    def find_dropped(self) -> None:
        """What we never heard of is found by the sweep, in the news that the platforms list.

        What was heard lies in the inbox already, under the name that the list gives it too.
        """
        listed = [*self.news, *self.dropped.values()]
        self.listed = {heard.name: heard for heard in listed}
        by_account: dict[InstallationId, list[News]] = {STORE: [], BANK: []}
        for heard in sorted(listed):
            by_account[heard.account].append(News(heard.name, heard.step, heard.at, b"{}"))
        with self.storage.begin(TENANT) as uow:
            for heard in self.news:
                uow.deliveries.add(self._heard_delivery(heard))
            for account in by_account:
                uow.sweeps.begin(Sweep(account, BEGIN, None, self.clock.at))
            uow.commit()
        for account, news in by_account.items():
            adapter = self.platforms.adapters[account]
            assert isinstance(adapter, Telling)
            adapter.listed = news
        self.sweep_all()

    def sweep_all(self) -> None:
        """Read what is listed, and compare what everybody holds with the books."""
        sweep = SweepAccount(self.storage, self.platforms, self.clock, NumberedMint(self.numbers))
        # All in one window: forty days of six hours each would say the same, and take long.
        with patch.object(sweep_account, "WINDOW", timedelta(days=3650)):
            for account in (STORE, BANK):
                swept = sweep.now(TENANT, account)
                assert swept is not None
                assert not swept.reason
                self.taken_in += swept.taken_in

    def differences(self) -> list[str]:
        """What two sweeps find to differ outside from the books, now that all is over."""
        self.sweep_all()
        self.clock.advance(minutes=3)
        self.sweep_all()
        with self.storage.read(TENANT) as uow:
            found = uow.drifts.open(50)
        return [f"{d.difference.kind} {d.difference.subject} at {d.installation}" for d in found]

    def _heard_delivery(self, heard: Heard) -> StoredDelivery:
        return a_delivery(
            f"heard-{heard.number}",
            tenant=TENANT,
            installation=heard.account,
            name=heard.name,
            state=DeliveryState.APPLIED,
            received_at=heard.at,
            wake_at=None,
        )

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
        with connect_to_read(self.engine, alone=True) as db:  # what `due` reads, for any time
            (wakes,) = _NEXT_WAKES.rows(db, {})
        return min((at for at in wakes if at is not None), default=None)

    def _work(self) -> None:
        for work in self.storage.due(self.clock.at, 100):
            if work.kind == "refund":
                SendRefund(self.storage, self.platforms, self.clock)(TENANT, RefundId(work.ref))
            elif work.kind == "delivery":
                self._take_out(DeliveryId(work.ref))
            elif work.kind == "run":
                carry_out = CarryOut(
                    self.storage, self.platforms, self.mailer, self.clock, one_after_the_other
                )
                carry_out(TENANT, RunId(work.ref))

    def _take_out(self, delivery: DeliveryId) -> None:
        """News that the sweep took in are applied like any other."""
        with self.storage.begin(TENANT) as uow:
            stored = uow.deliveries.get(delivery)
            assert stored is not None
            uow.deliveries.settle(delivery, DeliveryState.APPLIED)
            uow.commit()
        self.apply(replace(self.listed[stored.name], at=self.clock.at))

    def hear(self, heard: Heard) -> None:
        """It will reach us at its time."""
        heapq.heappush(self.queue, heard)

    def apply(self, heard: Heard) -> None:
        """As dispatch does: nothing is kept of what must wait."""
        self.count += 1
        now = self.clock.at
        received_at = heard.received_at or now
        source = Source(DeliveryId(heard.name), heard.account, "Test shop", received_at)
        outcome = self._outcome(heard, source)
        while isinstance(outcome, MustAsk):
            ask = AskForOthers(self.storage, self.platforms, one_after_the_other)
            assert ask(TENANT, outcome.customer)
            source = replace(source, asked=source.asked | {outcome.customer})
            outcome = self._outcome(heard, source)
        if isinstance(outcome, MustWait):
            self.hear(replace(heard, at=max(outcome.until, now), received_at=received_at))

    def _outcome(self, heard: Heard, source: Source) -> Application:
        with self.storage.begin(TENANT) as uow:
            outcome = apply_event(uow, heard.event, source, self.clock.at)
            if not isinstance(outcome, MustWait | MustAsk):
                uow.commit()
        return outcome

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
