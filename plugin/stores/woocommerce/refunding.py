"""One refund at a WooCommerce shop: what is sent, what its answer means, how it is found again.

At most three calls: the order, its refunds, the refund. The shop writes a row first, then calls its
gateway, then marks the row as paid (`refunded_payment`), then closes the downloads of the products
that the refund's `line_items` name. So a line is named only when its access ends with the refund.
https://woocommerce.github.io/woocommerce-rest-api-docs/#create-a-refund
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

from plugin.domain.errors import OutcomeUnknown, Refused, RetryLater
from plugin.domain.money import Money, total
from plugin.domain.orders import Order
from plugin.domain.refunds import (
    Ambiguous,
    Declined,
    Found,
    LookUp,
    NotFound,
    Pending,
    Refund,
    RefundAnswer,
    Succeeded,
)
from plugin.platforms.http_client import Answer
from plugin.platforms.strict_json import JsonObject, JsonValue, Reader
from plugin.platforms.woocommerce_orders import (
    SOLD,
    back_of,
    moment,
    places_of,
    read_order,
    reference_of,
    written,
)
from plugin.ports import Clock, Connection
from plugin.stores.woocommerce.account import (
    PAGE,
    Account,
    at,
    error_code,
    refusal,
    says,
    understood,
)

SAID_NO = "woocommerce_rest_cannot_create_order_refund"
"""The one code that a 500 carries when the shop or its gateway refused: the row is deleted then.

Also where an extension threw after the gateway had paid, so a person looks there before paying.

Any other 500 may come after the payment, also one in JSON: PHP broke off on the way.
"""
GATEWAY_CANNOT = "does not support automatic refunds"
"""What such a no says of a gateway that cannot refund, where the shop speaks English."""
READS_WITHIN = timedelta(seconds=15)
"""After that long nothing is sent: the call must be over before somebody else looks at it."""
SETTLES_WITHIN = timedelta(minutes=15)
"""A row that is not marked as paid by then: the shop broke off, and the gateway may have paid."""


class Refunding:
    """Refunds of one shop's orders."""

    def __init__(self, account: Account, connection: Connection, clock: Clock) -> None:
        self._account = account
        self._installation = connection.installation
        self._clock = clock

    def refund(self, refund: Refund) -> RefundAnswer:
        """Send it once, unless it stands there already or cannot be.

        A no of the gateway leaves a person to do it by hand, after a look at the gateway: the shop
        says no in the same words where an extension broke off after it had paid.
        """
        begun, ref = self._clock.now(), refund.payment.ref
        body = _asked(self._account.read("order.read", at("orders", ref)))
        rows = self._rows(ref)
        if self._clock.now() - begun > READS_WITHIN:
            raise RetryLater("reads_took_too_long", refund.id)
        with understood(RetryLater):
            found = self._found(rows, refund)
            if isinstance(found, Found):
                return found.answer
            if isinstance(found, Ambiguous):
                raise OutcomeUnknown("several_refunds_match", refund.id)
            order = read_order(body, self._installation, self._clock.now(), per_line=rows)
            if order is None:
                return Declined("order_not_paid")
            amount = written(refund.amount, places_of(body.text("total")))
            if refund.amount.currency != order.currency or amount is None:
                return Declined("amount_not_writable", by_hand=True)
            if order.captured - order.refunded < refund.amount:
                return Declined("amount_too_high")
            form: JsonObject = {
                "amount": amount,
                "reason": f"Refund {refund.key}",
                "api_refund": True,
                "api_restock": False,
                "line_items": _line_items(body, order, refund),
            }
        path = f"{at('orders', ref)}/refunds"
        return self._answer(refund, self._account.write("POST", "refund.create", path, form))

    def _answer(self, refund: Refund, answer: Answer) -> RefundAnswer:
        if answer.is_ok:
            with understood(OutcomeUnknown):
                row = Reader(answer.json())
                if reference_of(row.optional_text("reason")) != refund.key:
                    raise OutcomeUnknown("answer_of_another_refund", refund.id)
                sent = _as_sent(row, refund)
            if sent is None:
                raise OutcomeUnknown("refund_of_another_amount", refund.id)
            return sent
        code = error_code(answer)
        if answer.status == 500 and code == SAID_NO:
            cannot = says(answer, GATEWAY_CANNOT)
            return Declined("not_by_api" if cannot else "store_said_no", by_hand=True)
        if answer.status in (401, 403) and code is not None:
            raise refusal(answer)
        if answer.status >= 500 or code is None:
            raise OutcomeUnknown("server_error", f"HTTP {answer.status}")
        return Declined(code)

    def look_up(self, refund: Refund) -> LookUp:
        """Our key among the order's refunds. RetryLater also where the shop refuses to tell."""
        try:
            rows = self._rows(refund.payment.ref)
        except Refused as error:
            raise RetryLater("look_up_refused", error.code) from None
        with understood(RetryLater):
            return self._found(rows, refund)

    def _rows(self, order: str) -> Sequence[Reader]:
        return self._account.read_list("refund.list", f"{at('orders', order)}/refunds")

    def _found(self, rows: Sequence[Reader], refund: Refund) -> LookUp:
        """A row of any attempt of ours paid for the same intent, so it counts."""
        ours = re.compile(rf"mg-{re.escape(refund.id)}-a[1-9][0-9]*", re.ASCII)
        found = [
            row for row in rows if ours.fullmatch(reference_of(row.optional_text("reason")) or "")
        ]
        if not found:
            # Beyond a full page ours could stand, so a person decides.
            return Ambiguous(0) if len(rows) >= PAGE else NotFound()
        if len(found) > 1:
            return Ambiguous(len(found))
        answer = _as_sent(found[0], refund)
        age = self._clock.now() - moment(found[0], "date_created_gmt")
        if answer is None or (isinstance(answer, Pending) and age > SETTLES_WITHIN):
            return Ambiguous(1)
        return Found(answer)


