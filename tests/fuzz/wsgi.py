"""One request as a server would hand it over, and the raw call: nothing makes the bytes nicer."""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

OWN = "own"
"""The length of the body itself."""
Environ = dict[str, Any]
App = Callable[[Environ, Any], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `path` and header values are latin-1 texts, as WSGI has them.

    A header that starts with `=` is an environ key as it stands. `length` is CONTENT_LENGTH (None
    leaves it out), `ended` says that the server ends the input itself, as it does for chunked
    bodies, `drip` is the most that one read gives. `signed` names the source that signs the body,
    where the request may be cut smaller and must be signed anew.
    """

    method: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    length: str | None = OWN
    ended: bool = False
    drip: int = 0
    signed: str = ""

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "body": base64.b64encode(self.body).decode()}

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Self:
        headers = tuple((name, value) for name, value in told["headers"])
        return cls(**{**told, "headers": headers, "body": base64.b64decode(told["body"])})

    def environ(self) -> Environ:
        made: Environ = {
            "REQUEST_METHOD": self.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": self.path,
            "QUERY_STRING": self.query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8080",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "refunds.shop.test",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            "wsgi.input": _Dripping(self.body, self.drip) if self.drip else io.BytesIO(self.body),
        }
        told: dict[str, str] = {}
        for name, value in self.headers:
            key = _key(name)
            # Of one name several: servers join them with commas.
            told[key] = f"{told[key]},{value}" if key in told else value
        made |= told
        if self.length is not None:
            made["CONTENT_LENGTH"] = str(len(self.body)) if self.length == OWN else self.length
        if self.ended:
            made["wsgi.input_terminated"] = True
        return made


def _key(name: str) -> str:
    if name.startswith("="):
        return name[1:]
    folded = name.upper().replace("-", "_")
    return folded if folded == "CONTENT_TYPE" else f"HTTP_{folded}"


class _Dripping(io.BytesIO):
    """Gives a little at each read, as a slow line does."""

    def __init__(self, body: bytes, most: int) -> None:
        super().__init__(body)
        self._most = most

    def read(self, size: int | None = -1) -> bytes:
        wanted = self._most if size is None or size < 0 else min(size, self._most)
        return super().read(wanted)


@dataclass(frozen=True, slots=True)
class Told:
    """What the application answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoAnswer(Exception):
    """The application ended without saying a status, or said one that is none."""


def call(app: App, asked: Asked) -> Told:
    """Call the application, take its whole answer, and close it. Raises what leaves it."""
    said: list[tuple[str, list[tuple[str, str]]]] = []

    def start(status: str, headers: list[tuple[str, str]], _: object = None) -> object:
        said.append((status, headers))
        return lambda _: None

    chunks = app(asked.environ(), start)
    try:
        body = b"".join(chunks)
    finally:
        if (close := getattr(chunks, "close", None)) is not None:
            close()
    if not said or not said[-1][0][:3].isdigit():
        raise NoAnswer
    status, headers = said[-1]
    for name, value in headers:
        if not f"{name}{value}".isprintable():
            raise NoAnswer(name)  # a header that splits the answer
    return Told(int(status[:3]), dict(headers), body)
