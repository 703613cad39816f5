"""A refund names the lines that end with it where they fit its amount, and money stays money."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.domain.errors import OutcomeUnknown, RetryLater
from plugin.domain.money import Money
from plugin.domain.orders import LineRef, OrderRef, PaymentRef
from plugin.domain.refunds import Declined, Found, Refund, Succeeded
from plugin.platforms.strict_json import Reader
from plugin.stores.shopify import ShopifyStore
from plugin.stores.shopify.refund_lines import lines_of
from tests.contracts.money import a_refund
from tests.platforms.shopify.books import Thing, bag
from tests.platforms.shopify.conftest import INSTALLATION
from tests.platforms.shopify.fake import FakeShopify, ref_of
from tests.platforms.shopify.test_money import first_payment, transaction


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


@dataclass
class Sold:
    """An order of two lines, 30 and 19 EUR, and the refunds of it."""

    fake: FakeShopify
    store: ShopifyStore
    order: Thing

    def refund(self, minor: int, *lines: int, plan: str = "plan-1") -> Refund:
        """Of so much, with which these lines end."""
        ref = OrderRef(INSTALLATION, ref_of(self.order))
        listed = [ref_of(self.order["lineItems"][place]) for place in lines]
        ends = tuple((LineRef(ref, line), eur(minor // len(lines))) for line in listed)
        return replace(a_refund(first_payment(self.order), minor, plan=plan), ends=ends)

    def sent(self) -> list[tuple[str, int, str]] | None:
        """The lines of the last refund that was sent; None where it named none."""
        last = self.fake.named("CreateRefund")[-1]["input"].get("refundLineItems")
        if last is None:
            return None
        return [(one["lineItemId"], one["quantity"], one["restockType"]) for one in last]

    def line(self, place: int, quantity: int = 1) -> tuple[str, int, str]:
        return (self.order["lineItems"][place]["id"], quantity, "NO_RESTOCK")

    @property
    def paid_back(self) -> list[int]:
        return self.fake.books.paid_back(transaction(first_payment(self.order)))


@pytest.fixture
def sold(fake: FakeShopify, store: ShopifyStore) -> Sold:
    order = fake.books.sell(eur(4900))
    order["lineItems"] = [
        fake.books.line("Course", eur(3000)),
        fake.books.line("Book", eur(1900)),
    ]
    return Sold(fake, store, order)


def test_a_whole_line_is_named_and_the_money_is_what_was_confirmed(sold: Sold) -> None:
    refund = sold.refund(3000, 0)
    assert isinstance(sold.store.refund(refund), Succeeded)
    assert sold.sent() == [sold.line(0)]
    [sent] = sold.fake.named("CreateRefund")
    assert [one["amount"] for one in sent["input"]["transactions"]] == ["30.00"]
    assert sold.paid_back == [3000]
    read = sold.store.read_order(ref_of(sold.order))
    assert read is not None
    assert [line.refunded for line in read.lines] == [eur(3000), eur(0)]
    assert [name for name, _, _ in sold.fake.calls[:3]] == ["token", "RefundState", "CreateRefund"]


def test_all_lines_are_named_where_the_whole_order_goes_back(sold: Sold) -> None:
    sold.store.refund(sold.refund(4900, 0, 1))
    assert sold.sent() == sorted([sold.line(0), sold.line(1)])
    assert sold.paid_back == [4900]


def test_what_is_left_of_a_line_is_named(sold: Sold) -> None:
    sold.order["lineItems"][0] |= {"quantity": 3, "currentQuantity": 2}
    sold.store.refund(sold.refund(2000, 0))
    assert sold.sent() == [sold.line(0, quantity=2)]
    assert sold.paid_back == [2000]


def test_tax_that_is_told_apart_is_part_of_its_line(sold: Sold) -> None:
    sold.order["taxesIncluded"] = False
    sold.order["lineItems"][0] |= {"discountedTotalSet": bag(eur(2500)), "tax": eur(500)}
    sold.store.refund(sold.refund(3000, 0))
    assert sold.sent() == [sold.line(0)]


def test_tax_that_is_in_the_price_is_not_counted_twice(sold: Sold) -> None:
    sold.order["lineItems"][0]["tax"] = eur(500)
    sold.store.refund(sold.refund(3000, 0))
    assert sold.sent() == [sold.line(0)]


def test_shipping_stays_beside_the_lines(sold: Sold) -> None:
    sold.order["shipping"] = eur(500)
    sold.order["transactions"][0]["amountSet"] = bag(eur(5400))
    sold.store.refund(sold.refund(3000, 0))
    assert sold.sent() == [sold.line(0)]
    sold.store.refund(sold.refund(2400, 1, plan="plan-2"))
    assert sold.sent() is None
    assert sold.paid_back == [3000, 2400]


@pytest.mark.parametrize(
    ("minor", "lines"), [(2999, (0,)), (3001, (0,)), (1900, (0,)), (3000, (0, 1)), (1500, ())]
)
def test_an_amount_that_does_not_fit_its_lines_names_none(
    sold: Sold, minor: int, lines: tuple[int, ...]
) -> None:
    refund = sold.refund(minor, *lines) if lines else a_refund(first_payment(sold.order), minor)
    assert isinstance(sold.store.refund(refund), Succeeded)
    assert sold.sent() is None
    assert sold.paid_back == [minor]


def test_a_rest_after_a_refund_without_lines_fits_no_lines(sold: Sold) -> None:
    sold.store.refund(a_refund(first_payment(sold.order), 1000))
    sold.store.refund(sold.refund(3000, 0, plan="plan-2"))
    assert sold.sent() is None
    assert sold.paid_back == [1000, 3000]


def test_a_line_that_went_back_already_is_not_named_again(sold: Sold) -> None:
    sold.store.refund(sold.refund(1900, 1))
    assert sold.sent() == [sold.line(1)]
    sold.store.refund(sold.refund(1900, 1, plan="plan-2"))
    assert sold.sent() is None


def test_each_part_of_an_order_that_two_payments_paid_names_no_lines(sold: Sold) -> None:
    sold.order["transactions"] = [sold.fake.books.payment(eur(minor)) for minor in (2900, 2000)]
    sold.store.refund(sold.refund(2900, 0, 1))
    assert sold.sent() is None


def test_without_a_suggestion_no_lines_are_named(sold: Sold) -> None:
    state = {**sold.order, "suggestedRefund": None}
    sold.fake.__dict__["_refund_state"] = lambda _variables: {"order": state}
    assert isinstance(sold.store.refund(sold.refund(3000, 0)), Succeeded)
    assert sold.sent() is None


@pytest.mark.parametrize(
    "odd",
    [
        {"shipping": None},
        {"amountSet": bag(Money(4900, "USD"))},
        {"shipping": {"amountSet": bag(Money(0, "USD")), "taxSet": bag(Money(0, "USD"))}},
    ],
)
def test_words_that_cannot_be_read_do_not_hold_the_money_up(sold: Sold, odd: Thing) -> None:
    suggested = {**sold.fake.books.suggested(sold.order), **odd}
    state = {**sold.order, "suggestedRefund": suggested}
    sold.fake.__dict__["_refund_state"] = lambda _variables: {"order": state}
    assert isinstance(sold.store.refund(sold.refund(3000, 0)), Succeeded)
    assert sold.sent() is None


def test_a_suggestion_that_does_not_add_up_is_not_used(sold: Sold) -> None:
    """A discount of the whole order, say, that the lines do not show."""
    sold.order["transactions"][0]["amountSet"] = bag(eur(4000))
    sold.store.refund(sold.refund(3000, 0))
    assert sold.sent() is None


def test_a_line_that_somebody_refunds_just_then_moves_no_money(sold: Sold) -> None:
    refund = sold.refund(3000, 0)

    def state(variables: Thing) -> Thing:
        del sold.fake.__dict__["_refund_state"]
        told: Thing = sold.fake.execute("RefundState", variables)
        sold.order["lineItems"][0]["currentQuantity"] = 0
        return told

    sold.fake.__dict__["_refund_state"] = state
    assert sold.store.refund(refund) == Declined("no_refundLineItems_0_quantity")
    assert sold.paid_back == []
    # The next attempt reads it, and names no lines.
    assert isinstance(sold.store.refund(replace(refund, attempt=2)), Succeeded)
    assert sold.sent() is None
    assert sold.paid_back == [3000]


def test_a_call_that_is_made_again_says_the_same_with_the_same_key(sold: Sold) -> None:
    refund = sold.refund(3000, 0)
    sold.fake.fail("drop_before")
    with pytest.raises((OutcomeUnknown, RetryLater)):
        sold.store.refund(refund)
    sold.store.refund(refund)
    first, second = sold.fake.named("CreateRefund")
    assert first == second
    assert sold.paid_back == [3000]


@pytest.mark.parametrize("fault", ["drop_after", "error_after", "internal", "truncated"])
def test_silence_after_paying_ends_in_one_refund(sold: Sold, fault: str) -> None:
    refund = sold.refund(3000, 0)
    sold.fake.fail(fault)
    with pytest.raises(OutcomeUnknown):
        sold.store.refund(refund)
    assert isinstance(sold.store.look_up(refund), Found)
    assert isinstance(sold.store.refund(refund), Succeeded)
    assert sold.paid_back == [3000]
    assert sold.order["lineItems"][0]["currentQuantity"] == 0


_MINOR = st.integers(0, 500)


@given(
    st.lists(st.tuples(_MINOR, _MINOR, st.integers(1, 9)), min_size=1, max_size=4),
    st.sets(st.integers(0, 3), min_size=1),
    st.tuples(_MINOR, _MINOR, st.integers(-1, 1)),
    st.booleans(),
    st.data(),
)
def test_lines_are_named_only_where_they_are_worth_the_very_amount(
    lines: list[tuple[int, int, int]],
    ending: set[int],
    beside: tuple[int, int, int],
    included: bool,
    data: st.DataObject,
) -> None:
    worth = [price + (0 if included else tax) for price, tax, _ in lines]
    shipping = beside[0] + (0 if included else beside[1])
    fits = sum(worth[place] for place in ending if place < len(worth))
    minor = data.draw(st.sampled_from([fits, max(0, fits - 1), fits + 1]))
    ref = OrderRef(INSTALLATION, "1")
    ends = tuple((LineRef(ref, str(place)), eur(0)) for place in sorted(ending))
    told: Any = {
        "taxesIncluded": included,
        "suggestedRefund": {
            "amountSet": bag(eur(max(0, sum(worth) + shipping + beside[2]))),
            "shipping": {"amountSet": bag(eur(beside[0])), "taxSet": bag(eur(beside[1]))},
            "refundLineItems": [
                {
                    "lineItem": {"id": f"gid://shopify/LineItem/{place}"},
                    "quantity": quantity,
                    "subtotalSet": bag(eur(price)),
                    "totalTaxSet": bag(eur(tax)),
                }
                for place, (price, tax, quantity) in enumerate(lines)
            ],
        },
    }
    refund = replace(a_refund(first_payment_of(), minor), ends=ends)
    named = lines_of(Reader(told), refund)
    adds_up = sum(worth) + shipping == max(0, sum(worth) + shipping + beside[2])
    if ending <= set(range(len(lines))) and minor == fits and adds_up:
        assert [one["quantity"] for one in named if isinstance(one, dict)] == [
            lines[place][2] for place in sorted(ending)
        ]
    else:
        assert named == []


def first_payment_of() -> PaymentRef:
    return PaymentRef(INSTALLATION, "1-2")
