"""From a store's event to the last effect of what follows from it, through web and worker.

Signed cancellations of sales are posted to the web at a steady pace; the store answers after 20 ms
and notes when which write came. Measured is the time from the first byte of the event to the last
write of its rules, not counting the reading back that follows.
"""

from __future__ import annotations

import hmac
import json
import socket
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Final
from urllib.request import urlopen

from bench.bare import ID_HEADER, SIGNATURE_HEADER
from bench.house import HOOK_SECRET, DidNotWork, a_cancellation, build_house, outside
from bench.outside import COURSE, TAG
from bench.results import Figure, table
from plugin.chance import SystemClock

STORE_MS: Final = 20
_PACE_SECONDS: Final = 0.2
_BOUND_SECONDS: Final = 120


def _post(port: int, path: str, place: int, body: bytes) -> float:
    """Send one event; the moment at which that began. Raises DidNotWork unless it is taken."""
    signature = hmac.digest(HOOK_SECRET.encode(), body, "sha256").hex()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"X-Webhook-Event: SALE_CANCELED\r\n{SIGNATURE_HEADER}: {signature}\r\n"
        f"{ID_HEADER}: event-{place}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    begun = monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
        line.sendall(head.encode() + body)
        if b" 200 " not in line.recv(4096).split(b"\r\n", 1)[0]:
            raise DidNotWork("the web did not take an event")
    return begun


def _writes(port: int) -> dict[str, float]:
    """When the store was told to take what from whom, by path."""
    with urlopen(f"http://127.0.0.1:{port}/_bench", timeout=30) as answer:
        told = json.load(answer)
    return {path: at for at, path in told["writes"]}


def run(seed: int, *, small: bool) -> dict[str, Figure]:
    """Measure, print the table, and return the figures."""
    del seed  # nothing is left to chance
    number = 4 if small else 120
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="makegood-bench-")))
        store = outside(stack, folder, STORE_MS)
        house = build_house(stack, folder / "house", [store.port])
        house.add_sales(1, number, SystemClock().now() - timedelta(days=2))
        stack.enter_context(house.worker())
        web = stack.enter_context(house.web())
        path = f"/webhooks/systeme_io/{house.stores[0]}"
        begun = {}
        for customer in range(1, number + 1):
            body = json.dumps(a_cancellation(customer)).encode()
            begun[customer] = _post(web.port, path, customer, body)
            sleep(_PACE_SECONDS)
        waits = sorted(_waits(store.port, begun))
    p95 = waits[min(len(waits) - 1, int(len(waits) * 0.95))]
    row = ("event to effect", f"{median(waits):.2f}", f"{p95:.2f}", f"{waits[-1]:.2f}")
    print(table(("store at 20 ms", "median s", "p95 s", "worst s"), [row]))
    return {"event_to_effect_p95_s": round(p95, 2), "event_to_effect_s": round(median(waits), 2)}


def _waits(port: int, begun: dict[int, float]) -> list[float]:
    deadline = monotonic() + _BOUND_SECONDS
    while True:
        writes = _writes(port)
        ends = {
            customer: [
                writes.get(f"/api/school/enrollments/{customer}0{COURSE}"),
                writes.get(f"/api/contacts/{customer}/tags/{TAG}"),
            ]
            for customer in begun
        }
        if all(None not in both for both in ends.values()):
            return [
                max(at for at in ends[customer] if at is not None) - sent
                for customer, sent in begun.items()
            ]
        if monotonic() > deadline:
            raise DidNotWork("some events had no effect within two minutes")
        sleep(0.1)
