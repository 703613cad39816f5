"""The product's own processes, as the bench starts them: the web, and the worker.

Nothing of it is replaced but one number: how many calls a store takes per minute. The budgets are
kept and taken as always. Started as `python -m bench.served worker` or `... web PORT`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from flask import Flask
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from plugin.app import Parts, create_app, put_together, worker_tasks
from plugin.logs import log_to_stderr
from plugin.platforms.registry import Registry
from plugin.settings import read_settings

MANIFESTS: Final = "BENCH_MANIFESTS"


def bench_parts(environment: Mapping[str, str] | None = None) -> Parts:
    """The parts by `environment`, or the process's own, with the manifests of the bench."""
    given = os.environ if environment is None else environment
    parts = put_together(read_settings(given))
    registry = Registry([Path(given[MANIFESTS])])
    return replace(parts, registry=registry, platforms=replace(parts.platforms, registry=registry))


def web_app() -> Flask:
    """What the web's process serves."""
    return create_app(parts=bench_parts())


def web(port: int) -> None:
    """Serve with one process of four threads."""
    Granian(
        "bench.served:web_app",
        factory=True,
        address="127.0.0.1",
        port=port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=4,
        log_level=LogLevels.warning,
    ).serve()


def worker() -> None:
    """Work until told to end."""
    from plugin.workflows.worker import run_worker  # noqa: PLC0415 - the engine, not for the web

    log_to_stderr()
    parts = bench_parts()
    run_worker(parts.settings, parts.house.storage, parts.clock, worker_tasks(parts))


if __name__ == "__main__":
    if sys.argv[1] == "web":
        web(int(sys.argv[2]))
    else:
        worker()
