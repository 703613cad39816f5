"""How our fake Stripe sends events: signed as Stripe signs, to each endpoint that asked for it.

`mode`: `normal`, `duplicate` (each twice), `reversed` (newest first) or `held` (none;
`events` still lists them). Failed deliveries are tried again a few times. https://docs.stripe.com/webhooks
"""

from __future__ import annotations

import hmac
import http.client
import json
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.platforms.stripe.books import Thing

_TRIES = 5
_WAIT = 0.2


def sign(body: bytes, secret: str, at: int) -> str:
    """The value of `Stripe-Signature`."""
    mac = hmac.digest(secret.encode(), f"{at}.".encode() + body, "sha256").hex()
    return f"t={at},v1={mac}"


@dataclass(frozen=True)
class Sending:
    url: str
    secret: str
    body: bytes
    done: threading.Event


class Hooks:
    """A thread that sends, in order. Started with the first event."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.events: list[Thing] = []
        self.mode = "normal"
        self._now = now
        self._waiting: queue.Queue[Sending | None] = queue.Queue()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def send(self, events: Sequence[Thing], endpoints: Iterable[Thing], *, wait: bool) -> None:
        self.events += events
        if not events or self.mode == "held":
            return
        ordered = list(reversed(events)) if self.mode == "reversed" else list(events)
        if self.mode == "duplicate":
            ordered = [event for event in ordered for _ in range(2)]
        sendings = [
            Sending(
                endpoint["url"], endpoint["secret"], json.dumps(event).encode(), threading.Event()
            )
            for event in ordered
            for endpoint in endpoints
            if endpoint["status"] == "enabled" and event["type"] in endpoint["enabled_events"]
        ]
        if self._thread is None and sendings:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        for sending in sendings:
            self._waiting.put(sending)
        if wait:
            for sending in sendings:
                sending.done.wait(60)

    def stop(self) -> None:
        self._stopped.set()
        self._waiting.put(None)
        if self._thread is not None:
            self._thread.join(60)

    def _run(self) -> None:
        while (sending := self._waiting.get()) is not None and not self._stopped.is_set():
            for attempt in range(_TRIES):
                if self._delivered(sending) or self._stopped.wait(_WAIT * attempt):
                    break
            sending.done.set()

    def _delivered(self, sending: Sending) -> bool:
        url = urlsplit(sending.url)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": sign(sending.body, sending.secret, self._now()),
        }
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=60)
        try:
            connection.request("POST", url.path, sending.body, headers)
            return 200 <= connection.getresponse().status < 300
        except OSError:
            return False
        finally:
            connection.close()
