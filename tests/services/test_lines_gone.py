"""A line that was refunded in the shop's own admin loses its access, and no other line does."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from plugin.domain.events import PaymentRefunded, SaleMade
from plugin.domain.orders import Order, RefundStage
from tests.factories import BANK, a_course, a_line, a_payment, an_order_ref, eur
from tests.services.event_cases import refunded
from tests.services.scene import Scene, sale

PRICES = {"a": 4900, "b": 4900, "c": 2000}


def shown(**back: int) -> Order:
    """Three lines, of which so much went back."""
    ref = an_order_ref("10412")
    lines = tuple(
        a_line(
            name,
            gives=(a_course(name),),
            order=ref,
            product=f"p-{name}",
            paid=eur(price),
            refunded=eur(back.get(name, 0)),
        )
        for name, price in PRICES.items()
    )
    gone = sum(back.values())
    paid = a_payment("pay-10412", captured=eur(sum(PRICES.values())), refunded=eur(gone))
    return sale(lines=lines, payments=(paid,))


@pytest.fixture
def sold(scene: Scene) -> Scene:
    scene.apply(SaleMade(scene.sell(order=shown())))
    return scene


def news(refund: str, cents: int, order: Order) -> PaymentRefunded:
    return refunded(refund=refund, amount=cents, order=order, whole=False)


def hear(scene: Scene, *told: PaymentRefunded) -> set[str]:
    for event in told:
        scene.apply(event, at=BANK)
        scene.work()
    assert scene.held() == scene.owed()
    return scene.owed()


def test_a_line_that_was_refunded_ends_alone(sold: Scene) -> None:
    assert hear(sold, news("re-1", 4900, shown(a=4900))) == {"b", "c"}


def test_two_lines_that_were_refunded_at_once_end_together(sold: Scene) -> None:
    assert hear(sold, news("re-1", 6900, shown(b=4900, c=2000))) == {"a"}


@pytest.mark.parametrize(
    "order",
    [
        shown(a=2000, b=2000, c=900),  # spread over all, as nobody told of lines
        shown(a=4900, c=100),
        replace(shown(a=4900), payments=shown(a=4800).payments),
    ],
    ids=["spread", "more of another", "other money"],
)
def test_what_does_not_tell_lines_apart_ends_none(sold: Scene, order: Order) -> None:
    assert hear(sold, news("re-1", 4900, order)) == {"a", "b", "c"}


def test_an_amount_that_is_no_lines_ends_none(sold: Scene) -> None:
    assert hear(sold, news("re-1", 1000, shown(a=4900))) == {"a", "b", "c"}


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("late", [True, False])
def test_line_by_line_in_any_order_and_told_again_ends_the_same(
    sold: Scene, order: tuple[int, ...], *, late: bool
) -> None:
    """Late news show all that is gone by then."""
    after = shown(a=4900, b=4900)
    told = [
        news("re-1", 4900, after if late else shown(a=4900)),
        news("re-2", 4900, after),
        news("re-1", 4900, after),
    ]
    assert hear(sold, *(told[number] for number in order)) == {"c"}


def test_a_line_whose_refund_failed_is_owed_again_and_the_other_is_not(sold: Scene) -> None:
    both = shown(a=4900, c=2000)
    assert hear(sold, news("re-1", 4900, both), news("re-2", 2000, both)) == {"b"}
    failed = replace(news("re-2", 2000, shown(a=4900)), state=RefundStage.FAILED)
    assert hear(sold, failed) == {"b", "c"}
