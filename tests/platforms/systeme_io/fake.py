"""A stateful Systeme.io over loopback HTTP: API, signed webhooks, refusals and bad days.

`python -m tests.platforms.systeme_io.fake --port 8099` runs one with a course, a tag and a buyer;
`POST /_fake/sell`, `/_fake/refund`, `/_fake/unsubscribe` and `/_fake/fault` with JSON stand for the
seller's dashboard, `GET /_fake/state` shows the books. The key is `test-key`.
"""

from __future__ import annotations

import argparse
import hmac
import json
import re
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast
from urllib.parse import parse_qsl, urlsplit

import requests

from tests.platforms.systeme_io.books import Body, Books, price_plan, stamp
from tests.platforms.systeme_io.routes import Exchange, problem, reply

KEY = "test-key"


class Fault(StrEnum):
    """What goes wrong with one call. `_AFTER`: only after the platform has done its part."""

    SERVER_ERROR = "server_error"
    SERVER_ERROR_AFTER = "server_error_after"
    SILENCE = "silence"
    SILENCE_AFTER = "silence_after"
    MALFORMED = "malformed"
    ANOTHER_SHAPE = "another_shape"
    RATE_LIMIT = "rate_limit"
    BAD_REQUEST = "bad_request"
    GIBBERISH = "gibberish"


@dataclass
class Sent:
    """One webhook delivery as it left. `status` is 0 where nobody answered."""

    url: str
    headers: dict[str, str]
    body: bytes
    status: int = 0


@dataclass
class Planned:
    method: str
    path: re.Pattern[str]
    fault: Fault
    times: int


def php_json(value: object) -> bytes:
    r"""JSON as the platform writes it: compact, non-ASCII as \uXXXX, slashes escaped."""
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/").encode("ascii")


