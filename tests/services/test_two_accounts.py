"""Two accounts at one store under one address, and one account under two addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from plugin.domain.effects import EffectState
from plugin.domain.errors import Refused
from plugin.domain.events import SaleMade, TagNews
from plugin.domain.ids import customer_key
from plugin.domain.orders import Order, Resource
from plugin.ports import Changed, Contact
from tests.factories import (
    BANK,
    STORE,
    TENANT,
    a_course,
    a_line,
    a_subscription,
    a_tag,
    an_order_ref,
)
from tests.fakes.platforms import FakeStore
from tests.services.event_cases import refunded
from tests.services.scene import Scene, sale


class ByAccount(FakeStore):
    """Holds by its own id of a customer; a subscription of another customer it refuses."""

    is_slow = False

    def read_access(self, contact: Contact) -> Sequence[Resource]:
        return super().read_access(_named(contact))

    def _take(self, contact: Contact, resource: Resource) -> Changed:
        return Changed.DONE if self.is_slow else super()._take(_named(contact), resource)

    def _give(self, contact: Contact, resource: Resource) -> Changed:
        return super()._give(_named(contact), resource)

    def cancel_subscription(self, contact: Contact, ref: str, *, at_once: bool) -> Changed:
        if contact.ref != "12":
            raise Refused("subscription_of_another_customer", ref)
        return super().cancel_subscription(contact, ref, at_once=at_once)


def _named(contact: Contact) -> Contact:
    return Contact(contact.ref or contact.email, contact.ref)


@pytest.fixture
def shop(scene: Scene) -> ByAccount:
    shop = ByAccount()
    shop.clock, shop.paid = scene.clock, scene.bank.paid
    scene.shop = scene.platforms.adapters[STORE] = shop
    return shop


def bought(scene: Scene, shop: ByAccount, order: Order) -> Order:
    assert order.contact is not None
    shop.orders[order.ref.ref] = order
    shop.held[order.contact] |= {thing for line in order.lines for thing in line.gives or ()}
    scene.apply(SaleMade(order))
    return order


def test_access_goes_from_the_account_that_bought_it(scene: Scene, shop: ByAccount) -> None:
    one = bought(scene, shop, sale(a_course("c1"), ref="100", days=9, contact="12"))
    bought(scene, shop, sale(a_course("d"), ref="200", days=2, contact="15"))
    plan = scene.plan(one)
    assert [(item.resource.ref, item.already) for item in plan.goes] == [("c1", False)]
    scene.decide(plan)
    scene.wait(seconds=11)
    assert shop.held == {"12": set(), "15": {a_course("d")}}
    assert {state for _, state in scene.effect_states(plan.id)} == {EffectState.DONE}


def test_what_both_bought_goes_from_both_once_nothing_pays_for_it(
    scene: Scene, shop: ByAccount
) -> None:
    orders = [
        bought(scene, shop, sale(a_course("c1"), ref=ref, days=days, contact=contact))
        for ref, days, contact in (("100", 9, "12"), ("200", 2, "15"))
    ]
    for order in reversed(orders):
        payment = order.payments[0].ref.ref
        told = refunded(refund=f"re-{payment}", payment=payment, order=order)
        scene.apply(told, at=BANK)
        scene.work()
    assert shop.held == {"12": set(), "15": set()}


def test_what_is_still_held_at_one_account_is_not_gone(scene: Scene, shop: ByAccount) -> None:
    one = bought(scene, shop, sale(a_course("c1"), ref="100", days=9, contact="12"))
    bought(scene, shop, sale(a_course("d"), ref="200", days=2, contact="15"))
    plan = scene.decided(one)
    shop.is_slow = True
    scene.wait(seconds=11)
    states = dict(scene.effect_states(plan.id))
    assert (states["RevokeAccess"], states["VerifyAccess"]) == (
        EffectState.DONE,
        EffectState.WAITING,
    )


@pytest.mark.parametrize("told_by", ["order", "line"])
def test_a_subscription_is_cancelled_for_the_account_that_bought_it(
    scene: Scene, shop: ByAccount, told_by: str
) -> None:
    line = a_line(order=an_order_ref("100"), subscription="sub-1" if told_by == "line" else None)
    renewal = a_subscription("sub-1", account=STORE)
    one = sale(ref="100", days=9, lines=(line,), contact="12", subscription=renewal)
    bought(scene, shop, one)
    bought(scene, shop, sale(ref="200", days=2, contact="15"))
    plan = scene.decided(one)
    scene.wait(seconds=11)
    assert len(shop.called("cancel_subscription")) == 1
    assert dict(scene.effect_states(plan.id))["CancelSubscription"] is EffectState.DONE


def by(order: Order, email: str) -> Order:
    return replace(order, email=email, customer=customer_key(email))


def news_of_refund(scene: Scene, order: Order) -> None:
    payment = order.payments[0].ref.ref
    scene.apply(refunded(refund=f"re-{payment}", payment=payment, order=order), at=BANK)
    scene.work()


def test_what_the_account_bought_by_another_address_stays_until_that_goes_too(
    scene: Scene, shop: ByAccount
) -> None:
    one = bought(scene, shop, sale(a_course("c1"), ref="100", days=9, contact="12"))
    two = by(sale(a_course("c1"), ref="200", days=2, contact="12"), "new@mail.example")
    bought(scene, shop, two)
    plan = scene.plan(one)
    assert plan.goes == ()
    assert [item.resource.ref for item in plan.stays] == ["c1"]
    scene.decide(plan)
    scene.wait(seconds=11)
    assert shop.held == {"12": {a_course("c1")}}
    news_of_refund(scene, two)
    assert shop.held == {"12": set()}


def test_an_order_of_the_account_that_no_event_told_of_keeps_it_too(
    scene: Scene, shop: ByAccount
) -> None:
    one = bought(scene, shop, sale(a_course("c1"), ref="100", days=9, contact="12"))
    two = by(sale(a_course("c1"), ref="200", days=2, contact="12"), "new@mail.example")
    with scene.storage.begin(TENANT) as uow:
        uow.orders.save(two)
        uow.commit()
    news_of_refund(scene, one)
    assert shop.held == {"12": {a_course("c1")}}


def test_a_tag_that_the_store_tells_with_the_new_address_goes_with_what_gave_it(
    scene: Scene, shop: ByAccount
) -> None:
    tag = a_tag("t1")
    one = bought(scene, shop, sale(tag, ref="100", days=9, contact="12"))
    two = by(sale(a_course("d"), ref="200", days=2, contact="12"), "new@mail.example")
    bought(scene, shop, two)
    scene.apply(TagNews(two.email, tag, added=True, at=scene.clock.now()))
    news_of_refund(scene, one)
    assert shop.held == {"12": {a_course("d")}}


def test_what_is_held_at_another_store_is_not_of_this_account(
    scene: Scene, shop: ByAccount
) -> None:
    one = bought(scene, shop, sale(a_course("c1"), ref="100", days=9, contact="12"))
    elsewhere = a_course("c1", store=BANK)
    scene.apply(SaleMade(by(sale(elsewhere, ref="200", days=2, contact="12"), "new@mail.example")))
    news_of_refund(scene, one)
    assert shop.held == {"12": set()}


def test_another_account_with_the_same_course_keeps_nothing(scene: Scene, shop: ByAccount) -> None:
    one = bought(scene, shop, sale(a_course("c1"), ref="100", days=9, contact="12"))
    two = by(sale(a_course("c1"), ref="200", days=2, contact="15"), "new@mail.example")
    bought(scene, shop, two)
    news_of_refund(scene, one)
    assert shop.held == {"12": set(), "15": {a_course("c1")}}
