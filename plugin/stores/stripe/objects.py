"""Reads Stripe's charges, refunds, disputes and subscriptions into our words. Pure: no calls.

What Stripe leaves out stays None or unknown. Raises Malformed or InvalidInput for what is not
shaped as the API reference says. Amounts are integers in the smallest unit as Stripe counts it
(https://docs.stripe.com/currencies#zero-decimal), times UTC seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from plugin.domain.errors import InvalidInput
from plugin.domain.ids import InstallationId
from plugin.domain.money import Money, WireFormat, total, zero
from plugin.domain.orders import (
    DisputeStage,
    Line,
    LineRef,
    Order,
    OrderRef,
    Payment,
    PaymentRef,
    RefundRoute,
    RefundSeen,
    RefundStage,
    Subscription,
    SubscriptionStatus,
    Term,
    buyer_key,
)
from plugin.domain.refunds import Declined, Pending, RefundAnswer, Succeeded
from plugin.platforms.strict_json import Malformed, Reader
from plugin.platforms.stripe_words import DISPUTE_STATES, INQUIRIES, REFUND_STATES

ORDER_NUMBER_KEYS = ("order_number", "order_id", "order")
"""Metadata of a charge under which shops that take payment by Stripe keep their own number."""

EXPANDED = ("customer", "refunds", "balance_transaction", "invoice.subscription")
"""What an order needs of a charge beyond the charge itself."""

_ENDED = frozenset({"canceled", "incomplete_expired"})
_UNPAID = frozenset({"past_due", "unpaid", "incomplete"})
_RUNNING = frozenset({"active", "trialing", "paused"}) | _UNPAID


@dataclass(frozen=True, slots=True)
class Objects:
    """Stripe's objects as read for one installation."""

    installation: InstallationId
    wire: WireFormat

    def money(self, thing: Reader, field: str = "amount") -> Money:
        """An amount of `thing`, in the currency of `thing`."""
        return self.wire.read(thing.integer(field), thing.text("currency"))

    def order(
        self, charge: Reader, disputes: Sequence[Reader] | None, read_at: datetime
    ) -> Order | None:
        """The order behind a charge; None where no money was captured.

        `disputes` are the charge's own, None where nobody told them: then a disputed charge counts
        as disputed in full, since how the dispute stands is unknown. `disputed` alone tells
        nothing: it stays true when the dispute is won. Where the invoice does not list all its
        lines, what they pay for is unseen.
        """
        captured = self.money(charge, "amount_captured")
        if charge.text("status") == "failed" or not captured:
            return None
        ref = OrderRef(self.installation, charge.text("id"))
        email, name = _person(charge)
        payment = self._payment(charge, captured, disputes)
        subscription = expanded(charge, "invoice", "subscription")
        contact = id_of(charge, "customer")
        return Order(
            ref=ref,
            number=_number(charge),
            customer=buyer_key(email, ref, contact),
            email=email,
            name=name,
            bought_at=moment(charge, "created"),
            currency=captured.currency,
            lines=self._lines(charge, ref, captured, payment.refunded),
            payments=(payment,),
            read_at=read_at,
            subscription=None if subscription is None else self.subscription(subscription),
            refunds=tuple(
                self._refund_seen(refund, payment.ref)
                for refund in charge.optional_items("refunds", "data") or ()
            ),
            contact=contact,
            deep_link=payment.deep_link,
            others_unseen=_is_cut(charge) or None,
        )

    def _payment(
        self, charge: Reader, captured: Money, disputes: Sequence[Reader] | None
    ) -> Payment:
        refunded = self.money(charge, "amount_refunded")
        if disputes is not None:
            held = [self._held(dispute, captured) for dispute in disputes]
            disputed = total(held, captured.currency).clamp(captured)
            is_open = any(_is_open(dispute) for dispute in disputes)
        else:
            is_open = charge.boolean("disputed")
            disputed = captured - refunded if is_open else zero(captured.currency)
        link = id_of(charge, "payment_intent") or charge.text("id")
        mode = "" if charge.boolean("livemode") else "test/"
        return Payment(
            ref=PaymentRef(self.installation, charge.text("id")),
            label=_label(charge),
            captured=captured,
            refunded=refunded,
            disputed=disputed,
            route=RefundRoute.BY_API,
            fee_kept=self._fee(charge),
            dispute_open=is_open,
            deep_link=f"https://dashboard.stripe.com/{mode}payments/{link}",
        )

    def _fee(self, charge: Reader) -> Money | None:
        """What Stripe keeps. One in the account's own currency says nothing in the customer's."""
        settled = expanded(charge, "balance_transaction")
        if settled is None or settled.text("currency") != charge.text("currency"):
            return None
        try:
            return self.money(settled, "fee")
        except InvalidInput:  # a fraction that the currency does not have
            return None

    def _held(self, dispute: Reader, captured: Money) -> Money:
        """What the bank holds or has taken: nothing once won, nothing yet for an inquiry."""
        if DISPUTE_STATES.get(dispute.text("status")) not in (DisputeStage.OPEN, DisputeStage.LOST):
            return zero(captured.currency)
        amount = self.money(dispute)
        return amount if amount.currency == captured.currency else captured

    def _lines(
        self, charge: Reader, order: OrderRef, captured: Money, refunded: Money
    ) -> tuple[Line, ...]:
        """The invoice's lines, or one line for the charge.

        Stripe captures and refunds payments, not lines: both sums are spread over the lines by
        their amounts, so that the parts make the whole.
        """
        items = _invoice_lines(charge)
        if not items:
            words = charge.optional_text("description")
            title = words or charge.optional_text("calculated_statement_descriptor") or "Payment"
            product = charge.optional_text("metadata", "product_id") or ""
            return (Line(LineRef(order, order.ref), title, product, captured, refunded),)
        paid = captured.split([item.integer("amount") for item in items])
        back = refunded.split([part.minor for part in paid])
        return tuple(
            Line(
                ref=LineRef(order, item.text("id")),
                title=item.optional_text("description") or "Payment",
                product=id_of(item, "price", "product") or "",
                paid=paid[index],
                refunded=back[index],
                term=_term(item),
                subscription=id_of(item, "subscription"),
            )
            for index, item in enumerate(items)
        )

    def _refund_seen(self, refund: Reader, payment: PaymentRef) -> RefundSeen:
        return RefundSeen(
            ref=refund.text("id"),
            payment=payment,
            amount=self.money(refund),
            state=refund_state(refund),
            at=moment(refund, "created"),
            reference=reference_of(refund),
        )

    def subscription(self, body: Reader) -> Subscription:
        """A subscription. A status that Stripe did not have when this was written is unknown."""
        status = body.text("status")
        leaves = body.optional_boolean("cancel_at_period_end") or body.optional_integer("cancel_at")
        if status in _ENDED:
            state = SubscriptionStatus.ENDED
        elif status not in _RUNNING:
            state = SubscriptionStatus.UNKNOWN
        else:
            state = SubscriptionStatus.ENDING if leaves else SubscriptionStatus.ACTIVE
        renews = state is SubscriptionStatus.ACTIVE
        return Subscription(
            installation=self.installation,
            ref=body.text("id"),
            status=state,
            # A period that was not paid for runs all the same: then the last paid one is over.
            paid_until=_period(body, "start" if status in _UNPAID else "end"),
            renews=self._renewal(body) if renews else None,
            renews_at=_period(body, "end") if renews else None,
        )

    def _renewal(self, body: Reader) -> Money | None:
        """The price of the next period before taxes and discounts; None for metered prices."""
        amounts = []
        for item in body.items("items", "data"):
            unit, quantity = (
                item.optional_integer("price", "unit_amount"),
                item.optional_integer("quantity"),
            )
            if unit is None or quantity is None:
                return None
            amounts.append(self.wire.read(unit * quantity, item.text("price", "currency")))
        return total(amounts, amounts[0].currency) if amounts else None


