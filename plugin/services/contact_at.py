"""Whom a store is asked about: a customer's address, the store's own id for her. Asks nobody."""

from __future__ import annotations

from collections.abc import Sequence

from plugin.domain.ids import CustomerKey, InstallationId, address_of
from plugin.domain.orders import Order
from plugin.ports import Contact


def contact_at(
    store: InstallationId, customer: CustomerKey, orders: Sequence[Order]
) -> Contact | None:
    """The customer as `store` knows her, by what she bought last of what told its id for her.

    With the id the right person is found even after she changed her address. Of two the later one
    counts, in whatever order `orders` are: the account before it may be closed, and what is not
    found there would be told as gone. None where there is neither an id nor an address: whatever
    the store would say, it would be of somebody else.
    """
    told = [
        order for order in orders if order.contact is not None and order.ref.installation == store
    ]
    last = max(told, key=lambda order: (order.bought_at, order.ref), default=None)
    ref = None if last is None else last.contact
    address = address_of(customer)
    return Contact(address, ref) if ref or address else None