class FakeSystemeIo:
    """One account with its own key. Safe to call from any thread."""

    def __init__(self, now: Callable[[], datetime] | None = None, port: int = 0) -> None:
        self.now = now or (lambda: datetime.now(UTC))
        self.lock = threading.RLock()
        self.key = KEY
        self.books = Books(self.now, self._tell)
        self.exchanges: list[Exchange] = []
        self.sent: list[Sent] = []
        self.retry_after = 7
        self._planned: list[Planned] = []
        self._outbox: deque[Sent] = deque()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.fake = self

    @property
    def url(self) -> str:
        return f"http://{self.place}"

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator[FakeSystemeIo]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def plan_fault(
        self, fault: Fault, method: str = ".*", path: str = ".*", times: int = 1
    ) -> None:
        self._planned.append(Planned(method, re.compile(path), fault, times))

    def next_fault(self, method: str, path: str) -> Fault | None:
        for planned in self._planned:
            if re.fullmatch(planned.method, method) and planned.path.fullmatch(path):
                planned.times -= 1
                if not planned.times:
                    self._planned.remove(planned)
                return planned.fault
        return None

    @property
    def writes(self) -> list[Exchange]:
        return [one for one in self.exchanges if one.method != "GET"]

    # --- webhooks ---------------------------------------------------------------------------------

    def _tell(self, event: str, body: Body) -> None:
        raw = php_json(body)
        for ref, hook in self.books.webhooks.items():
            for one in hook["subscriptions"]:
                if hook["active"] and one["event"] == event and one["disabledAt"] is None:
                    secret = self.books.secrets[ref]
                    self._outbox.append(
                        Sent(hook["url"], self._signed(event, one["id"], secret, raw), raw)
                    )

    def _signed(self, event: str, subscription: str, secret: str, raw: bytes) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": "SystemeIO-Webhook",
            "X-Webhook-Event": event,
            "X-Webhook-Schema-Version": "2",
            "X-Webhook-Signature": hmac.new(secret.encode(), raw, "sha256").hexdigest(),
            "X-Webhook-Message-Id": str(uuid.uuid4()),
            "X-Webhook-Subscription-Id": subscription,
            "X-Webhook-Event-Timestamp": stamp(self.now()),
            "X-Webhook-Delivery-Attempt-Id": str(uuid.uuid4()),
            "X-Webhook-Delivery-Attempt-Timestamp": stamp(self.now()),
            "sentry-trace": f"{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}",
            "baggage": "sentry-environment=production",
        }

    def take_outbox(self) -> list[Sent]:
        """What is due to be delivered, taken instead of delivered."""
        with self.lock:
            due = list(self._outbox)
            self._outbox.clear()
            return due

    def duplicate(self, sent: Sent) -> Sent:
        """The same delivery for another attempt: same message id, new attempt id."""
        attempt = {"X-Webhook-Delivery-Attempt-Id": str(uuid.uuid4())}
        return Sent(sent.url, {**sent.headers, **attempt}, sent.body)

    def deliver(self) -> list[Sent]:
        """Deliver what is due, in order, once each; who fails is seen by its status."""
        due = self.take_outbox()
        for one in due:
            self.post(one)
        return due

    def redeliver(self, sent: Sent) -> Sent:
        """A later attempt of the same delivery."""
        return self.post(self.duplicate(sent))

    def post(self, one: Sent) -> Sent:
        self.sent.append(one)
        try:
            answer = requests.post(one.url, data=one.body, headers=one.headers, timeout=60)
            one.status = answer.status_code
        except requests.RequestException:
            one.status = 0
        return one


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    fake: FakeSystemeIo


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # as of `tests.platforms.loopback`
    close_connection = True

    def log_message(self, *_: object) -> None:
        """Stay quiet."""

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_DELETE = do_PATCH = do_PUT = do_GET  # noqa: N815 - as do_GET

    def _serve(self) -> None:
        self.close_connection = True
        fake = cast("_Server", self.server).fake
        parts = urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.loads(raw) if raw else None
        query = parse_qsl(parts.query, keep_blank_values=True)
        headers = {name.lower(): value for name, value in self.headers.items()}
        call = Exchange(self.command, parts.path, query, headers, body)
        if parts.path.startswith("/_fake/"):
            with fake.lock:
                shown = _control(fake, parts.path.removeprefix("/_fake/"), body or {})
            self._answer(call, 200, shown)
            fake.deliver()
            return
        with fake.lock:
            call.fault = fake.next_fault(self.command, parts.path)
            fake.exchanges.append(call)
            if not self._fail(fake, call, after=False):
                status, answer = reply(fake.books, fake.key, call)
                if not self._fail(fake, call, after=True):
                    self._answer(call, status, answer)

    def _fail(self, fake: FakeSystemeIo, call: Exchange, *, after: bool) -> bool:
        """Do what the planned fault says, now or after the platform's part. True when it did."""
        match call.fault:
            case Fault.SILENCE if not after:
                self._hang_up()
            case Fault.SILENCE_AFTER if after:
                self._hang_up()
            case Fault.SERVER_ERROR if not after:
                self._answer(call, 500, {"title": "An error occurred"})
            case Fault.SERVER_ERROR_AFTER if after:
                self._answer(call, 500, {"title": "An error occurred"})
            case Fault.RATE_LIMIT if not after:
                headers = {"Retry-After": str(fake.retry_after), "X-RateLimit-Remaining": "0"}
                self._answer(call, 429, {"title": "Too many requests"}, headers)
            case Fault.BAD_REQUEST if not after:
                self._answer(call, 422, problem("secret words", "jane@example.com: no"))
            case Fault.GIBBERISH if not after:
                self._raw(400, b"<html>jane@example.com</html>", "text/html")
            case Fault.MALFORMED if after:
                self._raw(200, b'{"items": [', "application/json")
            case Fault.ANOTHER_SHAPE if after:
                odd = b'{"items": [{"id": {}}], "hasMore": "no", "id": []}'
                self._raw(200, odd, "application/json")
            case _:
                return False
        return True

    def _hang_up(self) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)

    def _answer(
        self, call: Exchange, status: int, answer: object, headers: dict[str, str] | None = None
    ) -> None:
        call.status, call.answer = status, answer
        call.answer_headers = {
            "X-RateLimit-Limit": "1000",
            "X-RateLimit-Refill": "60",
            **(headers or {}),
        }
        if status == 401:
            call.answer_headers["WWW-Authenticate"] = "API Key"
        kind = "application/problem+json" if status >= 400 else "application/json"
        raw = b"" if answer is None else json.dumps(answer).encode()
        self._raw(status, raw, kind, call.answer_headers)

    def _raw(
        self, status: int, raw: bytes, kind: str, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(len(raw)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(raw)


def _control(fake: FakeSystemeIo, what: str, told: Body) -> Body:
    books = fake.books
    match what:
        case "sell":
            plan = told.get("plan") or price_plan(3456401, "Course", 4900)
            courses, tags = tuple(told.get("courses", ())), tuple(told.get("tags", ()))
            return {"item": books.sell(told["contact"], plan, courses=courses, tags=tags)}
        case "refund":
            books.refund(told["item"])
        case "unsubscribe":
            books.unsubscribe(told["item"], told["subscription"], told.get("when", "Now"))
        case "fault":
            fake.plan_fault(Fault(told.pop("fault")), **told)
        case _:
            tables = ("contacts", "tags", "courses", "communities", "enrolments", "memberships")
            shown = {name: list(getattr(books, name).values()) for name in tables}
            return {**shown, "webhooks": list(books.webhooks.values()), "sales": books.sales}
    return {}


def main() -> None:
    """Run one until it is stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    fake = FakeSystemeIo(port=parser.parse_args().port)
    course = fake.books.add_course("Portrait Lighting")
    tag = fake.books.add_tag("buyer")
    contact = fake.books.add_contact("jane@example.com", "Jane")
    ready = {"url": fake.url, "key": KEY, "course": course, "tag": tag, "contact": contact}
    with fake.running():
        print(json.dumps(ready), flush=True)
        while True:
            time.sleep(0.2)
            fake.deliver()


if __name__ == "__main__":
    main()
