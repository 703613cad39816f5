"""Who must find a bug: a harness by its last line, or a module of tests by its failures."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.tree_copy import environment


@dataclass(frozen=True, slots=True)
class Told:
    """What a judge said: the failures that it named, by count, and the end of its words.

    `broke`: it fell over instead of judging, which is neither red nor green.
    """

    reds: Mapping[str, int]
    broke: bool
    said: str

    @property
    def is_green(self) -> bool:
        return not self.reds and not self.broke


class Judge(Protocol):
    """Runs in a tree and says what it found."""

    @property
    def name(self) -> str:
        """For the last line."""
        ...

    def run(self, tree: Path) -> Told:
        """Judge the product of `tree`."""
        ...


@dataclass(frozen=True, slots=True)
class Harness:
    """`python -m tests.NAME WORDS`. `failures` are the counts that are a finding when not 0."""

    name: str
    words: tuple[str, ...]
    failures: tuple[str, ...]

    def run(self, tree: Path) -> Told:
        done = _run(tree, f"tests.{self.name}", *self.words)
        lines = done.stdout.splitlines()
        try:
            counts = json.loads(lines[-1]) if lines else None
        except ValueError:
            counts = None
        if not isinstance(counts, dict) or not counts.keys() >= set(self.failures):
            return Told({}, broke=True, said=_end(done))
        reds = {name: counts[name] for name in self.failures if counts[name]}
        # Red by its counts and by its exit code: one without the other is a harness that lies.
        return Told(reds, broke=bool(reds) is (done.returncode == 0), said=_end(done))


@dataclass(frozen=True, slots=True)
class Suite:
    """`pytest PLACE`, whose failures are the finding."""

    name: str

    def run(self, tree: Path) -> Told:
        words = ("-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--hypothesis-seed=0")
        done = _run(tree, "pytest", *words, self.name)
        found = re.search(r"(\d+) failed", done.stdout)
        failed = int(found[1]) if found and done.returncode == 1 else 0
        return Told(
            {"failed": failed} if failed else {},
            broke=not failed and done.returncode != 0,
            said=_end(done),
        )


def _run(tree: Path, module: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=tree,
        env=environment(tree),
        capture_output=True,
        text=True,
        check=False,
    )


def _end(done: subprocess.CompletedProcess[str]) -> str:
    lines: Sequence[str] = [*done.stderr.splitlines(), *done.stdout.splitlines()]
    return "\n".join([*lines[-12:], f"exit code {done.returncode}"])
