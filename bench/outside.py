"""A store over loopback that answers after a fixed time: Systeme.io's calls, as far as rules go.

One process, one thread, next to no work per call, so that what is measured is ours. A contact's
number is in its address: `customer-7@mail.example` is contact 7, who holds course 1 and tag 7 until
they are taken. Started as `python -m bench.outside PORT MILLISECONDS`. `POST /effect` does nothing,
for bare peers; `GET /_bench` tells how many calls came, and when which write did (by the monotonic
clock, which all processes of a machine share).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, urlsplit

COURSE: Final = "1"
TAG: Final = "7"
_EMPTY: Final = {"items": [], "hasMore": False}


def email_of(number: int) -> str:
    """The address of a contact."""
    return f"customer-{number}@mail.example"


@dataclass(slots=True)
class Store:
    """What is left of what everybody held, and what was asked."""

    gone: set[str] = field(default_factory=set)
    writes: list[tuple[float, str]] = field(default_factory=list)
    calls: int = 0

    def answer(self, method: str, target: str) -> tuple[int, object]:
        """A status and what to say."""
        parts = urlsplit(target)
        if parts.path == "/_bench":
            return 200, {"calls": self.calls, "writes": self.writes}
        self.calls += 1
        if method != "GET":
            self.writes.append((time.monotonic(), parts.path))
            self.gone.add(parts.path)
            return (204, None) if method == "DELETE" else (200, {})
        query = parse_qs(parts.query)
        match parts.path.strip("/").split("/"):
            case ["api", "contacts"]:
                number = query["email"][0].partition("@")[0].removeprefix("customer-")
                return 200, {"items": [self._contact(number)], "hasMore": False}
            case ["api", "contacts", number]:
                return 200, self._contact(number)
            case ["api", "school", "enrollments"]:
                return 200, self._enrolments(query["contact"][0], query.get("course", [COURSE])[0])
            case ["api", "community", "memberships"]:
                return 200, _EMPTY
            case _:
                return 404, {}

    def _contact(self, number: str) -> object:
        has_tag = f"/api/contacts/{number}/tags/{TAG}" not in self.gone
        tags = [{"id": int(TAG), "name": "buyer"}] if has_tag else []
        return {"id": int(number), "email": email_of(int(number)), "tags": tags}

    def _enrolments(self, contact: str, course: str) -> object:
        ref = f"{contact}0{COURSE}"
        if course != COURSE or f"/api/school/enrollments/{ref}" in self.gone:
            return _EMPTY
        held = {
            "id": int(ref),
            "contact": {"id": int(contact)},
            "course": {"id": int(COURSE), "name": "Portrait Lighting"},
            "active": True,
        }
        return {"items": [held], "hasMore": False}


class _Line(asyncio.Protocol):
    """One connection: whole requests in, answers out after the delay."""

    def __init__(self, store: Store, seconds: float) -> None:
        self._store = store
        self._seconds = seconds
        self._heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of create_server, for types
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head, end, rest = self._heard.partition(b"\r\n\r\n")
        if not end:
            return
        lower = head.lower()
        _, told, after = lower.partition(b"\r\ncontent-length:")
        if told and len(rest) < int(after.split(b"\r\n", 1)[0]):
            return
        self._heard = b""
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        wait = 0.0 if target == "/_bench" else self._seconds
        last = b"\r\nconnection: close" in lower
        loop = asyncio.get_running_loop()
        loop.call_later(wait, self._answer, method, target, last)

    def _answer(self, method: str, target: str, last: bool) -> None:  # noqa: FBT001 - of call_later
        status, said = self._store.answer(method, target)
        body = b"" if said is None else json.dumps(said).encode()
        length = "" if status == 204 else f"Content-Length: {len(body)}\r\n"
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{length}"
        self._transport.write(
            f"{head}Connection: {'close' if last else 'keep-alive'}\r\n\r\n".encode() + body
        )
        if last:
            self._transport.close()


async def serve(port: int, milliseconds: float) -> None:
    """Answer until told to end."""
    store = Store()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: _Line(store, milliseconds / 1000), "127.0.0.1", port, backlog=1024
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
