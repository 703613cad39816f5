"""A search that Stripe's answer cut says so: what it did not show may pay for the same things."""

from __future__ import annotations

from typing import Any

import pytest

from plugin.domain.access_map import AccessMap
from plugin.domain.effects import EffectState
from plugin.domain.ids import RunId
from plugin.domain.orders import Resource, ResourceKind
from plugin.domain.plan import UnknownItem, Untold
from plugin.ports import Connection, Kind, OrderQuery
from plugin.ports.records import Tenant
from plugin.storage.unit_of_work import SqlStorage
from plugin.stores.stripe import StripeStore
from plugin.stores.stripe.search import MOST_CLAUSES
from tests.emptied_postgres import emptied_postgres, engine
from tests.factories import BANK, EMAIL, NOW, STORE
from tests.platforms.stripe.books import Thing
from tests.platforms.stripe.conftest import client_to
from tests.platforms.stripe.fake import FakeStripe
from tests.services.scene import Scene
from tests.storage_fixtures import FakeClock

__all__ = ["emptied_postgres", "engine"]

PAGE = 100
CUT = {"has_more": True, "data": [{"id": "il_1", "amount": 100}]}


def unseen(store: StripeStore, *emails: str) -> set[bool | None]:
    found = store.find_orders(OrderQuery(emails=emails or (EMAIL,)))
    assert found
    return {order.others_unseen for order in found}


def sell(fake: FakeStripe, times: int = 1, email: str = EMAIL, **more: Any) -> Thing:  # noqa: ANN401 - any field of a charge
    customer = fake.books.add_customer(email)["id"]
    return [fake.books.sell(4900, customer=customer, **more) for _ in range(times)][-1]


def cut_invoice(fake: FakeStripe) -> str:
    """An invoice of more lines than it lists."""
    return str(fake.books.add("in", "invoice", subscription=None, lines=CUT)["id"])


def test_a_customer_of_whom_all_is_shown_has_nothing_unseen(
    fake: FakeStripe, store: StripeStore
) -> None:
    sell(fake, PAGE)
    assert unseen(store) == {False}


def test_more_charges_than_a_page_are_unseen(fake: FakeStripe, store: StripeStore) -> None:
    sell(fake, PAGE + 1)
    assert unseen(store) == {True}


def test_more_charges_of_several_customers_than_a_page_are_unseen(
    fake: FakeStripe, store: StripeStore
) -> None:
    sell(fake, PAGE)
    sell(fake)
    assert unseen(store) == {True}


@pytest.mark.parametrize(("customers", "told"), [(MOST_CLAUSES, {False}), (11, {True})])
def test_more_customers_of_one_address_than_a_search_takes_are_unseen(
    fake: FakeStripe, store: StripeStore, customers: int, told: set[bool | None]
) -> None:
    for _ in range(customers):
        sell(fake)
    assert unseen(store) == told


@pytest.mark.parametrize(("addresses", "told"), [(MOST_CLAUSES, {False}), (11, {True})])
def test_more_addresses_than_a_search_takes_are_unseen(
    fake: FakeStripe, store: StripeStore, addresses: int, told: set[bool | None]
) -> None:
    emails = [f"{number:02}@example.com" for number in range(addresses)]
    sell(fake, email=emails[0])
    assert unseen(store, *emails) == told


def test_customers_that_were_not_listed_are_unseen(
    fake: FakeStripe, store: StripeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stripe's search may match addresses that only look alike, a page full of them."""
    sell(fake)
    others = [fake.books.add_customer(f"{number}@example.com") for number in range(PAGE)]
    search = fake.books.search

    def matches_more(kind: str, query: str) -> list[Thing]:
        return [*search(kind, query), *(others if kind == "customer" else [])]

    monkeypatch.setattr(fake.books, "search", matches_more)
    assert unseen(store) == {True}


def test_an_invoice_that_does_not_list_all_its_lines_leaves_some_unseen(
    fake: FakeStripe, store: StripeStore
) -> None:
    charge = sell(fake, invoice=cut_invoice(fake))
    sell(fake)
    read = store.read_order(charge["id"])
    assert read is not None
    assert read.others_unseen is True
    assert unseen(store) == {True}


def test_what_is_looked_for_by_number_tells_of_no_others(
    fake: FakeStripe, store: StripeStore
) -> None:
    charge = sell(fake, metadata={"order_number": "1042"})
    sell(fake)
    for number in (charge["id"], charge["payment_intent"], "1042"):
        [order] = store.find_orders(OrderQuery(number=number))
        assert order.others_unseen is None


def test_more_charges_of_one_number_than_a_page_are_unseen(
    fake: FakeStripe, store: StripeStore
) -> None:
    sell(fake, PAGE + 1, metadata={"order_number": "1042"})
    found = store.find_orders(OrderQuery(number="1042"))
    assert {order.others_unseen for order in found} == {True}


def test_what_an_unseen_charge_may_pay_for_is_left_to_a_person(
    storage: SqlStorage, tenant: Tenant, clock: FakeClock, fake: FakeStripe
) -> None:
    scene = Scene(storage, tenant, clock).open()
    connection = Connection(
        tenant=tenant.id,
        installation=BANK,
        kind=Kind.STORE,
        platform="stripe",
        label="Ada's Courses",
        settings={"base_url": fake.url},
        secrets={"api_key": "rk_test_made_up"},
    )
    scene.platforms.adapters[BANK] = StripeStore(
        connection, client_to(fake.url.removeprefix("http://")), clock
    )
    course = Resource(STORE, ResourceKind.COURSE, "c1", "Course")
    scene.shop.held[EMAIL].add(course)
    with storage.begin(tenant.id) as uow:
        uow.settings.save_access_map(BANK, AccessMap({(BANK, "prod_1"): (course,)}), NOW)
        uow.commit()
    older = sell(fake, PAGE)
    fake.books.sell(4900, customer=older["customer"], metadata={"product_id": "prod_1"})
    plan = scene.decided(scene.find()[0].order)
    assert plan.unknown == (UnknownItem(Untold.ORDERS_UNSEEN, "Course", course, STORE),)
    scene.wait(seconds=12)
    scene.wait(seconds=60)
    assert course in scene.shop.held[EMAIL]
    assert dict(scene.effect_states(RunId(plan.id)))["RevokeAccess"] is EffectState.NEEDS_PERSON
