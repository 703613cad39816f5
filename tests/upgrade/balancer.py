"""What stands before the web: it shares connections out among the doors that are open, in turns.

It reads no byte of them. While no door is open it says so itself, by 503: that is the pause of a
stop, and no fault of whoever was stopped.
"""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import Self

PAUSE = "pause"
_CLOSED = (
    b"HTTP/1.1 503 Service Unavailable\r\nX-Balancer: pause\r\nContent-Length: 0\r\n"
    b"Connection: close\r\n\r\n"
)
_CHUNK = 65536
ANSWER_SECONDS = 60.0
"""No request takes longer."""


class Balancer(AbstractContextManager["Balancer"]):
    """Listens at `port` for the block."""

    def __init__(self, port: int) -> None:
        self._doors: list[int] = []
        self._turn = 0
        self._lock = threading.Condition()
        self._under_way: Counter[int] = Counter()
        self._socket = socket.create_server(("127.0.0.1", port), backlog=128)

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def open(self, door: int) -> None:
        """From now on it has its turn."""
        with self._lock:
            self._doors.append(door)

    def close(self, door: int) -> None:
        """From now on nobody new is sent there. Returns once those who were have their answers.

        Else one may be sent whom a server that ends has not taken in yet, and no longer will.
        """
        with self._lock:
            self._doors.remove(door)
            self._lock.wait_for(lambda: not self._under_way[door], ANSWER_SECONDS)

    def _listen(self) -> None:
        while True:
            try:
                caller, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(caller,), daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        with caller:
            door = self._next()
            if door is None:
                with suppress(OSError):
                    _read_request(caller)
                    caller.sendall(_CLOSED)
                return
            try:
                _join(caller, door)
            finally:
                with self._lock:
                    self._under_way[door] -= 1
                    self._lock.notify_all()

    def _next(self) -> int | None:
        with self._lock:
            if not self._doors:
                return None
            self._turn += 1
            door = self._doors[self._turn % len(self._doors)]
            self._under_way[door] += 1
            return door


def _join(caller: socket.socket, door: int) -> None:
    with suppress(OSError), socket.create_connection(("127.0.0.1", door)) as web:
        back = threading.Thread(target=_pass_on, args=(web, caller), daemon=True)
        back.start()
        _pass_on(caller, web)
        back.join()


def _chunks(one: socket.socket) -> Iterator[bytes]:
    with suppress(OSError):
        while chunk := one.recv(_CHUNK):
            yield chunk


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        for chunk in _chunks(one):
            other.sendall(chunk)
        other.shutdown(socket.SHUT_WR)


def _read_request(caller: socket.socket) -> None:
    """All of it: a caller whose bytes nobody took would hear of a broken connection."""
    head = b""
    while b"\r\n\r\n" not in head:
        chunk = caller.recv(_CHUNK)
        if not chunk:
            return
        head += chunk
    names, _, body = head.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b":", 1) for line in names.split(b"\r\n")[1:])
    wanted = int(fields.get(b"content-length", b"0"))
    while len(body) < wanted:
        chunk = caller.recv(_CHUNK)
        if not chunk:
            return
        body += chunk
