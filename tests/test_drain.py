"""SIGTERM: what is under way comes to its end and is written, nothing new is begun, none stays."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from plugin.app import Parts, worker_tasks
from plugin.domain.ids import RefundId
from plugin.domain.refunds import RefundState
from plugin.serve import DRAIN_SECONDS, GRACE_SECONDS, answers
from tests.harness import Given
from tests.overtake.room import Room
from tests.platforms.stripe.fake import FakeStripe
from tests.served import ROOT, Served, wait_for
from tests.shared_house import SharedHouse, World, build_shared_house

PROMISED_SECONDS = 30
PATIENCE_SECONDS = 120
"""Far beyond what it takes: who does not drain in time is killed, and that is logged."""
SLOW_SECONDS = 4.0
COMMAND = ("-m", "plugin.cli")
PATIENT = "import plugin.serve as s; s.DRAIN_SECONDS = 3600; from plugin.cli import main; main()"
"""Whoever does not end by itself is waited for, longer than this test waits."""


@dataclass(frozen=True, slots=True)
class Shop:
    """A house with a gateway, an agent in this process, and whoever serves it in others."""

    house: SharedHouse
    world: World
    parts: Parts
    room: Room
    folder: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def decided(self) -> RefundId:
        """A refund that is due at once."""
        books = self.world.stripe.books
        with self.world.stripe.lock:
            email = f"customer-{books.serial}@customer.test"
            charge = books.sell(4900, customer=books.add_customer(email)["id"])["id"]
        return RefundId(self.room.decide(charge, email, self.world.desk.ask(email), 900))

    def state_of(self, refund: RefundId) -> RefundState:
        with self.parts.house.storage.read(self.house.tenant_id) as uow:
            found = uow.refunds.get(refund)
        assert found is not None
        return found.state

    def calls(self) -> int:
        with self.world.stripe.lock:
            return sum(call[:2] == ("POST", "/v1/refunds") for call in self.world.stripe.calls)

    @property
    def environment(self) -> dict[str, str]:
        return Served(self.folder, port=self.house.door).environment | self.house.environment()

    def start(self, *words: str, program: tuple[str, str] = COMMAND) -> subprocess.Popen[bytes]:
        """`makegood <words>` on this house."""
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *program, *words],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    @property
    def left(self) -> list[psutil.Process]:
        return Served(self.folder, port=self.house.door).processes()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    now = time.time()
    with ExitStack() as stack:
        stripe = FakeStripe()
        given = Given(1, 1, tmp_path, "", planted=False)
        house, world = build_shared_house(stack, given, stripe, now)
        parts = house.parts()
        stack.callback(parts.house.engine.dispose)
        made = Shop(house, world, parts, Room(house, parts, worker_tasks(parts)), tmp_path)
        yield made
        for process in made.left:
            process.kill()
        for begun in made.started:
            begun.wait(PATIENCE_SECONDS)


def test_who_does_not_end_by_itself_is_ended_within_what_is_promised() -> None:
    assert DRAIN_SECONDS < GRACE_SECONDS < PROMISED_SECONDS


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_a_refund_call_under_way_ends_and_is_written(shop: Shop, command: str) -> None:
    first = shop.decided()
    shop.world.stripe.fail("slow", seconds=SLOW_SECONDS)
    process = shop.start(command)
    wait_for(lambda: shop.calls() == 1)
    process.send_signal(signal.SIGTERM)
    second = shop.decided()

    assert process.wait(PATIENCE_SECONDS) == 0

    assert "serve.child_killed" not in (shop.folder / "log").read_text("utf-8")
    assert shop.left == []
    assert shop.state_of(first) is RefundState.SUCCEEDED
    # Whether the signal came before the second was taken up is chance: nothing is half done.
    assert shop.state_of(second) in {RefundState.RESERVED, RefundState.SUCCEEDED}
    done = [shop.state_of(each) for each in (first, second)].count(RefundState.SUCCEEDED)
    assert shop.calls() == len(shop.world.stripe.books.moved()) == done


def test_what_was_not_begun_is_done_by_the_next_one(shop: Shop) -> None:
    shop.world.stripe.fail("slow", seconds=SLOW_SECONDS)
    refunds = [shop.decided()]
    process = shop.start("worker")
    wait_for(lambda: shop.calls() == 1)
    process.send_signal(signal.SIGTERM)
    refunds += [shop.decided() for _ in range(3)]
    assert process.wait(PATIENCE_SECONDS) == 0
    process = shop.start("worker")
    wait_for(lambda: {shop.state_of(refund) for refund in refunds} == {RefundState.SUCCEEDED})
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_SECONDS) == 0
    assert len(shop.world.stripe.books.moved()) == shop.calls() == len(refunds)


def test_a_request_under_way_at_the_web_alone_is_answered(shop: Shop) -> None:
    port = shop.house.door
    process = shop.start("web")
    wait_for(lambda: answers("127.0.0.1", port))
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as client:
        head = f"POST /webhooks/practice/{'0' * 32} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
        client.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert b" 100 " in client.recv(4096)  # a thread reads it: before, a stop may refuse it
        client.sendall(b"ab")
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: not answers("127.0.0.1", port))
        client.sendall(b"cd")
        assert b" 404 " in client.recv(4096)
    assert process.wait(PATIENCE_SECONDS) == 0
    assert shop.left == []


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_is_told_while_it_starts_keeps_nobody(shop: Shop, told: int) -> None:
    process = shop.start("web", program=("-c", PATIENT))
    wait_for(lambda: psutil.Process(process.pid).children())
    starting = psutil.Process(process.pid).children()
    for each in starting:
        each.suspend()  # long before it listens: it has yet to open the house
    process.send_signal(told)
    wait_for(lambda: all(told_of(each) for each in starting))
    for each in starting:
        each.resume()
    assert process.wait(PATIENCE_SECONDS) == 0
    assert shop.left == []


def told_of(process: psutil.Process) -> bool:
    """Whether SIGTERM waits for it."""
    status = Path(f"/proc/{process.pid}/status").read_text("ascii")
    pending = next(line for line in status.splitlines() if line.startswith("ShdPnd:"))
    return bool(int(pending.split()[1], 16) & 1 << (signal.SIGTERM - 1))
