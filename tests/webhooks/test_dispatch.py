"""Dispatch: each delivery comes to an end that people can see, and is done once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from plugin.domain.errors import (
    ACCOUNT_RESTING,
    KEY_CODES,
    InvalidInput,
    NeedsHuman,
    OutcomeUnknown,
    Refused,
    RetryLater,
)
from plugin.domain.events import SaleMade, StoreEvent
from plugin.domain.ids import DeliveryId, customer_key
from plugin.platforms.data_files import DataFiles
from plugin.platforms.registry import Registry
from plugin.platforms.strict_json import JsonValue
from plugin.ports import Kind
from plugin.ports.records import DeliveryState, InstallationStatus
from plugin.services.apply_event import apply_event
from plugin.services.applying import (
    MustWait,
)
from tests.fakes.platforms import FakePlatforms
from tests.webhooks.dispatching import CANCELLED, PING, SALE, Desk
from tests.webhooks.door import SHOP, Door, document
from webhooks import dispatch
from webhooks.delivery import Delivery
from webhooks.dispatch import FIRST_WAIT, LONGEST_WAIT, PATIENCE
from webhooks.stores.practice import parse


@pytest.fixture
def desk(door: Door) -> Desk:
    return Desk(door)


def test_a_delivery_is_applied_and_is_due_no_more(desk: Desk) -> None:
    stored = desk.run(desk.deliver(document(**SALE)))
    assert (stored.state, stored.reason, stored.wake_at) == (DeliveryState.APPLIED, "", None)
    assert stored.attempts == 1
    assert desk.facts() == 1
    assert desk.shop.called("confirm") == ["SaleMade"]


def test_a_delivery_that_is_over_unknown_or_not_due_is_left_alone(desk: Desk) -> None:
    delivery = desk.deliver()
    desk.dispatch(desk.door.tenant.id, DeliveryId("nobody"))
    desk.door.clock.advance(seconds=-1)
    assert desk.run(delivery).state is DeliveryState.RECEIVED
    desk.door.clock.advance(seconds=1)
    desk.run(delivery)
    assert desk.run(delivery).attempts == 1


def test_the_stores_own_word_counts_where_it_is_asked(desk: Desk) -> None:
    def as_it_is(event: StoreEvent) -> StoreEvent:
        assert isinstance(event, SaleMade)
        customer = customer_key("eva@mail.example")
        return SaleMade(replace(event.order, customer=customer))

    desk.shop.confirm_as = as_it_is
    desk.run(desk.deliver(document(**SALE)))
    assert desk.facts() == 0


def test_a_platform_that_needs_no_asking_is_taken_at_its_word(desk: Desk) -> None:
    desk.dispatch = replace(desk.dispatch, platforms=FakePlatforms())
    desk.run(desk.deliver(document(**SALE)))
    assert desk.facts() == 1


@pytest.mark.parametrize(
    ("body", "state"),
    [
        (document(type="order.painted"), DeliveryState.UNRECOGNISED),
        (document(type="sale.made"), DeliveryState.UNREADABLE),
        (
            document(type="subscription.paused", at="2026-11-23T12:00:00Z"),
            DeliveryState.UNRECOGNISED,
        ),
    ],
)
def test_what_has_no_words_or_no_sense_is_kept_and_said(
    desk: Desk, body: bytes, state: DeliveryState
) -> None:
    stored = desk.run(desk.deliver(body))
    assert stored.state is state
    assert stored.reason
    assert stored.wake_at is None


def test_what_concerns_nothing_is_ignored_with_the_reason(desk: Desk) -> None:
    news = {
        "type": "dispute.opened",
        "at": "2026-11-23T12:00:00Z",
        "payment": "nobodys",
        "dispute": "dp-1",
        "amount": 1,
        "currency": "EUR",
    }
    stored = desk.run(desk.deliver(document(**news)))
    assert stored.state is DeliveryState.IGNORED
    assert "no order we know" in stored.reason


def with_parser(desk: Desk, events: Sequence[StoreEvent] | Exception) -> None:
    def parse(*_: object) -> Sequence[StoreEvent]:
        if isinstance(events, Exception):
            raise events
        return events

    class WithParser(Registry):
        def parser(self, *_: object) -> Callable[..., object]:
            return parse

    desk.dispatch = replace(desk.dispatch, registry=WithParser([DataFiles().manifests()]))


@pytest.mark.parametrize(
    ("body", "topic"),
    [
        (PING, "ping"),
        (document(type="sale\x00\x85made"), ""),
        (document(type="sale\x85made"), "sale made"),
        (document(type="x" * 300), "x" * 255),
        (b'{"type": 7}', ""),
        (b'{"type": null}', ""),
        (b"[]", ""),
        (b'"text"', ""),
        (b"not json", ""),
    ],
)
def test_a_topic_that_stands_in_the_body_is_kept_when_it_is_read(
    desk: Desk, body: bytes, topic: str
) -> None:
    assert desk.run(desk.deliver(body)).topic == topic


def test_a_topic_in_a_deeper_place_is_found(desk: Desk) -> None:
    def declared(field: str) -> Registry:
        registry = Registry([DataFiles().manifests()])
        found = registry.store("practice")
        assert found.webhooks is not None
        webhooks = replace(found.webhooks, topic_field=field)
        registry._found[Kind.STORE, "practice"] = replace(found, webhooks=webhooks)
        return registry

    desk.dispatch = replace(desk.dispatch, registry=declared("event.kind"))
    assert desk.run(desk.deliver(document(event={"kind": "sale"}))).topic == "sale"
    assert desk.run(desk.deliver(document(event=7), name="d-2")).topic == ""


def test_a_platform_without_webhooks_leaves_the_topic(desk: Desk) -> None:
    delivery = desk.deliver()
    registry = Registry([DataFiles().manifests()])
    found = registry.store("practice")
    registry._found[Kind.STORE, "practice"] = replace(found, webhooks=None)
    desk.dispatch = replace(desk.dispatch, registry=registry)
    assert desk.run(delivery).topic == ""


def test_a_platform_that_is_gone_leaves_the_delivery_unreadable(desk: Desk) -> None:
    delivery = desk.deliver()
    registry = Registry([DataFiles().manifests()])
    registry._found.clear()
    desk.dispatch = replace(desk.dispatch, registry=registry)
    assert desk.run(delivery).state is DeliveryState.UNREADABLE


def test_what_is_no_json_is_unreadable_and_due_no_more(desk: Desk) -> None:
    stored = desk.run(desk.deliver(b"[" * 2000))
    assert (stored.state, stored.wake_at) == (DeliveryState.UNREADABLE, None)
    assert stored.reason.startswith("too_deep")


def test_a_topic_outlives_a_wait_and_a_replay(desk: Desk) -> None:
    desk.shop.raises["confirm"] = [RetryLater("busy")]
    delivery = desk.deliver(document(**SALE))
    assert desk.run(delivery).topic == "sale.made"
    assert desk.replay(delivery)
    assert desk.door.stored()[0].topic == "sale.made"


def test_a_delivery_that_says_nothing_is_ignored(desk: Desk) -> None:
    with_parser(desk, [])
    stored = desk.run(desk.deliver())
    assert (stored.state, stored.reason) == (
        DeliveryState.IGNORED,
        "says nothing that concerns us",
    )


# --- later ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [RetryLater("busy"), OutcomeUnknown("silent")])
def test_a_store_that_does_not_answer_is_asked_again(desk: Desk, error: Exception) -> None:
    desk.shop.raises["confirm"] = [error]
    delivery = desk.deliver(document(**SALE))
    stored = desk.run(delivery)
    assert stored.state is DeliveryState.WAITING
    assert stored.wake_at is not None
    assert FIRST_WAIT <= stored.wake_at - desk.door.clock.now() <= FIRST_WAIT * 1.25
    desk.door.clock.advance(seconds=7)
    assert desk.run(delivery).state is DeliveryState.APPLIED
    assert desk.facts() == 1


def waits_of(desk: Desk, delivery: DeliveryId) -> list[timedelta]:
    waits = []
    while (stored := desk.run(delivery)).state is DeliveryState.WAITING:
        assert stored.wake_at is not None
        waits.append(stored.wake_at - desk.door.clock.now())
        desk.door.clock.advance(seconds=waits[-1].total_seconds())
    return waits


def test_it_is_asked_more_and_more_rarely_and_then_has_failed(desk: Desk) -> None:
    desk.shop.raises["confirm"] = [RetryLater("busy")] * 100
    delivery = desk.deliver(document(**SALE))
    waits = waits_of(desk, delivery)
    assert len(waits) >= 10
    age = timedelta()
    for wait in waits:
        planned = min(max(age, FIRST_WAIT), LONGEST_WAIT)
        assert planned <= wait <= planned * 1.25
        age += wait
    assert age > PATIENCE
    stored = desk.run(delivery)
    assert (stored.state, stored.reason) == (DeliveryState.FAILED, "busy")


def test_deliveries_that_failed_together_come_back_apart(desk: Desk) -> None:
    desk.shop.raises["confirm"] = [RetryLater("busy")] * 20
    names = [f"d-{n}" for n in range(20)]
    stored = [desk.run(desk.deliver(document(**SALE), name)) for name in names]
    assert len({one.wake_at for one in stored}) == 20


@pytest.mark.parametrize(
    ("wish", "least"),
    [
        (90, timedelta(seconds=90)),
        (-5, FIRST_WAIT),
        (10**12, LONGEST_WAIT),
    ],
)
def test_a_store_that_names_a_longer_wait_gets_it_up_to_a_quarter_of_a_day(
    desk: Desk, wish: int, least: timedelta
) -> None:
    desk.shop.raises["confirm"] = [RetryLater("rate_limited", after_seconds=wish)]
    stored = desk.run(desk.deliver(document(**SALE)))
    assert stored.wake_at is not None
    assert least <= stored.wake_at - desk.door.clock.now() <= least * 1.25


def test_while_a_store_rests_its_deliveries_wait_and_none_fails(desk: Desk) -> None:
    """Nobody was asked, so it says nothing about them, however old they are."""
    desk.shop.raises["confirm"] = [
        RetryLater("busy"),
        *[RetryLater(ACCOUNT_RESTING, after_seconds=300)] * 3,
    ]
    delivery = desk.deliver(document(**SALE))
    assert desk.run(delivery).state is DeliveryState.WAITING
    for _ in range(3):
        desk.door.clock.advance(days=3)
        stored = desk.run(delivery)
        assert (stored.state, stored.reason) == (DeliveryState.WAITING, ACCOUNT_RESTING)
        assert stored.wake_at is not None
        assert 300 <= (stored.wake_at - desk.door.clock.now()).total_seconds() <= 375
    desk.door.clock.advance(seconds=375)
    assert desk.run(delivery).state is DeliveryState.APPLIED


def test_a_rest_after_a_replay_does_not_use_up_its_grace(desk: Desk) -> None:
    delivery = desk.deliver(document(**SALE))
    desk.run(delivery)
    desk.door.clock.advance(days=30)
    assert desk.replay(delivery)
    desk.shop.raises["confirm"] = [
        RetryLater(ACCOUNT_RESTING, after_seconds=300),
        RetryLater("busy"),
    ]
    assert desk.run(delivery).state is DeliveryState.RECEIVED
    desk.door.clock.advance(seconds=375)
    assert desk.run(delivery).state is DeliveryState.WAITING


def test_a_fault_of_ours_is_tried_again_and_ends_where_a_person_sees_it(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    with_parser(desk, ZeroDivisionError("canary@mail.example"))
    delivery = desk.deliver()
    assert len(waits_of(desk, delivery)) > 5
    stored = desk.run(delivery)
    assert (stored.state, stored.reason) == (DeliveryState.FAILED, "fault: ZeroDivisionError")
    assert "canary" not in caplog.text
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("code", KEY_CODES)
def test_while_the_key_is_refused_a_delivery_waits_for_another_one(desk: Desk, code: str) -> None:
    desk.shop.raises["confirm"] = [Refused(code)]
    delivery = desk.deliver(document(**SALE))
    stored = desk.run(delivery)
    assert (stored.state, stored.reason) == (DeliveryState.WAITING, code)
    desk.door.clock.advance(seconds=7)
    assert desk.run(delivery).state is DeliveryState.APPLIED
    assert desk.facts() == 1


def test_a_key_that_stays_refused_for_days_is_told_of_at_the_delivery(desk: Desk) -> None:
    desk.shop.raises["confirm"] = [Refused("key_refused")] * 100
    delivery = desk.deliver(document(**SALE))
    assert sum(waits_of(desk, delivery), timedelta()) > PATIENCE
    stored = desk.run(delivery)
    assert (stored.state, stored.reason) == (DeliveryState.FAILED, "key_refused")


@pytest.mark.parametrize("error", [Refused("gone"), NeedsHuman("odd")])
def test_a_store_that_refuses_to_tell_leaves_it_to_a_person(desk: Desk, error: Exception) -> None:
    desk.shop.raises["confirm"] = [error]
    stored = desk.run(desk.deliver(document(**SALE)))
    assert (stored.state, stored.reason) == (DeliveryState.FAILED, error.code)  # type: ignore[attr-defined]  # ours


def test_what_a_parser_cannot_use_is_unreadable(desk: Desk) -> None:
    with_parser(desk, InvalidInput("amount", "give\x00 digits"))
    stored = desk.run(desk.deliver())
    assert stored.state is DeliveryState.UNREADABLE
    assert "\x00" not in stored.reason


def test_what_contradicts_the_sale_that_we_know_is_unreadable(desk: Desk) -> None:
    payments = [{"id": "pay-1", "label": "Visa", "captured": 4900, "refunded": 100}]
    sale = SALE["order"]
    assert isinstance(sale, dict)
    order = {**sale, "payments": payments}
    desk.run(desk.deliver(document(**{**SALE, "order": order}), name="d-1"))
    cancelled = {**CANCELLED, "order": {**order, "currency": "USD"}}
    stored = desk.run(desk.deliver(document(**cancelled), name="d-2"))
    assert stored.state is DeliveryState.UNREADABLE
    assert stored.reason == "invalid_input: currency: EUR and USD do not mix"
    assert desk.facts() == 1


def test_a_text_that_cannot_be_written_is_our_trouble_and_not_the_senders(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> object:
        raise InvalidInput("product", "this message cannot be written without it")

    monkeypatch.setattr("webhooks.dispatch.apply_event", fail)
    stored = desk.run(desk.deliver())
    assert (stored.state, stored.reason) == (DeliveryState.FAILED, "invalid_input")


def test_what_must_wait_waits_whole(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    until = desk.door.clock.now() + timedelta(seconds=2)
    calls: list[object] = []

    def second_waits(*given: object) -> object:
        calls.append(given)
        if len(calls) == 2:
            return MustWait(until)
        return apply_event(*given)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(dispatch, "apply_event", second_waits)
    event = _parsed(desk)
    with_parser(desk, [event, event])
    delivery = desk.deliver(document(**SALE))
    stored = desk.run(delivery)
    assert (stored.state, stored.wake_at) == (DeliveryState.WAITING, until)
    assert desk.facts() == 0
    desk.door.clock.advance(seconds=2)
    assert desk.run(delivery).state is DeliveryState.APPLIED
    assert desk.facts() == 1


def _parsed(desk: Desk) -> StoreEvent:
    body: JsonValue = SALE  # type: ignore[assignment]  # plain data
    (event,) = parse(Delivery(b"", {}, desk.door.clock.now()), SHOP, body)
    return event


# --- the rest -------------------------------------------------------------------------------------


def test_a_delivery_of_a_removed_installation_is_not_applied(desk: Desk) -> None:
    delivery = desk.deliver(document(**SALE))
    with desk.door.storage.begin(desk.door.tenant.id) as uow:
        found = uow.installations.get(SHOP)
        assert found is not None
        uow.installations.save(replace(found, status=InstallationStatus.REMOVED))
        uow.commit()
    stored = desk.run(delivery)
    assert (stored.state, stored.reason) == (DeliveryState.FAILED, "not connected any more")
    assert desk.shop.calls == []


def test_a_replay_does_nothing_twice(desk: Desk) -> None:
    delivery = desk.deliver(document(**CANCELLED))
    desk.run(delivery)

    def state() -> tuple[object, ...]:
        with desk.door.storage.read(desk.door.tenant.id) as uow:
            facts = uow.facts.of_customer("ana@mail.example")  # type: ignore[arg-type]  # a key
            effects = uow.effects.of_run(delivery)  # type: ignore[arg-type]  # named after it
            return tuple(facts), tuple(effects)

    before = state()
    assert before[1]
    assert desk.replay(delivery)
    replayed = next(d for d in desk.door.stored() if d.id == delivery)
    assert (replayed.state, replayed.reason) == (DeliveryState.RECEIVED, "replayed")
    assert desk.run(delivery).state is DeliveryState.APPLIED
    assert state() == before
    with desk.door.storage.read(desk.door.tenant.id) as uow:
        assert "delivery.replayed" in [entry.action for entry in uow.audit.entries(0, 99)]


def test_a_replay_of_an_old_delivery_survives_one_bad_moment(desk: Desk) -> None:
    delivery = desk.deliver(document(**SALE))
    desk.run(delivery)
    desk.door.clock.advance(days=30)
    assert desk.replay(delivery)
    desk.shop.raises["confirm"] = [RetryLater("busy")]
    assert desk.run(delivery).state is DeliveryState.WAITING
