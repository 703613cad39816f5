"""Which lines of an order a refund names, so that Shopify's own books show what went back. Pure.

Lines are words beside the money: the transaction alone moves it, in the amount that was confirmed.
They are named only where Shopify's suggestion gives them, whole, the very same amount. Else the
refund names none, and Shopify shows the difference as a discrepancy.
https://shopify.dev/docs/api/admin-graphql/latest/objects/SuggestedRefund
"""

from __future__ import annotations

from plugin.domain.errors import InvalidInput
from plugin.domain.money import Money, total, zero
from plugin.domain.refunds import Refund
from plugin.platforms.shopify_words import id_of
from plugin.platforms.strict_json import JsonValue, Malformed, Reader
from plugin.stores.shopify.orders import amount_of


def lines_of(order: Reader, refund: Refund) -> list[JsonValue]:
    """`refundLineItems` of RefundInput: the lines that end with the refund, or none of them.

    A line is what is left of it there. Shipping, duties and what was refunded without lines before
    belong to no line: an amount with any of that in it does not fit.
    """
    try:
        suggested = order.optional_section("suggestedRefund")
        if suggested is None or not refund.ends:
            return []
        return _fitting(suggested, refund, is_taxed_apart=not order.boolean("taxesIncluded"))
    except (Malformed, InvalidInput):
        return []  # words beside the money must not hold it up


def _fitting(suggested: Reader, refund: Refund, *, is_taxed_apart: bool) -> list[JsonValue]:
    listed = {
        id_of(one.text("lineItem", "id")): (
            one.integer("quantity"),
            _amount(one, "subtotalSet", "totalTaxSet" if is_taxed_apart else None),
        )
        for one in suggested.items("refundLineItems")
        if one.integer("quantity") > 0
    }
    shipping = _amount(
        suggested.section("shipping"), "amountSet", "taxSet" if is_taxed_apart else None
    )
    currency = refund.amount.currency
    whole = total((amount for _, amount in listed.values()), currency) + shipping
    ending = {line.ref for line, _ in refund.ends}
    if whole != amount_of(suggested, "amountSet") or not ending <= listed.keys():
        return []
    if total((listed[ref][1] for ref in ending), currency) != refund.amount:
        return []
    return [
        {
            "lineItemId": f"gid://shopify/LineItem/{ref}",
            "quantity": listed[ref][0],
            "restockType": "NO_RESTOCK",
        }
        for ref in sorted(ending)
    ]


def _amount(thing: Reader, field: str, tax: str | None) -> Money:
    amount = amount_of(thing, field)
    return amount + (zero(amount.currency) if tax is None else amount_of(thing, tax))
