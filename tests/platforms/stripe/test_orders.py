"""What Stripe holds becomes orders: lines, payments, disputes, subscriptions, and the unknown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from plugin.domain.errors import Refused, RetryLater
from plugin.domain.money import Money
from plugin.domain.orders import (
    Order,
    RefundRoute,
    SubscriptionStatus,
    Term,
    UsageUnknown,
)
from plugin.domain.refunds import refundable
from plugin.platforms.strict_json import JsonValue, Malformed, Reader
from plugin.ports import OrderQuery
from plugin.stores.stripe import StripeStore
from plugin.stores.stripe.account import manifest
from plugin.stores.stripe.objects import Objects
from tests.contracts.money import a_refund
from tests.platforms.stripe.books import Thing
from tests.platforms.stripe.conftest import INSTALLATION, NOW, store_at
from tests.platforms.stripe.fake import FakeStripe
from tests.platforms.stripe.shapes import example

EUR_49 = Money(4900, "EUR")


def _found(store: StripeStore, *emails: str) -> list[Order]:
    return list(store.find_orders(OrderQuery(emails=emails)))


def _order(store: StripeStore, charge: Thing) -> Order:
    order = store.read_order(charge["id"])
    assert order is not None
    return order


def test_an_order_is_a_charge_with_its_customer(fake: FakeStripe, store: StripeStore) -> None:
    customer = fake.books.add_customer("Ada@Example.com")
    charge = fake.books.sell(4900, customer=customer["id"], metadata={"order_number": "1042"})
    [order] = _found(store, " ada@example.com")
    assert (order.number, order.email, order.customer) == (
        "1042",
        "Ada@Example.com",
        "ada@example.com",
    )
    assert (order.name, order.contact) == ("Ada Learner", customer["id"])
    assert (order.bought_at, order.read_at) == (NOW, NOW)
    assert (order.paid, order.refunded, order.disputed) == (
        EUR_49,
        Money(0, "EUR"),
        Money(0, "EUR"),
    )
    [line] = order.lines
    assert (line.title, line.paid, line.gives, line.usage) == (
        "Course",
        EUR_49,
        None,
        UsageUnknown(),
    )
    [payment] = order.payments
    assert (payment.label, payment.route, payment.ref.ref) == (
        "Visa …4242",
        RefundRoute.BY_API,
        charge["id"],
    )
    assert payment.fee_kept == Money(4900 * 29 // 1000 + 25, "EUR")
    link = f"https://dashboard.stripe.com/test/payments/{charge['payment_intent']}"
    assert order.deep_link == payment.deep_link == link


def test_a_search_takes_at_most_two_calls(fake: FakeStripe, store: StripeStore) -> None:
    for email in ("a@example.com", "b@example.com"):
        fake.books.sell(4900, customer=fake.books.add_customer(email)["id"])
    assert len(_found(store, "a@example.com", "b@example.com")) == 2
    assert len(fake.calls) == 2


def test_all_customers_of_one_address_are_searched(fake: FakeStripe, store: StripeStore) -> None:
    for amount in (4900, 9900):
        fake.books.sell(amount, customer=fake.books.add_customer("a@example.com")["id"])
    fake.books.sell(100, customer=fake.books.add_customer("other@example.com")["id"])
    assert [order.paid.minor for order in _found(store, "a@example.com")] == [9900, 4900]


def test_only_the_very_address_counts(fake: FakeStripe, store: StripeStore) -> None:
    fake.books.sell(4900, customer=fake.books.add_customer("ada@example.com")["id"])
    fake.books.search = lambda *_: fake.books.all("customer")  # type: ignore[method-assign] # a search that finds too much
    assert _found(store, "a@example.com") == []


def test_an_address_with_quotes_searches_for_nothing_else(
    fake: FakeStripe, store: StripeStore
) -> None:
    fake.books.sell(4900, customer=fake.books.add_customer("ada@example.com")["id"])
    assert _found(store, 'x" OR email:"ada@example.com') == []
    assert _found(store, 'x\\" OR email:"ada@example.com') == []


def test_nobody_asked_for_is_nobody_found(fake: FakeStripe, store: StripeStore) -> None:
    assert _found(store) == []
    assert fake.calls == []
    assert _found(store, "nobody@example.com") == []


def test_eleven_addresses_are_searched_as_ten(fake: FakeStripe, store: StripeStore) -> None:
    assert _found(store, *(f"{number}@example.com" for number in range(11))) == []


@pytest.mark.parametrize("kind", ["charge", "payment_intent", "order_id"])
def test_an_order_is_found_by_number(fake: FakeStripe, store: StripeStore, kind: str) -> None:
    charge = fake.books.sell(4900, metadata={"order_id": "A-7"})
    fake.books.sell(100)
    ref = charge["id"]
    number = {"charge": ref, "payment_intent": charge["payment_intent"], "order_id": "A-7"}[kind]
    [order] = store.find_orders(OrderQuery(number=f" {number} "))
    assert order.ref.ref == ref
    assert len(fake.calls) == 1


@pytest.mark.parametrize("number", ["ch_none", "pi_none", "1042", "../../etc", 'a"b'])
def test_a_number_nobody_has_finds_nothing(store: StripeStore, number: str) -> None:
    assert list(store.find_orders(OrderQuery(number=number))) == []


def test_an_id_from_outside_stays_one_segment(fake: FakeStripe, store: StripeStore) -> None:
    assert store.read_order("../refunds?limit=1") is None
    assert fake.calls[0][1].startswith("/v1/charges/..%2Frefunds%3Flimit%3D1?expand")


def test_what_came_back_is_seen_with_our_reference(fake: FakeStripe, store: StripeStore) -> None:
    charge = fake.books.sell(4900)
    payment = _order(store, charge).payments[0].ref
    refund = a_refund(payment, 1500)
    store.refund(refund)
    fake.books.refund({"charge": charge["id"], "amount": "400"})
    order = _order(store, charge)
    assert order.refunded == order.lines[0].refunded == Money(1900, "EUR")
    assert [(seen.amount.minor, seen.state, seen.reference) for seen in order.refunds] == [
        (400, "succeeded", None),
        (1500, "succeeded", refund.key),
    ]
    assert refundable(order.payments[0], []) == Money(3000, "EUR")


def test_a_subscription_charge_has_its_invoice_lines_and_paid_period(
    fake: FakeStripe, store: StripeStore
) -> None:
    customer = fake.books.add_customer("a@example.com")["id"]
    subscription = fake.books.subscribe(customer, 1900)
    [order] = _found(store, "a@example.com")
    [line] = order.lines
    start = NOW - timedelta(days=10)
    assert (line.title, line.product, line.paid) == (
        "1 × Membership",
        "prod_membership",
        Money(1900, "EUR"),
    )
    assert (line.term, line.subscription) == (Term(start, 1, "month"), subscription["id"])
    assert order.subscription is not None
    assert order.subscription.status is SubscriptionStatus.ACTIVE
    assert order.subscription.paid_until == NOW + timedelta(days=20)
    assert order.subscription.renews == Money(1900, "EUR")


@pytest.mark.parametrize(
    ("lines", "paid", "refunded"),
    [
        ([3000, 1900], [3000, 1900], [612, 388]),
        ([4000, 1900], [3322, 1578], [678, 322]),  # a discount: what was paid is spread
        ([4900, -100, 0], [4900], [1000]),
        ([], [4900], [1000]),
        ([-4900], [4900], [1000]),
    ],
)
def test_lines_share_what_was_paid_and_what_came_back(
    fake: FakeStripe, store: StripeStore, lines: list[int], paid: list[int], refunded: list[int]
) -> None:
    data = [{"id": f"il_{n}", "amount": amount} for n, amount in enumerate(lines)]
    invoice = fake.books.add("in", "invoice", subscription=None, lines={"data": data})
    charge = fake.books.sell(4900, invoice=invoice["id"])
    fake.books.refund({"charge": charge["id"], "amount": "1000"})
    order = _order(store, charge)
    assert [line.paid.minor for line in order.lines] == paid
    assert [line.refunded.minor for line in order.lines] == refunded
    assert order.subscription is None


def test_an_invoice_that_does_not_list_all_its_lines_is_one_line(
    fake: FakeStripe, store: StripeStore
) -> None:
    lines = {"has_more": True, "data": [{"id": "il_1", "amount": 100}]}
    invoice = fake.books.add("in", "invoice", subscription=None, lines=lines)
    order = _order(store, fake.books.sell(4900, invoice=invoice["id"]))
    assert [line.paid for line in order.lines] == [EUR_49]


@pytest.mark.parametrize(
    ("line", "term"),
    [
        ({"price": {"recurring": {"interval": "year", "interval_count": 1}}}, (12, "month")),
        ({"price": {"recurring": {"interval": "week", "interval_count": 2}}}, (2, "week")),
        (
            {"price": {"recurring": {"interval": "month", "interval_count": 1}}, "proration": True},
            None,
        ),
        ({"price": {"recurring": None}}, None),
        ({"price": None}, None),
    ],
)
def test_a_line_knows_the_time_it_paid_for(
    fake: FakeStripe, store: StripeStore, line: dict[str, Any], term: tuple[int, str] | None
) -> None:
    start = int(NOW.timestamp())
    data = [{"id": "il_1", "amount": 4900, "period": {"start": start, "end": start + 1}, **line}]
    invoice = fake.books.add("in", "invoice", subscription=None, lines={"data": data})
    [found] = _order(store, fake.books.sell(4900, invoice=invoice["id"])).lines
    assert found.term == (None if term is None else Term(NOW, *term))


@pytest.mark.parametrize("fields", [{"status": "failed"}, {"amount_captured": 0}])
def test_without_captured_money_there_is_no_order(
    fake: FakeStripe, store: StripeStore, fields: dict[str, Any]
) -> None:
    customer = fake.books.add_customer("a@example.com")["id"]
    fake.books.sell(4900, customer=customer, **fields)
    assert _found(store, "a@example.com") == []


def test_a_guest_is_known_by_what_was_typed_at_the_checkout(
    fake: FakeStripe, store: StripeStore
) -> None:
    typed = {"email": "Guest@example.com", "name": "A Guest"}
    order = _order(store, fake.books.sell(4900, billing_details=typed, livemode=True))
    assert (order.email, order.name, order.contact) == ("Guest@example.com", "A Guest", None)
    assert order.customer == "guest@example.com"
    assert order.deep_link is not None
    assert order.deep_link.startswith("https://dashboard.stripe.com/payments/pi_")


def test_a_charge_that_names_nobody_belongs_to_nobody(fake: FakeStripe, store: StripeStore) -> None:
    charge = fake.books.sell(4900, description=None, receipt_number="1234-5678")
    order = _order(store, charge)
    assert (order.email, order.name, order.number) == ("", "", "1234-5678")
    assert order.title == "Payment"


@pytest.mark.parametrize(
    ("details", "label"),
    [
        ({"type": "sepa_debit", "sepa_debit": {"last4": "3000"}}, "Sepa Debit …3000"),
        ({"type": "card", "card": {"brand": "american_express", "last4": "0005"}}, None),
        ({"type": "klarna", "klarna": {}}, "Klarna"),
        (None, "Stripe"),
    ],
)
def test_a_payment_has_a_label_for_people(
    fake: FakeStripe, store: StripeStore, details: dict[str, Any] | None, label: str | None
) -> None:
    charge = fake.books.sell(4900, payment_method_details=details)
    assert _order(store, charge).payments[0].label == (label or "American Express …0005")


@pytest.mark.parametrize("changed", [{"currency": "usd"}, None])
def test_a_fee_in_another_currency_or_unsettled_is_unknown(
    fake: FakeStripe, store: StripeStore, changed: dict[str, Any] | None
) -> None:
    charge = fake.books.sell(4900)
    if changed is None:
        charge["balance_transaction"] = None
    else:
        fake.books.get(charge["balance_transaction"]).update(changed)
    assert _order(store, charge).payments[0].fee_kept is None


@pytest.mark.parametrize(
    ("currency", "wire", "money"),
    [("jpy", 3800, Money(3800, "JPY")), ("isk", 490000, Money(4900, "ISK"))],
)
def test_amounts_are_read_as_stripe_writes_them(
    fake: FakeStripe, store: StripeStore, currency: str, wire: int, money: Money
) -> None:
    assert _order(store, fake.books.sell(wire, currency)).paid == money


@pytest.mark.parametrize("changed", [{"currency": "euros"}, {"amount_refunded": "0"}])
def test_an_answer_of_another_shape_is_asked_for_again_later(
    fake: FakeStripe, store: StripeStore, changed: dict[str, Any]
) -> None:
    charge = fake.books.sell(4900)
    charge.update(changed)
    with pytest.raises(RetryLater, match="answer_malformed"):
        store.read_order(charge["id"])


def test_a_time_no_calendar_has_is_not_guessed(fake: FakeStripe, store: StripeStore) -> None:
    charge = fake.books.sell(4900, created=10**17)
    with pytest.raises(RetryLater, match="answer_malformed: created"):
        store.read_order(charge["id"])


@pytest.mark.parametrize(
    ("fault", "raised"), [("unavailable", RetryLater), ("rate_limited", RetryLater)]
)
def test_a_store_that_does_not_answer_is_asked_again_later(
    fake: FakeStripe, store: StripeStore, fault: str, raised: type[Exception]
) -> None:
    fake.fail(fault, on="GET /v1/charges")
    with pytest.raises(raised):
        store.read_order("ch_1")


def test_an_error_without_stripes_words_is_named_by_its_status(
    fake: FakeStripe, store: StripeStore
) -> None:
    fake.fail("running", on="GET /v1/charges")
    with pytest.raises(Refused, match="idempotency_key_in_use: HTTP 409"):
        store.read_order("ch_1")
    with pytest.raises(Refused, match="key_refused: invalid_request_error"):
        store_at(fake.url, api_key="sk_none").read_order("ch_1")


def test_the_vendors_own_examples_become_an_order_and_a_subscription() -> None:
    objects = Objects(INSTALLATION, manifest().money.wire)
    charge = example("charge") | {"amount_captured": 100, "captured": True}
    order = objects.order(Reader(charge), [], NOW)
    assert order is not None
    assert (order.paid, order.payments[0].label) == (Money(100, "USD"), "Visa …4242")
    assert order.refunds == ()
    subscription = objects.subscription(Reader(example("subscription")))
    assert subscription.status is SubscriptionStatus.ENDING
    assert subscription.paid_until is not None


@pytest.mark.parametrize(
    ("changed", "status", "paid_until", "renews"),
    [
        ({}, SubscriptionStatus.ACTIVE, 20, 1900),
        ({"status": "trialing"}, SubscriptionStatus.ACTIVE, 20, 1900),
        ({"status": "past_due"}, SubscriptionStatus.ACTIVE, -10, 1900),
        ({"cancel_at_period_end": True}, SubscriptionStatus.ENDING, 20, None),
        ({"cancel_at": 1796000000}, SubscriptionStatus.ENDING, 20, None),
        ({"status": "canceled"}, SubscriptionStatus.ENDED, 20, None),
        ({"status": "on_the_moon"}, SubscriptionStatus.UNKNOWN, 20, None),
        ({"items": {"data": []}}, SubscriptionStatus.ACTIVE, 20, None),
        (
            {"items": {"data": [{"price": {"unit_amount": None}}]}},
            SubscriptionStatus.ACTIVE,
            20,
            None,
        ),
    ],
)
def test_a_subscription_says_how_it_stands(
    fake: FakeStripe,
    changed: dict[str, Any],
    status: SubscriptionStatus,
    paid_until: int,
    renews: int | None,
) -> None:
    thing = fake.books.subscribe(fake.books.add_customer("a@example.com")["id"], 1900)
    found = Objects(INSTALLATION, manifest().money.wire).subscription(Reader({**thing, **changed}))
    assert found.status is status
    assert found.paid_until == NOW + timedelta(days=paid_until)
    assert (found.renews and found.renews.minor) == renews
    assert (found.renews_at is not None) == (status is SubscriptionStatus.ACTIVE)


def test_the_period_may_stand_on_the_items_and_is_the_earliest() -> None:
    at = int(NOW.timestamp())
    items: JsonValue = {"data": [{"current_period_end": at + 5}, {"current_period_end": at}, {}]}
    body = Reader({"id": "sub_1", "status": "canceled", "items": items})
    assert Objects(INSTALLATION, manifest().money.wire).subscription(body).paid_until == NOW
    bare = Reader({"id": "sub_1", "status": "canceled"})
    assert Objects(INSTALLATION, manifest().money.wire).subscription(bare).paid_until is None


def test_a_customer_of_another_kind_is_malformed() -> None:
    objects = Objects(INSTALLATION, manifest().money.wire)
    with pytest.raises(Malformed, match="customer"):
        objects.order(Reader(example("charge") | {"amount_captured": 1, "customer": 7}), [], NOW)
