"""What else reads bytes that somebody else wrote: a platform's posts, key deliveries and tokens.

A platform brings its own as `READERS` in `tests/platforms/<stem>/foreign.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from tests.bodies.seeds import ROOT, Seeds


@dataclass(frozen=True, slots=True)
class Foreign:
    """One reader. `read` says whether it took the bytes; what it raises besides is a fault."""

    name: str
    documents: tuple[Any, ...]
    read: Callable[[bytes], bool]

    @property
    def seeds(self) -> Seeds:
        return Seeds((), self.documents)


def readers() -> Iterator[Foreign]:
    """Those of every platform that has any."""
    for path in sorted((ROOT / "tests" / "platforms").glob("*/foreign.py")):
        found: Sequence[Foreign] = import_module(
            f"tests.platforms.{path.parent.name}.foreign"
        ).READERS
        yield from found
