"""Where a process can die: before and after each commit, each call and each mail, by name.

A name is who passes (`web` or `worker`) and the place in the code that commits, or what the call is
for. Names are learnt by running: whoever passes a point for the first time writes its name down, so
none has to be listed by hand. That none was forgotten, `sites.py` says.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

from plugin.mail import SmtpMailer
from plugin.platforms.http_client import HttpClient
from plugin.storage.unit_of_work import SqlStorage, SqlUnitOfWork

WEB, WORKER = "web", "worker"
Naming = Callable[[Sequence[Any]], str]
"""From the arguments of what is called to the name of the point."""


@dataclass(frozen=True, slots=True)
class Trap:
    """The point at which a process kills itself: the `occurrence`-th time that it passes `name`."""

    name: str
    occurrence: int


class Points:
    """The points of one process. `learnt` is the file that all processes of a run write to.

    `role` is what the process is: `WEB` or `WORKER`.
    """

    def __init__(self, learnt: Path, role: str, trap: Trap | None) -> None:
        self._role = role
        self._learnt = os.open(learnt, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._trap = trap
        self._passed: Counter[str] = Counter()
        self._lock = threading.Lock()

    def watch(self) -> None:
        """From now on, in this process, every point is counted, and the trap is set."""
        self._around(SqlUnitOfWork, "commit", _committer)
        self._around(SqlStorage, "take_in", _named("intake"))
        self._around(HttpClient, "send", _called)
        self._around(SmtpMailer, "send", _named("mail"))

    def _around(self, owner: type, method: str, name_of: Naming) -> None:
        inner = getattr(owner, method)

        @wraps(inner)
        def around(*arguments: object, **words: object) -> object:
            name = name_of(arguments)
            self._pass(f"{self._role} before {name}")
            result = inner(*arguments, **words)
            self._pass(f"{self._role} after {name}")
            return result

        setattr(owner, method, around)

    def _pass(self, name: str) -> None:
        with self._lock:
            self._passed[name] += 1
            times = self._passed[name]
            if times == 1:
                os.write(self._learnt, f"{name}\n".encode())
            if self._trap is not None and (name, times) == (self._trap.name, self._trap.occurrence):
                os.kill(os.getpid(), signal.SIGKILL)


def _committer(_: object) -> str:
    """Who commits: `commit plugin.services.send_refund:SendRefund.__call__:67`."""
    frame = sys._getframe(2)
    module = frame.f_globals["__name__"]
    return f"commit {module}:{frame.f_code.co_qualname}:{frame.f_lineno}"


def _called(arguments: Sequence[Any]) -> str:
    """What a call is for: `call refund.create`."""
    return f"call {arguments[1].label}"


def _named(name: str) -> Naming:
    return lambda _: name


def read_names(learnt: Path) -> list[str]:
    """All names that were learnt so far, sorted."""
    return sorted(set(learnt.read_text("utf-8").split("\n")) - {""}) if learnt.exists() else []
