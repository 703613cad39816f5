"""A Zendesk account over HTTP on loopback, with the mishaps that a real one can have.

    python -m tests.platforms.zendesk.fake --port 8091

Then connect with subdomain `acme`, e-mail `owner@acme.test`, token `zd-synthetic-token`, and the
base address it prints. It judges credentials and conflicts as documented, and nothing else.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa

from tests.platforms.zendesk import tokens
from tests.platforms.zendesk.data import APP, EMAIL, OWNER, TOKEN, Account, Json, Refusal

_CREDENTIALS = f"Basic {base64.b64encode(f'{EMAIL}/token:{TOKEN}'.encode()).decode()}"


@dataclass
class Mishap:
    """What goes wrong with the next `times` requests that match.

    `status` answers it; without one the connection is closed. `after` lets the change happen first.
    With `until` it only waits for that event, and then works.
    """

    method: str = ".*"
    path: str = ".*"
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    after: bool = False
    until: threading.Event | None = None
    times: int = 1

    def fits(self, method: str, path: str) -> bool:
        matches = re.fullmatch(self.method, method) and re.search(self.path, path)
        return self.times > 0 and matches is not None


@dataclass(frozen=True)
class Seen:
    """One request and its answer."""

    method: str
    path: str
    query: dict[str, list[str]]
    body: Json | None
    authorized: bool
    status: int
    answer: Json | None


class FakeZendesk:
    """Runs inside `with`. `key` signs tokens; replace it to rotate the app's key."""

    def __init__(self, port: int = 0) -> None:
        self.account = Account()
        self.key: rsa.RSAPrivateKey = tokens.new_key()
        self.mishaps: list[Mishap] = []
        self.seen: list[Seen] = []
        self.tells_time = True
        self.before_write: Callable[[int], None] | None = None
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

    def token(self, agent: int | str | None = None, **changed: Any) -> str:  # noqa: ANN401 - hostile values too
        said = tokens.claims(self.account.now, **({} if agent is None else {"agent": agent}))
        return tokens.sign(self.key, {**said, **changed})

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
            mishap.times -= 1
            if mishap.until is not None:
                mishap.until.wait(60)
        body: Json | None = json.loads(raw) if raw else None
        query = parse_qs(parts.query)
        with self._lock:
            self.account.tick()
            if mishap is not None and not mishap.after and mishap.until is None:
                answer = _Answer(mishap.status or 0, {"error": "mishap"}, mishap.headers)
            else:
                answer = self._work(method, parts.path, query, headers, body)
                if mishap is not None and mishap.after:
                    answer = _Answer(mishap.status or 0, {"error": "mishap"}, mishap.headers)
            told = format_datetime(self.account.now, usegmt=True)
            answer.headers["Date"] = told if self.tells_time else "soon"
            self.seen.append(
                Seen(
                    method,
                    parts.path,
                    query,
                    body,
                    "authorization" in headers,
                    answer.status,
                    answer.body if isinstance(answer.body, dict) else None,
                )
            )
        return answer if answer.status else None

    def _work(
        self,
        method: str,
        path: str,
        query: dict[str, list[str]],
        headers: dict[str, str],
        body: Json | None,
    ) -> _Answer:
        if (method, path) == ("GET", f"/api/v2/apps/{APP}/public_key.pem"):
            return _Answer(200, tokens.public_pem(self.key))
        include = {name for value in query.get("include", []) for name in value.split(",")}
        if headers.get("authorization") != _CREDENTIALS:
            return _Answer(401, {"error": "Couldn't authenticate you"})
        try:
            if method == "PUT":
                return _Answer(200, self._update(path, body or {}))
            return _Answer(200, self._show(path, include, query))
        except Refusal as refusal:
            return _Answer(refusal.status, refusal.body)

    def _update(self, path: str, body: Json) -> Json:
        found = re.fullmatch(r"/api/v2/tickets/(\d+)\.json", path)
        if found is None:
            raise Refusal(404, "InvalidEndpoint", "Not found")
        if self.before_write is not None:
            self.before_write(int(found[1]))
        return self.account.update_ticket(int(found[1]), body)

    def _show(self, path: str, include: set[str], query: dict[str, list[str]]) -> Json:
        whole: dict[str, Callable[[], Json]] = {
            "search": lambda: self.account.search(query["query"][0]),
            "apps/installations": lambda: {"installations": self.account.installations},
            "users/me": lambda: self.account.show_user(OWNER, include),
        }
        one: dict[str, Callable[[int], Json]] = {
            "tickets": lambda number: self.account.show_ticket(number, include),
            "tickets/comments": lambda number: self.account.list_comments(
                number,
                query.get("page[after]", [None])[0],
                newest_first=query.get("sort") == ["-created_at"],
            ),
            "users": lambda number: self.account.show_user(number, include),
            "users/identities": self.account.list_identities,
            "ticket_fields": self.account.show_field,
        }
        name = path.removeprefix("/api/v2/").removesuffix(".json")
        if name in whole:
            return whole[name]()
        found = re.fullmatch(r"(\w+)/(\d+)(/\w+)?", name)
        if found is None or found[1] + (found[3] or "") not in one:
            raise Refusal(404, "InvalidEndpoint", "Not found")
        return one[found[1] + (found[3] or "")](int(found[2]))

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
                text = answer.raw()
                self.send_response_only(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815 - names of the standard library

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


@dataclass
class _Answer:
    status: int
    body: Json | bytes
    headers: dict[str, str] = field(default_factory=dict)

    def raw(self) -> bytes:
        if isinstance(self.body, bytes):
            self.headers.setdefault("Content-Type", "application/x-pem-file")
            return self.body
        self.headers.setdefault("Content-Type", "application/json; charset=utf-8")
        return json.dumps(self.body).encode()


def main() -> None:
    parser = argparse.ArgumentParser(description="A synthetic Zendesk account on loopback.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--installation", help="our installation id; the app counts as installed")
    chosen = parser.parse_args()
    with FakeZendesk(chosen.port) as desk:
        desk.account.live = True
        desk.account.tick()
        desk.account.add_ticket()
        if chosen.installation:
            desk.account.install_app(chosen.installation)
        print(
            json.dumps({"base_url": desk.base_url, "tickets": list(desk.account.tickets)}),
            flush=True,
        )
        threading.Event().wait()


if __name__ == "__main__":
    main()
