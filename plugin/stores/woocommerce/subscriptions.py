"""Subscriptions of the Subscriptions extension: which order began one, how it stands, its end.

The extension is sold apart: where it is not installed its address is unknown to the shop, and so
there are none. A renewal's order names its subscription itself; the first order does not, and is
named by the subscription as its parent.
https://woocommerce.github.io/subscriptions-rest-api-docs/
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from plugin.domain.errors import OutcomeUnknown, Refused, RetryLater
from plugin.domain.events import StoreEvent, SubscriptionNews
from plugin.domain.ids import InstallationId
from plugin.domain.orders import Order, Subscription, SubscriptionStatus
from plugin.platforms.http_client import Answer
from plugin.platforms.strict_json import JsonObject, Reader
from plugin.platforms.woocommerce_subscriptions import end_of, status_of, subscription_news
from plugin.ports import Changed, Contact
from plugin.stores.woocommerce.account import (
    PAGE,
    Account,
    at,
    error_code,
    read_ok,
    refusal,
    understood,
)

FOLDER: Final = "subscriptions"


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """The subscriptions at one shop."""

    account: Account
    installation: InstallationId

    def read(self, contact: Contact, ref: str) -> Subscription | None:
        """None also where the extension is not installed. One call."""
        body = self.account.read("subscription.read", at(FOLDER, ref), of_extension=True)
        if body is None:
            return None
        with understood(RetryLater):
            if contact.ref is not None and body.identifier("customer_id") != contact.ref:
                raise Refused("subscription_of_another_customer", ref)
            return self._told(body)

    def cancel(self, contact: Contact, ref: str, *, at_once: bool) -> Changed:
        """By `transition_status`, which sets the dates too: a plain `status` does not.

        https://woocommerce.github.io/subscriptions-rest-api-docs/#update-a-subscription
        """
        before = self.read(contact, ref)
        if before is None or before.status is SubscriptionStatus.ENDED:
            return Changed.ALREADY
        if before.status is SubscriptionStatus.ENDING and not at_once:
            return Changed.ALREADY
        wanted: JsonObject = {"transition_status": "cancelled" if at_once else "pending-cancel"}
        return changed(self.account.write("PUT", "subscription.cancel", at(FOLDER, ref), wanted))

    def name_first(self, orders: Sequence[Order]) -> Sequence[Order]:
        """The orders; one that began a subscription names it. At most one call.

        Of one customer: who has an account, since guests have no subscriptions.
        """
        customers = [one.contact for one in orders if one.contact and one.subscription is None]
        if not customers:
            return orders
        asked = [("customer", customers[0]), ("per_page", str(PAGE))]
        answer = self.account.get("subscription.list", f"/{FOLDER}", asked)
        is_no_word = answer.status == 404 and error_code(answer) is None
        if 400 <= answer.status < 500 and answer.status != 401 and not is_no_word:
            return orders  # no such extension, or not for this key; 401 is a key that ended
        with understood(RetryLater):
            told = read_ok(answer).items()
            return [self._begun(order, told) for order in orders]

    def _begun(self, order: Order, told: Sequence[Reader]) -> Order:
        """Of several that one order began none is named: only one of them would be ended."""
        mine = [one for one in told if one.identifier("parent_id") == order.ref.ref]
        if len(mine) != 1 or order.subscription is not None:
            return order
        [body] = mine
        subscription = self._told(body)
        renewed = {item.identifier("product_id") for item in body.items("line_items")}
        lines = tuple(
            replace(line, subscription=subscription.ref) if line.product in renewed else line
            for line in order.lines
        )
        is_over = subscription.status is SubscriptionStatus.ENDED
        if is_over and any(line.product and line.subscription is None for line in lines):
            return order  # what was bought for good beside it is still paid
        return replace(order, lines=lines, subscription=subscription)

    def news_of(self, event: SubscriptionNews) -> StoreEvent:
        """What the shop says now of a subscription that was moved to the bin. One call.

        Where it is gone for good the event stays as it is, and names nobody.
        """
        body = self.account.read(
            "subscription.read", at(FOLDER, event.subscription), of_extension=True
        )
        if body is None:
            return event
        with understood(RetryLater):
            return subscription_news(body, self.installation)

    def is_installed(self) -> bool:
        """Whether the shop has the extension, and this key may read of it. One call."""
        answer = self.account.get("subscription.try", f"/{FOLDER}", [("per_page", "1")])
        if 400 <= answer.status < 500:
            return False
        read_ok(answer)
        return True

    def _told(self, body: Reader) -> Subscription:
        status = status_of(body)
        until = end_of(body) if status is SubscriptionStatus.ENDING else None
        return Subscription(self.installation, body.identifier("id"), status, until)


def changed(answer: Answer) -> Changed:
    """What is gone already is as wanted."""
    if not answer.is_ok and error_code(answer) is None:
        raise OutcomeUnknown("server_error", f"HTTP {answer.status}")
    if answer.status == 404:
        return Changed.ALREADY
    if not answer.is_ok:
        raise refusal(answer)
    return Changed.DONE
