"""What the practice bank did can be read, and means what a webhook of it would mean."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from plugin.domain.errors import OutcomeUnknown
from plugin.domain.events import DisputeNews, PaymentRefunded, StoreEvent
from plugin.domain.orders import DisputeStage, RefundStage
from plugin.platforms.practice_cases import FIRST_TICKET
from plugin.platforms.practice_shop import Mood
from plugin.platforms.strict_json import read_json
from plugin.ports.news import News, TellsNews
from tests.factories import eur
from tests.platforms.practice.fixtures import NOW, SHOP, Practice
from tests.platforms.practice.test_practice_store import order_of, refund_of
from webhooks.delivery import Delivery
from webhooks.stores.practice import parse

PAYMENT = "pay-20418-1"


def all_news(practice: Practice, since: datetime = NOW - timedelta(hours=1)) -> list[News]:
    assert isinstance(practice.store, TellsNews)
    until = practice.clock.now()
    return [news for page in practice.store.read_news(since, until) for news in page]


def meaning(news: News) -> StoreEvent:
    [event] = parse(Delivery(news.body, {}, NOW), SHOP, read_json(news.body))
    return event


def test_a_refund_is_told_with_its_order_and_our_reference(seeded: Practice) -> None:
    refund = refund_of(order_of(seeded, "20418"), eur(1500))
    seeded.store.refund(refund)
    seeded.store.refund(refund)  # the same one

    [news] = all_news(seeded)

    event = meaning(news)
    assert isinstance(event, PaymentRefunded)
    assert (event.amount, event.state, event.reference) == (
        eur(1500),
        RefundStage.SUCCEEDED,
        refund.key,
    )
    assert event.order is not None
    assert event.order.number == "20418"
    assert (news.topic, news.at) == ("payment.refunded", NOW)


def test_what_the_bank_does_later_is_told_too(seeded: Practice) -> None:
    seeded.store.refund(refund_of(order_of(seeded, "20418"), eur(1500)))
    [refund] = seeded.world.refunds(SHOP)
    seeded.clock.turn(timedelta(minutes=1))
    seeded.world.finish_refund(refund.ref, seeded.clock.now(), failed=True)
    seeded.world.open_dispute(PAYMENT, seeded.clock.now())

    first, failed, disputed = map(meaning, all_news(seeded))

    assert isinstance(first, PaymentRefunded)
    assert isinstance(failed, PaymentRefunded)
    assert (failed.refund, failed.state) == (refund.ref, RefundStage.FAILED)
    assert isinstance(disputed, DisputeNews)
    assert (disputed.payment.ref, disputed.state) == (PAYMENT, DisputeStage.OPEN)


def test_a_refund_that_the_gateway_kept_silent_about_is_news(practice: Practice) -> None:
    practice.world.seed(NOW)
    with sqlite3.connect(practice.file) as db:
        db.execute("UPDATE payments SET mood = ?", (Mood.SILENT,))
    with pytest.raises(OutcomeUnknown):
        practice.store.refund(refund_of(order_of(practice, "20418"), eur(1500)))

    assert len(all_news(practice)) == 1


def test_only_what_lies_within_is_read_page_by_page_and_each_has_a_name_of_its_own(
    seeded: Practice,
) -> None:
    for number in range(120):
        seeded.clock.turn(timedelta(seconds=1))
        key = f"elsewhere-{number}"
        seeded.world.pay_back(PAYMENT, eur(1), key, seeded.clock.now())

    pages = list(seeded.store.read_news(NOW, seeded.clock.now()))

    assert [len(page) for page in pages] == [100, 20]
    assert len({news.name for page in pages for news in page}) == 120
    late = all_news(seeded, since=seeded.clock.now() - timedelta(seconds=9))
    assert len(late) == 10
    assert all(news.at.tzinfo is UTC for news in late)


def test_practice_forgets_nothing_but_when_it_begins_anew(seeded: Practice) -> None:
    seeded.store.refund(refund_of(order_of(seeded, "20418"), eur(1500)))

    assert seeded.store.kept_since(NOW) < NOW - timedelta(days=36500)
    seeded.world.reset()
    assert all_news(seeded) == []


@pytest.mark.parametrize("lacks", [("news",), ("ticket_fields",), ("news", "ticket_fields")])
def test_a_file_of_an_older_release_gets_what_is_younger_and_keeps_the_rest(
    seeded: Practice, lacks: tuple[str, ...]
) -> None:
    with sqlite3.connect(seeded.file) as db:
        for table in lacks:
            db.execute(f"DROP TABLE {table}")

    assert seeded.tickets.field(FIRST_TICKET) == ""
    assert all_news(seeded) == []
    seeded.store.refund(refund_of(order_of(seeded, "20418"), eur(1500)))
    assert len(all_news(seeded)) == 1
    assert seeded.world.seeded_at() == NOW
