"""Reads Saleor's orders, transactions and granted refunds into our words. Pure: no calls.

The same selection comes as an answer (`plugin.stores.saleor`) and in a webhook (`webhooks.stores`).
Raises Malformed for what is not shaped as the schema says (schema.graphql of 3.24). Amounts are
read as `fractionalAmount` with the `fractionDigits` beside it: the float beside them is never used.
What Saleor does not tell stays None.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from plugin.domain.errors import InvalidInput
from plugin.domain.ids import InstallationId
from plugin.domain.money import Money, WireFormat, total, zero
from plugin.domain.orders import (
    Line,
    LineRef,
    Order,
    OrderRef,
    Payment,
    PaymentRef,
    RefundRoute,
    RefundSeen,
    RefundStage,
    buyer_key,
)
from plugin.domain.refunds import is_our_key
from plugin.platforms.strict_json import Malformed, Reader

GRANT_STAGES = {
    "PENDING": RefundStage.PENDING,
    "SUCCESS": RefundStage.SUCCEEDED,
    "FAILURE": RefundStage.FAILED,
}
"""OrderGrantedRefundStatusEnum. `NONE` is left out: granted and never requested, no money asked."""

_WORDS = {
    "REFUND_REVERSE": RefundStage.FAILED,
    "REFUND_SUCCESS": RefundStage.SUCCEEDED,
    "REFUND_FAILURE": RefundStage.FAILED,
    "REFUND_REQUEST": RefundStage.PENDING,
}
"""TransactionEventTypeEnum, on refunds: of one refund's events the first of these counts."""


def read_order(order: Reader, installation: InstallationId, read_at: datetime) -> Order | None:
    """The order; None where no money was captured by a transaction or a payment of the old kind."""
    try:
        return _order(order, installation, read_at)
    except InvalidInput as error:
        raise Malformed(f"{order.path}.{error.field}") from None


def read_refunds(order: Reader, installation: InstallationId) -> tuple[RefundSeen, ...]:
    """Every refund of every transaction of the order: granted ones, then those made elsewhere."""
    grants = order.items("grantedRefunds")
    return tuple(
        refund
        for transaction in order.items("transactions")
        for refund in refunds_of(transaction, grants, installation)
    )


def refunds_of(
    transaction: Reader, grants: Sequence[Reader], installation: InstallationId
) -> tuple[RefundSeen, ...]:
    """The refunds of one transaction. One that was granted and never requested is none yet."""
    payment = PaymentRef(installation, transaction.text("id"))
    events = transaction.items("events")
    ours = [grant for grant in grants if grant.optional_text("transaction", "id") == payment.ref]
    granted = [_granted(grant, payment, events) for grant in ours]
    known = {psp for grant in ours for psp in _psp_references(grant)}
    loose: dict[str, list[Reader]] = {}
    for event in events:
        psp = event.optional_text("pspReference")
        if psp in known or not (event.optional_text("type") or "").startswith("REFUND_"):
            continue
        if psp is None and event.text("type") != "REFUND_SUCCESS":
            continue  # a request that the payment app has not answered names no refund yet
        loose.setdefault(psp or event.text("id"), []).append(event)
    elsewhere = [_elsewhere(ref, found, payment) for ref, found in loose.items()]
    return tuple(seen for seen in (*granted, *elsewhere) if seen is not None)


def money(thing: Reader, *keys: str) -> Money:
    """A `Money` of theirs. Raises Malformed also for a currency or a sum that cannot be."""
    section = thing.section(*keys)
    try:
        wire = WireFormat({section.text("currency"): fraction_digits(section)})
        amount = wire.read(section.integer("fractionalAmount"), section.text("currency"))
    except InvalidInput as error:
        raise Malformed(f"{section.path}.{error.field}") from None
    if amount.minor < 0:
        raise Malformed(section.path)
    return amount


def fraction_digits(amount: Reader) -> int:
    """How many decimals Saleor gives the currency: by CLDR, where ISO 4217 may say another."""
    digits = amount.integer("fractionDigits")
    if not 0 <= digits <= 4:
        raise Malformed(f"{amount.path}.fractionDigits")
    return digits


