"""What Stripe told before is read from its list of events, and means what the webhook means."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from plugin.domain.errors import Refused, RetryLater
from plugin.domain.events import PaymentRefunded, StoreEvent
from plugin.domain.orders import DisputeStage, RefundStage
from plugin.platforms.strict_json import read_json
from plugin.ports.news import News
from plugin.stores.stripe import StripeStore
from plugin.stores.stripe.account import manifest
from tests.platforms.stripe.conftest import INSTALLATION, NOW, store_at
from tests.platforms.stripe.fake import FakeStripe
from webhooks.delivery import Delivery
from webhooks.stores.stripe import parse


class Time:
    """The fake's clock, which can be set."""

    def __init__(self) -> None:
        self.at = NOW

    def seconds(self) -> int:
        return int(self.at.timestamp())


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def fake(time: Time) -> Iterator[FakeStripe]:
    with FakeStripe(now=time.seconds) as running:
        running.hooks.mode = "held"
        yield running


@pytest.fixture
def store(fake: FakeStripe) -> StripeStore:
    return store_at(fake.url)


def all_news(store: StripeStore, since: datetime, until: datetime = NOW) -> list[News]:
    return [news for page in store.read_news(since, until) for news in page]


def meaning(news: News) -> list[StoreEvent]:
    return parse(Delivery(news.body, {}, NOW), INSTALLATION, read_json(news.body))


def test_an_event_is_named_and_read_as_its_webhook(fake: FakeStripe, store: StripeStore) -> None:
    charge = fake.books.sell(4900)
    fake.books.refund({"charge": charge["id"], "amount": "1500"})
    hooks = manifest().webhooks
    assert hooks is not None

    found = all_news(store, NOW - timedelta(minutes=5))

    for event, news in zip(fake.books.told[::-1], found, strict=True):
        sent = Delivery(json.dumps(event).encode(), {}, NOW)
        assert sent.delivery_id(hooks.delivery_id_header, hooks.delivery_id_field) == news.name
        assert (news.topic, news.at) == (event["type"], NOW)
        assert meaning(news) == parse(sent, INSTALLATION, read_json(sent.body))


def test_only_what_lies_within_is_asked_for_and_only_what_we_have_words_for(
    fake: FakeStripe, store: StripeStore, time: Time
) -> None:
    charge = fake.books.sell(4900)["id"]
    for minutes in (30, 20, 10, 0):
        time.at = NOW - timedelta(minutes=minutes)
        fake.books.refund({"charge": charge, "amount": "100"})
    fake.books.tell("charge.succeeded", fake.books.get(charge))

    found = all_news(store, NOW - timedelta(minutes=25), NOW - timedelta(minutes=5))

    topics = {"refund.created", "charge.refunded", "charge.refund.updated", "refund.updated"}
    assert {news.topic for news in found} <= topics
    assert {news.at for news in found} == {NOW - timedelta(minutes=m) for m in (20, 10)}


def test_a_list_of_many_pages_is_read_to_its_end(fake: FakeStripe, store: StripeStore) -> None:
    charge = fake.books.sell(90000)["id"]
    for _ in range(150):
        fake.books.refund({"charge": charge, "amount": "100"})

    found = all_news(store, NOW - timedelta(minutes=5))

    wanted = {event["id"] for event in fake.books.told}
    assert len(wanted) > 200
    assert {news.name for news in found} == wanted
    assert len(found) == len(wanted)


def test_before_its_events_begin_refunds_and_disputes_are_read_as_they_stand(
    fake: FakeStripe, store: StripeStore, time: Time
) -> None:
    time.at = NOW - timedelta(days=40)
    charge = fake.books.sell(4900)["id"]
    refund = fake.books.refund({"charge": charge, "amount": "1500"})["id"]
    dispute = fake.books.dispute(charge)["id"]
    fake.books.close_dispute(dispute, "lost")
    time.at = NOW

    found = all_news(store, NOW - timedelta(days=45))

    events = [event for news in found for event in meaning(news)]
    assert [news.name for news in found] == [f"{refund}:succeeded", f"{dispute}:lost"]
    assert [getattr(event, "state", None) for event in events] == [
        RefundStage.SUCCEEDED,
        DisputeStage.LOST,
    ]
    assert isinstance(events[0], PaymentRefunded)
    assert (events[0].refund, events[0].at) == (refund, NOW - timedelta(days=40))
    assert store.kept_since(NOW) > NOW - timedelta(days=30)


def test_within_the_days_of_events_no_other_list_is_asked(
    fake: FakeStripe, store: StripeStore
) -> None:
    all_news(store, NOW - timedelta(days=2))

    assert {path.partition("?")[0] for _, path, _, _ in fake.calls} == {"/v1/events"}


def test_a_key_that_may_not_read_events_is_told_which_right_it_lacks(
    fake: FakeStripe, store: StripeStore
) -> None:
    fake.denied = ["GET /v1/events"]

    with pytest.raises(Refused, match="right_missing: Events: read"):
        all_news(store, NOW - timedelta(minutes=5))


def test_a_page_that_does_not_come_is_asked_for_later(fake: FakeStripe, store: StripeStore) -> None:
    fake.fail("unavailable", on="GET /v1/events")
    with pytest.raises(RetryLater):
        all_news(store, NOW - timedelta(minutes=5))

    fake.fail("empty", on="GET /v1/events")
    with pytest.raises(RetryLater, match="answer_malformed"):
        all_news(store, NOW - timedelta(minutes=5))


def test_all_times_are_utc(fake: FakeStripe, store: StripeStore) -> None:
    fake.books.refund({"charge": fake.books.sell(4900)["id"]})

    assert {n.at.tzinfo for n in all_news(store, NOW - timedelta(minutes=5))} == {UTC}
