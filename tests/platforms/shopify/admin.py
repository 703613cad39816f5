"""A site of ours, a Shopify beside it, and the calls that our page in Shopify's admin makes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path

from werkzeug.test import TestResponse

from plugin.ports.connecting import PendingInstall
from plugin.ports.records import Installation, Tenant
from tests.platforms.shopify.fake import FakeShopify
from tests.platforms.shopify.grants import APP, HOST, SECRET, session_token
from tests.web.site import TENANT, Site, open_site

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
        self, move: str, token: str | None = None, headers: Mapping[str, str] | None = None
    ) -> TestResponse:
        """What the page's script sends. No cookie goes with it."""
        told = session_token(self.site.clock.now()) if token is None else token
        client = self.site.app.test_client(use_cookies=False)
        sent = {"Authorization": f"Bearer {told}"} if headers is None else headers
        return client.post(f"{PAGE}/{move}", headers=sent)

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


def words(answer: TestResponse) -> str:
    """What a person reads of a page."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


@contextmanager
def open_admin(folder: Path, template: Path) -> Iterator[ShopifyAdmin]:
    with FakeShopify() as fake:
        fake.credentials = (APP, SECRET)
        allowed = {"MAKEGOOD_ALLOW_PRIVATE_HOSTS": fake.place}
        with open_site(folder, template, allowed) as site:
            yield ShopifyAdmin(site, fake)
