"""The schema goes forward and back under traffic: nothing is lost, doubled or stopped by it.

The next version's migration is planted: it only adds. So the code here is "the version before", as
it stands beside the next one while that is rolled out, or after it was taken back.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import select

from plugin.app import Parts, worker_tasks
from plugin.domain.ids import RefundId
from plugin.domain.refunds import RefundState
from plugin.ports.records import DeliveryState
from plugin.serve import answers
from plugin.storage import tables as t
from plugin.storage.schema import migrate
from plugin.storage.schema_version import REVISION, read_schema_version
from tests.harness import DATABASES, Given, databases_at_hand
from tests.kill.drain import reading
from tests.kill.moody_stripe import PatientHooks
from tests.overtake.room import Room
from tests.planted_migration import NEXT, next_version
from tests.platforms.stripe.fake import FakeStripe
from tests.served import ROOT, Served, wait_for
from tests.shared_house import SharedHouse, World, build_shared_house

pytestmark = pytest.mark.timeout(600)
STEPS = (NEXT, REVISION, NEXT, REVISION, NEXT)
BETWEEN = 3
"""Refunds that are decided between two steps, at least."""


@dataclass(slots=True)
class Traffic:
    """An agent who goes on deciding. The gateway tells of each refund by webhooks."""

    house: SharedHouse
    world: World
    parts: Parts
    hooks: PatientHooks
    folder: Path
    decided: list[RefundId] = field(default_factory=list)
    broke: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        room = Room(self.house, self.parts, worker_tasks(self.parts))
        books = self.world.stripe.books
        while not self.stop.is_set():
            with self.world.stripe.lock:
                email = f"customer-{books.serial}@customer.test"
                charge = books.sell(4900, customer=books.add_customer(email)["id"])["id"]
            try:
                ticket = self.world.desk.ask(email)
                self.decided.append(RefundId(room.decide(charge, email, ticket, 900)))
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody may be turned away
                self.broke.append(repr(error))
                return

    @contextmanager
    def served(self) -> Iterator[subprocess.Popen[bytes]]:
        """`makegood serve` on the house, until the end of the block, where it drains."""
        place = Served(self.folder, port=self.house.door)
        with (self.folder / "serve.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "plugin.cli", "serve"],
                cwd=ROOT,
                env=place.environment | self.house.environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            wait_for(lambda: answers("127.0.0.1", self.house.door) or process.poll() is not None)
            assert process.poll() is None, self.log
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.wait(40) == 0
        finally:
            for one in place.processes():
                one.kill()
            process.wait()

    @property
    def log(self) -> str:
        return (self.folder / "serve.log").read_text("utf-8", "replace")

    def states(self) -> Counter[str]:
        with reading(self.parts) as db:
            return Counter(db.scalars(select(t.refunds.c.state)))

    def open_deliveries(self) -> dict[str, str]:
        """Those that were acknowledged and are not applied, or not there."""
        with reading(self.parts) as db:
            rows = db.execute(select(t.deliveries.c.name, t.deliveries.c.state))
            states = {row.name: str(row.state) for row in rows}
        over = (DeliveryState.APPLIED, DeliveryState.IGNORED)
        return {
            name: states.get(name, "lost")
            for name in list(self.hooks.acknowledged)
            if states.get(name) not in over
        }


@pytest.fixture(params=DATABASES)
def traffic(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Traffic]:
    now = time.time()
    with ExitStack() as stack:
        databases = stack.enter_context(databases_at_hand(request.param))
        database = stack.enter_context(databases.fresh())
        stripe = FakeStripe()
        hooks = PatientHooks(lambda: int(time.time()), random.Random(1))
        stripe.hooks = hooks
        given = Given(1, 1, tmp_path, database, planted=False)
        house, world = build_shared_house(stack, given, stripe, now)
        parts = house.parts()
        stack.callback(parts.house.engine.dispose)
        yield Traffic(house, world, parts, hooks, tmp_path)


def test_nothing_is_lost_or_doubled_while_the_schema_goes_forward_and_back(
    traffic: Traffic, tmp_path: Path
) -> None:
    versions = tmp_path / "versions"
    versions.mkdir()
    next_version(versions)
    engine = traffic.parts.house.engine
    with traffic.served() as serving:
        agent = threading.Thread(target=traffic.run, daemon=True)
        agent.start()
        try:
            for step in STEPS:
                enough = len(traffic.decided) + BETWEEN
                wait_for(lambda: len(traffic.decided) >= enough or traffic.broke)  # noqa: B023 - called at once
                assert traffic.broke == []
                migrate(engine, step, versions=[versions])
        finally:
            traffic.stop.set()
            agent.join(60)
        wait_for(lambda: set(traffic.states()) == {RefundState.SUCCEEDED}, 120)
        wait_for(lambda: not traffic.open_deliveries(), 60)
        assert serving.poll() is None

    with engine.connect() as db:
        found = read_schema_version(db)
    assert found is not None
    assert (found.revision, found.oldest_code) == (NEXT, REVISION)
    assert traffic.broke == []
    assert traffic.states() == {RefundState.SUCCEEDED: len(traffic.decided)}
    moved = Counter(one["charge"] for one in traffic.world.stripe.books.moved())
    assert len(moved) == len(traffic.decided)
    assert set(moved.values()) == {1}
    assert len(traffic.hooks.acknowledged) >= 2 * len(traffic.decided)
    assert "serve.child_died" not in traffic.log
    with traffic.parts.house.storage.read(traffic.house.tenant_id) as uow:
        assert uow.audit.verify()[1] is None


def test_the_version_before_starts_on_the_next_schema_and_works(
    traffic: Traffic, tmp_path: Path
) -> None:
    next_version(tmp_path)
    migrate(traffic.parts.house.engine, versions=[tmp_path])
    with traffic.served():
        agent = threading.Thread(target=traffic.run, daemon=True)
        agent.start()
        wait_for(lambda: len(traffic.decided) >= BETWEEN or traffic.broke)
        traffic.stop.set()
        agent.join(60)
        wait_for(lambda: set(traffic.states()) == {RefundState.SUCCEEDED})
    assert traffic.broke == []
