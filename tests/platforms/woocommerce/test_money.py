"""Money: the contract, refunds by line, and what each odd answer means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from plugin.domain.errors import OutcomeUnknown, Refused, RetryLater
from plugin.domain.messages import is_own_reason
from plugin.domain.money import Money, exponent
from plugin.domain.orders import LineRef, OrderRef, PaymentRef
from plugin.domain.refunds import Ambiguous, Declined, Found, NotFound, Pending, Succeeded
from plugin.stores.woocommerce import WoocommerceStore
from tests.contracts.money import MoneyContract, MoneyWorld, Trouble, a_refund, succeeded
from tests.platforms.woocommerce.conftest import INSTALLATION, store_at
from tests.platforms.woocommerce.fake import FakeShop

_FAULTS = {
    Trouble.DROPPED_BEFORE_PAYING: "drop_before",
    Trouble.SILENT_AFTER_PAYING: "drop_after",
    Trouble.ERROR_AFTER_PAYING: "error_after",
    Trouble.LATE_ANSWER: "slow",
    Trouble.UNREADABLE_ANSWER: "html_after",
    Trouble.CUT_ANSWER: "cut",
    Trouble.ANSWER_OF_ANOTHER: "another",
    Trouble.BUSY: "busy",
    Trouble.DOWN: "down",
}


class ShopWorld:
    honours_key = False

    def __init__(self, fake: FakeShop) -> None:
        self.fake = fake
        self.store = store_at(fake)

    def sell(self, amount: Money) -> PaymentRef:
        net = amount.decimal()
        order = self.fake.books.sell((net, "0"), currency=amount.currency)
        return PaymentRef(INSTALLATION, str(order["id"]))

    def paid_back(self, payment: PaymentRef) -> Sequence[int]:
        books = self.fake.books
        currency = books.orders[int(payment.ref)]["currency"]
        paid = [amount for order, amount, _ in books.paid if str(order) == payment.ref]
        return [int(amount.scaleb(exponent(currency))) for amount in paid]

    def trouble_next(self, trouble: Trouble) -> None:
        self.fake.faults.append(_FAULTS[trouble])

    def pend_next(self) -> None:
        self.fake.books.pends = True

    def fail_later(self, gateway_ref: str) -> None:
        self.fake.books.delete_refund(int(gateway_ref))

    def dispute(self, payment: PaymentRef) -> None:
        self.fake.books.disputed.add(int(payment.ref))

    def expire_key(self) -> None:
        self.fake.key_state = "gone"


class TestMoney(MoneyContract):
    @pytest.fixture
    def world(self, fake: FakeShop) -> MoneyWorld:
        fake.books.places = 2
        return ShopWorld(fake)

    def test_a_refund_that_fails_later_is_found_as_declined(
        self, world: MoneyWorld, payment: PaymentRef
    ) -> None:
        """A shop has no failed refunds: the row of one that failed at the bank is deleted."""
        refund = a_refund(payment, 1500)
        world.fail_later(succeeded(world.store.refund(refund)))
        assert world.store.look_up(refund) == NotFound()
        assert world.paid_back(payment) == []


def _sold(fake: FakeShop, *lines: tuple[str, str], **more: Any) -> PaymentRef:  # noqa: ANN401 - any field of an order
    return PaymentRef(INSTALLATION, str(fake.books.sell(*lines, **more)["id"]))


def _line(fake: FakeShop, payment: PaymentRef, index: int) -> LineRef:
    item = fake.books.orders[int(payment.ref)]["line_items"][index]
    return LineRef(OrderRef(INSTALLATION, payment.ref), str(item["id"]))


def _open_downloads(fake: FakeShop, payment: PaymentRef) -> list[bool]:
    order = fake.books.orders[int(payment.ref)]
    held = [(order["id"], item["product_id"]) for item in order["line_items"]]
    return [one in fake.books.downloads for one in held]


def test_a_refund_takes_three_calls_and_only_the_last_one_writes(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    store.refund(a_refund(_sold(fake, ("49.00", "0")), 4900))
    assert [method for method, _ in fake.calls] == ["GET", "GET", "POST"]


def test_only_the_downloads_of_lines_that_end_are_closed_and_taxes_are_named_apart(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    payment = _sold(fake, ("10.00", "1.90"), ("20.00", "3.80"))
    line = _line(fake, payment, 0)
    refund = replace(a_refund(payment, 1190), ends=((line, Money(1190, "EUR")),))
    succeeded(store.refund(refund))
    assert _open_downloads(fake, payment) == [False, True]
    [asked] = fake.asked
    assert asked["amount"] == "11.90"
    assert asked["api_refund"] is True
    assert asked["api_restock"] is False
    assert asked["line_items"] == [
        {
            "id": int(line.ref),
            "quantity": 1,
            "refund_total": "10.00",
            "refund_tax": [{"id": 75, "refund_total": "1.90"}],
        }
    ]


def test_goodwill_names_no_line_so_that_all_downloads_stay(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    payment = _sold(fake, ("10.00", "1.90"), ("20.00", "3.80"))
    succeeded(store.refund(a_refund(payment, 500)))
    assert _open_downloads(fake, payment) == [True, True]
    assert fake.asked[0]["line_items"] == []


def test_a_part_of_a_line_that_ends_is_split_into_price_and_tax(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    payment = _sold(fake, ("10.00", "1.90"), ("20.00", "3.80"))
    ends = ((_line(fake, payment, 0), Money(595, "EUR")),)
    succeeded(store.refund(replace(a_refund(payment, 595), ends=ends)))
    [line] = fake.asked[0]["line_items"]
    assert (line["refund_total"], line["refund_tax"]) == (
        "5.00",
        [{"id": 75, "refund_total": "0.95"}],
    )
    assert "quantity" not in line


def test_a_free_line_and_a_line_of_another_order_are_not_named(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    payment = _sold(fake, ("10.00", "0"), ("0", "0"))
    other = LineRef(OrderRef(INSTALLATION, "1"), "1")
    nothing, some = Money(0, "EUR"), Money(100, "EUR")
    ends = ((_line(fake, payment, 1), nothing), (other, some))
    succeeded(store.refund(replace(a_refund(payment, 100), ends=ends)))
    assert fake.asked[0]["line_items"] == []


def test_all_that_is_left_names_every_line_that_has_any(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    payment = _sold(fake, ("10.00", "0"), ("20.00", "0"))
    ends = ((_line(fake, payment, 0), Money(1000, "EUR")),)
    succeeded(store.refund(replace(a_refund(payment, 1000), ends=ends)))
    succeeded(store.refund(a_refund(payment, 2000, plan="plan-2")))
    assert [line["refund_total"] for line in fake.asked[1]["line_items"]] == ["20.00"]
    assert _open_downloads(fake, payment) == [False, False]


@pytest.mark.parametrize(
    ("places", "currency", "sold", "minor", "written"),
    [
        (0, "EUR", "49", 4800, "48"),
        (3, "EUR", "49", 1234, "12.340"),
        (4, "KWD", "49", 1234, "1.2340"),
        (2, "JPY", "4900", 1900, "1900.00"),
        (0, "JPY", "4900", 1900, "1900"),
    ],
)
def test_amounts_have_as_many_decimals_as_the_shop_writes(
    fake: FakeShop,
    store: WoocommerceStore,
    places: int,
    currency: str,
    sold: str,
    minor: int,
    written: str,
) -> None:
    fake.books.places = places
    payment = _sold(fake, (sold, "0"), currency=currency)
    succeeded(store.refund(a_refund(payment, minor, currency=currency)))
    assert fake.asked[0]["amount"] == written
    assert fake.books.paid[0][1] == Decimal(written)


def test_an_amount_that_the_shop_would_round_is_left_to_a_person(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    fake.books.places = 0
    answer = store.refund(a_refund(_sold(fake, ("49", "0")), 1234))
    assert answer == Declined("amount_not_writable", by_hand=True)
    assert fake.asked == []


def test_an_amount_of_another_currency_is_not_sent(fake: FakeShop, store: WoocommerceStore) -> None:
    answer = store.refund(a_refund(_sold(fake, ("49.00", "0")), 100, currency="USD"))
    assert isinstance(answer, Declined)
    assert fake.asked == []


def test_an_order_that_was_never_paid_is_declined(fake: FakeShop, store: WoocommerceStore) -> None:
    payment = _sold(fake, ("49.00", "0"), paid=False)
    assert store.refund(a_refund(payment, 4900)) == Declined("order_not_paid")
    assert fake.asked == []


def test_an_order_that_is_gone_is_refused(store: WoocommerceStore) -> None:
    with pytest.raises(Refused, match="order_gone"):
        store.refund(a_refund(PaymentRef(INSTALLATION, "1"), 100))


def test_a_no_in_words_with_500_goes_to_a_person(fake: FakeShop, store: WoocommerceStore) -> None:
    payment = _sold(fake, ("49.00", "0"), transaction_id="")
    answer = store.refund(a_refund(payment, 4900))
    assert answer == Declined("store_said_no", by_hand=True)
    assert store.look_up(a_refund(payment, 4900)) == NotFound()


@pytest.mark.parametrize("code", ["store_said_no", "not_by_api"])
def test_a_no_is_told_in_a_sentence_of_ours_and_never_in_the_shops(
    fake: FakeShop, store: WoocommerceStore, code: str
) -> None:
    """The shop's words may name the customer, and a reason is kept and logged."""
    more = {"payment_method": "bacs"} if code == "not_by_api" else {"transaction_id": ""}
    answer = store.refund(a_refund(_sold(fake, ("49.00", "0"), **more), 4900))
    assert answer == Declined(code, by_hand=True)
    assert is_own_reason(code)


