"""What the use cases ask of a WooCommerce shop: orders, refunds, subscriptions, news, webhooks.

It never repeats a write and never reads silence as a no.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice

from plugin.domain.errors import OutcomeUnknown, Refused, RetryLater
from plugin.domain.events import (
    PaymentRefunded,
    SaleMade,
    StoreEvent,
    SubscriptionNews,
    Unrecognised,
)
from plugin.domain.ids import customer_key
from plugin.domain.orders import Order, RefundStage, Resource, Subscription
from plugin.domain.refunds import LookUp, Refund, RefundAnswer
from plugin.platforms.http_client import HttpClient
from plugin.platforms.strict_json import JsonObject, Reader
from plugin.platforms.woocommerce_orders import back_of, moment, plain, read_order, reference_of
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
from plugin.stores.woocommerce.account import (
    PAGE,
    Account,
    at,
    count_of,
    read_ok,
    understood,
)
from plugin.stores.woocommerce.memberships import Memberships
from plugin.stores.woocommerce.refunding import Refunding
from plugin.stores.woocommerce.subscriptions import Subscriptions, changed

TOPIC = "order.updated"
OF_SUBSCRIPTIONS = ("subscription.updated", "subscription.deleted")
"""Topics that a shop knows where the Subscriptions extension is installed."""
MOST_ADDRESSES = 2
"""A search takes one address, and two calls are the most: of more addresses the first two."""
KEPT = timedelta(days=3650)
SETTLED_AFTER = timedelta(minutes=2)
"""A refund's row stands before its gateway is called: one so young is looked at again."""


