"""Subscriptions of a Systeme.io contact, and news of their cancellations read back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from plugin.domain.errors import NeedsHuman, Refused, RetryLater
from plugin.domain.events import SubscriptionCancelled, TestDelivery
from plugin.domain.orders import SubscriptionStatus
from plugin.ports import Changed
from tests.platforms.systeme_io.books import price_plan
from tests.platforms.systeme_io.conftest import INSTALLATION, World
from tests.platforms.systeme_io.recorded import recording
from webhooks.stores.systeme_io import parse

# --- subscriptions --------------------------------------------------------------------------------


def set_subscription(world: World, **changes: object) -> None:
    world.fake.books.subscriptions[world.subscription_ref].update(changes)


def recurring(**changes: object) -> dict[str, object]:
    plan = price_plan(3456410, "Membership", 1500, every="month")
    return {**plan, "recurringOptions": {**plan["recurringOptions"], **changes}}


def test_a_subscription_is_found_by_its_price_plan(world: World) -> None:
    found = world.store.read_subscription(world.contact, "plan:3456410")
    assert found is not None
    assert found.ref == world.subscription
    assert found.paid_until == found.renews_at == datetime(2026, 12, 20, 9, 15, 30, tzinfo=UTC)
    assert found.renews is not None
    assert found.renews.decimal() == "15.00"
    done = world.store.cancel_subscription(world.contact, "plan:3456410", at_once=True)
    assert done is Changed.DONE
    assert world.store.read_subscription(world.contact, "plan:1") is None


def test_of_several_to_one_plan_the_running_one_is_meant(world: World) -> None:
    world.fake.books.subscribe(world.buyer_ref, world.plan, status="cancelled")
    found = world.store.read_subscription(world.contact, "plan:3456410")
    assert found is not None
    assert found.ref == world.subscription


def test_two_running_ones_to_one_plan_are_left_to_a_person(world: World) -> None:
    world.fake.books.subscribe(world.buyer_ref, world.plan)
    with pytest.raises(NeedsHuman, match="several_subscriptions"):
        world.store.cancel_subscription(world.contact, "plan:3456410", at_once=True)
    assert world.charges_go_on()


def test_one_set_to_end_can_still_be_ended_at_once(world: World) -> None:
    world.store.cancel_subscription(world.contact, world.subscription, at_once=False)
    found = world.store.read_subscription(world.contact, world.subscription)
    assert found is not None
    assert found.status is SubscriptionStatus.ENDING
    assert found.renews is None
    # The fake refuses a second cancellation, as the vendor may: that is a no, told as it is.
    with pytest.raises(Refused, match="http_422"):
        world.store.cancel_subscription(world.contact, world.subscription, at_once=True)
    assert [one.body for one in world.fake.writes] == [
        {"cancel": "WhenBillingPeriodEnds"},
        {"cancel": "Now"},
    ]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("in_charge", SubscriptionStatus.UNKNOWN),
        ("incomplete", SubscriptionStatus.UNKNOWN),
        ("paused", SubscriptionStatus.UNKNOWN),
        ("completed", SubscriptionStatus.ENDED),
        ("incomplete_expired", SubscriptionStatus.ENDED),
    ],
)
def test_statuses_are_read_and_what_is_unclear_stays_unknown(
    world: World, status: str, expected: SubscriptionStatus
) -> None:
    set_subscription(world, status=status)
    found = world.store.read_subscription(world.contact, world.subscription)
    assert found is not None
    assert found.status is expected
    if status == "paused":
        world.fake.exchanges.clear()  # planted: a status the vendor may add one day


def test_a_cancelled_one_has_ended_when_its_period_has(world: World) -> None:
    world.store.cancel_subscription(world.contact, world.subscription, at_once=True)
    world.clock.pass_time(days=29)
    before = world.store.read_subscription(world.contact, world.subscription)
    world.clock.pass_time(days=1)
    after = world.store.read_subscription(world.contact, world.subscription)
    assert before is not None
    assert after is not None
    assert (before.status, after.status) == (SubscriptionStatus.ENDING, SubscriptionStatus.ENDED)


def test_an_account_without_payments_has_no_subscriptions(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    routes = "tests.platforms.systeme_io.routes._ROUTES"
    monkeypatch.delitem(
        __import__(routes.rpartition(".")[0], fromlist=["_ROUTES"])._ROUTES,
        ("GET", "/api/payment/subscriptions"),
    )
    assert world.store.read_subscription(world.contact, world.subscription) is None
    world.fake.exchanges.clear()  # a third party saw this 404; the specification does not name it


@pytest.mark.parametrize("odd", [{"currency": "jpy"}, {"currency": "euro"}, {"amount": 10**16}])
def test_a_price_of_unknown_form_leaves_the_amount_unknown(
    world: World, odd: dict[str, object]
) -> None:
    set_subscription(world, pricePlan={**world.plan, **odd})
    found = world.store.read_subscription(world.contact, world.subscription)
    assert found is not None
    assert found.renews is None


# --- news of cancellations ------------------------------------------------------------------------


@pytest.fixture
def cancelled(world: World) -> SubscriptionCancelled:
    """The event of the recorded cancellation, told of the buyer's own subscription."""
    told = recording("sale_canceled_subscription")
    body = json.loads(told.body)
    body["customer"] |= {"contactId": world.buyer_ref, "email": "jane@example.com"}
    event = parse(told.delivery(), INSTALLATION, body)[0]
    assert isinstance(event, SubscriptionCancelled)
    return event


