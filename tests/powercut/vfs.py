"""A recording file layer below the product's own SQLite: every write, cut, sync and removal.

It can also let a disk fail: then nothing is done, and SQLite is told what went wrong.

The real layer does all the work; five of its methods are wrapped, by ctypes, in the very library
that the product's connections use. See https://sqlite.org/vfs.html and
https://sqlite.org/c3ref/io_methods.html for the shapes.
"""

from __future__ import annotations

import ctypes as c
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from plugin.storage.database import choose_sqlite
from tests.powercut.disk import Delete, Event, Open, Sync, Truncate, Write

CREATE = 0x4
SYNCS_ITS_FOLDER = 0x800 | 0x4000 | 0x80000
"""Main journal, super-journal, log: when new, their first sync syncs the folder too (os_unix.c)."""

Fails = Callable[[str, str], int]
"""("read", "write" or "sync", path) -> SQLite's code for what fails, or 0."""

_File = c.c_void_p
_OnFile = c.CFUNCTYPE(c.c_int, _File)
_OnWrite = c.CFUNCTYPE(c.c_int, _File, c.c_void_p, c.c_int, c.c_int64)
_OnTruncate = c.CFUNCTYPE(c.c_int, _File, c.c_int64)
_OnSync = c.CFUNCTYPE(c.c_int, _File, c.c_int)
_OnOpen = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p, _File, c.c_int, c.POINTER(c.c_int))
_OnDelete = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_char_p, c.c_int)


class _Methods(c.Structure):
    """`sqlite3_io_methods`: what an open file can do. Those in `rest` stay as they are."""

    _fields_ = (
        ("version", c.c_int),
        ("close", _OnFile),
        ("read", _OnWrite),
        ("write", _OnWrite),
        ("truncate", _OnTruncate),
        ("sync", _OnSync),
        ("rest", c.c_void_p * 13),
    )


class _Vfs(c.Structure):
    """`sqlite3_vfs`. Those in `rest` stay as they are."""

    _fields_ = (
        ("version", c.c_int),
        ("file_size", c.c_int),
        ("longest_path", c.c_int),
        ("next", c.c_void_p),
        ("name", c.c_char_p),
        ("app_data", c.c_void_p),
        ("open", _OnOpen),
        ("delete", _OnDelete),
        ("rest", c.c_void_p * 14),
    )


def _never(what: str, path: str) -> int:
    del what, path
    return 0


@contextmanager
def recorded(events: list[Event], fails: Fails = _never) -> Iterator[None]:
    """Append to `events` what the product's SQLite does with files inside this block.

    Every connection that was opened inside must be closed inside.
    """
    library = _library()
    real = library.sqlite3_vfs_find(None).contents
    layer = _Layer(real, events, fails)
    library.sqlite3_vfs_register(c.byref(layer.vfs), 1)
    try:
        yield
    finally:
        library.sqlite3_vfs_unregister(c.byref(layer.vfs))


def _library() -> Any:  # noqa: ANN401 - ctypes gives no better type
    """The C library behind the SQLite that the product chose."""
    inner = importlib.import_module(
        "_sqlite3" if choose_sqlite().__name__ == "sqlite3" else "pysqlite3._sqlite3"
    )
    library = c.CDLL(inner.__file__)
    library.sqlite3_vfs_find.restype = c.POINTER(_Vfs)
    library.sqlite3_vfs_find.argtypes = (c.c_char_p,)
    for name in ("sqlite3_vfs_register", "sqlite3_vfs_unregister"):
        getattr(library, name).restype = c.c_int
    library.sqlite3_vfs_register.argtypes = (c.POINTER(_Vfs), c.c_int)
    library.sqlite3_vfs_unregister.argtypes = (c.POINTER(_Vfs),)
    return library


class _Layer:
    """Keeps what ctypes must not let go of, and which open file is which path."""

    def __init__(self, real: _Vfs, events: list[Event], fails: Fails) -> None:
        self._real, self._events, self._fails = real, events, fails
        self._paths: dict[int, str] = {}
        self._originals: dict[int, _Methods] = {}
        self._wrapped: dict[int, _Methods] = {}
        self.vfs = _Vfs.from_buffer_copy(real)
        self.vfs.next, self.vfs.name = None, b"recording"
        self.vfs.open, self.vfs.delete = _OnOpen(self._open), _OnDelete(self._delete)

    def _open(self, vfs: int, path: int, file: int, flags: int, told: Any) -> int:  # noqa: ANN401 - a ctypes pointer
        code = int(self._real.open(c.addressof(self._real), path, file, flags, told))
        if code == 0 and path:
            name = (c.string_at(path)).decode()
            self._paths[file] = name
            is_new = bool(flags & CREATE) and bool(flags & SYNCS_ITS_FOLDER)
            self._events.append(Open(name, syncs_folder=is_new))
            self._wrap(file)
        return code

    def _wrap(self, file: int) -> None:
        """Put our methods in the place of the file's own."""
        place = c.cast(file, c.POINTER(c.c_void_p))
        address = place[0]
        assert address is not None
        if address not in self._wrapped:
            original = c.cast(address, c.POINTER(_Methods)).contents
            wrapped = _Methods.from_buffer_copy(original)
            wrapped.close = _OnFile(lambda f: self._close(original, f))
            if self._fails is not _never:  # else each page would pass through here
                wrapped.read = _OnWrite(lambda f, d, n, at: self._read(original, f, d, n, at))
            wrapped.write = _OnWrite(lambda f, d, n, at: self._write(original, f, d, n, at))
            wrapped.truncate = _OnTruncate(lambda f, size: self._truncate(original, f, size))
            wrapped.sync = _OnSync(lambda f, flags: self._sync(original, f, flags))
            self._originals[address], self._wrapped[address] = original, wrapped
        place[0] = c.addressof(self._wrapped[address])

    def _read(self, original: _Methods, file: int, data: int, size: int, at: int) -> int:
        return self._fails("read", self._paths[file]) or int(original.read(file, data, size, at))

    def _write(self, original: _Methods, file: int, data: int, size: int, at: int) -> int:
        if code := self._fails("write", self._paths[file]):
            return code
        code = int(original.write(file, data, size, at))
        self._events.append(Write(self._paths[file], at, c.string_at(data, size)))
        return code

    def _truncate(self, original: _Methods, file: int, size: int) -> int:
        code = int(original.truncate(file, size))
        self._events.append(Truncate(self._paths[file], size))
        return code

    def _sync(self, original: _Methods, file: int, flags: int) -> int:
        if code := self._fails("sync", self._paths[file]):
            return code
        code = int(original.sync(file, flags))
        if code == 0:
            self._events.append(Sync(self._paths[file]))
        return code

    def _close(self, original: _Methods, file: int) -> int:
        self._paths.pop(file, None)
        return int(original.close(file))

    def _delete(self, vfs: int, path: bytes, sync_folder: int) -> int:
        code = int(self._real.delete(c.addressof(self._real), path, sync_folder))
        if code == 0:
            self._events.append(Delete(path.decode(), syncs_folder=bool(sync_folder)))
        return code
