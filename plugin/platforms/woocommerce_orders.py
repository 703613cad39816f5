"""Reads WooCommerce's orders and refunds into our words, for the adapter and for the parser. Pure.

Amounts are decimal text of as many places as the shop is set to (0 to 4), never floats here; times
are the `*_gmt` fields, UTC without an offset. What the shop leaves out stays None or unknown.
https://woocommerce.github.io/woocommerce-rest-api-docs/#order-properties
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

from plugin.domain.errors import InvalidInput
from plugin.domain.ids import InstallationId
from plugin.domain.money import Money, exponent, total, zero
from plugin.domain.orders import (
    Line,
    LineRef,
    Order,
    OrderRef,
    Payment,
    PaymentRef,
    RefundRoute,
    RefundSeen,
    RefundStage,
    Subscription,
    SubscriptionRef,
    SubscriptionStatus,
    buyer_key,
)
from plugin.platforms.strict_json import Malformed, Reader

SOLD = ("line_items", "shipping_lines", "fee_lines")
"""What an order's total is made of, and what a refund may name."""

_AMOUNT = re.compile(r"-?[0-9]{1,13}(?:\.([0-9]{1,8}))?", re.ASCII)
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}")
_KEY = re.compile(r"(?<![\w-])mg-[\w-]+-a[1-9][0-9]*(?![\w-])", re.ASCII)
_SUBSCRIPTION_OF_RENEWAL = "_subscription_renewal"
_GONE = frozenset({"trash", "auto-draft", "checkout-draft"})


@dataclass(frozen=True, slots=True)
class RefundRow:
    """One entry of an order's `refunds`: `amount` is above zero, `reference` our key in `reason`.

    `whole` says that with it, and those before it, the whole order went back.
    """

    ref: str
    amount: Money
    reference: str | None
    whole: bool


def read_order(
    body: Reader,
    installation: InstallationId,
    read_at: datetime,
    *,
    shop: str = "",
    per_line: Sequence[Reader] | None = None,
) -> Order | None:
    """The order; None where nothing was ever paid for it, or where it is in the bin.

    The total is what was captured; the lines are its parts, shipping and fees among them, so that
    they make the whole. `per_line` are the order's refunds as listed by themselves: without them
    what went back is spread over the lines. `shop` is the address for links. Raises Malformed.
    """
    if body.text("status") in _GONE or body.optional_text("date_paid_gmt") is None:
        return None
    ref = OrderRef(installation, body.identifier("id"))
    currency = currency_of(body)
    captured = money(body.text("total"), currency, body, "total")
    rows = refund_rows(body)
    refunded = total((row.amount for row in rows), currency).clamp(captured)
    email = body.optional_text("billing", "email") or ""
    payment = PaymentRef(installation, ref.ref)
    link = f"https://{shop}/wp-admin/post.php?post={ref.ref}&action=edit" if shop else None
    names = (body.optional_text("billing", key) for key in ("first_name", "last_name"))
    bought_at, changed_at = moment(body, "date_paid_gmt"), moment(body, "date_modified_gmt")
    customer = body.optional_integer("customer_id")
    contact = str(customer) if customer else None
    renewal = _subscription(body, installation)
    return Order(
        ref=ref,
        number=body.optional_identifier("number") or ref.ref,
        customer=buyer_key(email, ref, contact),
        email=email,
        name=" ".join(filter(None, names)),
        bought_at=bought_at,
        currency=currency,
        lines=_lines(body, ref, captured, refunded, per_line, renewal),
        payments=(
            Payment(
                ref=payment,
                label=plain(body.optional_text("payment_method_title") or "Payment"),
                captured=captured,
                refunded=refunded,
                disputed=zero(currency),
                route=_route(body, captured),
                deep_link=link,
                processor=body.optional_text("payment_method"),
            ),
        )
        if captured
        else (),
        read_at=read_at,
        subscription=None
        if renewal is None
        else Subscription(installation, renewal.ref, SubscriptionStatus.UNKNOWN),
        refunds=tuple(
            RefundSeen(
                row.ref, payment, row.amount, RefundStage.SUCCEEDED, changed_at, row.reference
            )
            for row in rows
        ),
        contact=contact,
        deep_link=link,
    )


def refund_rows(body: Reader) -> tuple[RefundRow, ...]:
    """The refunds that an order lists, oldest first: one version lists them the other way round.

    https://woocommerce.github.io/woocommerce-rest-api-docs/#order-refunds-properties
    """
    currency = currency_of(body)
    captured = money(body.text("total"), currency, body, "total")
    told = sorted(body.items("refunds"), key=lambda row: row.integer("id"))
    back, rows = zero(currency), []
    for row in told:
        amount = back_of(row.text("total"), currency, row, "total")
        before, back = back, back + amount
        whole = before < captured <= back
        reason = row.optional_text("reason")
        rows.append(RefundRow(str(row.integer("id")), amount, reference_of(reason), whole))
    return tuple(rows)


def reference_of(reason: str | None) -> str | None:
    """Our key in the words of a refund, where it is ours."""
    found = _KEY.search(reason or "")
    return None if found is None else found[0]


def refunded_by_line(refunds: Sequence[Reader], currency: str) -> dict[str, Money]:
    """What the refunds of one order gave back for which of its lines, taxes in it."""
    back: dict[str, Money] = {}
    for refund in refunds:
        for kind in SOLD:
            for item in refund.optional_items(kind) or ():
                line = _refunded_item(item)
                if line is not None:
                    net = back_of(item.text("total"), currency, item, "total")
                    tax = back_of(item.optional_text("total_tax") or "0", currency, item, "tax")
                    back[line] = back.get(line, zero(currency)) + net + tax
    return back