def moment(thing: Reader, *keys: str) -> datetime:
    """A time in UTC. Raises Malformed where there is none, or one without an offset."""
    try:
        at = datetime.fromisoformat(thing.text(*keys))
        return at.astimezone(UTC) if at.tzinfo is not None else _no_time(keys)
    except (ValueError, OverflowError):
        return _no_time(keys)


def charged_back(transaction: Reader) -> Money | None:
    """What the bank took back, by CHARGE_BACK events; None where there was none."""
    taken = [
        money(event, "amount")
        for event in transaction.items("events")
        if event.optional_text("type") == "CHARGE_BACK"
    ]
    return total(taken, taken[0].currency) if taken else None


def offers_refund(transaction: Reader) -> bool:
    """Whether the payment app takes refunds of it just now."""
    return any(action.value == "REFUND" for action in transaction.items("actions"))


def _no_time(keys: tuple[str, ...]) -> datetime:
    raise Malformed(".".join(keys))


def _order(order: Reader, installation: InstallationId, read_at: datetime) -> Order | None:
    ref = OrderRef(installation, order.text("id"))
    currency = order.text("total", "gross", "currency")
    refunds = read_refunds(order, installation)
    payments = [
        _payment(transaction, installation, refunds) for transaction in order.items("transactions")
    ]
    if not payments:
        old = (_old_payment(payment, installation) for payment in order.items("payments"))
        payments = [payment for payment in old if payment is not None]
    captured = total((payment.captured for payment in payments), currency)
    if not captured:
        return None
    refunded = total((payment.refunded for payment in payments), currency)
    email = order.optional_text("userEmail") or order.optional_text("user", "email") or ""
    names = [order.optional_text("billingAddress", f"{part}Name") for part in ("first", "last")]
    contact = order.optional_text("user", "id")
    return Order(
        ref=ref,
        number=order.text("number"),
        customer=buyer_key(email, ref, contact),
        email=email,
        name=" ".join(name for name in names if name),
        bought_at=moment(order, "created"),
        currency=currency,
        lines=_lines(order, ref, captured, refunded.clamp(captured)),
        payments=tuple(payment for payment in payments if payment.captured),
        read_at=read_at,
        refunds=refunds,
        contact=contact,
    )


def _payment(
    transaction: Reader, installation: InstallationId, refunds: Sequence[RefundSeen]
) -> Payment:
    """A transaction. What is asked back moves from charged to pending, and then to refunded.

    What waits and is not ours counts as refunded; ours is counted by the books that asked for it.
    """
    ref = PaymentRef(installation, transaction.text("id"))
    charged, pending = (
        money(transaction, "chargedAmount"),
        money(transaction, "refundPendingAmount"),
    )
    back = money(transaction, "refundedAmount")
    disputed = charged_back(transaction) or zero(charged.currency)
    captured = charged + pending + back + disputed
    waits = [
        seen.amount
        for seen in refunds
        if seen.payment == ref and seen.state is RefundStage.PENDING and seen.reference is not None
    ]
    others = (pending - total(waits, pending.currency)).clamp(pending)
    by_api = offers_refund(transaction) or not charged
    details = transaction.optional_section("paymentMethodDetails")
    return Payment(
        ref=ref,
        label=_label(details) or transaction.optional_text("name") or "Payment",
        captured=captured,
        refunded=back + others,
        disputed=disputed,
        route=RefundRoute.BY_API if by_api else RefundRoute.BY_HAND,
        dispute_open=bool(disputed),
    )


def _old_payment(payment: Reader, installation: InstallationId) -> Payment | None:
    """A payment of the API before transactions: its refunds carry no mark, so a person makes them.

    None where nothing is captured. Saleor takes what went back off `capturedAmount`, and tells it
    nowhere else here.
    """
    if payment.optional_section("capturedAmount") is None:
        return None
    captured = money(payment, "capturedAmount")
    return Payment(
        ref=PaymentRef(installation, payment.text("id")),
        label=payment.optional_text("gateway") or "Payment",
        captured=captured,
        refunded=zero(captured.currency),
        disputed=zero(captured.currency),
        route=RefundRoute.BY_HAND,
    )


