"""The load generator: keep-alive connections in one thread, requests made beforehand.

It sends the next request on a connection as soon as the last was answered, and stops at the first
answer that is not 200: a figure of refused requests says nothing. It shares the machine with the
server, so a ratio of two runs means more than either.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Final

_OK: Final = b"HTTP/1.1 200 "
_LENGTH: Final = b"\r\ncontent-length:"
_QUIET_SECONDS: Final = 30


class WrongAnswer(Exception):
    """The server said something else than 200, or nothing. Carries the start of what it said."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one load gave: whole seconds, and the seconds of each answer."""

    seconds: float
    answers: tuple[float, ...]

    @property
    def per_second(self) -> float:
        return len(self.answers) / self.seconds

    def percentile(self, share: float) -> float:
        """The seconds within which `share` of the answers came."""
        in_order = sorted(self.answers)
        return in_order[min(len(in_order) - 1, int(len(in_order) * share))]


@dataclass(slots=True)
class _Line:
    """One connection, with what was heard of the answer so far."""

    socket: socket.socket
    sent_at: float = 0.0
    heard: bytes = b""

    def send(self, request: bytes) -> None:
        self.heard = b""
        self.sent_at = perf_counter()
        self.socket.sendall(request)  # 5 KB: it fits into the kernel's buffer

    def is_answered(self) -> bool:
        """Read what is there. True once the whole answer is."""
        part = self.socket.recv(65536)
        self.heard += part
        head, end, rest = self.heard.partition(b"\r\n\r\n")
        if not part or (end and not head.startswith(_OK)):
            raise WrongAnswer(self.heard[:200])
        if not end:
            return False
        _, told, after = head.lower().partition(_LENGTH)
        return len(rest) >= (int(after.split(b"\r\n", 1)[0]) if told else 0)


def send_all(port: int, requests: Iterable[bytes], connections: int) -> Load:
    """Send all `requests` to loopback over that many connections. Raises WrongAnswer."""
    waiting: Iterator[bytes] = iter(requests)
    answers: list[float] = []
    with selectors.DefaultSelector() as selector:
        begun = perf_counter()
        for request in (one for _, one in zip(range(connections), waiting, strict=False)):
            line = _Line(socket.create_connection(("127.0.0.1", port), timeout=_QUIET_SECONDS))
            line.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(line.socket, selectors.EVENT_READ, line)
            line.send(request)
        try:
            while selector.get_map():
                ready = selector.select(_QUIET_SECONDS)
                if not ready:
                    raise WrongAnswer(b"nothing")
                for key, _ in ready:
                    _hear(key.data, selector, waiting, answers)
        finally:
            for key in list(selector.get_map().values()):
                key.data.socket.close()
    return Load(perf_counter() - begun, tuple(answers))


def _hear(
    line: _Line,
    selector: selectors.BaseSelector,
    waiting: Iterator[bytes],
    answers: list[float],
) -> None:
    if not line.is_answered():
        return
    answers.append(perf_counter() - line.sent_at)
    following = next(waiting, None)
    if following is None:
        selector.unregister(line.socket)
        line.socket.close()
    else:
        line.send(following)
