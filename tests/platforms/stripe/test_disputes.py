"""A disputed payment is what its disputes say, however it is read; what is not told is open."""

from __future__ import annotations

import pytest

from plugin.domain.money import Money
from plugin.domain.orders import Order
from plugin.domain.refunds import Succeeded, refundable
from plugin.ports import OrderQuery
from plugin.stores.stripe import StripeStore
from plugin.stores.stripe.disputes import MOST_DISPUTED
from tests.contracts.money import a_refund
from tests.platforms.stripe.books import Thing
from tests.platforms.stripe.fake import FakeStripe

EUR_49 = Money(4900, "EUR")


def _found(store: StripeStore) -> list[Order]:
    return list(store.find_orders(OrderQuery(emails=("a@example.com",))))


def _order(store: StripeStore, charge: Thing) -> Order:
    order = store.read_order(charge["id"])
    assert order is not None
    return order


def _sold(fake: FakeStripe, amount: int = 4900) -> Thing:
    """A payment of the customer at `a@example.com`."""
    known = fake.books.all("customer", email="a@example.com")
    customer = (known or [fake.books.add_customer("a@example.com")])[0]
    return fake.books.sell(amount, customer=customer["id"])


def _asked_for_disputes(fake: FakeStripe) -> list[str]:
    return [path for _, path, _, _ in fake.calls if path.startswith("/v1/disputes")]


@pytest.mark.parametrize(
    ("status", "disputed", "is_open"),
    [
        ("needs_response", 4900, True),
        ("under_review", 4900, True),
        ("lost", 4900, False),
        ("won", 0, False),
        ("prevented", 0, False),
        ("warning_needs_response", 0, False),
        ("warning_under_review", 0, False),
        ("warning_closed", 0, False),
        ("on_the_moon", 0, True),
    ],
)
def test_a_dispute_blocks_as_its_status_says_however_its_order_is_read(
    fake: FakeStripe, store: StripeStore, status: str, disputed: int, *, is_open: bool
) -> None:
    charge = _sold(fake)
    fake.books.dispute(charge["id"], status)
    [found] = _found(store)
    [by_intent] = store.find_orders(OrderQuery(number=charge["payment_intent"]))
    for order in (_order(store, charge), found, by_intent):
        [payment] = order.payments
        assert (payment.disputed, payment.dispute_open) == (Money(disputed, "EUR"), is_open)


def test_a_payment_whose_dispute_was_won_can_be_refunded(
    fake: FakeStripe, store: StripeStore
) -> None:
    charge = _sold(fake)
    dispute = fake.books.dispute(charge["id"])
    fake.books.close_dispute(dispute["id"], "won")
    [order] = _found(store)
    [payment] = order.payments
    assert refundable(payment, []) == EUR_49
    assert isinstance(store.refund(a_refund(payment.ref, 4900)), Succeeded)


def test_only_a_charge_that_was_disputed_costs_one_call_more(
    fake: FakeStripe, store: StripeStore
) -> None:
    charge = _sold(fake)
    _sold(fake, 9900)
    fake.books.dispute(charge["id"], "won")
    assert len(_found(store)) == 2
    assert _asked_for_disputes(fake) == [f"/v1/disputes?charge={charge['id']}&limit=100"]


@pytest.mark.parametrize("fault", ["rate_limited", "unavailable", "drop_before", "html", "empty"])
def test_a_dispute_that_cannot_be_read_is_open_and_never_won(
    fake: FakeStripe, store: StripeStore, fault: str
) -> None:
    older = _sold(fake)
    charge = _sold(fake)
    fake.books.refund({"charge": charge["id"], "amount": "900"})
    for one in (older, charge):
        fake.books.dispute(one["id"], "won")
    fake.fail(fault, on="GET /v1/disputes")
    orders = _found(store)
    assert [(order.disputed.minor, order.payments[0].dispute_open) for order in orders] == [
        (4000, True),
        (4900, True),
    ]
    assert len(_asked_for_disputes(fake)) == 1  # what failed once is not asked again and again


def test_a_key_that_may_not_read_disputes_still_finds_orders(
    fake: FakeStripe, store: StripeStore
) -> None:
    fake.books.dispute(_sold(fake)["id"], "won")
    fake.denied = ["GET /v1/disputes"]
    [order] = _found(store)
    assert order.payments[0].dispute_open


def test_a_disputed_charge_without_a_dispute_to_see_is_not_taken_for_won(
    fake: FakeStripe, store: StripeStore
) -> None:
    charge = _sold(fake)
    charge["disputed"] = True
    [found] = _found(store)
    assert found.payments[0].dispute_open
    assert _order(store, charge).payments[0].dispute_open


def test_of_many_disputed_charges_the_newest_few_are_asked_for(
    fake: FakeStripe, store: StripeStore
) -> None:
    for _ in range(MOST_DISPUTED + 2):
        fake.books.dispute(_sold(fake)["id"], "won")
    is_open = [order.payments[0].dispute_open for order in _found(store)]
    assert is_open == [False] * MOST_DISPUTED + [True] * 2
    assert len(_asked_for_disputes(fake)) == MOST_DISPUTED


def test_a_dispute_in_another_currency_holds_the_whole_payment(
    fake: FakeStripe, store: StripeStore
) -> None:
    charge = fake.books.sell(4900)
    fake.books.dispute(charge["id"])["currency"] = "usd"
    assert _order(store, charge).disputed == EUR_49
