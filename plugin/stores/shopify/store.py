"""What the use cases ask of a Shopify shop: orders, refunds, access, events, webhooks.

It never repeats a write and never reads silence as a no.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial

from plugin.domain.errors import Refused, RetryLater
from plugin.domain.events import StoreEvent
from plugin.domain.orders import Order, Resource, ResourceKind
from plugin.domain.refunds import LookUp, Refund, RefundAnswer
from plugin.platforms.http_client import HttpClient
from plugin.platforms.shopify_words import gid
from plugin.ports import (
    Catalog,
    CatalogItem,
    Changed,
    Clock,
    Connection,
    Contact,
    OrderQuery,
    Probe,
    WebhookRegistered,
)
from plugin.ports.keys import KeyShelf
from plugin.ports.news import News
from plugin.stores.shopify import news, refunds
from plugin.stores.shopify.access import Access
from plugin.stores.shopify.account import Account, TokenSource, manifest, understood
from plugin.stores.shopify.confirming import Confirming
from plugin.stores.shopify.documents import WHOLE
from plugin.stores.shopify.offline_tokens import OfflineTokens, exchanged, has_tokens
from plugin.stores.shopify.orders import Objects
from plugin.stores.shopify.search import OrderSearch
from plugin.stores.shopify.tokens import ClientCredentials
from plugin.stores.shopify.webhook_subscriptions import WebhookSubscriptions

_NO_CUSTOMERS = (
    "the app may not read orders with their customers. In the app's settings ask for protected "
    "customer data, with name and email"
)
"""https://shopify.dev/docs/apps/launch/protected-customer-data: granted apart from the scopes."""


