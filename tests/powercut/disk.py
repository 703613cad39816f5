"""A disk that forgets: what is on it after a cut, from the record of what was done to its files.

Only what was synced is sure. Of the rest nothing may be there, or all of it, or any part, in any
order, and the last write torn in the middle. The name of a new file is sure only after its folder
was synced.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

SECTOR = 512


@dataclass(frozen=True, slots=True)
class Open:
    """A file was opened, and made if it was not there."""

    path: str
    syncs_folder: bool  # its first sync syncs its folder as well


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes were handed to the system."""

    path: str
    at: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    """A file was cut."""

    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Sync:
    """All that was written to this file before is on the disk."""

    path: str


@dataclass(frozen=True, slots=True)
class Delete:
    """A file was removed."""

    path: str
    syncs_folder: bool


@dataclass(frozen=True, slots=True)
class Promise:
    """Somebody was told something: from now on it must never be forgotten."""

    kind: str
    what: str
    detail: str = ""


Event = Open | Write | Truncate | Sync | Delete | Promise
Files = Mapping[str, bytes]
"""Paths with their content."""


@dataclass(slots=True)
class _File:
    """One file: what is sure of it, and what was done since."""

    sure: bytearray = field(default_factory=bytearray)
    since: list[Write | Truncate] = field(default_factory=list)
    syncs_folder: bool = False


@dataclass(slots=True)
class Disk:
    """The disk as events pass. `turn` counts what became sure, so equal turns are equal disks."""

    sure: dict[str, _File] = field(default_factory=dict)
    now: dict[str, _File] = field(default_factory=dict)
    turn: int = 0

    def do(self, event: Event) -> None:
        """Let one event happen."""
        match event:
            case Open(path, syncs_folder):
                file = self.now.setdefault(path, _File())
                file.syncs_folder = file.syncs_folder or syncs_folder
            case Write(path) | Truncate(path):
                self.now[path].since.append(event)
            case Sync(path):
                file = self.now[path]
                self.turn += bool(file.since)
                for change in file.since:
                    _apply(file.sure, change)
                file.since.clear()
                if file.syncs_folder:
                    file.syncs_folder = False
                    self._sync_folder()
            case Delete(path, syncs_folder):
                self.now.pop(path, None)
                if syncs_folder:
                    self._sync_folder()
            case Promise():
                pass

    def _sync_folder(self) -> None:
        self.turn += self.sure.keys() != self.now.keys()
        self.sure = dict(self.now)

    @property
    def is_sure(self) -> bool:
        """Whether nothing would be lost now."""
        return self.sure == self.now and not any(file.since for file in self.now.values())

    def after_cut(self) -> Files:
        """What is there when all that was not sure is gone."""
        return {path: bytes(file.sure) for path, file in self.sure.items()}

    def after_kill(self) -> Files:
        """What is there when only the process dies: all of it."""
        return {path: _with(file, file.since) for path, file in self.now.items()}

    def after_partial_cut(self, chance: random.Random) -> Files:
        """What is there when the disk had written some of it, in an order of its own."""
        names = dict(self.sure)
        for path in sorted(self.sure.keys() | self.now.keys()):
            if self.now.get(path) is not self.sure.get(path) and chance.random() < 0.5:
                names.pop(path, None)
                if path in self.now:
                    names[path] = self.now[path]
        share = chance.random()
        return {path: _with(file, _some(file.since, share, chance)) for path, file in names.items()}


def _some(
    changes: list[Write | Truncate], share: float, chance: random.Random
) -> list[Write | Truncate]:
    kept: list[Write | Truncate] = []
    for change in changes:
        if chance.random() < share:
            kept.append(change)
        elif isinstance(change, Write) and chance.random() < 0.2:
            whole = len(change.data) // SECTOR
            kept.append(Write(change.path, change.at, change.data[: SECTOR * (whole // 2)]))
    return kept


def _with(file: _File, changes: list[Write | Truncate]) -> bytes:
    content = bytearray(file.sure)
    for change in changes:
        _apply(content, change)
    return bytes(content)


def _apply(content: bytearray, change: Write | Truncate) -> None:
    match change:
        case Write(_, at, data):
            if len(content) < at:
                content.extend(bytes(at - len(content)))
            content[at : at + len(data)] = data
        case Truncate(_, size):
            del content[size:]
            content.extend(bytes(size - len(content)))
