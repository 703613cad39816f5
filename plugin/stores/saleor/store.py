"""What the use cases ask of a Saleor shop: orders, refunds, access, tags, webhooks.

It never repeats a write and never reads silence as a no.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from plugin.domain.errors import OutcomeUnknown, Refused, RetryLater
from plugin.domain.ids import customer_key
from plugin.domain.orders import Order, Resource
from plugin.domain.refunds import LookUp, Refund, RefundAnswer
from plugin.platforms.http_client import HttpClient
from plugin.platforms.saleor_orders import read_order
from plugin.platforms.strict_json import JsonValue, Reader
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
from plugin.stores.saleor.account import Account, manifest, refusal_in, understood
from plugin.stores.saleor.documents import (
    ASYNC_EVENTS,
    CREATE_WEBHOOK,
    DELETE_WEBHOOK,
    FIND_BY_EMAIL,
    FIND_BY_NUMBER,
    ON_EVENT,
    READ_ORDER,
    WHO_AM_I,
)
from plugin.stores.saleor.embedded import APP, APP_ID
from plugin.stores.saleor.metadata import Metadata
from plugin.stores.saleor.news import changed_orders
from plugin.stores.saleor.refunds import Refunds

MOST_ADDRESSES = 20
KEPT = timedelta(days=3650)
"""Orders stay: what changed longer ago than that is nobody's news."""
_LARGEST_INT = 2**31 - 1
"""GraphQL's Int: an order's number beyond it is none of Saleor's."""


