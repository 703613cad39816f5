"""The parent of the warm workers: all is imported, no database is open, no thread runs.

Started as `python -m tests.kill.warm SCENE`. Forks a child that runs the real `run_worker`, kills
it with SIGKILL (at a random moment, at a point by its name, in a system call), and forks the next.
A child says through a pipe when it first works on a row again: that is how long recovery took.
"""

from __future__ import annotations

import gc
import os
import random
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from dbos._dbos import _get_or_create_dbos_registry

from plugin.app import looking_back, worker_tasks
from plugin.domain.ids import RefundId, TenantId
from plugin.platforms.registry import Registry
from plugin.workflows.engine import Task
from plugin.workflows.worker import run_worker
from tests.kill.mortal import await_end, end, fork, kill, lay_trap_in_calls
from tests.kill.peers import obey
from tests.kill.planted import call_then_record
from tests.kill.points import WORKER, Points, Trap
from tests.kill.scene import Scene, import_platforms, read_registry

_MOMENT = struct.Struct("d")
POLL_SECONDS = 0.02
_FIRST_BOOT = 0.15
"""What is guessed for the time from fork to first work until it was measured."""


@dataclass(slots=True)
class Nursery:
    """Forks, kills, and measures."""

    scene: Scene
    registry: Registry
    chance: random.Random
    boot: float = _FIRST_BOOT
    worked: int = 0
    dead_since: float | None = None
    recoveries: list[float] = field(default_factory=list)
    last: int | None = None

    def kill(self, times: int) -> dict[str, float | int]:
        """Fork and kill `times` workers. Returns how long it took, and how many got to work."""
        begun = time.monotonic()
        worked = self.worked
        for _ in range(times):
            with self._life() as child:
                time.sleep(self.chance.uniform(0.0, 3.0 * self.boot + 0.15))
                kill(child)
        return {
            "seconds": time.monotonic() - begun,
            "worked": self.worked - worked,
            "boot": self.boot,
        }

    def kill_at(self, name: str, occurrence: int, bound_seconds: float) -> bool:
        """One life that ends at a point. False when it did not get there within the bound."""
        with self._life(Trap(name, occurrence)) as child:
            return await_end(child, bound_seconds)

    def kill_in_call(self, strace: str, calls: str, when: int, bound_seconds: float) -> bool:
        """One life that ends in a system call. False when it did not get there.

        It is no measure of recovery: every call of a traced worker stops twice.
        """
        known = len(self.recoveries)
        with self._life(waits=True) as child:
            tracer = lay_trap_in_calls(strace, child, calls, when)
            reached = await_end(child, bound_seconds)
            tracer.wait()
        del self.recoveries[known:]
        self.dead_since = None
        return reached

    @contextmanager
    def _life(self, trap: Trap | None = None, *, waits: bool = False) -> Iterator[int]:
        """A worker for the block, which sees to its end."""
        told, tell = os.pipe()
        born = time.monotonic()
        child = fork(lambda: self._be_a_worker(tell, trap), waits=waits)
        os.close(tell)
        yield child
        died = time.monotonic()
        raw = os.read(told, _MOMENT.size)
        os.close(told)
        if raw:
            self._note_work(born, *_MOMENT.unpack(raw))
            self.dead_since = died
        else:
            self.boot += 0.1 * max(0.0, min(died - born, 1.0) - self.boot)
            self.dead_since = self.dead_since or died

    def _note_work(self, born: float, at: float) -> None:
        self.worked += 1
        self.boot += 0.1 * (min(at - born, 1.0) - self.boot)
        if self.dead_since is not None:
            self.recoveries.append(at - self.dead_since)
            self.dead_since = None

    def let_live(self) -> int:
        """The last worker, which nobody kills."""
        told, tell = os.pipe()
        self.last = fork(lambda: self._be_a_worker(tell, None))
        os.close(tell)
        os.close(told)
        return self.last

    def end(self) -> int:
        """Ask the last worker to end; returns its exit code."""
        assert self.last is not None
        code = end(self.last)
        self.last = None
        return code

    def _be_a_worker(self, tell: int, trap: Trap | None) -> None:
        """The child: the real worker, on its own connections, until it is killed or told to end."""
        Points(self.scene.points, WORKER, trap).watch()
        parts = self.scene.parts(self.registry, limited=True)
        tasks = worker_tasks(parts)
        if self.scene.planted:
            tasks["refund"] = lambda tenant, ref: call_then_record(
                parts, TenantId(tenant), RefundId(ref)
            )
        run_worker(
            parts.settings,
            parts.house.storage,
            parts.clock,
            _telling(tasks, tell),
            looking_back=looking_back(parts),
        )


def _telling(tasks: Mapping[str, Task], tell: int) -> dict[str, Task]:
    """The same tasks; the first call of any says when it came."""
    once = threading.Lock()

    def wrapped(task: Task) -> Task:
        def run(tenant: str, ref: str) -> None:
            if once.acquire(blocking=False):
                with suppress(BrokenPipeError):  # nobody listens to the last worker
                    os.write(tell, _MOMENT.pack(time.monotonic()))
            task(tenant, ref)

        return run

    return {kind: wrapped(task) for kind, task in tasks.items()}


def _poll_sooner() -> None:
    """Let the engine hand out recovered work at once, not after its default of a second.

    Workers here live for less than that: none would ever get to what the one before it left.
    """
    _get_or_create_dbos_registry().get_internal_queue()._polling_interval_sec = POLL_SECONDS


def main(scene_file: str) -> None:
    scene = Scene.read(scene_file)
    registry = read_registry()
    import_platforms(registry)
    _poll_sooner()
    gc.collect()
    gc.freeze()
    nursery = Nursery(scene, registry, random.Random(f"{scene.seed} kills"))
    orders: dict[str, Callable[..., object]] = {
        "kill": nursery.kill,
        "kill_at": nursery.kill_at,
        "kill_in_call": nursery.kill_in_call,
        "let_live": nursery.let_live,
        "end": nursery.end,
        "recoveries": lambda: nursery.recoveries,
    }
    obey(orders, {"pid": os.getpid()})


if __name__ == "__main__":
    main(*sys.argv[1:])
