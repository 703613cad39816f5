"""A site of ours, a Shopify beside it: what its admin's page calls, and what it delivers."""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

from werkzeug.test import TestResponse

from plugin.ports.connecting import PendingInstall
from plugin.ports.records import Installation, StoredDelivery, Tenant
from tests.databases import Databases
from tests.fakes.platforms import one_after_the_other
from tests.platforms.shopify.fake import FakeShopify
from tests.platforms.shopify.grants import APP, HOST, SECRET, session_token
from tests.web.site import TENANT, Site, open_site
from webhooks.dispatch import Dispatch

PAGE = f"/embedded/shopify/{APP}"
INSTALL = "/install/store/shopify"
FRAMED = {"shop": "acme.myshopify.com", "host": HOST, "embedded": "1"}


@dataclass
class ShopifyAdmin:
    """Somebody in the shop's admin, and our own admin beside them."""

    site: Site
    fake: FakeShopify

    def page(self, path: str = PAGE, **query: str) -> TestResponse:
        client = self.site.app.test_client()
        return client.get(path, query_string={**FRAMED, **query})

    def call(
        self,
        move: str,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        fields: Mapping[str, str | list[str]] | None = None,
    ) -> TestResponse:
        """What the page's script sends. No cookie goes with it."""
        told = session_token(self.site.clock.now()) if token is None else token
        client = self.site.app.test_client(use_cookies=False)
        sent = {"Authorization": f"Bearer {told}"} if headers is None else headers
        if fields is None and move in ("map", "entry"):
            fields = {}
        if fields is None:
            return client.post(f"{PAGE}/{move}", headers=sent)
        kind = "application/x-www-form-urlencoded"
        body = urlencode(fields, doseq=True)
        return client.post(f"{PAGE}/{move}", headers=sent, data=body, content_type=kind)

    def claim(self, tenant: Tenant = TENANT, **more: str) -> str:
        """Our admin says in Makegood that this shop is theirs; gives the page that waits."""
        fields = {
            "value-shop": "acme",
            "value-client_id": APP,
            "value-client_secret": SECRET,
            "value-base_url": self.fake.url,
            **more,
        }
        answer = self.site.admin(tenant).press(INSTALL, f"{INSTALL}/way", fields)
        assert answer.status_code == 303, words(answer)
        return answer.headers["Location"].partition("#")[0]

    def pending(self, page: str) -> PendingInstall:
        with self.site.storage.read(TENANT.id) as uow:
            found = uow.pending_installs.get(page.rpartition("/")[2])
        assert found is not None
        return found

    def connected(self) -> Installation:
        """Claim it, open the page, and let the self-test end."""
        self.claim()
        assert self.call("open").status_code == 200
        for _ in range(4):
            self.call("step")
        [found] = self.site.installations()
        return found

    def deliver(
        self, topic: str, body: bytes, *, to: str = APP, secret: str = SECRET, **named: str | None
    ) -> int:
        """What Shopify sends to `/webhooks/shopify/<to>`, signed; gives the status.

        `named` are headers without `X-Shopify-`; None leaves one out.
        """
        signature = b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()
        told = {
            "topic": topic,
            "shop_domain": "acme.myshopify.com",
            "webhook_id": f"{topic}-{len(body)}",
            **named,
            "hmac_sha256": signature,
        }
        headers = {
            f"X-Shopify-{name.replace('_', '-').title()}": value
            for name, value in told.items()
            if value is not None
        }
        client = self.site.app.test_client()
        return client.post(f"/webhooks/shopify/{to}", data=body, headers=headers).status_code

    def stored(self, tenant: Tenant = TENANT) -> Sequence[StoredDelivery]:
        with self.site.storage.read(tenant.id) as uow:
            return uow.deliveries.newest((), 100)

    def work(self) -> None:
        """As the worker does, with every delivery that waits."""
        parts = self.site.parts
        dispatch = Dispatch(
            parts.house.storage, parts.platforms, parts.registry, parts.clock, one_after_the_other
        )
        for one in self.stored():
            dispatch(TENANT.id, one.id)


def words(answer: TestResponse) -> str:
    """What a person reads of a page."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


@contextmanager
def open_admin(folder: Path, databases: Databases) -> Iterator[ShopifyAdmin]:
    with FakeShopify() as fake:
        fake.credentials = (APP, SECRET)
        allowed = {"MAKEGOOD_ALLOW_PRIVATE_HOSTS": fake.place}
        with open_site(folder, databases, allowed) as site:
            yield ShopifyAdmin(site, fake)
