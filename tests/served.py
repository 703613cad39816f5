"""A real `makegood serve` for tests: with its own data folder, and all its processes in view."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.request import urlopen

import psutil

from tests.kill.places import free_port

ROOT = Path(__file__).parent.parent
PATIENCE_SECONDS = 60
"""For what takes two seconds on a machine that has time."""


class Served(AbstractContextManager["Served"]):
    """`with Served(folder) as served:` waits until it has announced itself.

    `announced` is the object it printed. Leaving the block kills what is still there.
    """

    def __init__(self, folder: Path, *words: str, port: int | None = None, **settings: str) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.announced: dict[str, Any] = {}
        self._words = words
        self._settings = settings

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MAKEGOOD_")}
        return {
            **kept,
            "MAKEGOOD_DATA_DIR": str(self.folder / "data"),
            "MAKEGOOD_PORT": str(self.port),
            **self._settings,
        }

    @property
    def out(self) -> str:
        return (self.folder / "out").read_text("utf-8", "replace")

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")

    def launch(self) -> None:
        """Start it, and wait for nothing."""
        with (self.folder / "out").open("wb") as out, (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "plugin.cli", "serve", "--json", *self._words],
                cwd=ROOT,
                env=self.environment,
                stdout=out,
                stderr=log,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        self.launch()
        wait_for(lambda: "\n" in self.out or self.process.poll() is not None)
        self.announced = json.loads(self.out) if self.out else {}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self.processes():
            if process.is_running():
                process.kill()
        self.process.wait()

    def processes(self) -> list[psutil.Process]:
        """All that live by this data folder, by their environment: orphans too."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("MAKEGOOD_DATA_DIR") == str(self.folder / "data"):
                    found.append(process)
            except psutil.Error:
                continue
        return [p for p in found if p.status() != psutil.STATUS_ZOMBIE]

    def below(self, word: str) -> psutil.Process:
        """The supervisor's child that runs `makegood <word>`."""
        supervisor = psutil.Process(self.process.pid)
        return next(c for c in supervisor.children() if word in " ".join(c.cmdline()).split())

    def get(self, path: str) -> str:
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
            body: bytes = answer.read()
            return body.decode()


def wait_for(holds: Any, seconds: float = PATIENCE_SECONDS) -> None:  # noqa: ANN401 - anything that tells yes or no
    """Look again and again until `holds()`. Fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
