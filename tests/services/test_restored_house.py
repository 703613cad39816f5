"""A restored copy: nothing leaves before what happened since is known; nothing is paid twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from plugin.domain.effects import EffectState
from plugin.domain.events import PaymentRefunded
from plugin.domain.facts import Refunded
from plugin.domain.ids import DeliveryId, InstallationId, RefundId, RunId, TenantId
from plugin.domain.orders import Order
from plugin.domain.plan import Blocked, Plan
from plugin.domain.refunds import RESTORED_NOT_FOUND, RefundState
from plugin.ports.news import News
from plugin.ports.records import (
    RESTORED,
    DeliveryState,
    Hold,
    InstallationStatus,
    StoredEffect,
    Sweep,
)
from plugin.services.decide_refund import Decided, Held
from plugin.services.restored_house import (
    EndHold,
    StillUnread,
    hold_of,
    hold_restored,
    release,
    still_unread,
)
from tests.factories import (
    BANK,
    STORE,
    a_course,
    a_delivery,
    an_installation,
)
from tests.fakes.platforms import FakeStore, Mood, Paid
from tests.services.event_cases import facts, refunded
from tests.services.scene import Scene

S = RefundState
WORKS = ("refund", "run")


@dataclass
class Telling(FakeStore):
    """A store whose news can be read."""

    def kept_since(self, now: datetime) -> datetime:
        return now - timedelta(days=30)

    def read_news(self, since: datetime, until: datetime) -> Iterator[Sequence[News]]:
        yield ()


@pytest.fixture
def scene(scene: Scene) -> Scene:
    """Shop and bank tell news, the clock of the copy is a minute ago."""
    shop, bank = Telling(), Telling()
    shop.clock = bank.clock = scene.clock
    shop.paid = bank.paid
    scene.shop, scene.bank = shop, bank
    scene.platforms.adapters |= {STORE: shop, BANK: bank}
    return scene


def restored(scene: Scene) -> int:
    """As if all that is stored had just come from a copy that was made a minute ago."""
    now = scene.clock.now()
    with scene.storage.begin(scene.tenant.id) as uow:
        doubted = hold_restored(uow, now - timedelta(minutes=1), scene.platforms, now)
        uow.commit()
    return doubted


def held(scene: Scene) -> Hold | None:
    with scene.storage.read(scene.tenant.id) as uow:
        return hold_of(uow)


def unread(scene: Scene) -> StillUnread:
    with scene.storage.read(scene.tenant.id) as uow:
        hold = hold_of(uow)
        assert hold is not None
        return still_unread(uow, hold, scene.platforms)


def work(scene: Scene) -> None:
    """All that is due, again and again until only rows stay that nobody may move."""
    for _ in range(20):
        due = [one for one in scene.storage.due(scene.clock.now(), 100) if one.kind in WORKS]
        if not due:
            return
        for one in due:
            if one.kind == "refund":
                scene.send(RefundId(one.ref))
            else:
                scene.carry_out(RunId(one.ref))
    raise AssertionError("work does not end")


def swept(scene: Scene) -> None:
    """Both accounts were read up to now."""
    with scene.storage.begin(scene.tenant.id) as uow:
        for sweep in uow.sweeps.all():
            now = scene.clock.now()
            uow.sweeps.save(sweep, replace(sweep, read_until=now, swept_at=now))
        uow.commit()


def end_hold(scene: Scene) -> None:
    EndHold(scene.storage, scene.platforms, scene.clock)(scene.tenant.id)


def said(scene: Scene, word: str) -> int:
    return len(scene.bank.called(word))


# --- refunds that were under way ------------------------------------------------------------------


def test_a_refund_that_was_sent_after_the_copy_is_found_and_not_sent_again(scene: Scene) -> None:
    plan = scene.decided(scene.sell(a_course()))
    [refund] = scene.refunds(plan)
    scene.clock.advance(seconds=20)
    scene.bank.refund(refund)  # by the house that was lost

    assert restored(scene) == 1
    work(scene)

    assert scene.states(plan) == [S.SUCCEEDED]
    assert len(scene.bank.paid) == 1
    assert said(scene, "refund") == 1


def test_a_refund_that_was_never_sent_waits_for_a_person(scene: Scene) -> None:
    """It may have been undone since the copy: an agent's undo is forgotten with all the rest."""
    plan = scene.decided(scene.sell(a_course()))
    scene.clock.advance(seconds=20)
    restored(scene)
    for _ in range(5):
        work(scene)
        scene.clock.advance(minutes=10)

    [refund] = scene.refunds(plan)
    assert (refund.state, refund.reason) == (S.NEEDS_PERSON, RESTORED_NOT_FOUND)
    assert scene.bank.paid == []
    assert said(scene, "refund") == 0