def refund_answer(refund: Reader) -> RefundAnswer:
    """Where a refund stands. Raises Malformed for a status we have no word for."""
    ref, status = refund.text("id"), refund.text("status")
    state = REFUND_STATES.get(status)
    if state is RefundStage.SUCCEEDED:
        kind = refund.optional_text("destination_details", "type")
        path = ("destination_details", kind or "card", "reference")
        return Succeeded(ref, refund.optional_text(*path))
    if state is RefundStage.PENDING:
        return Pending(ref)
    if state is RefundStage.FAILED:
        return Declined(refund.optional_text("failure_reason") or status)
    raise Malformed("status")


def refund_state(refund: Reader) -> RefundStage:
    """How far it is; what has no word yet is not over."""
    return REFUND_STATES.get(refund.optional_text("status") or "", RefundStage.PENDING)


def reference_of(refund: Reader) -> str | None:
    """Our key, where the refund is ours."""
    return refund.optional_text("metadata", "makegood_key")


def moment(thing: Reader, *keys: str) -> datetime:
    """A time in UTC. Raises Malformed where there is none."""
    try:
        return datetime.fromtimestamp(thing.integer(*keys), UTC)
    except (OverflowError, ValueError, OSError):
        raise Malformed(".".join(keys)) from None


def id_of(thing: Reader, *keys: str) -> str | None:
    """The id of an object that Stripe names or, where asked to, writes out."""
    whole = expanded(thing, *keys)
    return thing.optional_text(*keys) if whole is None else whole.text("id")


