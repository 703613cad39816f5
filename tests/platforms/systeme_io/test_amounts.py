"""From a sale's bytes to a plan: all that was paid goes back, and of each line what it cost.

Only a sale without extras was seen on a real account. The units of VAT and discounts are unknown,
so each reading stands here; orders of several items are made as we assume them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from plugin.domain.events import SaleMade
from plugin.domain.ids import InstallationId
from plugin.domain.money import total
from plugin.domain.orders import Order
from plugin.domain.plan import Blocked, BlockedBy, Plan
from plugin.domain.verdict import VerdictKind
from plugin.ports import FindsOrders
from plugin.ports.records import Tenant
from plugin.storage.unit_of_work import SqlStorage
from tests.emptied_postgres import emptied_postgres, engine
from tests.factories import BANK, EMAIL, STORE, a_choice, a_line, a_payment, an_order, an_order_ref
from tests.platforms.systeme_io.recorded import euros, recording
from tests.services.scene import Scene, paid_through
from tests.storage_fixtures import FakeClock
from webhooks.stores.systeme_io import parse

__all__ = ["emptied_postgres", "engine"]

Told = Mapping[str, Any]


@pytest.fixture
def scene(storage: SqlStorage, tenant: Tenant) -> Scene:
    """The store tells by events only; the bank's platform takes its payments."""
    made = Scene(storage, tenant, FakeClock()).open()
    made.platforms.lack(STORE, FindsOrders)
    return made


def told(price: int, item: int = 517, **order: Any) -> SaleMade:  # noqa: ANN401 - as in JSON
    """One item of an order; `order` are fields of its order section, and `coupon`."""
    delivery = recording("sale_new_first_of_two_items")
    body = json.loads(delivery.body)
    body["customer"].update(email=EMAIL, paymentProcessor="practice")
    body["coupon"] = order.pop("coupon", None)
    body["pricePlan"].update(id=item + 1000, name=f"Item {item}", amount=price)
    body["orderItem"]["id"] = item
    body["orderItem"]["resources"][0]["course"]["id"] = item
    body["order"].update(order)
    (event,) = parse(delivery.delivery(), STORE, body)
    assert isinstance(event, SaleMade)
    return event


def charge(scene: Scene, order: Order) -> None:
    """The gateway took the same total for the same buyer at the same time."""
    ref = an_order_ref("ch-1", BANK)
    payments = (a_payment("ch-1", captured=order.captured),)
    line = a_line("ch-1", paid=order.captured, gives=None, order=ref)
    made = an_order(line, payments=payments, ref=ref, bought_at=order.bought_at)
    scene.bank.orders["ch-1"] = made


def kept(scene: Scene) -> Order:
    (found,) = scene.find()
    return found.order


def planned(scene: Scene, order: Order, *lines: str) -> Plan:
    """The plan of the policy's amounts, which never gives back more than was paid."""
    preview = scene.preview(order, a_choice(order, *lines))
    assert preview.verdict.kind is VerdictKind.ELIGIBLE
    plan = preview.outcome
    assert isinstance(plan, Plan), plan
    assert plan.fact.amount <= order.captured
    for line, amount in plan.fact.amounts:
        assert amount <= order.line(line).paid
    return plan


def parts(plan: Plan) -> list[tuple[InstallationId, int]]:
    return [(part.payment.installation, part.amount.minor) for part in plan.parts]


# --- one item -------------------------------------------------------------------------------------

ONE_ITEM: Mapping[str, Told] = {
    "plain": {"totalPrice": 4700, "vat": 0.0},
    "VAT on top, in per cent": {"totalPrice": 5875, "vat": 25.0},
    "VAT on top, in cents": {"totalPrice": 5875, "vat": 1175},
    "VAT on top, in euros": {"totalPrice": 5875, "vat": 11.75},
    "VAT on top, as a part": {"totalPrice": 5875, "vat": 0.25},
    "VAT on top, rounded": {"totalPrice": 5053, "vat": 7.5},
    "VAT included": {"totalPrice": 4700, "vat": 25.0},
    "shipping": {"totalPrice": 5200, "shippingFee": 500},
    "shipping in euros": {"totalPrice": 5200, "shippingFee": 5.0},
    "shipping, VAT included": {"totalPrice": 5200, "shippingFee": 500, "vat": 25.0},
    "shipping, VAT on both": {"totalPrice": 6500, "shippingFee": 500, "vat": 25.0},
    "shipping, VAT on the goods": {"totalPrice": 6375, "shippingFee": 500, "vat": 25.0},
    "discount": {"totalPrice": 3700, "discountAmount": 1000, "discountType": "fixed"},
    "discount with VAT, in per cent": {
        "totalPrice": 5288,
        "discountAmount": 10,
        "discountType": "percent",
        "vat": 25.0,
    },
    "discount with VAT, in cents": {"totalPrice": 4875, "discountAmount": 800, "vat": 25.0},
    "discount in the price, VAT on top": {"totalPrice": 5875, "discountAmount": 300, "vat": 25.0},
    "coupon": {"totalPrice": 3700, "coupon": {"id": 1}},
    "VAT in a form that cannot be read": {"totalPrice": 4700, "vat": {"rate": 25}},
}


@pytest.mark.parametrize("order", ONE_ITEM.values(), ids=ONE_ITEM.keys())
def test_all_that_one_item_cost_goes_back_by_hand(scene: Scene, order: Told) -> None:
    scene.apply(told(4700, **order))
    plan = planned(scene, kept(scene))
    assert parts(plan) == [(STORE, order["totalPrice"])]
    assert plan.fact.whole
    assert plan.fact.captured == plan.fact.amount


