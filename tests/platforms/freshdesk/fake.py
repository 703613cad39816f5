"""A Freshdesk account over HTTP on loopback, with the mishaps that a real one can have.

    python -m tests.platforms.freshdesk.fake --port 8092

Then connect with domain `acme`, API key `fd-synthetic-key` and the base address it prints. It
judges credentials and changes as documented, and nothing else.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.platforms.freshdesk.account import API_KEY, OWNER, Account, Json, Refusal

_CREDENTIALS = f"Basic {base64.b64encode(f'{API_KEY}:X'.encode()).decode()}"
_PLACE = re.compile(r"/api/v2/(\w+)/(\d+)(?:/(\w+))?")


@dataclass
class Mishap:
    """What goes wrong with the next request that matches.

    `status` answers it; without one the connection is closed. `after` lets the change happen first.
    With `until` it only waits for that event, and then works.
    """

    method: str = ".*"
    path: str = ".*"
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    after: bool = False
    until: threading.Event | None = None
    body: Any = None
    is_over: bool = False

    def fits(self, method: str, path: str) -> bool:
        matches = re.fullmatch(self.method, method) and re.search(self.path, path)
        return not self.is_over and matches is not None


@dataclass(frozen=True)
class Seen:
    """One request and the status of its answer."""

    method: str
    path: str
    query: dict[str, list[str]]
    body: Json | None
    status: int


@dataclass
class _Answer:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class FakeFreshdesk:
    """Runs inside `with`."""

    def __init__(self, port: int = 0) -> None:
        self.account = Account()
        self.mishaps: list[Mishap] = []
        self.seen: list[Seen] = []
        self.left = 50
        """What the answers say is left of the account's calls in this minute."""
        self.before_write: Callable[[str, int], None] | None = None
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def base_url(self) -> str:
        return f"http://{self.place}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def calls(self) -> list[str]:
        return [f"{one.method} {one.path}" for one in self.seen]

    # --- answering --------------------------------------------------------------------------------

    def respond(
        self, method: str, target: str, headers: dict[str, str], raw: bytes
    ) -> _Answer | None:
        """The answer, or None to close the connection without one."""
        parts = urlsplit(target)
        mishap = next((one for one in self.mishaps if one.fits(method, parts.path)), None)
        if mishap is not None:
            mishap.is_over = True
            if mishap.until is not None:
                mishap.until.wait(60)
                mishap = None
        body: Json | None = json.loads(raw) if raw else None
        query = parse_qs(parts.query)
        with self._lock:
            self.account.tick()
            works = mishap is None or mishap.after
            answer = self._work(method, parts.path, query, headers, body) if works else _Answer(0)
            if mishap is not None:
                answer = _Answer(mishap.status or 0, mishap.body, dict(mishap.headers))
            answer.headers.setdefault("X-RateLimit-Remaining", str(self.left))
            self.seen.append(Seen(method, parts.path, query, body, answer.status))
        return answer if answer.status else None

    def _work(
        self,
        method: str,
        path: str,
        query: dict[str, list[str]],
        headers: dict[str, str],
        body: Json | None,
    ) -> _Answer:
        if headers.get("authorization") != _CREDENTIALS:
            fault = {"code": "invalid_credentials", "message": "You have to be logged in"}
            return _Answer(401, fault)
        try:
            if method == "GET":
                return _Answer(200, self._show(path, query))
            return self._change(method, path, body or {})
        except Refusal as refusal:
            return _Answer(refusal.status, refusal.body)

    def _show(self, path: str, query: dict[str, list[str]]) -> Any:  # noqa: ANN401 - JSON
        def number(name: str, otherwise: int) -> int:
            return int(query.get(name, [str(otherwise)])[0])

        account = self.account
        if not 1 <= number("per_page", 30) <= 100:
            raise Refusal(400, "Validation failed", {"field": "per_page", "code": "invalid_value"})
        whole: dict[str, Callable[[], Any]] = {
            "/api/v2/agents/me": lambda: account.show_agent(OWNER),
            "/api/v2/agents": lambda: list(account.agents.values())[: number("per_page", 30)],
            "/api/v2/roles": lambda: account.roles[: number("per_page", 30)],
            "/api/v2/ticket_fields": lambda: account.fields,
            "/api/v2/tickets": lambda: account.list_tickets(
                query["email"][0], query.get("updated_since", [account.stamp()])[0]
            ),
        }
        if path in whole:
            return whole[path]()
        one: dict[tuple[str, str | None], Callable[[int], Any]] = {
            ("agents", None): account.show_agent,
            ("contacts", None): account.show_contact,
            ("tickets", None): account.show_ticket,
            ("tickets", "conversations"): lambda ticket: account.list_comments(
                ticket, number("page", 1), number("per_page", 30)
            ),
        }
        found = _PLACE.fullmatch(path)
        if found is None or (found[1], found[3]) not in one:
            raise Refusal(404)
        return one[found[1], found[3]](int(found[2]))

    def _change(self, method: str, path: str, body: Json) -> _Answer:
        found = _PLACE.fullmatch(path)
        if found is None or found[1] != "tickets":
            raise Refusal(404)
        ticket = int(found[2])
        if self.before_write is not None:
            self.before_write(method, ticket)
        if (method, found[3]) == ("PUT", None):
            return _Answer(200, self.account.update_ticket(ticket, body))
        if method == "POST" and found[3] in ("notes", "reply"):
            return _Answer(201, self.account.write(ticket, found[3], body))
        raise Refusal(404)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = fake.respond(self.command, self.path, headers, raw)
                self.close_connection = True
                if answer is None:
                    return
                text = b"" if answer.body is None else json.dumps(answer.body).encode()
                self.send_response_only(answer.status)
                answer.headers.setdefault("Content-Type", "application/json; charset=utf-8")
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815 - names of the standard library

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


def main() -> None:
    parser = argparse.ArgumentParser(description="A synthetic Freshdesk account on loopback.")
    parser.add_argument("--port", type=int, default=0)
    with FakeFreshdesk(parser.parse_args().port) as desk:
        desk.account.add_ticket()
        said = {"base_url": desk.base_url, "tickets": list(desk.account.tickets)}
        print(json.dumps(said), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
