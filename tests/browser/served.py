"""Our pages as a server on loopback, and a Chromium to look at them: for tests and for pictures."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask
from playwright.sync_api import Browser, sync_playwright
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from tests.platforms.practice.fixtures import TurnedClock
from tests.web.practice_house import PracticeHouse

CHROMIUM_FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
NO_THIRD_PARTY_COOKIES = "--test-third-party-cookie-phaseout"
"""Then a frame of another site has no cookies and no storage."""


class _Quiet(WSGIRequestHandler):
    """Paths hold signed links: nothing of them belongs into a test's output."""

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - theirs
        """Say nothing."""


@contextmanager
def served_house(folder: Path, clock: TurnedClock, database: str = "") -> Iterator[PracticeHouse]:
    """Practice in `folder` (on `database`), answering at its own address until the block ends."""
    empty: Callable[..., list[bytes]] = lambda environ, start: []  # noqa: E731, ARG005 - a place
    server: BaseWSGIServer = make_server(
        "127.0.0.1", 0, empty, threaded=True, request_handler=_Quiet
    )
    one = PracticeHouse(folder, clock, server.server_port, database)
    server.app = one.app
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield one
    finally:
        server.shutdown()
        server.server_close()
        one.close()


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """The address at which `app` answers until the block ends."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    """The machine's own Chromium, else Playwright's. `flags` are added to its usual ones."""
    with sync_playwright() as playwright:
        system = shutil.which("chromium")
        every = [*CHROMIUM_FLAGS.split(), *flags]
        one = playwright.chromium.launch(executable_path=system, args=every)
        yield one
        one.close()
