"""What Systeme.io's signed settings webhooks mean: tables and field mapping, no I/O.

Knows the six events of Settings > Webhooks in schema version 2. The shape of `SALE_NEW` is the one
captured on a real account; nobody has published a real `SALE_CANCELED`, so it is read with the same
fields and nothing but the buyer and the price plan is taken for granted. Never guesses: what has no
words here becomes `Unrecognised`, a needed field of another type raises `Malformed`. The unsigned
webhooks of automation rules are another thing and are not read here.

Amounts are integers of the smallest unit: a sale of 1.00 EUR came as `totalPrice: 100`. How
currencies without two decimals are written is unknown, so their sales are not read.

What was paid. Seen, once: one item without extras, with `totalPrice` equal to its plan's `amount`,
`vat: 0.0`, and nothing in `shippingFee`, `discountAmount`, `discountType` and `coupon`. Assumed:
`totalPrice` is what was charged for the whole order, and each item of it, an order bump say, comes
as a delivery of its own with the same order and the same total. The units of `vat` and
`discountAmount` are unknown, so every reading of them is tried. A total that the extras make of
this item's price is all for this item. A larger one holds items of other deliveries too: until they
come this item is paid with its price. What cannot be told apart is shared by list price once the
items are known together (`plugin.domain.line_shares`), as if no further one were on its way.

Source: https://developer.systeme.io/reference/api, the dashboard's own words on its events, and a
public capture of 2026-09-27.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from plugin.domain.errors import InvalidInput
from plugin.domain.events import (
    NamedBy,
    SaleMade,
    SaleRefunded,
    StoreEvent,
    SubscriptionCancelled,
    TagNews,
    TestDelivery,
    Unrecognised,
)
from plugin.domain.ids import InstallationId, customer_key, digest
from plugin.domain.money import Money, exponent, zero
from plugin.domain.orders import (
    Line,
    LineRef,
    Order,
    OrderRef,
    Payment,
    PaymentRef,
    RefundRoute,
    Resource,
    ResourceKind,
    Subscription,
    SubscriptionStatus,
)
from plugin.platforms.strict_json import JsonValue, Malformed, Reader
from webhooks.delivery import Delivery

TEST_CONTACT = "makegood-test@example.com"
TEST_TAG = "makegood-test"
"""What the adapter's self-test uses: news of it end the waiting and reach no ledger."""

_IGNORED = frozenset({"CONTACT_CREATED", "CONTACT_OPT_IN"})
_TOPIC = re.compile(r"[A-Z][A-Z_]{0,59}")
_KEY = re.compile(r"[A-Za-z]{1,60}")
_GIVEN = (
    ("course", ResourceKind.COURSE),
    ("courseBundle", ResourceKind.BUNDLE),
    ("tag", ResourceKind.TAG),
)
_GIVES_NOTHING_HELD = "physicalProduct"
_SAYS_HOW = frozenset({"enrollmentAccessType", "enrollmentDrippingAccessCourse"})


def parse(delivery: Delivery, installation: InstallationId, body: JsonValue) -> list[StoreEvent]:
    """The events in one delivery; empty for kinds that concern no sale. Raises Malformed."""
    topic = delivery.header("x-webhook-event") or ""
    if topic in _IGNORED:
        return []
    if not _TOPIC.fullmatch(topic):
        return [Unrecognised("a delivery without a readable X-Webhook-Event")]
    if delivery.header("x-webhook-schema-version") not in (None, "2"):
        return [Unrecognised(f"{topic} of another schema version")]
    read = Reader(body)
    at = _event_time(delivery)
    match topic:
        case "SALE_NEW" | "SALE_CANCELED":
            return _sale(topic, read, installation, at)
        case "CONTACT_TAG_ADDED" | "CONTACT_TAG_REMOVED":
            return [_tag_news(read, installation, at, added=topic == "CONTACT_TAG_ADDED")]
        case _:
            return [Unrecognised(topic)]


def _event_time(delivery: Delivery) -> datetime:
    """When it happened there. The header is not signed, so it never counts beyond our own clock."""
    told = _moment(delivery.header("x-webhook-event-timestamp") or "")
    return delivery.received_at if told is None else min(told, delivery.received_at)


def _tag_news(
    read: Reader, installation: InstallationId, at: datetime, *, added: bool
) -> StoreEvent:
    contact = read.section("contact")
    # The vendor's documentation nests the removed event once more than live deliveries do.
    contact = contact.optional_section("contact") or contact
    email = contact.text("email")
    tag = _resource(read.section("tag"), installation, ResourceKind.TAG)
    if customer_key(email) == TEST_CONTACT and tag.name == TEST_TAG:
        return TestDelivery()
    return TagNews(email, tag, added, at)


