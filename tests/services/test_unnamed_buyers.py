"""Orders without address and name: no two are one person's, and all is told all the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from plugin.domain.effects import AddTicketNote, RevokeAccess, TellCustomer
from plugin.domain.events import SaleMade
from plugin.domain.ids import CustomerKey, InstallationId, TicketId, address_of
from plugin.domain.orders import Order, Resource, buyer_key
from plugin.domain.plan import Plan
from plugin.ports.records import StoredEffect
from plugin.services.announce import order_words
from plugin.services.applying import Applied
from plugin.services.find_orders import Evidence, FoundOrder
from plugin.services.ledger_of import ledger_of
from plugin.services.plan_refund import PlanRefund
from tests.factories import (
    BANK,
    EMAIL,
    STORE,
    a_choice,
    a_course,
    a_line,
    a_request,
    an_order_ref,
)
from tests.fakes.platforms import one_after_the_other
from tests.services.event_cases import refunded
from tests.services.scene import Scene, sale


def unnamed(*gives: Resource, ref: str, contact: str | None = None) -> Order:
    key = buyer_key("", an_order_ref(ref), contact)
    return sale(*gives, ref=ref, customer=key, email="", name="", contact=contact)


def owed(scene: Scene, customer: CustomerKey) -> set[str]:
    with scene.storage.read(scene.tenant.id) as uow:
        return {resource.ref for resource in ledger_of(uow, customer, scene.clock.now()).owed()}


def open_effects(scene: Scene) -> Sequence[StoredEffect]:
    with scene.storage.read(scene.tenant.id) as uow:
        return uow.effects.open(10)


def test_an_order_is_its_addresss_else_its_accounts_else_its_own() -> None:
    one, two = an_order_ref("1"), an_order_ref("2")
    assert buyer_key(f" {EMAIL.upper()} ", one, "7") == EMAIL
    assert buyer_key("", one, "7") == buyer_key("  ", two, "7")
    assert buyer_key("", one, None) != buyer_key("", two, None)
    assert buyer_key("", one, "7") != buyer_key("", one, "8")
    assert buyer_key("", one, two.ref) != buyer_key("", two, None)
    elsewhere = an_order_ref("1", InstallationId("elsewhere"))
    assert buyer_key("", one, "7") != buyer_key("", elsewhere, "7")
    assert address_of(buyer_key("", one, "7")) == ""
    assert address_of(buyer_key(EMAIL, one, None)) == EMAIL


def test_what_one_holds_stands_for_no_other(scene: Scene) -> None:
    course = a_course("c1")
    hers, his = unnamed(course, ref="a"), unnamed(course, ref="b")
    for order in (hers, his):
        scene.apply(SaleMade(order))
    scene.apply(refunded(order=hers), at=BANK)
    assert (owed(scene, hers.customer), owed(scene, his.customer)) == (set(), {"c1"})


def test_a_refund_elsewhere_is_told_and_nobody_is_asked_for(scene: Scene) -> None:
    order = unnamed(a_course("c1"), ref="a")
    scene.desk.open_tickets[""] = scene.desk.open_tickets[order.customer] = [TicketId("5")]
    assert scene.apply(refunded(order=order), at=BANK) == Applied()
    scene.work()
    assert [mail.subject for mail in scene.mailer.sent] == [
        "49.00\u00a0EUR refunded in Test shop: Watercolour Year, order a"
    ]
    assert "Unnamed customer got" in scene.mailer.sent[0].body
    assert scene.desk.notes == []
    assert scene.shop.calls == []
    waiting = open_effects(scene)
    assert RevokeAccess(a_course("c1")) in [stored.planned.effect for stored in waiting]
    assert {stored.outcome for stored in waiting} == {"no_address"}


def test_who_has_an_account_there_is_found_by_it(scene: Scene) -> None:
    order = unnamed(a_course("c1"), ref="a", contact="7")
    scene.shop.held[""] = {a_course("c1")}
    scene.apply(refunded(order=order), at=BANK)
    scene.work()
    assert scene.shop.held[""] == set()
    assert open_effects(scene) == []


def test_what_nobody_can_be_asked_about_is_unknown(scene: Scene) -> None:
    order = unnamed(a_course("c1"), ref="a")
    planner = PlanRefund(scene.storage, scene.platforms, one_after_the_other)
    assert planner.read_holdings(scene.tenant.id, order) == {STORE: None, BANK: None}
    assert scene.shop.calls == []


@pytest.mark.parametrize("email", [EMAIL, ""])
def test_nothing_is_mailed_to_nobody(scene: Scene, email: str) -> None:
    order = sale(email=email)
    found = FoundOrder(order, frozenset({Evidence.REQUESTER_EMAIL}), "Test shop")
    choice, reader = a_choice(order), replace(scene.reader, can_reply=False)
    planner = PlanRefund(scene.storage, scene.platforms, one_after_the_other)
    asked = a_request(order=order.ref), choice, reader, scene.fresh_id(), scene.clock.now()
    plan = planner(scene.tenant.id, found, *asked).outcome
    assert isinstance(plan, Plan)
    told = {type(planned.effect) for planned in plan.effects}
    assert (TellCustomer in told, AddTicketNote in told) == (bool(email), True)


def test_no_fact_of_an_order_is_blank() -> None:
    line = a_line(title="\u2028", order=an_order_ref("a"))
    order = replace(sale(ref="a", email="", name="\t"), number="\n", lines=(line,))
    assert order_words(order, "en") == {
        "order": "a",
        "product": "an item without a name",
        "customer": "Unnamed customer",
    }
    assert order_words(replace(order, name="Ana"), "en")["customer"] == "Ana"
    assert order_words(replace(order, email=EMAIL), "en")["customer"] == EMAIL
