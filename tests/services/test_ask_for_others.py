"""Before anything is taken the stores are asked what else she bought, perhaps long ago."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from plugin.domain.effects import EffectState
from plugin.domain.errors import RetryLater
from plugin.domain.events import SaleMade, StoreEvent, SubscriptionNews
from plugin.domain.ids import CustomerKey, RunId, unnamed_key
from plugin.domain.orders import Order
from plugin.ports.records import InstallationStatus
from plugin.services.ask_for_others import AskForOthers
from plugin.services.read_moment import A_MINUTE, ReadMoment
from tests.factories import BANK, CUSTOMER, EMAIL, STORE, a_course, a_line, soon
from tests.fakes.platforms import one_after_the_other
from tests.services.event_cases import cancelled, refunded
from tests.services.scene import Scene, sale

COURSE = a_course("c1")


def sold_twice(scene: Scene, newer: Order | None = None) -> Order:
    """A course sold twice; of the older order nobody ever told us."""
    new = newer or sale(COURSE)
    scene.sell(order=new)
    scene.sell(order=sale(COURSE, ref="200", days=400))
    scene.apply(SaleMade(new))
    return new


def bank_refund(order: Order) -> StoreEvent:
    return refunded(refund="re-admin", order=order)


@pytest.mark.parametrize("news", [bank_refund, cancelled])
def test_what_an_order_from_before_we_were_connected_pays_for_stays(
    scene: Scene, news: Callable[[Order], StoreEvent]
) -> None:
    event = news(sold_twice(scene))
    scene.apply(event, at=BANK if news is bank_refund else STORE)
    scene.work()
    assert (scene.shop.called("revoke"), scene.owed(), scene.held()) == ([], {"c1"}, {"c1"})
    assert scene.mailer.sent
    assert not [mail.body for mail in scene.mailer.sent if "Gone:" in mail.body]


def renewed() -> Order:
    return sale(lines=(a_line(gives=(COURSE,), subscription="sub-1"),))


def ends_soon(scene: Scene) -> None:
    news = SubscriptionNews(STORE, "sub-1", EMAIL, False, soon(days=3), scene.clock.now())
    scene.apply(news)


def test_so_it_is_where_time_ends_what_is_paid(scene: Scene) -> None:
    sold_twice(scene, renewed())
    ends_soon(scene)
    assert scene.shop.called("find_orders") == []
    scene.wait(days=4)
    assert (scene.shop.called("revoke"), scene.owed(), scene.held()) == ([], {"c1"}, {"c1"})


def test_where_nothing_ends_with_time_nobody_is_asked(scene: Scene) -> None:
    scene.sell(order=renewed())
    scene.apply(SaleMade(renewed()))
    scene.apply(SaleMade(sale(COURSE, ref="200", days=400)))
    ends_soon(scene)
    scene.wait(days=4)
    assert (scene.shop.called("find_orders"), scene.held()) == ([], {"c1"})


def test_a_moment_that_is_read_twice_is_written_once(scene: Scene) -> None:
    scene.sell(order=renewed())
    scene.apply(SaleMade(renewed()))
    ends_soon(scene)
    scene.clock.advance(days=4)
    (moment,) = scene.storage.due(scene.clock.now(), 9)
    ask = AskForOthers(scene.storage, scene.platforms, one_after_the_other)
    read = ReadMoment(scene.storage, scene.clock, ask)
    for _ in range(2):  # after the first one the process may die
        with scene.storage.read(scene.tenant.id) as uow:
            run = uow.effects.run(RunId(moment.ref))
        assert run is not None
        assert read(scene.tenant.id, run)
    scene.work()
    assert (scene.shop.called("revoke"), scene.held()) == (["c1"], set())


def test_an_end_waits_for_a_store_that_is_silent(scene: Scene) -> None:
    sold_twice(scene, renewed())
    ends_soon(scene)
    scene.shop.raises["find_orders"] = [RetryLater("no_answer")] * 5
    scene.wait(days=4)
    for _ in range(5):
        assert scene.held() == {"c1"}
        scene.wait(seconds=A_MINUTE.total_seconds())
    assert (len(scene.shop.called("find_orders")), scene.owed(), scene.held()) == (
        6,
        {"c1"},
        {"c1"},
    )


def test_what_a_silent_store_may_know_of_is_taken_by_a_person(scene: Scene) -> None:
    sold_twice(scene, renewed())
    ends_soon(scene)
    scene.shop.raises["find_orders"] = [RetryLater("no_answer")] * 99
    scene.wait(days=4)
    for _ in range(20):
        scene.wait(seconds=A_MINUTE.total_seconds())
    with scene.storage.read(scene.tenant.id) as uow:
        left = [(e.state, e.outcome) for e in uow.effects.open(9)]
        entries = [e for e in uow.audit.entries(0, 99) if e.action == "effect.needs_person"]
    assert (left, scene.held()) == ([(EffectState.NEEDS_PERSON, "orders_unread")], {"c1"})
    assert len(entries) == 1


def asked(scene: Scene, customer: CustomerKey = CUSTOMER) -> tuple[bool, int]:
    """Whether all answered, and how many were asked."""
    ask = AskForOthers(scene.storage, scene.platforms, one_after_the_other)
    has_heard = ask(scene.tenant.id, customer)
    return has_heard, len(scene.shop.called("find_orders") + scene.bank.called("find_orders"))


@pytest.mark.parametrize(("word", "calls"), [(None, 2), (False, 1), (True, 1)])
def test_a_store_that_said_whether_it_showed_all_is_not_asked_again(
    scene: Scene, word: bool | None, calls: int
) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.orders.save(replace(sale(COURSE), others_unseen=word))
        uow.commit()
    assert asked(scene) == (True, calls)


def test_where_every_store_said_so_nothing_is_written(scene: Scene) -> None:
    scene.platforms.adapters = {STORE: scene.shop}
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.orders.save(replace(sale(COURSE), others_unseen=False))
        uow.commit()
    assert asked(scene) == (True, 0)


def test_an_account_that_left_and_a_customer_without_address_are_not_asked(scene: Scene) -> None:
    assert asked(scene, unnamed_key("shop", "7")) == (True, 0)
    with scene.storage.begin(scene.tenant.id) as uow:
        bank = uow.installations.get(BANK)
        assert bank is not None
        uow.installations.save(replace(bank, status=InstallationStatus.REMOVED))
        uow.commit()
    assert asked(scene) == (True, 1)


def test_one_silent_store_keeps_nothing_that_another_showed_from_us(scene: Scene) -> None:
    scene.sell(COURSE)
    scene.bank.raises["find_orders"] = [RetryLater("no_answer")]
    assert asked(scene) == (False, 2)
    with scene.storage.read(scene.tenant.id) as uow:
        assert len(uow.orders.of_customer(CUSTOMER)) == 1


def test_a_fault_of_ours_counts_as_silence_and_hides_nothing_that_was_shown(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.sell(COURSE)
    scene.bank.raises["find_orders"] = [KeyError(EMAIL)]
    assert asked(scene) == (False, 2)
    with scene.storage.read(scene.tenant.id) as uow:
        assert len(uow.orders.of_customer(CUSTOMER)) == 1
    assert "kind=KeyError" in caplog.text
    assert EMAIL not in caplog.text