def _sale(topic: str, read: Reader, installation: InstallationId, at: datetime) -> list[StoreEvent]:
    plan = read.section("pricePlan")
    currency = plan.text("currency").upper()
    try:
        nothing = zero(currency)
    except InvalidInput:
        raise Malformed("pricePlan.currency") from None
    if exponent(currency) != 2:
        return [Unrecognised(f"{topic} in a currency without two decimals")]
    renews = plan.optional_section("recurringOptions") is not None
    one_shot = plan.optional_text("type") == "one_shot" and not renews
    subscribed = renews or "subscription" in (plan.optional_text("type") or "")
    gives, odd = _resources(read, installation)
    cancelled = topic == "SALE_CANCELED"
    order = _order(
        read, installation, at, nothing, gives, subscribed=subscribed, cancelled=cancelled
    )
    unread = [Unrecognised(f"{topic}: {path}") for path in odd]
    if not cancelled:
        return [SaleMade(order), *unread]
    line, named_by = order.lines[0], _named_by(read)
    if one_shot:
        refund = f"sale_canceled:{order.ref.ref}:{line.ref.ref}"
        return [SaleRefunded(order, at, refund, named_by), *unread]
    if subscribed:
        news = SubscriptionCancelled(order, line.subscription, at, named_by=named_by)
        return [news, *unread]
    # Of a plan of unknown type nobody can say whether money went back.
    return [Unrecognised(f"{topic}: pricePlan.type"), *unread]


def _order(
    read: Reader,
    installation: InstallationId,
    at: datetime,
    nothing: Money,
    gives: tuple[Resource, ...] | None,
    *,
    subscribed: bool,
    cancelled: bool,
) -> Order:
    """The sale as an order with its one line."""
    email = read.text("customer", "email")
    product = read.identifier("pricePlan", "id")
    price = _amount(read, "pricePlan", "amount", currency=nothing.currency)
    total = _amount(read, "order", "totalPrice", currency=nothing.currency)
    paid, listed = _paid(read, price, total)
    captured = paid if total is None else total
    bought_at = _time(read, "order", "createdAt") or _time(read, "orderItem", "createdAt")
    ref, line_ref = _refs(read, installation, email, product)
    # No subscription id is told: the adapter finds the buyer's subscription to this plan.
    plan_ref = f"plan:{product}" if subscribed else None
    status = SubscriptionStatus.UNKNOWN if cancelled else SubscriptionStatus.ACTIVE
    subscription = Subscription(installation, plan_ref, status, renews=price) if plan_ref else None
    back = cancelled and not subscribed
    processor = _processor(read)
    line = Line(
        ref=line_ref,
        title=read.optional_text("pricePlan", "name")
        or read.optional_text("pricePlan", "innerName")
        or product,
        product=product,
        paid=paid,
        refunded=paid if back else nothing,
        kind=next((given.kind for given in gives or ()), None),
        gives=gives,
        subscription=plan_ref,
        listed=listed,
    )
    payment = Payment(
        ref=PaymentRef(installation, ref.ref),
        label=_label(processor),
        captured=captured,
        refunded=captured if back else nothing,
        disputed=nothing,
        route=RefundRoute.BY_HAND,
        partial=False,
        processor=processor,
    )
    return Order(
        ref=ref,
        number=ref.ref,
        customer=customer_key(email),
        email=email,
        name=_name(read),
        bought_at=bought_at or at,
        currency=nothing.currency,
        lines=(line,),
        payments=(payment,) if captured else (),
        read_at=at,
        subscription=subscription,
        contact=read.optional_identifier("customer", "contactId"),
    )


def _paid(read: Reader, price: Money | None, total: Money | None) -> tuple[Money, Money | None]:
    """What was paid for the item, and its list price where that is a share of the total.

    Raises Malformed where neither price nor total is told.
    """
    if total is None or price is None:
        known = price if total is None else total
        if known is None:
            raise Malformed("order.totalPrice")
        return known, None
    order = dict(_members(read.section("order").value))
    extras = [order.get(name) for name in ("vat", "shippingFee", "discountAmount")]
    vat, shipping, discount = map(_number, extras)
    is_for_one = total <= price or any(
        abs(one_item - total.minor) <= 1  # a cent: how they round is unknown
        for one_item in _one_item_totals(price, vat, shipping, discount)
    )
    told = (*extras, dict(_members(read.value)).get("coupon"))
    return total if is_for_one else price, price if any(told) or total < price else None


def _number(told: JsonValue) -> Decimal:
    """A number as it was written; nothing where it is none, since its form was hardly ever seen."""
    is_number = isinstance(told, int | float) and not isinstance(told, bool)
    return Decimal(repr(told)) if is_number else Decimal()


