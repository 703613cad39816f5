"""Spans, sent to a real OTLP receiver: one trace from what happened to the last effect of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from plugin.domain.errors import NeedsHuman
from plugin.settings import read_settings
from plugin.watch.tracing import trace_of
from plugin.watch.watching import refuse_missing_packages
from tests.databases import Databases
from tests.journey.house import OWNER
from tests.journey.shop import BUYER
from tests.otlp import Receiver, Seen
from tests.watched_day import NAME, TOKEN, Day, watched_day


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[Day]:
    with watched_day(tmp_path_factory.mktemp("day"), databases) as one:
        yield one


def trace(receiver: Receiver, origin: str) -> list[Seen]:
    wanted = trace_of(origin)[0].to_bytes(16)
    return [span for span in receiver.spans if span.trace == wanted]


def tree(spans: list[Seen], parent: bytes = b"") -> set[str]:
    """The names, each after those of the spans around it."""
    return {
        path
        for span in spans
        if span.parent == parent
        for path in (span.name, *(f"{span.name} > {p}" for p in tree(spans, span.id)))
    }


def test_an_event_and_its_effects_are_one_trace(day: Day) -> None:
    found = tree(trace(day.receiver, f"delivery {day.delivery}"))
    assert {
        "delivery > work delivery",
        "delivery > work run > effect RevokeAccess > call course.revoke",
        "delivery > work run > effect RemoveTag > call tag.remove",
        "delivery > work run > effect TellOwner > call mail.send",
    } <= found


def test_a_decision_and_what_it_leads_to_are_one_trace(day: Day) -> None:
    spans = trace(day.receiver, f"plan {day.plan}")
    assert {
        "plan > work refund > call refund.create",
        "plan > work run > effect AddTicketNote > call ticket.note",
        "plan > work run > effect TellCustomer > call ticket.reply",
    } <= tree(spans)
    (asked,) = [s for s in day.receiver.spans if s.name.endswith("/refund")]
    (decided,) = [s for s in spans if s.name == "plan"]
    assert decided.links == (asked.trace,)


def test_a_request_has_its_calls_below_it_also_those_side_by_side(day: Day) -> None:
    (asked,) = [s for s in day.receiver.spans if s.name.endswith("/open")]
    assert asked.name == "POST /panel/<platform>/<installation>/open"
    assert asked.said["http.response.status_code"] == "200"
    below = {s.name for s in day.receiver.spans if s.parent == asked.id}
    assert {"call ticket.read", "call charge.list"} <= below


def test_spans_carry_routes_places_and_ids_and_nothing_else(day: Day) -> None:
    (call,) = [s for s in day.receiver.spans if s.name == "call refund.create"]
    host, port = day.house.world.stripe.place.split(":")
    assert call.said == {
        "makegood.platform": "stripe",
        "makegood.label": "refund.create",
        "server.address": host,
        "server.port": port,
        "http.response.status_code": "200",
    }
    assert 0 < call.seconds < 60
    sent = "".join(day.receiver.raw)
    for secret in (BUYER, NAME, OWNER, TOKEN, "Portrait"):
        assert secret not in sent, secret
    said = {value for span in day.receiver.spans for value in span.said.values()}
    assert not [value for value in said if "?" in value or "@" in value or "//" in value]
    assert day.receiver.paths == {"/v1/traces"}


def test_what_is_asked_all_day_makes_no_span(day: Day) -> None:
    before = len(day.receiver.spans)
    assert day.house.app.test_client().get("/healthz").status_code == 200
    assert len(day.receiver.spans) == before
    assert not [s for s in day.receiver.spans if "metrics" in s.name]


def test_without_the_packages_the_start_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    set_up = read_settings({"MAKEGOOD_OTLP_ENDPOINT": "http://127.0.0.1:4318"})
    refuse_missing_packages(set_up)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto", None)
    for module in [
        name for name in sys.modules if name.startswith("opentelemetry.exporter.otlp.p")
    ]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(NeedsHuman, match=r"makegood\[tracing\]"):
        refuse_missing_packages(set_up)
    refuse_missing_packages(read_settings({}))
