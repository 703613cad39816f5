"""`makegood serve`: web and worker under one supervisor, which starts again what dies.

None outlives its parent: every process watches who its parent is, and ends when that changes,
since after a kill -9 nobody is left to tell it. Says nothing before the web really answers.
"""

from __future__ import annotations

import http.client
import logging
import mmap
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from time import monotonic
from typing import TYPE_CHECKING, Final

from plugin.domain.errors import NeedsHuman
from plugin.logs import SERVER_LOGS, log_to_stderr
from plugin.told_to_end import set_when_told

if TYPE_CHECKING:
    from flask import Flask

_log = logging.getLogger("makegood.serve")
LOOK_SECONDS: Final = 0.1
DRAIN_SECONDS: Final = 25
GRACE_SECONDS: Final = DRAIN_SECONDS + 3
"""The web and the worker drain first; only then are they killed."""
CALM_SECONDS: Final = 60
_WEB_MODULES: Final = ("plugin.app", "plugin.web.install", "plugin.web.panel", "webhooks.http")
"""Loaded before the web's processes are forked: each would spend a second on them."""
START_SECONDS: Final = 60
LEAVE_SECONDS: Final = 3
"""How long the processes of a killed predecessor may take to notice and end."""
NEEDS_PERSON: Final = 3
"""The exit code of a process that cannot go on before somebody acts."""