def _one_item_totals(
    price: Money, vat: Decimal, shipping: Decimal, discount: Decimal
) -> Iterator[Decimal]:
    """What an order of one item at `price` would cost, by each reading of the extras' units."""
    nothing, listed = Decimal(), Decimal(price.minor)
    for off in (nothing, *_readings(discount, listed)):  # nothing: the price is less it already
        goods = listed - off
        for carriage in (shipping, shipping * 100):
            for taxed in (goods, goods + carriage):
                for tax in (nothing, *_readings(vat, taxed)):  # nothing: the prices hold it already
                    yield goods + carriage + tax


def _readings(told: Decimal, of: Decimal) -> tuple[Decimal, ...]:
    """`told` as smallest units, as whole units, as per cent and as a part of `of`."""
    return told, told * 100, of * told / 100, of * told


def _refs(
    read: Reader, installation: InstallationId, email: str, product: str
) -> tuple[OrderRef, LineRef]:
    """The order's and the line's names: the store's ids, else names made from what it tells.

    A made name is the same for every delivery that tells the same buyer, plan and time, so a repeat
    is still one order. It may differ from the name under which the sale came: whoever applies a
    cancellation and finds no such order must look for the buyer's sale of that plan.
    """
    item = read.optional_identifier("orderItem", "id")
    made_at = read.optional_text("orderItem", "createdAt")
    made_at = made_at or read.optional_text("order", "createdAt")
    name = (
        read.optional_identifier("order", "id")
        or (item and f"item:{item}")
        or f"unnumbered:{digest(customer_key(email), product, made_at or '')}"
    )
    order = OrderRef(installation, name)
    return order, LineRef(order, item or f"plan:{product}")


def _named_by(read: Reader) -> NamedBy:
    if read.optional_identifier("order", "id") is not None:
        return NamedBy.ORDER
    has_item = read.optional_identifier("orderItem", "id") is not None
    return NamedBy.LINE if has_item else NamedBy.PLAN


def _resources(
    read: Reader, installation: InstallationId
) -> tuple[tuple[Resource, ...] | None, Sequence[str]]:
    """What the item gives, and the paths of what we have no words for.

    None where nothing is told: also an empty list says only that the plan itself holds nothing.
    Sellers who open access by an automation rule have such plans, and there the access map must be
    asked. A plan that holds a parcel and nothing else tells that it opens nothing.
    """
    found: dict[Resource, None] = {}
    odd: list[str] = []
    told = False
    for item in read.optional_items("orderItem", "resources") or ():
        content = item.section().value
        filled = [key for key, value in _members(content) if value is not None]
        told = told or bool(set(filled) - _SAYS_HOW)
        for key, kind in _GIVEN:
            if key in filled:
                found[_resource(item.section(key), installation, kind)] = None
        known = {key for key, _ in _GIVEN} | _SAYS_HOW | {_GIVES_NOTHING_HELD}
        odd += [
            f"{item.path}.{key}" if _KEY.fullmatch(key) else item.path
            for key in filled
            if key not in known
        ]
    return (tuple(found) if told else None), odd


def _members(content: JsonValue) -> Sequence[tuple[str, JsonValue]]:
    return list(content.items()) if isinstance(content, dict) else []


def _resource(read: Reader, installation: InstallationId, kind: ResourceKind) -> Resource:
    return Resource(installation, kind, read.identifier("id"), read.optional_text("name") or "")


def _amount(read: Reader, *keys: str, currency: str) -> Money | None:
    number = read.optional_number(*keys)
    if number is None:
        return None
    try:
        amount = Money(int(number), currency)
    except InvalidInput:
        raise Malformed(".".join(keys)) from None
    if amount.minor != number or amount.minor < 0:
        raise Malformed(".".join(keys))
    return amount


def _time(read: Reader, *keys: str) -> datetime | None:
    text = read.optional_text(*keys)
    if text is None:
        return None
    moment = _moment(text)
    if moment is None:
        raise Malformed(".".join(keys))
    return moment


def _moment(text: str) -> datetime | None:
    """An ISO 8601 time with an offset, as UTC; None for anything else."""
    try:
        moment = datetime.fromisoformat(text)
        return None if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _processor(read: Reader) -> str | None:
    """Who took the payment, in the store's word. Only `cash on delivery` was seen for real."""
    processor = read.optional_text("customer", "paymentProcessor")
    return None if processor is None else processor.strip()[:60]


def _label(processor: str | None) -> str:
    if processor is None:
        return "Payment processor not told"
    return processor[:1].upper() + processor[1:]


def _name(read: Reader) -> str:
    """First name and surname, where the order form asked for them."""
    parts = (read.optional_text("customer", "fields", slug) for slug in ("first_name", "surname"))
    return " ".join(part.strip() for part in parts if part)
