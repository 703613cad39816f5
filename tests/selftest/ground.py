"""A copy of the tree in which one bug stands at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path

from tests.tree_copy import copy_tree


class Stale(Exception):
    """The code that a plant changes is not there any more, or not only once: plant it anew."""


@dataclass(frozen=True, slots=True)
class Change:
    """What of a file gives way to what. `was` stands there exactly once."""

    file: str
    was: str
    now: str


class Ground:
    """The copy. One plant at a time; what it changed is put back."""

    def __init__(self, folder: Path) -> None:
        self.tree = copy_tree(folder)

    @contextmanager
    def planted(self, changes: Sequence[Change]) -> Iterator[None]:
        """Plant until the end of the block. Raises Stale, and then nothing is planted."""
        before = {change.file: self._text(change.file) for change in changes}
        after = dict(before)
        for change in changes:
            times = after[change.file].count(change.was)
            if times != 1:
                raise Stale(f"{change.file} has this {times} times, not once:\n{change.was}")
            after[change.file] = after[change.file].replace(change.was, change.now)
        try:
            self._write(after)
            yield
        finally:
            self._write(before)

    def _text(self, file: str) -> str:
        path = self.tree / file
        return path.read_text("utf-8") if path.is_file() else ""

    def _write(self, texts: dict[str, str]) -> None:
        for file, text in texts.items():
            path = self.tree / file
            path.write_text(text, "utf-8")
            # Two texts of one length within one second look the same to Python's own cache.
            Path(cache_from_source(os.fspath(path))).unlink(missing_ok=True)
