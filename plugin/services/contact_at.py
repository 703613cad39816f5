"""Whom a store is asked about: a customer's address, the store's own id for her. Asks nobody."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from plugin.domain.ids import CustomerKey, InstallationId, address_of
from plugin.domain.orders import Order, OrderRef
from plugin.ports import Contact


def contact_at(
    store: InstallationId,
    customer: CustomerKey,
    orders: Sequence[Order],
    about: Collection[OrderRef] = (),
) -> Contact | None:
    """The customer as `store` knows her, by what she bought last of what told its id for her.

    With the id the right person is found even after she changed her address. She may have more than
    one account under her address: where it is known what it is `about`, the account that bought
    that counts. Else the later one does, in whatever order `orders` are: the account before it may
    be closed, and what is not found there would be told as gone. None where there is neither an id
    nor an address: whatever the store would say, it would be of somebody else.
    """
    told = [
        order for order in orders if order.contact is not None and order.ref.installation == store
    ]
    told = [order for order in told if order.ref in about] or told
    last = max(told, key=lambda order: (order.bought_at, order.ref), default=None)
    ref = None if last is None else last.contact
    address = address_of(customer)
    return Contact(address, ref) if ref or address else None


def contacts_at(
    store: InstallationId,
    customer: CustomerKey,
    orders: Sequence[Order],
    about: Collection[OrderRef],
) -> tuple[Contact, ...]:
    """Each of her accounts at `store` that bought any of `about`; none where `contact_at` is."""
    address = address_of(customer)
    named = {
        order.contact
        for order in orders
        if order.contact and order.ref.installation == store and order.ref in about
    }
    if named:
        return tuple(Contact(address, ref) for ref in sorted(named))
    last = contact_at(store, customer, orders)
    return () if last is None else (last,)
