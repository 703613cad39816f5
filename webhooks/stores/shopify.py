"""What Shopify's webhooks mean in our words: sales, refunds, disputes, tags, the end of the app.

Tables and field mapping, pure. Bodies are shaped as the old REST resources, whatever the topic; the
topic stands in a header. `refunds/create` tells that a refund was written down, "independent of the
movement of money": so every topic gives one event per transaction, with the transaction's own state
and its id as the refund's. It never decides: what a body leaves open is read back by the adapter's
`confirm`. https://shopify.dev/docs/api/webhooks/latest

Examples round large ids (`id` is a float's worth of digits): where the whole id stands beside it in
`admin_graphql_api_id`, that is taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from plugin.domain.errors import InvalidInput
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
from plugin.domain.ids import InstallationId
from plugin.domain.money import Money, zero
from plugin.domain.orders import (
    Line,
    LineRef,
    Order,
    OrderRef,
    PaymentRef,
    Resource,
    ResourceKind,
    buyer_key,
)
from plugin.platforms.shopify_words import (
    DISPUTE_STATES,
    TRANSACTION_STATES,
    id_of,
    moment,
    payment_ref,
    read_amount,
    read_note,
)
from plugin.platforms.strict_json import JsonValue, Malformed, Reader
from webhooks.delivery import Delivery

_TOPIC = re.compile(r"[a-z_]{1,60}[/.][a-z_]{1,60}")


@dataclass(frozen=True, slots=True)
class _Source:
    topic: str
    installation: InstallationId
    received_at: datetime


def parse(delivery: Delivery, installation: InstallationId, body: JsonValue) -> list[StoreEvent]:
    """Return what one delivery says; empty where another topic says it.

    `body` was read strictly and its signature checked. Raises Malformed where a body of a known
    topic lacks what it must have.
    """
    topic = delivery.header("x-shopify-topic")
    if topic is None:
        topic, body = _listed(body)
    if not _TOPIC.fullmatch(topic):
        return [Unrecognised("a delivery without a readable X-Shopify-Topic")]
    why = _NOTHING_TO_US.get(topic, _NOTHING_TO_US.get(topic.partition("/")[0]))
    if why is not None:
        return [Irrelevant(topic, why)]
    read = _READERS.get(topic)
    if read is None:
        return [Unrecognised(topic)]
    try:
        return read(_Source(topic, installation, delivery.received_at), Reader(body))
    except InvalidInput as error:
        raise Malformed(error.field) from None


def _listed(body: JsonValue) -> tuple[str, JsonValue]:
    """Topic and body of what the adapter found in a list (`plugin.stores.shopify.news`)."""
    if isinstance(body, dict) and body.keys() == {"topic", "told"}:
        return Reader(body).text("topic"), body["told"]
    return "", body


def _read_refund(source: _Source, body: Reader) -> list[StoreEvent]:
    order = body.identifier("order_id")
    note = read_note(body.optional_text("note"))
    return [
        event
        for one in body.optional_items("transactions") or ()
        for event in _refunded(source, one, order, None if note is None else note[1])
    ]


def _read_transaction(source: _Source, body: Reader) -> list[StoreEvent]:
    return _refunded(source, body, body.identifier("order_id"), None)


def _read_updated_order(source: _Source, body: Reader) -> list[StoreEvent]:
    """The refunds that the order lists: news of each, again and again, that say the same thing."""
    return [
        event
        for refund in body.optional_items("refunds") or ()
        for event in _read_refund(source, refund)
    ]


def _refunded(
    source: _Source, transaction: Reader, order: str, reference: str | None
) -> list[StoreEvent]:
    """What a transaction says of a refund. One that takes money says nothing here."""
    if transaction.text("kind") != "refund":
        return []
    parent = transaction.optional_identifier("parent_id")
    state = TRANSACTION_STATES.get((transaction.optional_text("status") or "").upper())
    if parent is None or state is None:
        missing = "payment" if parent is None else "status"
        return [Unrecognised(f"{source.topic}: {missing}")]
    told = transaction.optional_text("processed_at") or transaction.optional_text("created_at")
    return [
        PaymentRefunded(
            payment=payment_ref(source.installation, order, parent),
            refund=_id(transaction),
            amount=_amount(transaction, transaction.text("currency")),
            state=state,
            at=source.received_at if told is None else moment(told),
            reference=reference,
            reason=(transaction.optional_text("error_code") or "")[:64],
        )
    ]


def _read_dispute(source: _Source, body: Reader) -> list[StoreEvent]:
    """News of a chargeback. It names the order and no payment; an inquiry holds no money."""
    if body.optional_text("type") == "inquiry":
        return []
    order = body.optional_identifier("order_id")
    status = body.text("status")
    state = DISPUTE_STATES.get(status.upper())
    if order is None or state is None:
        return [Unrecognised(f"{source.topic}: {'order' if order is None else 'status'}")]
    told = body.optional_text("finalized_on") or body.optional_text("initiated_at")
    return [
        DisputeNews(
            payment=PaymentRef(source.installation, order),
            dispute=body.identifier("id"),
            amount=_amount(body, body.text("currency")),
            state=state,
            at=source.received_at if told is None else moment(told),
        )
    ]


def _read_paid_order(source: _Source, body: Reader) -> list[StoreEvent]:
    """A sale as far as the body tells it: its payments are not in it."""
    currency = body.optional_text("presentment_currency") or body.text("currency")
    total = _in(body.section("total_price_set"), currency)
    ref = OrderRef(source.installation, _id(body))
    email = body.optional_text("email") or ""
    customer = body.optional_section("customer")
    contact = None if customer is None else _id(customer)
    items = body.items("line_items")
    prices = [_price(item, currency).minor for item in items]
    parts = total.split(prices if any(prices) else [1] * len(items)) if items else ()
    return [
        SaleMade(
            Order(
                ref=ref,
                number=body.text("name").removeprefix("#"),
                customer=buyer_key(email, ref, contact),
                email=email,
                name="" if customer is None else _name(customer),
                bought_at=moment(body.optional_text("processed_at") or body.text("created_at")),
                currency=currency,
                lines=tuple(
                    Line(
                        ref=LineRef(ref, _id(item)),
                        title=item.text("title"),
                        product=item.optional_identifier("product_id") or "",
                        paid=parts[index],
                        refunded=zero(currency),
                    )
                    for index, item in enumerate(items)
                ),
                payments=(),
                read_at=source.received_at,
                contact=contact,
            )
        )
    ]


def _read_tags(source: _Source, body: Reader) -> list[StoreEvent]:
    """Names a customer and no address: the id stands in its place until it is read back."""
    customer = f"gid://shopify/Customer/{id_of(body.text('customerId'))}"
    tags = [tag.text() for tag in body.items("tags")]
    return [
        TagNews(
            email=customer,
            tag=Resource(source.installation, ResourceKind.TAG, tag, tag),
            added=source.topic.endswith("added"),
            at=moment(body.text("occurredAt")),
        )
        for tag in tags
    ]


def _read_uninstalled(source: _Source, body: Reader) -> list[StoreEvent]:
    body.identifier("id")
    return [AccountClosed(source.received_at)]


def _read_scopes(_source: _Source, body: Reader) -> list[StoreEvent]:
    """Names the scopes before and now: those that were taken away are missing."""
    before, now = ({scope.text() for scope in body.items(name)} for name in ("previous", "current"))
    return [RightsChanged(", ".join(sorted(before - now)))]


_WISHES: Mapping[str, str] = MappingProxyType(
    {
        "customers/data_request": "tell this customer what is kept of them, by hand",
        "customers/redact": "erase this customer, by hand",
        "shop/redact": "erase this shop's customers, by hand",
    }
)
"""https://shopify.dev/docs/apps/build/compliance/privacy-law-compliance: within 30 days."""


