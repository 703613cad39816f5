"""Whom a store is asked about: by its own id for her, as it was told with what she bought last."""

from __future__ import annotations

import itertools

import pytest

from plugin.domain.ids import unnamed_key
from plugin.domain.orders import Order
from plugin.ports import Contact
from plugin.services.contact_at import contact_at, contacts_at
from tests.factories import BANK, CUSTOMER, EMAIL, STORE, an_order_ref
from tests.services.scene import Scene, sale

LAST = sale(ref="1001", days=1, contact="77")
BEFORE = sale(ref="998", days=400, contact="5")
UNTOLD = sale(ref="1002", days=0.5)


@pytest.mark.parametrize("kept", list(itertools.permutations((LAST, BEFORE, UNTOLD))))
def test_of_two_ids_the_one_told_with_what_she_bought_last_counts(
    scene: Scene, kept: tuple[Order, ...]
) -> None:
    """Stores list newest first, and what is kept comes back in no order that is promised."""
    with scene.storage.begin(scene.tenant.id) as uow:
        for order in kept:
            uow.orders.save(order)
        uow.commit()
    with scene.storage.read(scene.tenant.id) as uow:
        orders = uow.orders.of_customer(CUSTOMER)
    assert contact_at(STORE, CUSTOMER, orders) == Contact(EMAIL, "77")


def test_an_id_of_another_store_is_nobody_here() -> None:
    elsewhere = sale(days=0.1, contact="cus_1")
    orders = [BEFORE, elsewhere]
    assert contact_at(BANK, CUSTOMER, orders) == Contact(EMAIL)


def test_without_an_id_and_an_address_nobody_is_asked_about() -> None:
    nobody = unnamed_key(STORE, "order", an_order_ref("998").ref)
    assert contact_at(STORE, nobody, [UNTOLD]) is None
    assert contact_at(STORE, nobody, [LAST]) == Contact("", "77")


def test_what_it_is_about_names_the_account() -> None:
    orders = [BEFORE, LAST, UNTOLD]
    assert contact_at(STORE, CUSTOMER, orders, [BEFORE.ref]) == Contact(EMAIL, "5")
    assert contact_at(STORE, CUSTOMER, orders, [UNTOLD.ref]) == Contact(EMAIL, "77")


def test_each_account_that_bought_it_is_asked_about_once() -> None:
    again = sale(ref="999", days=300, contact="5")
    orders = [BEFORE, again, LAST, UNTOLD]
    every = [order.ref for order in orders]
    five, last = Contact(EMAIL, "5"), Contact(EMAIL, "77")
    assert contacts_at(STORE, CUSTOMER, orders, every) == (five, last)
    assert contacts_at(STORE, CUSTOMER, orders, [BEFORE.ref, again.ref]) == (five,)
    assert contacts_at(STORE, CUSTOMER, orders, [UNTOLD.ref]) == (last,)
    assert contacts_at(BANK, CUSTOMER, orders, every) == (Contact(EMAIL),)
    nobody = unnamed_key(STORE, "order", an_order_ref("998").ref)
    assert contacts_at(STORE, nobody, [UNTOLD], [UNTOLD.ref]) == ()
