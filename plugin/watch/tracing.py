"""Spans for OpenTelemetry, made from what is told and sent to one endpoint. Changes nothing.

A delivery, and a plan that was decided, each begin a trace whose id is made from theirs. So what
other processes do for them later, hours and crashes apart, stands in the same trace. Spans carry
ids and words of ours; no address of a page, no query, no body.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import time_ns
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from plugin.domain.effects import EffectState
from plugin.ports.watching import (
    CallMade,
    CallPutOff,
    Committed,
    DeliveryAnswered,
    EffectMoved,
    RefundMoved,
    RequestAnswered,
    RequestBegun,
    Told,
    WorkBegun,
    WorkEnded,
)
from plugin.watch.origins import OriginOf
from plugin.watch.watching import MAIL

Attributes = Mapping[str, str | int | float | bool]
EVERY_SECONDS: Final = 1.0
"""How long spans are gathered before they are sent."""
PATIENCE_SECONDS: Final = 5
_SECOND: Final = 1_000_000_000


def trace_of(origin: str) -> tuple[int, int]:
    """The id of the trace of what `origin` began, and of its first span."""
    digest = hashlib.sha256(f"makegood {origin}".encode()).digest()
    return int.from_bytes(digest[:16]), int.from_bytes(digest[16:24])


@dataclass(frozen=True, slots=True)
class _Open:
    """A span that is not over, and the one around it."""

    span: Span
    around: _Open | None = None
    effects: dict[str, Span] = field(default_factory=dict)

    @property
    def outermost(self) -> _Open:
        return self if self.around is None else self.around.outermost


class _Ids(RandomIdGenerator):
    """Chance, but for the first span of a trace whose id is known."""

    def __init__(self) -> None:
        self.wanted: ContextVar[tuple[int, int] | None] = ContextVar("wanted", default=None)

    def generate_trace_id(self) -> int:
        wanted = self.wanted.get()
        return super().generate_trace_id() if wanted is None else wanted[0]

    def generate_span_id(self) -> int:
        wanted = self.wanted.get()
        return super().generate_span_id() if wanted is None else wanted[1]


class Tracing:
    """Implements `plugin.ports.watching.Watch`. Safe from any thread.

    What begins and ends is told by one thread; what it starts on others belongs to it as well,
    where they were given its context.
    """

    def __init__(self, exporter: SpanExporter, role: str, origin_of: OriginOf) -> None:
        ids = _Ids()
        self._wanted = ids.wanted
        self._origin_of = origin_of
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": "makegood", "makegood.role": role}),
            id_generator=ids,
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, schedule_delay_millis=EVERY_SECONDS * 1000)
        )
        self._tracer = self._provider.get_tracer("makegood")
        self._open: ContextVar[_Open | None] = ContextVar("open", default=None)
        self._by_kind: Mapping[type, Callable[..., None]] = {
            RequestBegun: self._request_begun,
            RequestAnswered: self._request_answered,
            DeliveryAnswered: self._delivery_answered,
            WorkBegun: self._work_begun,
            WorkEnded: self._work_ended,
            Committed: self._committed,
            CallMade: self._call_made,
            CallPutOff: self._call_put_off,
        }

    def __call__(self, told: Told) -> None:
        make = self._by_kind.get(type(told))
        if make is not None:
            make(told)

    def end(self) -> None:
        """Send what is left, and no more."""
        self._provider.shutdown()

    # --- the web ----------------------------------------------------------------------------------

    def _request_begun(self, told: RequestBegun) -> None:
        attributes = {"makegood.request": told.request}
        span = self._tracer.start_span("request", kind=SpanKind.SERVER, attributes=attributes)
        self._open.set(_Open(span))

    def _request_answered(self, told: RequestAnswered) -> None:
        opened = self._open.get()
        if opened is None:
            return
        self._open.set(None)
        span = opened.span
        span.update_name(f"{told.method} {told.route}")
        span.set_attribute("http.request.method", told.method)
        span.set_attribute("http.route", told.route)
        span.set_attribute("http.response.status_code", told.status)
        if told.status >= 500:
            span.set_status(StatusCode.ERROR)
        span.end()

    def _delivery_answered(self, told: DeliveryAnswered) -> None:
        if not told.delivery:
            return
        attributes = {"makegood.delivery": told.delivery, "makegood.platform": told.platform}
        self._begin_trace(f"delivery {told.delivery}", "delivery", told.seconds, attributes)

    def _begin_trace(
        self,
        origin: str,
        name: str,
        seconds: float,
        attributes: Attributes,
        link: Link | None = None,
    ) -> None:
        now = time_ns()
        before = self._wanted.set(trace_of(origin))
        try:
            span = self._tracer.start_span(
                name,
                context=Context(),
                kind=SpanKind.SERVER,
                attributes=attributes,
                links=[link] if link else None,
                start_time=now - round(seconds * _SECOND),
            )
        finally:
            self._wanted.reset(before)
        span.end(now)

    # --- the worker -------------------------------------------------------------------------------

    def _work_begun(self, told: WorkBegun) -> None:
        origin = self._origin_of(told.kind, told.tenant, told.ref)
        span = self._tracer.start_span(
            f"work {told.kind}",
            context=_after(origin) if origin else Context(),
            kind=SpanKind.CONSUMER,
            attributes={"makegood.kind": told.kind, "makegood.ref": told.ref},
        )
        self._open.set(_Open(span))

    def _work_ended(self, told: WorkEnded) -> None:
        opened = self._open.get()
        if opened is None:
            return
        self._open.set(None)
        for left in opened.effects.values():
            left.end()
        work = opened.outermost
        if told.failed:
            work.span.set_status(StatusCode.ERROR)
        work.span.end()

    def _committed(self, told: Committed) -> None:
        plans = {}
        for move in told.moves:
            match move:
                case EffectMoved():
                    self._effect_moved(move)
                case RefundMoved(before="planned"):
                    plans[move.plan] = move
                case RefundMoved():
                    opened = self._open.get()
                    if opened is not None:
                        opened.span.add_event(
                            "refund.moved", {"from": str(move.before), "to": str(move.after)}
                        )
                case _:
                    pass
        for plan in plans:
            opened = self._open.get()
            link = None if opened is None else Link(opened.span.get_span_context())
            self._begin_trace(f"plan {plan}", "plan", 0.0, {"makegood.plan": plan}, link)

    def _effect_moved(self, move: EffectMoved) -> None:
        """An effect's span reaches from its `sending` row to the next: its calls lie between."""
        opened = self._open.get()
        if opened is None:
            return
        if move.after == EffectState.SENDING:
            attributes = {"makegood.effect": move.effect, "makegood.run": move.run}
            span = self._tracer.start_span(
                f"effect {move.kind}",
                context=set_span_in_context(opened.outermost.span),
                attributes=attributes,
            )
            opened.effects[move.effect] = span
            self._open.set(_Open(span, opened, opened.effects))
            return
        ended = opened.effects.pop(move.effect, None)
        if ended is not None:
            ended.set_attribute("makegood.state", move.after)
            ended.end()
            if opened.span is ended:
                self._open.set(opened.around)

    # --- the way out ------------------------------------------------------------------------------

    def _call_made(self, told: CallMade) -> None:
        now = time_ns()
        opened = self._open.get()
        is_status = told.outcome.isdecimal()
        is_answer = is_status or (told.platform == MAIL and told.outcome == "sent")
        host, _, port = told.place.rpartition(":")
        span = self._tracer.start_span(
            f"call {told.label}",
            context=None if opened is None else set_span_in_context(opened.span),
            kind=SpanKind.CLIENT,
            attributes={
                "makegood.platform": told.platform,
                "makegood.label": told.label,
                "server.address": host,
                "server.port": int(port),
                **({"http.response.status_code": int(told.outcome)} if is_status else {}),
            },
            start_time=now - round(told.seconds * _SECOND),
        )
        if not is_answer:
            span.set_attribute("error.type", told.outcome)
            span.set_status(StatusCode.ERROR)
        span.end(now)

    def _call_put_off(self, told: CallPutOff) -> None:
        opened = self._open.get()
        if opened is not None:
            opened.span.add_event("call.put_off", {"reason": told.reason})


def _after(origin: str) -> Context:
    """What belongs to what `origin` began, in whichever process that was."""
    trace, first = trace_of(origin)
    flags = TraceFlags(TraceFlags.SAMPLED)
    begun = SpanContext(trace, first, is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(begun))


def to_endpoint(endpoint: str) -> SpanExporter:
    """What sends to an OTLP/HTTP receiver, such as `http://127.0.0.1:4318`."""
    return OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", timeout=PATIENCE_SECONDS)
