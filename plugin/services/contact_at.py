"""Whom a store is asked about: a customer's address, the store's own id for her. Asks nobody."""

from __future__ import annotations

from collections.abc import Sequence

from plugin.domain.ids import CustomerKey, InstallationId, address_of
from plugin.domain.orders import Order
from plugin.ports import Contact


def contact_at(
    store: InstallationId, customer: CustomerKey, orders: Sequence[Order]
) -> Contact | None:
    """The customer as `store` knows her, by the newest of her `orders` that told its id for her.

    With the id the right person is found even after she changed her address. None where there is
    neither an id nor an address: whatever the store would say, it would be of somebody else.
    """
    told = [
        order.contact
        for order in orders
        if order.contact is not None and order.ref.installation == store
    ]
    ref, address = told[-1] if told else None, address_of(customer)
    return Contact(address, ref) if ref or address else None