def end_with_parent(
    parent: int | None = None, each_look: Callable[[], None] = lambda: None
) -> None:
    """End this process, by force, soon after `parent` is gone. Returns at once.

    Give the parent's id where it is known: it may be gone before this is called. `each_look` is
    called ten times a second until then.
    """
    watched = os.getppid() if parent is None else parent
    never = threading.Event()

    def watch() -> None:
        while os.getppid() == watched:
            each_look()
            never.wait(LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


@dataclass(slots=True)
class Child:
    """One supervised process. `failures` counts how often in a row it died young."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    failures: int = 0
    started: float = 0.0
    not_before: float = 0.0
    last_code: int | None = None

    def look(self) -> None:
        """Start it when it is not there, unless it died a moment ago."""
        now = monotonic()
        if self.process is None:
            if now >= self.not_before:
                self._start(now)
            return
        code = self.process.poll()
        if code is None:
            return
        self.failures = 1 if now - self.started > CALM_SECONDS else self.failures + 1
        self.not_before = now + min(0.25 * 2 ** min(self.failures, 7), 30)
        self.last_code, self.process = code, None
        _log.error("serve.child_died name=%s code=%d times=%d", self.name, code, self.failures)

    def _start(self, now: float) -> None:
        self.started = now
        # In a session of its own, so that Ctrl-C reaches the supervisor alone, and it drains them.
        self.process = subprocess.Popen(self.command, start_new_session=True)  # noqa: S603 - our own command line


def supervise(
    commands: Mapping[str, Sequence[str]],
    *,
    is_ready: Callable[[], bool],
    announce: Callable[[], None],
    stop: threading.Event | None = None,
    notice_seconds: int = 0,
) -> None:
    """Run `commands` until SIGTERM, SIGINT, SIGHUP or `stop`, then end them within their grace.

    Their grace is longer by `notice_seconds`, for which the web goes on.

    Calls `announce` once, when `is_ready` says so. Raises NeedsHuman, with nothing left running,
    when that takes a minute, or a child says before that a person must act.
    """
    stop = stop or threading.Event()
    if threading.current_thread() is threading.main_thread():
        set_when_told(stop, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    children = [Child(name, command) for name, command in commands.items()]
    deadline = monotonic() + START_SECONDS
    is_announced = False
    try:
        while not stop.is_set():
            for child in children:
                child.look()
            if not is_announced:
                _check_start(children, deadline)
                if is_ready():
                    announce()
                    is_announced = True
            stop.wait(LOOK_SECONDS)
    finally:
        _end(children, GRACE_SECONDS + notice_seconds)


def _check_start(children: Sequence[Child], deadline: float) -> None:
    for child in children:
        if child.last_code == NEEDS_PERSON:
            raise NeedsHuman("not_started", f"the {child.name} could not start; it said why above")
    if monotonic() > deadline:
        raise NeedsHuman("not_started", f"no answer within {START_SECONDS} seconds; see the log")


def _end(children: Sequence[Child], grace_seconds: float) -> None:
    running = [(child.name, child.process) for child in children if child.process is not None]
    for _, process in running:
        process.terminate()
    deadline = monotonic() + grace_seconds
    for name, process in running:
        try:
            process.wait(max(0.1, deadline - monotonic()))
        except subprocess.TimeoutExpired:
            _log.error("serve.child_killed name=%s after=%.0f", name, grace_seconds)
            process.kill()
            process.wait()


def own_command(*words: str) -> list[str]:
    """The command line that runs `makegood <words>` in this very Python, as our child."""
    return [sys.executable, "-m", "plugin.cli", *words, "--parent", str(os.getpid())]


# --- before the start -----------------------------------------------------------------------------


def wait_until_free(host: str, port: int) -> None:
    """Wait until the web could listen there. Raises NeedsHuman when it cannot.

    A predecessor that was killed a moment ago gets a few seconds to leave.
    """
    _patiently(lambda: _try_to_listen(host, port))


def wait_until_alone(lock: Callable[[], AbstractContextManager[object]]) -> None:
    """Wait until the worker's lock can be had. Raises NeedsHuman when somebody keeps it."""

    def take_and_leave() -> None:
        with lock():
            pass

    _patiently(take_and_leave)


def _patiently(attempt: Callable[[], None]) -> None:
    deadline = monotonic() + LEAVE_SECONDS
    pause = threading.Event()
    while True:
        try:
            attempt()
        except NeedsHuman:
            if monotonic() > deadline:
                raise
            pause.wait(LOOK_SECONDS)
        else:
            return


def _try_to_listen(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise NeedsHuman(
            "port_taken",
            f"cannot listen on {host} port {port} ({error.strerror}): stop what runs there, or "
            "give another MAKEGOOD_PORT",
        ) from None


def answers(host: str, port: int) -> bool:
    """Whether the web server that listens there answers that it is well."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on
    connection = http.client.HTTPConnection(reachable, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


# --- the web --------------------------------------------------------------------------------------


TELLING: Final = (signal.SIGTERM, signal.SIGINT)
_told_to_end = mmap.mmap(-1, 1)
"""A byte that the server's processes share, where the system forks them: 1 once it was told."""


def is_draining() -> bool:
    """Whether the web server was told to end."""
    return _told_to_end[0] != 0


def serve_web(
    host: str,
    port: int,
    workers: int,
    threads: int,
    notice_seconds: int = 0,
    parent: int | None = None,
) -> None:
    """Run the web server in this process until it is told to end, or its `parent` is gone.

    For `notice_seconds` after that it goes on, and says that it is not ready: whoever shares out
    the requests takes it off the list before it closes the door.
    """
    # Before any other thread is there, and before the server forks: all inherit it. A signal that
    # is held back waits until it is asked for, so none comes too early to be heard.
    signal.pthread_sigmask(signal.SIG_BLOCK, TELLING)
    if parent is not None:
        end_with_parent(parent)
    # Where `setproctitle` is there, the server names its processes, over their environment unless
    # told not to: by that an operator, and our tests, tell whose data a process works on.
    os.putenv("SPT_NOENV", "1")
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    for module in _WEB_MODULES:
        import_module(module)
    server = Granian(
        "plugin.serve:web_worker",
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=threads,
        respawn_failed_workers=True,
        log_level=LogLevels.warning,
        log_dictconfig=dict(SERVER_LOGS),
        workers_kill_timeout=DRAIN_SECONDS,
        # Refused elsewhere.
        process_name="makegood web" if find_spec("setproctitle") else None,
    )

    def hear_of_the_end() -> None:
        signal.sigwait(TELLING)
        _told_to_end[0] = 1
        threading.Event().wait(notice_seconds)
        server.signal_handler_interrupt()  # type: ignore[no-untyped-call]  # as its own handler

    threading.Thread(target=hear_of_the_end, name="told-to-end", daemon=True).start()
    server.serve()


def _pass_on_the_end() -> Callable[[], None]:
    """A look that passes a signal on to the server's own code in this process, once.

    That code installs its handler late in the start of a process: a signal before it would be lost,
    and the process go on until it is killed, and with it all others with the requests they are at.
    More than two calls of the handler would not return.
    """
    inherited = signal.getsignal(signal.SIGTERM)
    is_told = False

    def look() -> None:
        nonlocal is_told
        handler = signal.getsignal(signal.SIGTERM)
        if is_told or handler is inherited or not callable(handler):
            return
        if signal.sigpending() & set(TELLING):
            is_told = True
            handler(signal.SIGTERM, None)

    return look


def web_worker() -> Flask:
    """What each web server process serves."""
    from plugin.app import create_app
    from plugin.storage.disk import end_when_the_disk_fails

    server = multiprocessing.parent_process()
    end_with_parent(None if server is None else server.pid, _pass_on_the_end())
    log_to_stderr()
    end_when_the_disk_fails()
    return create_app(is_draining=is_draining)