class ShopifyStore:
    """One shop: `settings` hold `shop` and `client_id`, `secrets` hold `client_secret`.

    `tokens` may come from elsewhere than the app's own id and secret.
    """

    def __init__(
        self,
        connection: Connection,
        http: HttpClient,
        clock: Clock,
        tokens: TokenSource | None = None,
    ) -> None:
        self._offline = OfflineTokens(connection, http, clock) if has_tokens(connection) else None
        self._tokens = tokens or self._offline or ClientCredentials(connection, http, clock)
        self._account = Account(connection, http, self._tokens, clock)
        self._trade = partial(exchanged, connection, http, clock)
        self._objects = Objects(connection.installation, connection.settings.get("shop", ""))
        self._search = OrderSearch(self._account, self._objects, clock)
        self._access = Access(self._account, connection.installation)
        self._webhooks = WebhookSubscriptions(self._account, connection.installation)
        self._confirming = Confirming(
            self._account, self._access, self.read_order, self.check_rights
        )
        self._secret = connection.secrets["client_secret"]
        self._installation = connection.installation
        self._webhook = connection.settings.get("webhook_ref", "")
        self._clock = clock

    def use_shelf(self, shelf: KeyShelf) -> None:
        """Tokens that end are renewed there."""
        if self._offline is not None:
            self._offline.use_shelf(shelf)

    def trade_grant(self) -> Mapping[str, str]:
        """Tokens that last, for the session token among the secrets. Raises Refused, RetryLater."""
        return self._trade()

    # --- orders -----------------------------------------------------------------------------------

    def find_orders(self, query: OrderQuery) -> Sequence[Order]:
        """By addresses or by the order's name (`#1001` or `1001`), newest first: see `search`."""
        if query.number is not None:
            return self._search.by_number(query.number.strip().removeprefix("#"))
        return self._search.by_emails(query.emails)

    def read_order(self, ref: str) -> Order | None:
        wanted = gid("Order", ref)
        if wanted is None:
            return None
        data = self._account.ask("order.read", {"id": wanted})
        with understood(RetryLater):
            node = data.optional_section("order")
            if node is None:
                return None
            return self._objects.order(node, self._clock.now(), WHOLE["transactions"])

    # --- money ------------------------------------------------------------------------------------

    def refund(self, refund: Refund) -> RefundAnswer:
        """As `plugin.stores.shopify.refunds.send` says: two calls, and one where a token is due."""
        return refunds.send(self._account, refund)

    def look_up(self, refund: Refund) -> LookUp:
        return refunds.look_up(self._account, refund)

    # --- access -----------------------------------------------------------------------------------

    def read_access(self, contact: Contact) -> Sequence[Resource]:
        return self._access.read(contact)

    def revoke(self, contact: Contact, resource: Resource) -> Changed:
        return self._access.change(contact, resource, give=False)

    def restore(self, contact: Contact, resource: Resource) -> Changed:
        return self._access.change(contact, resource, give=True)

    def add_tag(self, contact: Contact, tag: Resource) -> Changed:
        return self._access.change(contact, tag, give=True)

    def remove_tag(self, contact: Contact, tag: Resource) -> Changed:
        return self._access.change(contact, tag, give=False)

    def read_catalog(self) -> Catalog:
        """The first 250 products, and the customers' metafields that say yes or no."""
        data = self._account.ask("catalog.read")
        with understood(RetryLater):
            products = [
                CatalogItem(one.text("id").rpartition("/")[2], one.text("title"))
                for one in data.items("products", "nodes")
            ]
            flags = [
                Resource(
                    self._installation,
                    ResourceKind.MEMBERSHIP,
                    f"{one.text('namespace')}.{one.text('key')}",
                    one.optional_text("name") or "",
                )
                for one in data.items("metafieldDefinitions", "nodes")
                if one.text("type", "name") == "boolean"
            ]
        return Catalog(tuple(products), tuple(flags), ("tags",))

    # --- events -----------------------------------------------------------------------------------

    def confirm(self, event: StoreEvent) -> StoreEvent:
        """As `plugin.stores.shopify.confirming` says. Raises Refused for a sale of another shop."""
        return self._confirming(event)

    def kept_since(self, now: datetime) -> datetime:
        return now - news.KEPT

    def read_news(self, since: datetime, until: datetime) -> Iterator[Sequence[News]]:
        """As `plugin.stores.shopify.news` says: at least two calls."""
        return news.read(self._account, since, until)

    # --- connecting -------------------------------------------------------------------------------

    def probe(self) -> Probe:
        self._tokens.begin_anew()
        data = self._account.ask("account.read")
        with understood(RetryLater):
            shop = data.section("shop")
            domain, currency = shop.text("myshopifyDomain"), shop.text("currencyCode")
            name, ref = shop.text("name"), shop.text("id")
        alive = self.webhook_alive(self._webhook) if self._webhook else None
        return Probe(name, f"{domain}, {currency}", ref, alive)

    def check_rights(self) -> str:
        """Compare the app's access scopes with ours, and read orders once.

        A right to write is one to read as well. With all scopes an app may still not see customers.
        """
        self._tokens.begin_anew()
        data = self._account.ask("account.read")
        with understood(RetryLater):
            scopes = data.items("currentAppInstallation", "accessScopes")
            given = {scope.text("handle") for scope in scopes}
        given |= {f"read_{name.removeprefix('write_')}" for name in given if name[:6] == "write_"}
        missing = [scope for scope in manifest().scopes if scope not in given]
        if missing:
            raise Refused("right_missing", ", ".join(missing))
        try:
            self._account.ask("order.find", {"query": "", "after": None})
        except Refused as error:
            words = _NO_CUSTOMERS if error.code == "right_missing" else error.detail
            raise Refused(error.code, words) from None
        return ", ".join(manifest().scopes)

    def register_webhook(self, url: str, secret: str) -> WebhookRegistered:  # noqa: ARG002 - Shopify signs with the app's own secret
        """Shopify shows an app its own subscriptions only, and signs with the app's own secret."""
        kinds = self._webhooks.make(url)
        return WebhookRegistered(url, self._secret, f"{kinds} kinds of events")

    def webhook_alive(self, ref: str) -> bool:
        return self._webhooks.stand(ref)

    def provoke_delivery(self) -> str | None:
        return None

    def remove_webhook(self, ref: str) -> Changed:
        return self._webhooks.remove(ref)