def expanded(thing: Reader, *keys: str) -> Reader | None:
    """An object written out; None where Stripe only names it or has none."""
    value = thing.value
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return Reader(value, ".".join(keys)) if isinstance(value, dict) else None


def _is_open(dispute: Reader) -> bool:
    status = dispute.text("status")
    if status in INQUIRIES:
        return False
    if status in DISPUTE_STATES:
        return DISPUTE_STATES[status] is DisputeStage.OPEN
    return not dispute.optional_boolean("is_charge_refundable")


def _person(charge: Reader) -> tuple[str, str]:
    """E-mail and name: the customer's own before what was typed at the checkout."""
    customer = expanded(charge, "customer")
    emails = [
        None if customer is None else customer.optional_text("email"),
        charge.optional_text("receipt_email"),
        charge.optional_text("billing_details", "email"),
    ]
    names = [
        None if customer is None else customer.optional_text("name"),
        charge.optional_text("billing_details", "name"),
    ]
    return next(filter(None, emails), ""), next(filter(None, names), "")


def _number(charge: Reader) -> str:
    found = (charge.optional_text("metadata", key) for key in ORDER_NUMBER_KEYS)
    number = next(filter(None, found), None)
    return number or charge.optional_text("receipt_number") or charge.text("id")


def _label(charge: Reader) -> str:
    """`Visa …4242`, `Sepa Debit …3000`, or only the kind of payment."""
    kind = charge.optional_text("payment_method_details", "type")
    if kind is None:
        return "Stripe"
    brand = charge.optional_text("payment_method_details", kind, "brand")
    digits = charge.optional_text("payment_method_details", kind, "last4")
    name = (brand or kind).replace("_", " ").title()
    return f"{name} …{digits}" if digits else name


def _invoice_lines(charge: Reader) -> Sequence[Reader]:
    """The lines that were charged for; none where the invoice does not list them all."""
    invoice = expanded(charge, "invoice")
    if invoice is None or _is_cut(charge):
        return ()
    items = invoice.optional_items("lines", "data") or ()
    return [item for item in items if item.integer("amount") > 0]


def _is_cut(charge: Reader) -> bool:
    """Whether its invoice has lines that it does not list: it lists ten."""
    invoice = expanded(charge, "invoice")
    return invoice is not None and bool(invoice.optional_boolean("lines", "has_more"))


def _term(item: Reader) -> Term | None:
    """What a line of a subscription paid for. A year counts as twelve months."""
    unit = item.optional_text("price", "recurring", "interval")
    if unit is None or item.optional_boolean("proration"):
        return None
    periods = item.integer("price", "recurring", "interval_count")
    start = moment(item, "period", "start")
    return Term(start, 12 * periods, "month") if unit == "year" else Term(start, periods, unit)


def _period(body: Reader, edge: str) -> datetime | None:
    """The start or end of the current period: the earliest of its items, since 2025-03-31 there."""
    field = f"current_period_{edge}"
    things = [body, *(body.optional_items("items", "data") or ())]
    found = [moment(thing, field) for thing in things if thing.optional_integer(field) is not None]
    return min(found, default=None)
