"""What a WooCommerce shop's webhooks mean: a sale, its refunds, and how a subscription stands.

Pure. The body is the order or the subscription as it stands when it is sent, so it says the same
whatever happened to it, in whatever order it comes. There is no refund topic: a refund is an entry
more in the order's `refunds`, whose list runs either way. When money went back, and whether the
gateway or a person paid it, is read back by the adapter's `confirm`; so is a subscription in the
bin, of which only the number is sent.
https://woocommerce.github.io/woocommerce-rest-api-docs/#webhooks
"""

from __future__ import annotations

from datetime import datetime

from plugin.domain.events import (
    PaymentRefunded,
    SaleMade,
    StoreEvent,
    SubscriptionNews,
    Unrecognised,
)
from plugin.domain.ids import InstallationId
from plugin.domain.money import MAX_MINOR, InvalidAmount
from plugin.domain.orders import PaymentRef, RefundStage
from plugin.platforms.strict_json import JsonValue, Malformed, Reader
from plugin.platforms.woocommerce_orders import moment, read_order, refund_rows
from plugin.platforms.woocommerce_subscriptions import subscription_news
from webhooks.delivery import Delivery

TOPICS = frozenset({"order.updated", "subscription.updated", "subscription.deleted"})


def parse(delivery: Delivery, installation: InstallationId, body: JsonValue) -> list[StoreEvent]:
    """The events of one delivery; none where nothing was paid. Raises Malformed.

    What was read from the shop's list of orders comes without a topic and is an order too.
    """
    topic = delivery.header("X-WC-Webhook-Topic")
    match topic:
        case None | "order.updated":
            return _order_news(Reader(body), installation)
        case "subscription.updated":
            return [subscription_news(Reader(body), installation)]
        case "subscription.deleted":
            return [_binned(Reader(body), installation, delivery.received_at)]
        case _:
            return [Unrecognised(topic[:60])]


def _binned(body: Reader, installation: InstallationId, at: datetime) -> StoreEvent:
    return SubscriptionNews(
        installation, body.identifier("id"), email="", ended=True, ends_at=None, at=at
    )


def _order_news(order: Reader, installation: InstallationId) -> list[StoreEvent]:
    """The sale and its refunds."""
    # As it stood when it was changed last: of two bodies the later one may come first.
    at = moment(order, "date_modified_gmt")
    try:
        sale = read_order(order, installation, at)
        rows = refund_rows(order)
    except InvalidAmount:
        # Amounts that cannot be added up: together they are more than any order.
        raise Malformed(f"amounts over {MAX_MINOR}") from None
    if sale is None:
        return []
    payment = PaymentRef(installation, sale.ref.ref)
    return [
        SaleMade(sale),
        *(
            PaymentRefunded(
                payment=payment,
                refund=row.ref,
                amount=row.amount,
                state=RefundStage.SUCCEEDED,
                at=at,
                reference=row.reference,
                whole=row.whole,
                order=sale,
            )
            for row in rows
        ),
    ]
