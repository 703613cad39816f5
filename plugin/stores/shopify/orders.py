"""Reads Shopify's orders into our words. Pure: no calls.

All amounts are in the currency that the customer paid in. Raises Malformed or InvalidInput for what
is not shaped as the schema says. What Shopify leaves out stays None or unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from plugin.domain.ids import InstallationId
from plugin.domain.money import Money, total, zero
from plugin.domain.orders import (
    DisputeStage,
    Line,
    LineRef,
    Order,
    OrderRef,
    Payment,
    RefundRoute,
    RefundSeen,
    RefundStage,
    buyer_key,
)
from plugin.platforms.shopify_words import (
    DISPUTE_STATES,
    RETURNS_OVER,
    TRANSACTION_STATES,
    id_of,
    moment,
    payment_ref,
    read_amount,
    read_note,
)
from plugin.platforms.strict_json import Reader

_Notes = Mapping[str, tuple[str, str] | None]
"""A refund's transaction -> our mark in the refund's note."""

CAPTURES = frozenset({"SALE", "CAPTURE"})
"""Kinds of transaction that take money. An authorisation takes none."""


@dataclass(frozen=True, slots=True)
class Objects:
    """Shopify's objects as read for one installation of one shop."""

    installation: InstallationId
    shop: str

    def order(
        self,
        read: Reader,
        read_at: datetime,
        most_transactions: int,
        lines: Reader | None = None,
    ) -> Order | None:
        """The order; None where no money was captured.

        `most_transactions` is how many were asked for: where as many came there may be more, so
        nothing of that order may be refunded by program; nor may it while a return is open.
        `lines` is where its lines were read as a whole. An order of which not all lines were read
        has none: nobody can judge it.
        """
        number = id_of(read.text("id"))
        currency = read.text("presentmentCurrencyCode")
        told = read.items("transactions")
        notes = _notes(read)
        payments = self._payments(read, number, told, notes)
        if not payments:
            return None
        if len(told) >= most_transactions or has_open_return(read):
            payments = [replace(payment, route=RefundRoute.BY_HAND) for payment in payments]
        captured = total((payment.captured for payment in payments), currency)
        refunded = total((payment.refunded for payment in payments), currency)
        ref = OrderRef(self.installation, number)
        email = read.optional_text("email") or ""
        customer = read.optional_section("customer")
        contact = None if customer is None else id_of(customer.text("id"))
        return Order(
            ref=ref,
            number=read.text("name").removeprefix("#"),
            customer=buyer_key(email, ref, contact),
            email=email,
            name="" if customer is None else customer.optional_text("displayName") or "",
            bought_at=moment(read.text("processedAt")),
            currency=currency,
            lines=_lines(lines or read, ref, captured, refunded.clamp(captured)),
            payments=tuple(payments),
            read_at=read_at,
            refunds=self._refunds_seen(number, told, notes),
            contact=contact,
            deep_link=f"https://admin.shopify.com/store/{self.shop}/orders/{number}",
        )

    def _payments(
        self, read: Reader, number: str, told: Sequence[Reader], notes: _Notes
    ) -> list[Payment]:
        """What waits and is ours is left to the books that asked for it: they count it."""
        captures = [one for one in told if _is(one, CAPTURES, RefundStage.SUCCEEDED)]
        back = [one for one in told if takes_back(one) and not _waits_and_is_ours(one, notes)]
        held, is_open = _disputed(read.items("disputes"))
        payments = []
        for one in captures:
            captured = amount_of(one)
            ours = [amount_of(two) for two in back if _payment_of(two, captures) is one]
            refunded = total(ours, captured.currency).clamp(captured)
            may_be = held and may_be_disputed(one)
            by_hand = one.boolean("manualPaymentGateway")
            payments.append(
                Payment(
                    ref=payment_ref(self.installation, number, id_of(one.text("id"))),
                    label=_label(one),
                    captured=captured,
                    refunded=refunded,
                    disputed=captured - refunded if may_be else zero(captured.currency),
                    route=RefundRoute.BY_HAND if by_hand else RefundRoute.BY_API,
                    dispute_open=may_be and is_open,
                    processor=one.optional_text("gateway"),
                )
            )
        return payments

    def _refunds_seen(
        self, number: str, told: Sequence[Reader], notes: _Notes
    ) -> tuple[RefundSeen, ...]:
        captures = [one for one in told if _is(one, CAPTURES, RefundStage.SUCCEEDED)]
        seen = []
        for one in told:
            payment = _payment_of(one, captures)
            if one.text("kind") != "REFUND" or payment is None:
                continue
            note = notes.get(one.text("id"))
            seen.append(
                RefundSeen(
                    ref=id_of(one.text("id")),
                    payment=payment_ref(self.installation, number, id_of(payment.text("id"))),
                    amount=amount_of(one),
                    state=state_of(one),
                    at=moment(one.optional_text("processedAt") or one.text("createdAt")),
                    reference=None if note is None else note[1],
                )
            )
        return tuple(seen)


def amount_of(thing: Reader, field: str = "amountSet") -> Money:
    """An amount in the currency that the customer paid in."""
    money = thing.section(field, "presentmentMoney")
    return read_amount(money.text("amount"), money.text("currencyCode"))


