"""The server of a fake platform, on loopback: what every fake has around its own books."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class Loopback:
    """For `with`: then `url` answers by `handler`, which finds this object as `server.fake`.

    `lock` is for what several calls share, `stopped` for an answer that would wait for ever.
    """

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self.lock = threading.RLock()
        self.stopped = threading.Event()
        # Headers and body are two writes: put together with the other side's wait, 40 ms a call.
        handler.disable_nagle_algorithm = True
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
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
        self._server.shutdown()
        self._server.server_close()
