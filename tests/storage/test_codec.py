"""Documents: every stored value comes back as it was, and what does not fit is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.domain.effects import AddTicketNote, PlannedEffect
from plugin.domain.facts import Fact
from plugin.domain.ids import DeliveryId
from plugin.domain.money import Money
from plugin.domain.orders import (
    Order,
    RefundSeen,
    RefundStage,
    Resource,
    Subscription,
    SubscriptionStatus,
    Term,
    Usage,
    UsageKnown,
    UsageUnknown,
)
from plugin.domain.plan import (
    Blocked,
    Plan,
    seal_plan,
)
from plugin.domain.plan_draft import draft_plan
from plugin.domain.requests import Channel, GuidedStep, Reason, RefundRequest, StepDone
from plugin.storage import codec
from plugin.storage.codec import Doc, dump, from_doc, load, to_doc
from tests.domain.histories import ACCESS, HISTORIES, ONE_OF_EACH, choices, orders_with_refunds
from tests.factories import (
    NOW,
    ORDER,
    STORE,
    a_course,
    a_line,
    a_payment_ref,
    a_plan,
    a_request,
    an_order,
    eur,
    plan_inputs,
)

MOMENTS = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=2))]))
USAGES: st.SearchStrategy[Usage] = st.just(UsageUnknown()) | st.builds(
    UsageKnown, st.none() | st.booleans(), st.none() | st.integers(0, 100)
)
TERMS = st.builds(
    Term, MOMENTS, st.integers(1, 24), st.sampled_from(["day", "week", "month", "year"])
)
ORDERS = st.builds(
    lambda base, title, usage, term, subscription, contact, at: replace(
        base,
        lines=tuple(replace(line, title=title, usage=usage, term=term) for line in base.lines),
        subscription=subscription,
        refunds=(RefundSeen("re-1", a_payment_ref(), eur(5), RefundStage.PENDING, at, contact),),
        contact=contact,
        read_at=at,
    ),
    orders_with_refunds().map(lambda sold: sold[0]),
    st.text(),
    USAGES,
    st.none() | TERMS,
    st.none()
    | st.builds(
        Subscription,
        st.just(STORE),
        st.text(),
        st.sampled_from(SubscriptionStatus),
        st.none() | MOMENTS,
    ),
    st.none() | st.text(),
    MOMENTS,
)
REQUESTS = st.builds(
    lambda base, channel, reason, text, documents, steps: replace(
        base,
        channel=channel,
        reason=reason,
        reason_text=text,
        documents=tuple(documents),
        steps_done=tuple(StepDone(step, "agent-1", NOW) for step in steps),  # type: ignore[arg-type]  # an AgentId
    ),
    st.sampled_from([a_request(), a_request(ticket=None)]),
    st.sampled_from(Channel),
    st.none() | st.sampled_from(Reason),
    st.text(max_size=50),
    st.lists(st.text(min_size=1)),
    st.lists(st.sampled_from(GuidedStep), unique=True),
)


@given(HISTORIES)
def test_facts_come_back_as_they_were(facts: list[Fact]) -> None:
    for fact in facts:
        assert load(Fact, dump(fact)) == fact  # type: ignore[arg-type]  # a union is a type here


@given(ORDERS)
def test_orders_come_back_as_they_were(order: Order) -> None:
    assert load(Order, dump(order)) == order


@given(REQUESTS)
def test_requests_come_back_as_they_were(request: RefundRequest) -> None:
    assert load(RefundRequest, dump(request)) == request


@given(orders_with_refunds(), HISTORIES, st.data())
def test_plans_come_back_as_they_were(
    sold: tuple[Order, list[object]], facts: list[Fact], data: st.DataObject
) -> None:
    order, _ours = sold
    inputs = plan_inputs(order, facts=facts, access=ACCESS)
    drafted = draft_plan(inputs, data.draw(choices(order)), a_plan().id, NOW)
    if isinstance(drafted, Blocked):
        return
    plan = seal_plan(drafted, [])

    assert load(Plan, dump(plan)) == plan


@pytest.mark.parametrize("effect", ONE_OF_EACH)
def test_effects_come_back_as_they_were(effect: object) -> None:
    planned = replace(a_plan(an_order(a_line(gives=(a_course(),)))).effects[0], effect=effect)  # type: ignore[arg-type]  # each is an Effect

    assert load(PlannedEffect, dump(planned)) == planned


def test_the_name_of_a_resource_is_kept_though_it_is_not_compared() -> None:
    assert load(Resource, dump(a_course("c1", "Aquarell"))).name == "Aquarell"


def test_text_is_kept_readable() -> None:
    assert "Aquarelle für Ana" in dump(a_course("c1", "Aquarelle für Ana"))


def test_a_field_that_came_later_takes_its_default() -> None:
    document = json.loads(dump(a_course("c1", "Aquarell")))
    del document["name"]

    assert load(Resource, json.dumps(document)).name == ""


def test_a_field_of_a_newer_version_is_passed_over() -> None:
    note = AddTicketNote(None, None, "Done.", ("refunded",))
    document = json.loads(dump(note))

    assert load(AddTicketNote, json.dumps({**document, "of_tomorrow": {"is": "Mood"}})) == note


def test_a_note_from_before_there_were_fields_has_none() -> None:
    note = AddTicketNote(None, None, "Done.", ("refunded",))
    document = json.loads(dump(note))
    del document["field"]

    assert load(AddTicketNote, json.dumps(document)) == note


# --- what does not fit ----------------------------------------------------------------------------


def without(name: str) -> Doc:
    return {key: part for key, part in money().items() if key != name}


def money(**changes: Doc) -> dict[str, Doc]:
    return {"is": "Money", "minor": 100, "currency": "EUR", **changes}


@pytest.mark.parametrize(
    "document",
    [
        None,
        7,
        "Money",
        [],
        {},
        money(minor="100"),
        money(minor=True),
        money(minor=None),
        money(currency=["EUR"]),
        money(currency="euro"),
        money(minor=10**16),
        {**money(), "is": "Resource"},
        without("is"),
        without("minor"),
        without("currency"),
    ],
)
def test_a_document_that_is_not_the_value_is_refused(document: Doc) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        from_doc(Money, document)


@pytest.mark.parametrize("text", ['{"is":"Money","minor":1.0,"currency":"EUR"}', "NaN", "{", ""])
def test_what_is_no_document_at_all_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not fit|Expecting"):
        load(Money, text)


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Odd:
    """Forms that the domain does not use yet, and may."""

    pair: tuple[int, str]
    names: frozenset[str]
    words: Mapping[str, int]
    colour: Colour
    mixed: int | str | tuple[Money, ...] | None
    id: DeliveryId


ODD = Odd((1, "a"), frozenset({"b", "a"}), {"x": 1}, Colour.RED, (eur(1),), DeliveryId("d"))


@pytest.mark.parametrize("mixed", [None, 3, "three", (), (eur(1), eur(2))])
def test_other_forms_come_back_as_well(mixed: int | str | tuple[Money, ...] | None) -> None:
    value = replace(ODD, mixed=mixed)

    assert load(Odd, dump(value)) == value


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("pair", [1]),
        ("pair", [1, "a", 2]),
        ("pair", ["a", 1]),
        ("pair", 1),
        ("names", {"a": 1}),
        ("words", [1]),
        ("words", {"x": "1"}),
        ("colour", "blue"),
        ("colour", ["red"]),
        ("mixed", True),
        ("mixed", {"is": "Money", "minor": 1, "currency": "EUR"}),
        ("mixed", [1]),
        ("id", 1),
    ],
)
def test_other_forms_are_refused_when_they_do_not_fit(name: str, part: Doc) -> None:
    document = to_doc(ODD)
    assert isinstance(document, dict)

    with pytest.raises(ValueError, match=r"does not fit|is not a valid Colour|argument"):
        from_doc(Odd, {**document, name: part})


@pytest.mark.parametrize("time", ["yesterday", 5, None])
def test_a_time_that_is_none_is_refused(time: Doc) -> None:
    with pytest.raises(ValueError, match=r"Invalid isoformat|does not fit"):
        from_doc(datetime, time)


@pytest.mark.parametrize("value", [1.5, object(), b"bytes", {1: "one"}, Money])
def test_what_has_no_document_form_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="document form"):
        to_doc(value)


@pytest.mark.parametrize("kind", [list, bytes, complex])
def test_a_type_that_is_not_known_is_refused(kind: type) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        from_doc(kind, [])
    with pytest.raises(ValueError, match="does not fit"):
        from_doc("not even a type", ORDER.ref)


def test_a_type_that_two_threads_read_for_the_first_time_is_whole_for_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @dataclass(frozen=True)
    class Unread:
        first: int
        second: int

    doc: Doc = {"is": "Unread", "first": 1, "second": 2}
    came: list[object] = []
    other = Thread(target=lambda: came.append(from_doc(Unread, doc)))

    class Interrupted(dict[str, object]):
        def items(self) -> Any:  # noqa: ANN401 - a view to those who only go through it
            for number, item in enumerate(super().items()):
                if number == 1 and other.ident is None:
                    other.start()
                    other.join()
                yield item

    hints = Interrupted(first=int, second=int)
    monkeypatch.setattr(codec, "_hints", lambda _: hints)

    assert from_doc(Unread, doc) == Unread(1, 2)
    assert came == [Unread(1, 2)]