def state_of(transaction: Reader) -> RefundStage:
    """How far it is; what has no word yet is not over."""
    return TRANSACTION_STATES.get(transaction.text("status"), RefundStage.PENDING)


def takes_back(transaction: Reader) -> bool:
    """A refund whose money moved or may yet: only a failed one leaves the payment whole."""
    return transaction.text("kind") == "REFUND" and state_of(transaction) is not RefundStage.FAILED


def may_be_disputed(payment: Reader) -> bool:
    """An order's disputes name no payment. Banks dispute no gift card; else it may be any."""
    return payment.optional_text("gateway") != "gift_card"


def blocking_dispute(disputes: Sequence[Reader]) -> bool:
    """Whether a bank holds money, or took it. An inquiry does not: a refund settles it."""
    return _disputed(disputes)[0]


def is_undecided(disputes: Sequence[Reader]) -> bool:
    """Whether a bank has not decided: until then Shopify refunds no payment of the order."""
    return _disputed(disputes)[1]


def has_open_return(order: Reader) -> bool:
    """Whether goods are on their way back: the shop's staff refund those with the return itself.

    A refund beside it leaves the return to be refunded once more.
    """
    return order.text("returnStatus") not in RETURNS_OVER


def all_lines_read(read: Reader) -> bool:
    """Whether the lines that came are all that the order has."""
    return not read.boolean("lineItems", "pageInfo", "hasNextPage")


def _notes(read: Reader) -> _Notes:
    return {
        node.text("id"): read_note(refund.optional_text("note"))
        for refund in read.items("refunds")
        for node in refund.items("transactions", "nodes")
    }


def _waits_and_is_ours(transaction: Reader, notes: _Notes) -> bool:
    waits = state_of(transaction) is RefundStage.PENDING
    return waits and notes.get(transaction.text("id")) is not None


def _is(transaction: Reader, kinds: frozenset[str], state: RefundStage) -> bool:
    return transaction.text("kind") in kinds and state_of(transaction) is state


def _payment_of(transaction: Reader, captures: Sequence[Reader]) -> Reader | None:
    """The payment that a refund went back to: its parent, else one by the same gateway."""
    parent = transaction.optional_text("parentTransaction", "id")
    gateway = transaction.optional_text("gateway")
    named = [one for one in captures if one.text("id") == parent]
    alike = [one for one in captures if one.optional_text("gateway") == gateway]
    return next(iter([*named, *alike, *captures]), None)


def _disputed(disputes: Sequence[Reader]) -> tuple[bool, bool]:
    """Whether the bank holds money or took it, and whether it has not decided yet."""
    states = [
        # A status without a word here may be a new kind of open.
        DISPUTE_STATES.get(dispute.text("status"), DisputeStage.OPEN)
        for dispute in disputes
        if dispute.text("initiatedAs") != "INQUIRY"
    ]
    return any(state is not DisputeStage.WON for state in states), DisputeStage.OPEN in states


def _label(transaction: Reader) -> str:
    """`Shopify Payments …4242`, or only who took the money."""
    name = transaction.optional_text("formattedGateway") or transaction.optional_text("gateway")
    digits = (transaction.optional_text("accountNumber") or "")[-4:]
    shown = name or "Shopify"
    return f"{shown} …{digits}" if digits.isdecimal() else shown


def _lines(read: Reader, order: OrderRef, captured: Money, refunded: Money) -> tuple[Line, ...]:
    """The lines, each with its share of what was captured and of what went back.

    Shipping and taxes are told for the whole order: both sums are spread by the lines' prices, what
    went back first over the pieces that were taken back. None where not all were read.
    """
    items = read.items("lineItems", "nodes")
    if not all_lines_read(read):
        return ()
    if not items:
        words = f"Order {read.text('name')}"
        return (Line(LineRef(order, order.ref), words, "", captured, refunded),)
    prices = [amount_of(item, "discountedTotalSet").minor for item in items]
    paid = captured.split(prices if any(prices) else [1] * len(items))
    gone = [
        _share_gone(part, item.integer("quantity"), item.integer("currentQuantity"))
        for part, item in zip(paid, items, strict=True)
    ]
    back = _spread(refunded, paid, gone)
    return tuple(
        Line(
            ref=LineRef(order, id_of(item.text("id"))),
            title=item.text("title"),
            product=_product(item),
            paid=paid[index],
            refunded=back[index],
        )
        for index, item in enumerate(items)
    )


def _share_gone(paid: Money, quantity: int, left: int) -> Money:
    if quantity <= 0 or not 0 <= left <= quantity:
        return zero(paid.currency)
    return paid.share(quantity - left, quantity)


def _spread(refunded: Money, paid: Sequence[Money], gone: Sequence[Money]) -> Sequence[Money]:
    """What went back of each line: never more than it cost, and together all of it."""
    taken_back = total(gone, refunded.currency)
    if refunded < taken_back:
        return refunded.split([part.minor for part in gone])
    kept = [whole - part for whole, part in zip(paid, gone, strict=True)]
    rest = refunded - taken_back
    if not rest:
        return gone
    more = rest.split([part.minor for part in kept])
    return [one + two for one, two in zip(gone, more, strict=True)]


def _product(item: Reader) -> str:
    product = item.optional_text("product", "id")
    return "" if product is None else id_of(product)
