"""What an event means once its shop was asked: its order or customer is read again, in one call.

An app in several shops signs all with one secret, so what is said of a sale or of the app's end
must hold in this shop. An order that is older than our rights is not found: then news of its
refunds and disputes stand as told. It changes nothing at the shop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from plugin.domain.errors import Refused
from plugin.domain.events import (
    AccountClosed,
    DisputeNews,
    Irrelevant,
    PaymentRefunded,
    RightsChanged,
    SaleMade,
    StoreEvent,
    TagNews,
    Unrecognised,
)
from plugin.domain.orders import Order
from plugin.platforms.shopify_words import order_and_transaction
from plugin.stores.shopify.access import Access
from plugin.stores.shopify.account import Account


@dataclass(frozen=True, slots=True)
class Confirming:
    """Reads events of one shop again. `addresses` are those of customers who were read already."""

    account: Account
    access: Access
    read_order: Callable[[str], Order | None]
    check_rights: Callable[[], str]
    addresses: dict[str, str | None] = field(default_factory=dict)

    def __call__(self, event: StoreEvent) -> StoreEvent:
        """The event as it is in this shop. Raises Refused for a sale of another shop."""
        match event:
            case SaleMade(order):
                found = self.read_order(order.ref.ref)
                # A sale among the news has no lines: what cannot be read again is none.
                if found is None and (order.paid or not order.lines):
                    raise Refused("not_in_this_account", order.ref.ref)
                return SaleMade(found or order)
            case AccountClosed():
                return self._closed(event)
            case RightsChanged():
                return self._rights()
            case PaymentRefunded():
                return self._refund(event)
            case DisputeNews():
                named = order_and_transaction(event.payment)
                ref = event.payment.ref if named is None else named[0]
                order_now = self.read_order(ref)
                held = [one for one in order_now.payments if one.disputed] if order_now else []
                payment = held[0].ref if held else event.payment
                return replace(event, order=order_now, payment=payment)
            case TagNews(email=customer):
                # One delivery may name many tags, of one customer.
                if customer not in self.addresses:
                    self.addresses[customer] = self.access.address(customer)
                address = self.addresses[customer]
                if address is None:
                    return Irrelevant("customer tags", "of a customer without an address here")
                return replace(event, email=address)
            case _:
                return event

    def _closed(self, event: AccountClosed) -> StoreEvent:
        """Where the shop still lets the app in, it left another shop, or came back since."""
        try:
            self.account.ask("account.read")
        except Refused:
            return event
        return Unrecognised("app/uninstalled, of a shop that still lets the app in")

    def _rights(self) -> StoreEvent:
        """As they are in this shop now, whatever it told and when."""
        try:
            self.check_rights()
        except Refused as error:
            if error.code != "right_missing":
                raise
            return RightsChanged(error.detail)
        return RightsChanged("")

    def _refund(self, event: PaymentRefunded) -> StoreEvent:
        named = order_and_transaction(event.payment)
        order = None if named is None else self.read_order(named[0])
        if order is None:
            return event
        whole = order.refunded == order.captured
        for seen in order.refunds:
            if seen.ref == event.refund:
                return replace(
                    event,
                    payment=seen.payment,
                    amount=seen.amount,
                    state=seen.state,
                    reference=seen.reference or event.reference,
                    whole=whole,
                    order=order,
                )
        return replace(event, order=order)