class SaleorStore:
    """One shop: `settings` hold `host`, or a development `base_url`; `secrets` hold `app_token`."""

    def __init__(self, connection: Connection, http: HttpClient, clock: Clock) -> None:
        self._account = Account(connection, http)
        self._refunds = Refunds(self._account, connection.installation)
        self._metadata = Metadata(self._account, connection.installation)
        self._installation = connection.installation
        self._host = connection.settings.get("host", "")
        self._webhook = connection.settings.get("webhook_ref", "")
        self._clock = clock

    # --- orders -----------------------------------------------------------------------------------

    def find_orders(self, query: OrderQuery) -> Sequence[Order]:
        """One call: the newest fifty orders of exactly these addresses, or those of a number.

        Saleor compares addresses letter by letter, so each is asked for as typed and in small
        letters. A number is the order's own, perhaps with `#`, or its id: then nothing is told of
        the customer's other orders. What fits and did not come is told as unseen.
        """
        if query.number is not None:
            return self._find_by_number(query.number.strip().removeprefix("#"))
        wanted = {customer_key(email) for email in query.emails}
        spelled = sorted(wanted | {email.strip() for email in query.emails})
        if not spelled:
            return ()
        emails: list[JsonValue] = [*spelled[:MOST_ADDRESSES]]
        found, has_more = self._orders("order.find", FIND_BY_EMAIL, {"emails": emails})
        is_cut = has_more or len(spelled) > len(emails)
        hers = (order for order in found if order.customer in wanted)
        return tuple(replace(order, others_unseen=is_cut) for order in hers)

    def _find_by_number(self, number: str) -> Sequence[Order]:
        if not (number.isascii() and number.isdecimal()):
            order = self.read_order(number) if number else None
            return () if order is None else (order,)
        if len(number) > 10 or int(number) > _LARGEST_INT:
            return ()
        found, is_cut = self._orders("order.find", FIND_BY_NUMBER, {"number": int(number)})
        return tuple(replace(order, others_unseen=True) for order in found) if is_cut else found

    def _orders(
        self, label: str, document: str, variables: dict[str, JsonValue]
    ) -> tuple[Sequence[Order], bool]:
        """The orders of one page, and whether there are more."""
        data = self._account.read(label, document, variables)
        with understood(RetryLater):
            nodes = [edge.section("node") for edge in data.items("orders", "edges")]
            orders = [self._order(node) for node in nodes]
            has_more = data.boolean("orders", "pageInfo", "hasNextPage")
        return tuple(order for order in orders if order is not None), has_more

    def read_order(self, ref: str) -> Order | None:
        data = self._account.read("order.read", READ_ORDER, {"id": ref})
        with understood(RetryLater):
            order = data.optional_section("order")
            return None if order is None else self._order(order)

    def _order(self, order: Reader) -> Order | None:
        return read_order(order, self._installation, self._clock.now())

    # --- money ------------------------------------------------------------------------------------

    def refund(self, refund: Refund) -> RefundAnswer:
        """As `Refunds.refund`."""
        return self._refunds.refund(refund)

    def look_up(self, refund: Refund) -> LookUp:
        """As `Refunds.look_up`."""
        return self._refunds.look_up(refund)

    # --- access -----------------------------------------------------------------------------------

    def read_access(self, contact: Contact) -> Sequence[Resource]:
        return self._metadata.held(contact)

    def revoke(self, contact: Contact, resource: Resource) -> Changed:
        return self._metadata.drop(contact, resource)

    def restore(self, contact: Contact, resource: Resource) -> Changed:
        return self._metadata.put(contact, resource)

    def add_tag(self, contact: Contact, tag: Resource) -> Changed:
        return self._metadata.put(contact, tag)

    def remove_tag(self, contact: Contact, tag: Resource) -> Changed:
        return self._metadata.drop(contact, tag)

    # --- news -------------------------------------------------------------------------------------

    def kept_since(self, now: datetime) -> datetime:
        return now - KEPT

    def read_news(self, since: datetime, until: datetime) -> Iterator[Sequence[News]]:
        """As `changed_orders`."""
        return changed_orders(self._account, since, until)

    def read_keys(self) -> str:
        """As `Account.read_keys`."""
        return self._account.read_keys()

    # --- connecting -------------------------------------------------------------------------------

    def probe(self) -> Probe:
        """Ask who the token is. Any text passes as nobody's token: then there is no app."""
        data = self._who()
        with understood(RetryLater):
            app = data.section("app")
            shop = data.optional_text("shop", "name") or self._host
            has_ours = None
            if self._webhook:
                has_ours = self._webhook in [
                    hook.text("id") for hook in app.optional_items("webhooks") or ()
                ]
            words = f"by the app {app.optional_text('name') or app.text('id')}"
            return Probe(shop, words, self._host, has_ours)

    def trade_grant(self) -> Mapping[str, str]:
        """For what a registration brought: the same token, and the shop's id of our app.

        Anybody may post a token; one of another app of the shop is refused.
        """
        data = self._who()
        with understood(RetryLater):
            if data.optional_text("app", "identifier") != APP:
                raise Refused("not_this_app", "the token is of another app than Makegood")
            return {"app_token": self._account.token, APP_ID: data.text("app", "id")}

    def check_rights(self) -> str:
        """Compare the app's permissions with those that the manifest asks for."""
        data = self._who()
        with understood(RetryLater):
            given = {right.text("code") for right in data.items("app", "permissions")}
        for right in manifest().scopes:
            if right not in given:
                raise Refused("right_missing", right)
        return "; ".join(manifest().scopes)

    def register_webhook(self, url: str, secret: str) -> WebhookRegistered:  # noqa: ARG002 - Saleor signs with a key of its own
        """Make ours, then remove our older ones. What is kept as its secret are the shop's keys."""
        keys = self._account.read_keys()
        name = f"Makegood {self._installation}"
        data = self._who()
        with understood(RetryLater):
            hooks = data.optional_items("app", "webhooks") or ()
            older = [hook.text("id") for hook in hooks if hook.optional_text("name") == name]
        wanted: dict[str, JsonValue] = {
            "name": name,
            "targetUrl": url,
            "asyncEvents": [*ASYNC_EVENTS],
            "isActive": True,
            "query": ON_EVENT,
        }
        payload = self._account.change("webhook.create", CREATE_WEBHOOK, {"input": wanted})
        with understood(OutcomeUnknown):
            code = refusal_in(payload)
            if code is not None:
                raise Refused(code, "webhook.create")
            made = payload.text("webhook", "id")
        for ref in older:
            self.remove_webhook(ref)
        return WebhookRegistered(made, keys, f"{len(ASYNC_EVENTS)} kinds of events")

    def webhook_alive(self, ref: str) -> bool:
        data = self._who()
        with understood(RetryLater):
            hooks = data.optional_items("app", "webhooks") or ()
            return any(hook.text("id") == ref and hook.boolean("isActive") for hook in hooks)

    def provoke_delivery(self) -> str | None:
        return None

    def remove_webhook(self, ref: str) -> Changed:
        payload = self._account.change("webhook.remove", DELETE_WEBHOOK, {"id": ref})
        with understood(OutcomeUnknown):
            code = refusal_in(payload)
        if code == "not_found":
            return Changed.ALREADY
        if code is not None:
            raise Refused(code, "webhook.remove")
        return Changed.DONE

    def _who(self) -> Reader:
        data = self._account.read("app.read", WHO_AM_I)
        with understood(RetryLater):
            if data.optional_section("app") is None:
                raise Refused("key_refused", "the token is no app's")
        return data