def test_a_cancellation_is_read_back_with_its_paid_period(
    world: World, cancelled: SubscriptionCancelled
) -> None:
    assert cancelled.subscription == "plan:3456410"
    world.fake.books.cancel(world.subscription_ref, "WhenBillingPeriodEnds")
    read = world.store.confirm(cancelled)
    until = datetime(2026, 12, 20, 9, 15, 30, tzinfo=UTC)
    assert read == replace(cancelled, subscription=world.subscription, paid_until=until)


def test_a_cancellation_at_once_keeps_the_paid_period_and_then_ends(
    world: World, cancelled: SubscriptionCancelled
) -> None:
    world.fake.books.cancel(world.subscription_ref, "Now")
    now = world.store.confirm(cancelled)
    world.clock.pass_time(days=30)
    later = world.store.confirm(cancelled)
    assert isinstance(now, SubscriptionCancelled)
    assert isinstance(later, SubscriptionCancelled)
    assert (now.ended, later.ended) == (False, True)
    assert now.paid_until == later.paid_until


def test_one_that_the_store_still_runs_has_not_ended(
    world: World, cancelled: SubscriptionCancelled
) -> None:
    world.fake.books.cancel(world.subscription_ref, "WhenBillingPeriodEnds")
    world.clock.pass_time(days=31)
    read = world.store.confirm(cancelled)
    assert isinstance(read, SubscriptionCancelled)
    assert not read.ended


def test_what_the_api_leaves_open_stays_open(
    world: World, cancelled: SubscriptionCancelled
) -> None:
    assert world.store.confirm(cancelled) == cancelled  # still renewing there
    set_subscription(world, status="completed")
    assert world.store.confirm(cancelled) == replace(cancelled, subscription=world.subscription)
    set_subscription(world, status="incomplete_expired")
    never_paid = replace(cancelled, subscription=world.subscription, ended=True)
    assert world.store.confirm(cancelled) == never_paid
    world.fake.books.subscribe(world.buyer_ref, world.plan, status="cancelled")
    assert world.store.confirm(cancelled) == cancelled  # two were stopped: which one?


def test_news_of_a_deleted_contact_or_of_another_kind_stay_as_they_are(
    world: World, cancelled: SubscriptionCancelled
) -> None:
    assert world.store.confirm(TestDelivery()) == TestDelivery()
    unnamed = replace(cancelled, subscription=None)
    assert world.store.confirm(unnamed) == unnamed
    assert world.fake.exchanges == []
    del world.fake.books.contacts[world.buyer_ref]
    assert world.store.confirm(cancelled) == cancelled


@pytest.mark.parametrize(
    ("plan", "created", "expected"),
    [
        (recurring(interval="day", intervalCount=10), "2026-11-01T00:00:00+00:00", "2026-11-21"),
        (recurring(interval="week", intervalCount=2), "2026-11-01T00:00:00+00:00", "2026-11-29"),
        (recurring(interval="month"), "2026-01-28T00:00:00+00:00", "2026-11-28"),
        (
            recurring(interval="month", intervalCount=3),
            "2026-11-20T00:00:00+00:00",
            "2027-02-20",
        ),
        (recurring(interval="year"), "2024-02-28T00:00:00+00:00", "2027-02-28"),
        (recurring(interval="month"), "2026-12-15T00:00:00+00:00", "2027-01-15"),
        (recurring(interval="month"), "2026-01-31T00:00:00+00:00", None),
        (recurring(interval="month", trialPeriod=7), "2026-11-01T00:00:00+00:00", None),
        (recurring(interval="month", limitOfPayments=3), "2026-11-01T00:00:00+00:00", None),
        (recurring(interval="quarter"), "2026-11-01T00:00:00+00:00", None),
        (recurring(interval="month", intervalCount=0), "2026-11-01T00:00:00+00:00", None),
        (recurring(interval="year", intervalCount=366), "9998-11-01T00:00:00+00:00", None),
        ({**recurring(), "recurringOptions": None}, "2026-11-01T00:00:00+00:00", None),
        (None, "2026-11-01T00:00:00+00:00", None),
    ],
)
def test_the_paid_period_is_counted_from_the_start_or_unknown(
    world: World, plan: object, created: str, expected: str | None
) -> None:
    set_subscription(world, pricePlan=plan, createdAt=created)
    # By its own id: a subscription without a plan has no plan's name.
    found = world.store.read_subscription(world.contact, world.subscription)
    assert found is not None
    told = found.paid_until and found.paid_until.date().isoformat()
    assert told == expected


@pytest.mark.parametrize("created", [None, "yesterday", "2026-11-01T00:00:00"])
def test_a_subscription_without_a_readable_start_is_no_answer(
    world: World, created: str | None
) -> None:
    set_subscription(world, createdAt=created)
    with pytest.raises(RetryLater, match="answer_malformed: items"):
        world.store.read_subscription(world.contact, world.subscription)
    world.fake.exchanges.clear()  # planted: not the vendor's shape
