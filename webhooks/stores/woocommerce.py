"""What a WooCommerce shop's order webhook means: a sale, and each refund that its order lists.

Pure. The body is the order as it stands when it is sent, so it says the same whatever happened to
it, in whatever order it comes. There is no refund topic: a refund is an entry more in the order's
`refunds`, whose list runs either way. When money went back, and whether the gateway or a person
paid it, is read back by the adapter's `confirm`.
https://woocommerce.github.io/woocommerce-rest-api-docs/#webhooks
"""

from __future__ import annotations

from plugin.domain.events import PaymentRefunded, SaleMade, StoreEvent, Unrecognised
from plugin.domain.ids import InstallationId
from plugin.domain.money import MAX_MINOR, InvalidAmount
from plugin.domain.orders import PaymentRef, RefundStage
from plugin.platforms.strict_json import JsonValue, Malformed, Reader
from plugin.platforms.woocommerce_orders import moment, read_order, refund_rows
from webhooks.delivery import Delivery

TOPIC = "order.updated"


def parse(delivery: Delivery, installation: InstallationId, body: JsonValue) -> list[StoreEvent]:
    """The sale and its refunds; empty where nothing was paid. Raises Malformed.

    What was read from the shop's list of orders comes without a topic and is an order too.
    """
    topic = delivery.header("X-WC-Webhook-Topic")
    if topic not in (None, TOPIC):
        return [Unrecognised(topic[:60])]
    order = Reader(body)
    try:
        sale = read_order(order, installation, delivery.received_at)
        rows = refund_rows(order)
    except InvalidAmount:
        # Amounts that cannot be added up: together they are more than any order.
        raise Malformed(f"amounts over {MAX_MINOR}") from None
    if sale is None:
        return []
    at = moment(order, "date_modified_gmt")
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
