"""Who watches this process, by its settings: put together here, and ended here.

A watcher that fails is told of once, and never fails what it watches.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from time import perf_counter
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from plugin.domain.errors import MakegoodError, NeedsHuman
from plugin.logs import about
from plugin.ports import Clock, Mailer
from plugin.ports.watching import CallMade, Reading, Told, Watch, WorkBegun, WorkEnded
from plugin.settings import Settings
from plugin.watch.folder import Counters, Living, counted_in
from plugin.watch.origins import OriginOf

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

Scrape = Callable[[], bytes]
LookUp = Callable[[], Sequence[Reading]]
Task = Callable[[str, str], None]
MAIL: Final = "mail"
_TRACING: Final = "opentelemetry.exporter.otlp.proto.http"
_log = logging.getLogger("makegood.watch")


def refuse_missing_packages(settings: Settings) -> None:
    """Raise NeedsHuman where spans are asked for and cannot be made."""
    if settings.otlp_endpoint and not _is_installed(_TRACING):
        raise NeedsHuman(
            "tracing_not_installed",
            "MAKEGOOD_OTLP_ENDPOINT is set, but what sends spans is not installed: install "
            "makegood[tracing], or take the setting away",
        )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a package around it is not there
        return False


class Watching:
    """Everybody who watches this process. `told` is the `Watch` that its parts are given.

    Made before the parts, which it is handed to; asked to count and to trace once they are there.
    """

    def __init__(self, role: str, settings: Settings, clock: Clock) -> None:
        self._role = role
        self._settings = settings
        self._clock = clock
        self._watchers: tuple[Watch, ...] = ()
        self._troubled: set[str] = set()
        self._ends: list[Callable[[], None]] = []

    def told(self, told: Told) -> None:
        """Pass it on. Never raises."""
        for watcher in self._watchers:
            try:
                watcher(told)
            except Exception as error:  # noqa: BLE001 - nothing may fail because it is watched
                kind = type(error).__name__
                if kind not in self._troubled:
                    self._troubled.add(kind)
                    _log.error("watch.failed kind=%s told=%s", kind, type(told).__name__)

    def begin(self, look_up: LookUp, origin_of: OriginOf) -> Scrape | None:
        """Watch what the settings ask for. Returns what answers a scrape; None: nobody may ask.

        Raises NeedsHuman where what is needed for it is not installed.
        """
        refuse_missing_packages(self._settings)
        if self._settings.otlp_endpoint:
            self._trace(origin_of)
        return self._count(look_up) if self._settings.metrics_token else None

    def end(self) -> None:
        """Hand over what was gathered and not sent yet."""
        for end in self._ends:
            end()

    def _count(self, look_up: LookUp) -> Scrape:
        from prometheus_client import (  # noqa: PLC0415 - loaded where it is wanted
            CollectorRegistry,
            disable_created_metrics,
        )

        from plugin.watch.exposition import Exposition  # noqa: PLC0415 - as above
        from plugin.watch.metrics import Metrics  # noqa: PLC0415 - as above

        disable_created_metrics()  # type: ignore[no-untyped-call]  # when a series began says nothing
        own: CollectorRegistry | None = None
        counters: Counters | None = None
        if folder := counted_in():
            counters = Counters(folder)
            counters.join(self._role)
            self._ends.append(counters.leave)
            living = counters.living
        else:
            own = CollectorRegistry()
            me = [Living(self._role, os.getpid())]
            living = lambda: me  # noqa: E731 - a name for what is asked again and again
        self._watchers = (*self._watchers, Metrics(self._clock, own))
        return Exposition(look_up, living, own, counters).scrape

    def _trace(self, origin_of: OriginOf) -> None:
        from plugin.watch.tracing import Tracing, to_endpoint  # noqa: PLC0415 - as above

        exporter = to_endpoint(self._settings.otlp_endpoint)
        tracing = Tracing(exporter, self._role, origin_of)
        self._watchers = (*self._watchers, tracing)
        self._ends.append(tracing.end)


# --- what is watched from outside -----------------------------------------------------------------


def watched_tasks(tasks: Mapping[str, Task], watch: Watch) -> dict[str, Task]:
    """The worker's tasks, told of when they begin and end; their log lines name their row."""
    return {kind: _watched(kind, task, watch) for kind, task in tasks.items()}


def _watched(kind: str, task: Task, watch: Watch) -> Task:
    def run(tenant: str, ref: str) -> None:
        with about(**{kind: ref}):
            watch(WorkBegun(kind, tenant, ref))
            begun, failed = perf_counter(), True
            try:
                task(tenant, ref)
                failed = False
            finally:
                watch(WorkEnded(kind, ref, failed, perf_counter() - begun))

    return run


@dataclass(frozen=True, slots=True)
class WatchedMailer:
    """Implements `plugin.ports.Mailer` by another one. `url` is the server's, for its name."""

    mailer: Mailer
    url: str
    watch: Watch

    def send(self, to: str, subject: str, body: str, message_id: str) -> None:
        begun, outcome = perf_counter(), "sent"
        try:
            self.mailer.send(to, subject, body, message_id)
        except MakegoodError as error:
            outcome = error.code
            raise
        finally:
            parts = urlsplit(self.url)
            place = f"{parts.hostname}:{parts.port or 25}"
            self.watch(CallMade(MAIL, "mail.send", place, outcome, perf_counter() - begun))
