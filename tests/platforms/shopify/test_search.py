"""A search of Shopify's orders misses nothing in silence: not in orders, not in their lines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from plugin.domain.access_map import AccessMap
from plugin.domain.effects import EffectState
from plugin.domain.errors import RetryLater
from plugin.domain.ids import RunId
from plugin.domain.money import Money
from plugin.domain.orders import Order, Resource, ResourceKind
from plugin.domain.plan import Plan, UnknownItem, Untold
from plugin.domain.policy import Clause, PolicyVersion, Selector
from plugin.domain.refunds import Declined, Succeeded
from plugin.domain.verdict import Because, VerdictKind
from plugin.ports import Connection, Kind, OrderQuery
from plugin.ports.records import Tenant
from plugin.services.find_orders import Evidence, Search, evidence_for
from plugin.storage.unit_of_work import SqlStorage
from plugin.stores.shopify import ShopifyStore
from plugin.stores.shopify.documents import MOST_POINTS, lines_of_each
from tests.contracts.money import a_refund
from tests.emptied_postgres import emptied_postgres, engine
from tests.factories import EMAIL, NOW, STORE, a_choice
from tests.platforms.shopify.books import Thing
from tests.platforms.shopify.conftest import client_to, store_at
from tests.platforms.shopify.fake import FakeShopify, ref_of
from tests.platforms.shopify.test_money import first_payment
from tests.services.scene import Scene
from tests.storage_fixtures import FakeClock

__all__ = ["emptied_postgres", "engine"]

EUR = "EUR"
COURSE = "gid://shopify/Product/500"
VIP = Resource(STORE, ResourceKind.TAG, "vip", "vip")
HERS = OrderQuery((EMAIL,))


@pytest.fixture
def scene(storage: SqlStorage, tenant: Tenant, clock: FakeClock, fake: FakeShopify) -> Scene:
    """A tenant whose store is our fake Shopify, where product 500 opens the tag `vip`."""
    made = Scene(storage, tenant, clock).open()
    connection = Connection(
        tenant=tenant.id,
        installation=STORE,
        kind=Kind.STORE,
        platform="shopify",
        label="Ada's Courses",
        settings={"base_url": fake.url, "shop": "acme", "client_id": "client-1"},
        secrets={"client_secret": "shpss_made_up"},
    )
    made.platforms.adapters[STORE] = ShopifyStore(connection, client_to(fake.place), clock)
    with made.storage.begin(tenant.id) as uow:
        uow.settings.save_access_map(STORE, AccessMap({(STORE, "500"): (VIP,)}), NOW)
        uow.commit()
    return made


@pytest.fixture
def store(fake: FakeShopify) -> ShopifyStore:
    """An adapter as each search makes one, on a day that has its token already."""
    store_at(fake.url).read_catalog()
    fake.calls.clear()
    return store_at(fake.url)


@pytest.fixture
def mirela(fake: FakeShopify) -> Thing:
    return fake.books.add_customer(EMAIL, tags=["vip"])


def sell(fake: FakeShopify, *products: str, **more: object) -> Thing:
    """An order of one line of 10.00 for each product."""
    lines = []
    for product in products:
        lines.append(fake.books.line("Course", Money(1000, EUR)))
        lines[-1]["product"] = {"id": product}
    paid = Money(1000 * len(lines), EUR)
    at = "2026-11-20T10:00:00Z"
    return fake.books.sell(paid, email=EMAIL, lineItems=lines, processedAt=at, **more)


def products(number: int) -> Sequence[str]:
    return [f"gid://shopify/Product/{500 + place}" for place in range(number)]


def searched(fake: FakeShopify) -> Sequence[str]:
    """The calls since the last time it was asked, every one."""
    names = [name for name, _, _ in fake.calls]
    fake.calls.clear()
    return names


def of(orders: Sequence[Order], sold: Thing) -> Order:
    return next(order for order in orders if order.ref.ref == ref_of(sold))


# --- all orders of a customer ---------------------------------------------------------------------


@pytest.mark.usefixtures("mirela")
@pytest.mark.parametrize(("others", "calls"), [(0, 1), (7, 1), (8, 2), (15, 2)])
def test_up_to_sixteen_orders_are_all_seen_in_two_calls(
    fake: FakeShopify, store: ShopifyStore, others: int, calls: int
) -> None:
    for _ in range(others + 1):
        sell(fake, COURSE)
    found = store.find_orders(HERS)
    assert searched(fake) == ["FindOrders"] * calls
    assert [order.ref.ref for order in found] == [
        ref_of(order) for order in reversed(fake.books.orders.values())
    ]
    assert {order.others_unseen for order in found} == {False}


def test_the_first_search_of_a_day_asks_for_its_token(fake: FakeShopify) -> None:
    for others in (["token"], []):
        store_at(fake.url).find_orders(HERS)
        assert searched(fake) == [*others, "FindOrders"]


@pytest.mark.usefixtures("mirela")
def test_beyond_two_pages_her_orders_say_that_there_are_others(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    for _ in range(17):
        sell(fake, COURSE)
    found = store.find_orders(HERS)
    assert searched(fake) == ["FindOrders"] * 2
    assert len(found) == 16
    assert {order.others_unseen for order in found} == {True}


def test_orders_that_are_counted_and_not_listed_are_unseen(
    fake: FakeShopify, store: ShopifyStore, mirela: Thing
) -> None:
    """Older than sixty days, without the right to read all orders."""
    sell(fake, COURSE)
    mirela["numberOfOrders"] = "2"
    [order] = store.find_orders(HERS)
    assert order.others_unseen is True


def test_an_order_that_cost_nothing_is_seen_too(fake: FakeShopify, store: ShopifyStore) -> None:
    fake.books.add_customer(EMAIL)
    sell(fake, COURSE)
    sell(fake, COURSE, transactions=[])
    [order] = store.find_orders(HERS)
    assert order.others_unseen is False


def test_of_a_guest_nobody_counts(fake: FakeShopify, store: ShopifyStore) -> None:
    sell(fake, COURSE)
    [order] = store.find_orders(HERS)
    assert order.others_unseen is None


@pytest.mark.parametrize("counted", ["many", "-1", "²"])
def test_a_count_that_is_no_number_is_asked_for_again(
    fake: FakeShopify, store: ShopifyStore, mirela: Thing, counted: str
) -> None:
    sell(fake, COURSE)
    mirela["numberOfOrders"] = counted
    with pytest.raises(RetryLater):
        store.find_orders(HERS)


@pytest.mark.usefixtures("mirela")
def test_a_next_page_without_its_beginning_is_asked_for_again(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    sell(fake, COURSE)
    find = fake._find_orders

    def cursorless(variables: Thing) -> Thing:
        answer = find(variables)
        answer["orders"]["pageInfo"] = {"hasNextPage": True, "endCursor": None}
        return answer

    fake.__dict__["_find_orders"] = cursorless
    with pytest.raises(RetryLater):
        store.find_orders(HERS)


def test_what_an_older_order_pays_for_stays(scene: Scene, fake: FakeShopify, mirela: Thing) -> None:
    sell(fake, COURSE)
    for place in range(8):
        sell(fake, f"gid://shopify/Product/{600 + place}")
    again = sell(fake, COURSE)
    order = of([found.order for found in scene.find()], again)
    plan = scene.decided(order)
    scene.wait(seconds=12)
    assert (plan.goes, [item.resource for item in plan.stays]) == ((), [VIP])
    assert mirela["tags"] == ["vip"]


def test_what_an_unseen_order_may_pay_for_is_left_to_a_person(
    scene: Scene, fake: FakeShopify, mirela: Thing
) -> None:
    sell(fake, COURSE)
    mirela["numberOfOrders"] = "2"
    order = scene.find()[0].order
    plan = scene.decided(order)
    assert plan.goes == ()
    assert plan.unknown == (UnknownItem(Untold.ORDERS_UNSEEN, "vip", VIP, STORE),)
    scene.wait(seconds=12)
    scene.wait(seconds=60)
    assert mirela["tags"] == ["vip"]
    assert dict(scene.effect_states(RunId(plan.id)))["RemoveTag"] is EffectState.NEEDS_PERSON


# --- by number ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("mirela")
@pytest.mark.parametrize("typed", ["#1001", "1001"])
def test_by_number_her_other_orders_come_too_and_prove_nothing(
    fake: FakeShopify, store: ShopifyStore, typed: str
) -> None:
    older = sell(fake, COURSE, name="#1000")
    sold = sell(fake, COURSE, name="#1001")
    found = store.find_orders(OrderQuery(number=typed))
    assert searched(fake) == ["FindOrders"] * 2
    assert [order.ref.ref for order in found] == [ref_of(sold), ref_of(older)]
    assert {order.others_unseen for order in found} == {False}
    search = Search(number=typed)
    assert evidence_for(found[0], search) == {Evidence.ORDER_NUMBER}
    assert evidence_for(found[1], search) == frozenset()


@pytest.mark.usefixtures("mirela")
def test_by_number_an_only_order_takes_one_call(fake: FakeShopify, store: ShopifyStore) -> None:
    sell(fake, COURSE, name="#1001")
    [order] = store.find_orders(OrderQuery(number="1001"))
    assert searched(fake) == ["FindOrders"]
    assert (order.number, order.others_unseen) == ("1001", False)


@pytest.mark.usefixtures("mirela")
def test_by_number_long_lines_come_before_her_other_orders(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    sell(fake, COURSE)
    sold = sell(fake, *products(9))
    [order] = store.find_orders(OrderQuery(number=sold["name"]))
    assert searched(fake) == ["FindOrders", "ReadLines"]
    assert (len(order.lines), order.others_unseen) == (9, True)


@pytest.mark.usefixtures("mirela")
@pytest.mark.parametrize("typed", ["{}", "#{}", " #{} "])
def test_the_use_case_finds_by_number_as_it_is_typed(
    scene: Scene, fake: FakeShopify, typed: str
) -> None:
    sold = sell(fake, COURSE)
    number = sold["name"].removeprefix("#")
    [found] = scene.find(Search(number=typed.format(number)))
    assert found.evidence == {Evidence.ORDER_NUMBER}
    both = scene.find(Search(number=typed.format(number), typed_email=EMAIL))
    assert [one.evidence for one in both] == [{Evidence.ORDER_NUMBER, Evidence.TYPED_EMAIL}]


# --- all lines of an order ------------------------------------------------------------------------


@pytest.mark.usefixtures("mirela")
@pytest.mark.parametrize("lines", [8, 9, 100])
def test_all_lines_are_read_in_two_calls(
    fake: FakeShopify, store: ShopifyStore, lines: int
) -> None:
    sold = sell(fake, *products(lines))
    [order] = store.find_orders(HERS)
    assert searched(fake) == ["FindOrders", *(["ReadLines"] if lines > 8 else [])]
    assert [line.product for line in order.lines] == [str(500 + n) for n in range(lines)]
    assert {line.paid.minor for line in order.lines} == {1000}
    assert order.others_unseen is False
    assert store.read_order(ref_of(sold)) is not None


@pytest.mark.usefixtures("mirela")
def test_several_long_orders_share_the_second_call(fake: FakeShopify, store: ShopifyStore) -> None:
    for _ in range(8):
        sell(fake, *products(30))
    found = store.find_orders(HERS)
    assert searched(fake) == ["FindOrders", "ReadLines"]
    assert {len(order.lines) for order in found} == {30}
    assert {order.others_unseen for order in found} == {False}


@pytest.mark.usefixtures("mirela")
def test_an_order_of_more_lines_than_are_read_has_none_and_is_unknown(
    scene: Scene, fake: FakeShopify, store: ShopifyStore
) -> None:
    sold = sell(fake, *products(101))
    [order] = store.find_orders(HERS)
    assert (order.lines, order.others_unseen) == ((), True)
    assert order.captured == Money(101_000, EUR)
    whole = store.read_order(ref_of(sold))
    assert whole is not None
    assert whole.lines == ()
    preview = scene.preview(scene.find()[0].order)
    assert preview.verdict.kind is VerdictKind.UNKNOWN
    assert preview.verdict.leading.because is Because.LINES_UNKNOWN
    assert not isinstance(preview.outcome, Plan)


@pytest.mark.usefixtures("mirela")
def test_lines_that_were_not_read_on_the_second_page_are_unknown(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    old = sell(fake, *products(9))
    for _ in range(8):
        sell(fake, COURSE)
    found = store.find_orders(HERS)
    assert searched(fake) == ["FindOrders"] * 2
    assert of(found, old).lines == ()
    assert {order.others_unseen for order in found} == {True}


@pytest.mark.usefixtures("mirela")
def test_an_order_that_is_gone_before_its_lines_were_read_has_none(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    sell(fake, *products(9))
    fake.__dict__["_read_lines"] = lambda _variables: {"nodes": [None]}
    [order] = store.find_orders(HERS)
    assert (order.lines, order.others_unseen) == ((), True)


@pytest.mark.parametrize("orders", range(1, 9))
def test_lines_of_so_many_orders_cost_less_than_a_call_may(orders: int) -> None:
    of_each = lines_of_each(orders)
    assert of_each >= 30
    # An order, its list of lines, whether there are more; a line, its product and its two amounts.
    assert orders * (3 + of_each * 4) < MOST_POINTS


@pytest.mark.usefixtures("mirela")
def test_a_clause_on_one_of_nine_products_holds(scene: Scene, fake: FakeShopify) -> None:
    sell(fake, *products(9))
    clauses = (
        Clause(
            "1.1",
            "No refunds of product 500.",
            applies_to=Selector(products=frozenset({"500"})),
            non_refundable=True,
        ),
        Clause("1.2", "30 days.", window_days=30),
    )
    with scene.storage.begin(scene.tenant.id) as uow:
        version = PolicyVersion(2, NOW - timedelta(days=300), "Europe/Zagreb", clauses)
        uow.settings.add_policy(version)
        uow.commit()
    assert scene.preview(scene.find()[0].order).verdict.amount == Money(8000, EUR)


def test_a_tag_of_one_of_nine_products_goes(scene: Scene, fake: FakeShopify, mirela: Thing) -> None:
    sell(fake, *products(9))
    scene.decided(scene.find()[0].order)
    scene.wait(seconds=12)
    scene.wait(seconds=60)
    assert mirela["tags"] == []


# --- what is on its way ---------------------------------------------------------------------------


@pytest.mark.usefixtures("mirela")
def test_our_own_refund_that_waits_is_counted_once(scene: Scene, fake: FakeShopify) -> None:
    sell(fake, *products(10))
    fake.books.outcome = "PENDING"
    order = scene.find()[0].order
    scene.decided(order, a_choice(order, free=Money(4000, EUR)))
    scene.wait(seconds=12)
    order = scene.find()[0].order
    assert order.refunded == Money(0, EUR)
    for most, is_plan in ((6000, True), (6001, False)):
        outcome = scene.preview(order, a_choice(order, free=Money(most, EUR))).outcome
        assert isinstance(outcome, Plan) is is_plan


def test_every_refund_of_ours_that_a_search_shows_has_its_mark(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    sold = sell(fake, COURSE)
    ours = [a_refund(first_payment(sold), 100, plan=f"plan-{number}") for number in range(7)]
    for refund in ours:
        assert isinstance(store.refund(refund), Succeeded)
    [order] = store.find_orders(HERS)
    assert [seen.reference for seen in order.refunds] == [refund.key for refund in ours]


@pytest.mark.parametrize(("status", "goes_back"), [("LOST", True), ("NEEDS_RESPONSE", False)])
def test_a_gift_card_beside_a_lost_chargeback_goes_back(
    fake: FakeShopify, store: ShopifyStore, status: str, *, goes_back: bool
) -> None:
    sold = fake.books.sell(Money(3000, EUR), Money(1900, EUR), email=EMAIL)
    sold["transactions"][1]["gateway"] = "gift_card"
    fake.books.dispute(sold["id"], status)
    [order] = store.find_orders(HERS)
    card, gift = order.payments
    assert [one.captured - one.disputed for one in order.payments] == [
        Money(0, EUR),
        Money(1900, EUR),
    ]
    # One that is open puts the whole order before a person: see the plan.
    assert card.dispute_open is not goes_back
    assert isinstance(store.refund(a_refund(gift.ref, 1900)), Succeeded) is goes_back
    assert isinstance(store.refund(a_refund(card.ref, 100)), Declined)