def _label(details: Reader | None) -> str | None:
    """`Visa …4242`, or only how it was paid."""
    if details is None:
        return None
    name = details.optional_text("brand") or details.optional_text("name")
    digits = details.optional_text("lastDigits")
    return f"{name} …{digits}" if name and digits else name


def _lines(order: Reader, ref: OrderRef, captured: Money, refunded: Money) -> tuple[Line, ...]:
    """Its lines, and shipping as one more; both sums are spread over them by their gross prices.

    A line's price carries its discounts and its part of the order's. Saleor captures and refunds
    transactions, not lines: so the parts make the whole.
    """
    sold = [
        (line.text("id"), _title(line), line.optional_text("productVariantId") or "", line)
        for line in order.items("lines")
    ]
    prices = [money(line, "totalPrice", "gross").minor for _, _, _, line in sold]
    named = [(line_ref, title, product) for line_ref, title, product, _ in sold]
    shipping = money(order, "shippingPrice", "gross").minor
    if shipping or not named:
        named.append((f"{ref.ref}:shipping", "Shipping" if shipping else "Order", ""))
        prices.append(shipping)
    weights = prices if sum(prices) else [1] * len(prices)
    paid = captured.split(weights)
    back = refunded.split([part.minor for part in paid])
    return tuple(
        Line(LineRef(ref, line_ref), title, product, paid[place], back[place])
        for place, (line_ref, title, product) in enumerate(named)
    )


def _title(line: Reader) -> str:
    names = (line.text("productName"), line.optional_text("variantName"))
    return " ".join(name for name in names if name)


def _psp_references(grant: Reader) -> list[str]:
    events = grant.optional_items("transactionEvents") or ()
    found = (event.optional_text("pspReference") for event in events)
    return [psp for psp in found if psp is not None]


def _granted(grant: Reader, payment: PaymentRef, events: Sequence[Reader]) -> RefundSeen | None:
    """A granted refund once it was requested. One that the bank gave back later has failed."""
    status = grant.text("status")
    if status == "NONE":
        return None
    told = grant.optional_items("transactionEvents") or ()
    reason = grant.optional_text("reason")
    return RefundSeen(
        ref=grant.text("id"),
        payment=payment,
        amount=money(grant, "amount"),
        state=_granted_stage(status, _psp_references(grant), events),
        at=max((moment(event, "createdAt") for event in told), default=moment(grant, "createdAt")),
        reference=reason if is_our_key(reason) else None,
    )


def _granted_stage(status: str, psps: Sequence[str], events: Sequence[Reader]) -> RefundStage:
    """By its status, unless an event of its own says that money went, or that it came back."""
    told = [_last_word([e for e in events if e.optional_text("pspReference") == p]) for p in psps]
    stages = {_WORDS[one.text("type")] for one in told if one is not None}
    if RefundStage.SUCCEEDED in stages:
        return RefundStage.SUCCEEDED
    if status == "SUCCESS" and RefundStage.FAILED in stages:
        return RefundStage.FAILED
    return GRANT_STAGES.get(status, RefundStage.PENDING)


def _last_word(events: Sequence[Reader]) -> Reader | None:
    """The event that says how a refund stands, whatever their order; None where none does."""
    by_type = {event.optional_text("type"): event for event in events}
    return next((by_type[word] for word in _WORDS if word in by_type), None)


def _elsewhere(ref: str, events: Sequence[Reader], payment: PaymentRef) -> RefundSeen | None:
    """A refund that was granted by nobody: asked for, or reported, for the transaction itself."""
    event = _last_word(events)
    if event is None:
        return None
    stage = _WORDS[event.text("type")]
    return RefundSeen(ref, payment, money(event, "amount"), stage, moment(event, "createdAt"))
