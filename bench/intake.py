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
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from bench.bare import ID_HEADER, SECRET, SIGNATURE_HEADER
from bench.results import Figure, table
from bench.rounds import HEAD, Contestant, Measured, compared, row, speed_ratio, take_turns
from bench.servers import Server, free_port
from plugin.chance import SystemClock, SystemMint
from plugin.domain.ids import InstallationId
from plugin.first_start import home_tenant, prepare_house
from plugin.ports import Connection, Kind
from plugin.ports.records import Installation, InstallationStatus
from plugin.settings import read_settings

BODY_BYTES: Final = 4096
INSTALLATION: Final = InstallationId("bench-1")
OURS, BARE = "makegood", "bare"
PATHS: Final = {OURS: f"/webhooks/systeme_io/{INSTALLATION}", BARE: "/webhooks/bare"}


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


def bare_server(folder: Path, database: str = "") -> Server:
    """The bare intake on a fresh folder, or on a PostgreSQL database."""
    folder.mkdir()
    port = free_port()
    words = ["-m", "bench.bare", str(port), str(folder), *([database] if database else [])]
    return Server(words, port, folder / "log")


def our_server(
    folder: Path, platform: str = "systeme_io", *, database: str = "", keys: str = ""
) -> Server:
    """The web of Makegood on a fresh data folder, with one store installed, on granian 2x4."""
    settings = installed(folder, platform, database=database, keys=keys)
    port = free_port()
    program = f"from plugin.serve import serve_web; serve_web('127.0.0.1', {port}, 2, 4)"
    return Server(["-c", program], port, folder / "log", settings)


def installed(
    folder: Path, platform: str = "systeme_io", *, database: str = "", keys: str = ""
) -> dict[str, str]:
    """A data folder with one store installed; the settings that open it."""
    folder.mkdir()
    settings = {
        "MAKEGOOD_DATA_DIR": str(folder / "data"),
        "MAKEGOOD_DATABASE_URL": database,
        "MAKEGOOD_SECRET_KEYS": keys,
    }
    house = prepare_house(read_settings(settings), SystemClock(), SystemMint())
    tenant = home_tenant(house.storage).id
    secrets = {"webhook_secret_1": SECRET.decode(), "api_key": "not-for-signing"}
    store = Connection(tenant, INSTALLATION, Kind.STORE, platform, "Bench", {}, secrets)
    with house.storage.begin(tenant) as uow:
        now = SystemClock().now()
        uow.installations.add(Installation(store, InstallationStatus.CONNECTED, now))
        uow.commit()
    house.engine.dispose()
    return settings


def measure(rounds: int, number: int, seed: int, warm_up: int = 400) -> Measured:
    """Load both servers `rounds` times each, `number` deliveries at a time."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="makegood-bench-")))
        servers = {
            OURS: stack.enter_context(our_server(folder / OURS)),
            BARE: stack.enter_context(bare_server(folder / BARE)),
        }
        contestants = {
            name: Contestant(server, partial(requests, PATHS[name]), number)
            for name, server in servers.items()
        }
        return take_turns(contestants, rounds, warm_up, seed)


def figures(measured: Measured) -> dict[str, Figure]:
    """The figures of issue and docs, from the medians of the rounds."""
    ours, bare = measured[OURS], measured[BARE]
    p99 = compared(measured, OURS, BARE, lambda load: load.percentile(0.99))
    return {
        "intake_vs_bare": round(speed_ratio(measured, OURS, BARE), 3),
        "intake_cpu_us": round(median(one.cpu_us for one in ours)),
        "bare_cpu_us": round(median(one.cpu_us for one in bare)),
        "intake_p99_vs_bare": round(p99, 2),
        "intake_per_s": round(median(one.load.per_second for one in ours)),
    }


def run(seed: int, *, small: bool) -> dict[str, Figure]:
    """Measure, print the table, and return the figures."""
    measured = measure(*((1, 200) if small else (9, 4000)), seed)
    print(table(("intake", *HEAD), [row(name, rounds) for name, rounds in measured.items()]))
    return figures(measured)
