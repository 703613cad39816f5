"""Of what may have arrived, nothing is sent again once somebody refunded or disputed in the gap.

The look-ups found nothing of it, so it may have to be sent once more; what was told meanwhile says
that a person must decide. It is looked up to the end, and never withdrawn.
"""

from __future__ import annotations

import pytest

from plugin.domain.errors import RetryLater
from plugin.domain.events import DisputeNews
from plugin.domain.ids import DeliveryId, InstallationId
from plugin.domain.orders import DisputeStage
from plugin.domain.plan import Plan
from plugin.domain.refunds import REFUNDED_SINCE, GatewayRules, RefundState
from plugin.ports.records import DeliveryState, StoredDelivery
from plugin.services.applying import CALL_IN_FLIGHT, PATIENCE, MustWait
from tests.factories import BANK, STORE, a_payment_ref, eur
from tests.fakes.platforms import Mood
from tests.services.scene import Scene
from tests.services.test_refunded_meanwhile import elsewhere, part_decided, read_charge, sold

S = RefundState
KEYED = GatewayRules(honours_key=True, key_lives=82_800, looks=(5, 15, 60, 300, 900))
KEYLESS = GatewayRules(honours_key=False, key_lives=0, looks=(5, 30, 300))
both_kinds = pytest.mark.parametrize("rules", [KEYED, KEYLESS], ids=["keyed", "keyless"])


def timed_out(scene: Scene, rules: GatewayRules) -> Plan:
    """49.00 of 98.00, whose call never arrived; the gateway answers no look-up for a while."""
    scene.platforms.rules = rules
    scene.bank.honours_key = rules.honours_key
    plan = part_decided(scene, sold(scene))
    scene.bank.moods = [Mood.SILENT_BEFORE]
    scene.bank.raises["look_up"] = [RetryLater("down")] * 2
    scene.wait(seconds=10)
    assert scene.states(plan) == [S.UNKNOWN]
    return plan


def goes_by(scene: Scene) -> None:
    for _ in range(10):
        scene.wait(minutes=10)


def dispute(scene: Scene) -> DisputeNews:
    now = scene.clock.now()
    return DisputeNews(a_payment_ref("pay-10412"), "dp-1", eur(9800), DisputeStage.OPEN, now)


def told(scene: Scene) -> str:
    (mail,) = scene.mailer.sent[-1:]
    return mail.body


@both_kinds
def test_what_was_refunded_elsewhere_since_is_for_a_person(
    scene: Scene, rules: GatewayRules
) -> None:
    plan = timed_out(scene, rules)
    scene.apply(elsewhere(scene), age=PATIENCE, at=BANK)
    goes_by(scene)
    assert scene.states(plan) == [S.NEEDS_PERSON]
    assert scene.bank.paid == []
    assert "more of this payment went back since" in told(scene)
    assert "may or may not have moved" in told(scene)


@both_kinds
def test_what_only_the_gateways_own_list_shows_is_for_a_person(
    scene: Scene, rules: GatewayRules
) -> None:
    plan = timed_out(scene, rules)
    read_charge(scene, 4900)
    goes_by(scene)
    assert (scene.states(plan), scene.bank.paid) == ([S.NEEDS_PERSON], [])


@both_kinds
def test_what_is_disputed_since_is_for_a_person(scene: Scene, rules: GatewayRules) -> None:
    plan = timed_out(scene, rules)
    scene.apply(dispute(scene), at=BANK)
    goes_by(scene)
    assert (scene.states(plan), scene.bank.paid) == ([S.NEEDS_PERSON], [])
    assert "the bank opened a dispute" in told(scene)


def test_what_arrived_late_is_found_though_more_went_back(scene: Scene) -> None:
    """The first look finds nothing yet; after that it is only looked for."""
    plan = timed_out(scene, KEYED)
    scene.apply(elsewhere(scene), age=PATIENCE, at=BANK)
    for _ in range(3):
        scene.wait(minutes=1)
    (refund,) = scene.refunds(plan)
    assert (refund.state, refund.reason) == (S.UNKNOWN, REFUNDED_SINCE)
    scene.bank.refund(refund)
    scene.wait(hours=1)
    assert (scene.states(plan), len(scene.bank.paid)) == ([S.SUCCEEDED], 1)


# --- news that still waits, since it may be its own -----------------------------------------------


def waits(
    scene: Scene, at: InstallationId = BANK, reason: str = CALL_IN_FLIGHT, name: str = "told"
) -> None:
    """News of an account came, and waits."""
    now = scene.clock.now()
    stored = StoredDelivery(
        DeliveryId(name), scene.tenant.id, at, name, "", now, {}, b"{}", DeliveryState.RECEIVED
    )
    with scene.storage.begin(scene.tenant.id) as uow:
        assert uow.deliveries.add(stored)
        until = now + PATIENCE
        uow.deliveries.settle(stored.id, DeliveryState.WAITING, reason=reason, wake_at=until)
        uow.commit()


def is_applied(scene: Scene, name: str = "told") -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.deliveries.settle(DeliveryId(name), DeliveryState.APPLIED)
        uow.commit()


def pass_by(scene: Scene, minutes: int) -> None:
    """As the worker lives, but for the delivery, which is the test's."""
    for _ in range(minutes):
        scene.clock.advance(minutes=1)
        for work in scene.storage.due(scene.clock.now(), 100):
            if work.kind == "refund":
                scene.send(work.ref)  # type: ignore[arg-type]  # a refund's id


@both_kinds
def test_while_news_of_that_gateway_waits_for_our_call_it_is_not_sent_again(
    scene: Scene, rules: GatewayRules
) -> None:
    plan = timed_out(scene, rules)
    news = elsewhere(scene)
    assert isinstance(scene.apply(news, at=BANK), MustWait)
    waits(scene)
    pass_by(scene, 15)
    assert scene.bank.called("refund") == [scene.refunds(plan)[0].key]
    scene.apply(news, age=PATIENCE, at=BANK)
    is_applied(scene)
    goes_by(scene)
    assert (scene.states(plan), scene.bank.paid) == ([S.NEEDS_PERSON], [])


@both_kinds
def test_once_the_news_were_of_something_else_it_is_sent_again(
    scene: Scene, rules: GatewayRules
) -> None:
    plan = timed_out(scene, rules)
    waits(scene)
    pass_by(scene, 15)
    assert len(scene.bank.called("refund")) == 1
    is_applied(scene)
    pass_by(scene, 15)
    assert (scene.states(plan), len(scene.bank.paid)) == ([S.SUCCEEDED], 1)


@pytest.mark.parametrize(("at", "reason"), [(STORE, CALL_IN_FLIGHT), (BANK, "rate_limited")])
def test_news_that_wait_elsewhere_or_for_something_else_hinder_nothing(
    scene: Scene, at: InstallationId, reason: str
) -> None:
    plan = timed_out(scene, KEYLESS)
    waits(scene, at, reason)
    pass_by(scene, 15)
    assert (scene.states(plan), len(scene.bank.paid)) == ([S.SUCCEEDED], 1)
