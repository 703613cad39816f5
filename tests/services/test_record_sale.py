"""A sale as facts: one per line, and what else of this customer is still paid."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugin.domain.ids import InstallationId
from plugin.domain.orders import OrderRef
from plugin.services.record_sale import known_sales, may_have_unseen, sale_facts
from tests.factories import BANK, CUSTOMER, STORE, a_course, a_line, a_payment, an_order, eur, soon
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


def test_a_store_says_by_its_latest_word_whether_there_are_others(scene: Scene) -> None:
    def saved(ref: str, *, unseen: bool | None, hours: int, at: InstallationId = STORE) -> bool:
        order = replace(
            sale(ref=ref),
            ref=OrderRef(at, ref),
            read_at=soon(hours=hours),
            others_unseen=unseen,
        )
        uow.orders.save(order)
        return may_have_unseen(uow.orders.of_customer(CUSTOMER))

    with scene.storage.begin(scene.tenant.id) as uow:
        assert not saved("1", unseen=None, hours=0)
        assert saved("2", unseen=True, hours=1)
        assert not saved("3", unseen=False, hours=2)
        assert not saved("0", unseen=True, hours=0)
        assert saved("4", unseen=True, hours=0, at=BANK)


def test_a_reading_that_does_not_tell_of_others_changes_nothing(scene: Scene) -> None:
    order = sale()
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.orders.save(replace(order, others_unseen=True))
        uow.orders.save(replace(order, read_at=soon(hours=1)))
        assert may_have_unseen(uow.orders.of_customer(CUSTOMER))
        uow.orders.save(replace(order, read_at=soon(hours=2), others_unseen=False))
        assert not may_have_unseen(uow.orders.of_customer(CUSTOMER))


def test_an_old_word_that_all_is_seen_is_no_newer_than_it_was(scene: Scene) -> None:
    """The order of which it was said is read again, by a reading that tells of no others."""
    old, new = sale(), sale(ref="300")
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.orders.save(replace(old, others_unseen=False))
        uow.orders.save(replace(new, read_at=soon(minutes=10), others_unseen=True))
        uow.orders.save(replace(old, read_at=soon(minutes=20)))
        assert may_have_unseen(uow.orders.of_customer(CUSTOMER))


@pytest.mark.parametrize("refs", [("1", "2"), ("2", "1")])
def test_of_two_words_of_one_moment_the_careful_one_counts(
    scene: Scene, refs: tuple[str, str]
) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        for ref, is_unseen in zip(refs, (True, False), strict=True):
            uow.orders.save(replace(sale(ref=ref), others_unseen=is_unseen))
        assert may_have_unseen(uow.orders.of_customer(CUSTOMER))


@pytest.mark.parametrize(("is_open", "counts"), [(False, False), (True, True)])
def test_an_order_that_the_bank_took_back_pays_for_nothing(
    scene: Scene, is_open: bool, counts: bool
) -> None:
    """While the bank has not decided, it changes no access."""
    held = replace(a_payment("pay-200", disputed=eur(4900)), dispute_open=is_open)
    order, other = sale(), sale(a_course("c1"), ref="200", payments=(held,))
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.orders.save(other)
        known = known_sales(uow, order)
    assert ("200" in [bought.line.order.ref for bought in known]) is counts
