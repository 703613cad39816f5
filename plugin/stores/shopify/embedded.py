"""Our page inside Shopify's admin: whose it is, and who asks. Calls nobody and keeps nothing.

Shopify opens the address of the app with `shop` and `host`, which anybody can write: claims, that
say only who may frame the page. What is done needs the session token that Shopify's script gives
with each call. https://shopify.dev/docs/apps/build/security/set-up-iframe-protection
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from plugin.ports.embedding import Framed, Proven
from plugin.stores.shopify import session_token
from plugin.stores.shopify.offline_tokens import GRANT

API_KEY: Final = "shopify-api-key"
"""The name under which Shopify's script looks for the app's client id."""
_HOST: Final = re.compile(
    rb"admin\.shopify\.com/store/[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
    rb"|[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.myshopify\.com/admin"
)
_CODED: Final = re.compile(r"([A-Za-z0-9_-]{1,200})={0,2}")


class ShopifyEmbedded:
    """Implements `plugin.ports.embedding.EmbeddedAdmin`. `app` is the app's client id."""

    def frame(self, app: str, query: Mapping[str, str]) -> Framed | None:
        """None too for a `host` that is not Shopify's: its script would send the browser there."""
        shop = session_token.shop_of(query.get("shop", ""))
        if shop is None or not session_token.is_app(app) or not _is_admin(query.get("host", "")):
            return None
        return Framed({"shop": shop}, {API_KEY: app})

    def account_claimed(self, token: str) -> Mapping[str, str] | None:
        return session_token.claimed(token)

    def prove(
        self, settings: Mapping[str, str], secrets: Mapping[str, str], token: str, now: datetime
    ) -> Proven | None:
        person = session_token.person(
            token,
            settings.get("shop", ""),
            settings.get("client_id", ""),
            secrets.get("client_secret", ""),
            now,
        )
        return None if person is None else Proven(person, {GRANT: token})


def _is_admin(coded: str) -> bool:
    found = _CODED.fullmatch(coded)
    if found is None:
        return False
    try:
        host = urlsafe_b64decode(found[1] + "=" * (-len(found[1]) % 4))
    except ValueError:
        return False
    return _HOST.fullmatch(host) is not None
