"""Our fake Stripe: the books over loopback HTTP, with idempotency keys, webhooks and faults.

    python -m tests.platforms.stripe.fake --port 8420

prints one line of JSON with its address. Paths under `/_` are for harnesses (`control.py`);
`GET /_log` lists the refunds that moved money, with their keys. Faults: see `FAULTS`.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self, cast
from urllib.parse import urlsplit

from tests.platforms.stripe.books import Books, StripeError, Thing
from tests.platforms.stripe.control import control
from tests.platforms.stripe.hooks import Hooks
from tests.platforms.stripe.routes import answer_to

FAULTS = {
    "fine": "nothing: it goes as it should",
    "lost": "404 with a web page, nothing is done",
    "drop_before": "the connection breaks before anything is done",
    "rate_limited": "429, nothing is done",
    "expired": "401, nothing is done",
    "unavailable": "503, nothing is done",
    "running": "409, as while a call with the same key runs",
    "drop_after": "it is done, then the connection breaks",
    "error_after": "it is done, then 500, which is kept for the key",
    "slow": "it is done, then the answer waits for `seconds`",
    "webhook_first": "it is done, and the webhook arrives before the answer",
    "html": "it is done, the answer is a web page",
    "truncated": "it is done, the answer ends in its middle",
    "empty": "it is done, the answer is an empty object",
    "wrong_refund": "it is done, the answer tells of another refund",
}
_BEFORE = {
    "rate_limited": (429, "rate_limit"),
    "expired": (401, "api_key_expired"),
    "unavailable": (503, "api_error"),
    "running": (409, "idempotency_key_in_use"),
}


@dataclass
class Fault:
    kind: str
    seconds: float = 0.0
    times: int = 1
    on: str = "POST /v1/refunds"


@dataclass
class Kept:
    """What is kept for a key: the call it came with, and the answer once there is one."""

    call: tuple[str, str, str]
    status: int = 0
    body: Thing | None = None


@dataclass
class Answer:
    status: int
    body: Thing
    headers: dict[str, str] = field(default_factory=dict)


class FakeStripe:
    """The server, for `with`: then `url` answers, `books` tell, and `fail` makes it fail."""

    def __init__(self, port: int = 0, now: Callable[[], int] = lambda: int(time.time())) -> None:
        self.books: Books = Books(now)
        self.hooks: Hooks = Hooks(now)
        self.lock = threading.RLock()
        self.stopped = threading.Event()
        self.key_state = "good"
        self.keys_begin = "rk_test_"
        self.denied: list[str] = []
        self.calls: list[tuple[str, str, dict[str, str], str]] = []
        self._faults: list[Fault] = []
        self._kept: dict[str, Kept] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
        self._server.daemon_threads = True
        self._server.fake = self  # type: ignore[attr-defined] # how a handler finds its server's state
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.place}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.hooks.stop()
        self._server.shutdown()
        self._server.server_close()

    def fail(
        self, kind: str, *, seconds: float = 0.0, times: int = 1, on: str = "POST /v1/refunds"
    ) -> None:
        """Let the next `times` calls that begin with `on` meet a fault."""
        if kind not in FAULTS:
            raise ValueError(kind)
        with self.lock:
            self._faults.append(Fault(kind, seconds, times, on))

    def forget_keys(self) -> None:
        """As after 24 hours."""
        with self.lock:
            self._kept.clear()

    def take_fault(self, method: str, path: str) -> Fault | None:
        with self.lock:
            for fault in self._faults:
                if f"{method} {path}".startswith(fault.on):
                    fault.times -= 1
                    if fault.times <= 0:
                        self._faults.remove(fault)
                    return fault
        return None

    def answer(self, method: str, path: str, query: str, body: str, key: str | None) -> Answer:
        """Answer a call by the rules of idempotency keys.

        The first answer is kept and played back; other parameters are an error; nothing is kept
        where no endpoint began. https://docs.stripe.com/api/idempotent_requests
        """
        call = (method, path, body)
        with self.lock:
            kept = None if key is None or method != "POST" else self._kept.get(key)
            if kept is not None:
                if kept.call != call:
                    error = StripeError(400, None, type="idempotency_error")
                    return Answer(error.status, error.body)
                if kept.body is None:
                    return Answer(409, StripeError(409, "idempotency_key_in_use").body)
                return Answer(kept.status, kept.body, {"Idempotent-Replayed": "true"})
            try:
                found = Answer(200, answer_to(self.books, method, path, query, body, key))
            except StripeError as error:
                found = Answer(error.status, error.body)
                if error.validation:
                    return found
            if key is not None and method == "POST":
                self._kept[key] = Kept(call)
            return found

    def keep(self, key: str | None, answer: Answer) -> None:
        """The call is over: from now on its answer is played back."""
        with self.lock:
            kept = self._kept.get(key or "")
            if kept is not None and kept.body is None:
                kept.status, kept.body = answer.status, answer.body

    def send_hooks(self, *, wait: bool = False) -> None:
        with self.lock:
            events, self.books.events = self.books.events, []
            endpoints = self.books.all("webhook_endpoint")
        self.hooks.send(events, endpoints, wait=wait)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # as of `tests.platforms.loopback`

    @property
    def fake(self) -> FakeStripe:
        return cast("FakeStripe", self.server.fake)  # type: ignore[attr-defined] # set by FakeStripe

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        """Nothing: tests read `calls`."""

    def _handle(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if url.path.startswith("/_"):
            order = json.loads(body or "{}")
            try:
                self._send(Answer(200, control(self.fake, url.path, order)))
            except StripeError as error:
                self._send(Answer(error.status, error.body))
            self.fake.send_hooks()
            return
        key = self.headers.get("Idempotency-Key")
        with self.fake.lock:
            self.fake.calls.append((self.command, self.path, dict(self.headers.items()), body))
        refusal = self._refusal(url.path)
        fault = None if refusal else self.fake.take_fault(self.command, url.path)
        kind = "" if fault is None else fault.kind
        if refusal is not None:
            self._send(refusal)
        elif kind == "drop_before":
            self._drop()
        elif kind == "lost":
            self._send_raw(404, b"<html>Not Found</html>", "text/html")
        elif kind in _BEFORE:
            status, code = _BEFORE[kind]
            headers = {"Retry-After": "7"} if status == 429 else {}
            self._send(Answer(status, StripeError(status, code).body, headers))
        else:
            answer = self.fake.answer(self.command, url.path, url.query, body, key)
            self._finish(answer, key, fault)
            self.fake.send_hooks()

    def _refusal(self, path: str) -> Answer | None:
        if not self.headers.get("Authorization", "").startswith(f"Bearer {self.fake.keys_begin}"):
            return Answer(401, StripeError(401, None).body)
        if self.fake.key_state != "good":
            return Answer(401, StripeError(401, "api_key_expired").body)
        if any(f"{self.command} {path}".startswith(denied) for denied in self.fake.denied):
            return Answer(403, StripeError(403, "more_permissions_required").body)
        return None

    def _finish(self, answer: Answer, key: str | None, fault: Fault | None) -> None:
        kind = "" if fault is None else fault.kind
        if kind == "error_after":
            answer = Answer(500, StripeError(500, None, type="api_error").body)
        if fault is not None and kind == "slow":
            self.fake.stopped.wait(fault.seconds)
        self.fake.keep(key, answer)
        if kind == "webhook_first":
            self.fake.send_hooks(wait=True)
        raw = json.dumps(answer.body).encode()
        if kind in ("drop_after", "slow") and self.fake.stopped.is_set():
            return
        if kind == "drop_after":
            self._drop()
        elif kind == "html":
            self._send_raw(answer.status, b"<html><body>Service</body></html>", "text/html")
        elif kind == "truncated":
            self._send_raw(answer.status, raw[: len(raw) // 2], "application/json")
        elif kind == "empty":
            self._send(Answer(answer.status, {}))
        elif kind == "wrong_refund":
            other = {"id": "re_ofanother", "metadata": {}, "charge": "ch_ofanother"}
            self._send(Answer(answer.status, {**answer.body, **other}))
        else:
            self._send(answer)

    def _send(self, answer: Answer) -> None:
        raw = json.dumps(answer.body).encode()
        self._send_raw(answer.status, raw, "application/json", answer.headers)

    def _send_raw(
        self, status: int, raw: bytes, kind: str, headers: Mapping[str, str] | None = None
    ) -> None:
        try:
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Type": kind}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the caller has given up, which is what some tests want

    def _drop(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


def main() -> None:
    parser = argparse.ArgumentParser(description="A fake Stripe on loopback, for tests")
    parser.add_argument("--port", type=int, default=0)
    with FakeStripe(parser.parse_args().port) as fake:
        print(json.dumps({"url": fake.url}), flush=True)
        try:
            fake.stopped.wait()
        except KeyboardInterrupt:
            sys.exit(0)


if __name__ == "__main__":
    main()
