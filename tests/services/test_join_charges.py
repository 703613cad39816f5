"""A sale and its charge: joined where everything fits and nothing speaks against it, else never."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from plugin.domain.facts import Refunded
from plugin.domain.ids import InstallationId
from plugin.domain.orders import Order, RefundRoute
from plugin.ports.records import Installation
from plugin.services.join_charges import CHARGE_WINDOW, join_charges
from tests.factories import (
    BANK,
    CUSTOMER,
    STORE,
    a_line,
    a_payment,
    an_installation,
    an_order,
    an_order_ref,
    eur,
)
from tests.services.event_cases import refunded
from tests.services.scene import BY_MAIL, Scene, paid_through


def hand_sale(ref: str = "sale-1", minutes: float = 0, processor: str | None = None) -> Order:
    payment = a_payment(f"pay-{ref}", route=RefundRoute.BY_HAND, account=STORE)
    order = an_order(payments=(replace(payment, processor=processor),), ref=an_order_ref(ref))
    return replace(order, bought_at=order.bought_at + timedelta(minutes=minutes))


def charge(ref: str = "ch-1", minutes: float = 2, **more: object) -> Order:
    line = a_line(ref, gives=None, order=an_order_ref(ref, BANK))
    order = an_order(line, payments=(a_payment(ref),), ref=an_order_ref(ref, BANK))
    made = order.bought_at + timedelta(minutes=minutes)
    return replace(order, bought_at=made, **more)  # type: ignore[arg-type]  # keywords of Order


def connected(taker: str = "Good Pay", gateway: str = "good_pay") -> Sequence[Installation]:
    """A store whose admin names `taker`, and an account at `gateway`."""
    bank = an_installation(BANK)
    bank = replace(bank, connection=replace(bank.connection, platform=gateway))
    return paid_through(an_installation(STORE), taker), bank


def joined(*orders: Order, among: Sequence[Installation] | None = None) -> list[tuple[str, str]]:
    known = {one.connection.installation: one for one in among or connected()}
    found = join_charges(orders, {BANK}, known.get)
    return [(o.ref.ref, o.payments[0].ref.ref) for o in found]


JOINED = [("sale-1", "ch-1")]
APART = [("sale-1", "pay-sale-1"), ("ch-1", "ch-1")]


def test_a_sale_is_joined_with_the_one_charge_that_fits() -> None:
    assert joined(hand_sale(), charge()) == JOINED


@pytest.mark.parametrize(
    "other",
    [
        charge(minutes=CHARGE_WINDOW.total_seconds() / 60 + 1),
        charge(customer="other@mail.example"),
        charge(currency="USD"),
        charge(payments=(a_payment("ch-1", captured=eur(4800)),)),
        charge(payments=(a_payment("ch-1", route=RefundRoute.NOT),)),
        replace(charge(), ref=an_order_ref("ch-1")),
    ],
    ids=["late", "somebody else's", "currency", "amount", "cannot go back", "the same store"],
)
def test_what_does_not_fit_is_not_joined(other: Order) -> None:
    assert joined(hand_sale(), other) == APART


def test_a_charge_of_a_gateway_that_did_not_answer_is_not_joined() -> None:
    orders = (hand_sale(), charge())
    known = {one.connection.installation: one for one in connected()}
    assert join_charges(orders, set(), known.get) == orders


def test_two_charges_that_fit_one_sale_are_left_to_a_person() -> None:
    assert len(joined(hand_sale(), charge(), charge("ch-2"))) == 3


def test_two_sales_that_fit_one_charge_are_left_to_a_person() -> None:
    orders = joined(hand_sale(), hand_sale("sale-2", 3), charge())
    assert orders == [("sale-1", "pay-sale-1"), ("sale-2", "pay-sale-2"), ("ch-1", "ch-1")]


def test_of_two_sales_only_the_one_that_the_gateway_took_is_joined() -> None:
    orders = joined(hand_sale(), hand_sale("sale-2", 3, processor="other pay"), charge())
    assert orders == [("sale-1", "ch-1"), ("sale-2", "pay-sale-2")]


# --- who takes the payments -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("taker", "found"),
    [
        ("Good Pay", JOINED),
        ("goodpay", JOINED),
        ("good_pay", JOINED),
        ("Other Pay", APART),
        ("Something else", APART),
        ("Good", APART),
        ("", APART),
    ],
)
def test_only_charges_of_the_platform_that_the_admin_named_are_joined(
    taker: str, found: list[tuple[str, str]]
) -> None:
    assert joined(hand_sale(), charge(), among=connected(taker)) == found


def test_a_store_whose_admin_named_nobody_is_not_joined() -> None:
    _, bank = connected()
    assert joined(hand_sale(), charge(), among=(an_installation(STORE), bank)) == APART


@pytest.mark.parametrize("place", [0, 1])
def test_of_an_account_that_is_not_known_nothing_is_joined(place: int) -> None:
    assert joined(hand_sale(), charge(), among=(connected()[place],)) == APART


@pytest.mark.parametrize(
    ("processor", "found"),
    [
        (None, JOINED),
        ("goodpay", JOINED),
        ("Good Pay", JOINED),
        ("good_pay_checkout", JOINED),
        ("other pay", APART),
        ("cash on delivery", APART),
    ],
)
def test_a_sale_that_names_another_processor_is_never_joined(
    processor: str | None, found: list[tuple[str, str]]
) -> None:
    assert joined(hand_sale(processor=processor), charge()) == found


# --- in the use cases -----------------------------------------------------------------------------


def name_taker(scene: Scene, taker: str) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.installations.save(paid_through(an_installation(STORE), taker))
        uow.commit()


def paid_by(scene: Scene) -> list[tuple[str, InstallationId]]:
    found = scene.find(BY_MAIL)
    return [(one.order.ref.ref, one.order.payments[0].ref.installation) for one in found]


@pytest.mark.parametrize(
    ("taker", "found"),
    [
        ("Practice", [("sale-1", BANK)]),
        ("Another", [("ch-1", BANK), ("sale-1", STORE)]),
    ],
)
def test_a_sale_is_refunded_through_its_charge_where_the_admin_said_so(
    scene: Scene, taker: str, found: list[tuple[str, InstallationId]]
) -> None:
    name_taker(scene, taker)
    scene.shop.orders["sale-1"] = hand_sale()
    scene.bank.orders["ch-1"] = charge()
    assert paid_by(scene) == found


@pytest.mark.parametrize(("taker", "order"), [("Practice", "sale-1"), ("Another", "ch-1")])
def test_a_refund_at_the_gateway_is_of_the_sale_where_the_admin_said_so(
    scene: Scene, taker: str, order: str
) -> None:
    name_taker(scene, taker)
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.orders.save(hand_sale())
        uow.commit()
    scene.apply(refunded(payment="ch-1", order=charge()), at=BANK)
    with scene.storage.read(scene.tenant.id) as uow:
        told = [f for f in uow.facts.of_customer(CUSTOMER) if isinstance(f, Refunded)]
    assert [fact.order.ref for fact in told] == [order]
