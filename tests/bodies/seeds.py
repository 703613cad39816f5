"""The bodies that are changed: each platform's recordings, and its vendor's own examples.

The vendors' examples are not a part of this project; where they are not beside it, the recordings
do alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from tests.contracts.webhook import Recording

ROOT: Final = Path(__file__).parents[2]
SPECS: Final = ROOT.parent / "shared" / "specs"
_LARGEST: Final = 20_000
"""Bytes of one body; a file of more is a collection of examples."""
_DEEPEST: Final = 4


@dataclass(frozen=True)
class Seeds:
    """One platform's bodies as values, and recordings whose headers they are sent with."""

    recordings: tuple[Recording, ...]
    examples: tuple[Any, ...]

    @cached_property
    def values(self) -> dict[str, list[Any]]:
        """What stands under each key anywhere in them: what fits there, but in another place."""
        found: dict[str, list[Any]] = {}
        for document in self.documents:
            for key, value in _members(document):
                found.setdefault(key, []).append(value)
        return found

    @cached_property
    def documents(self) -> tuple[Any, ...]:
        """All bodies as values."""
        recorded = (json.loads(one.body) for one in self.recordings)
        return (*recorded, *self.examples)


def seeds_of(stem: str) -> Seeds:
    """The bodies of a platform; none where nobody recorded any."""
    folder = ROOT / "tests" / "platforms" / stem / "recordings"
    recordings = tuple(Recording.read(path) for path in sorted(folder.glob("*.json")))
    files = sorted((SPECS / stem.replace("_", "")).rglob("*.json"))
    # A schema describes bodies and is none.
    told = [path for path in files if "schema" not in f"{path}" and "openapi" not in path.name]
    examples = (one for path in told for one in _bodies(json.loads(path.read_bytes())))
    return Seeds(recordings, tuple(examples))


def _bodies(document: Any, depth: int = 0) -> Iterator[Any]:  # noqa: ANN401 - any JSON
    """The document, or the ones that are collected in it."""
    if isinstance(document, dict) and len(json.dumps(document)) <= _LARGEST:
        yield document
    elif isinstance(document, dict | list) and depth < _DEEPEST:
        inner = document.values() if isinstance(document, dict) else document
        for one in inner:
            yield from _bodies(one, depth + 1)


def _members(document: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - any JSON
    if isinstance(document, dict):
        for key, value in document.items():
            yield key, value
            yield from _members(value)
    elif isinstance(document, list):
        for value in document:
            yield from _members(value)
