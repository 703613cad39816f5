"""Taking over from the dead: all that they had in hand, by whoever comes first, and no money twice.

The last tests run real workers on PostgreSQL, with a gateway that takes its time.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from plugin.app import worker_tasks
from plugin.domain.ids import RefundId, TenantId
from plugin.domain.orders import PaymentRef
from plugin.domain.refunds import RefundState
from plugin.ports.storage import Storage
from plugin.workflows.engine import Engine, Unfinished, launch
from plugin.workflows.feeder import DEAF_SECONDS
from plugin.workflows.heart import BEAT, DEAD_AFTER, FENCE, Heart
from plugin.workflows.takeover import EVERY_SECONDS, Takeover
from tests.factories import NOW, TENANT
from tests.harness import Given
from tests.kill.drain import open_rows
from tests.overtake.room import Room
from tests.platforms.stripe.fake import FakeStripe
from tests.shared_house import STRIPE, SharedHouse, World, build_shared_house
from tests.storage_fixtures import FakeClock
from tests.workflows.place import ON_POSTGRESQL, ON_SQLITE, PATIENCE_SECONDS, ROOT, Place
from tests.workflows.test_worker import kept, refund_in


@dataclass(frozen=True, slots=True)
class Told(Engine):
    """An engine that others left work in."""

    executor: str = "one"
    left: list[Unfinished] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)

    def unfinished(self, of: Collection[str] | None = None) -> Sequence[Unfinished]:
        return [one for one in self.left if of is None or one.executor in of]

    def take_away(self, name: str) -> None:
        self.taken.append(name)


@dataclass
class Judge:
    """A heart that says whether it may judge others."""

    may_judge: bool = True


@dataclass
class Roll:
    """Who lives and who is silent. Implements the part of `Storage` that is asked for it."""

    living: frozenset[str] = frozenset({"one", "two"})
    silent: frozenset[str] = frozenset()
    woken: list[tuple[str, str, int]] = field(default_factory=list)

    def living_workers(self, _within: object) -> frozenset[str]:
        return self.living

    def silent_workers(self, _since: object) -> frozenset[str]:
        return self.silent

    def wake_claimed(self, tenant: TenantId, refund: RefundId, wakes: int, _now: object) -> bool:
        self.woken.append((tenant, refund, wakes))
        return True


def left(name: str, executor: str) -> Unfinished:
    kind, ref, _ = name.split(":")
    return Unfinished(name, kind, TENANT, ref, executor)


@dataclass
class Scene:
    """A taker among others."""

    roll: Roll = field(default_factory=Roll)
    engine: Told = field(default_factory=Told)
    judge: Judge = field(default_factory=Judge)

    def __post_init__(self) -> None:
        self.takeover = Takeover(
            cast("Storage", self.roll), self.engine, cast("Heart", self.judge), FakeClock()
        )


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    names = ("refund:r:4/2", "run:x:0", "delivery:d:1")
    made.engine.left.extend(left(name, "two") for name in names)
    made.engine.left.append(left("run:mine:0", "one"))
    return made


def test_all_that_a_dead_worker_had_is_taken_and_its_refund_is_woken(scene: Scene) -> None:
    scene.roll.silent = frozenset({"two"})

    assert scene.takeover.look() == 3
    assert scene.engine.taken == ["refund:r:4/2", "run:x:0", "delivery:d:1"]
    # Found at its wake number 4, claimed as number 5.
    assert scene.roll.woken == [(TENANT, "r", 5)]


def test_from_the_living_and_from_itself_nothing_is_taken(scene: Scene) -> None:
    assert scene.takeover.look() == 0
    scene.roll.silent = frozenset({"one"})
    assert scene.takeover.look() == 0
    assert scene.engine.taken == []
    assert scene.takeover.living == {"one", "two"}


def test_who_was_cut_off_itself_takes_nothing(scene: Scene) -> None:
    """When the database was away, everybody was silent."""
    scene.roll.silent = frozenset({"two"})
    scene.judge.may_judge = False

    assert scene.takeover.look() == 0
    assert scene.engine.taken == []


def test_who_is_alone_takes_everything(scene: Scene) -> None:
    scene.judge.may_judge = False

    assert scene.takeover.take_all() == 4


def test_it_does_not_look_with_every_feed(scene: Scene) -> None:
    scene.roll.silent = frozenset({"two"})
    for _ in range(5):
        scene.takeover.look_by_and_by()

    assert len(scene.engine.taken) == 3


def test_the_times_of_a_takeover_add_up_to_less_than_fifteen_seconds() -> None:
    """Silence, a look that was just missed, the feeder's own wait; the rest is for the work."""
    until_begun = DEAD_AFTER.total_seconds() + EVERY_SECONDS + DEAF_SECONDS

    assert until_begun <= 15 - 5
    assert BEAT < FENCE < DEAD_AFTER


