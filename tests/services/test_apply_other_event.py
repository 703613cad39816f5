"""Applying events of disputes, tags, subscriptions and the rest."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest

from plugin.domain.access_map import AccessMap
from plugin.domain.effects import EffectState
from plugin.domain.events import (
    AccountClosed,
    DisputeNews,
    Irrelevant,
    RightsChanged,
    SaleMade,
    SubscriptionCancelled,
    SubscriptionNews,
    TagNews,
    TestDelivery,
    Unrecognised,
)
from plugin.domain.facts import PaidUntil, Refunded
from plugin.domain.ids import InstallationId
from plugin.domain.orders import DisputeStage, Order
from plugin.ports.records import InstallationStatus, SelfTestLine
from plugin.services.applying import (
    Applied,
    Ignored,
    NotRecognised,
)
from tests.factories import (
    BANK,
    EMAIL,
    NOW,
    ORDER,
    STORE,
    a_course,
    a_line,
    a_payment_ref,
    a_tag,
    ago,
    an_installation,
    an_order,
    an_order_ref,
    eur,
    soon,
)
from tests.services.event_cases import (
    cancelled,
    facts,
    hand_sale,
    hold,
    told,
)
from tests.services.scene import Scene, sale

# --- disputes -------------------------------------------------------------------------------------


def disputed(state: DisputeStage, dispute: str = "dp-1") -> DisputeNews:
    order = sale(a_course("c1"))
    return DisputeNews(a_payment_ref("pay-10412"), dispute, eur(4900), state, ago(days=1), order)


def test_an_open_dispute_changes_no_access_and_a_lost_one_ends_it(scene: Scene) -> None:
    scene.sell(a_course("c1"))
    scene.apply(disputed(DisputeStage.OPEN), at=BANK)
    scene.work()
    assert scene.held() == {"c1"}
    scene.apply(disputed(DisputeStage.LOST), at=BANK)
    scene.work()
    assert scene.held() == set()
    scene.apply(disputed(DisputeStage.WON), at=BANK)
    scene.work()
    assert scene.held() == {"c1"}


# --- tags -----------------------------------------------------------------------------------------


def tag_news(*, added: bool, minutes: float = 0) -> TagNews:
    return TagNews(EMAIL, a_tag("t1"), added=added, at=NOW + timedelta(minutes=minutes))


def opens_course(scene: Scene) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        access = AccessMap(tags={a_tag("t1"): (a_course("c1"),)})
        uow.settings.save_access_map(STORE, access, NOW)
        uow.commit()


def test_a_tag_that_goes_takes_what_only_it_opened(scene: Scene) -> None:
    opens_course(scene)
    hold(scene, a_course("c1"))
    scene.apply(tag_news(added=True))
    assert scene.owed() == {"t1", "c1"}
    scene.apply(tag_news(added=False, minutes=5))
    scene.work()
    assert scene.held() == set()
    assert scene.shop.called("remove_tag") == []


def test_our_own_tag_change_is_not_news(scene: Scene) -> None:
    scene.decided(scene.sell(a_course("c1"), a_tag("t1")))
    scene.wait(seconds=10)
    assert scene.shop.called("remove_tag") == ["t1"]
    assert isinstance(scene.apply(tag_news(added=False, minutes=1)), Ignored)
    assert scene.apply(tag_news(added=True, minutes=30)) == Applied()  # somebody gave it again
    scene.work()
    assert "t1" in scene.owed()
    assert scene.apply(tag_news(added=False, minutes=40)) == Applied()  # and took it again
    assert "t1" not in scene.owed()


def test_a_removal_before_ours_is_somebody_elses(scene: Scene) -> None:
    scene.decided(scene.sell(a_course("c1"), a_tag("t1")))
    scene.wait(seconds=10)
    assert scene.apply(tag_news(added=False, minutes=-20)) == Applied()


def test_our_own_removal_is_not_news_although_we_gave_the_tag_back_since(scene: Scene) -> None:
    scene.decided(scene.sell(a_course("c1"), a_tag("t1")))
    scene.wait(seconds=10)
    scene.wait(minutes=30)
    assert scene.apply(tag_news(added=True, minutes=20)) == Applied()  # somebody gave it again
    scene.apply(tag_news(added=False, minutes=25))  # and took it
    scene.apply(tag_news(added=True, minutes=28))  # and gave it
    scene.work()
    assert isinstance(scene.apply(tag_news(added=False, minutes=1)), Ignored)
    assert "t1" in scene.owed()


def test_a_removal_long_after_ours_is_somebody_elses(scene: Scene) -> None:
    scene.decided(scene.sell(a_course("c1"), a_tag("t1")))
    scene.wait(seconds=10)
    assert scene.apply(tag_news(added=False, minutes=90)) == Applied()


# --- subscriptions --------------------------------------------------------------------------------


def subscribed() -> Order:
    line = a_line(gives=(a_course("c1"),), subscription="sub-1")
    return an_order(line, payments=())


def ends(
    *, until: float | None = None, ended: bool = False, at: datetime = NOW
) -> SubscriptionCancelled:
    paid_until = None if until is None else soon(days=until)
    return SubscriptionCancelled(subscribed(), "sub-1", at, paid_until, ended)


def test_a_cancelled_subscription_ends_with_its_paid_period(scene: Scene) -> None:
    hold(scene, a_course("c1"))
    scene.apply(SaleMade(subscribed()))
    for _ in range(2):
        scene.apply(ends(until=20))
        scene.work()
    assert scene.held() == {"c1"}
    (mail,) = scene.mailer.sent
    assert "Access ends with the paid period, on 13 Dec 2026" in mail.body
    scene.wait(days=19)
    assert scene.held() == {"c1"}
    scene.wait(days=1)
    assert scene.held() == set()
    assert facts(scene, Refunded) == []


def test_two_paid_periods_end_one_after_the_other(scene: Scene) -> None:
    hold(scene, a_course("c1"), a_course("c2"))
    other = an_order_ref("other")
    line = a_line(gives=(a_course("c2"),), order=other, product="p-2")
    second = an_order(line, payments=(), ref=other)
    scene.apply(ends(until=20))
    scene.apply(SubscriptionCancelled(second, "sub-2", NOW, soon(days=30)))
    scene.wait(days=20)
    assert scene.held() == {"c2"}
    scene.wait(days=10)
    assert scene.held() == set()


def test_a_subscription_that_ended_ends_access_at_once(scene: Scene) -> None:
    hold(scene, a_course("c1"))
    scene.apply(ends(ended=True))
    scene.work()
    assert scene.held() == set()


def test_a_paid_period_that_nobody_tells_is_for_the_owner_and_told_once(scene: Scene) -> None:
    hold(scene, a_course("c1"))
    scene.apply(SaleMade(subscribed()))
    for name in ("a", "b", "a"):
        scene.apply(ends(), name)
        scene.work()
    assert scene.held() == {"c1"}
    (mail,) = scene.mailer.sent
    assert "Decide what ends, and when" in mail.body
    assert facts(scene, PaidUntil) == []


def subscription_news(
    *,
    ended: bool = False,
    until: float | None = None,
    at: datetime = NOW,
    email: str = EMAIL,
    begun_by: str | None = None,
) -> SubscriptionNews:
    ends_at = None if until is None else soon(days=until)
    return SubscriptionNews(STORE, "sub-1", email, ended, ends_at, at, begun_by)


def test_news_of_a_subscription_end_what_its_lines_gave(scene: Scene) -> None:
    hold(scene, a_course("c1"))
    scene.apply(SaleMade(subscribed()))
    assert scene.apply(subscription_news(until=3)) == Applied()
    scene.wait(days=3)
    assert scene.held() == set()


def test_news_of_a_subscription_that_ended_or_goes_on(scene: Scene) -> None:
    scene.apply(SaleMade(subscribed()))
    assert scene.apply(subscription_news()) == Applied()
    assert scene.owed() == {"c1"}
    assert scene.apply(subscription_news(ended=True, at=soon(days=1))) == Applied()
    scene.wait(days=1)
    assert scene.owed() == set()


def test_a_subscription_that_was_cancelled_and_resumed_keeps_its_access(scene: Scene) -> None:
    hold(scene, a_course("c1"))
    news = (
        SaleMade(subscribed()),
        subscription_news(until=3),
        subscription_news(at=soon(days=1)),
    )
    for event in (news[0], news[2], news[1]):  # the older news comes last
        scene.apply(event)
    scene.wait(days=4)
    assert scene.held() == {"c1"}
    scene.apply(subscription_news(until=6, at=soon(days=4)))
    scene.wait(days=2)
    assert scene.held() == set()
    scene.apply(subscription_news(at=soon(days=6)))
    scene.work()
    assert scene.held() == {"c1"}


def test_what_was_bought_under_an_address_before_ends_with_its_subscription(scene: Scene) -> None:
    """Its customer has another address at the store now, and the subscription tells that one."""
    hold(scene, a_course("c1"))
    first = subscribed()
    scene.apply(SaleMade(first))
    new = partial(subscription_news, email="new@mail.example", begun_by=first.ref.ref)
    scene.apply(new(until=3))
    scene.apply(new(at=soon(days=1)))
    scene.wait(days=4)
    assert scene.held() == {"c1"}
    scene.apply(new(ended=True, at=soon(days=4)), "the end")
    scene.work()
    assert scene.owed() == scene.held() == set()


def test_what_was_paid_after_the_end_or_is_of_no_subscription_goes_on(scene: Scene) -> None:
    """Also where it stands under the address before."""
    first, later = subscribed(), an_order_ref("2")
    line = a_line(gives=(a_course("c2"),), order=later, subscription="sub-1")
    paid_later = an_order(line, payments=(), ref=later, bought_at=ago(days=1))
    for order in (first, paid_later, sale(a_course("c3"), ref="3")):
        scene.apply(SaleMade(order))
    news = subscription_news(until=-2, email="new@mail.example", begun_by=first.ref.ref)
    scene.apply(news)
    scene.work()
    assert scene.owed() == {"c2", "c3"}


@pytest.mark.parametrize("begun_by", ["unheard of", ORDER.ref])
def test_an_order_that_tells_of_nobody_else_ends_nothing_more(scene: Scene, begun_by: str) -> None:
    scene.apply(SaleMade(subscribed()))
    scene.apply(subscription_news(ended=True, begun_by=begun_by))
    assert scene.owed() == set()
    assert len(facts(scene, PaidUntil)) == 1


@pytest.mark.parametrize("late", [timedelta(0), timedelta(days=3)])
def test_news_of_a_subscription_may_come_long_before_its_sale(
    scene: Scene, late: timedelta
) -> None:
    hold(scene, a_course("c1"))
    assert scene.apply(subscription_news(ended=True), age=late) == Applied()
    scene.apply(SaleMade(subscribed()))
    scene.work()
    assert scene.owed() == scene.held() == set()


def test_a_cancellation_told_again_with_another_end_is_told_again(scene: Scene) -> None:
    for until, times in ((20, 1), (20, 1), (30, 2)):
        scene.apply(ends(until=until, at=NOW + timedelta(minutes=until)))
        scene.work()
        assert len(scene.mailer.sent) == times


def test_news_of_a_subscription_without_an_address_is_nobodys(scene: Scene) -> None:
    assert isinstance(scene.apply(subscription_news(ended=True, email="")), Ignored)
    assert facts(scene, PaidUntil) == []


# --- the rest -------------------------------------------------------------------------------------


def test_an_uninstalled_platform_is_removed_and_never_asked_again(scene: Scene) -> None:
    assert scene.apply(AccountClosed(NOW)) == Applied()
    found = scene.storage.find_installation(STORE)
    assert found is not None
    assert found.status is InstallationStatus.REMOVED
    assert "installation.removed" in scene.audited()
    nobody = InstallationId("nobody")
    assert scene.apply(AccountClosed(NOW), at=nobody) == Applied()


def with_rights(scene: Scene, state: str | None) -> None:
    lines = [SelfTestLine("key_works", "ok")]
    lines += [] if state is None else [SelfTestLine("rights_are_enough", state, "all of them")]
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.installations.save(replace(an_installation(STORE), self_test=tuple(lines)))
        uow.commit()


def rights_line(scene: Scene) -> tuple[InstallationStatus, str, str]:
    found = scene.storage.find_installation(STORE)
    assert found is not None
    return found.status, found.self_test[-1].state, found.self_test[-1].details


def test_rights_that_were_taken_away_fail_the_line_that_tells_of_them(scene: Scene) -> None:
    with_rights(scene, "ok")
    for _ in range(2):
        assert scene.apply(RightsChanged("orders: write")) == Applied()
        status, state, details = rights_line(scene)
        assert (status, state) == (InstallationStatus.NEEDS_ATTENTION, "failed")
        assert "refused: orders: write. Mend it there, then test again" in details
    assert scene.apply(RightsChanged("")) == Applied()
    assert rights_line(scene) == (InstallationStatus.CONNECTED, "ok", "")
    changes = [one for one in scene.audited() if one.startswith("installation.")]
    assert changes == ["installation.needs_attention", "installation.connected"]


@pytest.mark.parametrize("state", ["ok", "waiting", None])
def test_rights_that_are_not_needed_may_come_and_go(scene: Scene, state: str | None) -> None:
    with_rights(scene, state)
    before = rights_line(scene)
    assert scene.apply(RightsChanged("")) == Ignored("no right that is needed is missing")
    assert rights_line(scene) == before


def test_rights_that_no_line_tells_of_are_shown_as_what_they_are(scene: Scene) -> None:
    with_rights(scene, None)
    missing = NotRecognised("rights are missing: orders: write")
    assert scene.apply(RightsChanged("orders: write")) == missing
    nobody = InstallationId("nobody")
    assert scene.apply(RightsChanged("orders: write"), at=nobody) == missing


def test_what_is_nothing_to_us_is_ignored_by_its_name(scene: Scene) -> None:
    said = scene.apply(Irrelevant("contact.sang", "nobody asked"))
    assert said == Ignored("contact.sang: nobody asked")


def test_the_first_delivery_ends_the_self_tests_waiting(scene: Scene) -> None:
    waiting = SelfTestLine("delivery_received", "waiting")
    other = SelfTestLine("key_works", "ok")
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.installations.save(replace(an_installation(STORE), self_test=(other, waiting)))
        uow.commit()
    for _ in range(2):
        assert scene.apply(TestDelivery()) == Applied()
    found = scene.storage.find_installation(STORE)
    assert found is not None
    assert [(line.name, line.state, line.at) for line in found.self_test] == [
        ("key_works", "ok", None),
        ("delivery_received", "ok", NOW),
    ]
    assert scene.apply(TestDelivery(), at=InstallationId("nobody")) == Applied()


def test_what_we_have_no_words_for_is_named(scene: Scene) -> None:
    assert scene.apply(Unrecognised("sale.paused")) == NotRecognised("sale.paused")


def test_two_events_of_one_delivery_both_have_their_effects(scene: Scene) -> None:
    hold(scene, a_course("c1"), a_course("c2"))
    first, second = hand_sale(a_course("c1")), hand_sale(a_course("c2"), ref="second")
    scene.apply(cancelled(first), "one")
    scene.work()
    scene.apply(cancelled(second, "cancel-2"), "one")
    scene.work()
    assert scene.held() == set()
    assert len(told(scene)) == 1
    states = {state for _, state in scene.effect_states("one")}
    assert states <= {EffectState.DONE, EffectState.ALREADY}
