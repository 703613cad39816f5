"""A site with a WooCommerce shop and a Saleor beside it, for the ways to install."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

from werkzeug.test import TestResponse

from plugin.ports.connecting import PendingInstall
from tests.databases import Databases
from tests.platforms.saleor.fake import FakeSaleor
from tests.platforms.woocommerce.consent import Consent, consent_of
from tests.platforms.woocommerce.fake import FakeShop
from tests.web.site import TENANT, Browser, Site, open_site

WOO = "/install/store/woocommerce"
SALEOR = "/install/store/saleor"


@dataclass
class Ways:
    """The site, an admin at it, and both shops."""

    site: Site
    shop: FakeShop
    saleor: FakeSaleor
    admin: Browser

    def begin(self, path: str, **more: str) -> TestResponse:
        """Fill in the way's form at `path`."""
        fields = {
            WOO: {"value-shop": "shop.example/de", "value-base_url": self.shop.url},
            SALEOR: {"value-host": "ada.example.com", "value-base_url": self.saleor.url},
        }[path]
        return self.admin.press(path, f"{path}/way", {**fields, **more})

    def page(self, path: str, **more: str) -> str:
        """The pending page after beginning, without its host and fragment."""
        answer = self.begin(path, **more)
        assert answer.status_code == 303, words(answer)
        return answer.headers["Location"].partition("#")[0]

    def consent(self, page: str) -> Consent:
        found = re.search(r'href="(http[^"]*/wc-auth/[^"]*)"', self.admin.get(page).text)
        assert found is not None
        return consent_of(unescape(found[1]))

    def address(self, page: str) -> str:
        found = re.search(r'id="install-address" type="text" value="([^"]*)"', self.see(page))
        assert found is not None
        return unescape(found[1])

    def see(self, page: str) -> str:
        return self.admin.get(page).text

    def pending(self, page: str) -> PendingInstall:
        with self.site.storage.read(TENANT.id) as uow:
            found = uow.pending_installs.get(page.rpartition("/")[2])
        assert found is not None
        return found

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        return self.ask("POST", url, body, headers)[0]

    def ask(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        """What a stranger's server is told: without a cookie, without a session."""
        answer = self.site.app.test_client().open(
            urlsplit(url).path, method=method, data=body, headers=dict(headers)
        )
        return answer.status_code, answer.data


def words(answer: TestResponse) -> str:
    """What a person reads of a page."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


@contextmanager
def open_ways(folder: Path, databases: Databases) -> Iterator[Ways]:
    with ExitStack() as stack:
        shop, saleor = stack.enter_context(FakeShop()), stack.enter_context(FakeSaleor())
        allowed = {"MAKEGOOD_ALLOW_PRIVATE_HOSTS": f"{shop.place},{saleor.place}"}
        site = stack.enter_context(open_site(folder, databases, allowed))
        yield Ways(site, shop, saleor, site.admin())
