"""The install by manifest address: Saleor reads our manifest there, then posts a token to us.

The post is signed by nobody: it must name the API of the very host that the admin gave, and its
token is tried there, before it is kept. The manifest asks for the rights that `platform.json` lists
and for nothing else. Webhooks are made by API afterwards: their address is the connection's.
https://docs.saleor.io/developer/extending/apps/architecture/manifest
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Final

from plugin.platforms.strict_json import Malformed, Reader, Unreadable, read_json
from plugin.ports.connecting import (
    Arrived,
    Credentials,
    Document,
    InstallUrls,
    NotUsable,
    Reading,
    ShowAddress,
)
from plugin.stores.saleor.account import manifest
from plugin.stores.saleor.embedded import APP

MANIFEST: Final = "manifest"
REGISTER: Final = "register"
OLDEST: Final = ">=3.22"
_VERSION: Final = "1.0.0"
_NOT_A_TOKEN: Final = NotUsable("Only Saleor's own registration is taken here")


class SaleorInstall:
    """Implements `plugin.ports.connecting.InstallWay`. `settings["host"]` is what was typed."""

    def begin(
        self,
        settings: Mapping[str, str],  # noqa: ARG002 - the same for every shop
        urls: InstallUrls,
    ) -> ShowAddress:
        """The address of our manifest, to be pasted into the dashboard."""
        return ShowAddress(urls.arrival(MANIFEST))

    def read(self, settings: Mapping[str, str], urls: InstallUrls, arrived: Arrived) -> Reading:
        """The manifest for who reads it, or the token of who registers."""
        if arrived.part == MANIFEST and arrived.method == "GET":
            return Document(app_manifest(urls))
        if arrived.part != REGISTER or arrived.method != "POST":
            return NotUsable("Give this address to Saleor: dashboard, Extensions, Add extension")
        api = arrived.headers.get("saleor-api-url", "")
        if not _same(api, f"{_base(settings)}/graphql/"):
            return NotUsable("This Saleor is not the one that was named in Makegood")
        try:
            token = Reader(read_json(arrived.body)).text("auth_token")
        except (Unreadable, Malformed):
            return _NOT_A_TOKEN
        return Credentials({"app_token": token})


def app_manifest(urls: InstallUrls) -> Mapping[str, object]:
    """What Saleor reads. Its `id` is the same for all: a shop takes Makegood once."""
    declared = manifest()
    return {
        "id": APP,
        "version": _VERSION,
        "name": "Makegood",
        "author": "Makegood",
        "about": "Refunds from helpdesk tickets, and access that ends with them.",
        "requiredSaleorVersion": OLDEST,
        "permissions": list(declared.scopes),
        "appUrl": f"{urls.embedded}/{APP}",
        "tokenTargetUrl": urls.arrival(REGISTER),
    }


def _base(settings: Mapping[str, str]) -> str:
    outgoing = manifest().outgoing
    assert outgoing is not None  # noqa: S101 - our own manifest has it
    return settings.get("base_url") or outgoing.address(settings).base_url


def _same(given: str, ours: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), ours.encode())
