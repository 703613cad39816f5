"""The folder in which the processes of one `makegood serve` keep their counters.

Each process writes files of its own, which the library maps into memory. They lie in memory too
where the system has a place for that: a full or busy disk must not hold up who only counts. Made
anew by each `serve`. What a process counted stays when it dies, in one file for all the dead, so
that one that dies again and again fills nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The library's own: where it is set, counters lie in files. Set for our child processes."""
_IN_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - ours alone: made with mode 0700, or not taken
_RESERVED_BYTES: Final = 256 * 1024
"""Of each file, before it is mapped: the system kills who writes to a mapped page that a full disk
has no room for."""
_KINDS: Final = ("counter", "histogram")
_THE_DEAD: Final = 0
"""Stands where a living process has its id."""


@contextmanager
def counting_in(data_dir: Path | None) -> Iterator[None]:
    """Let child processes count together, for the `serve` on `data_dir`. None: nobody counts."""
    if data_dir is None:
        yield
        return
    folder = _make_folder(data_dir)
    os.environ[VARIABLE] = str(folder)
    try:
        yield
    finally:
        count_alone()
        shutil.rmtree(folder, ignore_errors=True)


def counted_in() -> Path | None:
    """The folder in which this process shall count with others, None where it counts alone."""
    folder = os.environ.get(VARIABLE)
    return Path(folder) if folder else None


def count_alone() -> None:
    """Count in this process only, whatever somebody set the library's variable to."""
    os.environ.pop(VARIABLE, None)


def _make_folder(data_dir: Path) -> Path:
    digest = hashlib.sha256(str(data_dir).encode()).hexdigest()[:16]
    folder = _IN_MEMORY / f"makegood-{os.getuid()}-{digest}"
    if not _made_anew(folder):
        folder = data_dir / "metrics"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
    return folder


def _made_anew(folder: Path) -> bool:
    """Whether it is there, empty and ours. Somebody else's of that name is left alone."""
    with suppress(FileNotFoundError):
        if folder.is_symlink() or folder.lstat().st_uid != os.getuid():
            return False
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
    except OSError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Living:
    """A process that lives and counts."""

    role: str
    pid: int


class Counters:
    """The folder, from one process that counts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mark: IO[str] | None = None

    def join(self, role: str) -> None:
        """Begin to count here, as long as this process lives. Call it before the first count."""
        with self._alone(fcntl.LOCK_EX):
            self._bury_the_dead()
            for kind in _KINDS:
                _reserve(self._folder / f"{kind}_{os.getpid()}.db")
            # Held open until the process ends, however it ends: so the others know that it lives.
            self._mark = (self._folder / f"{role}_{os.getpid()}.alive").open("w")
            fcntl.flock(self._mark, fcntl.LOCK_EX)

    def leave(self) -> None:
        """Count as dead from now on."""
        if self._mark is not None:
            self._mark.close()
            self._mark = None

    @contextmanager
    def reading(self) -> Iterator[Path]:
        """The folder, while nobody moves counts from one file to another."""
        with self._alone(fcntl.LOCK_SH):
            yield self._folder

    def living(self) -> list[Living]:
        """Who counts here and lives, by role and process id."""
        found = []
        for mark in sorted(self._folder.glob("*.alive")):
            role, _, pid = mark.stem.rpartition("_")
            if not _is_free(mark):
                found.append(Living(role, int(pid)))
        return found

    @contextmanager
    def _alone(self, how: int) -> Iterator[None]:
        with (self._folder / "lock").open("a") as lock:
            fcntl.flock(lock, how)
            yield

    def _bury_the_dead(self) -> None:
        from prometheus_client.mmap_dict import MmapedDict  # noqa: PLC0415 - only who counts loads it

        read_all: Any = MmapedDict.read_all_values_from_file
        alive = {one.pid for one in self.living()}
        for kind in _KINDS:
            grave = self._folder / f"{kind}_{_THE_DEAD}.db"
            if not grave.exists():
                _reserve(grave)
            kept: Any = MmapedDict(str(grave))  # type: ignore[no-untyped-call]  # not typed there
            for file in self._folder.glob(f"{kind}_*.db"):
                pid = int(file.stem.rpartition("_")[2])
                if pid == _THE_DEAD or pid in alive:
                    continue
                for key, value, _, _ in read_all(str(file)):
                    before, _ = kept.read_value(key)
                    kept.write_value(key, before + value, 0.0)
                file.unlink()
            kept.close()
        for mark in self._folder.glob("*.alive"):
            if int(mark.stem.rpartition("_")[2]) not in alive:
                mark.unlink()


def _is_free(mark: Path) -> bool:
    try:
        with mark.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    return True


def _reserve(file: Path) -> None:
    """An empty file of counters with its room taken; it gets its name when it is whole."""
    part = file.with_suffix(".part")
    with part.open("wb") as opened:
        opened.write(bytes(_RESERVED_BYTES))
    part.rename(file)