def _as_sent(row: Reader, refund: Refund) -> RefundAnswer | None:
    """Where a row of ours stands; None where it is of another amount than was sent."""
    if back_of(row.text("amount"), refund.amount.currency, row, "amount") != refund.amount:
        return None
    ref = str(row.integer("id"))
    return Succeeded(ref) if row.optional_boolean("refunded_payment") else Pending(ref)


def _asked(body: Reader | None) -> Reader:
    if body is None:
        raise Refused("order_gone")
    return body


def _line_items(body: Reader, order: Order, refund: Refund) -> list[JsonValue]:
    """What of the amount is whose line, price and each tax apart. Whole rest: every line."""
    left = {line.ref: line.left for line in order.lines}
    ends = {ref: amount for ref, amount in refund.ends if ref in left}
    if refund.amount == total(left.values(), order.currency):
        ends = left  # the order is refunded then, and all its downloads close whatever is named
    places = places_of(body.text("total"))
    items = {
        item.identifier("id"): item for kind in SOLD for item in body.optional_items(kind) or ()
    }
    found: list[JsonValue] = []
    for ref, amount in sorted(ends.items()):
        item = items.get(ref.ref)
        if item is not None and amount:
            whole = amount == order.line(ref).paid
            found.append(_line_item(item, amount, places, whole=whole))
    return found


def _line_item(item: Reader, amount: Money, places: int, *, whole: bool) -> JsonObject:
    currency = amount.currency
    taxes = [tax for tax in item.optional_items("taxes") or () if tax.optional_text("total")]
    parts = [back_of(item.text("total"), currency, item, "total")]
    parts += [back_of(tax.text("total"), currency, tax, "total") for tax in taxes]
    weights = [part.minor for part in parts]
    shares = amount.split(weights if sum(weights) else [1, *(0 for _ in taxes)])
    line: JsonObject = {
        "id": item.integer("id"),
        "refund_total": _text(shares[0], places),
        "refund_tax": [
            {"id": tax.integer("id"), "refund_total": _text(share, places)}
            for tax, share in zip(taxes, shares[1:], strict=True)
        ],
    }
    if whole:
        line["quantity"] = item.optional_integer("quantity") or 1
    return line


def _text(amount: Money, places: int) -> str:
    """A part of a line may be finer than the shop writes totals; it is kept as it stands."""
    return written(amount, places) or amount.decimal()