@pytest.mark.parametrize("order", ONE_ITEM.values(), ids=ONE_ITEM.keys())
def test_all_that_one_item_cost_goes_back_through_the_charge(scene: Scene, order: Told) -> None:
    event = told(4700, **order)
    scene.apply(event)
    charge(scene, event.order)
    plan = scene.decided(kept(scene))
    scene.wait(seconds=10)
    assert parts(plan) == [(BANK, order["totalPrice"])]
    assert [paid.amount.minor for paid in scene.bank.paid] == [order["totalPrice"]]


# --- two items ------------------------------------------------------------------------------------

TWO_ITEMS: Mapping[str, tuple[Told, tuple[int, int]]] = {
    "plain": ({"totalPrice": 2800}, (1900, 900)),
    "VAT on top": ({"totalPrice": 3500, "vat": 25.0}, (2375, 1125)),
    "VAT included": ({"totalPrice": 2800, "vat": 25.0}, (1900, 900)),
    "VAT that looks like the second item": ({"totalPrice": 2800, "vat": 900}, (1900, 900)),
    "shipping": ({"totalPrice": 3300, "shippingFee": 500}, (2239, 1061)),
    "discount": ({"totalPrice": 1400, "discountAmount": 50}, (950, 450)),
    "discount, not told": ({"totalPrice": 1400}, (950, 450)),
    "coupon": ({"totalPrice": 2500, "coupon": {"id": 1}}, (1696, 804)),
}
WAYS = [*permutations((0, 1)), (0, 1, 0), (0, 1, 1, 0)]


def sell_two(scene: Scene, order: Told, way: Sequence[int] = (0, 1)) -> Order:
    items = (told(1900, 517, **order), told(900, 520, **order))
    for which in way:
        scene.apply(items[which])
    return items[0].order


@pytest.mark.parametrize(("order", "shares"), TWO_ITEMS.values(), ids=TWO_ITEMS.keys())
def test_two_items_share_the_total_once_whichever_is_told_first(
    scene: Scene, order: Told, shares: tuple[int, int]
) -> None:
    for place, way in enumerate(WAYS):
        sell_two(scene, {**order, "id": 900 + place}, way)
    orders = [found.order for found in scene.find()]
    assert len(orders) == len(WAYS)
    for found in orders:
        paid = {line.ref.ref: line.paid.minor for line in found.lines}
        assert (paid["517"], paid["520"]) == shares
        assert found.paid == found.captured == euros(order["totalPrice"])


@pytest.mark.parametrize("order", [one for one, _ in TWO_ITEMS.values()], ids=TWO_ITEMS.keys())
def test_all_that_two_items_cost_goes_back_by_hand(scene: Scene, order: Told) -> None:
    sell_two(scene, order)
    plan = planned(scene, kept(scene))
    assert parts(plan) == [(STORE, order["totalPrice"])]
    assert plan.fact.whole


@pytest.mark.parametrize(("order", "shares"), TWO_ITEMS.values(), ids=TWO_ITEMS.keys())
def test_two_items_go_back_one_by_one_through_the_charge(
    scene: Scene, order: Told, shares: tuple[int, int]
) -> None:
    charge(scene, sell_two(scene, order))
    for item in ("517", "520"):
        sold = kept(scene)
        scene.decided(sold, a_choice(sold, item))
        scene.wait(seconds=10)
    assert [paid.amount.minor for paid in scene.bank.paid] == list(shares)
    assert total((paid.amount for paid in scene.bank.paid), "EUR") == euros(order["totalPrice"])
    left = kept(scene)
    assert isinstance(scene.preview(left, a_choice(left)).outcome, Blocked)


# --- until the other item is told -----------------------------------------------------------------


@pytest.mark.parametrize(
    "order",
    [{"totalPrice": 2800}, {"totalPrice": 3500, "vat": 25.0}, {"totalPrice": 2800, "vat": [25]}],
    ids=["plain", "VAT on top", "VAT in a form that cannot be read"],
)
def test_an_item_alone_is_paid_with_its_price_while_the_total_holds_another(
    scene: Scene, order: Told
) -> None:
    event = told(1900, **order)
    scene.apply(event)
    assert kept(scene).paid == euros(1900)
    outcome = scene.preview(kept(scene)).outcome
    assert isinstance(outcome, Blocked)
    assert outcome.by is BlockedBy.WHOLE_ONLY
    charge(scene, event.order)
    assert parts(planned(scene, kept(scene))) == [(BANK, 1900)]


def test_an_item_told_after_the_refund_of_the_other_keeps_its_access(scene: Scene) -> None:
    first, second = told(1900, 517, totalPrice=2800), told(900, 520, totalPrice=2800)
    scene.apply(first)
    charge(scene, first.order)
    assert not scene.decided(kept(scene)).fact.whole
    scene.wait(seconds=10)
    scene.apply(second)
    assert scene.owed() == {"520"}
    plan = planned(scene, kept(scene), "520")
    assert parts(plan) == [(BANK, 900)]


# --- who took the payment -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("taker", "processor", "account"),
    [("Practice", "practice", BANK), ("PayPal", "practice", STORE), ("Practice", "paypal", STORE)],
)
def test_only_a_sale_that_the_gateway_took_goes_back_through_it(
    scene: Scene, taker: str, processor: str, account: InstallationId
) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        store = uow.installations.get(STORE)
        assert store is not None
        uow.installations.save(paid_through(store, taker))
        uow.commit()
    event = told(4700, totalPrice=4700)
    (payment,) = event.order.payments
    payment = replace(payment, processor=processor)
    scene.apply(replace(event, order=replace(event.order, payments=(payment,))))
    charge(scene, event.order)
    (found,) = [one.order for one in scene.find() if one.order.ref.installation == STORE]
    assert parts(planned(scene, found)) == [(account, 4700)]
