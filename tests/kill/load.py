"""What goes on while processes are killed: it begins stories, and has them go on in turns.

Starts something new only while the worker is not far behind. The stories are in `stories.py`.
"""

from __future__ import annotations

import queue
import random
import threading
import time

from sqlalchemy.exc import DBAPIError

from plugin.app import Parts
from tests.kill.scene import Outside, Scene
from tests.kill.stories import Done, Job, Stories

BACKLOG = 40
"""Rows due at a time: beyond it the load waits for the worker."""
OPEN_JOBS = 8
STEP_SECONDS = 0.03
LEAD_SECONDS = 30.0


class Load:
    """Runs in a thread of the harness until `stop`."""

    def __init__(self, scene: Scene, parts: Parts, outside: Outside, door: int) -> None:
        self.failure: BaseException | None = None
        self._parts = parts
        self._chance = random.Random(f"{scene.seed} load")
        self._stories = Stories(scene, parts, outside, door, self._chance)
        self.done = self._stories.done
        self._wanted: queue.SimpleQueue[tuple[str, threading.Event]] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of stories that are told here."""
        return tuple(name for name, (weight, _) in self._stories.kinds.items() if weight)

    def start(self) -> None:
        """Returns once there is enough to do that the first worker finds work."""
        self._thread.start()
        while self._thread.is_alive() and len(self.done.decided) < OPEN_JOBS:
            time.sleep(0.05)

    def stop(self) -> Done:
        """Start nothing new, and come to a rest. Raises what went wrong in the load itself."""
        self._stop.set()
        self._thread.join(60)
        if self.failure is not None:
            raise RuntimeError("the load broke") from self.failure
        return self.done

    def lead_to(self, story: str) -> None:
        """Begin a story of this kind now, however much there is to do. Returns once it is begun.

        Its first press comes later: who is to die in it is born first.
        """
        begun = threading.Event()
        self._wanted.put((story, begun))
        begun.wait(LEAD_SECONDS)

    # --- the flow ---------------------------------------------------------------------------------

    def _run(self) -> None:
        jobs: list[Job] = []
        try:
            while not self._stop.is_set():
                jobs += self._begin_wanted()
                if len(jobs) < OPEN_JOBS and self._worker_keeps_up():
                    jobs.append(self._begin())
                for job in list(jobs):
                    if next(job, self) is self:
                        jobs.remove(job)
                time.sleep(STEP_SECONDS)
        except Exception as error:  # noqa: BLE001 - told by `stop`, in the thread that can show it
            self.failure = error

    def _worker_keeps_up(self) -> bool:
        storage = self._parts.house.storage
        try:
            return len(storage.due(self._parts.clock.now(), BACKLOG)) < BACKLOG
        except DBAPIError:  # the database is being restarted
            return False

    def _begin_wanted(self) -> list[Job]:
        jobs = []
        while not self._wanted.empty():
            name, begun = self._wanted.get()
            jobs.append(self._begin(name))
            begun.set()
        return jobs

    def _begin(self, name: str = "") -> Job:
        if not name:
            weights = {kind: weight for kind, (weight, _) in self._stories.kinds.items()}
            [name] = self._chance.choices(list(weights), list(weights.values()))
        self.done.stories += 1
        return self._stories.kinds[name][1](f"{name}-{self.done.stories}@customer.test")
