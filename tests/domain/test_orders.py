"""Snapshots of orders: sums, names, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugin.domain.errors import InvalidInput
from plugin.domain.orders import Term
from tests.factories import NOW, a_course, a_line, a_line_ref, a_payment, an_order, eur


@pytest.mark.parametrize(("periods", "unit"), [(0, "month"), (-1, "day"), (1, "fortnight")])
def test_a_term_of_nothing_or_of_an_unknown_unit_is_refused(periods: int, unit: str) -> None:
    with pytest.raises(InvalidInput, match="one or more days, weeks, months or years"):
        Term(NOW, periods, unit)


def test_an_order_adds_up_its_lines_and_payments() -> None:
    order = an_order(
        a_line("1", paid=eur(4900), refunded=eur(100)),
        a_line("2", paid=eur(900)),
        payments=[
            a_payment("a", captured=eur(5000), refunded=eur(300), disputed=eur(20)),
            a_payment("b", captured=eur(800), refunded=eur(5)),
        ],
    )

    assert order.paid == eur(5800)
    assert order.refunded == eur(305)
    assert order.disputed == eur(20)
    assert order.nothing() == eur(0)
    assert order.line(a_line_ref("1")).left == eur(4800)


def test_without_payments_the_lines_tell_what_went_back() -> None:
    assert an_order(a_line(refunded=eur(700)), payments=[]).refunded == eur(700)


def test_a_line_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError):
        an_order().line(a_line_ref("missing"))


def test_an_order_is_called_by_its_first_line_or_else_its_number() -> None:
    assert an_order(a_line(title="Watercolour Year")).title == "Watercolour Year"
    empty = an_order(a_line())
    assert (
        type(empty)(
            **{name: getattr(empty, name) for name in empty.__slots__} | {"lines": ()}
        ).title
        == "10412"
    )


def test_the_name_of_a_resource_makes_no_other_resource() -> None:
    assert a_course("c1", "Watercolour") == a_course("c1", "Aquarelle")
    assert len({a_course("c1", "Watercolour"), a_course("c1")}) == 1
    assert a_course("c1") < a_course("c2")


def test_what_was_captured_is_what_the_payments_say_else_the_lines() -> None:
    paid = an_order(a_line("1", paid=eur(1000)), payments=(a_payment(captured=eur(1250)),))

    assert paid.captured == eur(1250)
    assert replace(paid, payments=()).captured == eur(1000)
