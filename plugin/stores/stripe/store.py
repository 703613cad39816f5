"""What the use cases ask of a Stripe account: orders, refunds, subscriptions, events, webhooks.

It never repeats a write and never reads silence as a no.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from plugin.domain.errors import InvalidInput, OutcomeUnknown, Refused, RetryLater
from plugin.domain.events import DisputeNews, PaymentRefunded, StoreEvent, SubscriptionNews
from plugin.domain.orders import Order, PaymentRef, RefundStage, Subscription, SubscriptionStatus
from plugin.domain.refunds import (
    Ambiguous,
    Declined,
    Found,
    LookUp,
    NotFound,
    Refund,
    RefundAnswer,
)
from plugin.platforms.http_client import Answer, HttpClient
from plugin.platforms.strict_json import Reader
from plugin.platforms.stripe_words import DISPUTE_STATES
from plugin.ports import (
    Changed,
    Clock,
    Connection,
    Contact,
    OrderQuery,
    Probe,
    WebhookRegistered,
)
from plugin.ports.news import News
from plugin.stores.stripe.account import (
    Account,
    any_of,
    at,
    error_of,
    is_absent,
    manifest,
    read_ok,
    refusal,
    understood,
)
from plugin.stores.stripe.news import KEPT, read_news
from plugin.stores.stripe.objects import (
    EXPANDED,
    Objects,
    expanded,
    id_of,
    moment,
    reference_of,
    refund_answer,
    refund_state,
)
from plugin.stores.stripe.search import OrderSearch

_NOBODY = "makegood_rights_check"  # no id of Stripe's: a write to it shows the right, nothing else


class StripeStore:
    """One Stripe account: `secrets` hold `api_key`, `settings` perhaps a development `base_url`."""

    def __init__(self, connection: Connection, http: HttpClient, clock: Clock) -> None:
        self._account = Account(connection, http)
        self._objects = Objects(connection.installation, manifest().money.wire)
        self._search = OrderSearch(self._account, self._objects, clock)
        self._installation = connection.installation
        self._webhook = connection.settings.get("webhook_ref", "")
        self._clock = clock

    # --- orders -----------------------------------------------------------------------------------

    def find_orders(self, query: OrderQuery) -> Sequence[Order]:
        """Search by the addresses of Stripe customers, or by a number. Newest first.

        The search may lag by a minute. A charge that was ever disputed takes one call more; where
        that fails, and beyond `MOST_DISPUTED`, it counts as disputed still.
        """
        if query.number is not None:
            return self._search.by_number(query.number.strip())
        return self._search.by_emails(query.emails)

    def read_order(self, ref: str) -> Order | None:
        return self._search.read(ref)

    # --- money ------------------------------------------------------------------------------------

    def refund(self, refund: Refund) -> RefundAnswer:
        """POST /v1/refunds, once. Raises Refused for a wrong key or right: no money moved.

        https://docs.stripe.com/api/refunds/create https://docs.stripe.com/api/idempotent_requests
        """
        try:
            amount = self._objects.wire.write(refund.amount)
        except InvalidInput:
            return Declined("amount_not_writable")
        form = [
            _target(refund.payment),
            ("amount", str(amount)),
            ("metadata[makegood_refund]", refund.id),
            ("metadata[makegood_key]", refund.key),
        ]
        answer = self._account.write(
            "POST", "refund.create", "/v1/refunds", form, idempotency_key=refund.key
        )
        if not answer.is_ok:
            return self._declined(refund, answer)
        with understood(OutcomeUnknown):
            body = Reader(answer.json())
            if reference_of(body) != refund.key or not self._is_as_sent(body, refund):
                raise OutcomeUnknown("answer_of_another_refund", refund.id)
            return refund_answer(body)

    def _declined(self, refund: Refund, answer: Answer) -> RefundAnswer:
        if answer.status == 409:
            # Our own call with this key is still running, and may be paying just now.
            raise OutcomeUnknown("refund_running", refund.id)
        code, kind = error_of(answer)
        if kind == "idempotency_error":
            # The key was used with other parameters: that call may have paid.
            raise OutcomeUnknown("key_used_otherwise", refund.id)
        if answer.status in (401, 403):
            raise refusal(answer)
        if code == "charge_already_refunded":
            return self._adopted(refund, code)
        return Declined(code)

    def _adopted(self, refund: Refund, code: str) -> RefundAnswer:
        """Nothing is left to refund: perhaps since ours went through, longer ago than keys live."""
        try:
            found = self.look_up(refund)
        except RetryLater as error:
            raise OutcomeUnknown(code, error.code) from None
        match found:
            case Found(answer):
                return answer
            case NotFound():
                return Declined(code)
            case Ambiguous():
                raise OutcomeUnknown("several_refunds_match", refund.id)
            case _:
                assert_never(found)

    def look_up(self, refund: Refund) -> LookUp:
        """List the payment's refunds and match our metadata.

        RetryLater also where Stripe refuses to tell: a no to a question proves no refund undone.
        """
        query = [_target(refund.payment), ("limit", "100")]
        try:
            listed = read_ok(self._account.get("refund.list", "/v1/refunds", query))
        except Refused as error:
            raise RetryLater("look_up_refused", error.code) from None
        with understood(RetryLater):
            ours = [item for item in listed.items("data") if _answers(item, refund)]
            if not ours:
                # A page holds a hundred. Beyond it ours could stand, so a person decides.
                return Ambiguous(0) if listed.optional_boolean("has_more") else NotFound()
            if len(ours) > 1 or not self._is_as_sent(ours[0], refund):
                return Ambiguous(len(ours))
            return Found(refund_answer(ours[0]))

    def _is_as_sent(self, body: Reader, refund: Refund) -> bool:
        field, ref = _target(refund.payment)
        return (
            body.text("object") == "refund"
            and id_of(body, field) == ref
            and self._objects.money(body) == refund.amount
        )

    # --- subscriptions ----------------------------------------------------------------------------

    def read_subscription(self, contact: Contact, ref: str) -> Subscription | None:
        body = self._account.read("subscription.read", at("subscriptions", ref))
        if body is None:
            return None
        with understood(RetryLater):
            if contact.ref is not None and id_of(body, "customer") != contact.ref:
                raise Refused("subscription_of_another_customer", ref)
            return self._objects.subscription(body)

    def cancel_subscription(self, contact: Contact, ref: str, *, at_once: bool) -> Changed:
        """End it now or with its paid period. No invoice, no proration: money back is a refund.

        https://docs.stripe.com/api/subscriptions/cancel
        """
        before = self.read_subscription(contact, ref)
        if before is None or before.status is SubscriptionStatus.ENDED:
            return Changed.ALREADY
        path = at("subscriptions", ref)
        if at_once:
            return _change(self._account.write("DELETE", "subscription.cancel", path))
        if before.status is SubscriptionStatus.ENDING:
            return Changed.ALREADY
        ending = [("cancel_at_period_end", "true")]
        return _change(self._account.write("POST", "subscription.end", path, ending))

    # --- events -----------------------------------------------------------------------------------

    def confirm(self, event: StoreEvent) -> StoreEvent:
        """Read again what the event is about, and add the order. At most three calls.

        Raises Refused where this account has no such thing: so ends a test-mode event under a live
        key, and a live one under a test key.
        """
        match event:
            case PaymentRefunded():
                return self._confirm_refund(event)
            case DisputeNews():
                return self._confirm_dispute(event)
            case SubscriptionNews():
                return self._confirm_subscription(event)
            case _:
                return event

    def _confirm_refund(self, event: PaymentRefunded) -> StoreEvent:
        body = self._there("refund.read", at("refunds", event.refund))
        with understood(RetryLater):
            charge = id_of(body, "charge")
            order = None if charge is None else self.read_order(charge)
            return replace(
                event,
                payment=replace(event.payment, ref=charge or event.payment.ref),
                amount=self._objects.money(body),
                state=refund_state(body),
                reference=reference_of(body),
                whole=order is not None and order.refunded == order.paid,
                order=order,
                reason=body.optional_text("failure_reason") or "",
            )

    def _confirm_dispute(self, event: DisputeNews) -> StoreEvent:
        body = self._there("dispute.read", at("disputes", event.dispute))
        with understood(RetryLater):
            charge = id_of(body, "charge")
            return replace(
                event,
                amount=self._objects.money(body),
                state=DISPUTE_STATES.get(body.text("status"), event.state),
                order=None if charge is None else self.read_order(charge),
            )

    def _confirm_subscription(self, event: SubscriptionNews) -> StoreEvent:
        path = at("subscriptions", event.subscription)
        body = self._there("subscription.read", path, _expand("customer"))
        with understood(RetryLater):
            now = self._objects.subscription(body)
            ended = now.status is SubscriptionStatus.ENDED
            customer = expanded(body, "customer")
            field = "ended_at" if ended else "cancel_at"
            ends_at = now.paid_until if now.status is SubscriptionStatus.ENDING else None
            if body.optional_integer(field) is not None:
                ends_at = moment(body, field)
            email = None if customer is None else customer.optional_text("email")
            return replace(event, email=email or "", ended=ended, ends_at=ends_at)

    def _there(self, label: str, path: str, query: Sequence[tuple[str, str]] = ()) -> Reader:
        body = self._account.read(label, path, query)
        if body is None:
            raise Refused("not_in_this_account", label)
        return body

    def kept_since(self, now: datetime) -> datetime:
        return now - KEPT

    def read_news(self, since: datetime, until: datetime) -> Iterator[Sequence[News]]:
        """As `plugin.stores.stripe.news` says."""
        return read_news(self._account, since, until, self.kept_since(self._clock.now()))

    # --- connecting -------------------------------------------------------------------------------

    def probe(self) -> Probe:
        """GET /v1/account. A restricted key may lack the right to it; 403 proves the key too.

        Test mode and live mode share the account's id and nothing else: each is a book of its own.
        """
        answer = self._account.get("account.read", "/v1/account")
        mode = self._account.mode
        if answer.status == 403:
            words = f"{mode}; the key may not read the account's name"
            return Probe("Stripe", words, has_our_webhook=self._has_our_webhook())
        account = read_ok(answer)
        with understood(RetryLater):
            ref = account.text("id")
            name = account.optional_text("settings", "dashboard", "display_name")
        return Probe(name or ref, mode, f"{ref}, {mode}", self._has_our_webhook())

    def _has_our_webhook(self) -> bool | None:
        if not self._webhook:
            return None
        answer = self._account.get("webhook.read", at("webhook_endpoints", self._webhook))
        return {404: False, 200: True}.get(answer.status)

    def check_rights(self) -> str:
        """Make each read that we make, and each write on an id that cannot be."""
        account, one = self._account, [("limit", "1")]
        nobody = [*one, ("query", any_of("email", ["nobody@example.com"]))]
        charges = [*one, *_expand(*(f"data.{field}" for field in EXPANDED))]
        refund = [("charge", f"ch_{_NOBODY}")]
        ending = [("cancel_at_period_end", "true")]
        subscription = at("subscriptions", f"sub_{_NOBODY}")
        webhook = at("webhook_endpoints", f"we_{_NOBODY}")
        tried = {
            "Customers: read": account.get("rights.read", "/v1/customers/search", nobody),
            "Charges, Invoices and Balance transactions: read": account.get(
                "rights.read", "/v1/charges", charges
            ),
            "Disputes: read": account.get("rights.read", "/v1/disputes", one),
            "Events: read": account.get("rights.read", "/v1/events", one),
            "Charges and Refunds: write": account.write(
                "POST", "rights.write", "/v1/refunds", refund
            ),
            "Subscriptions: write": account.write("POST", "rights.write", subscription, ending),
            "Webhook Endpoints: write": account.write("DELETE", "rights.write", webhook),
        }
        for right, answer in tried.items():
            if answer.status == 403:
                raise Refused("right_missing", right)
            if answer.status == 401:
                raise refusal(answer)
        return "; ".join(tried)

    def register_webhook(self, url: str, secret: str) -> WebhookRegistered:  # noqa: ARG002 - Stripe makes the secret
        """Make ours, then remove our older ones: in between both send, and nothing is missed."""
        older = self._our_webhooks()
        hooks = manifest().webhooks
        topics = () if hooks is None else tuple(hooks.topics)
        form = [
            ("url", url),
            ("api_version", manifest().api_version or ""),
            ("description", "Makegood"),
            ("metadata[makegood_installation]", self._installation),
            *(("enabled_events[]", topic) for topic in topics),
        ]
        answer = self._account.write("POST", "webhook.create", "/v1/webhook_endpoints", form)
        made = read_ok(answer)
        with understood(OutcomeUnknown):
            words = f"{len(topics)} kinds of events"
            registered = WebhookRegistered(made.text("id"), made.text("secret"), words)
        for ref in older:
            self.remove_webhook(ref)
        return registered

    def _our_webhooks(self) -> Sequence[str]:
        path, query = "/v1/webhook_endpoints", [("limit", "100")]
        listed = self._account.read_list("webhook.list", path, query)
        with understood(RetryLater):
            return [
                item.text("id")
                for item in listed
                if item.optional_text("metadata", "makegood_installation") == self._installation
            ]

    def webhook_alive(self, ref: str) -> bool:
        body = self._account.read("webhook.read", at("webhook_endpoints", ref))
        with understood(RetryLater):
            return body is not None and body.text("status") == "enabled"

    def provoke_delivery(self) -> str | None:
        return None

    def remove_webhook(self, ref: str) -> Changed:
        path = at("webhook_endpoints", ref)
        return _change(self._account.write("DELETE", "webhook.remove", path))


def _expand(*fields: str) -> list[tuple[str, str]]:
    return [("expand[]", field) for field in fields]


def _target(payment: PaymentRef) -> tuple[str, str]:
    return ("payment_intent" if payment.ref.startswith("pi_") else "charge", payment.ref)


def _answers(item: Reader, refund: Refund) -> bool:
    """Whether a listed refund is this one: by its key, or by its intent unless it failed.

    A refund of an earlier attempt that did not fail paid for the same intent: it must not be
    paid again, so it counts.
    """
    if item.optional_text("metadata", "makegood_refund") != refund.id:
        return False
    return reference_of(item) == refund.key or refund_state(item) is not RefundStage.FAILED


def _change(answer: Answer) -> Changed:
    """What is gone already is as wanted."""
    if is_absent(answer):
        return Changed.ALREADY
    read_ok(answer)
    return Changed.DONE
