"""Spans of what does not go the usual way: cut short, put off, failed, or begun by nobody."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from plugin.domain.effects import EffectState
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
    RequestBegun,
    WorkBegun,
    WorkEnded,
)
from plugin.watch.tracing import Tracing
from tests.factories import NOW

SENDING = EffectMoved("e-1", "r-1", "RevokeAccess", EffectState.WAITING, EffectState.SENDING)
DONE = EffectMoved("e-1", "r-1", "RevokeAccess", EffectState.SENDING, EffectState.DONE)
CALL = CallMade("stripe", "refund.read", "api.example:443", "no_answer", 0.5)


class Spans:
    """Tracing into memory."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.tell = Tracing(self._exporter, "worker", lambda kind, _tenant, ref: f"{kind} {ref}")

    def made(self) -> dict[str, ReadableSpan]:
        self.tell.end()
        return {span.name: span for span in self._exporter.get_finished_spans()}


@pytest.fixture
def spans() -> Iterator[Spans]:
    made = Spans()
    yield made
    made.tell.end()


def test_work_that_fails_in_the_middle_of_an_effect_ends_both_spans(spans: Spans) -> None:
    spans.tell(WorkBegun("run", "t", "r-1"))
    spans.tell(Committed((SENDING,), simulated=False))
    spans.tell(CALL)
    spans.tell(WorkEnded("run", "r-1", failed=True, seconds=1))
    made = spans.made()
    assert made["work run"].status.status_code.name == "ERROR"
    assert made["call refund.read"].status.status_code.name == "ERROR"
    assert (made["call refund.read"].attributes or {})["error.type"] == "no_answer"
    work, effect = made["work run"].context, made["effect RevokeAccess"].parent
    assert work is not None
    assert effect is not None
    assert effect.span_id == work.span_id


def test_an_effect_that_somebody_else_began_ends_nothing_here(spans: Spans) -> None:
    spans.tell(Committed((DONE,), simulated=False))
    spans.tell(WorkBegun("run", "t", "r-1"))
    spans.tell(Committed((DONE, DeliverySettled("d", "applied", NOW)), simulated=False))
    spans.tell(WorkEnded("run", "r-1", failed=False, seconds=1))
    assert set(spans.made()) == {"work run"}


def test_two_effects_at_once_are_both_below_their_run(spans: Spans) -> None:
    other = EffectMoved("e-2", "r-1", "RemoveTag", EffectState.WAITING, EffectState.SENDING)
    ended = EffectMoved("e-2", "r-1", "RemoveTag", EffectState.SENDING, EffectState.DONE)
    spans.tell(WorkBegun("run", "t", "r-1"))
    for move in (SENDING, other, DONE, ended):
        spans.tell(Committed((move,), simulated=False))
    spans.tell(WorkEnded("run", "r-1", failed=False, seconds=1))
    made = spans.made()
    assert set(made) == {"work run", "effect RevokeAccess", "effect RemoveTag"}
    work = made.pop("work run").context
    assert work is not None
    assert {span.parent and span.parent.span_id for span in made.values()} == {work.span_id}


def test_what_ends_without_a_beginning_is_no_span(spans: Spans) -> None:
    spans.tell(WorkEnded("run", "r-1", failed=False, seconds=1))
    spans.tell(RequestAnswered("r", "/", "GET", 200, 0.1))
    spans.tell(DeliveryAnswered("stripe", Entry.REFUSED, 0.1))
    spans.tell(CallPutOff("stripe", "budget_spent"))
    spans.tell(Committed((RefundMoved("r", "p", "submitting", "unknown", NOW, NOW),), False))
    assert spans.made() == {}


def test_a_refund_by_nobody_in_sight_begins_its_own_trace(spans: Spans) -> None:
    spans.tell(Committed((RefundMoved("r", "p", "planned", "reserved", NOW, NOW),), False))
    (plan,) = spans.made().values()
    assert plan.name == "plan"
    assert plan.parent is None
    assert not plan.links


def test_moves_and_calls_put_off_are_events_of_the_work(spans: Spans) -> None:
    spans.tell(WorkBegun("refund", "t", "r"))
    spans.tell(CallPutOff("stripe", "budget_spent"))
    spans.tell(Committed((RefundMoved("r", "p", "submitting", "unknown", NOW, NOW),), False))
    spans.tell(WorkEnded("refund", "r", failed=False, seconds=1))
    (work,) = spans.made().values()
    assert [event.name for event in work.events] == ["call.put_off", "refund.moved"]


def test_an_answer_that_is_our_fault_is_an_error(spans: Spans) -> None:
    spans.tell(RequestBegun("r"))
    spans.tell(RequestAnswered("r", "/admin", "GET", 500, 0.1))
    (asked,) = spans.made().values()
    assert asked.status.status_code.name == "ERROR"
    assert asked.parent is None