class WoocommerceStore:
    """One shop: `settings` hold `shop`, `secrets` its `consumer_key` and `consumer_secret`."""

    def __init__(self, connection: Connection, http: HttpClient, clock: Clock) -> None:
        self._account = Account(connection, http)
        self._refunding = Refunding(self._account, connection, clock)
        self._memberships = Memberships(self._account, connection.installation)
        self._subscriptions = Subscriptions(self._account, connection.installation)
        self._installation = connection.installation
        self._webhook = connection.settings.get("webhook_ref", "")
        self._clock = clock

    # --- orders -----------------------------------------------------------------------------------

    def find_orders(self, query: OrderQuery) -> Sequence[Order]:
        """Search by billing address, or by a number. Newest first, paid ones only.

        The shop's search is a search of words: who is not asked for stays out. What may fit and
        did not come is told as unseen; by a number nothing is told of the customer's other orders.
        """
        if query.number is not None:
            return self._find_by_number(query.number.strip().removeprefix("#"))
        asked = sorted({customer_key(email) for email in query.emails})
        wanted = asked[:MOST_ADDRESSES]
        pages = [self._search(email) for email in wanted]
        is_cut = len(asked) > len(wanted) or any(has_more for _, has_more in pages)
        with understood(RetryLater):
            found = {
                body.identifier("id"): body
                for bodies, _ in pages
                for body in bodies
                if customer_key(body.optional_text("billing", "email") or "") in wanted
            }
            calls_left = 2 - len(pages)
            orders = self._orders(list(found.values()), calls_left=calls_left, names_first=True)
        told = (replace(order, others_unseen=is_cut) for order in orders)
        return tuple(sorted(told, key=lambda order: order.bought_at, reverse=True))

    def _search(self, words: str) -> tuple[Sequence[Reader], bool]:
        return self._account.read_page("order.search", "/orders", [("search", words)])

    def _find_by_number(self, number: str) -> Sequence[Order]:
        """The id is the number, unless an extension numbers orders: then the search knows it."""
        if not number:
            return ()
        calls_left = 2
        if number.isascii() and number.isdigit():
            body = self._account.read("order.read", at("orders", number))
            calls_left -= 1
            with understood(RetryLater):
                if body is not None and _number(body) == number:
                    return self._orders([body], calls_left=calls_left, names_first=True)
        found, is_cut = self._search(number)
        with understood(RetryLater):
            named = [body for body in found if _number(body) == number]
            orders = self._orders(named, calls_left=calls_left - 1, names_first=True)
        return [replace(order, others_unseen=True) for order in orders] if is_cut else orders

    def read_order(self, ref: str) -> Order | None:
        body = self._account.read("order.read", at("orders", ref))
        with understood(RetryLater):
            return next(iter(self._orders([] if body is None else [body], calls_left=1)), None)

    def _orders(
        self, bodies: Sequence[Reader], *, calls_left: int, names_first: bool = False
    ) -> Sequence[Order]:
        """The orders. Which line was refunded takes a call each: for the newest it is made.

        A call that is left then tells, where `names_first`, which of them began a subscription.
        """
        now, shop = self._clock.now(), self._account.shop
        orders = []
        for body in bodies:
            order = read_order(body, self._installation, now, shop=shop)
            if order is None:
                continue
            is_open = bool(order.refunded) and order.refunded < order.captured
            if calls_left and is_open and len(order.lines) > 1:
                calls_left -= 1
                path = f"{at('orders', order.ref.ref)}/refunds"
                rows = self._account.read_list("refund.list", path)
                order = read_order(body, self._installation, now, shop=shop, per_line=rows) or order
            orders.append(order)
        return self._subscriptions.name_first(orders) if calls_left and names_first else orders

    # --- money ------------------------------------------------------------------------------------

    def refund(self, refund: Refund) -> RefundAnswer:
        return self._refunding.refund(refund)

    def look_up(self, refund: Refund) -> LookUp:
        return self._refunding.look_up(refund)

    # --- access -----------------------------------------------------------------------------------

    def read_access(self, contact: Contact) -> Sequence[Resource]:
        return self._memberships.held(contact)

    def revoke(self, contact: Contact, resource: Resource) -> Changed:
        return self._memberships.revoke(contact, resource)

    def restore(self, contact: Contact, resource: Resource) -> Changed:
        return self._memberships.restore(contact, resource)

    # --- subscriptions ----------------------------------------------------------------------------

    def read_subscription(self, contact: Contact, ref: str) -> Subscription | None:
        return self._subscriptions.read(contact, ref)

    def cancel_subscription(self, contact: Contact, ref: str, *, at_once: bool) -> Changed:
        return self._subscriptions.cancel(contact, ref, at_once=at_once)

    # --- events and news --------------------------------------------------------------------------

    def confirm(self, event: StoreEvent) -> StoreEvent:
        """Read a refund again: when it was, and whether the gateway paid it. One call.

        Of a subscription in the bin the shop sends the number alone: that is read again too. Where
        it tells how subscriptions end, a sale that began one learns its number.

        A row that is gone is work for a person. One that no gateway paid and that is not ours is
        the shop's own word that it paid by hand.
        """
        if isinstance(event, SubscriptionNews) and not event.email:
            return self._subscriptions.news_of(event)
        if isinstance(event, SaleMade) and "," in self._webhook:
            # A first order does not name its subscription: without it the end would end nothing.
            [order] = self._subscriptions.name_first([event.order])
            return SaleMade(order)
        if not isinstance(event, PaymentRefunded):
            return event
        path = f"{at('orders', event.payment.ref)}{at('refunds', event.refund)}"
        row = self._account.read("refund.read", path)
        if row is None:
            return self._confirm_gone(event)
        with understood(RetryLater):
            made_at = moment(row, "date_created_gmt")
            amount = back_of(row.text("amount"), event.amount.currency, row, "amount")
            is_paid = row.optional_boolean("refunded_payment")
            reference = reference_of(row.optional_text("reason"))
        state = RefundStage.SUCCEEDED
        if not is_paid:
            if self._clock.now() - made_at < SETTLED_AFTER:
                raise RetryLater("refund_not_settled", after_seconds=SETTLED_AFTER.seconds)
            state = RefundStage.SUCCEEDED if reference is None else RefundStage.PENDING
        return replace(event, at=made_at, amount=amount, reference=reference, state=state)

    def _confirm_gone(self, event: PaymentRefunded) -> StoreEvent:
        """A refund that its order does not list any more. Raises Refused where that is gone too.

        Staff can strike it although the customer has the money, and a gateway's extension does so
        because the money came back. The shop does not tell which, so nothing is undone by it.
        """
        order = self._account.read("order.read", at("orders", event.payment.ref))
        if order is None:
            raise Refused("not_in_this_account", "order.read")
        with understood(RetryLater):
            listed = {str(row.integer("id")) for row in order.items("refunds")}
        if event.refund in listed:
            raise RetryLater("refund_not_readable")
        return Unrecognised(
            f"refund {event.refund} is not listed any more: look at the gateway whether the money "
            "came back"
        )

    def kept_since(self, now: datetime) -> datetime:
        return now - KEPT

    def read_news(self, since: datetime, until: datetime) -> Iterator[Sequence[News]]:
        """The orders that were changed in that time, as they are now.

        An order that is changed while pages are read leaves the list, and what follows moves up:
        so as many entries are read again as are gone. https://developer.wordpress.org/rest-api
        """
        asked = [
            ("modified_after", _written(since - timedelta(seconds=1))),
            ("modified_before", _written(until + timedelta(seconds=1))),
            ("dates_are_gmt", "true"),
            ("orderby", "id"),
            ("order", "asc"),
            ("per_page", str(PAGE)),
        ]
        seen = known = 0
        while True:
            answer = self._account.get("order.list", "/orders", [*asked, ("offset", str(seen))])
            body = read_ok(answer)
            with understood(RetryLater):
                entries = body.items()
                total = count_of(answer) or 0
                if total < known:
                    seen, known = max(0, seen - (known - total)), total
                    continue
                paid = [one for one in entries if one.optional_text("date_paid_gmt") is not None]
                page = [_news(one) for one in paid]
            yield page
            seen, known = seen + len(entries), total
            if len(entries) < PAGE:
                return

    # --- connecting -------------------------------------------------------------------------------

    def probe(self) -> Probe:
        """Read the shop's payment gateways: which of them can pay back by themselves.

        Without their settings, where their own keys stand.
        """
        wanted = [("_fields", "id,enabled,method_title,method_supports")]
        body = read_ok(self._account.get("gateway.list", "/payment_gateways", wanted))
        with understood(RetryLater):
            used = [one for one in body.items() if one.optional_boolean("enabled")]
            able = [
                plain(one.optional_text("method_title") or one.text("id"))
                for one in used
                if "refunds" in [word.value for word in one.items("method_supports")]
            ]
        words = ", ".join(islice(able, 5)) or "none"
        account = self._account.shop or "WooCommerce"
        return Probe(account, f"refunds by API: {words}", "", self._has_our_webhook())

    def _has_our_webhook(self) -> bool | None:
        return self._stand(self._webhook) if self._webhook else None

    def check_rights(self) -> str:
        """Read what we read, and try a write on what cannot be: the key's rights answer first."""
        tried = {
            "Read": self._account.get("rights.read", "/orders", [("per_page", "1")]),
            "Write": self._account.write("PUT", "rights.write", at("webhooks", "0"), {}),
        }
        for right, answer in tried.items():
            if answer.status in (401, 403):
                raise Refused("right_missing", right)
        read_ok(tried["Read"])
        return "Orders and refunds, read and write"

    def register_webhook(self, url: str, secret: str) -> WebhookRegistered:
        """Make ours, then remove our older ones: in between both send, and nothing is missed.

        The shop makes a guessable secret where none is given, so it is always ours.
        """
        older = self._our_webhooks(url)
        made = [self._make_webhook(TOPIC, url, secret)]
        if self._subscriptions.is_installed():
            made += [self._try_webhook(topic, url, secret) for topic in OF_SUBSCRIPTIONS]
        for ref in older:
            self.remove_webhook(ref)
        has_all = len(made) > 1 and all(made)
        words = "Orders, refunds and subscriptions" if has_all else "Orders and refunds"
        return WebhookRegistered(",".join(made), secret, words)

    def _try_webhook(self, topic: str, url: str, secret: str) -> str:
        """As `_make_webhook`; empty where the shop does not make it, which ends nothing else.

        Its place in the reference stays, so that not every sweep begins anew.
        """
        try:
            return self._make_webhook(topic, url, secret)
        except (Refused, OutcomeUnknown):
            return ""

    def _make_webhook(self, topic: str, url: str, secret: str) -> str:
        wanted: JsonObject = {
            "name": "Makegood",
            "topic": topic,
            "delivery_url": url,
            "secret": secret,
            "status": "active",
        }
        made = read_ok(self._account.write("POST", "webhook.create", "/webhooks", wanted))
        with understood(OutcomeUnknown):
            return str(made.integer("id"))

    def _our_webhooks(self, url: str) -> Sequence[str]:
        listed = self._account.read_list("webhook.list", "/webhooks")
        with understood(RetryLater):
            return [
                str(one.integer("id")) for one in listed if one.optional_text("delivery_url") == url
            ]

    def webhook_alive(self, ref: str) -> bool:
        """Whether all of ours are there and on: the shop switches one off after 5 failures.

        False also where the Subscriptions extension came since: its webhooks are made then.
        """
        return self._stand(ref) and ("," in ref or not self._subscriptions.is_installed())

    def _stand(self, ref: str) -> bool:
        asked = [("include", ",".join(_each(ref)))]
        listed = self._account.read_list("webhook.read", "/webhooks", asked)
        with understood(RetryLater):
            alive = {str(one.integer("id")) for one in listed if one.text("status") == "active"}
        return alive.issuperset(_each(ref))

    def provoke_delivery(self) -> str | None:
        return None

    def remove_webhook(self, ref: str) -> Changed:
        paths = [f"{at('webhooks', one)}?force=true" for one in _each(ref)]
        done = [
            changed(self._account.write("DELETE", "webhook.remove", path, {})) for path in paths
        ]
        return Changed.DONE if Changed.DONE in done else Changed.ALREADY


def _each(ref: str) -> Sequence[str]:
    """The webhooks that a connection keeps, by their numbers in the shop."""
    return [one for one in ref.split(",") if one]


def _number(order: Reader) -> str:
    return order.optional_identifier("number") or order.identifier("id")


def _news(order: Reader) -> News:
    """An order as its webhook would bring it.

    PHP writes JSON without spaces, in ASCII and with `/` escaped. Written so, an order that was not
    changed since its webhook has the same bytes, so the same name, and is known.
    """
    text = json.dumps(order.value, separators=(",", ":"))
    body = text.replace("/", "\\/").encode("ascii")
    name = f"sha256:{hashlib.sha256(body).hexdigest()}"
    return News(name, TOPIC, moment(order, "date_modified_gmt"), body)


def _written(at_: datetime) -> str:
    return at_.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