def test_a_refund_whose_call_was_under_way_is_looked_up(scene: Scene) -> None:
    plan = scene.decided(scene.sell(a_course()))
    scene.bank.moods = [Mood.SILENT_AFTER]
    scene.wait(seconds=10)
    assert scene.states(plan) == [S.UNKNOWN]
    restored(scene)
    work(scene)
    assert scene.states(plan) == [S.SUCCEEDED]
    assert said(scene, "refund") == 1


def test_a_refund_that_is_over_stays_as_it_is(scene: Scene) -> None:
    plan = scene.decided(scene.sell(a_course()))
    scene.wait(seconds=10)
    looked = said(scene, "look_up")
    assert restored(scene) == 0
    work(scene)
    assert scene.states(plan) == [S.SUCCEEDED]
    assert said(scene, "look_up") == looked


# --- nothing leaves -------------------------------------------------------------------------------


def waiting(scene: Scene, plan: Plan) -> Sequence[StoredEffect]:
    return [one for one in scene.effects(plan.id) if not one.state.over]


def test_what_follows_a_found_refund_waits_until_the_hold_ends(scene: Scene) -> None:
    plan = scene.decided(scene.sell(a_course()))
    [refund] = scene.refunds(plan)
    scene.clock.advance(seconds=20)
    scene.bank.refund(refund)
    restored(scene)
    work(scene)
    for one in scene.effects(plan.id):
        scene.carry_out(one.run)  # whoever calls it: it does nothing

    assert scene.held() == {"c1"}
    assert scene.desk.notes == scene.desk.replies == []
    assert scene.mailer.sent == []

    swept(scene)
    end_hold(scene)
    scene.clock.advance(minutes=1)
    work(scene)

    assert held(scene) is None
    assert scene.held() == set()
    assert waiting(scene, plan) == []


def test_a_reserved_refund_is_not_sent_while_a_hold_stands(scene: Scene) -> None:
    restored(scene)
    swept(scene)
    end_hold(scene)
    plan = scene.decided(scene.sell(a_course()))
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.holds.put(Hold(RESTORED, scene.clock.now(), scene.clock.now()))
        uow.commit()
    scene.clock.advance(seconds=10)
    [refund] = scene.refunds(plan)
    scene.send(refund.id)
    work(scene)
    assert scene.states(plan) == [S.RESERVED]
    assert scene.bank.paid == []


def test_nobody_decides_while_nothing_is_sent(scene: Scene) -> None:
    plan = scene.plan(scene.sell(a_course()))
    restored(scene)
    decision = scene.decide(plan)
    assert isinstance(decision, Held)
    assert scene.refunds(plan) == []
    swept(scene)
    end_hold(scene)
    assert isinstance(scene.decide(plan), Decided)


# --- what was made after the copy -----------------------------------------------------------------


def forgotten(order: Order, reference: str | None = "mg-abcdef-a1") -> PaymentRefunded:
    """News of a refund that we made after the copy: the gateway has our mark on it."""
    return refunded(refund="re-forgotten", reference=reference, order=order)


def test_a_forgotten_refund_is_booked_and_told_to_nobody(scene: Scene) -> None:
    order = scene.sell(a_course())
    scene.find()
    restored(scene)
    scene.apply(forgotten(order), "d-1", at=BANK)
    assert len(facts(scene, Refunded)) == 1
    told = {"TellOwner", "TellCustomer", "AddTicketNote"}
    assert told.isdisjoint(kind for kind, _ in scene.effect_states("d-1"))


def test_a_forgotten_refund_cannot_be_made_again(scene: Scene) -> None:
    order = scene.sell(a_course())
    plan = scene.plan(order)
    restored(scene)
    paid = order.payments[0]
    scene.bank.paid.append(Paid("re-forgotten", "mg-abcdef-a1", paid.ref.ref, paid.captured))
    scene.apply(forgotten(order), "d-1", at=BANK)
    swept(scene)
    end_hold(scene)
    assert held(scene) is None
    assert not isinstance(scene.decide(plan), Decided)
    assert isinstance(scene.preview(order).outcome, Blocked)


@pytest.mark.parametrize("reference", [None, "order-77", "mg-x"])
def test_a_refund_of_somebody_else_is_told_as_ever(scene: Scene, reference: str | None) -> None:
    order = scene.sell(a_course())
    scene.find()
    restored(scene)
    scene.apply(forgotten(order, reference), "d-1", at=BANK)
    assert "TellOwner" in [kind for kind, _ in scene.effect_states("d-1")]


# --- mails ----------------------------------------------------------------------------------------


def mails(scene: Scene, run: str) -> list[EffectState]:
    return [state for kind, state in scene.effect_states(run) if kind == "TellOwner"]


