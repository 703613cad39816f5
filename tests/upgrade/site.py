"""Where a run takes place: one database, and the servers of two versions that work on it.

Servers are `makegood serve` as it is run, each from the folder of its version, behind one balancer.
Commands run as an admin runs them. On SQLite all share one data folder; on PostgreSQL each version
has a machine of its own, as far as a folder is one.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import URLError
from urllib.request import urlopen

from tests.kill.places import free_port
from tests.kill.scene import Scene
from tests.upgrade.balancer import Balancer
from tests.upgrade.older import Version

UP_SECONDS = 60.0
DOWN_SECONDS = 60.0
LOOK_SECONDS = 0.05


class NotWorked(Exception):
    """A server did not come up or go, or a command failed. Tells which, and what was said."""


@dataclass(slots=True)
class Server:
    """One `makegood serve`."""

    version: Version
    port: int
    process: subprocess.Popen[bytes]


@dataclass(slots=True)
class Site(AbstractContextManager["Site"]):
    """Servers and commands on a scene's house. Leaving it kills what is still there."""

    scene: Scene
    balancer: Balancer
    log: Path
    servers: list[Server] = field(default_factory=list)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for server in self.servers:
            server.process.kill()
            server.process.wait()

    def __enter__(self) -> Self:
        return self

    def start(self, version: Version) -> Server:
        """A server of that version, once it is ready; only then it has its turn."""
        port = free_port()
        # Should this harness be killed itself, its servers must not stay.
        leash = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [*leash, sys.executable, "-m", "plugin.cli", "serve"],
                cwd=version.tree,
                env=self._environment(version, port),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        server = Server(version, port, process)
        self.servers.append(server)
        deadline = time.monotonic() + UP_SECONDS
        while not _is_ready(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise NotWorked(f"the server of schema {version.schema} did not come up")
            time.sleep(LOOK_SECONDS)
        self.balancer.open(port)
        return server

    def stop(self, server: Server) -> None:
        """Off the list, then SIGTERM: what is under way comes to its end."""
        self.balancer.close(server.port)
        server.process.send_signal(signal.SIGTERM)
        code = server.process.wait(DOWN_SECONDS)
        self.servers.remove(server)
        if code != 0:
            raise NotWorked(f"the server of schema {server.version.schema} ended with {code}")

    def command(self, version: Version, *words: str) -> dict[str, Any]:
        """Run `makegood <words> --json` of that version; its facts, `ok` among them."""
        done = subprocess.run(
            [sys.executable, "-m", "plugin.cli", *words, "--json"],
            cwd=version.tree,
            env=self._environment(version, self.scene.door),
            capture_output=True,
            text=True,
            check=False,
        )
        with self.log.open("a", encoding="utf-8") as log:
            log.write(done.stderr)
        facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return facts

    def run(self, version: Version, script: Path) -> dict[str, Any]:
        """Run a script of ours in that version's code; the object that it prints."""
        done = subprocess.run(
            [sys.executable, str(script)],
            cwd=version.tree,
            env={**self._environment(version, self.scene.door), "PYTHONPATH": str(version.tree)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NotWorked(f"{script.name} in schema {version.schema}: {done.stderr[-1000:]}")
        facts: dict[str, Any] = json.loads(done.stdout)
        return facts

    def _environment(self, version: Version, port: int) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MAKEGOOD_")}
        given = kept | self.scene.environment() | {"MAKEGOOD_PORT": str(port)}
        if self.scene.database:
            machine = f"data-{version.schema}-{version.commit[:8] or 'present'}"
            given["MAKEGOOD_DATA_DIR"] = str(Path(self.scene.folder) / machine)
        return given


@contextmanager
def open_site(scene: Scene) -> Iterator[Site]:
    """The balancer at the scene's door, and no server yet."""
    log = Path(scene.folder) / "servers.log"
    with Balancer(scene.door) as balancer, Site(scene, balancer, log) as site:
        yield site


def _is_ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
