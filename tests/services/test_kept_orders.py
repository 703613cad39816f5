"""What an order that we keep pays for stays, whoever tells that another one is refunded."""

from __future__ import annotations

import pytest

from plugin.domain.access_map import AccessMap
from plugin.domain.events import DisputeNews, SaleMade, StoreEvent, SubscriptionNews
from plugin.domain.orders import DisputeStage, Order
from tests.factories import (
    BANK,
    EMAIL,
    STORE,
    a_course,
    a_line,
    a_payment_ref,
    a_tag,
    an_order_ref,
    eur,
    soon,
)
from tests.services.event_cases import refunded
from tests.services.scene import Scene, sale


def told_and_found(scene: Scene, told: Order, older: Order) -> None:
    """`told` by an event; `older` is from before that, and was found when an agent looked."""
    scene.sell(order=told)
    scene.sell(order=older)
    scene.apply(SaleMade(told))
    scene.find()


def admin_refund(order: Order, scene: Scene) -> StoreEvent:
    return refunded(refund="re-admin", order=order)


def lost_dispute(order: Order, scene: Scene) -> StoreEvent:
    now = scene.clock.now()
    return DisputeNews(a_payment_ref("pay-10412"), "dp", eur(4900), DisputeStage.LOST, now, order)


@pytest.mark.parametrize("news", [admin_refund, lost_dispute])
def test_a_course_that_an_older_order_still_pays_is_not_taken(scene: Scene, news: object) -> None:
    course = a_course("c1")
    new, old = sale(course), sale(course, ref="200", days=400)
    told_and_found(scene, new, old)
    assert [item.resource for item in scene.plan(new).stays] == [course]
    scene.apply(news(new, scene), at=BANK)  # type: ignore[operator]
    scene.work()
    assert (scene.shop.called("revoke"), scene.owed(), scene.held()) == ([], {"c1"}, {"c1"})


def test_so_it_is_where_the_access_map_tells_what_lines_give(scene: Scene) -> None:
    tag = a_tag("vip")

    def of_a_plan(ref: str, days: float) -> Order:
        line = a_line(order=an_order_ref(ref), gives=None, product="p-1")
        return sale(ref=ref, days=days, lines=(line,))

    with scene.storage.begin(scene.tenant.id) as uow:
        access = AccessMap({(STORE, "p-1"): (tag,)}, {}, {})
        uow.settings.save_access_map(STORE, access, scene.clock.now())
        uow.commit()
    new = of_a_plan("10412", 9)
    told_and_found(scene, new, of_a_plan("200", 90))
    scene.shop.held[EMAIL] |= {tag}
    scene.apply(refunded(refund="re-admin", order=new), at=BANK)
    scene.work()
    assert (scene.shop.called("remove_tag"), scene.held()) == ([], {"vip"})


def test_an_end_that_comes_with_time_asks_what_else_pays_too(scene: Scene) -> None:
    course = a_course("c1")
    line = a_line(gives=(course,), subscription="sub-1")
    renewed = sale(lines=(line,))
    told_and_found(scene, renewed, sale(course, ref="200", days=400))
    now = scene.clock.now()
    scene.apply(SubscriptionNews(STORE, "sub-1", EMAIL, False, soon(days=3), now))
    scene.wait(days=4)
    assert (scene.shop.called("revoke"), scene.owed(), scene.held()) == ([], {"c1"}, {"c1"})


def test_a_kept_order_that_is_refunded_pays_for_nothing(scene: Scene) -> None:
    course = a_course("c1")
    new, old = sale(course), sale(course, ref="200", days=400)
    told_and_found(scene, new, old)
    for order in (old, new):
        payment = order.payments[0].ref.ref
        told = refunded(refund=f"re-{order.ref.ref}", payment=payment, order=order)
        scene.apply(told, at=BANK)
        scene.work()
    assert (scene.shop.called("revoke"), scene.held()) == (["c1"], set())


def test_a_kept_order_that_cost_nothing_pays_for_what_it_gave(scene: Scene) -> None:
    course = a_course("c1")
    line = a_line(gives=(course,), order=an_order_ref("200"), paid=eur(0))
    new = sale(course)
    told_and_found(scene, new, sale(ref="200", days=400, lines=(line,), payments=()))
    scene.apply(admin_refund(new, scene), at=BANK)
    scene.work()
    assert (scene.shop.called("revoke"), scene.held()) == ([], {"c1"})
