"""The shop's own key delivery: its consent page, and the keys that it then posts to us.

The post is signed by nobody and does not say which shop it is from, so it proves nothing: the keys
are tried at the shop that the admin named. The shop takes exactly 200 for a yes, and deletes the
new key otherwise. https://woocommerce.github.io/woocommerce-rest-api-docs/#rest-api-keys
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from plugin.platforms.strict_json import Malformed, Reader, Unreadable, read_json
from plugin.ports.connecting import (
    BACK,
    Arrived,
    Credentials,
    Document,
    GoTo,
    InstallUrls,
    NotUsable,
    Reading,
    SaidNo,
)
from plugin.stores.woocommerce.account import manifest

KEYS: Final = "keys"
SCOPE: Final = "read_write"
_NOT_KEYS: Final = NotUsable("Only the shop's own key delivery is taken here")


class WoocommerceInstall:
    """Implements `plugin.ports.connecting.InstallWay`. `settings["shop"]` is what was typed."""

    def begin(self, settings: Mapping[str, str], urls: InstallUrls) -> GoTo:
        """The shop's consent page. It shows what is asked for, and by whom."""
        asked = {
            "app_name": "Makegood",
            "scope": SCOPE,
            "user_id": urls.pending,
            # The shop adds `success` and `user_id`.
            "return_url": f"{urls.back}?{urlencode({'state': urls.one_time})}",
            "callback_url": urls.arrival(KEYS),
        }
        return GoTo(f"{_shop(settings)}/wc-auth/v1/authorize?{urlencode(asked)}")

    def read(
        self,
        settings: Mapping[str, str],  # noqa: ARG002 - the post does not say which shop it is from
        urls: InstallUrls,
        arrived: Arrived,
    ) -> Reading:
        """The keys, or the admin's no. That the admin said yes is the keys' own word only."""
        if arrived.part == BACK:
            if arrived.query.get("success") == "0":
                return SaidNo("You said no on the shop's page")
            return Document({})
        if arrived.part != KEYS or arrived.method != "POST":
            return _NOT_KEYS
        try:
            told = Reader(read_json(arrived.body))
            asked_by = told.text("user_id")
            rights = told.text("key_permissions")
            secrets = {name: told.text(name) for name in ("consumer_key", "consumer_secret")}
        except (Unreadable, Malformed):
            return _NOT_KEYS
        if not hmac.compare_digest(asked_by.encode(), urls.pending.encode()):
            return _NOT_KEYS
        if rights != SCOPE:
            return NotUsable("The key must be allowed to read and to write")
        return Credentials(secrets)


def _shop(settings: Mapping[str, str]) -> str:
    """The shop's first page, of which its API's address is made; in development the other way."""
    outgoing = manifest().outgoing
    assert outgoing is not None  # noqa: S101 - the manifest schema's promise, for types
    _, _, api = outgoing.base_url.partition("{shop}")
    development = settings.get("base_url")
    return development.removesuffix(api) if development else f"https://{settings['shop']}"
