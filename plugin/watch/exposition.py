"""What `/metrics` answers: counters of all our processes, what the database tells, and the system.

Reads only. A database that does not answer leaves its series out and says so in one of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from plugin.ports.watching import Reading
from plugin.watch.folder import Counters, Living
from plugin.watch.series import LOOKED_UP, PROCESS

_log = logging.getLogger("makegood.metrics")
LookUp = Callable[[], Sequence[Reading]]


@dataclass(frozen=True, slots=True)
class Exposition:
    """Answers scrapes. `counters` is None where this process counts for itself alone."""

    look_up: LookUp
    living: Callable[[], Sequence[Living]]
    own: CollectorRegistry | None = None
    counters: Counters | None = None

    def scrape(self) -> bytes:
        """All series in Prometheus's text format."""
        registry = CollectorRegistry()
        registry.register(_Processes(self.living()))
        registry.register(_LookedUp(self.look_up))
        if self.counters is not None:
            with self.counters.reading() as folder:
                MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call]  # it ships none here
                return generate_latest(registry)
        own = b"" if self.own is None else generate_latest(self.own)
        return own + generate_latest(registry)


class _LookedUp(Collector):
    def __init__(self, look_up: LookUp) -> None:
        self._look_up = look_up

    def collect(self) -> Iterator[Metric]:
        readings: list[Reading] = []
        try:
            readings.extend(self._look_up())
        except Exception as error:  # noqa: BLE001 - whatever it was, the counters are told all the same
            _log.warning("metrics.database_failed kind=%s", type(error).__name__)
            readings.append(Reading("makegood_database_up", 0.0))
        else:
            readings.append(Reading("makegood_database_up", 1.0))
        for series in LOOKED_UP:
            mine = [one for one in readings if one.series == series.name]
            if mine:
                family = GaugeMetricFamily(series.name, series.text, labels=series.labels)
                for one in mine:
                    family.add_metric(one.labels, one.value)
                yield family


class _Processes(Collector):
    """The library's process collector, for each process that lives."""

    def __init__(self, living: Iterable[Living]) -> None:
        self._living = living

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for one in self._living:
            told: Mapping[str, str] = {"role": one.role, "pid": str(one.pid)}
            for found in ProcessCollector(pid=lambda pid=one.pid: pid, registry=None).collect():  # type: ignore[misc]  # a process id, as its words say
                kept = families.setdefault(
                    found.name, Metric(found.name, found.documentation, found.type)
                )
                for sample in found.samples:
                    kept.add_sample(sample.name, {**sample.labels, **told}, sample.value)
        wanted = {series.name.removesuffix("_total") for series in PROCESS}
        return (family for name, family in families.items() if name in wanted)
