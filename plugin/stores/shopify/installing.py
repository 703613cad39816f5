"""Shopify's own install: the app is opened there, and its page inside Shopify brings the token.

The configuration that Shopify reads (`shopify.app.toml`) says which rights the app wants; Shopify
asks the merchant for them itself. Nothing arrives at an address of the install: what counts is the
session token that the page inside Shopify's admin shows (`embedded`).
https://shopify.dev/docs/apps/build/authentication-authorization/app-installation
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from plugin.domain.errors import InvalidInput
from plugin.ports.connecting import Arrived, GoTo, InstallUrls, NotUsable, Reading
from plugin.stores.shopify.account import manifest
from plugin.stores.shopify.session_token import is_app

FILE: Final = "shopify.app.toml"
COMPLIANCE: Final = ("customers/data_request", "customers/redact", "shop/redact")
"""Topics that only the app's configuration can subscribe, for all shops at one address."""
LASTING: Final = ("app/scopes_update",)
"""Topics that it subscribes too: a subscription by API is one that failures end, and this is heard
where something is wrong. What comes both ways is one event, and kept once."""
_ADDRESS: Final = re.compile(
    r"https://(?P<place>(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?)"
    r"(?P<path>(?:/[\w.~-]*)*)",
    re.ASCII | re.IGNORECASE,
)
_HIGHEST_PORT: Final = 65535
_NOT_HERE: Final = NotUsable("Open the app inside Shopify's admin: nothing is taken here")


class ShopifyInstall:
    """Implements `plugin.ports.connecting.InstallWay` and `ConfiguresApp`."""

    def begin(
        self,
        settings: Mapping[str, str],
        urls: InstallUrls,  # noqa: ARG002 - the app's configuration names our address
    ) -> GoTo:
        """The page where Shopify asks the merchant, and which opens the app afterwards."""
        outgoing = manifest().outgoing
        assert outgoing is not None  # noqa: S101 - our own manifest has it
        base = settings.get("base_url") or outgoing.address(settings).base_url
        asked = urlencode({"client_id": settings["client_id"]})
        return GoTo(f"{base}/admin/oauth/install?{asked}")

    def read(
        self,
        settings: Mapping[str, str],  # noqa: ARG002 - nothing arrives here
        urls: InstallUrls,  # noqa: ARG002
        arrived: Arrived,  # noqa: ARG002
    ) -> Reading:
        """Nothing is taken."""
        return _NOT_HERE

    def app_file(self, typed: Mapping[str, str], public_url: str) -> tuple[str, bytes]:
        """`shopify.app.toml` for the app `typed["client_id"]`. Raises InvalidInput.

        Its rights are those of `platform.json`, and its version that of our documents.
        https://shopify.dev/docs/apps/build/cli-for-apps/app-configuration
        """
        odd = sorted(set(typed) - {"client_id"})
        if odd:
            raise InvalidInput(odd[0], "give client_id alone")
        app = typed.get("client_id", "")
        if not is_app(app):
            raise InvalidInput("client_id", "give the client ID of your app, from its settings")
        address = _ADDRESS.fullmatch(public_url)
        if address is None or int(address["port"] or 0) > _HIGHEST_PORT:
            advice = "give an https address in ASCII: Shopify opens no other"
            raise InvalidInput("MAKEGOOD_PUBLIC_URL", advice)
        # Shopify's own schema refuses `HTTPS://`.
        base = f"https://{address['place'].lower()}{address['path'].rstrip('/')}"
        ours, hooks = (f"{base}/{way}/shopify/{app}" for way in ("embedded", "webhooks"))
        return FILE, _toml(app, ours, hooks).encode()


def _toml(app: str, ours: str, hooks: str) -> str:
    """The file. JSON's plain strings and lists of them are TOML's too."""
    declared = manifest()
    return f"""\
# Written by `makegood package shopify`: your app's configuration. Send it to Shopify with
# `shopify app deploy`; it holds no secret.
client_id = {json.dumps(app)}
name = "Makegood"
application_url = {json.dumps(ours)}
embedded = true

[access_scopes]
scopes = {json.dumps(",".join(declared.scopes))}

[auth]
redirect_urls = {json.dumps([ours])}

[webhooks]
api_version = {json.dumps(declared.api_version)}

[[webhooks.subscriptions]]
topics = {json.dumps(list(LASTING))}
uri = {json.dumps(hooks)}

[[webhooks.subscriptions]]
compliance_topics = {json.dumps(list(COMPLIANCE))}
uri = {json.dumps(hooks)}
"""
