"""Sharing a total: all of it, by list prices, the same whatever was told first or how often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.domain.line_shares import share_total
from plugin.domain.orders import Line, Order
from tests.factories import a_line, a_payment, an_order, eur

AMOUNTS = st.integers(0, 10**6)


def listed(ref: str, price: int, paid: int = 0, refunded: int = 0) -> Line:
    return replace(a_line(ref, paid=eur(paid), refunded=eur(refunded)), listed=eur(price))


def order_of(lines: Sequence[Line], captured: int) -> Order:
    return an_order(*lines, payments=(a_payment(captured=eur(captured)),))


def paid(order: Order) -> dict[str, int]:
    return {line.ref.ref: line.paid.minor for line in order.lines}


def test_a_total_is_shared_by_list_prices() -> None:
    shared = share_total(order_of([listed("1", 1900), listed("2", 900)], 3500))
    assert paid(shared) == {"1": 2375, "2": 1125}


def test_a_line_that_told_its_own_amount_counts_with_that_price() -> None:
    shared = share_total(order_of([listed("1", 1900, 1400), a_line("2", paid=eur(900))], 1400))
    assert paid(shared) == {"1": 950, "2": 450}
    assert share_total(shared) == shared


def test_a_total_that_grew_is_shared_by_list_prices_again() -> None:
    order = order_of([listed("1", 1900, 1400), a_line("2", paid=eur(900))], 1400)
    shared = share_total(order)
    assert [line.listed for line in shared.lines] == [eur(1900), eur(900)]
    grown = replace(shared, payments=order_of([], 2800).payments)
    assert paid(share_total(grown)) == {"1": 1900, "2": 900}


def test_what_went_back_for_a_line_is_no_more_than_its_share() -> None:
    shared = share_total(order_of([listed("1", 500, 800, 800), listed("2", 500, 800, 100)], 800))
    assert [line.refunded for line in shared.lines] == [eur(400), eur(100)]


@pytest.mark.parametrize(
    "order",
    [
        order_of([listed("1", 1900, 1900)], 2800),
        order_of([a_line("1", paid=eur(1900)), a_line("2", paid=eur(900))], 3500),
        replace(order_of([listed("1", 1900), listed("2", 900)], 1), payments=()),
        order_of([listed("1", 0), listed("2", 0)], 500),
    ],
    ids=["one line", "lines that told", "no payment", "free lines"],
)
def test_other_orders_stay_as_they_are(order: Order) -> None:
    assert share_total(order) == order


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=2, max_size=5), AMOUNTS, st.randoms())
def test_the_lines_cost_what_was_captured_in_whatever_order_they_came(
    told: list[tuple[int, int]], captured: int, chance: Random
) -> None:
    lines = [listed(str(n), price + 1, share) for n, (price, share) in enumerate(told)]
    shared = share_total(order_of(lines, captured))
    assert sum(paid(shared).values()) == captured
    chance.shuffle(lines)
    assert paid(share_total(order_of(lines, captured))) == paid(shared)
    assert share_total(shared) == shared
