"""How much of the bare intake's speed is left once Makegood has done what it must.

Two servers run side by side: the web of Makegood, and `bench.bare`, which only checks an HMAC and
commits. Same server (granian, 2 processes of 4 threads), same SQLite and settings, same bodies,
16 connections that stay open. They are loaded in turns, in an order that chance decides; the median
round counts, and of ratios the median turn.
The worker does not run: its work is measured by others.
"""

from __future__ import annotations

import hmac
import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from bench.bare import ID_HEADER, SECRET, SIGNATURE_HEADER
from bench.load import Load, send_all
from bench.results import Figure, keep, load_average, table
from bench.servers import Server, free_port
from plugin.chance import SystemClock, SystemMint
from plugin.domain.ids import InstallationId
from plugin.first_start import home_tenant, prepare_house
from plugin.ports import Connection, Kind
from plugin.ports.records import Installation, InstallationStatus
from plugin.settings import read_settings

CONNECTIONS: Final = 16
BODY_BYTES: Final = 4096
WARM_UP: Final = 400
INSTALLATION: Final = InstallationId("bench-1")
OURS, BARE = "makegood", "bare"
PATHS: Final = {OURS: f"/webhooks/systeme_io/{INSTALLATION}", BARE: "/webhooks/bare"}


@dataclass(frozen=True, slots=True)
class Round:
    """One load on one server: what came back, and the CPU its processes took per answer."""

    load: Load
    cpu_us: float


def a_body() -> bytes:
    """A sale as a store would tell it, of exactly 4 KB."""
    lines = [
        {"id": n, "name": f"Lesson {n}", "price": {"amount": 4900 + n, "currency": "eur"}}
        for n in range(20)
    ]
    sale = {
        "customer": {"id": 4711, "email": "ada@mail.example", "name": "Ada"},
        "order": {"id": 10412, "createdAt": "2026-11-22T10:00:00+00:00", "lines": lines},
        "fill": "",
    }
    short = BODY_BYTES - len(json.dumps(sale))
    return json.dumps({**sale, "fill": "x" * short}).encode()


def requests(path: str, start: int, number: int) -> Iterator[bytes]:
    """Signed deliveries, each of a name that was never sent."""
    body = a_body()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\n"
        "Content-Type: application/json\r\nAccept: */*\r\nX-Webhook-Event: SALE_NEW\r\n"
        f"{SIGNATURE_HEADER}: {hmac.digest(SECRET, body, 'sha256').hex()}\r\n"
        f"Content-Length: {len(body)}\r\n{ID_HEADER}: "
    ).encode()
    for place in range(start, start + number):
        yield b"%smessage-%012d\r\n\r\n%s" % (head, place, body)


def bare_server(folder: Path) -> Server:
    """The bare intake on a fresh folder."""
    folder.mkdir()
    port = free_port()
    return Server(["-m", "bench.bare", str(port), str(folder)], port, folder / "log")


def our_server(folder: Path) -> Server:
    """The web of Makegood on a fresh data folder, with one store installed."""
    folder.mkdir()
    settings = {"MAKEGOOD_DATA_DIR": str(folder / "data")}
    house = prepare_house(read_settings(settings), SystemClock(), SystemMint())
    tenant = home_tenant(house.storage).id
    secrets = {"webhook_secret_1": SECRET.decode(), "api_key": "not-for-signing"}
    store = Connection(tenant, INSTALLATION, Kind.STORE, "systeme_io", "Bench", {}, secrets)
    with house.storage.begin(tenant) as uow:
        now = SystemClock().now()
        uow.installations.add(Installation(store, InstallationStatus.CONNECTED, now))
        uow.commit()
    house.engine.dispose()
    port = free_port()
    program = f"from plugin.serve import serve_web; serve_web('127.0.0.1', {port}, 2, 4)"
    return Server(["-c", program], port, folder / "log", settings)


def measure(rounds: int, number: int, seed: int) -> dict[str, list[Round]]:
    """Load both servers `rounds` times each, `number` deliveries at a time."""
    chance = random.Random(seed)
    measured: dict[str, list[Round]] = {OURS: [], BARE: []}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="makegood-bench-")))
        servers = {
            OURS: stack.enter_context(our_server(folder / OURS)),
            BARE: stack.enter_context(bare_server(folder / BARE)),
        }
        for name, server in servers.items():
            send_all(server.port, requests(PATHS[name], 0, WARM_UP), CONNECTIONS)
        for turn in range(rounds):
            start = WARM_UP + turn * number
            for name in chance.sample([OURS, BARE], 2):
                made = list(requests(PATHS[name], start, number))
                before = servers[name].cpu_seconds()
                load = send_all(servers[name].port, made, CONNECTIONS)
                cpu = servers[name].cpu_seconds() - before
                measured[name].append(Round(load, cpu / number * 1e6))
    return measured


def figures(measured: dict[str, list[Round]]) -> dict[str, Figure]:
    """The figures of issue and docs, from the medians of the rounds."""
    ours, bare = measured[OURS], measured[BARE]

    def compared(what: Callable[[Load], float]) -> float:
        """The median over the turns: what was loaded one after the other had the same machine."""
        pairs = zip(ours, bare, strict=True)
        return median(what(one.load) / what(other.load) for one, other in pairs)

    return {
        "intake_vs_bare": round(compared(lambda load: load.per_second), 3),
        "intake_cpu_us": round(median(one.cpu_us for one in ours)),
        "bare_cpu_us": round(median(one.cpu_us for one in bare)),
        "intake_p99_vs_bare": round(compared(lambda load: load.percentile(0.99)), 2),
        "intake_per_s": round(_speed(ours)),
        "intake_load_average": load_average(),
    }


def _speed(rounds: Sequence[Round]) -> float:
    return median(one.load.per_second for one in rounds)


def _milliseconds(rounds: Sequence[Round], share: float) -> float:
    return median(one.load.percentile(share) for one in rounds) * 1000


def _row(name: str, rounds: Sequence[Round]) -> tuple[str, ...]:
    speeds = [one.load.per_second for one in rounds]
    return (
        name,
        f"{_speed(rounds):.0f}",
        f"{min(speeds):.0f}-{max(speeds):.0f}",
        f"{_milliseconds(rounds, 0.5):.1f}",
        f"{_milliseconds(rounds, 0.99):.1f}",
        f"{median(one.cpu_us for one in rounds):.0f}",
    )


def main(rounds: int, number: int, seed: int) -> None:
    """Measure, print the table, and keep the figures."""
    print(f"intake: {rounds} rounds of {number} deliveries each, seed {seed}")
    print(f"load average before: {load_average()}")
    measured = measure(rounds, number, seed)
    head = ("intake", "accepts/s", "range", "p50 ms", "p99 ms", "CPU us/accept")
    print(table(head, [_row(name, rounds_of) for name, rounds_of in measured.items()]))
    found = figures(measured)
    keep(found)
    print(json.dumps(found))