@pytest.mark.parametrize("fault", ["critical_after", "empty", "firewall", "redirect"])
def test_what_the_shop_did_not_say_itself_is_unknown(
    fake: FakeShop, store: WoocommerceStore, fault: str
) -> None:
    fake.faults.append(fault)
    with pytest.raises(OutcomeUnknown):
        store.refund(a_refund(_sold(fake, ("49.00", "0")), 4900))


def test_what_was_sent_before_is_found_and_not_sent_again(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    refund = a_refund(_sold(fake, ("49.00", "0")), 1000)
    fake.faults.append("drop_after")
    with pytest.raises(OutcomeUnknown):
        store.refund(refund)
    assert isinstance(store.refund(replace(refund, attempt=2)), Succeeded)
    assert len(fake.books.paid) == 1


def test_a_read_only_key_is_refused_before_money_moves(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    fake.key_state = "read_only"
    with pytest.raises(Refused, match="key_refused"):
        store.refund(a_refund(_sold(fake, ("49.00", "0")), 4900))
    assert fake.books.paid == []


def test_a_no_of_the_shop_with_a_client_error_is_declined(
    fake: FakeShop, store: WoocommerceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.platforms.woocommerce import books

    monkeypatch.setattr(books, "refused", lambda: books.WooError(400, "rest_invalid_param"))
    payment = _sold(fake, ("49.00", "0"), transaction_id="")
    assert store.refund(a_refund(payment, 4900)) == Declined("rest_invalid_param")


def test_nothing_is_sent_after_reads_that_took_too_long(fake: FakeShop) -> None:
    with pytest.raises(RetryLater, match="reads_took_too_long"):
        store_at(fake, late=16).refund(a_refund(_sold(fake, ("49.00", "0")), 4900))
    assert fake.asked == []


def test_a_row_that_stays_unpaid_is_left_to_a_person_after_a_while(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    refund = a_refund(_sold(fake, ("49.00", "0")), 4900)
    fake.books.pends = True
    assert isinstance(store.refund(refund), Pending)
    fake.books.advance(15 * 60)
    assert isinstance(store.look_up(refund), Found)
    fake.books.advance(1)
    assert store.look_up(refund) == Ambiguous(1)
    with pytest.raises(OutcomeUnknown):
        store.refund(refund)


def test_rows_that_are_not_as_sent_are_left_to_a_person(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    refund = a_refund(_sold(fake, ("49.00", "0")), 1000)
    succeeded(store.refund(refund))
    [row] = rows = fake.books.refunds[int(refund.payment.ref)]
    row["amount"] = "11.00"
    assert store.look_up(refund) == Ambiguous(1)
    row["amount"] = "10.00"
    rows.append({**row, "id": 9})
    assert store.look_up(refund) == Ambiguous(2)
    rows[:] = [{**row, "reason": "", "id": number} for number in range(100)]
    assert store.look_up(refund) == Ambiguous(0)


def test_an_answer_of_another_amount_is_unknown(
    fake: FakeShop, store: WoocommerceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = _sold(fake, ("49.00", "0"))
    honest = fake.books.refund
    monkeypatch.setattr(
        fake.books, "refund", lambda order, asked: {**honest(order, asked), "amount": "9.99"}
    )
    with pytest.raises(OutcomeUnknown, match="another_amount"):
        store.refund(a_refund(payment, 1000))


def test_a_look_up_that_cannot_be_read_is_asked_again(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    payment = _sold(fake, ("49.00", "0"))
    fake.books.refunds[int(payment.ref)].append({"reason": 5})
    with pytest.raises(RetryLater):
        store.look_up(a_refund(payment, 1000))
