"""Counts what is told, with the Prometheus library. Knows no web and no database.

In practice nothing moves for real: what moves there is not counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from plugin.domain.effects import EffectState
from plugin.domain.refunds import RefundState
from plugin.ports import Clock
from plugin.ports.records import DeliveryState
from plugin.ports.watching import (
    CallMade,
    CallPutOff,
    Committed,
    DeliveryAnswered,
    DeliverySettled,
    EffectMoved,
    Entry,
    RefundMoved,
    RequestAnswered,
    Told,
    WorkEnded,
)
from plugin.watch.series import COUNTED, Kind, Series

_NOT_OVER: Final = frozenset({DeliveryState.RECEIVED, DeliveryState.WAITING})


class Metrics:
    """Implements `plugin.ports.watching.Watch`. Safe from any thread.

    `registry`: where the values are to be found, None where they lie in the files of all processes.
    """

    def __init__(self, clock: Clock, registry: CollectorRegistry | None = None) -> None:
        self._clock = clock
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        for series in COUNTED:
            if series.kind is Kind.COUNTER:
                self._counters[series.name] = Counter(*_named(series), registry=registry)
            else:
                self._histograms[series.name] = Histogram(
                    *_named(series), registry=registry, buckets=series.buckets
                )
        # Found once: on the way of every webhook a look-up by name costs as much as the count.
        self._deliveries = self._counters["makegood_deliveries_total"]
        self._intake = self._histograms["makegood_intake_seconds"]
        self._children: dict[tuple[str, ...], Counter] = {}
        self._by_kind: dict[type, Callable[..., None]] = {
            DeliveryAnswered: self._delivery_answered,
            Committed: self._committed,
            CallMade: self._call_made,
            CallPutOff: self._call_put_off,
            WorkEnded: self._work_ended,
            RequestAnswered: self._request_answered,
            DeliverySettled: self._delivery_settled,
            RefundMoved: self._refund_moved,
            EffectMoved: self._effect_moved,
        }

    def __call__(self, told: Told) -> None:
        count = self._by_kind.get(type(told))
        if count is not None:
            count(told)

    def _count(self, name: str, *labels: str) -> None:
        key = (name, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._counters[name].labels(*labels)
        child.inc()

    def _delivery_answered(self, told: DeliveryAnswered) -> None:
        self._count("makegood_deliveries_total", told.platform, told.outcome)
        if told.outcome is Entry.TAKEN:
            self._intake.observe(told.seconds)

    def _committed(self, told: Committed) -> None:
        if not told.simulated:
            for move in told.moves:
                self._by_kind[type(move)](move)

    def _delivery_settled(self, told: DeliverySettled) -> None:
        self._count("makegood_deliveries_settled_total", told.state)
        if told.state not in _NOT_OVER:
            lag = (self._clock.now() - told.received_at).total_seconds()
            self._histograms["makegood_delivery_lag_seconds"].observe(max(lag, 0.0))

    def _refund_moved(self, told: RefundMoved) -> None:
        self._count("makegood_refund_moves_total", told.after)
        if told.after == RefundState.SUCCEEDED:
            took = (told.at - told.decided_at).total_seconds()
            self._histograms["makegood_refund_seconds"].observe(max(took, 0.0))

    def _effect_moved(self, told: EffectMoved) -> None:
        if told.after == EffectState.SENDING:
            self._count("makegood_effect_attempts_total", told.kind)
        else:
            self._count("makegood_effects_total", told.kind, told.after)

    def _call_made(self, told: CallMade) -> None:
        self._count("makegood_calls_total", told.platform, told.label, told.outcome)
        seconds = self._histograms["makegood_call_seconds"]
        seconds.labels(told.platform, told.label).observe(told.seconds)

    def _call_put_off(self, told: CallPutOff) -> None:
        self._count("makegood_calls_put_off_total", told.platform, told.reason)

    def _work_ended(self, told: WorkEnded) -> None:
        self._count("makegood_work_total", told.kind, "failed" if told.failed else "done")
        self._histograms["makegood_work_seconds"].labels(told.kind).observe(told.seconds)

    def _request_answered(self, told: RequestAnswered) -> None:
        self._count("makegood_requests_total", told.route, told.method, str(told.status))
        self._histograms["makegood_request_seconds"].labels(told.route).observe(told.seconds)


def _named(series: Series) -> tuple[str, str, tuple[str, ...]]:
    return series.name, series.text, series.labels