# --- which refunds are woken ----------------------------------------------------------------------


def test_only_the_call_that_the_dead_worker_began_is_woken(place: Place) -> None:
    calling = refund_in(place.storage, "plan-1", RefundState.SUBMITTING)
    unknown = refund_in(place.storage, "plan-2", RefundState.UNKNOWN)

    def wake(ref: RefundId, wakes: int, tenant: str = TENANT) -> bool:
        return place.storage.wake_claimed(TenantId(tenant), ref, wakes, NOW)

    assert not wake(calling.id, calling.wakes + 1)
    assert not wake(calling.id, calling.wakes - 1)
    assert not wake(calling.id, calling.wakes, "tenant-2")
    assert not wake(unknown.id, unknown.wakes)
    assert kept(place.storage, calling.id) == calling
    assert kept(place.storage, unknown.id) == unknown

    assert wake(calling.id, calling.wakes)
    assert kept(place.storage, calling.id) == replace(calling, wake_at=NOW)
    assert not wake(calling.id, calling.wakes)  # of two takers one wakes it


# --- with the real engine -------------------------------------------------------------------------


@ON_SQLITE
def test_what_was_taken_away_is_over_however_often_and_never_begun_again(place: Place) -> None:
    place.receive("d-1", "d-2")
    dead = place.hire("hang", executor="two")
    place.until(lambda: place.told("begun d-1") and place.told("begun d-2"))
    dead.kill()
    dead.wait()
    begun: list[str] = []

    engine = launch(place.engine_file, "one", {"delivery": lambda _, ref: begun.append(ref)})
    try:
        found = {one.name: one for one in engine.unfinished(["two"])}
        assert found.keys() == {"delivery:d-1:0", "delivery:d-2:0"}
        one = found["delivery:d-1:0"]
        assert one == Unfinished(one.name, "delivery", TENANT, "d-1", "two")
        assert one.wakes == 0
        assert engine.unfinished(["three"]) == []
        assert len(engine.unfinished()) == 2

        for _ in range(2):
            engine.take_away(one.name)
        engine.start("delivery", one.name, TENANT, "d-1")
        standing = engine.standings([one.name])[one.name]
        assert (standing.is_over, standing.was_taken) == (True, True)
        assert [other.name for other in engine.unfinished(["two"])] == ["delivery:d-2:0"]
    finally:
        engine.stop(5)
    assert begun == []


# --- real workers, a slow gateway -----------------------------------------------------------------


