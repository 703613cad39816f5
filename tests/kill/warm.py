"""The parent of the warm workers: all is imported, no database is open, no thread runs.

Started as `python -m tests.kill.warm SCENE`. Forks a child that runs the real `run_worker`, kills
it with SIGKILL at a random moment, and forks the next. A child says through a pipe when it first
works on a row again: that is how long recovery took.
"""

from __future__ import annotations

import gc
import os
import random
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn

from dbos._dbos import _get_or_create_dbos_registry

from plugin.app import worker_tasks
from plugin.domain.ids import RefundId, TenantId
from plugin.platforms.registry import Registry
from plugin.ports import Kind
from plugin.serve import end_with_parent
from plugin.workflows.engine import Task
from plugin.workflows.worker import run_worker
from tests.kill.peers import obey
from tests.kill.planted import call_then_record
from tests.kill.scene import Scene, read_registry

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
            self._live_and_die()
        return {
            "seconds": time.monotonic() - begun,
            "worked": self.worked - worked,
            "boot": self.boot,
        }

    def _live_and_die(self) -> None:
        """One life. Some end while starting up and recovering, most in the middle of work."""
        told, tell = os.pipe()
        born = time.monotonic()
        child = self._fork(tell, told)
        os.close(tell)
        time.sleep(self.chance.uniform(0.0, 3.0 * self.boot + 0.15))
        died = time.monotonic()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raw = os.read(told, _MOMENT.size)
        os.close(told)
        if raw:
            self._note_work(born, *_MOMENT.unpack(raw))
            self.dead_since = died
        else:
            self.boot += 0.1 * max(0.0, died - born - self.boot)
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
        self.last = self._fork(tell, told)
        os.close(tell)
        os.close(told)
        return self.last

    def end(self) -> int:
        """Ask the last worker to end; returns its exit code."""
        assert self.last is not None
        os.kill(self.last, signal.SIGTERM)
        _, status = os.waitpid(self.last, 0)
        self.last = None
        return os.waitstatus_to_exitcode(status)

    def _fork(self, tell: int, told: int) -> int:
        child = os.fork()
        if child == 0:
            os.close(told)
            _be_a_worker(self.scene, self.registry, tell)
        return child


def _be_a_worker(scene: Scene, registry: Registry, tell: int) -> NoReturn:
    """The child: the real worker, on its own connections, until it is killed or told to end."""
    code = 1
    try:
        end_with_parent()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)  # the parent's answers go through its standard output
        parts = scene.parts(registry, limited=True)
        tasks = worker_tasks(parts)
        if scene.planted:
            tasks["refund"] = lambda tenant, ref: call_then_record(
                parts, TenantId(tenant), RefundId(ref)
            )
        run_worker(parts.settings, parts.house.storage, parts.clock, _telling(tasks, tell))
        code = 0
    finally:
        os._exit(code)


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


def _import_platforms(registry: Registry) -> None:
    """What a worker would import on its first call."""
    for manifest in registry.manifests():
        registry.adapter_class(manifest.kind, manifest.stem)
        if manifest.kind is Kind.STORE and manifest.webhooks is not None:
            registry.parser(manifest.kind, manifest.stem)


def main(scene_file: str) -> None:
    scene = Scene.read(scene_file)
    registry = read_registry()
    _import_platforms(registry)
    _poll_sooner()
    assert threading.active_count() == 1, "a forked child would lose these threads"
    gc.collect()
    gc.freeze()
    nursery = Nursery(scene, registry, random.Random(f"{scene.seed} kills"))
    orders: dict[str, Callable[..., object]] = {
        "kill": nursery.kill,
        "let_live": nursery.let_live,
        "end": nursery.end,
        "recoveries": lambda: nursery.recoveries,
    }
    obey(orders, {"pid": os.getpid()})


if __name__ == "__main__":
    main(*sys.argv[1:])