def _read_compliance(source: _Source, body: Reader) -> list[StoreEvent]:
    """A customer's or shop's wish that only a person fulfils: kept, and shown with what to do."""
    body.identifier("shop_id")
    return [Unrecognised(f"{source.topic}: {_WISHES[source.topic]}, within 30 days")]


_NOTHING_TO_US: Mapping[str, str] = MappingProxyType(
    {
        "orders/cancelled": "a refund of it is told by itself",
        "returns": "a refund of it is told by itself",
        "subscription_contracts": "an app's own contracts, and Makegood makes none",
    }
)
"""Topics that are known and not subscribed: they move no money, and end nothing that is here."""

_Read = Callable[[_Source, Reader], list[StoreEvent]]
_READERS: Mapping[str, _Read] = MappingProxyType(
    {
        "orders/paid": _read_paid_order,
        "orders/updated": _read_updated_order,
        "refunds/create": _read_refund,
        "order_transactions/create": _read_transaction,
        "disputes/create": _read_dispute,
        "disputes/update": _read_dispute,
        "customer.tags_added": _read_tags,
        "customer.tags_removed": _read_tags,
        "app/uninstalled": _read_uninstalled,
        "app/scopes_update": _read_scopes,
        "customers/data_request": _read_compliance,
        "customers/redact": _read_compliance,
        "shop/redact": _read_compliance,
    }
)


def _id(thing: Reader) -> str:
    whole = thing.optional_text("admin_graphql_api_id")
    return thing.identifier("id") if whole is None else id_of(whole)


def _amount(thing: Reader, currency: str) -> Money:
    return read_amount(thing.text("amount"), currency)


def _in(bag: Reader, currency: str) -> Money:
    """An amount in the currency that the customer paid in."""
    money = bag.section("presentment_money")
    if money.text("currency_code") != currency:
        raise Malformed(f"{bag.path}.presentment_money.currency_code")
    return _amount(money, currency)


def _price(item: Reader, currency: str) -> Money:
    """What a line costs after its own discounts; shipping and taxes are shared by it."""
    one = _in(item.section("price_set"), currency)
    quantity = item.integer("quantity")
    off = item.optional_section("total_discount_set")
    price = Money(one.minor * quantity, currency)
    return price if off is None else (price - _in(off, currency)).clamp(price)


def _name(customer: Reader) -> str:
    parts = (customer.optional_text("first_name"), customer.optional_text("last_name"))
    return " ".join(part for part in parts if part)