@dataclass
class Shop:
    """A house on PostgreSQL with the world around it, and workers that may be killed."""

    house: SharedHouse
    world: World
    room: Room
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def refund(self, number: int) -> tuple[str, int]:
        """Sell something and decide to refund half of it; due at once. (charge, ticket)."""
        email = f"customer-{number}@customer.test"
        with self.world.stripe.lock:
            customer = self.world.stripe.books.add_customer(email)["id"]
            charge = self.world.stripe.books.sell(4000, customer=customer)["id"]
        ticket = self.world.desk.ask(email)
        self.room.refund(charge, email, ticket, 2000)
        return charge, int(ticket)

    def hire(self) -> subprocess.Popen[bytes]:
        with self.house.log.open("ab") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "tests.workflows.hired", str(self.house.file)],
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        self.workers.append(worker)
        return worker

    def states(self, charges: Sequence[str]) -> set[RefundState]:
        with self.room.parts.house.storage.read(self.house.tenant_id) as uow:
            return {
                refund.state
                for charge in charges
                for refund in uow.refunds.of_payment(PaymentRef(STRIPE, charge))
            }

    def living(self, within: timedelta = DEAD_AFTER) -> frozenset[str]:
        return self.room.parts.house.storage.living_workers(within)

    def is_at_rest(self) -> bool:
        return not list(open_rows(self.room.parts))

    def until(self, is_so: Callable[[], object]) -> float:
        """Seconds until it was so."""
        begun = time.monotonic()
        while not is_so():
            assert time.monotonic() - begun < PATIENCE_SECONDS, self.house.log.read_text("utf-8")
            time.sleep(0.05)
        return time.monotonic() - begun

    def end(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()


@pytest.fixture
def shop(tmp_path: Path, empty_database_url: str) -> Iterator[Shop]:
    begun = time.time()
    with ExitStack() as stack:
        given = Given(1, 20261122, tmp_path, empty_database_url, planted=False)
        house, world = build_shared_house(stack, given, FakeStripe(), begun)
        parts = house.parts()
        stack.callback(parts.house.engine.dispose)
        made = Shop(house, world, Room(house, parts, {"refund": lambda _tenant, _ref: None}))
        stack.callback(made.end)
        yield made


@ON_SQLITE
def test_a_worker_that_may_be_taken_for_dead_moves_no_money(shop: Shop) -> None:
    charge, _ = shop.refund(1)
    parts = shop.room.parts
    with parts.house.storage.read(shop.house.tenant_id) as uow:
        [refund] = uow.refunds.of_payment(PaymentRef(STRIPE, charge))

    worker_tasks(parts, lambda: False)["refund"](shop.house.tenant, refund.id)

    assert shop.world.stripe.books.moved() == []
    assert shop.states([charge]) == {RefundState.RESERVED}  # and is sent by whoever lives


@ON_POSTGRESQL
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_dead_workers_refunds_are_ended_by_another_and_paid_once(
    shop: Shop, how: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed for good, or stopped for as long as it takes to be taken for dead."""
    shop.world.stripe.fail("slow", seconds=12, times=3)
    sold = dict(shop.refund(number) for number in range(3))
    first = shop.hire()
    shop.until(lambda: len(shop.world.stripe.books.moved()) == 3)
    assert shop.states(list(sold)) == {RefundState.SUBMITTING}
    second = shop.hire()
    shop.until(lambda: len(shop.living()) == 2)
    first.send_signal(how)

    seconds = shop.until(lambda: shop.states(list(sold)) == {RefundState.SUCCEEDED})
    with capsys.disabled():
        print(f"[{how.name}: refunds ended after {seconds:.1f} s]", end=" ")
    shop.until(shop.is_at_rest)
    if how is signal.SIGSTOP:
        first.send_signal(signal.SIGCONT)
        first.send_signal(signal.SIGTERM)
        assert first.wait(60) == 0
    second.send_signal(signal.SIGTERM)
    assert second.wait(60) == 0

    assert Counter(one["charge"] for one in shop.world.stripe.books.moved()) == dict.fromkeys(
        sold, 1
    )
    comments = shop.world.desk.account.comments
    notes = {ticket: sum(not one["public"] for one in comments[ticket]) for ticket in sold.values()}
    assert notes == dict.fromkeys(sold.values(), 1)
    assert shop.states(list(sold)) == {RefundState.SUCCEEDED}
    # Whoever ended in order is forgotten; the killed one is remembered as dead.
    assert len(shop.living(within=timedelta(days=1))) == (how is signal.SIGKILL)
