"""A sale as facts: one per line, and what else of this customer is still paid."""

from __future__ import annotations

from plugin.services.record_sale import known_sales, sale_facts
from tests.factories import a_course, a_line, an_order, eur
from tests.services.scene import Scene, sale


def test_every_line_is_a_fact_that_says_what_the_store_told() -> None:
    order = an_order(a_line("1", gives=(a_course("c1"),)), a_line("2", gives=None, paid=eur(100)))
    first, second = sale_facts(order)
    assert (first.line, first.gives, first.at) == (
        order.lines[0].ref,
        (a_course("c1"),),
        order.bought_at,
    )
    assert (second.gives, second.paid, second.customer) == (None, eur(100), order.customer)


def test_the_same_order_is_the_same_facts() -> None:
    assert [f.id for f in sale_facts(sale())] == [f.id for f in sale_facts(sale())]


def test_other_orders_count_while_they_are_paid(scene: Scene) -> None:
    order, other = sale(a_course("c1")), sale(a_course("c2"), ref="other")
    free = sale(a_course("c3"), ref="free", lines=(a_line(paid=eur(0)),), payments=())
    with scene.storage.begin(scene.tenant.id) as uow:
        for one in (order, other, free):
            uow.orders.save(one)
        known = known_sales(uow, order)
    assert [bought.line.order.ref for bought in known] == ["10412", "other"]
