"""An Intercom workspace over HTTP on loopback, with the mishaps that a real one can have.

    python -m tests.platforms.intercom.fake --port 8093

Then connect with workspace `ecahpwf5`, client ID `2b6c2a3e-synthetic`, client secret
`ic_client_secret_1`, token `ic-synthetic-token` and the base address it prints. It judges the token
as documented, and nothing else.
"""

from __future__ import annotations

import argparse
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, parse_qsl, urlsplit

from tests.platforms.intercom.data import TOKEN, Json, Refusal, Workspace


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
    version: str
    body: Json | None
    status: int
    answer: Json


class FakeIntercom:
    """Runs inside `with`."""

    def __init__(self, port: int = 0) -> None:
        self.workspace = Workspace()
        self.mishaps: list[Mishap] = []
        self.seen: list[Seen] = []
        self.before_write: Callable[[], None] | None = None
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

    def writes(self) -> list[str]:
        """What changed something: searches are posts too."""
        return [call for call in self.calls() if not re.match(r"GET |POST /\w+/search$", call)]

    # --- answering --------------------------------------------------------------------------------

    def respond(
        self, method: str, target: str, headers: dict[str, str], raw: bytes
    ) -> tuple[int, Json, dict[str, str]] | None:
        """Status, body and headers, or None to close the connection without an answer."""
        parts = urlsplit(target)
        mishap = next((one for one in self.mishaps if one.fits(method, parts.path)), None)
        if mishap is not None:
            mishap.times -= 1
            if mishap.until is not None:
                mishap.until.wait(60)
                mishap = None
        body = _body(headers, raw)
        query = parse_qs(parts.query)
        with self._lock:
            self.workspace.tick()
            status, answer = 0, Refusal(500, "mishap", "mishap").body
            if mishap is None or mishap.after:
                status, told = self._work(method, parts.path, query, headers, body)
                answer = told if mishap is None else answer
            if mishap is not None:
                status = mishap.status or 0
            version = headers.get("intercom-version", "")
            self.seen.append(Seen(method, parts.path, query, version, body, status, answer))
        return (status, answer, mishap.headers if mishap else {}) if status else None

    def _work(
        self,
        method: str,
        path: str,
        query: dict[str, list[str]],
        headers: dict[str, str],
        body: Json | None,
    ) -> tuple[int, Json]:
        try:
            if path == "/auth/eagle/token":
                return 200, self.workspace.trade(body or {})
            if headers.get("authorization") != f"Bearer {TOKEN}":
                return 401, Refusal(401, "unauthorized", "Access Token Invalid").body
            if method == "GET":
                return 200, self._show(path, query)
            if method == "PUT":
                return 200, self._put(path, body or {})
            return 200, self._post(path, body or {})
        except Refusal as refusal:
            return refusal.status, refusal.body

    def _show(self, path: str, query: dict[str, list[str]]) -> Json:
        whole = {
            "/me": self.workspace.me,
            "/tags": self.workspace.list_tags,
            "/data_attributes": self.workspace.list_attributes,
        }
        if path in whole:
            return whole[path]()
        if found := re.fullmatch(r"/admins/(\d+)", path):
            return self.workspace.show_admin(int(found[1]))
        if found := re.fullmatch(r"/contacts/(\w+)", path):
            return self.workspace.show_contact(found[1])
        if found := re.fullmatch(r"/conversations/(\d+)", path):
            plain = query.get("display_as") == ["plaintext"]
            return self.workspace.show_conversation(int(found[1]), plain=plain)
        raise Refusal(404, "not_found", "Resource Not Found")

    def _put(self, path: str, body: Json) -> Json:
        found = re.fullmatch(r"/conversations/(\d+)", path)
        if found is None:
            raise Refusal(404, "not_found", "Resource Not Found")
        return self.workspace.update(int(found[1]), body)

    def _post(self, path: str, body: Json) -> Json:
        searches = {
            "/contacts/search": self.workspace.search_contacts,
            "/conversations/search": self.workspace.search_conversations,
        }
        if path in searches:
            return searches[path](body)
        if self.before_write is not None:
            self.before_write()
        if path == "/tags":
            return self.workspace.create_tag(body)
        if found := re.fullmatch(r"/conversations/(\d+)/(reply|tags)", path):
            act = self.workspace.reply if found[2] == "reply" else self.workspace.attach
            return act(int(found[1]), body)
        raise Refusal(404, "not_found", "Resource Not Found")

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
                status, document, more = answer
                text = json.dumps(document).encode()
                self.send_response_only(status)
                for name, value in {"Content-Type": "application/json", **more}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815 - names of the standard library

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


def _body(headers: dict[str, str], raw: bytes) -> Json | None:
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(raw.decode()))
    return json.loads(raw) if raw else None


def main() -> None:
    parser = argparse.ArgumentParser(description="A synthetic Intercom workspace on loopback.")
    parser.add_argument("--port", type=int, default=0)
    chosen = parser.parse_args()
    with FakeIntercom(chosen.port) as desk:
        desk.workspace.live = True
        desk.workspace.add_conversation(desk.workspace.add_contact("mia@example.com"))
        told = {"base_url": desk.base_url, "conversations": list(desk.workspace.conversations)}
        print(json.dumps(told), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
