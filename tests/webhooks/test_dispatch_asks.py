"""What an event would take waits until stores told what else its customer bought."""

from __future__ import annotations

import pytest

from plugin.domain.effects import EffectState
from plugin.domain.errors import RetryLater
from plugin.ports.records import DeliveryState, StoredDelivery
from plugin.services.ask_for_others import PATIENCE as PATIENCE_WITH_STORES
from plugin.services.run_rules import takes
from tests.webhooks.dispatching import CANCELLED, SALE, Desk
from tests.webhooks.door import Door, document


@pytest.fixture
def desk(door: Door) -> Desk:
    return Desk(door)


def effects(desk: Desk) -> list[tuple[EffectState, str]]:
    with desk.door.storage.read(desk.door.tenant.id) as uow:
        return [(e.state, e.outcome) for e in uow.effects.newest(99) if takes(e.planned)]


def cancelled_with_a_silent_store(desk: Desk, times: int) -> StoredDelivery:
    desk.run(desk.deliver(document(**SALE)))
    desk.shop.raises["find_orders"] = [RetryLater("no_answer")] * times
    return desk.run(desk.deliver(document(**CANCELLED), name="d-2"))


def test_what_would_take_something_waits_until_stores_told_what_else_is_hers(desk: Desk) -> None:
    stored = cancelled_with_a_silent_store(desk, 1)
    assert (stored.state, stored.reason) == (DeliveryState.WAITING, "orders_unread")
    assert (desk.facts(), effects(desk)) == (1, [])
    desk.door.clock.advance(minutes=1)
    assert desk.run(stored.id).state is DeliveryState.APPLIED
    assert (desk.facts(), effects(desk)) == (2, [(EffectState.WAITING, "")])


def test_a_store_that_stays_silent_holds_up_no_news(desk: Desk) -> None:
    stored = cancelled_with_a_silent_store(desk, 99)
    desk.door.clock.advance(seconds=PATIENCE_WITH_STORES.total_seconds())
    assert desk.run(stored.id).state is DeliveryState.APPLIED
    assert (desk.facts(), effects(desk)) == (2, [(EffectState.NEEDS_PERSON, "orders_unread")])


def test_what_takes_nothing_asks_nobody(desk: Desk) -> None:
    desk.run(desk.deliver(document(**SALE)))
    assert desk.shop.called("find_orders") == []
