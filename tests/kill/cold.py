"""Cold kills: `makegood serve` as it is run; SIGKILL for its supervisor or any process below it.

Whoever loses the supervisor must end by itself: a process that is still there after `GONE_SECONDS`
was left behind, and counts. Whoever loses a child must start it again.
"""

from __future__ import annotations

import http.client
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from types import TracebackType

import psutil

from tests.kill.peers import ROOT
from tests.kill.scene import Scene

GONE_SECONDS = 30.0
UP_SECONDS = 60.0
LONGEST_LIFE = 5.0
SUPERVISOR_SHARE = 0.4


@dataclass(slots=True)
class Server(AbstractContextManager["Server"]):
    """`makegood serve` on a scene's data folder."""

    scene: Scene
    chance: random.Random
    left_behind: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it unless it runs. Returns at once."""
        if self.process is not None:
            return
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MAKEGOOD_")}
        # Should this harness be killed itself, its server must not stay.
        leash = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        with self.scene.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*leash, sys.executable, "-m", "plugin.cli", "serve"],
                cwd=ROOT,
                env=kept | self.scene.environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill_something(self) -> None:
        """Let it live for a moment, then kill the supervisor or any process below it."""
        self.start()
        time.sleep(self.chance.uniform(0.1, LONGEST_LIFE))
        assert self.process is not None
        below = [p for p in self._ours() if p.pid != self.process.pid]
        if not below or self.chance.random() < SUPERVISOR_SHARE:
            self.process.kill()
            self.process.wait()
            self.process = None
            self._await_gone()
        else:
            _kill(self.chance.choice(sorted(below, key=lambda process: process.pid)))

    def is_up(self) -> bool:
        """Whether it answers and its worker lives, in time."""
        self.start()
        deadline = time.monotonic() + UP_SECONDS
        while time.monotonic() < deadline:
            if self._answers() and any("worker" in _words(p) for p in self._ours()):
                return True
            time.sleep(0.2)
        return False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it as a service manager does, and see that nothing is left."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(GONE_SECONDS)
            except subprocess.TimeoutExpired:
                self.left_behind += 1
                self.process.kill()
                self.process.wait()
        self._await_gone()

    def _await_gone(self) -> None:
        deadline = time.monotonic() + GONE_SECONDS
        while left := self._ours():
            if time.monotonic() > deadline:
                self.left_behind += len(left)
                for process in left:
                    _kill(process)
                return
            time.sleep(0.05)

    def _ours(self) -> list[psutil.Process]:
        """Every process that was started for this data folder, by its environment."""
        folder = self.scene.environment()["MAKEGOOD_DATA_DIR"]
        return [p for p in psutil.process_iter() if _folder_of(p) == folder]

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.scene.door, timeout=2)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


def _folder_of(process: psutil.Process) -> str | None:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return process.environ().get("MAKEGOOD_DATA_DIR")
    except psutil.Error:
        return None


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()
