"""What each line of an order was paid with, where the store tells only what the whole order cost.

Pure. A store may tell an order line by line, each time with the total of all of them: no telling
alone says how much of the taxes, the shipping or the discount is the line's own. It never makes the
lines cost more than was captured, and changes no order whose lines told their own amounts.
"""

from __future__ import annotations

from dataclasses import replace

from plugin.domain.money import Money
from plugin.domain.orders import Line, LineRef, Order


def share_total(order: Order) -> Order:
    """`order` with all that was captured shared between its lines, in proportion to list prices.

    Only where more than one line is known and one of them has a list price (`Line.listed`). It goes
    by list prices and never by earlier shares, so neither order nor number of tellings matters.
    What went back for a line is at the most its share; the payments tell of the rest.
    """
    prices = {line.ref: _price(line).minor for line in sorted(order.lines, key=_by_ref)}
    is_shared = len(prices) > 1 and any(line.listed is not None for line in order.lines)
    if not is_shared or not order.payments or not sum(prices.values()):
        return order
    shares = dict(zip(prices, order.captured.split(list(prices.values())), strict=True))
    return replace(
        order,
        lines=tuple(
            replace(
                line,
                paid=shares[line.ref],
                refunded=line.refunded.clamp(shares[line.ref]),
                listed=_price(line),  # else the next sharing would go by this share
            )
            for line in order.lines
        ),
    )


def _price(line: Line) -> Money:
    return line.paid if line.listed is None else line.listed


def _by_ref(line: Line) -> LineRef:
    return line.ref