def _refunded_item(item: Reader) -> str | None:
    for meta in item.optional_items("meta_data") or ():
        if meta.optional_text("key") == "_refunded_item_id":
            return meta.identifier("value")
    return None


def _lines(
    body: Reader,
    order: OrderRef,
    captured: Money,
    refunded: Money,
    per_line: Sequence[Reader] | None,
    renewal: SubscriptionRef | None,
) -> tuple[Line, ...]:
    """The total over what was sold: of each its own price and taxes, rounded so that they fit."""
    sold = [(kind, item) for kind in SOLD for item in body.optional_items(kind) or ()]
    weights = [max(_weight(item), 0) for _, item in sold]
    if not sold:
        return (Line(LineRef(order, order.ref), order.ref, "", captured, refunded),)
    paid = captured.split(weights if sum(weights) else [1] * len(sold))
    back = _spread(paid, refunded)
    if per_line is not None:
        told = refunded_by_line(per_line, captured.currency)
        nothing = zero(captured.currency)
        exact = [
            told.get(item.identifier("id"), nothing).clamp(paid[index])
            for index, (_, item) in enumerate(sold)
        ]
        # What was refunded without naming a line is spread over what the lines still have.
        rest = (refunded - total(exact, captured.currency)).clamp(refunded)
        left = [whole - part for whole, part in zip(paid, exact, strict=True)]
        more = _spread(left, rest)
        back = tuple(part + share for part, share in zip(exact, more, strict=True))
    return tuple(
        Line(
            ref=LineRef(order, item.identifier("id")),
            title=plain(
                item.optional_text("name") or item.optional_text("method_title") or "Extra"
            ),
            product=item.optional_identifier("product_id") or "",
            paid=paid[index],
            refunded=back[index],
            gives=None if kind == SOLD[0] else (),
            subscription=None if renewal is None else renewal.ref,
        )
        for index, (kind, item) in enumerate(sold)
    )


def _spread(over: Sequence[Money], amount: Money) -> Sequence[Money]:
    weights = [money.minor for money in over]
    if not sum(weights):
        return [zero(amount.currency)] * len(over)
    return amount.clamp(total(over, amount.currency)).split(weights)


def _weight(item: Reader) -> int:
    """Price and taxes of one thing sold, finer than any currency."""
    net = _decimal(item.text("total"), item, "total")
    tax = _decimal(item.optional_text("total_tax") or "0", item, "total_tax")
    return int((net + tax).scaleb(8))


def _route(body: Reader, captured: Money) -> RefundRoute:
    """By API where a gateway named its transaction: bank transfers and cash have none.

    Not of a total finer than its currency: what is left of it could not be written.
    """
    is_exact = _decimal(body.text("total"), body, "total") == Decimal(captured.decimal())
    has_transaction = body.optional_text("transaction_id") is not None
    return RefundRoute.BY_API if is_exact and has_transaction else RefundRoute.BY_HAND


def _subscription(body: Reader, installation: InstallationId) -> SubscriptionRef | None:
    """The subscription that this order renewed, where the Subscriptions extension says so."""
    for meta in body.optional_items("meta_data") or ():
        if meta.optional_text("key") == _SUBSCRIPTION_OF_RENEWAL:
            return SubscriptionRef(installation, meta.identifier("value"))
    return None


def currency_of(body: Reader) -> str:
    """The ISO code. Raises Malformed for what is none."""
    code = body.text("currency")
    if not _CURRENCY.fullmatch(code):
        raise Malformed("currency")
    return code


def places_of(amount: str) -> int:
    """How many decimals the shop writes: 2 for `29.35`, 0 for `3800`."""
    return len(amount.partition(".")[2])


def money(amount: str, currency: str, thing: Reader, field: str) -> Money:
    """An amount, half a smallest unit rounded up. Raises Malformed where it is none."""
    exact = _decimal(amount, thing, field).scaleb(exponent(currency))
    try:
        return Money(int(exact.quantize(Decimal(1), ROUND_HALF_UP)), currency)
    except InvalidInput:
        raise Malformed(_path(thing, field)) from None


def back_of(amount: str, currency: str, thing: Reader, field: str) -> Money:
    """What a refund's amount gives back: the shop writes it as less than nothing."""
    back = money(amount, currency, thing, field)
    return Money(abs(back.minor), currency)


def written(amount: Money, places: int) -> str | None:
    """Decimal text of as many places as the shop writes; None where that would round it."""
    exact = Decimal(amount.minor).scaleb(-exponent(amount.currency))
    rounded = exact.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return f"{rounded:f}" if rounded == exact else None


def moment(thing: Reader, field: str) -> datetime:
    """A `*_gmt` time in UTC. Raises Malformed where it is none."""
    text = thing.text(field)
    if not _MOMENT.fullmatch(text):
        raise Malformed(_path(thing, field))
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise Malformed(_path(thing, field)) from None


def plain(text: str) -> str:
    """A name without the HTML entities that the shop writes into it."""
    return html.unescape(text)


def _decimal(amount: str, thing: Reader, field: str) -> Decimal:
    if not _AMOUNT.fullmatch(amount):
        raise Malformed(_path(thing, field))
    return Decimal(amount)


def _path(thing: Reader, field: str) -> str:
    return f"{thing.path}.{field}" if thing.path else field