def test_a_mail_that_waited_in_the_copy_may_have_gone_out_since(scene: Scene) -> None:
    order = scene.sell(a_course())
    scene.find()
    scene.apply(forgotten(order, None), "d-1", at=BANK)
    assert mails(scene, "d-1") == [EffectState.WAITING]
    restored(scene)
    assert mails(scene, "d-1") == [EffectState.UNKNOWN]


@pytest.mark.parametrize(
    ("headers", "age", "state"),
    [
        ({"content-type": "json"}, timedelta(), EffectState.WAITING),
        ({"content-type": "json"}, timedelta(hours=1), EffectState.UNKNOWN),
        ({}, timedelta(), EffectState.UNKNOWN),
    ],
    ids=["delivered since", "delivered before", "read by us"],
)
def test_of_the_mails_that_came_up_meanwhile_only_news_is_sent(
    scene: Scene, headers: dict[str, str], age: timedelta, state: EffectState
) -> None:
    order = scene.sell(a_course())
    scene.find()
    restored(scene)
    now = scene.clock.now()
    delivery = replace(
        a_delivery(state=DeliveryState.APPLIED, wake_at=None),
        id=DeliveryId("d-1"),
        name="d-1",
        installation=BANK,
        received_at=now - age,
        headers=headers,
    )
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.deliveries.add(delivery)
        uow.commit()
    scene.apply(forgotten(order, None), "d-1", at=BANK)
    swept(scene)
    end_hold(scene)
    assert held(scene) is None
    assert mails(scene, "d-1") == [state]


# --- the end of the hold --------------------------------------------------------------------------


def test_the_hold_says_from_when_on_nothing_is_known(scene: Scene) -> None:
    restored(scene)
    now = scene.clock.now()
    assert held(scene) == Hold(RESTORED, now, now - timedelta(minutes=1), now)
    with scene.storage.read(scene.tenant.id) as uow:
        assert {sweep.read_until for sweep in uow.sweeps.all()} == {now - timedelta(minutes=1)}
    assert "house.restored" in scene.audited()


def test_an_account_that_was_swept_before_is_read_on_from_there(scene: Scene) -> None:
    early = scene.clock.now() - timedelta(hours=2)
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.sweeps.begin(Sweep(BANK, early, None, None))
        uow.commit()
    restored(scene)
    with scene.storage.read(scene.tenant.id) as uow:
        sweep = uow.sweeps.get(BANK)
    assert sweep is not None
    assert sweep.read_until == early


def test_it_stands_until_every_account_was_read_up_to_the_restoring(scene: Scene) -> None:
    restored(scene)
    assert [one.connection.installation for one in unread(scene).behind] == [BANK, STORE]
    end_hold(scene)
    assert held(scene) is not None
    end_hold(scene)  # not due yet
    swept(scene)
    assert unread(scene).is_nothing
    scene.clock.advance(seconds=5)
    end_hold(scene)
    assert held(scene) is None
    assert "hold.released" in scene.audited()
    end_hold(scene)  # and once more


def test_it_stands_until_every_refund_was_looked_up(scene: Scene) -> None:
    scene.decided(scene.sell(a_course()))
    restored(scene)
    swept(scene)
    assert unread(scene).refunds == 1
    end_hold(scene)
    assert held(scene) is not None
    work(scene)
    assert unread(scene).is_nothing


def test_it_stands_until_what_was_read_is_applied(scene: Scene) -> None:
    restored(scene)
    now = scene.clock.now()
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.deliveries.add(replace(a_delivery(), received_at=now, wake_at=now))
        uow.commit()
    swept(scene)
    assert unread(scene).deliveries


@pytest.mark.parametrize("what", ["news", "manifest"])
def test_a_store_that_tells_no_news_takes_a_person(scene: Scene, what: str) -> None:
    scene.platforms.lack(STORE, what)
    restored(scene)
    swept(scene)
    left = unread(scene)
    assert [one.connection.installation for one in left.silent] == [STORE]
    end_hold(scene)
    assert held(scene) is not None

    with scene.storage.begin(scene.tenant.id) as uow:
        assert release(uow, "ana", left, scene.clock.now())
        assert not release(uow, "ana", left, scene.clock.now())
        uow.commit()
    assert held(scene) is None


def test_an_account_that_was_never_connected_keeps_nothing(scene: Scene) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        other = an_installation(InstallationId("9" * 32))
        uow.installations.add(replace(other, status=InstallationStatus.CONNECTING))
        uow.commit()
    restored(scene)
    swept(scene)
    assert unread(scene).is_nothing


def test_practice_is_not_held(scene: Scene) -> None:
    tenant = replace(scene.tenant, id=TenantId("practice-tenant"), simulated=True)
    scene.storage.add_tenant(tenant, scene.clock.now())
    with scene.storage.begin(tenant.id) as uow:
        hold_restored(uow, scene.clock.now(), scene.platforms, scene.clock.now())
        assert uow.holds.all() == []
