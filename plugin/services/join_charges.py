"""Join a store's sales with the charges that a gateway took for them, so that it can refund them.

For stores that have no API for refunds. Pure over what was read: it asks nobody, keeps nothing and
chooses never: where two charges or two sales fit, a person does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import timedelta

from plugin.domain.ids import InstallationId
from plugin.domain.orders import Order, OrderRef, RefundRoute
from plugin.ports.records import Installation

CHARGE_WINDOW = timedelta(minutes=15)
"""A sale and the gateway's charge for it are made within this time."""

TAKER = "card_payments"
"""The install field in which an admin says, by name, which platform takes a store's payments."""

Installed = Callable[[InstallationId], Installation | None]


def join_charges(
    orders: Iterable[Order], gateways: Collection[InstallationId], installed: Installed
) -> tuple[Order, ...]:
    """Join sales that only a person can refund with the gateway's own charge for them.

    A charge fits when the sale's installation says that this gateway's platform takes its payments
    and the sale itself names no other; when address, amount and currency are the same; and when
    both were made within `CHARGE_WINDOW`. Only a single fit joins; the gateway's own order is then
    shown no more. Two charges that fit one sale, or two sales one charge, stay as they are.
    """
    orders = tuple(orders)
    charges = [
        order
        for order in orders
        if order.ref.installation in gateways
        and any(p.route is RefundRoute.BY_API for p in order.payments)
    ]
    sales = [
        order
        for order in orders
        if any(payment.route is RefundRoute.BY_HAND for payment in order.payments)
    ]
    joined: dict[OrderRef, Order] = {}
    used: set[OrderRef] = set()
    for sale in sales:
        fits = [charge for charge in charges if _fits(sale, charge, installed)]
        if len(fits) == 1 and sum(_fits(other, fits[0], installed) for other in sales) == 1:
            used.add(fits[0].ref)
            joined[sale.ref] = replace(sale, payments=fits[0].payments)
    return tuple(joined.get(order.ref, order) for order in orders if order.ref not in used)


def _fits(sale: Order, charge: Order, installed: Installed) -> bool:
    return (
        sale.ref.installation != charge.ref.installation
        and sale.customer == charge.customer
        and sale.currency == charge.currency
        and sale.captured == charge.captured
        and abs(sale.bought_at - charge.bought_at) <= CHARGE_WINDOW
        and _takes(charge.ref.installation, sale, installed)
    )


def _takes(gateway: InstallationId, sale: Order, installed: Installed) -> bool:
    """Whether that account's platform took the payment, by the admin's word and the sale's own."""
    taker, store = installed(gateway), installed(sale.ref.installation)
    if taker is None or store is None:
        return False
    platform = _letters(taker.connection.platform)
    told = (payment.processor for payment in sale.payments)
    return _letters(store.connection.settings.get(TAKER, "")) == platform and all(
        platform in _letters(processor) for processor in told if processor is not None
    )


def _letters(name: str) -> str:
    """A name without what people write differently: `Good Pay`, `good_pay`, `goodpay`."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())
