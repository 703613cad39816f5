"""The intake beside dj-stripe's webhook endpoint, on the best server of each and both on gunicorn.

dj-stripe is installed by name from PyPI into an environment of its own below build/. The event is
of a type without handler: its cheapest case. It verifies the signature and writes trigger, event
and the trigger again; Makegood verifies and keeps the delivery, and its worker does the rest later.
Both keep on SQLite with WAL and a full sync; dj-stripe also on PostgreSQL: its better one counts.
"""

from __future__ import annotations

import hmac
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from bench.bare import SECRET
from bench.intake import BODY_BYTES, INSTALLATION, installed, our_server
from bench.postgres import new_database, postgres_server
from bench.results import Figure, table
from bench.rounds import HEAD, Contestant, Measured, row, speed_ratio, take_turns
from bench.servers import ROOT, Server, free_port

PEER_PACKAGES: Final = (
    "dj-stripe==2.11.0",
    "django==5.2.19",
    "gunicorn==27.0.1",
    "granian==2.8.7",
    "psycopg[binary]==3.3.9",
)
PEER: Final = ROOT / "build" / "djstripe-venv"
PEER_URL: Final = "/stripe/webhook/11111111-2222-4333-8444-555555555555/"
OUR_URL: Final = f"/webhooks/stripe/{INSTALLATION}"
GUNICORN: Final = ("--workers", "2", "--worker-class", "gthread", "--threads", "4")


def an_event(place: int) -> bytes:
    """A Stripe-like event of 4 KB, of a type that nobody handles."""
    event = {
        "id": f"evt_bench_{place:012d}",
        "object": "event",
        "api_version": "2026-10-28",
        "created": 1790000000,
        "data": {"object": {"id": "taxs_1", "object": "tax.settings", "fill": ""}},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": "tax.settings.updated",
    }
    short = BODY_BYTES - len(json.dumps(event))
    filled = {"object": {"id": "taxs_1", "object": "tax.settings", "fill": "x" * short}}
    return json.dumps({**event, "data": filled}).encode()


def requests(path: str, start: int, number: int) -> Iterator[bytes]:
    """Events signed now, each of an id that was never sent."""
    now = int(time.time())  # noqa: TID251 - what signs them is not the product
    for place in range(start, start + number):
        body = an_event(place)
        signature = hmac.digest(SECRET, f"{now}.".encode() + body, "sha256").hex()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Stripe-Signature: t={now},v1={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body


def install() -> str | None:
    """The peer's environment, made where it is missing; why not, where it cannot be had."""
    python = PEER / "bin" / "python"
    done = PEER / "installed"
    wanted = "\n".join(PEER_PACKAGES)
    if done.exists() and done.read_text("utf-8") == wanted:
        return None
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(PEER)], check=True)
    words = ["-m", "pip", "--quiet", "--disable-pip-version-check", "install", *PEER_PACKAGES]
    pip = subprocess.run(
        [str(python), *words], check=False, capture_output=True, text=True, timeout=600
    )
    if pip.returncode:
        last = (pip.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        return f"dj-stripe could not be installed: {last}"
    done.write_text(wanted, "utf-8")
    return None


def peer_server(folder: Path, server: str, database: str = "") -> Server:
    """dj-stripe on a fresh database, on `gunicorn` or `granian`."""
    folder.mkdir()
    settings = {
        "PEER_FOLDER": str(folder),
        "PEER_DATABASE": database,
        "PEER_SECRET": SECRET.decode(),
    }
    python = str(PEER / "bin" / "python")
    subprocess.run(
        [python, "-m", "bench.djstripe_site", "prepare"],
        cwd=ROOT,
        env={**os.environ, **settings},
        check=True,
    )
    port = free_port()
    command = _server_command(server, port, "bench.djstripe_site:application")
    return Server(command, port, folder / "log", settings, python)


def _server_command(server: str, port: int, application: str) -> list[str]:
    if server == "gunicorn":
        return ["-m", "gunicorn", *GUNICORN, "--bind", f"127.0.0.1:{port}", application]
    words = ["--interface", "wsgi", "--workers", "2", "--blocking-threads", "4"]
    return ["-m", "granian", *words, "--port", str(port), "--no-ws", application]


def our_gunicorn(folder: Path) -> Server:
    """Makegood on gunicorn, as the peer is."""
    settings = installed(folder, "stripe")
    port = free_port()
    command = _server_command("gunicorn", port, "plugin.app:create_app()")
    return Server(command, port, folder / "log", settings)


def measure(rounds: int, number: int, seed: int) -> Measured:
    """Load all of them in turns: Makegood on both servers, dj-stripe on both and both databases."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="makegood-bench-")))
        postgres = stack.enter_context(postgres_server())
        database = {
            name: new_database(postgres, name).replace("+psycopg", "") for name in ("one", "two")
        }
        ours = {
            "makegood granian": our_server(folder / "ours", "stripe"),
            "makegood gunicorn": our_gunicorn(folder / "ours-gunicorn"),
        }
        peers = {
            "dj-stripe gunicorn SQLite": peer_server(folder / "a", "gunicorn"),
            "dj-stripe granian SQLite": peer_server(folder / "b", "granian"),
            "dj-stripe gunicorn PostgreSQL": peer_server(folder / "c", "gunicorn", database["one"]),
            "dj-stripe granian PostgreSQL": peer_server(folder / "d", "granian", database["two"]),
        }
        contestants = {
            **_contestants(stack, ours, OUR_URL, number),
            **_contestants(stack, peers, PEER_URL, max(number // 10, 16)),
        }
        return take_turns(contestants, rounds, 32, seed)


def _contestants(
    stack: ExitStack, servers: Mapping[str, Server], path: str, number: int
) -> dict[str, Contestant]:
    return {
        name: Contestant(stack.enter_context(server), partial(requests, path), number)
        for name, server in servers.items()
    }


def figures(measured: Measured) -> dict[str, Figure]:
    """Against the peer's better database, by the median turn."""

    def best(server: str) -> float:
        peers = [name for name in measured if name.startswith("dj-stripe") and server in name]
        ours = f"makegood {server or 'granian'}"
        return min(speed_ratio(measured, ours, peer) for peer in peers)

    return {
        "vs_djstripe_best": round(best(""), 1),
        "vs_djstripe_gunicorn": round(best("gunicorn"), 1),
        "djstripe_per_s": round(
            max(
                median(one.load.per_second for one in rounds)
                for name, rounds in measured.items()
                if name.startswith("dj-stripe")
            )
        ),
    }


def run(seed: int, *, small: bool) -> dict[str, Figure]:
    """Measure, print the table, and return the figures; none where the peer cannot be had."""
    if missing := install():
        print(missing)
        return {"djstripe_missing": missing}
    measured = measure(*((1, 160) if small else (7, 2500)), seed)
    print(table(("beside dj-stripe", *HEAD), [row(name, one) for name, one in measured.items()]))
    return figures(measured)
