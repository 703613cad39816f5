"""Talking to the other processes of a run: one order per line in, one answer per line out.

A peer ends when its input does, so none outlives the run, however that ends.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
Orders = Mapping[str, Callable[..., Any]]


def obey(orders: Orders, ready: object) -> None:
    """Tell that we are ready, then do what is asked until the input ends."""
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        words = json.loads(line)
        print(json.dumps(orders[words.pop("do")](**words)), flush=True)


class Peer:
    """Another process of the run, for `with`. Starting one waits for nothing.

    `module` is one of ours, or a whole name such as `tests.race.caller`.
    """

    def __init__(self, module: str, *words: object, log: Path) -> None:
        self._lock = threading.Lock()
        name = module if "." in module else f"tests.kill.{module}"
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", name, *map(str, words)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._log = log
        self._told: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    @property
    def ready(self) -> Any:  # noqa: ANN401 - any JSON
        """What it told once it was ready."""
        if self._told is None:
            self._told = self._answer()
        return self._told

    def ask(self, do: str, **words: object) -> Any:  # noqa: ANN401 - any JSON
        """Give an order and wait for its answer."""
        with self._lock:
            assert self.ready is not None
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps({"do": do, **words}) + "\n")
            self._process.stdin.flush()
            return self._answer()

    def _answer(self) -> Any:  # noqa: ANN401 - any JSON
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            told = self._log.read_text("utf-8", "replace")[-2000:]
            raise RuntimeError(f"a process of the run ended with {code}: {os.linesep}{told}")
        return json.loads(line)
